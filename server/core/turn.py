"""
A turn: the batch of requests that the core decides together, and whom each belongs to.

Fronts hand over parcels; whatever waits becomes one array. Its order is kept: messages about authorizations first, then
authorizations.
"""

import math
import time
from bisect import bisect_right
from collections.abc import Iterator
from itertools import accumulate
from typing import Any, Final

import numpy as np
from numba import njit
from numpy.typing import NDArray

from server.core.deadline import ANSWERING_S, given_up_s
from server.core.parcel import Parcel
from server.core.policy import APPROVED, APPROVED_IN_PART, LEDGER_AWAY, NETWORK_ASKED, Check
from server.core.record import DECISION, INTENT, REQUEST, REQUEST_VERSION, Operation, blank, rows_at
from server.core.repeats import Admission, Admitted

_AUTHORIZE: Final = int(Operation.AUTHORIZE)
_NEW: Final = int(Admission.NEW)
_TOO_LATE: Final = int(Admission.TOO_LATE)
_REVERSED: Final = int(Check.REVERSED_BEFORE_ARRIVAL)

_TOGETHER_S: Final = 0.005
"""What is due within so long of one another is answered at once."""

_NO_INTENTS: Final = np.zeros(0, INTENT)


class Turn:
    """One batch under way: its intents (messages about authorizations first) and whom each belongs to."""

    def __init__(self, parcels: list[Parcel]) -> None:
        self.parcels = parcels
        self.requests = np.frombuffer(bytearray().join([parcel.records for parcel in parcels]), REQUEST)
        self.intents: NDArray[Any] = _NO_INTENTS
        self.origin = np.zeros(0, np.int64)
        """Where in `requests` each intent came from."""
        self.messages = 0
        """How many of the intents are about other authorizations."""
        self.number = 0
        """Of the journal's row with the authorizations."""
        self.dues_s = np.zeros(0)
        """When each request is due, by the loop's clock."""
        self.is_passed = False
        """Whether it has waited for the ledger too long, and others begin meanwhile."""
        self.is_given_up = False
        """Whether some of it were decided without the ledger while that was late."""
        self.worked_ns = 0
        """What it has cost the loop's thread."""
        self.marks_ns = [time.perf_counter_ns()]
        self._ends: list[int] | None = None
        """Where each parcel's requests end, once somebody asks."""

    def mark(self) -> None:
        """A stage has ended."""
        self.marks_ns.append(time.perf_counter_ns())

    def open(self, admitted: Admitted, sequence: int, directory_version: int) -> None:
        """An intent for every request that is new, numbered from `sequence` on; messages about others first."""
        self.origin = np.empty(len(self.requests), np.int64)
        self.messages, count = order_of(self.requests, admitted.admissions, self.origin)
        self.origin = self.origin[:count]
        self.intents = blank(count, INTENT)
        _bytes_of(self.intents)[:, : REQUEST.itemsize] = _bytes_of(self.requests)[self.origin]
        open_intents(self.intents, self.origin, admitted.admissions, sequence, directory_version)

    def answer(self, origins: NDArray[np.int64], decisions: NDArray[Any]) -> None:
        """Hand out DECISION[n] to those whose requests stand at `origins` (i8[n]) of this turn's requests."""
        if len(decisions) == len(self.requests) and not self.messages:
            first = 0
            for parcel in self.parcels:
                last = first + len(parcel.places)
                parcel.deliver(parcel.places, decisions[first:last])
                first = last
            return
        rows = dict(zip(origins.tolist(), range(len(decisions)), strict=True))
        for parcel, first in self._parcels_at():
            inside = [place for place in range(len(parcel.places)) if first + place in rows]
            if inside:
                theirs = np.array([rows[first + place] for place in inside])
                parcel.deliver([parcel.places[place] for place in inside], rows_at(decisions, theirs))

    def cut(self, origin: int) -> Parcel:
        """The request at `origin` as a parcel of its own."""
        if self._ends is None:
            self._ends = list(accumulate(len(parcel.places) for parcel in self.parcels))
        at = bisect_right(self._ends, origin)
        parcel = self.parcels[at]
        first = self._ends[at] - len(parcel.places)
        return parcel.part(np.array([origin - first]), float(self.dues_s[origin]))

    def _parcels_at(self) -> Iterator[tuple[Parcel, int]]:
        first = 0
        for parcel in self.parcels:
            yield parcel, first
            first += len(parcel.places)


