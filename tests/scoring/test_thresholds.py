"""Thresholds are those at which a history would have cost least."""

import numpy as np
import pytest

from scoring.thresholds import Costs, cheapest, outcomes


def naive_cost(is_fraud, scores, amounts, costs, step_up, decline):
    """The cost of a pair of thresholds, one transaction at a time."""
    total = 0.0
    for fraud, score, amount in zip(is_fraud, scores, amounts, strict=True):
        loss = costs.fraud_loss_share * amount + costs.chargeback_minor
        if score > np.float32(decline):
            total += 0 if fraud else costs.false_decline_minor + costs.false_decline_share * amount
        elif score > np.float32(step_up):
            total += costs.step_up_passed_share * loss if fraud else costs.step_up_minor
        elif fraud:
            total += loss
    return total


def test_every_outcome_is_what_counting_one_by_one_gives():
    """Also for scores that lie on a threshold."""
    draw = np.random.default_rng(4)
    is_fraud = draw.random(60) < 0.3
    scores = np.where(draw.random(60) < 0.5, draw.integers(0, 101, 60) / 100, draw.random(60)).astype(
        np.float32
    )
    amounts = draw.integers(100, 100_000, 60)
    costs = Costs()
    found = outcomes(is_fraud, scores, amounts, costs)
    assert len(found) == 99 * 100 // 2
    for outcome in found[::97]:
        expected = naive_cost(is_fraud, scores, amounts, costs, outcome.step_up, outcome.decline)
        assert outcome.cost_minor == pytest.approx(expected, abs=1)
        assert outcome.cost_without_minor == pytest.approx(
            naive_cost(is_fraud, scores, amounts, costs, 1.0, 1.0), abs=1
        )
    best = cheapest(is_fraud, scores, amounts, costs)
    assert best.cost_minor == min(outcome.cost_minor for outcome in found)
    assert best.saved_minor == best.cost_without_minor - best.cost_minor


def test_dearer_false_declines_raise_the_threshold_of_declines():
    """Whoever loses customers over a decline declines less."""
    draw = np.random.default_rng(5)
    scores = draw.random(2_000).astype(np.float32)
    is_fraud = draw.random(2_000) < scores**3
    amounts = np.full(2_000, 10_000)
    cheap = cheapest(is_fraud, scores, amounts, Costs(false_decline_minor=500))
    dear = cheapest(is_fraud, scores, amounts, Costs(false_decline_minor=50_000))
    assert cheap.decline < dear.decline


def test_costs_below_zero_and_shares_above_one_are_refused():
    """By their name."""
    with pytest.raises(ValueError, match="chargeback_minor is -1"):
        Costs(chargeback_minor=-1)
    with pytest.raises(ValueError, match=r"fraud_loss_share is 1.5"):
        Costs(fraud_loss_share=1.5)
