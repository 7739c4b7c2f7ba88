"""
u128 arithmetic on two u64, low and high. Nothing wraps: callers ask before they add.

Every operand and result is np.uint64, also uncompiled, where a wrap would be a warning and so an error.
"""

from typing import TypeAlias

import numpy as np
from numba import njit

U64: TypeAlias = np.uint64
I64: TypeAlias = int | np.int64  # compiled they are the same

ZERO = np.uint64(0)
ONE = np.uint64(1)
MAX = np.uint64(0xFFFF_FFFF_FFFF_FFFF)


@njit(cache=True, nogil=True)
def is_zero(lo: U64, hi: U64) -> bool:
    return lo == ZERO and hi == ZERO


@njit(cache=True, nogil=True)
def is_max(lo: U64, hi: U64) -> bool:
    return lo == MAX and hi == MAX


@njit(cache=True, nogil=True)
def less(a_lo: U64, a_hi: U64, b_lo: U64, b_hi: U64) -> bool:
    return bool(a_hi < b_hi or (a_hi == b_hi and a_lo < b_lo))


@njit(cache=True, nogil=True)
def sum_overflows(a_lo: U64, a_hi: U64, b_lo: U64, b_hi: U64) -> bool:
    room_lo = MAX - a_lo
    room_hi = MAX - a_hi
    return less(room_lo, room_hi, b_lo, b_hi)


@njit(cache=True, nogil=True)
def add(a_lo: U64, a_hi: U64, b_lo: U64, b_hi: U64) -> tuple[U64, U64]:
    """The sum of two that `sum_overflows` lets pass."""
    room = MAX - a_lo
    if b_lo > room:
        return b_lo - room - ONE, a_hi + b_hi + ONE
    return a_lo + b_lo, a_hi + b_hi


@njit(cache=True, nogil=True)
def subtract(a_lo: U64, a_hi: U64, b_lo: U64, b_hi: U64) -> tuple[U64, U64]:
    """The difference, where b is not more than a."""
    if a_lo < b_lo:
        return MAX - (b_lo - a_lo) + ONE, a_hi - b_hi - ONE
    return a_lo - b_lo, a_hi - b_hi
