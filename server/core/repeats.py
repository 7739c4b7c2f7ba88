"""
Repeats: the first answer to every key, and the life of every authorization, in arrays.

A key is the sender, the operation and the `MessageKey`; the front derives an id from it, so the id alone finds the
entry, also from a message that names its original. What an entry goes through is drawn in `entries`.

Same key and same content is a repeat; same key and other content is 94 and touches nothing. A message that meets an
entry that is being decided waits, and comes again.

Entries may leave, by message time: those that hold nothing after `KEPT_S`, which is longer than the oldest
transmission time a front accepts; of a hold 30 days after it ended. A table of more than ENTRIES_MIN of them looks at
LOOKS entries with every request, and gives the places of those that may leave to others. So it grows with what must be
kept and a third of that, entry by entry and where it lies: no request waits for the table.
"""

from collections.abc import Mapping
from enum import IntEnum
from typing import Any, Final

import numpy as np
from numba import njit
from numpy.typing import NDArray

from ledger.chains import PART, PARTS_MAX
from ledger.reconcile import STANDING
from ledger.room import Room
from server.core import parts
from server.core.entries import (
    CARRIED,
    ENTRY,
    KEPT,
    OLD,
    SIZE,
    SLOTS_MIN,
    TOP,
    EntryState,
    carry_over,
    enter,
    fresh_slots,
    has_entry,
    place_of,
    point,
    tend,
)
from server.core.formats import entries_of
from server.core.policy import LEDGER_AWAY, NETWORK_ASKED, Check
from server.core.record import Operation, blank, rows_at

ENTRIES_MIN: Final = 1 << 20
LOOKS: Final = 4


class Admission(IntEnum):
    """What the table says of a message."""

    NEW = 0
    REPEAT = 1  # answered before
    CONFLICT = 2  # 94
    WAIT = 3  # the entry it needs is being decided
    TOO_LATE = 4  # an authorization whose reversal came first
    NOTHING_DUE = 5  # an expiry of what is no longer held, a front's answer that stands already, a booking of what is booked


class Original(IntEnum):
    """What a new message about an authorization finds of it."""

    NONE = 0  # it names none
    UNKNOWN = 1  # for a reversal now AHEAD, for an advice or a front's answer now BUSY
    HELD = 2  # now BUSY
    NOTHING_HELD = 3  # declined, or ended
    DECLINED = 4  # an advice's, a front's answer's: now BUSY
    STOOD_IN = 5  # approved without the ledger, not booked: now BUSY


_AUTHORIZE: Final = int(Operation.AUTHORIZE)
_REVERSE: Final = int(Operation.REVERSE)
_ADVISE: Final = int(Operation.ADVISE)
_EXPIRE: Final = int(Operation.EXPIRE)
_INCREMENT: Final = int(Operation.INCREMENT)
_LABEL: Final = int(Operation.LABEL)
_DISOWN: Final = int(Operation.DISOWN)
_BOOK: Final = int(Operation.BOOK)
_IN_FLIGHT: Final = int(EntryState.IN_FLIGHT)
_OPEN: Final = int(EntryState.OPEN)
_BUSY: Final = int(EntryState.BUSY)
_DONE: Final = int(EntryState.DONE)
_AHEAD: Final = int(EntryState.AHEAD)
_STOOD_IN: Final = int(EntryState.STOOD_IN)
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
_FINDS_STOOD_IN: Final = int(Original.STOOD_IN)


