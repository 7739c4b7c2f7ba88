"""Chapters on why scores are what they are: features, and the worst and slowest examples."""

from collections.abc import Iterator, Sequence
from typing import Final

import numpy as np

from scoring.report import examples, rate_charts, wording
from scoring.report.chapter import Because, Case, Cases, Chapter, Measured
from scoring.report.examples import Example
from scoring.report.scored import Grouping, Scored
from scoring.report.tables import table

_FEATURES_SHOWN: Final = 15


def features(measured: Measured) -> Iterator[Chapter]:
    """Which features move scores, where the model can say."""
    why = measured.scored.why
    if why is None:
        return
    found = examples.importances(measured.scored, why)
    rows = [(one.name, one.meaning, f"{one.in_frauds:.3f}", f"{one.in_genuine:.3f}") for one in found]
    header = ("Feature", "What it is", "in frauds", "in genuine")
    every = table("Mean move of the log-odds", header, rows, words=2)
    yield Chapter(
        "features",
        "What the model looks at",
        (
            (
                "How far each feature moves a score, on average over payments of this history (SHAP values). One unit of "
                "log-odds multiplies the odds of fraud by 2.7."
            ),
        ),
        charts=(rate_charts.importance(found[:_FEATURES_SHOWN], every),),
    )


def worst(measured: Measured) -> Iterator[Chapter]:
    """The worst mistakes, and the slowest answers where they were timed."""
    scored = measured.scored
    alarms, missed, slow = (
        find(scored) for find in (examples.false_alarms, examples.missed, examples.slowest)
    )
    sorts = [
        Cases("Genuine, with the highest scores", "One a card.", _cases(scored, alarms)),
        Cases("Fraud, with the lowest scores", "One a card.", _cases(scored, missed)),
    ]
    says = ["The worst mistakes of the model on this history, with the features that moved each score most."]
    elapsed = scored.elapsed_us
    if elapsed is not None and slow:
        typical, rare = (float(np.quantile(elapsed, part)) for part in (0.5, 0.99))
        says.append(
            f"Scoring took {typical:,.1f} µs a payment for the typical one and {rare:,.1f} µs for one in a hundred."
        )
        told = [f"took {float(elapsed[example.row]):,.1f} µs" for example in slow]
        sorts.append(Cases("Slowest to score", "One of each batch.", _cases(scored, slow, told)))
    yield Chapter(
        "examples", "Worst and slowest" if slow else "Worst mistakes", tuple(says), cases=tuple(sorts)
    )


def _cases(scored: Scored, found: Sequence[Example], told: Sequence[str] = ()) -> tuple[Case, ...]:
    cases = []
    for place, (row, reasons) in enumerate(found):
        attempt = scored.attempts[row]
        merchant = scored.merchants.get(int(attempt["merchant"]), "")
        category = f"category {int(attempt['category']):04}" if attempt["category"] else ""
        facts = (
            wording.moment(int(attempt["time_s"])),
            f"card {wording.masked(scored.cards[int(attempt['card_row'])])}",
            merchant,
            category,
            f"scenario: {_label(scored.scenarios, row)}" if scored.scenarios and scored.is_fraud[row] else "",
            told[place] if told else "",
        )
        cases.append(
            Case(
                wording.money(int(attempt["amount_minor"]), scored.currency),
                " · ".join(fact for fact in facts if fact),
                f"{scored.scores[row]:.4f}",
                tuple(
                    Because(
                        reason.contribution > 0,
                        f"{reason.contribution:+.2f}".replace("-", wording.MINUS),
                        reason.text,
                    )
                    for reason in reasons
                ),
            )
        )
    return tuple(cases)


def _label(grouping: Grouping, row: int) -> str:
    code = int(grouping.codes[row])
    return grouping.labels[code] if code >= 0 else "not known"
