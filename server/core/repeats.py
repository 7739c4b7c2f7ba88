"""
Repeats: the first answer to every key, and the life of every authorization, in arrays.

A key is the sender, the operation and the `MessageKey`; the front derives an id from it, so the id alone finds the
entry, also from a message that names its original. What an entry goes through is drawn in `entries`.

Same key and same content is a repeat; same key and other content is 94 and touches nothing. A message that meets an
entry that is being decided waits, and comes again.

Entries leave when the table is rebuilt for room: by message time, those that hold nothing after `KEPT_S`, which is
longer than the oldest transmission time a front accepts; of a hold 30 days after it ended.
"""

from collections.abc import Mapping
from enum import IntEnum
from typing import Any, Final

import numpy as np
from numba import njit
from numpy.typing import NDArray

from ledger.chains import PART, PARTS_MAX
from ledger.reconcile import STANDING
from server.core import parts
from server.core.entries import ENTRY, EntryState, enter, place_of, probe
from server.core.formats import entries_of
from server.core.policy import Check
from server.core.record import Operation

ENTRIES_MIN: Final = 1 << 20
"""Untouched memory costs nothing: room for a million keys before the table is first rebuilt."""


class Admission(IntEnum):
    """What the table says of a message."""

    NEW = 0
    REPEAT = 1  # answered before
    CONFLICT = 2  # 94
    WAIT = 3  # the entry it needs is being decided
    TOO_LATE = 4  # an authorization whose reversal came first
    NOTHING_DUE = 5  # an expiry of what is no longer held; nobody waits for an answer


class Original(IntEnum):
    """What a new message about an authorization finds of it."""

    NONE = 0  # it names none
    UNKNOWN = 1  # for a reversal now AHEAD, for an advice now BUSY
    HELD = 2  # now BUSY
    NOTHING_HELD = 3  # declined, or ended
    DECLINED = 4  # an advice's: now BUSY


_AUTHORIZE: Final = int(Operation.AUTHORIZE)
_REVERSE: Final = int(Operation.REVERSE)
_ADVISE: Final = int(Operation.ADVISE)
_EXPIRE: Final = int(Operation.EXPIRE)
_LABEL: Final = int(Operation.LABEL)
_IN_FLIGHT: Final = int(EntryState.IN_FLIGHT)
_OPEN: Final = int(EntryState.OPEN)
_BUSY: Final = int(EntryState.BUSY)
_DONE: Final = int(EntryState.DONE)
_AHEAD: Final = int(EntryState.AHEAD)
_NEW: Final = int(Admission.NEW)
_REPEAT: Final = int(Admission.REPEAT)
_CONFLICT: Final = int(Admission.CONFLICT)
_WAIT: Final = int(Admission.WAIT)
_TOO_LATE: Final = int(Admission.TOO_LATE)
_NOTHING_DUE: Final = int(Admission.NOTHING_DUE)
_REVERSED: Final = np.uint64(1 << Check.REVERSED_BEFORE_ARRIVAL)
_NONE: Final = int(Original.NONE)
_UNKNOWN: Final = int(Original.UNKNOWN)
_HELD: Final = int(Original.HELD)
_NOTHING_HELD: Final = int(Original.NOTHING_HELD)
_DECLINED: Final = int(Original.DECLINED)


@njit(cache=True)
def claim(slots: Any, entries: Any, count: int, request: Any) -> tuple[int, int]:
    """
    Take the authorization that a message is about; what it finds (Original), and how many entries there are then.

    The authorization must not be IN_FLIGHT or BUSY. A label takes nothing: it says something of the authorization, and
    changes nothing of it.
    """
    low = request.original_id[0]
    high = request.original_id[1]
    if request.operation == _LABEL or (low == 0 and high == 0):
        return _NONE, count
    at = place_of(slots, entries, low, high)
    if at < 0:
        if request.operation != _REVERSE and request.operation != _ADVISE:
            return _UNKNOWN, count
        at = enter(slots, entries, count, low, high, request.sender, request.transmission_s)
        entries[at].state = _AHEAD
        if request.operation == _ADVISE:
            entries[at].state = _BUSY
            entries[at].content[0] = request.content[0]
            entries[at].content[1] = request.content[1]
        return _UNKNOWN, count + 1
    entry = entries[at]
    if entry.state == _OPEN and (entry.sender == request.sender or request.operation == _EXPIRE):
        entry.state = _BUSY
        return _HELD, count
    if entry.state == _DONE and request.operation == _ADVISE and not entry.answer.reasons & _REVERSED:
        entry.state = _BUSY
        return _DECLINED, count
    return _NOTHING_HELD, count


