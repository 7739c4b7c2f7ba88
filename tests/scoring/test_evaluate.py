"""Figures of scores, against small cases done by hand."""

import numpy as np
import pytest

from scoring.attempt import empty_attempts
from scoring.evaluate import average_precision, card_precision, measure, recall_at, roc_auc


def test_average_precision_is_the_mean_precision_at_each_fraud():
    """Fraud at ranks 1 and 3 of 4: (1/1 + 2/3) / 2."""
    is_fraud = np.array([True, False, True, False])
    assert average_precision(is_fraud, np.array([0.9, 0.8, 0.7, 0.1])) == pytest.approx((1 + 2 / 3) / 2)


def test_average_precision_does_not_depend_on_the_order_of_equal_scores():
    """Ties count at their end: all equal scores give the share of fraud."""
    scores = np.full(4, 0.5)
    assert average_precision(np.array([True, False, False, False]), scores) == pytest.approx(0.25)
    assert average_precision(np.array([False, False, False, True]), scores) == pytest.approx(0.25)


def test_recall_counts_the_fraud_above_what_the_allowed_false_positives_reach():
    """With one false positive of ten allowed, the threshold is the second highest of the rest."""
    is_fraud = np.array([True, True, True] + [False] * 10)
    scores = np.array([0.95, 0.85, 0.3, 0.9, 0.5, *[0.1] * 8])
    assert recall_at(is_fraud, scores, 0.1) == pytest.approx(2 / 3)
    assert recall_at(is_fraud, scores, 0.0) == pytest.approx(1 / 3)


def test_measure_says_none_for_what_needs_both_classes():
    """A part without fraud has counts, and no precision."""
    figures = measure(np.zeros(3, np.bool_), np.array([0.1, 0.2, 0.3], np.float32))
    assert figures["transactions"] == 3
    assert figures["average_precision"] is None
    assert figures["recall_above_0.65"] is None


def test_roc_auc_is_the_share_of_pairs_in_the_right_order():
    """Counted pair by pair; equal scores count half."""
    draw = np.random.default_rng(2)
    is_fraud = draw.random(80) < 0.3
    scores = draw.integers(0, 12, 80) / 12
    pairs = [
        (fraud > genuine) + (fraud == genuine) / 2
        for fraud in scores[is_fraud]
        for genuine in scores[~is_fraud]
    ]
    assert roc_auc(is_fraud, scores) == pytest.approx(np.mean(pairs))


def test_card_precision_counts_cards_by_day_and_leaves_out_those_found():
    """Against the book's words, one day and one card at a time."""
    draw = np.random.default_rng(6)
    attempts = empty_attempts(600)
    attempts["time_s"] = np.sort(draw.integers(0, 4 * 86_400, 600))
    attempts["card_row"] = draw.integers(0, 60, 600)
    is_fraud, scores = draw.random(600) < 0.15, draw.random(600)
    found, shares = set(), []
    for day in range(4):
        highest, defrauded = {}, set()
        for place in np.flatnonzero(attempts["time_s"] // 86_400 == day):
            card = int(attempts["card_row"][place])
            if card not in found:
                highest[card] = max(highest.get(card, 0.0), scores[place])
                if is_fraud[place]:
                    defrauded.add(card)
        caught = defrauded & set(sorted(highest, key=highest.get, reverse=True)[:10])
        shares.append(len(caught) / 10)
        found |= caught
    assert card_precision(is_fraud, scores, attempts, top=10) == pytest.approx(np.mean(shares))