@njit(cache=True)
def claim(slots: Any, entries: Any, request: Any) -> int:
    """
    Take the authorization that a message is about; what it finds (Original).

    The authorization must not be IN_FLIGHT or BUSY. A label takes nothing: it says something of the authorization, and
    changes nothing of it.
    """
    low = request.original_id[0]
    high = request.original_id[1]
    if request.operation == _LABEL or (low == 0 and high == 0):
        return _NONE
    at = place_of(slots, entries, low, high)
    if at < 0:
        if request.operation not in (_REVERSE, _ADVISE, _DISOWN):
            return _UNKNOWN
        at = enter(slots, entries, low, high, request.sender, request.transmission_s)
        entries[at].state = _AHEAD
        if request.operation != _REVERSE:
            entries[at].state = _BUSY
            entries[at].content[0] = request.content[0]
            entries[at].content[1] = request.content[1]
            entries[at].arrival_ns = request.arrival_ns
        return _UNKNOWN
    entry = entries[at]
    if entry.sender == request.sender or request.operation == _EXPIRE:
        if entry.state == _OPEN:
            entry.state = _BUSY
            return _HELD
        if entry.state == _STOOD_IN:
            entry.state = _BUSY
            return _FINDS_STOOD_IN
    late = request.operation in (_ADVISE, _DISOWN)
    if entry.state == _DONE and late and not entry.answer.reasons & _REVERSED:
        entry.state = _BUSY
        return _DECLINED
    return _NOTHING_HELD


@njit(cache=True)
def is_due(entries: Any, at: int, request: Any) -> bool:
    """
    Whether one of the core's own messages has something to do with the entry at `at` (-1: there is none).

    What a front answered is about the authorization of the same content alone: the key's owner is not told otherwise. It
    is of the try that was decided: of any other, what that one heard stands, unless it was lost (`final`). And of two
    words of the same try, the core's own 91 by time and its front's code, the front's was said.
    """
    if request.operation == _EXPIRE:
        return at >= 0 and entries[at].state == _OPEN
    if request.operation == _BOOK:
        return at >= 0 and entries[at].state == _STOOD_IN
    if at < 0:
        return True
    entry = entries[at]
    if entry.content[0] != request.content[0] or entry.content[1] != request.content[1]:
        return False
    if entry.arrival_ns != request.arrival_ns and not request.final:
        return False
    if entry.state == _DONE and entry.answer.claims and request.given_code == LEDGER_AWAY:
        return False
    if entry.state == _DONE:
        # That the ledger is away was told without any reasons, but decided with them. Any other code was told as decided.
        is_bare = request.given_code == LEDGER_AWAY or request.given_code == NETWORK_ASKED
        is_another = (is_bare and not entry.answer.claims) or entry.answer.response_code != request.given_code
        return is_another and not entry.answer.reasons & _REVERSED
    return entry.state in (_OPEN, _STOOD_IN)


@njit(cache=True)
def must_wait(state: int, operation: int) -> bool:
    """Whether a message must wait for the authorization: it is being decided, or must be booked before it can grow."""
    return state in (_IN_FLIGHT, _BUSY) or (state == _STOOD_IN and operation == _INCREMENT)


