"""
An open-addressing index from u128 ids to rows of records.

A slot is a u64, 0 where empty: the upper half is a 32-bit tag, the id's hash; the lower half is the row
plus one, with the top bit set for an id that burnt, whose row then is one of the burnt ids. The slot's
home follows from the tag alone, top bits first, so that an index doubles in one sweep that reads no
record and writes in order. Slots are a power of two, at most LOAD_MAX of them taken.
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
def find(slots: Slots, records: NDArray[np.void], burnt: Ids, id_lo: U64, id_hi: U64) -> I64:
    """The position of the id's slot, or of the empty slot where it belongs."""
    tag = tag_of(id_lo, id_hi)
    size = len(slots)
    position: I64 = np.int64((tag * np.uint64(size)) >> _HALF)
    while True:
        slot = slots[position]
        if slot == ZERO:
            return position
        if slot >> _HALF == tag:
            row = np.int64(slot & _ROW_BITS) - 1
            if slot & _BURNT_BIT:
                if burnt[row, 0] == id_lo and burnt[row, 1] == id_hi:
                    return position
            elif records[row]["id_lo"] == id_lo and records[row]["id_hi"] == id_hi:
                return position
        position += 1
        if position == size:
            position = 0


@njit(cache=True, nogil=True)
def row_at(slots: Slots, position: I64) -> I64:
    """The row that a slot found by `find` points to, ABSENT, or BURNT."""
    slot = slots[position]
    if slot == ZERO:
        return ABSENT
    if slot & _BURNT_BIT:
        return BURNT
    return np.int64(slot & _ROW_BITS) - 1


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
def _free(slots: Slots, tag: U64) -> I64:
    size = len(slots)
    position: I64 = np.int64((tag * np.uint64(size)) >> _HALF)
    while slots[position] != ZERO:
        position += 1
        if position == size:
            position = 0
    return position


@njit(cache=True, nogil=True)
def spread(old: Slots, new: Slots) -> None:
    """Carry every slot of an index over into a larger, empty one."""
    for i in range(len(old)):
        slot = old[i]
        if slot == ZERO:
            continue
        new[_free(new, slot >> _HALF)] = slot


@njit(cache=True, nogil=True)
def enter(slots: Slots, records: NDArray[np.void]) -> None:
    """Index records whose ids are all different and not there yet."""
    for row in range(len(records)):
        id_lo = records[row]["id_lo"]
        id_hi = records[row]["id_hi"]
        put(slots, _free(slots, tag_of(id_lo, id_hi)), id_lo, id_hi, row)


@njit(cache=True, nogil=True)
def enter_burnt(slots: Slots, burnt: Ids) -> None:
    """Index burnt ids, all different and not there yet."""
    for row in range(len(burnt)):
        put_burnt(
            slots, _free(slots, tag_of(burnt[row, 0], burnt[row, 1])), burnt[row, 0], burnt[row, 1], row
        )
