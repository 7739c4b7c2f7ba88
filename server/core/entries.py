"""
The entries of the table of repeats: one for each key, and with it the life of each authorization.

    (new) ── admit ──► IN_FLIGHT ── decided, nothing held ──► DONE ◄── advice: the network declined too ──┐
      │                   │                                    └───── advice admitted ──► BUSY ───────────┤
      │                   └── decided, held ──► OPEN ◄── increment, partial release, not the last clearing┤
      │                                          └─ increment, reversal, clearing, expiry admitted ──► BUSY
      │                                                                                                   │
      │                   └── decided, approved without the ledger ──► STOOD_IN ◄── advice, part of it ───┤
      │                                          └─ booking, reversal, advice, clearing admitted ──► BUSY │
      │                                                                                                   │
      │                                REVERSED / CLEARED / EXPIRED ◄── nothing is held any more ─────────┘
      │                                    └── clearing: posted without a hold; the state stays
      └── reversal of an unknown original ──► AHEAD (the late original declines without a hold)

What a front answered in the core's stead (DISOWN) takes DONE, OPEN or an unknown key to BUSY, lets go what is held, and
leaves DONE with the front's answer: an advice may still come.

Messages about an authorization have entries of their own, under their own ids: IN_FLIGHT, then DONE. Whatever meets
IN_FLIGHT or BUSY waits until that is decided, and comes again: of two at once, one is first.

What is held is a chain of parts, newest first: `newest` of the authorization is the id of the message that left the
newest pending transfer, `older` of that message's entry the one before it, zero at the end. What STOOD_IN is in no
chain: the authorization's own part says how much is to be booked, and the booking's entry has it from then on.

What it reserved in the limits is a chain of its own, `reserved_newest` and `reserved_older`: parts are replaced by what
remains of them, but a reservation stands where and when it was made until it is given back.
"""

from enum import IntEnum
from typing import Any, Final

import numpy as np
from numba import njit

from server.core.record import DECISION, Operation, as_numbers

KEPT_S: Final = 2 * 3600
_EXPIRE: Final = int(Operation.EXPIRE)
_DISOWN: Final = int(Operation.DISOWN)


class EntryState(IntEnum):
    """See the drawing above. FREE must be zero."""

    FREE = 0
    IN_FLIGHT = 1
    OPEN = 2
    BUSY = 3
    DONE = 4
    REVERSED = 5
    AHEAD = 6
    CLEARED = 7
    EXPIRED = 8
    STOOD_IN = 9


ENTRY: Final = np.dtype(
    [
        ("id", "<u8", (2,)),
        ("content", "<u8", (2,)),
        ("newest", "<u8", (2,)),  # of an authorization: which message left the newest part
        ("older", "<u8", (2,)),  # of the message of a part: which message left the part before it
        ("reserved_newest", "<u8", (2,)),  # of an authorization: which message reserved last,
        ("reserved_older", "<u8", (2,)),  # and of that: which reserved before it
        ("sender", "<u8"),
        ("transmission_s", "<i8"),
        ("arrival_ns", "<i8"),  # of the try that was decided
        ("kept_until_s", "<i8"),
        ("reserved_s", "<i8"),  # when the limits were reserved
        ("reserved_minor", "<i8"),  # what of that was not given back
        ("part_minor", "<i8"),  # pending under this id, on the cardholder's account,
        ("owed_minor", "<i8"),  # and on what the cardholder owes
        ("captured_minor", "<i8"),  # of an authorization: cleared so far
        ("merchant", "<u8"),  # whose windows the reservation is in, as the next three
        ("device", "<u8"),
        ("network", "<u8"),
        ("card_row", "<u4"),
        ("account_number", "<u4"),
        ("day_id", "<i4"),
        ("month_id", "<i4"),
        ("hold_s", "<u4"),
        ("state", "u1"),  # EntryState
        ("reserved_limits", "u1"),
        ("credit", "u1"),  # the hold is of money that comes in
        ("padding", "u1", (1,)),
        ("answer", DECISION),
    ]
)
ENTRY_NUMBERS: Final = as_numbers(ENTRY)

SLOTS_MIN: Final = 1 << 12
"""The size of a new table's index. A power of two."""

# The index is one u32 array that grows where it lies. The table of size 4096 stands from 4096 to 8191, the next one
# behind it; the first words say which is in use, and what the entries are. A slot is an entry's place, 0 where free.
# Place 0 is nobody's: it is all zero, and what a used place is made blank by.
SIZE, OLD, CARRIED, TOP, FREED, KEPT, SWEPT = range(7)
"""
Its first words: the table's size; the size of the one before while that is carried over, else 0, and how much was; the
first place never used yet; the place freed last, 0 for none; entries there are; the place looked at last by `sweep`.
"""

_CARRY: Final = 16
_CARRY_MIN: Final = 256
_FREE: Final = int(EntryState.FREE)
_IN_FLIGHT: Final = int(EntryState.IN_FLIGHT)
_BUSY: Final = int(EntryState.BUSY)
_STOOD_IN: Final = int(EntryState.STOOD_IN)


