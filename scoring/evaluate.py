"""How well scores tell fraud: the figures of a manifest and of a report."""

from collections.abc import Sequence
from typing import Any, Final

import numpy as np

STEP_UP: Final = 0.65
DECLINE: Final = 0.85


def measure(
    is_fraud: np.ndarray,
    scores: np.ndarray,
    attempts: np.ndarray | None = None,
    thresholds: Sequence[float] = (STEP_UP, DECLINE),
) -> dict[str, Any]:
    """
    Figures of scores f4[n] against labels bool[n]; None for what has no meaning without both classes.

    average_precision, roc_auc and recall at a false-positive rate rank by score; recall and false-positive
    rate `above` a threshold count scores strictly above it, as policy does. card_precision_at_100 needs the
    attempts ATTEMPT[n].
    """
    frauds = int(is_fraud.sum())
    figures: dict[str, Any] = {"transactions": len(scores), "frauds": frauds}
    both = 0 < frauds < len(scores)
    figures["average_precision"] = _rounded(average_precision(is_fraud, scores)) if both else None
    figures["roc_auc"] = _rounded(roc_auc(is_fraud, scores)) if both else None
    for rate in (0.001, 0.01):
        figures[f"recall_at_fpr_{rate}"] = _rounded(recall_at(is_fraud, scores, rate)) if both else None
    if attempts is not None:
        figures["card_precision_at_100"] = (
            _rounded(card_precision(is_fraud, scores, attempts)) if both else None
        )
    for threshold in thresholds:
        above = scores > np.float32(threshold)
        figures[f"recall_above_{threshold}"] = _rounded(above[is_fraud].mean()) if both else None
        figures[f"fpr_above_{threshold}"] = _rounded(above[~is_fraud].mean()) if both else None
    figures["score_mean"] = _rounded(scores.mean(dtype=np.float64)) if len(scores) else None
    return figures


def average_precision(is_fraud: np.ndarray, scores: np.ndarray) -> float:
    """The mean precision at each fraud, in order of falling scores; ties count at their end."""
    order = np.argsort(-scores, kind="stable")
    ranked, caught = scores[order], np.cumsum(is_fraud[order])
    ends = np.flatnonzero(np.append(ranked[1:] != ranked[:-1], True))
    gained = np.diff(caught[ends], prepend=0)
    return float((caught[ends] / (ends + 1) * gained).sum() / caught[-1])


def roc_auc(is_fraud: np.ndarray, scores: np.ndarray) -> float:
    """The share of pairs of a fraud and a genuine one that scores put in the right order; ties count half."""
    _, place, counts = np.unique(scores, return_inverse=True, return_counts=True)
    ranks = np.cumsum(counts) - (counts - 1) / 2
    frauds = int(is_fraud.sum())
    above = ranks[place][is_fraud].sum() - frauds * (frauds + 1) / 2
    return float(above / (frauds * (len(is_fraud) - frauds)))


def card_precision(is_fraud: np.ndarray, scores: np.ndarray, attempts: np.ndarray, top: int = 100) -> float:
    """
    Card Precision@top: of the `top` cards with the highest scores of a day, the share that was defrauded on
    that day; the mean over the days (UTC) of attempts ATTEMPT[n].

    As the Fraud Detection Handbook defines it (chapter 3): a card's score is its highest of the day, a card
    once found leaves the days after, and a day with fewer cards is divided by `top` all the same.
    """
    days = attempts["time_s"] // 86_400
    cards = attempts["card_row"]
    found = np.zeros(int(cards.max(initial=0)) + 1, np.bool_)
    shares = []
    for day in np.unique(days):
        rows = np.flatnonzero((days == day) & ~found[cards])
        order = rows[np.argsort(-scores[rows], kind="stable")]
        _, highest = np.unique(cards[order], return_index=True)
        suspects = cards[order[np.sort(highest)[:top]]]
        caught = np.intersect1d(suspects, cards[rows[is_fraud[rows]]])
        found[caught] = True
        shares.append(len(caught) / top)
    return float(np.mean(shares))


def recall_at(is_fraud: np.ndarray, scores: np.ndarray, false_positive_rate: float) -> float:
    """The share of fraud above the lowest threshold that at most this share of the rest passes."""
    legitimate = np.sort(scores[~is_fraud])[::-1]
    threshold = legitimate[int(false_positive_rate * len(legitimate))]
    return float((scores[is_fraud] > threshold).mean())


def _rounded(value: float) -> float:
    return round(float(value), 5)
