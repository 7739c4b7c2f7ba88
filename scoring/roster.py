"""
A roster: which row a 64-bit key has, among a bounded number of rows (Numba).

Sets of eight slots; a key lies in the set that its mixed bits name, and its slot is its row. When a set is full the roster
doubles, up to its largest size; after that the newcomer takes the row of its set that was unused for longest.
Keys are never 0: that is a free slot.
"""

from typing import Any, Final

import numpy as np
from numba import njit

WAYS: Final = 8
SLOTS_MIN: Final = 64
_13, _7, _17 = np.uint64(13), np.uint64(7), np.uint64(17)


@njit(cache=True)
def first_slot(slots: Any, key: Any) -> Any:
    """The first slot of a key's (u8) set."""
    # Marsaglia, "Xorshift RNGs" (2003): invertible, and without a multiplication.
    key ^= key << _13
    key ^= key >> _7
    key ^= key << _17
    return np.int64(key & np.uint64(slots // WAYS - 1)) * WAYS


@njit(cache=True)
def find_slot(keys: np.ndarray, key: Any) -> Any:
    """A key's slot in keys u8[slots]; -1 where it has none."""
    first = first_slot(len(keys), key)
    for slot in range(first, first + WAYS):
        if keys[slot] == key:
            return slot
    return -1


@njit(cache=True)
def free_slot(keys: np.ndarray, key: Any) -> Any:
    """The free slot that a new key would get; -1 where its set is full."""
    return find_free(keys, first_slot(len(keys), key))


@njit(cache=True)
def find_free(keys: np.ndarray, first: Any) -> Any:
    """The first free slot of a set; -1 where there is none."""
    for slot in range(first, first + WAYS):
        if np.int64(keys[slot]) == 0:
            return slot
    return -1


@njit(cache=True)
def move_rows(keys: np.ndarray, rows: np.ndarray, larger_keys: np.ndarray, larger_rows: np.ndarray) -> None:
    """Fills a roster twice as large: each set splits into two, so that there is room for all."""
    for slot in range(len(keys)):
        if np.int64(keys[slot]) != 0:
            place = find_free(larger_keys, first_slot(len(larger_keys), keys[slot]))
            larger_keys[place] = keys[slot]
            for word in range(rows.shape[1]):
                larger_rows[place, word] = rows[slot, word]
