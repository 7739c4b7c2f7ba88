"""What a score got most wrong, what took longest, and which features move scores."""

from typing import Final, NamedTuple

import numpy as np

from scoring.explain import Reason
from scoring.report.scored import Scored, Why

MOST: Final = 8
_REASONS: Final = 4
_SAMPLE: Final = 1_000


class Example(NamedTuple):
    """One transaction: its row, and why it scores as it does, the strongest reason first."""

    row: int
    reasons: tuple[Reason, ...]


class Importance(NamedTuple):
    """How far a feature moves the log-odds of frauds and of genuine payments: the mean without its sign."""

    name: str
    meaning: str
    in_frauds: float
    in_genuine: float


def false_alarms(scored: Scored) -> list[Example]:
    """Genuine payments with the highest scores, one a card, the largest amount first among equals."""
    return _extreme(scored, ~scored.is_fraud, -scored.scores.astype(np.float64))


def missed(scored: Scored) -> list[Example]:
    """Frauds with the lowest scores, one a card, the largest amount first among equals."""
    return _extreme(scored, scored.is_fraud, scored.scores.astype(np.float64))


def slowest(scored: Scored) -> list[Example]:
    """Transactions of the batches whose scoring took longest, one a batch; none where nobody measured."""
    if scored.elapsed_us is None:
        return []
    elapsed = scored.elapsed_us
    order = np.argsort(-elapsed, kind="stable")
    # Transactions of one batch share its time.
    _, first = np.unique(elapsed[order], return_index=True)
    return _explained(scored, order[np.sort(first)[:MOST]])


def importances(scored: Scored, why: Why) -> list[Importance]:
    """
    Features by how far they move scores, the largest part in frauds first, over evenly spaced frauds and
    genuine payments, at most 1,000 of each.
    """
    places = {name: place for place, name in enumerate(why.names)}
    means = []
    for rows in (np.flatnonzero(scored.is_fraud), np.flatnonzero(~scored.is_fraud)):
        sample = rows[np.unique(np.linspace(0, len(rows) - 1, min(len(rows), _SAMPLE)).astype(np.int64))]
        moved = np.zeros(len(why.names))
        for row in sample.tolist():
            for reason in why.reasons(row, len(why.names)):
                moved[places[reason.feature]] += abs(reason.contribution)
        means.append(moved / len(sample))
    found = [
        Importance(name, meaning, float(fraud), float(genuine))
        for name, meaning, fraud, genuine in zip(why.names, why.meanings, *means, strict=True)
    ]
    return sorted(found, key=lambda one: (-one.in_frauds, -one.in_genuine, one.name))


def _extreme(scored: Scored, among: np.ndarray, rank: np.ndarray) -> list[Example]:
    rows = np.flatnonzero(among)
    order = rows[np.lexsort((-scored.attempts["amount_minor"][rows], rank[rows]))]
    _, first = np.unique(scored.attempts["card_row"][order], return_index=True)
    return _explained(scored, order[np.sort(first)[:MOST]])


def _explained(scored: Scored, rows: np.ndarray) -> list[Example]:
    why = scored.why
    return [Example(row, tuple(why.reasons(row, _REASONS)) if why else ()) for row in rows.tolist()]
