"""
The protocol of the Fraud Detection Handbook, chapter 3: what teaches, what is measured, and its figures.

Le Borgne, Siblini, Lebichot, Bontempi: Reproducible Machine Learning for Credit Card Fraud Detection, 2022.
A model learns from `train_days`, waits `delay_days` in which no label is known yet, and is measured on the
`test_days` after. On each day of the test, cards are left out of which a fraud was known by then: those
of the training days, and those of the days since that are `delay_days` and one more back.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple

import numpy as np

from scoring.evaluate import average_precision, card_precision, roc_auc
from scoring.grow import Lesson, grow
from scoring.history import History

DAY_S: Final = 86_400
FIRST_DAY_S: Final = int(datetime(2018, 7, 25, tzinfo=UTC).timestamp())
"""The first day of training in the book's figures."""


class Fold(NamedTuple):
    """Which transactions of a history teach, and which are measured: bool[n] each."""

    teaches: np.ndarray
    measures: np.ndarray


def fold(
    history: History,
    first_day_s: int = FIRST_DAY_S,
    *,
    train_days: int = 7,
    delay_days: int = 7,
    test_days: int = 7,
    all_before: bool = False,
) -> Fold:
    """
    The fold whose training begins at midnight `first_day_s` (seconds UTC); earlier ones are for tuning.

    With `all_before` everything before the delay teaches; what is measured stays the same.
    """
    days = (history.attempts["time_s"] - first_day_s) // DAY_S
    cards = history.attempts["card_row"]
    in_training = (days >= 0) & (days < train_days)
    compromised = np.zeros(len(history.cards), np.bool_)
    compromised[cards[in_training & history.is_fraud]] = True
    measures = np.zeros(len(days), np.bool_)
    for day in range(train_days + delay_days, train_days + delay_days + test_days):
        compromised[cards[(days == day - delay_days - 1) & history.is_fraud]] = True
        measures |= (days == day) & ~compromised[cards]
    return Fold((days < train_days) if all_before else in_training, measures)


def figures(
    history: History,
    features: np.ndarray,
    split: Fold,
    parameters: Mapping[str, Any],
    rounds: int,
    seeds: Sequence[int] = (1, 2, 3, 4, 5),
) -> dict[str, Any]:
    """
    What models of so many seeds make of a fold: each seed's figures and their means.

    features f4[n, F] are the history's (`passage.observe`); parameters and rounds as `grow` takes them.
    """
    lesson = Lesson(
        features[split.teaches],
        history.is_fraud[split.teaches],
        np.ones(np.count_nonzero(split.teaches), np.float32),
    )
    measured = features[split.measures]
    is_fraud = history.is_fraud[split.measures]
    attempts = history.attempts[split.measures]
    runs = []
    for seed in seeds:
        scores = grow(lesson, parameters, rounds, seed).log_odds(measured)
        runs.append(
            {
                "seed": seed,
                "average_precision": average_precision(is_fraud, scores),
                "card_precision_at_100": card_precision(is_fraud, scores, attempts),
                "roc_auc": roc_auc(is_fraud, scores),
            }
        )
    means = {name: float(np.mean([run[name] for run in runs])) for name in runs[0] if name != "seed"}
    return {
        "teaching": len(lesson.is_fraud),
        "measured": len(is_fraud),
        "frauds_measured": int(is_fraud.sum()),
        **means,
        "seeds": runs,
    }