@njit(cache=True)
def admit(
    slots: Any,
    entries: Any,
    count: int,
    requests: Any,
    admissions: Any,
    places: Any,
    originals: Any,
    waits: Any,
) -> int:
    """
    Find or enter every request of a batch, in order; return how many entries there are then.

    Shapes: `requests` REQUEST[n]; results `admissions` u1[n], `places` i8[n] (the request's own entry), `originals`
    u1[n], `waits` i8[n] (the entry it waits for). There must be room for 2n more entries.
    """
    for i in range(len(requests)):
        request = requests[i]
        low = request.authorization_id[0]
        high = request.authorization_id[1]
        originals[i] = 0
        waits[i] = -1
        place = place_of(slots, entries, low, high)
        places[i] = place
        admissions[i] = _NEW
        if place >= 0:
            entry = entries[place]
            if entry.state == _AHEAD:
                admissions[i] = _TOO_LATE
            elif entry.content[0] != request.content[0] or entry.content[1] != request.content[1]:
                admissions[i] = _CONFLICT
                continue
            elif entry.state == _IN_FLIGHT or entry.answer.sequence == 0:
                admissions[i] = _WAIT
                waits[i] = place
                continue
            else:
                admissions[i] = _REPEAT
                continue
        if request.operation != _AUTHORIZE:
            at = place_of(slots, entries, request.original_id[0], request.original_id[1])
            waits_for = request.operation != _LABEL and at >= 0
            if waits_for and (entries[at].state == _IN_FLIGHT or entries[at].state == _BUSY):
                admissions[i] = _WAIT
                waits[i] = at
                continue
            if request.operation == _EXPIRE and (at < 0 or entries[at].state != _OPEN):
                admissions[i] = _NOTHING_DUE
                continue
            originals[i], count = claim(slots, entries, count, request)
            if request.operation == _EXPIRE:
                continue
        if place < 0:
            place = enter(slots, entries, count, low, high, request.sender, request.transmission_s)
            count += 1
            places[i] = place
        entry = entries[place]
        entry.content[0] = request.content[0]
        entry.content[1] = request.content[1]
        entry.state = _IN_FLIGHT
    return count


@njit(cache=True)
def readmit(slots: Any, entries: Any, count: int, requests: Any) -> int:
    """
    Enter requests again that a journal says were admitted; return how many entries there are then.

    `requests` REQUEST[n]; there must be room for 2n more entries. Messages about others go first: of a reversal and
    its original in one batch, the reversal was there before, or it would have waited.
    """
    for about_others in (True, False):
        for i in range(len(requests)):
            request = requests[i]
            if (request.operation != _AUTHORIZE) != about_others:
                continue
            if about_others:
                _, count = claim(slots, entries, count, request)
                if request.operation == _EXPIRE:
                    continue
            low = request.authorization_id[0]
            high = request.authorization_id[1]
            place = place_of(slots, entries, low, high)
            if place < 0:
                place = enter(slots, entries, count, low, high, request.sender, request.transmission_s)
                count += 1
            entry = entries[place]
            entry.content[0] = request.content[0]
            entry.content[1] = request.content[1]
            entry.state = _IN_FLIGHT
    return count


@njit(cache=True)
def look_up(slots: Any, entries: Any, identifiers: Any, found: Any) -> None:
    """Copy the entries of ids u8[n, 2] into ENTRY[n]; one that is not there leaves its place as it is."""
    for i in range(len(identifiers)):
        place = slots[probe(slots, entries, identifiers[i, 0], identifiers[i, 1])]
        if place != 0:
            found[i] = entries[place - 1]


@njit(cache=True)
def compact(old: Any, count: int, new: Any, slots: Any, clock_s: int) -> int:
    """Move into `new`, and index, what must be kept at message time `clock_s`; return how many entries that is."""
    kept = 0
    for i in range(count):
        entry = old[i]
        if entry.state not in (_IN_FLIGHT, _BUSY) and entry.kept_until_s < clock_s:
            continue
        slots[probe(slots, new, entry.id[0], entry.id[1])] = kept + 1
        new[kept] = entry
        kept += 1
    return kept


class Admitted:
    """What the table said of a batch; see `admit` for the arrays."""

    __slots__ = ("admissions", "known", "originals", "places", "waits")

    def __init__(self, count: int) -> None:
        self.known = False
        """Whether any is not NEW."""
        self.admissions = np.empty(count, np.uint8)
        self.places = np.empty(count, np.int64)
        self.originals = np.empty(count, np.uint8)
        self.waits = np.empty(count, np.int64)


