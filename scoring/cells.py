"""
The cells of one row: what happened in the windows, laid open in an array of words (Numba).

Six u32 words a cell, in order of their starts:
    start_s | attempts | approvals, declines (16 bits each) | attempted, low | consumed, low | high 16 bits of both
Approvals and `consumed` are what is reserved or confirmed; sums are minor units, 48 bits.
What a total takes in, and when cells merge, stands in `windows`.
"""

from typing import Any, Final

import numpy as np
from numba import njit

from scoring.windows import LEVELS, SPANS_S, STEPS_S, level_of, opening_s

CELL_WORDS: Final = 6
# Words of a cell that `pack_cells` finds plain.
PLAIN_WORDS: Final = 3
# A row never has more: each window holds at most span / step + 2 steps that no smaller one holds.
CELLS_MAX: Final = 64
# Columns of totals, and of what a cell holds. Typed: for plain integers Numba would compile each kernel that takes one five times.
ATTEMPTS, DECLINES, APPROVALS, ATTEMPTED, CONSUMED = map(np.int64, range(5))
FIELDS: Final = 5
U32_MAX: Final = (1 << 32) - 1
U16_MAX: Final = (1 << 16) - 1
SUM_MAX: Final = (1 << 48) - 1
_MAXIMA: Final = (U32_MAX, U16_MAX, U16_MAX, SUM_MAX, SUM_MAX)


@njit(cache=True)
def cell_field(words: np.ndarray, cell: Any, field: Any) -> Any:
    """One field (ATTEMPTS..CONSUMED) of a cell."""
    at = cell * CELL_WORDS
    if field == ATTEMPTS:
        return np.int64(words[at + 1])
    if field == APPROVALS:
        return np.int64(words[at + 2]) & U16_MAX
    if field == DECLINES:
        return np.int64(words[at + 2]) >> 16
    if field == ATTEMPTED:
        return np.int64(words[at + 3]) | (np.int64(words[at + 5]) & U16_MAX) << 32
    return np.int64(words[at + 4]) | (np.int64(words[at + 5]) >> 16) << 32


@njit(cache=True)
def set_field(words: np.ndarray, cell: Any, field: Any, value: Any) -> None:
    """Writes one field of a cell; the value fits."""
    at = cell * CELL_WORDS
    if field == ATTEMPTS:
        words[at + 1] = value
    elif field == APPROVALS:
        words[at + 2] = (np.int64(words[at + 2]) & ~U16_MAX) | value
    elif field == DECLINES:
        words[at + 2] = (np.int64(words[at + 2]) & U16_MAX) | value << 16
    elif field == ATTEMPTED:
        words[at + 3] = value & U32_MAX
        words[at + 5] = (np.int64(words[at + 5]) & ~U16_MAX) | value >> 32
    else:
        words[at + 4] = value & U32_MAX
        words[at + 5] = (np.int64(words[at + 5]) & U16_MAX) | (value >> 32) << 16


@njit(cache=True)
def add_to(words: np.ndarray, cell: Any, field: Any, amount: Any) -> None:
    """Adds an amount >= 0 to a field, up to its largest value."""
    now = cell_field(words, cell, field)
    largest = _MAXIMA[field]
    set_field(words, cell, field, largest if amount > largest - now else now + amount)


@njit(cache=True)
def take_from(words: np.ndarray, cell: Any, field: Any, amount: Any) -> None:
    """Takes an amount >= 0 out of a field: never below zero, and of a saturated one nothing."""
    now = cell_field(words, cell, field)
    if now < _MAXIMA[field]:
        set_field(words, cell, field, now - min(now, amount))


@njit(cache=True)
def newest_s(words: np.ndarray, cells: Any) -> Any:
    """The row's newest time, rounded down to the finest step; -1 where it has no cells."""
    return np.int64(words[(cells - 1) * CELL_WORDS]) if cells > 0 else -1


@njit(cache=True)
def window_totals(
    words: np.ndarray, cells: Any, time_s: Any, openings_s: np.ndarray, totals: np.ndarray
) -> None:
    """Writes each window's totals at a time, i8[LEVELS, FIELDS]; openings_s i8[LEVELS] are `opening_s` of each at that time."""
    totals[:] = 0
    newest = newest_s(words, cells)
    late = time_s < newest
    window = 0
    for cell in range(cells - 1, -1, -1):
        reach_s = np.int64(words[cell * CELL_WORDS])
        if late:
            window = 0
            while window < LEVELS and reach_s > time_s + SPANS_S[window]:
                window += 1
            reach_s += STEPS_S[level_of(reach_s, newest)] - 1
        # In order, an older cell is in no smaller window than a newer one.
        while window < LEVELS and reach_s < openings_s[window]:
            window += 1
        if window == LEVELS:
            if late:
                continue
            break
        at = cell * CELL_WORDS
        highs = np.int64(words[at + 5])
        totals[window, ATTEMPTS] += np.int64(words[at + 1])
        totals[window, DECLINES] += np.int64(words[at + 2]) >> 16
        totals[window, APPROVALS] += np.int64(words[at + 2]) & U16_MAX
        totals[window, ATTEMPTED] += np.int64(words[at + 3]) | (highs & U16_MAX) << 32
        totals[window, CONSUMED] += np.int64(words[at + 4]) | (highs >> 16) << 32
    if cells > 0:
        for window in range(1, LEVELS):
            for field in range(FIELDS):
                totals[window, field] += totals[window - 1, field]


