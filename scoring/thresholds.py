"""
Where to decline and where to ask for more: the two scores at which a history would have cost least.

A fraud that passes costs a share of its amount and a fee; a genuine payment that is declined, and one that is
asked to prove itself, cost something too. A step-up stops all fraud but a share that proves itself all the same.
"""

from dataclasses import asdict, dataclass
from typing import Final, NamedTuple

import numpy as np

_STEPS: Final = 100
"""Thresholds are hundredths: a person sets and reads them."""


@dataclass(frozen=True)
class Costs:
    """
    What each outcome costs, amounts in minor units of the history's currency.

    fraud_loss_share: of a fraud's amount that is lost where it passes, and chargeback_minor with it;
    false_decline_minor: of each genuine payment declined, and false_decline_share of its amount;
    step_up_minor: of each genuine payment that must prove itself; step_up_passed_share: of fraud that proves
    itself, and passes.
    """

    fraud_loss_share: float = 1.0
    chargeback_minor: int = 1_500
    false_decline_minor: int = 2_000
    false_decline_share: float = 0.02
    step_up_minor: int = 500
    step_up_passed_share: float = 0.1

    def __post_init__(self) -> None:
        for name, value in asdict(self).items():
            if not value >= 0:
                raise ValueError(f"{name} is {value}: a cost is not below zero")
            if name.endswith("_share") and value > 1:
                raise ValueError(f"{name} is {value}: a share is at most 1")


class Outcome(NamedTuple):
    """
    What a pair of thresholds would have cost in all, minor units, and what the history cost without any.

    A score above `decline` is declined, one above `step_up` alone must prove itself.
    """

    step_up: float
    decline: float
    cost_minor: int
    cost_without_minor: int

    @property
    def saved_minor(self) -> int:
        """How much less that is than letting everything pass."""
        return self.cost_without_minor - self.cost_minor


def outcomes(
    is_fraud: np.ndarray, scores: np.ndarray, amounts_minor: np.ndarray, costs: Costs
) -> list[Outcome]:
    """The outcome of every pair of thresholds, hundredths, step_up <= decline; by step_up, then decline."""
    passed, stepped, declined = _sums(is_fraud, scores, amounts_minor, costs)
    without = float(passed[-1])
    found = []
    for step_up in range(1, _STEPS):
        for decline in range(step_up, _STEPS):
            cost = (
                passed[step_up] + (stepped[decline] - stepped[step_up]) + (declined[-1] - declined[decline])
            )
            found.append(Outcome(step_up / _STEPS, decline / _STEPS, round(float(cost)), round(without)))
    return found


def cheapest(is_fraud: np.ndarray, scores: np.ndarray, amounts_minor: np.ndarray, costs: Costs) -> Outcome:
    """The outcome of the pair that would have cost least; of equals the one that declines and asks least."""
    return min(
        outcomes(is_fraud, scores, amounts_minor, costs),
        key=lambda outcome: (outcome.cost_minor, -outcome.decline, -outcome.step_up),
    )


def _sums(
    is_fraud: np.ndarray, scores: np.ndarray, amounts_minor: np.ndarray, costs: Costs
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """What everything with a score up to each hundredth costs where it passes, is stepped up, is declined."""
    amounts = amounts_minor.astype(np.float64)
    loss = np.where(is_fraud, costs.fraud_loss_share * amounts + costs.chargeback_minor, 0.0)
    asked = np.where(is_fraud, costs.step_up_passed_share * loss, float(costs.step_up_minor))
    refused = np.where(is_fraud, 0.0, costs.false_decline_share * amounts + costs.false_decline_minor)
    # The lowest hundredth that a score is not above: there and from there on it is no longer caught.
    grid = (np.arange(_STEPS + 1) / _STEPS).astype(np.float32)
    place = np.searchsorted(grid, scores.astype(np.float32), side="left")
    return (
        np.cumsum(np.bincount(place, loss, _STEPS + 1)),
        np.cumsum(np.bincount(place, asked, _STEPS + 1)),
        np.cumsum(np.bincount(place, refused, _STEPS + 1)),
    )