class Repeats:
    """The table. Places are valid until the next `admit`. `entries_min` is a power of two: how many it has room for at first."""

    def __init__(self, entries_min: int = ENTRIES_MIN) -> None:
        self.entries: NDArray[Any] = np.zeros(entries_min, ENTRY)
        self.count = 0
        self.clock_s = int(np.iinfo(np.int64).min)
        self._entries_min = entries_min
        self._slots = np.zeros(2 * entries_min, np.uint32)

    def admit(self, requests: NDArray[Any]) -> Admitted:
        """Find or enter a batch of REQUEST."""
        if self.count + 2 * len(requests) > len(self.entries):
            self._rebuild(2 * len(requests))
        admitted = Admitted(len(requests))
        self.count = admit(
            self._slots,
            self.entries,
            self.count,
            requests,
            admitted.admissions,
            admitted.places,
            admitted.originals,
            admitted.waits,
        )
        admitted.known = bool(admitted.admissions.any())
        if len(requests):
            self.clock_s = max(self.clock_s, int(requests["transmission_s"].max()))
        return admitted

    def readmit(self, requests: NDArray[Any]) -> None:
        """Enter a batch of REQUEST again whose intents the journal has."""
        if self.count + 2 * len(requests) > len(self.entries):
            self._rebuild(2 * len(requests))
        self.count = readmit(self._slots, self.entries, self.count, requests)
        if len(requests):
            self.clock_s = max(self.clock_s, int(requests["transmission_s"].max()))

    def resolve(self, intents: NDArray[Any], decisions: NDArray[Any]) -> None:
        """Note the batch's answers. They must be durable: a repeat may get them from now on."""
        parts.resolve(self._slots, self.entries, intents, decisions)

    def parts(self, identifiers: NDArray[np.uint64]) -> tuple[NDArray[Any], NDArray[np.int64]]:
        """What the authorizations with ids u8[n, 2] hold: PART[m], oldest first, and where each's begin and end, i8[n+1]."""
        found = np.zeros(len(identifiers) * PARTS_MAX, PART)
        ends = np.zeros(len(identifiers) + 1, np.int64)
        if len(identifiers):
            parts.collect(self._slots, self.entries, np.ascontiguousarray(identifiers), found, ends)
        return found[: ends[-1]], ends

    def gives_back(self, intents: NDArray[Any], decisions: NDArray[Any]) -> NDArray[Any]:
        """GIVEN[m]: what DECISION[n] on messages about authorizations, with their INTENT[n], give back to the limits."""
        given = np.zeros(parts.giving_max(self._slots, self.entries, intents), parts.GIVEN)
        return given[: parts.gives_back(self._slots, self.entries, intents, decisions, given)]

    def standings(self) -> NDArray[Any]:
        """STANDING[n]: what should be pending for each authorization that holds anything; settled is not known here."""
        found = np.zeros(self.count, STANDING)
        return found[: parts.standings(self._slots, self.entries, self.count, found)]

    def due(self, first: int, last: int, now_s: int) -> NDArray[Any]:
        """Entries (copies) of holds whose time is over, among those at places from `first` to `last`."""
        last = min(last, self.count)
        places = np.empty(max(0, last - first), np.int64)
        return self.entries[places[: parts.due(self.entries, first, last, now_s, places)]]

    def find(self, identifiers: NDArray[np.uint64]) -> NDArray[Any]:
        """ENTRY[n] (a copy) of ids u8[n, 2]; all zero, so FREE, where there is none."""
        found = np.zeros(len(identifiers), ENTRY)
        if len(identifiers):
            look_up(self._slots, self.entries, np.ascontiguousarray(identifiers), found)
        return found

    def arrays(self) -> dict[str, NDArray[Any]]:
        """The state as arrays, for a snapshot."""
        return {"entries": self.entries[: self.count], "clock_s": np.array([self.clock_s], np.int64)}

    def load(self, arrays: Mapping[str, NDArray[Any]]) -> None:
        """Take over what `arrays` gave. Raises ValueError where the layout differs."""
        self.clock_s = int(arrays["clock_s"][0])
        self.entries = np.ascontiguousarray(entries_of(arrays["entries"]))
        self.count = len(self.entries)
        self._rebuild(0)

    def _rebuild(self, more: int) -> None:
        """Drop what need not be kept; grow where more than half of the room is still taken."""
        capacity = max(self._entries_min, len(self.entries))
        while True:
            entries = np.zeros(capacity, ENTRY)
            slots = np.zeros(2 << (capacity - 1).bit_length(), np.uint32)
            kept = compact(self.entries, min(self.count, capacity), entries, slots, self.clock_s)
            if self.count <= capacity and 2 * (kept + more) <= capacity:
                break
            capacity *= 2
        self.entries, self._slots, self.count = entries, slots, kept
