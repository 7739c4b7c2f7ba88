"""
What a front has answered of late, kept in its memory: whoever repeats it while the core can't be asked gets it again.

Only the core knows every answer. But a repeat mostly comes by the front that answered, and soon.
"""

from bisect import bisect_right
from collections import deque
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from server.core.parcel import Parcel
from server.core.policy import LEDGER_AWAY
from server.core.record import DECISION, REQUEST, Operation

SAID_MAX: Final = 16_384
"""Answers that are kept: some seconds' worth."""


class _Answered(NamedTuple):
    """Some of a parcel's packed REQUESTs, by their places, and their DECISION[n]; `first` counts what was noted before."""

    first: int
    records: bytes
    places: list[int]
    decisions: NDArray[Any]


class Said:
    """The last answers that a front gave, the core's and its own. To note one costs next to nothing."""

    def __init__(self) -> None:
        self._answered: deque[_Answered] = deque()
        self._count = 0
        self._lows = np.zeros(SAID_MAX, np.uint64)
        """The low words of the ids, each at the remainder of its count."""

    def note(self, parcel: Parcel, places: list[int], decisions: NDArray[Any]) -> None:
        """The requests at these places of its records were answered so."""
        first, count = self._count, len(decisions)
        self._answered.append(_Answered(first, parcel.records, places, decisions))
        begin = first % SAID_MAX
        lows = decisions["authorization_id"][:, 0]
        fitting = min(len(lows), SAID_MAX - begin)
        self._lows[begin : begin + fitting] = lows[:fitting]
        self._lows[: len(lows) - fitting] = lows[fitting:]
        self._count += count
        while self._answered[0].first + len(self._answered[0].decisions) <= self._count - SAID_MAX:
            self._answered.popleft()

    def again(self, requests: NDArray[Any]) -> tuple[NDArray[np.bool_], NDArray[Any]]:
        """Which REQUEST[n] ask again what was answered, bool[n], and those answers, marked: DECISION[n]."""
        known = np.zeros(len(requests), np.bool_)
        answers = np.zeros(len(requests), DECISION)
        found = np.flatnonzero(np.isin(self._lows[: self._count], requests["authorization_id"][:, 0]))
        last = self._count - 1
        # In the order in which they were said: of several the last one stands.
        for count in sorted(last - (last - at) % SAID_MAX for at in found.tolist()):
            number = bisect_right(self._answered, count, key=lambda answered: answered.first) - 1
            answered = self._answered[number]
            row = count - answered.first
            asked = np.frombuffer(answered.records, REQUEST)[answered.places[row]]
            same = (requests["authorization_id"] == asked["authorization_id"]).all(axis=1)
            same &= (requests["content"] == asked["content"]).all(axis=1)
            if is_kept(answered.decisions[row]):
                answers[same] = answered.decisions[row]
                known |= same
        answers["replayed"][known] = 1
        return known, answers


def is_kept(decision: Any) -> bool:
    """Whether it is what a repeat gets: a 91 to a message about an authorization is not."""
    return bool(decision["operation"] == Operation.AUTHORIZE or decision["response_code"] != LEDGER_AWAY)
