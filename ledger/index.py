"""
An open-addressing index from u128 ids to rows of records.

A slot is a u64, 0 where empty: the upper half is a 32-bit tag, the id's hash; the lower half is the row
plus one, with the top bit set for an id that burnt, whose row then is one of the burnt ids. A table has a power
of two of slots, at most LOAD_MAX of them taken, and lies at its own size in one long array: the table of size
4096 from 4096 to 8191, the next one behind it. So an index grows without pausing: the home of an id follows
from its tag alone, top bits first, and a sweep that reads no record and writes in order carries a few slots
over with every batch, while both tables are asked.
"""

from typing import TypeAlias

import numpy as np
from numba import njit
from numpy.typing import NDArray

from ledger.transfer import Ids
from ledger.wide import I64, U64, ZERO

Slots: TypeAlias = NDArray[np.uint64]

LOAD_MAX = 0.7
ROWS_MAX = 2**31 - 2

ABSENT = -1
BURNT = -2

_HALF = np.uint64(32)
_LOW = np.uint64(0xFFFF_FFFF)
_BURNT_BIT = np.uint64(1 << 31)
_ROW_BITS = np.uint64((1 << 31) - 1)
# Odd 32-bit constants: each product of two 32-bit numbers fits in 64 bits.
_MIX_1 = np.uint64(0x9E37_79B1)
_MIX_2 = np.uint64(0x85EB_CA77)
_MIX_3 = np.uint64(0xC2B2_AE3D)
_MIX_4 = np.uint64(0x27D4_EB2F)
_SEED = np.uint64(0x1656_67B1)


@njit(cache=True, nogil=True)
def _fold(tag: U64, word: U64, mix: U64) -> U64:
    product = (tag ^ word) * mix
    return (product ^ (product >> _HALF)) & _LOW


@njit(cache=True, nogil=True)
def tag_of(id_lo: U64, id_hi: U64) -> U64:
    """The 32-bit hash of an id."""
    tag = _fold(_SEED, id_lo & _LOW, _MIX_1)
    tag = _fold(tag, id_lo >> _HALF, _MIX_2)
    tag = _fold(tag, id_hi & _LOW, _MIX_3)
    tag = _fold(tag, id_hi >> _HALF, _MIX_4)
    return _fold(tag, ZERO, _MIX_1)


@njit(cache=True, nogil=True)
def find(
    slots: Slots, size: I64, old: I64, records: NDArray[np.void], burnt: Ids, id_lo: U64, id_hi: U64
) -> tuple[I64, I64]:
    """
    The position in the table of this size where an id stands or belongs; and its row, ABSENT, or BURNT.

    What is not there is looked for in the table of size `old`, 0 for none. One loop for both, as it is inlined often.
    """
    tag = tag_of(id_lo, id_hi)
    begin = size
    place: I64 = -1
    position: I64 = begin + np.int64((tag * np.uint64(begin)) >> _HALF)
    while True:
        slot = slots[position]
        if slot == ZERO:
            if place < 0:
                place = position
            if old == 0:
                return place, ABSENT
            begin = old
            old = 0
            position = begin + np.int64((tag * np.uint64(begin)) >> _HALF)
            continue
        if slot >> _HALF == tag:
            row = np.int64(slot & _ROW_BITS) - 1
            if slot & _BURNT_BIT:
                if burnt[row, 0] == id_lo and burnt[row, 1] == id_hi:
                    return (position if place < 0 else place), BURNT
            elif records[row]["id_lo"] == id_lo and records[row]["id_hi"] == id_hi:
                return (position if place < 0 else place), row
        position += 1
        if position == begin + begin:
            position = begin


@njit(cache=True, nogil=True)
def put(slots: Slots, position: I64, id_lo: U64, id_hi: U64, row: I64) -> None:
    """Point an empty slot found by `find` to a row. Taken back in reverse order by emptying it."""
    slots[position] = (tag_of(id_lo, id_hi) << _HALF) | np.uint64(row + 1)


@njit(cache=True, nogil=True)
def put_burnt(slots: Slots, position: I64, id_lo: U64, id_hi: U64, row: I64) -> None:
    """Point an empty slot found by `find` to a row of the burnt ids."""
    slots[position] = (tag_of(id_lo, id_hi) << _HALF) | np.uint64(row + 1) | _BURNT_BIT


@njit(cache=True, nogil=True)
def take_back(slots: Slots, position: I64) -> None:
    """Empty the slot that was put last."""
    slots[position] = ZERO


@njit(cache=True, nogil=True)
def _free(slots: Slots, size: I64, tag: U64) -> I64:
    end = size + size
    position: I64 = size + np.int64((tag * np.uint64(size)) >> _HALF)
    while slots[position] != ZERO:
        position += 1
        if position == end:
            position = size
    return position


@njit(cache=True, nogil=True)
def spread(slots: Slots, old: I64, size: I64, start: I64, end: I64) -> None:
    """Copy the slots from `start` up to `end` of the table of size `old` into a larger one that lacks them yet."""
    for i in range(old + start, old + end):
        slot = slots[i]
        if slot != ZERO:
            slots[_free(slots, size, slot >> _HALF)] = slot


@njit(cache=True, nogil=True)
def enter(slots: Slots, size: I64, records: NDArray[np.void], count: I64) -> None:
    """Index the first `count` records, whose ids are all different and not there yet."""
    for row in range(count):
        id_lo = records[row]["id_lo"]
        id_hi = records[row]["id_hi"]
        put(slots, _free(slots, size, tag_of(id_lo, id_hi)), id_lo, id_hi, row)


@njit(cache=True, nogil=True)
def enter_burnt(slots: Slots, size: I64, burnt: Ids, count: I64) -> None:
    """Index the first `count` burnt ids, all different and not there yet."""
    for row in range(count):
        id_lo = burnt[row, 0]
        id_hi = burnt[row, 1]
        put_burnt(slots, _free(slots, size, tag_of(id_lo, id_hi)), id_lo, id_hi, row)
