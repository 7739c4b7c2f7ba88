"""Chapters on parts of the traffic: kinds of fraud, cards, and weeks."""

from collections.abc import Iterator, Sequence

import numpy as np

from scoring.report import groups, rate_charts, weeks, wording
from scoring.report.chapter import Chapter, Measured, lowered, rate_of
from scoring.report.groups import Rate
from scoring.report.scored import Grouping, Scored
from scoring.report.tables import Table, table


def by_scenario(measured: Measured) -> Iterator[Chapter]:
    """How much of each kind of fraud is caught, where the history tells them apart."""
    scored = measured.scored
    if scored.scenarios is None:
        return
    grouping = scored.scenarios
    frauds_only = grouping._replace(codes=np.where(scored.is_fraud, grouping.codes, len(grouping.labels)))
    found = groups.parts(scored, frauds_only)
    rows = [
        (
            part.label,
            wording.count(part.frauds),
            wording.round_money(part.fraud_minor, scored.currency),
            rate_of(part.declined),
            rate_of(part.stepped_up),
            rate_of(part.reviewed),
            wording.between(part.reviewed.interval),
            wording.number(
                groups.scenario_precision(scored, grouping, part.label)
                if part.label in grouping.labels
                else None
            ),
        )
        for part in found
    ]
    header = (
        grouping.title, "Frauds", "Worth", "Declined", "Stepped up or declined", "Above 1 % false positives",
        "95 % interval", "Average precision",
    )  # fmt: skip
    by_scenario = table("Frauds by scenario", header, rows)
    yield Chapter(
        "scenarios",
        "By fraud scenario",
        (
            (
                "How much of each kind of fraud is caught. Average precision is each scenario's among all genuine "
                "payments, the other scenarios left out."
            ),
        ),
        charts=(
            rate_charts.dots(
                "scenario-declined",
                f"Declined above {scored.decline:g}",
                "Each scenario's share declined, with its 95 % interval; the line is that of all fraud.",
                {part.label: part.declined for part in found},
                _together([part.declined for part in found]),
            ),
            rate_charts.dots(
                "scenario",
                "Caught where 1 % of genuine payments are stopped",
                "Each scenario's share caught, with its 95 % interval; the line is that of all fraud.",
                {part.label: part.reviewed for part in found},
                _together([part.reviewed for part in found]),
            ),
        ),
        tables=(by_scenario,),
    )


def _together(each: Sequence[Rate]) -> Rate:
    return Rate(sum(rate.hits for rate in each), sum(rate.total for rate in each))


def by_part(measured: Measured) -> Iterator[Chapter]:
    """The same figures for parts of the traffic, where the history has any."""
    scored = measured.scored
    if not scored.parts:
        return
    yield Chapter(
        "parts",
        "By part of the traffic",
        ("The same thresholds everywhere; average precision within each part.",),
        tables=tuple(_part_table(scored, grouping) for grouping in scored.parts),
    )


def _part_table(scored: Scored, grouping: Grouping) -> Table:
    rows = [
        (
            part.label,
            wording.count(part.transactions),
            wording.count(part.frauds),
            wording.number(part.average_precision),
            rate_of(part.declined),
            rate_of(part.wrongly_declined),
            rate_of(part.reviewed),
            rate_of(part.wrongly_reviewed),
        )
        for part in groups.parts(scored, grouping)
    ]
    header = (
        grouping.title, "Payments", "Frauds", "Average precision", "Frauds declined", "Genuine declined",
        "Frauds above 1 % false positives", "Genuine above it",
    )  # fmt: skip
    return table(f"By {lowered(grouping.title)}", header, rows)


def by_week(measured: Measured) -> Iterator[Chapter]:
    """Whether the model holds, where the history spans more than a week."""
    scored = measured.scored
    found = weeks.weeks(scored)
    if len(found) < 2:
        return
    rows = [
        (
            f"{wording.day(week.begin_s)}{'' if week.whole else ' *'}",
            wording.count(week.part.transactions),
            wording.count(week.part.frauds),
            f"{week.part.expected:,.0f}",
            wording.number(week.part.average_precision),
            rate_of(week.part.declined),
            rate_of(week.part.wrongly_declined),
            rate_of(week.part.reviewed),
            rate_of(week.part.wrongly_reviewed),
            f"{week.drift:.3f}",
        )
        for week in found
    ]
    header = (
        "Week from Monday", "Payments", "Frauds", "Frauds expected", "Average precision", "Frauds declined",
        "Genuine declined", "Frauds above 1 % false positives", "Genuine above it", "Drift of scores",
    )  # fmt: skip
    moved = [week for week in found if week.whole and week.drift > 0.25]
    whole = [week.part.reviewed.share for week in found if week.whole and week.part.frauds]
    says = [
        (
            "Thresholds stay what they are, week after week. Drift is the population stability index of the week's "
            "scores against all: below 0.1 they are alike, above 0.25 they moved. Weeks marked * (hollow dots) are not "
            "whole."
        ),
        f"Scores moved in {wording.of(len(moved), 'week')}."
        if moved
        else "In no whole week did the scores move (drift above 0.25).",
    ]
    if whole:
        says.append(
            f"Where 1 % of genuine payments are stopped, the worst whole week caught "
            f"{wording.share(min(rate for rate in whole if rate is not None))} of its frauds."
        )
    readings = (
        (
            "week-recall",
            "Frauds caught above the 1 % line",
            (
                "Share of each week's frauds above the threshold that 1 % of all genuine payments pass, with its 95 % "
                "interval."
            ),
            [week.part.reviewed for week in found],
        ),
        (
            "week-genuine",
            "Genuine payments above the 1 % line",
            "Share of each week's genuine payments above the same threshold, with its 95 % interval.",
            [week.part.wrongly_reviewed for week in found],
        ),
        (
            "week-declined",
            f"Frauds declined above {scored.decline:g}",
            "Share of each week's frauds declined, with its 95 % interval.",
            [week.part.declined for week in found],
        ),
        (
            "week-fraud",
            "Fraud in the traffic",
            "Share of each week's payments that were fraud, with its 95 % interval.",
            [Rate(week.part.frauds, week.part.transactions) for week in found],
        ),
    )
    yield Chapter(
        "weeks",
        "Week by week",
        tuple(says),
        charts=tuple(
            rate_charts.weekly(key, title, reading, found, weekly) for key, title, reading, weekly in readings
        ),
        tables=(table("Week by week", header, rows),),
    )