@njit(cache=True)
def coarsen(words: np.ndarray, cells: Any, newest: Any) -> Any:
    """Merges and drops cells as a newer time asks; how many are left."""
    kept = 0
    level = LEVELS
    finer_s = opening_s(level - 1, newest)
    for cell in range(cells):
        start_s = np.int64(words[cell * CELL_WORDS])
        # A newer cell has no higher level than an older one; as `level_of`.
        while level > 0 and start_s >= finer_s:
            level -= 1
            finer_s = opening_s(max(level - 1, 0), newest)
        if level == LEVELS:
            continue
        start_s -= start_s % STEPS_S[level]
        if kept > 0 and np.int64(words[(kept - 1) * CELL_WORDS]) == start_s:
            for field in range(FIELDS):
                add_to(words, kept - 1, field, cell_field(words, cell, field))
            continue
        if kept < cell:
            for word in range(CELL_WORDS):
                words[kept * CELL_WORDS + word] = words[cell * CELL_WORDS + word]
        words[kept * CELL_WORDS] = start_s
        kept += 1
    return kept


@njit(cache=True)
def find_cell(words: np.ndarray, cells: Any, time_s: Any) -> Any:
    """The cell of a time that is not later than the newest; -1 where there is none."""
    newest = newest_s(words, cells)
    level = level_of(time_s, newest)
    if cells == 0 or level == LEVELS:
        return -1
    start_s = time_s - time_s % STEPS_S[level]
    cell = cells - 1
    while cell >= 0 and np.int64(words[cell * CELL_WORDS]) > start_s:
        cell -= 1
    return cell if cell >= 0 and np.int64(words[cell * CELL_WORDS]) == start_s else -1


@njit(cache=True)
def make_cell(words: np.ndarray, cells: Any, time_s: Any) -> tuple[Any, Any]:
    """How many cells there are now, and which is the cell of a time: a new one where it had none, -1 where it's too old."""
    moment_s = time_s - time_s % STEPS_S[0]
    newest = newest_s(words, cells)
    if moment_s > newest:
        cells = coarsen(words, cells, moment_s)
        at, start_s = cells, moment_s
    else:
        level = level_of(time_s, newest)
        if level == LEVELS:
            return cells, -1
        start_s = time_s - time_s % STEPS_S[level]
        at = cells
        while at > 0 and np.int64(words[(at - 1) * CELL_WORDS]) > start_s:
            at -= 1
        if at > 0 and np.int64(words[(at - 1) * CELL_WORDS]) == start_s:
            return cells, at - 1
    for word in range(cells * CELL_WORDS - 1, at * CELL_WORDS - 1, -1):
        words[word + CELL_WORDS] = words[word]
    for word in range(CELL_WORDS):
        words[at * CELL_WORDS + word] = 0
    words[at * CELL_WORDS] = start_s
    return cells + 1, at


@njit(cache=True)
def pack_cells(words: np.ndarray, cells: Any, packed: np.ndarray) -> Any:
    """
    Writes cells as a row's list keeps them, the newest first; how many of them are wide, six words as here. Of a plain one, all of whose
    attempts were approved, three words say all: start_s + 1 (starts are even), the sum, attempts and declines (16 bits each).
    """
    at = 0
    wide = 0
    for cell in range(cells - 1, -1, -1):
        first = cell * CELL_WORDS
        attempts = words[first + 1]
        if (
            words[first + 5] == 0
            and words[first + 3] == words[first + 4]
            and attempts == words[first + 2] & U16_MAX
        ):
            packed[at] = words[first] | 1
            packed[at + 1] = words[first + 3]
            packed[at + 2] = words[first + 2]
            at += PLAIN_WORDS
            continue
        for word in range(CELL_WORDS):
            packed[at + word] = words[first + word]
        at += CELL_WORDS
        wide += 1
    return wide


@njit(cache=True)
def unpack_cells(packed: np.ndarray, cells: Any, words: np.ndarray) -> None:
    """Lays open what `pack_cells` wrote."""
    at = 0
    for cell in range(cells - 1, -1, -1):
        first = cell * CELL_WORDS
        if packed[at] & 1:
            words[first] = np.int64(packed[at]) - 1
            words[first + 1] = np.int64(packed[at + 2]) & U16_MAX
            words[first + 2] = packed[at + 2]
            words[first + 3] = packed[at + 1]
            words[first + 4] = packed[at + 1]
            words[first + 5] = 0
            at += PLAIN_WORDS
            continue
        for word in range(CELL_WORDS):
            words[first + word] = packed[at + word]
        at += CELL_WORDS
