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

from server.core.record import DECISION, as_numbers

KEPT_S: Final = 2 * 3600


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
def place_of(slots: Any, entries: Any, low: Any, high: Any) -> int:
    """Where the id's entry stands; -1 where there is none."""
    place: Any = np.int64(slots[probe(slots, entries, low, high)]) - 1
    return place


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
