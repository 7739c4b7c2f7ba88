"""A model put to a history: its scores of every transaction, and how well they tell fraud."""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from scoring import passage
from scoring.evaluate import measure
from scoring.history import History, HistoryError
from scoring.model import Model


class Examination(NamedTuple):
    """
    What a model made of a history of n transactions, in the history's order.

    features f4[n, F]; scores f4[n]; measured bool[n]: which of them the figures are about; figures
    (`evaluate.measure`, with what was measured), None where the history has no labels.
    """

    features: np.ndarray
    scores: np.ndarray
    measured: np.ndarray
    figures: dict[str, Any] | None


def examine(
    model: Model,
    history: History,
    *,
    since_s: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Examination:
    """
    Scores a history as the server would have: what comes before `since_s` is scored too, but not measured.

    Raises HistoryError where nothing is left to measure. With one class only, figures that need both are None.
    """
    measured = np.ones(len(history.attempts), np.bool_)
    if since_s is not None:
        measured = history.attempts["time_s"] >= since_s
    if not measured.any():
        raise HistoryError("no transaction of the history is that new: there is nothing to measure")
    features = passage.observe(history, progress)
    scores = model.score(features)
    figures = None
    if history.is_labelled:
        thresholds = (model.manifest.thresholds["step_up"], model.manifest.thresholds["decline"])
        figures = measure(
            history.is_fraud[measured], scores[measured], history.attempts[measured], thresholds
        )
    return Examination(features, scores, measured, figures)


def columns(history: History, scores: np.ndarray) -> dict[str, Any]:
    """One row a transaction in the file's order: its row there, the score f4, and what names it."""
    order = np.argsort(history.rows)
    attempts = history.attempts[order]
    cards = np.array(history.cards)
    table: dict[str, Any] = {
        "row": history.rows[order],
        "card": cards[attempts["card_row"]],
        "time_s": attempts["time_s"],
        "amount_minor": attempts["amount_minor"],
        "score": scores[order],
    }
    if history.is_labelled:
        table["is_fraud"] = history.is_fraud[order]
    return table
