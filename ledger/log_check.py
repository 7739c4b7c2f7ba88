"""
Whether SQLite's write-ahead log still has everything that was acknowledged.

SQLite passes over a damaged log in silence: it takes what stands before the damage and forgets the rest. That is
right for the transaction that was being written when the power failed, which nobody was told of; before it, each was
on disk before the next began. So where two or more commits stand behind the first damage, one that was acknowledged
is lost. Source: sqlite.org/fileformat2.html, section 4.
"""

from pathlib import Path

import numpy as np
from numba import njit
from numpy.typing import NDArray

from ledger.wide import I64

_HEAD_BYTES = 32
_FRAME_HEAD_BYTES = 24
_MAGIC = 0x377F_0682  # the lowest bit says that checksums take their words as big-endian
_LOW = np.uint64(0xFFFF_FFFF)


@njit(cache=True, nogil=True)
def _summed(words: NDArray[np.uint32], first: I64, last: I64, sums: NDArray[np.uint64]) -> None:
    """Go on with SQLite's checksum over the words from `first` up to `last`, an even number."""
    one, other = sums[0], sums[1]
    for i in range(first, last, 2):
        one = (one + np.uint64(words[i]) + other) & _LOW
        other = (other + np.uint64(words[i + 1]) + one) & _LOW
    sums[0], sums[1] = one, other


@njit(cache=True, nogil=True)
def find_damage(
    words: NDArray[np.uint32], plain: NDArray[np.uint32], page_bytes: I64, found: NDArray[np.int64]
) -> None:
    """
    The first frame that isn't good, and how many commits of this log stand from it on, into `found`.

    `words` are the log's words as its checksums take them, `plain` as big-endian numbers; the head is good.
    """
    frame_words = (_FRAME_HEAD_BYTES + page_bytes) // 4
    sums = np.zeros(2, np.uint64)
    _summed(words, 0, 6, sums)
    found[0] = -1
    found[1] = 0
    for frame in range((len(words) - _HEAD_BYTES // 4) // frame_words):
        at = _HEAD_BYTES // 4 + frame * frame_words
        is_ours = plain[at + 2] == plain[4] and plain[at + 3] == plain[5]
        if found[0] < 0:
            _summed(words, at, at + 2, sums)
            _summed(words, at + 6, at + frame_words, sums)
            if not (is_ours and plain[at + 4] == sums[0] and plain[at + 5] == sums[1]):
                found[0] = frame
        if found[0] >= 0 and is_ours and plain[at + 1] != 0:
            found[1] += 1


def damage_of(log: Path) -> str | None:
    """What is wrong with a write-ahead log, in words; None where nothing acknowledged is lost, or there is none."""
    try:
        content = log.read_bytes()
    except FileNotFoundError:
        return None
    if len(content) < _HEAD_BYTES or not any(content[:_HEAD_BYTES]):
        return None
    plain = np.frombuffer(content[: len(content) // 4 * 4], ">u4").astype(np.uint32)
    magic, page_bytes = int(plain[0]), int(plain[2])
    order = ">u4" if magic & 1 else "<u4"
    words = np.frombuffer(content[: len(content) // 4 * 4], order).astype(np.uint32)
    sums = np.zeros(2, np.uint64)
    _summed(words, 0, 6, sums)
    if magic & ~1 != _MAGIC or page_bytes < 512 or [int(s) for s in sums] != plain[6:8].tolist():
        return "its head is damaged"
    found = np.zeros(2, np.int64)
    find_damage(words, plain, page_bytes, found)
    if found[1] < 2:
        return None
    return f"frame {found[0] + 1} is damaged, and {found[1]} commits stand behind it"


def warm_up() -> None:
    """Compile, or load from the cache, the kernels."""
    none = np.zeros(8, np.uint32)
    _summed(none, 0, 6, np.zeros(2, np.uint64))
    find_damage(none, none, 512, np.zeros(2, np.int64))
