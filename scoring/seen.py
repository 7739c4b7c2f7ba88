"""
The distinct values that one row has seen, each with the second when it was last seen (Numba).

Two u32 words an entry: its tag, and last_s. A tag is its kind and 29 bits of its value: countries, categories and card rows
as they are, merchants, devices and IPs folded, so that two of one row meet by chance once in millions of rows.
What "distinct in a window" means stands in `windows`.
"""

from typing import Any, Final

import numpy as np
from numba import njit

from scoring.windows import SPANS_S

SEEN_WORDS: Final = 2
MERCHANTS, COUNTRIES, CATEGORIES, CARDS, DEVICES, IPS = range(6)
KINDS: Final = 6
# How many of each kind a row remembers: a limit on distinct values lies below its cap.
CAPS: Final = (64, 16, 32, 64, 16, 16)
SEEN_MAX: Final = sum(CAPS)
_VALUE_BITS: Final = 29
_VALUE_MASK: Final = (1 << _VALUE_BITS) - 1
_U64_MASK: Final = np.uint64(_VALUE_MASK)
_SHIFT: Final = np.uint64(_VALUE_BITS)


@njit(cache=True)
def tag_of(kind: Any, value: Any) -> Any:
    """The tag of a country, a category or a card row."""
    return kind << _VALUE_BITS | (value & _VALUE_MASK)


@njit(cache=True)
def folded_tag_of(kind: Any, digest: Any) -> Any:
    """The tag of a 64-bit digest (u8)."""
    folded = digest ^ (digest >> _SHIFT) ^ (digest >> _SHIFT >> _SHIFT)
    return kind << _VALUE_BITS | np.int64(folded & _U64_MASK)


@njit(cache=True)
def distinct_since(words: np.ndarray, seen: Any, kind: Any, after_s: Any) -> Any:
    """How many values of a kind were last seen after a time."""
    count = 0
    for entry in range(seen):
        tag, last_s = np.int64(words[entry * SEEN_WORDS]), np.int64(words[entry * SEEN_WORDS + 1])
        count += (tag >> _VALUE_BITS == kind) & (last_s > after_s)
    return count


@njit(cache=True)
def count_distinct(
    words: np.ndarray, seen: Any, after_s: Any, longer_after_s: Any, counts: np.ndarray
) -> None:
    """Writes how many values of each kind were last seen after either of two times, i8[2, KINDS]: the later one first."""
    for kind in range(KINDS):
        counts[0, kind], counts[1, kind] = 0, 0
    for entry in range(seen):
        of = np.int64(words[entry * SEEN_WORDS]) >> _VALUE_BITS
        last_s = np.int64(words[entry * SEEN_WORDS + 1])
        counts[0, of] += last_s > after_s
        counts[1, of] += last_s > longer_after_s


@njit(cache=True)
def last_seen_s(words: np.ndarray, seen: Any, tag: Any) -> Any:
    """When a value was last seen; -1 where it isn't remembered."""
    for entry in range(seen):
        if np.int64(words[entry * SEEN_WORDS]) == tag:
            return np.int64(words[entry * SEEN_WORDS + 1])
    return -1


@njit(cache=True)
def forget(words: np.ndarray, seen: Any, newest: Any) -> Any:
    """Drops what no window at the newest time can hold; how many entries are left."""
    oldest_s = newest - SPANS_S[-1]
    kept = 0
    for entry in range(seen):
        if np.int64(words[entry * SEEN_WORDS + 1]) > oldest_s:
            words[kept * SEEN_WORDS] = words[entry * SEEN_WORDS]
            words[kept * SEEN_WORDS + 1] = words[entry * SEEN_WORDS + 1]
            kept += 1
    return kept


@njit(cache=True)
def note(words: np.ndarray, seen: Any, tag: Any, time_s: Any) -> Any:
    """Remembers that a value was seen, in the place of its kind's longest unseen where that is full; how many entries there are."""
    kind = tag >> _VALUE_BITS
    of_kind = 0
    oldest = -1
    for entry in range(seen):
        at = entry * SEEN_WORDS
        if np.int64(words[at]) == tag:
            words[at + 1] = max(np.int64(words[at + 1]), time_s)
            return seen
        if np.int64(words[at]) >> _VALUE_BITS == kind:
            of_kind += 1
            if oldest < 0 or words[at + 1] < words[oldest * SEEN_WORDS + 1]:
                oldest = entry
    if of_kind == CAPS[kind]:
        if np.int64(words[oldest * SEEN_WORDS + 1]) >= time_s:
            return seen
        words[oldest * SEEN_WORDS] = tag
        words[oldest * SEEN_WORDS + 1] = time_s
        return seen
    words[seen * SEEN_WORDS] = tag
    words[seen * SEEN_WORDS + 1] = time_s
    return seen + 1
