"""
A turn: the batch of requests that the core decides together, and whom each belongs to.

Fronts hand over parcels; whatever waits becomes one array. Its order is kept: messages about authorizations first, then
authorizations.
"""

import time
from collections.abc import Iterator
from typing import Any, Final

import numpy as np
from numba import njit
from numpy.typing import NDArray

from server.core.parcel import Parcel
from server.core.policy import LEDGER_AWAY, Check
from server.core.record import DECISION, INTENT, REQUEST, REQUEST_VERSION, Operation
from server.core.repeats import Admission, Admitted

_AUTHORIZE: Final = int(Operation.AUTHORIZE)
_NEW: Final = int(Admission.NEW)
_TOO_LATE: Final = int(Admission.TOO_LATE)
_REVERSED: Final = int(Check.REVERSED_BEFORE_ARRIVAL)


class Turn:
    """One batch under way: its intents (messages about authorizations first) and whom each belongs to."""

    def __init__(self, parcels: list[Parcel]) -> None:
        self.parcels = parcels
        self.requests = np.frombuffer(bytearray().join([parcel.records for parcel in parcels]), REQUEST)
        self.intents: NDArray[Any] = np.zeros(0, INTENT)
        self.origin = np.zeros(0, np.int64)
        """Where in `requests` each intent came from."""
        self.messages = 0
        """How many of the intents are about other authorizations."""
        self.number = 0
        """Of the journal's row with the authorizations."""
        self.given_up = False
        """Whether the ledger has missed the deadline, and the authorizations have their answers without it."""
        self.marks_ns = [time.perf_counter_ns()]

    def mark(self) -> None:
        """A stage has ended."""
        self.marks_ns.append(time.perf_counter_ns())

    def open(self, admitted: Admitted, sequence: int, directory_version: int) -> None:
        """An intent for every request that is new, numbered from `sequence` on; messages about others first."""
        self.origin = np.empty(len(self.requests), np.int64)
        self.messages, count = order_of(self.requests, admitted.admissions, self.origin)
        self.origin = self.origin[:count]
        self.intents = np.zeros(count, INTENT)
        _bytes_of(self.intents)[:, : REQUEST.itemsize] = _bytes_of(self.requests)[self.origin]
        open_intents(self.intents, self.origin, admitted.admissions, sequence, directory_version)

    def answer_authorizations(self, decisions: NDArray[Any]) -> None:
        """Hand out the decisions of all authorizations, each to whoever asked."""
        if len(decisions) == len(self.requests):
            first = 0
            for parcel in self.parcels:
                last = first + len(parcel.places)
                parcel.deliver(parcel.places, decisions[first:last])
                first = last
        else:
            self.answer(self.origin[self.messages :], decisions)

    def answer(self, origins: NDArray[np.int64], decisions: NDArray[Any]) -> None:
        """Hand out some DECISIONs, to those whose requests stand at `origins` of this turn's requests."""
        rows = dict(zip(origins.tolist(), range(len(decisions)), strict=True))
        for parcel, first in self._parcels_at():
            inside = [place for place in range(len(parcel.places)) if first + place in rows]
            if inside:
                chosen = decisions[[rows[first + place] for place in inside]]
                parcel.deliver([parcel.places[place] for place in inside], chosen)

    def cut(self, origin: int) -> Parcel:
        """The request at `origin` as a parcel of its own."""
        for parcel, first in self._parcels_at():
            if origin < first + len(parcel.places):
                place = parcel.places[origin - first]
                return Parcel(self.requests[origin].tobytes(), [place], parcel.deliver, parcel.fail)
        raise AssertionError("the origin lies within the requests")

    def _parcels_at(self) -> Iterator[tuple[Parcel, int]]:
        first = 0
        for parcel in self.parcels:
            yield parcel, first
            first += len(parcel.places)


class Answer:
    """The answer to a turn's messages about authorizations, INTENT[n] from its `origin` (i8[n])."""

    def __init__(self, turn: Turn, intents: NDArray[Any], origin: NDArray[np.int64]) -> None:
        self._turn = turn
        self._intents = intents
        self._origin = origin
        self._is_given = False

    def not_yet(self) -> None:
        """
        The ledger's answer is overdue: 91, of which nothing is kept.

        The messages are on disk and are carried out all the same: whoever repeats them gets what came of them.
        """
        self.give(away(self._intents["request"]))

    def give(self, decisions: NDArray[Any]) -> None:
        """Hand out DECISION[n], unless an answer was given before."""
        if not self._is_given:
            self._is_given = True
            self._turn.answer(self._origin, decisions)


def away(requests: NDArray[Any]) -> NDArray[Any]:
    """DECISION[n] for REQUEST[n] that wait for the ledger too long: 91, which no journal has."""
    decisions = np.zeros(len(requests), DECISION)
    for name in ("authorization_id", "original_id", "operation"):
        decisions[name] = requests[name]
    decisions["version"] = REQUEST_VERSION
    decisions["response_code"] = LEDGER_AWAY
    return decisions


@njit(cache=True)
def order_of(requests: Any, admissions: Any, origin: Any) -> tuple[int, int]:
    """Places of the requests that get an intent into `origin`, authorizations last; how many others, and all, are."""
    count = 0
    for i in range(len(requests)):
        if admissions[i] == _NEW and requests[i].operation != _AUTHORIZE:
            origin[count] = i
            count += 1
    messages = count
    for i in range(len(requests)):
        if (admissions[i] == _NEW or admissions[i] == _TOO_LATE) and requests[i].operation == _AUTHORIZE:
            origin[count] = i
            count += 1
    return messages, count


@njit(cache=True)
def open_intents(intents: Any, origin: Any, admissions: Any, sequence: int, directory_version: int) -> None:
    """Number INTENT[n] from `sequence` on, and note those whose reversal came first."""
    for i in range(len(intents)):
        intents[i].sequence = sequence + i
        intents[i].directory_version = directory_version
        intents[i].request.version = REQUEST_VERSION
        intents[i].score = np.nan
        if admissions[origin[i]] == _TOO_LATE:
            intents[i].checks_failed = np.uint64(1 << _REVERSED)


@njit(cache=True)
def stamp(
    intents: Any, decisions: Any, number: int, decision_ns: int, ledger_us: int, journal_us: int
) -> None:
    """What every DECISION[n] takes over from its INTENT[n], which row `number` of the journal keeps."""
    for i in range(len(intents)):
        decision = decisions[i]
        decision.sequence = intents[i].sequence
        decision.authorization_id[0] = intents[i].request.authorization_id[0]
        decision.authorization_id[1] = intents[i].request.authorization_id[1]
        decision.operation = intents[i].request.operation
        decision.intent_batch = number
        decision.intent_index = i
        decision.version = REQUEST_VERSION
        decision.decision_ns = decision_ns
        decision.ledger_us = ledger_us
        decision.journal_us = journal_us


def _bytes_of(records: NDArray[Any]) -> NDArray[np.uint8]:
    return records.view(np.uint8).reshape(len(records), records.itemsize)