def fresh_slots(slots: Any, size: int = SLOTS_MIN) -> None:
    """Make an array of zeros, u4[2 * size or more], the index of an empty table."""
    slots[SIZE] = size
    slots[TOP] = 1


@njit(cache=True)
def has_entry(operation: int) -> bool:
    """Whether a message has an entry of its own: the core's own have none, for nobody repeats them."""
    return operation not in (_EXPIRE, _DISOWN)


@njit(cache=True)
def find_in(slots: Any, size: int, entries: Any, low: Any, high: Any) -> int:
    """Where the id's entry stands by the table of this size; -1. Ids' low words are keyed hashes but for eight bits."""
    mask = np.uint64(size - 1)
    at = (low >> np.uint64(8)) & mask
    while True:
        place = slots[np.uint64(size) + at]
        if place == 0:
            return -1
        entry = entries[place]
        if entry.id[0] == low and entry.id[1] == high:
            found: Any = np.int64(place)
            return found
        at = (at + np.uint64(1)) & mask


@njit(cache=True)
def place_of(slots: Any, entries: Any, low: Any, high: Any) -> int:
    """Where the id's entry stands; -1 where there is none."""
    place = find_in(slots, np.int64(slots[SIZE]), entries, low, high)
    if place < 0 and slots[OLD] != 0:
        place = find_in(slots, np.int64(slots[OLD]), entries, low, high)
    return place


@njit(cache=True)
def point(slots: Any, low: Any, place: int) -> None:
    """Have the table lead to the place of an id that it doesn't have yet."""
    size = np.uint64(slots[SIZE])
    mask = size - np.uint64(1)
    at = (low >> np.uint64(8)) & mask
    while slots[size + at] != 0:
        at = (at + np.uint64(1)) & mask
    slots[size + at] = place


@njit(cache=True)
def enter(slots: Any, entries: Any, low: Any, high: Any, sender: Any, transmission_s: Any) -> int:
    """Make an entry for the id, which must not be there, in a place that was let go or a new one; return the place."""
    place: Any = np.int64(slots[FREED])
    if place == 0:
        place = np.int64(slots[TOP])
        slots[TOP] = place + 1
    else:
        slots[FREED] = entries[place].card_row
        entries[place].card_row = 0
    slots[KEPT] += np.uint32(1)
    entry = entries[place]
    entry.id[0] = low
    entry.id[1] = high
    entry.sender = sender
    entry.transmission_s = transmission_s
    entry.kept_until_s = transmission_s + KEPT_S
    point(slots, low, place)
    return place


@njit(cache=True)
def let_go(slots: Any, entries: Any, place: int) -> None:
    """
    Remove the entry at a place, which another may have then. There must be no older table.

    What stands behind it in its run of slots moves up, so that no slot need be marked as once used (Knuth, TAOCP 6.4,
    algorithm R).
    """
    size = np.int64(slots[SIZE])
    mask = size - 1
    hole = np.int64((entries[place].id[0] >> np.uint64(8)) & np.uint64(mask))
    while np.int64(slots[size + hole]) != place:
        hole = (hole + 1) & mask
    at = hole
    while True:
        at = (at + 1) & mask
        other = slots[size + at]
        if other == 0:
            break
        home = np.int64((entries[other].id[0] >> np.uint64(8)) & np.uint64(mask))
        if ((at - home) & mask) >= ((at - hole) & mask):
            slots[size + hole] = other
            hole = at
    slots[size + hole] = 0
    entries[place] = entries[0]
    entries[place].card_row = slots[FREED]
    slots[FREED] = place
    slots[KEPT] -= np.uint32(1)


@njit(cache=True)
def sweep(slots: Any, entries: Any, looks: int, clock_s: int) -> None:
    """Look at so many places, on from where the last look ended, and let go of what may leave at message time `clock_s`."""
    top: Any = np.int64(slots[TOP])
    place: Any = np.int64(slots[SWEPT])
    for _ in range(min(looks, top - 1)):
        place += 1
        if place >= top:
            place = 1
        state = entries[place].state
        if state in (_FREE, _IN_FLIGHT, _BUSY, _STOOD_IN) or entries[place].kept_until_s >= clock_s:
            continue
        let_go(slots, entries, place)
    slots[SWEPT] = place


@njit(cache=True)
def carry_over(slots: Any, entries: Any, requests: int) -> None:
    """While the index grows: have the table lead to some more of what only the one before it led to, 16 slots for each request."""
    old: Any = np.int64(slots[OLD])
    first: Any = np.int64(slots[CARRIED])
    last = min(old, first + max(_CARRY_MIN, _CARRY * requests))
    for at in range(first, last):
        place = slots[old + at]
        if place != 0:
            point(slots, entries[place].id[0], place)
    slots[CARRIED] = last
    if last == old:
        slots[OLD] = 0


@njit(cache=True)
def tend(slots: Any, entries: Any, requests: int, looks: int, clock_s: int) -> None:
    """What a table does with every batch beside entering it: `carry_over` or `sweep`."""
    if slots[OLD] != 0:
        carry_over(slots, entries, requests)
    else:
        sweep(slots, entries, looks, clock_s)
