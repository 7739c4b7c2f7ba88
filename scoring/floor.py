"""
The floor of a champion: how much of the fraud it must find, on labels that came in lately.

Recall at a false-positive rate depends neither on how much fraud there is nor on how many genuine payments were looked
at, so a sample of those is enough.
"""

from collections.abc import Mapping
from typing import Any, Final, NamedTuple

import numpy as np

from scoring.evaluate import recall_at

FALSE_POSITIVE_RATE: Final = 0.01
DAYS: Final = 28
FRAUDS: Final = 50
SHARE_OF_MEASURED: Final = 0.5
"""A champion that finds half of what it found when it was trained has lost its footing."""


class Floor(NamedTuple):
    """
    recall: the share of fraud that must score above all but `false_positive_rate` of genuine payments; None = no floor.
    Judged on labels received within `days`, once there are `frauds` frauds among them.
    """

    recall: float | None
    false_positive_rate: float = FALSE_POSITIVE_RATE
    days: int = DAYS
    frauds: int = FRAUDS

    def __str__(self) -> str:
        if self.recall is None:
            return "none"
        return (
            f"recall {self.recall:.4g} at a false-positive rate of {self.false_positive_rate:.4g}, "
            f"on {self.frauds} frauds of {self.days} days"
        )


class Footing(NamedTuple):
    """What fresh labels say of a champion. recall is None where they are too few; fallen where it is below the floor."""

    frauds: int
    genuine: int
    recall: float | None
    fallen: bool


def floor_of(metrics: Mapping[str, Any]) -> Floor:
    """
    The floor that a manifest's metrics suggest: half of the least recall that was measured at
    FALSE_POSITIVE_RATE in any part; none where none was measured.
    """
    name = f"recall_at_fpr_{FALSE_POSITIVE_RATE}"
    parts = [part for part in metrics.values() if isinstance(part, Mapping)]
    measured = [part[name] for part in [metrics, *parts] if isinstance(part.get(name), int | float)]
    return Floor(round(SHARE_OF_MEASURED * min(measured), 4) if measured and min(measured) > 0 else None)


def footing(floor: Floor, fraud: np.ndarray, genuine: np.ndarray) -> Footing:
    """How a champion stands by its scores of frauds f4[n] and of genuine payments f4[m]; scores may be NaN = unscored."""
    fraud, genuine = fraud[~np.isnan(fraud)], genuine[~np.isnan(genuine)]
    enough = len(fraud) >= floor.frauds and len(genuine) * floor.false_positive_rate >= 1
    if not enough:
        return Footing(len(fraud), len(genuine), None, fallen=False)
    is_fraud = np.repeat([True, False], [len(fraud), len(genuine)])
    recall = recall_at(is_fraud, np.concatenate([fraud, genuine]), floor.false_positive_rate)
    return Footing(
        len(fraud), len(genuine), recall, fallen=floor.recall is not None and recall < floor.recall
    )
