"""
What a sliding window means, and the rings of buckets that keep it.

A window of span W is kept in buckets of step g, aligned to the epoch: bucket = time // g. The ring
of a window holds W / g + 1 buckets, the newest (its *head*) and the W / g before it.

**A total at time t** is the sum over every remembered bucket from (t // g) - W / g on. So it takes in

- everything of the last W seconds, and at most g seconds more: it never says less than the exact
  window, which is the safe side of a limit;
- what is already known of times later than t. For a request in order there is none. For a late one it
  means that no window around it, wherever it ends, holds more than what was compared.

**Late and out-of-order times.** A time not older than head - W / g buckets lands in its own bucket. An
older one belongs to no window that ends at the head or later: it is judged by what the ring still holds
and isn't counted. A step of the clock far ahead moves the head, and forgets what lies more than W
before it. Times before 1970 are never counted.

**Cells** hold a count and a sum. Both saturate: a count at its type's largest value, a sum at INT64_MAX.
A saturated cell stays so until its bucket leaves the ring, also when something is given back: what it
really held is no longer known, and too much is the safe side.

Rows start as zeros (head 0, the bucket of 1970), so that memory is committed when a card is first used.
A total writes nothing, so that the state is a function of what was added and given back, in order.
"""

from typing import Any, Final, NamedTuple

import numpy as np
from numba import njit


class Window(NamedTuple):
    """One window: its name as flags and features show it, its span W and its step g, in seconds."""

    name: str
    span_s: int
    step_s: int


WINDOWS: Final = (
    Window("1m", 60, 10),
    Window("1h", 3_600, 600),
    Window("24h", 86_400, 10_800),
    Window("7d", 604_800, 86_400),
)
assert all(window.span_s % window.step_s == 0 for window in WINDOWS)

_STEPS_S = tuple(window.step_s for window in WINDOWS)
_BUCKETS = tuple(window.span_s // window.step_s + 1 for window in WINDOWS)
# Where a window's cells begin in a card's row; one window stands behind the other.
_OFFSETS = tuple(sum(_BUCKETS[:index]) for index in range(len(WINDOWS)))
CELLS: Final = sum(_BUCKETS)

INT64_MAX: Final = int(np.iinfo(np.int64).max)


@njit(cache=True)
def add_capped(left: Any, right: Any) -> Any:
    """The sum of two numbers >= 0, at most INT64_MAX."""
    if left > INT64_MAX - right:
        return INT64_MAX
    return left + right


@njit(cache=True)
def window_total(
    heads: np.ndarray, counts: np.ndarray, sums: np.ndarray, window: int, time_s: int
) -> tuple[int, Any]:
    """
    Count and sum of one card's window at a time. The arrays are the card's rows: heads i8[4],
    counts u[CELLS], sums i8 or f4[CELLS].
    """
    buckets = _BUCKETS[window]
    newest = int(heads[window])
    # Of a late time's span the ring only remembers what lies within it.
    first = max(time_s // _STEPS_S[window], newest) - (buckets - 1)
    count = 0
    total = sums[0] * 0
    for bucket in range(first, newest + 1):
        cell = _OFFSETS[window] + bucket % buckets
        count += int(counts[cell])
        total = add_capped(total, sums[cell])
    return count, total


@njit(cache=True)
def window_add(
    heads: np.ndarray,
    counts: np.ndarray,
    sums: np.ndarray,
    window: int,
    time_s: int,
    amount: Any,
    count_max: int,
) -> None:
    """Counts one event of an amount in one card's window; see `window_total` for the arrays."""
    buckets = _BUCKETS[window]
    newest = int(heads[window])
    bucket = time_s // _STEPS_S[window]
    if bucket > newest:
        for passed in range(max(newest + 1, bucket - buckets + 1), bucket + 1):
            counts[_OFFSETS[window] + passed % buckets] = 0
            sums[_OFFSETS[window] + passed % buckets] = 0
        heads[window] = bucket
    elif bucket <= newest - buckets:
        return
    cell = _OFFSETS[window] + bucket % buckets
    if counts[cell] < count_max:
        counts[cell] += 1
    sums[cell] = add_capped(sums[cell], amount)


@njit(cache=True)
def window_give_back(
    heads: np.ndarray,
    counts: np.ndarray,
    sums: np.ndarray,
    window: int,
    time_s: int,
    count: int,
    amount: int,
    count_max: int,
) -> None:
    """
    Takes `count` events (0 or 1) and an amount out of the bucket of their time, where the ring still
    holds it. Never below zero; a saturated cell stays as it is.
    """
    buckets = _BUCKETS[window]
    newest = int(heads[window])
    bucket = time_s // _STEPS_S[window]
    if bucket > newest or bucket <= newest - buckets:
        return
    cell = _OFFSETS[window] + bucket % buckets
    if counts[cell] < count_max:
        counts[cell] -= min(int(counts[cell]), count)
    if sums[cell] < INT64_MAX:
        sums[cell] -= min(int(sums[cell]), amount)
