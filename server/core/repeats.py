"""
Repeats: the first answer to every key, and the life of every authorization, in arrays.

A key is the sender, the operation and the `MessageKey`; the front derives the authorization id from it, so the id
alone finds the entry, also from a reversal that names its original. An entry's state:

      (new) ──admit──► IN_FLIGHT ──decided, held──────► OPEN ──reversal admitted──► CLOSING ──decided──► REVERSED
        │                 │                              ▲                            │
        │                 └──decided, not held─► DONE    └──── the ledger was away ───┘
        └──reversal of an unknown original──► AHEAD (the late original declines without a hold)

A message that meets IN_FLIGHT or CLOSING waits until that entry is decided, and comes again. Same key and same
content is a repeat; same key and other content is 94 and touches nothing.

Entries leave when the table is rebuilt for room: by message time, DONE, REVERSED and AHEAD after `KEPT_S`, which is
longer than the oldest transmission time a front accepts; OPEN ones 30 days after their hold ended.
"""

from collections.abc import Mapping
from enum import IntEnum
from typing import Any, Final

import numpy as np
from numba import njit
from numpy.typing import NDArray

from server.core.record import DECISION, Operation

KEPT_S: Final = 2 * 3600
OPEN_KEPT_S: Final = 30 * 86_400
_ENTRIES_MIN: Final = 1 << 20
"""Untouched memory costs nothing: room for a million keys before the table is first rebuilt."""


class EntryState(IntEnum):
    """See the drawing above. FREE must be zero."""

    FREE = 0
    IN_FLIGHT = 1
    OPEN = 2
    CLOSING = 3
    DONE = 4
    REVERSED = 5
    AHEAD = 6


class Admission(IntEnum):
    """What the table says of a message."""

    NEW = 0
    REPEAT = 1  # answered before
    CONFLICT = 2  # 94
    WAIT = 3  # the entry it needs is being decided
    TOO_LATE = 4  # an authorization whose reversal came first


class Original(IntEnum):
    """What a new reversal finds of its original."""

    NONE = 0  # not a reversal
    UNKNOWN = 1  # now AHEAD
    HELD = 2  # now CLOSING: release it
    NOTHING_HELD = 3  # declined, or reversed before


ENTRY: Final = np.dtype(
    [
        ("id", "<u8", (2,)),
        ("content", "<u8", (2,)),
        ("sender", "<u8"),
        ("transmission_s", "<i8"),
        ("kept_until_s", "<i8"),
        ("card_row", "<u4"),
        ("account_number", "<u4"),
        ("day_id", "<i4"),
        ("month_id", "<i4"),
        ("hold_s", "<u4"),
        ("state", "u1"),  # EntryState
        ("reserved_limits", "u1"),
        ("padding", "u1", (2,)),
        ("answer", DECISION),
    ]
)

_AUTHORIZE: Final = int(Operation.AUTHORIZE)
_FREE: Final = int(EntryState.FREE)
_IN_FLIGHT: Final = int(EntryState.IN_FLIGHT)
_OPEN: Final = int(EntryState.OPEN)
_CLOSING: Final = int(EntryState.CLOSING)
_DONE: Final = int(EntryState.DONE)
_REVERSED: Final = int(EntryState.REVERSED)
_AHEAD: Final = int(EntryState.AHEAD)
_NEW: Final = int(Admission.NEW)
_REPEAT: Final = int(Admission.REPEAT)
_CONFLICT: Final = int(Admission.CONFLICT)
_WAIT: Final = int(Admission.WAIT)
_TOO_LATE: Final = int(Admission.TOO_LATE)
_UNKNOWN: Final = int(Original.UNKNOWN)
_HELD: Final = int(Original.HELD)
_NOTHING_HELD: Final = int(Original.NOTHING_HELD)


@njit(cache=True)
def probe(slots: Any, entries: Any, low: Any, high: Any) -> int:
    """The slot of the id, or the free slot where it belongs. Ids' low words are keyed hashes but for eight bits."""
    mask = np.uint64(len(slots) - 1)
    slot = (low >> np.uint64(8)) & mask
    while True:
        place = slots[slot]
        if place == 0:
            return slot
        entry = entries[place - 1]
        if entry.id[0] == low and entry.id[1] == high:
            return slot
        slot = (slot + np.uint64(1)) & mask