@njit(cache=True)
def admit(
    slots: Any,
    entries: Any,
    requests: Any,
    admissions: Any,
    places: Any,
    originals: Any,
    waits: Any,
) -> None:
    """
    Find or enter every request of a batch, in order.

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
            if waits_for and must_wait(entries[at].state, request.operation):
                admissions[i] = _WAIT
                waits[i] = at
                continue
            is_own = request.operation == _BOOK or not has_entry(request.operation)
            if is_own and not is_due(entries, at, request):
                admissions[i] = _NOTHING_DUE
                continue
            originals[i] = claim(slots, entries, request)
            if not has_entry(request.operation):
                continue
        if place < 0:
            place = enter(slots, entries, low, high, request.sender, request.transmission_s)
            places[i] = place
        entry = entries[place]
        entry.content[0] = request.content[0]
        entry.content[1] = request.content[1]
        entry.arrival_ns = request.arrival_ns
        entry.state = _IN_FLIGHT


@njit(cache=True)
def readmit(slots: Any, entries: Any, requests: Any) -> None:
    """
    Enter requests again that a journal says were admitted.

    `requests` REQUEST[n]; there must be room for 2n more entries. Messages about others go first: of a reversal and
    its original in one batch, the reversal was there before, or it would have waited.
    """
    for about_others in (True, False):
        for i in range(len(requests)):
            request = requests[i]
            if (request.operation != _AUTHORIZE) != about_others:
                continue
            if about_others:
                claim(slots, entries, request)
                if not has_entry(request.operation):
                    continue
            low = request.authorization_id[0]
            high = request.authorization_id[1]
            place = place_of(slots, entries, low, high)
            if place < 0:
                place = enter(slots, entries, low, high, request.sender, request.transmission_s)
            entry = entries[place]
            entry.content[0] = request.content[0]
            entry.content[1] = request.content[1]
            entry.arrival_ns = request.arrival_ns
            entry.state = _IN_FLIGHT


@njit(cache=True)
def look_up(slots: Any, entries: Any, identifiers: Any, found: Any) -> None:
    """Copy the entries of ids u8[n, 2] into ENTRY[n]; one that is not there leaves its place as it is."""
    for i in range(len(identifiers)):
        place = place_of(slots, entries, identifiers[i, 0], identifiers[i, 1])
        if place >= 0:
            found[i] = entries[place]


@njit(cache=True)
def take_over(kept: Any, slots: Any, entries: Any, clock_s: int) -> None:
    """Enter ENTRYs of a snapshot into an empty table with room for them, but for those that need not be kept at `clock_s`."""
    top = np.int64(slots[TOP])
    for i in range(len(kept)):
        if kept[i].state not in (_IN_FLIGHT, _BUSY, _STOOD_IN) and kept[i].kept_until_s < clock_s:
            continue
        entries[top] = kept[i]
        point(slots, kept[i].id[0], top)
        top += 1
    slots[KEPT] = top - 1
    slots[TOP] = top


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
    """The table. Places are valid until the next `admit`. Entries may leave where there are more than `entries_min`."""

    def __init__(self, entries_min: int = ENTRIES_MIN) -> None:
        self._entries_min = entries_min
        # The loop's thread touches them first, a little with every batch.
        self._room, self._slots_room = Room(ENTRY, huge=False), Room(np.uint32, huge=False)
        self._slots_room.make(2 * SLOTS_MIN)
        fresh_slots(self._slots)
        self.clock_s = int(np.iinfo(np.int64).min)

    @property
    def entries(self) -> NDArray[Any]:
        """ENTRY[n] by place; FREE where there is none. Good until the next `admit`: don't keep it."""
        return self._room.array

    @property
    def count(self) -> int:
        """How many entries there are."""
        return int(self._slots[KEPT])

    @property
    def top(self) -> int:
        """Entries stand below this place."""
        return int(self._slots[TOP])

    @property
    def used_bytes(self) -> int:
        """Memory that the table takes."""
        return self.top * ENTRY.itemsize + 4 * int(self._slots[SIZE] + self._slots[OLD])

    @property
    def _slots(self) -> NDArray[np.uint32]:
        return self._slots_room.array

    def admit(self, requests: NDArray[Any]) -> Admitted:
        """Find or enter a batch of REQUEST."""
        self._make_room(len(requests))
        admitted = Admitted(len(requests))
        admit(
            self._slots,
            self.entries,
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
        self._make_room(len(requests))
        readmit(self._slots, self.entries, requests)
        if len(requests):
            self.clock_s = max(self.clock_s, int(requests["transmission_s"].max()))

    def resolve(self, intents: NDArray[Any], decisions: NDArray[Any]) -> None:
        """Note the batch's answers. They must be durable: a repeat may get them from now on."""
        parts.resolve(self._slots, self.entries, intents, decisions)

    def parts(self, identifiers: NDArray[np.uint64]) -> tuple[NDArray[Any], NDArray[np.int64]]:
        """What the authorizations with ids u8[n, 2] hold: PART[m], oldest first, and where each's begin and end, i8[n+1]."""
        found = blank(len(identifiers) * PARTS_MAX, PART)
        ends = np.zeros(len(identifiers) + 1, np.int64)
        if len(identifiers):
            parts.collect(self._slots, self.entries, np.ascontiguousarray(identifiers), found, ends)
        return found[: ends[-1]], ends

    def gives_back(self, intents: NDArray[Any], decisions: NDArray[Any]) -> NDArray[Any]:
        """GIVEN[m]: what DECISION[n] on messages about authorizations, with their INTENT[n], give back to the limits."""
        given = blank(parts.giving_max(self._slots, self.entries, intents), parts.GIVEN)
        return given[: parts.gives_back(self._slots, self.entries, intents, decisions, given)]

    def standings(self) -> NDArray[Any]:
        """STANDING[n]: what should be pending for each authorization that holds anything; settled is not known here."""
        found = np.zeros(self.count, STANDING)
        return found[: parts.standings(self._slots, self.entries, self.top, found)]

    def due(self, first: int, last: int, now_s: int) -> NDArray[Any]:
        """Entries (copies) of holds whose time is over, among those at places from `first` to `last`."""
        last = min(last, self.top)
        places = np.empty(max(0, last - first), np.int64)
        return rows_at(self.entries, places[: parts.due(self.entries, first, last, now_s, places)])

    def stood_in(self) -> NDArray[np.uint64]:
        """Ids u8[n, 2] of what was approved without the ledger and is not booked, in the order in which it was asked for."""
        entries = self.entries[: self.top]
        waiting = entries[entries["state"] == EntryState.STOOD_IN]
        ids: NDArray[np.uint64] = waiting["id"][np.argsort(waiting["answer"]["sequence"])]
        return ids

    def find(self, identifiers: NDArray[np.uint64]) -> NDArray[Any]:
        """ENTRY[n] (a copy) of ids u8[n, 2]; all zero, so FREE, where there is none."""
        found = blank(len(identifiers), ENTRY)
        if len(identifiers):
            look_up(self._slots, self.entries, np.ascontiguousarray(identifiers), found)
        return found

    def kept(self) -> NDArray[Any]:
        """All entries (copies), ENTRY[n]."""
        entries = self.entries[1 : self.top]
        return entries[entries["state"] != EntryState.FREE]

    def arrays(self) -> dict[str, NDArray[Any]]:
        """The state as arrays, for a snapshot."""
        return {"entries": self.kept(), "clock_s": np.array([self.clock_s], np.int64)}

    def load(self, arrays: Mapping[str, NDArray[Any]]) -> None:
        """Take over what `arrays` gave. Raises ValueError where the layout differs."""
        kept = np.ascontiguousarray(entries_of(arrays["entries"]))
        self.__init__(self._entries_min)  # type: ignore[misc] # as good as new
        self.clock_s = int(arrays["clock_s"][0])
        size = SLOTS_MIN
        while size < 2 * len(kept):
            size *= 2
        self._room.make(len(kept) + 1)
        self._slots_room.make(2 * size)
        fresh_slots(self._slots, size)
        take_over(kept, self._slots, self.entries, self.clock_s)

    def _make_room(self, requests: int) -> None:
        """Room for twice so many more entries; places of what may leave are looked for, and a growing index grows on."""
        looks = LOOKS * requests if self.count > self._entries_min else 0
        tend(self._slots, self.entries, requests, looks, self.clock_s)
        more = 2 * requests
        if self.top + more > len(self.entries):
            self._room.make(self.top + more)
        if 2 * (self.count + more) > self._slots[SIZE]:
            self._grow_slots(2 * (self.count + more))

    def _grow_slots(self, needed: int) -> None:
        while self._slots[OLD]:
            carry_over(self._slots, self.entries, int(self._slots[OLD]))
        size = old = int(self._slots[SIZE])
        while size < needed:
            size *= 2
        self._slots_room.make(2 * size)
        self._slots[SIZE], self._slots[OLD], self._slots[CARRIED] = size, old, 0


def is_repeat(requests: NDArray[Any], entries: NDArray[Any]) -> NDArray[np.bool_]:
    """Which REQUEST[n] ask again what their ENTRY[n] has an answer to; bool[n]."""
    is_answered: NDArray[np.bool_] = (entries["answer"]["sequence"] != 0) & ~np.isin(
        entries["state"], (EntryState.FREE, EntryState.IN_FLIGHT, EntryState.AHEAD)
    )
    return is_answered & (entries["content"] == requests["content"]).all(axis=1)
