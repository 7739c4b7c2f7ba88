"""The chapter on people: whether those of one kind are wrongly stopped, or left unprotected, more often."""

from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from scoring.report import groups, rate_charts, wording
from scoring.report.chapter import Chapter, Measured, lowered, rate_of, share_of
from scoring.report.groups import Part, Rate
from scoring.report.scored import Grouping
from scoring.report.tables import Table, table


def fairness(measured: Measured) -> Iterator[Chapter]:
    """Whether a model treats people alike, where the history says who they are."""
    scored = measured.scored
    if not scored.fairness:
        return
    review = measured.curve.allowing(groups.REVIEWED).threshold
    usual = groups.part(scored, "all", np.arange(len(scored.scores)), review)
    says = [
        (
            "Whether people of one kind are wrongly stopped, or their fraud missed, more often than others'. The charts "
            "compare at the threshold that 1 % of all genuine payments pass, where there are enough to compare. A group is "
            "named below where it fares worse by a quarter, and by more than chance explains. Neither age nor region is "
            "among the model's features."
        ),
    ]
    drawn, tables = [], []
    for number, grouping in enumerate(scored.fairness):
        found = groups.parts(scored, grouping)
        named = [part for part in found if part.label in grouping.labels]
        stopped = [part for part in named if groups.stands_out(part.wrongly_reviewed, usual.wrongly_reviewed)]
        exposed = [part for part in named if groups.stands_out(_missed(part), _missed(usual))]
        says.append(
            _sentence(grouping, "wrongly stopped", {part.label: part.wrongly_reviewed for part in stopped})
        )
        says.append(
            _sentence(grouping, "left with fraud missed", {part.label: _missed(part) for part in exposed})
        )
        drawn += [
            rate_charts.dots(
                f"fair-{number}",
                f"Wrongly stopped, by {lowered(grouping.title)}",
                "Share of genuine payments above the 1 % line, with its 95 % interval; the line is that of all.",
                {part.label: part.wrongly_reviewed for part in named},
                usual.wrongly_reviewed,
            ),
            rate_charts.dots(
                f"fair-recall-{number}",
                f"Fraud caught, by {lowered(grouping.title)}",
                "Share of frauds above the 1 % line, with its 95 % interval; the line is that of all.",
                {part.label: part.reviewed for part in named},
                usual.reviewed,
            ),
        ]
        tables.append(_groups_table(grouping, [*found, usual], [*stopped, *exposed]))
    yield Chapter("fairness", "Fairness", tuple(says), charts=tuple(drawn), tables=tuple(tables))


def _missed(part: Part) -> Rate:
    """Frauds that even the 1 % line lets through."""
    return Rate(part.reviewed.total - part.reviewed.hits, part.reviewed.total)


def _sentence(grouping: Grouping, what: str, apart: Mapping[str, Rate]) -> str:
    if not apart:
        return f"{grouping.title}: no group is {what} clearly more often than all are."
    told = ", ".join(f"{label} ({rate_of(rate)})" for label, rate in apart.items())
    return f"{grouping.title}: {what} clearly more often than all are: {told}."


def _groups_table(grouping: Grouping, found: Sequence[Part], apart: Sequence[Part]) -> Table:
    rows = [
        (
            part.label,
            wording.count(part.transactions),
            share_of(part.frauds, part.transactions),
            wording.share(part.expected / part.transactions),
            rate_of(part.wrongly_reviewed),
            wording.between(part.wrongly_reviewed.interval),
            rate_of(part.wrongly_stepped_up),
            rate_of(part.wrongly_declined),
            rate_of(part.reviewed),
            rate_of(part.declined),
        )
        for part in found
    ]
    header = (
        grouping.title, "Payments", "Fraud found", "Fraud expected", "Genuine above the 1 % line", "95 % interval",
        "Genuine stepped up or declined", "Genuine declined", "Frauds above the 1 % line", "Frauds declined",
    )  # fmt: skip
    marked = [place for place, part in enumerate(found) if part in apart]
    return table(f"By {lowered(grouping.title)}", header, rows, marked=marked)
