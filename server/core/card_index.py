"""
From a card's keys to its row: two tables of slots, by PAN and by token, that grow where they lie (Numba).

A table is one u32 array. That of size 4096 stands in it from 4096 to 8191, the next one behind it; its first words say
which is in use. A slot is a row plus one, 0 where free, probed linearly from the key's low bits: keys are uniform by
construction. Where half of the slots are taken the next table begins, and both are asked until the rows of the former
are carried over, 16 slots for each card that comes: no card waits for the table.

A card whose key has changed is entered again; a slot that leads to a row of another key leads nowhere.
"""

from typing import Any, Final

import numpy as np
from numba import njit
from numpy.typing import NDArray

from ledger.room import Room
from server.core.record import NO_ROW, CardReference

SIZE, OLD, CARRIED = range(3)
"""First words of a table: its size, that of the one before while it is carried over, else 0, and how much of it was."""

_SLOTS_MIN: Final = 1 << 12
_CARRY: Final = 16
_CARRY_MIN: Final = 1 << 12
_PAN: Final = int(CardReference.PAN)


@njit(cache=True)
def row_of(slots: Any, size: int, cards: Any, low: Any, high: Any, by_pan: bool) -> int:
    """The row of the key by the table of this size; -1 where it has none."""
    mask = np.uint64(size - 1)
    at = low & mask
    while True:
        entry = np.int64(slots[np.uint64(size) + at])
        if entry == 0:
            return -1
        card = cards[entry - 1]
        key = card.pan_key if by_pan else card.card_id
        if key[0] == low and key[1] == high:
            found: Any = entry - 1
            return found
        at = (at + np.uint64(1)) & mask


@njit(cache=True)
def find_rows(requests: Any, cards: Any, pan_slots: Any, card_id_slots: Any, rows: Any) -> None:
    """Write each request's card row into `rows` (u32[n]); NO_ROW where no card answers to its key."""
    size, old = np.int64(pan_slots[SIZE]), np.int64(pan_slots[OLD])
    for i in range(len(requests)):
        request = requests[i]
        low = request.card_key[0]
        high = request.card_key[1]
        by_pan = request.card_reference == _PAN
        slots = pan_slots if by_pan else card_id_slots
        row = row_of(slots, size, cards, low, high, by_pan)
        if row < 0 and old != 0:
            row = row_of(slots, old, cards, low, high, by_pan)
        rows[i] = NO_ROW if row < 0 else row


@njit(cache=True, nogil=True)
def point(slots: Any, low: Any, row: int) -> None:
    """Have the table in use lead from a key to a row, if it doesn't yet."""
    size = np.uint64(slots[SIZE])
    mask = size - np.uint64(1)
    at = low & mask
    while slots[size + at] != 0 and slots[size + at] != row + 1:
        at = (at + np.uint64(1)) & mask
    slots[size + at] = row + 1


@njit(cache=True)
def renew_keys(pairs: Any, cards: Any, slots: Any, rows: Any, moved: Any) -> int:
    """
    Have cards that stand under the second of two PAN keys (u8[n, 4]) stand under the first.

    Writes the rows of those that stand under either into `rows` (u4[n]), and whether they moved (bool[n]); returns how many.
    """
    size, old = np.int64(slots[SIZE]), np.int64(slots[OLD])
    count = 0
    for i in range(len(pairs)):
        moves = False
        row = -1
        for key in range(2):
            low, high = pairs[i, 2 * key], pairs[i, 2 * key + 1]
            row = row_of(slots, size, cards, low, high, True)
            if row < 0 and old != 0:
                row = row_of(slots, old, cards, low, high, True)
            if row >= 0:
                moves = key == 1
                break
        if row < 0:
            continue
        if moves:
            cards[row].pan_key[0] = pairs[i, 0]
            cards[row].pan_key[1] = pairs[i, 1]
            point(slots, pairs[i, 0], row)
        rows[count] = row
        moved[count] = moves
        count += 1
    return count


