"""
What a sliding window means: said here once, for limits and features alike.

A window of span W has a step g. **Its total at time t** is the sum of everything whose step, time // g,
is (t - W) // g or later. So it takes in

- everything of the last W seconds, and at most g seconds more: it never says less than the exact window,
  which is the safe side of a limit;
- what is already known of times later than t, up to t + W. For a request in order there is none; for a
  late one it means that no window that holds t, wherever it ends, holds more than what was compared.

Steps nest: each is a multiple of the one before. So a row (a card, an account, ...) keeps one list of
*cells* for all windows, each as coarse as the smallest window needs that can still contain it. The *newest*
time of a row, rounded down to the finest step, says which that is: what happened at s has the *level* of the
smallest window whose total at the newest time takes it in, and lies in the cell of that window's step that
contains s. When the newest time moves, cells grow coarser and merge; what not even the longest window takes in
is dropped.

**Late and out-of-order times.** A late time lands in the cell of its own level. At a late t, a cell that is coarser than
the window's step counts whole where any of it may lie within: again never less than the exact window, and at
most one step of that cell more. A time older than the longest window at the newest time is judged by what is
still known, and isn't counted. A clock far ahead makes cells coarse and drops what lies more than the
longest window before it. Times before 1970 or after 2106 are judged and never counted.

**Distinct values** (merchants, countries, ...) are remembered with the second when each was last seen: at t,
those last seen after t - W exactly. Of each kind a row remembers a bounded number (`seen.CAPS`); past that, the
longest unseen one is forgotten.

**Cells saturate**, at their fields' largest values. A saturated field stays so until its cell is dropped, also
when something is given back: what it really held is no longer known, and too much is the safe side. So a
limit above COUNT_CEILING_MAX or AMOUNT_CEILING_MAX_MINOR could never be passed, and is none.
"""

from itertools import pairwise
from typing import Any, Final, NamedTuple

import numpy as np
from numba import njit


class Window(NamedTuple):
    """One window: its name as limits and features show it, its span W and its step g, in seconds."""

    name: str
    span_s: int
    step_s: int


WINDOWS: Final = (
    Window("10s", 10, 2),
    Window("1m", 60, 10),
    Window("10m", 600, 120),
    Window("1h", 3_600, 600),
    Window("24h", 86_400, 10_800),
    Window("7d", 604_800, 86_400),
    Window("30d", 2_592_000, 345_600),
    Window("31d", 2_678_400, 345_600),
)
SPANS_S: Final = tuple(window.span_s for window in WINDOWS)
STEPS_S: Final = tuple(window.step_s for window in WINDOWS)
LEVELS: Final = len(WINDOWS)
assert all(coarse % fine == 0 for fine, coarse in pairwise(STEPS_S))

# Times are kept as u32 seconds since 1970.
TIME_END_S: Final = 1 << 32
INT64_MAX: Final = (1 << 63) - 1
# Typed, so that `opening_s` isn't compiled for a literal too.
_FIRST: Final = np.int64(0)
# A cell's counts of approvals and declines are u16, its sums 48 bits.
COUNT_CEILING_MAX: Final = (1 << 16) - 2
AMOUNT_CEILING_MAX_MINOR: Final = (1 << 48) - 2


@njit(cache=True)
def add_capped(left: Any, right: Any) -> Any:
    """The sum of two numbers >= 0, at most INT64_MAX."""
    if left > INT64_MAX - right:
        return INT64_MAX
    return left + right


@njit(cache=True)
def opening_s(window: Any, time_s: Any) -> Any:
    """The first second that a window's total at a time takes in."""
    return (time_s - SPANS_S[window]) // STEPS_S[window] * STEPS_S[window]


@njit(cache=True)
def level_of(time_s: Any, newest_s: Any) -> Any:
    """The smallest window whose total at the newest time takes in a time; LEVELS where none does."""
    level = _FIRST
    while level < LEVELS and time_s < opening_s(level, newest_s):
        level += 1
    return level