@njit(cache=True)
def enter(slots: Any, entries: Any, count: int, low: Any, high: Any, sender: Any, transmission_s: Any) -> int:
    """Append an entry for the id, which must not be there; return its place."""
    slots[probe(slots, entries, low, high)] = count + 1
    entry = entries[count]
    entry.id[0] = low
    entry.id[1] = high
    entry.sender = sender
    entry.transmission_s = transmission_s
    entry.kept_until_s = transmission_s + KEPT_S
    return count


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
        place = np.int64(slots[probe(slots, entries, low, high)]) - 1
        places[i] = place
        admissions[i] = _NEW
        if place >= 0:
            entry = entries[place]
            if entry.state == _AHEAD:
                admissions[i] = _TOO_LATE
            elif entry.content[0] != request.content[0] or entry.content[1] != request.content[1]:
                admissions[i] = _CONFLICT
                continue
            elif entry.state == _IN_FLIGHT:
                admissions[i] = _WAIT
                waits[i] = place
                continue
            else:
                admissions[i] = _REPEAT
                continue
        if request.operation != _AUTHORIZE:
            original_low = request.original_id[0]
            original_high = request.original_id[1]
            at = np.int64(slots[probe(slots, entries, original_low, original_high)]) - 1
            if at < 0:
                at = enter(
                    slots, entries, count, original_low, original_high, request.sender, request.transmission_s
                )
                count += 1
                entries[at].state = _AHEAD
                originals[i] = _UNKNOWN
            elif entries[at].state == _IN_FLIGHT or entries[at].state == _CLOSING:
                admissions[i] = _WAIT
                waits[i] = at
                continue
            elif entries[at].state == _OPEN and entries[at].sender == request.sender:
                entries[at].state = _CLOSING
                originals[i] = _HELD
            else:
                originals[i] = _NOTHING_HELD
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

    `requests` REQUEST[n]; there must be room for 2n more entries. Reversals go first: of a reversal and its original
    in one batch, the reversal was there before, or it would have waited.
    """
    for reversing in (True, False):
        for i in range(len(requests)):
            request = requests[i]
            if (request.operation != _AUTHORIZE) != reversing:
                continue
            if reversing:
                original_low = request.original_id[0]
                original_high = request.original_id[1]
                at = np.int64(slots[probe(slots, entries, original_low, original_high)]) - 1
                if at < 0:
                    at = enter(
                        slots,
                        entries,
                        count,
                        original_low,
                        original_high,
                        request.sender,
                        request.transmission_s,
                    )
                    count += 1
                    entries[at].state = _AHEAD
                elif entries[at].state == _OPEN and entries[at].sender == request.sender:
                    entries[at].state = _CLOSING
            low = request.authorization_id[0]
            high = request.authorization_id[1]
            place = np.int64(slots[probe(slots, entries, low, high)]) - 1
            if place < 0:
                place = enter(slots, entries, count, low, high, request.sender, request.transmission_s)
                count += 1
            entry = entries[place]
            entry.content[0] = request.content[0]
            entry.content[1] = request.content[1]
            entry.state = _IN_FLIGHT
    return count


@njit(cache=True)
def resolve(slots: Any, entries: Any, intents: Any, decisions: Any) -> None:
    """Write the batch's answers into their entries; `intents` INTENT[n] and `decisions` DECISION[n] go in pairs."""
    for i in range(len(decisions)):
        decision = decisions[i]
        intent = intents[i]
        slot = probe(slots, entries, decision.authorization_id[0], decision.authorization_id[1])
        if slots[slot] == 0:
            continue
        entry = entries[slots[slot] - 1]
        entry.answer = decision
        entry.card_row = intent.card_row
        entry.account_number = intent.account_number
        entry.day_id = intent.day_id
        entry.month_id = intent.month_id
        entry.hold_s = intent.hold_s
        entry.reserved_limits = intent.reserved_limits
        entry.state = _DONE
        if decision.operation == _AUTHORIZE:
            if decision.held:
                entry.state = _OPEN
                entry.kept_until_s = entry.transmission_s + np.int64(intent.hold_s) + OPEN_KEPT_S
            continue
        request = intent.request
        slot = probe(slots, entries, request.original_id[0], request.original_id[1])
        if slots[slot] != 0 and entries[slots[slot] - 1].state == _CLOSING:
            # A reversal that still finds the hold standing (the ledger was away) leaves it to the next one.
            entries[slots[slot] - 1].state = _OPEN if decision.held else _REVERSED


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
        if entry.state not in (_IN_FLIGHT, _CLOSING) and entry.kept_until_s < clock_s:
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
    """The table. Places are valid until the next `admit`."""

    def __init__(self) -> None:
        self.entries: NDArray[Any] = np.zeros(_ENTRIES_MIN, ENTRY)
        self.count = 0
        self.clock_s = int(np.iinfo(np.int64).min)
        self._slots = np.zeros(2 * _ENTRIES_MIN, np.uint32)

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
        resolve(self._slots, self.entries, intents, decisions)

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
        if arrays["entries"].dtype != ENTRY:
            raise ValueError("the entries of repeats have another layout")
        self.clock_s = int(arrays["clock_s"][0])
        self.entries = np.ascontiguousarray(arrays["entries"])
        self.count = len(self.entries)
        self._rebuild(0)

    def _rebuild(self, more: int) -> None:
        """Drop what need not be kept; grow where more than half of the room is still taken."""
        capacity = max(_ENTRIES_MIN, len(self.entries))
        while True:
            entries = np.zeros(capacity, ENTRY)
            slots = np.zeros(2 << (capacity - 1).bit_length(), np.uint32)
            kept = compact(self.entries, min(self.count, capacity), entries, slots, self.clock_s)
            if self.count <= capacity and 2 * (kept + more) <= capacity:
                break
            capacity *= 2
        self.entries, self._slots, self.count = entries, slots, kept