@njit(cache=True, nogil=True)
def index_rows(cards: Any, rows: Any, pan_slots: Any, card_id_slots: Any) -> None:
    """Enter the cards at `rows` (u32[n]) into both tables; what is there already is left."""
    for i in range(len(rows)):
        point(pan_slots, cards[rows[i]].pan_key[0], np.int64(rows[i]))
    for i in range(len(rows)):
        point(card_id_slots, cards[rows[i]].card_id[0], np.int64(rows[i]))


@njit(cache=True)
def carry_over(slots: Any, cards: Any, by_pan: bool, looks: int) -> None:
    """While a table grows: have it lead to what so many more slots of the one before lead to."""
    old: Any = np.int64(slots[OLD])
    first: Any = np.int64(slots[CARRIED])
    last = min(old, first + looks)
    for at in range(first, last):
        entry = np.int64(slots[old + at])
        if entry != 0:
            card = cards[entry - 1]
            point(slots, card.pan_key[0] if by_pan else card.card_id[0], entry - 1)
    slots[CARRIED] = last
    if last == old:
        slots[OLD] = 0


class CardIndex:
    """Both tables, of the same size at any time."""

    def __init__(self) -> None:
        # Small pages: a change enters few cards, and a large page's first touch may take milliseconds.
        self._tables = Room(np.uint32, huge=False), Room(np.uint32, huge=False)
        for room in self._tables:
            room.make(2 * _SLOTS_MIN)[SIZE] = _SLOTS_MIN

    @property
    def used_bytes(self) -> int:
        """Memory that both take."""
        slots = self._tables[0].array
        return 8 * int(slots[SIZE] + slots[OLD])

    def find(self, requests: NDArray[Any], cards: NDArray[Any]) -> NDArray[np.uint32]:
        """Card rows (u32[n]) of a batch of REQUEST; NO_ROW where the card is unknown."""
        rows = np.empty(len(requests), np.uint32)
        by_pan, by_card_id = self._tables
        find_rows(requests, cards, by_pan.array, by_card_id.array, rows)
        return rows

    def renew(
        self, pairs: NDArray[np.uint64], cards: NDArray[Any], count: int
    ) -> tuple[NDArray[np.uint32], NDArray[np.bool_]]:
        """See `renew_keys`; there may be `count` keys of cards then. The rows, and whether they moved."""
        by_pan = self._tables[0]
        self.expect(cards, count)
        if by_pan.array[OLD]:
            self._carry_over(cards, _CARRY_MIN)
        rows, moved = np.empty(len(pairs), np.uint32), np.empty(len(pairs), np.bool_)
        found = renew_keys(pairs, cards, by_pan.array, rows, moved)
        return rows[:found], moved[:found]

    def enter(self, cards: NDArray[Any], rows: NDArray[np.uint32], count: int) -> None:
        """Enter the cards at these rows, new ones or with new keys; there are `count` cards then."""
        by_pan, by_card_id = self._tables
        self.expect(cards, count)
        if by_pan.array[OLD]:
            self._carry_over(cards, max(_CARRY_MIN, _CARRY * len(rows)))
        index_rows(cards, rows, by_pan.array, by_card_id.array)

    def expect(self, cards: NDArray[Any], count: int) -> None:
        """Begin the tables that so many cards need."""
        if 2 * count > self._tables[0].array[SIZE]:
            self._grow(cards, 2 * count)

    def _grow(self, cards: NDArray[Any], needed: int) -> None:
        self._carry_over(cards, int(self._tables[0].array[OLD]))
        size = old = int(self._tables[0].array[SIZE])
        while size < needed:
            size *= 2
        for room in self._tables:
            slots = room.make(2 * size)
            slots[SIZE], slots[OLD], slots[CARRIED] = size, old, 0

    def _carry_over(self, cards: NDArray[Any], looks: int) -> None:
        for room, by_pan in zip(self._tables, (True, False), strict=True):
            old = int(room.array[OLD])
            if old:
                carry_over(room.array, cards, by_pan, looks)
                if not room.array[OLD] and old > _SLOTS_MIN:
                    room.let_go(old, 2 * old)