class Asked:
    """
    Some of a turn's INTENTs, on their way to their answers; `origin` (i8[n]) as in the turn.

    Each is decided once and told once. Usually that is one step; where the ledger is late, what is due is decided without
    it, and where the disk is late too, what is due is told before its decision is there.
    """

    def __init__(self, turn: Turn, intents: NDArray[Any], origin: NDArray[np.int64], now_s: float) -> None:
        self.turn = turn
        self.intents = intents
        self.dues_s = turn.dues_s[origin]
        self._given_up_s = given_up_s(self.dues_s, now_s)
        self.undecided = ~np.zeros(len(intents), np.bool_)
        self.untold = self.undecided.copy()
        self.told_away: NDArray[np.bytes_] | None = None
        """Who was told by time that the ledger is away, 91 or N0, with nothing beside it; empty for all others."""
        self._origin = origin
        self._decisions: NDArray[Any] | None = None

    def next_s(self) -> float:
        """When the next of them must be decided, or told, by the loop's clock; infinite where none must."""
        if self._decisions is None and _is_all(self.undecided):
            return float(self._given_up_s.min(initial=math.inf))
        instants = np.where(self.undecided, self._given_up_s, self.dues_s + ANSWERING_S)
        return float(instants[self.untold].min(initial=math.inf))

    @property
    def is_told(self) -> bool:
        """Whether all of them have their answers."""
        return not np.count_nonzero(self.untold)

    def overdue(self, now_s: float) -> NDArray[np.int64]:
        """The places of those that must be decided now."""
        return np.flatnonzero(self.undecided & (self._given_up_s <= now_s + _TOGETHER_S))

    def decide(self, places: NDArray[np.int64], decisions: NDArray[Any]) -> None:
        """Note the DECISIONs of those at these places; they are not on disk yet."""
        self.undecided[places] = False
        if len(places) == len(self.intents):
            self._decisions = decisions
            return
        if self._decisions is None:
            self._decisions = blank(len(self.intents), DECISION)
        self._decisions[places] = decisions

    def tell(self, places: NDArray[np.int64], decisions: NDArray[Any]) -> None:
        """Hand out DECISION[m] of those at these places, but for who was told something before."""
        if len(places) == len(self.intents) and _is_all(self.untold):
            self.untold[:] = False
            self.turn.answer(self._origin, decisions)
            return
        untold = self.untold[places]
        self.untold[places] = False
        if untold.any():
            self.turn.answer(self._origin[places[untold]], rows_at(decisions, untold))

    def tell_away(self, identifiers: NDArray[np.uint64], code: bytes) -> None:
        """Copies of these authorizations, u8[n, 2], were told this: so are they, where they wait. One key, one answer."""
        low, high = self.intents["request"]["authorization_id"].T
        copied = np.zeros(len(low), np.bool_)
        for one_low, one_high in identifiers.tolist():
            copied |= (low == one_low) & (high == one_high)
        places = np.flatnonzero(copied & self.untold)
        if len(places):
            self._note_away(places, np.full(len(places), code, "S2"))
            self.tell(places, away(self.intents["request"][places], code))

    def tell_overdue(self, now_s: float, code: bytes) -> int:
        """
        Answer those that can't wait for the disk: a decline that is decided as it is, what is undecided by `code`.

        An approval is as good as undecided; a decided 91 or N0 is told by itself.

        Returns how many.
        """
        late = self.untold & ~self.undecided & (self.dues_s + ANSWERING_S <= now_s + _TOGETHER_S)
        places = np.flatnonzero(late)
        if not len(places):
            return 0
        answers = away(self.intents["request"][places], code)
        if self._decisions is not None:
            decided = self._decisions[places]
            # A front says both in the core's stead, and can't say more: one key, one answer.
            is_bare = np.isin(decided["response_code"], (LEDGER_AWAY, NETWORK_ASKED))
            answers["response_code"][is_bare] = decided["response_code"][is_bare]
            declined = (decided["version"] != 0) & ~is_approval(decided) & ~is_bare
            answers[declined] = decided[declined]
            answers["sequence"][declined] = 0  # no journal has it yet
            self._note_away(places[~declined], answers["response_code"][~declined])
        else:
            self._note_away(places, answers["response_code"])
        self.tell(places, answers)
        return len(places)

    def _note_away(self, places: NDArray[np.int64], codes: NDArray[np.bytes_]) -> None:
        if self.told_away is None:
            self.told_away = np.zeros(len(self.intents), "S2")
        self.told_away[places] = codes


def is_approval(decisions: NDArray[Any]) -> NDArray[np.bool_]:
    """Which DECISION[n] say yes, to all of it or to a part."""
    return np.isin(decisions["response_code"], (APPROVED, APPROVED_IN_PART))


def away(requests: NDArray[Any], code: bytes = LEDGER_AWAY) -> NDArray[Any]:
    """
    DECISION[n] for REQUEST[n] that have waited too long: `code` for authorizations, 91 for all others.

    No journal has it; so it is without a sequence.
    """
    decisions = blank(len(requests), DECISION)
    for name in ("authorization_id", "original_id", "operation"):
        decisions[name] = requests[name]
    decisions["version"] = REQUEST_VERSION
    decisions["response_code"] = np.where(requests["operation"] == _AUTHORIZE, code, LEDGER_AWAY)
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
    intents: Any,
    decisions: Any,
    places: Any,
    number: int,
    decision_ns: int,
    ledger_us: int,
    journal_us: int,
) -> None:
    """What every DECISION[n] takes over from its INTENT[n], which row `number` of the journal keeps at `places` (i8[n])."""
    for i in range(len(intents)):
        decision = decisions[i]
        decision.sequence = intents[i].sequence
        decision.authorization_id[0] = intents[i].request.authorization_id[0]
        decision.authorization_id[1] = intents[i].request.authorization_id[1]
        decision.operation = intents[i].request.operation
        decision.intent_batch = number
        decision.intent_index = places[i]
        decision.version = REQUEST_VERSION
        decision.decision_ns = decision_ns
        decision.ledger_us = ledger_us
        decision.journal_us = journal_us


def _is_all(which: NDArray[np.bool_]) -> bool:
    """`which.all()`, in a third of the time where there are few."""
    return np.count_nonzero(which) == len(which)


def _bytes_of(records: NDArray[Any]) -> NDArray[np.uint8]:
    return np.frombuffer(records, np.uint8).reshape(len(records), records.itemsize)
