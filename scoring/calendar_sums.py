"""
Sums of the current and the previous calendar day and month of each row (Numba).

So a late message counts to its own day; older days are judged by the transaction's own amount, and not counted. Heads i4[2] of a
row are its newest day and month, sums i8[2, 2] the amounts of each and of the one before. A sum saturates at INT64_MAX and stays there.
"""

from typing import Any

import numpy as np
from numba import njit

from scoring.windows import INT64_MAX, add_capped


@njit(cache=True)
def period_total(heads: np.ndarray, sums: np.ndarray, kind: Any, period: Any) -> Any:
    """The amount of a day (kind 0) or month (1)."""
    if period > heads[kind] or period < heads[kind] - 1:
        return 0
    return np.int64(sums[kind, period % 2])


@njit(cache=True)
def add_period(heads: np.ndarray, sums: np.ndarray, kind: Any, period: Any, amount_minor: Any) -> None:
    """Adds an amount to a day or month that isn't too old."""
    head = np.int64(heads[kind])
    if period > head:
        sums[kind, period % 2] = 0
        if period > head + 1:
            sums[kind, (period + 1) % 2] = 0
        heads[kind] = period
    elif period < head - 1:
        return
    sums[kind, period % 2] = add_capped(np.int64(sums[kind, period % 2]), amount_minor)


@njit(cache=True)
def take_period(heads: np.ndarray, sums: np.ndarray, kind: Any, period: Any, amount_minor: Any) -> None:
    """Takes an amount out again; never below zero."""
    head = np.int64(heads[kind])
    if period > head or period < head - 1 or sums[kind, period % 2] == INT64_MAX:
        return
    sums[kind, period % 2] -= min(np.int64(sums[kind, period % 2]), amount_minor)
