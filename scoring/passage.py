"""
A history on its way through the features: the one path by which training, evaluation and backtests see it.

It is the server's own path. Attempts come in order of time, those of one second in the history's order; a
label is learnt when it became known, before the attempts of that second and never before the attempt that it
is about. So nothing here knows more than the server knew at that moment.
"""

from collections.abc import Callable, Iterator
from typing import Final

import numpy as np

from scoring.attempt import LABEL
from scoring.features import FEATURE_NAMES, Features
from scoring.history import History
from scoring.limit import no_limits
from scoring.velocity import Velocity

_AT_ONCE: Final = 100_000

Progress = Callable[[int, int], None]


class Passage:
    """What velocity and features know, and the calls by which a batch becomes features."""

    def __init__(self, cards: int, accounts: int) -> None:
        self._velocity = Velocity(cards, accounts)
        self._features = Features(cards)
        self._limits = no_limits()

    def observe(self, attempts: np.ndarray) -> np.ndarray:
        """
        The features f4[n, len(FEATURES)] of attempts ATTEMPT[n] in their order; they are history then.

        Features read attempts and no reservation, so that nothing is reserved here.
        """
        nothing, nobody = np.zeros(len(attempts), np.int32), np.zeros(len(attempts), np.bool_)
        admitted = self._velocity.admit(
            attempts,
            day_ids=nothing,
            month_ids=nothing,
            counted=nobody,
            entering=~nobody,
            limit_sets=np.zeros(len(attempts), np.uint32),
            limits=self._limits,
        )
        return self._features.observe(attempts, admitted.past)

    def learn(self, labels: np.ndarray) -> None:
        """Takes in labels LABEL[m] in the order in which they became known."""
        self._features.learn(labels)

    def warm_up(self) -> None:
        """Compiles the kernels, or loads them from Numba's cache, without touching this state."""
        self._velocity.warm_up()
        self._features.warm_up()


def observe(history: History, progress: Progress | None = None) -> np.ndarray:
    """
    The features f4[n, len(FEATURES)] of a history's attempts, from a state in which nothing had happened.

    progress(done, total) counts attempts.
    """
    attempts = history.attempts
    total = len(attempts)
    passage = Passage(len(history.cards), int(attempts["account"].max(initial=0)) + 1)
    out = np.empty((total, len(FEATURE_NAMES)), np.float32)
    labels, before = labels_of(history)
    for first, end, learnt in _steps(total, before):
        if learnt.start < learnt.stop:
            passage.learn(labels[learnt])
        out[first:end] = passage.observe(attempts[first:end])
        if progress is not None and (end == total or end // _AT_ONCE > first // _AT_ONCE):
            progress(end, total)
    return out


def labels_of(history: History) -> tuple[np.ndarray, np.ndarray]:
    """
    What became known of a history: LABEL[m] in the order in which it is learnt, and for each the place i8[m]
    of the first attempt that comes after it.
    """
    told = np.flatnonzero(history.verdicts)
    told = told[np.argsort(history.known_s[told], kind="stable")]
    labels = np.zeros(len(told), LABEL)
    for name in ("time_s", "amount_minor", "merchant", "terminal", "device", "ip", "card_row"):
        labels[name] = history.attempts[name][told]
    labels["known_s"] = history.known_s[told]
    labels["verdict"] = history.verdicts[told]
    return labels, np.searchsorted(history.attempts["time_s"], labels["known_s"], side="left")


def _steps(total: int, before: np.ndarray) -> Iterator[tuple[int, int, slice]]:
    """Runs of attempts (first, end) that no label parts, each with the labels learnt before it."""
    cuts = np.unique(np.concatenate([np.arange(0, total, _AT_ONCE), before[before < total]]))
    ends = np.append(cuts[1:], total)
    upto = np.searchsorted(before, cuts, side="right")
    learnt = 0
    for first, end, label in zip(cuts.tolist(), ends.tolist(), upto.tolist(), strict=True):
        yield first, end, slice(learnt, label)
        learnt = label
