"""
A pool of chunks, in which each row keeps a list of words of any length (Numba).

A chunk is sixteen u32 words, one line of the processor's cache: fifteen of the list, and the number of the next chunk
(0 = the last). A freed chunk is used again before a fresh one, so that what is freed is never too small for what
is asked, and which chunk is taken follows from the order of operations alone.
"""

from typing import Any, Final

import numpy as np
from numba import njit

CHUNK_WORDS: Final = 16
PAYLOAD_WORDS: Final = CHUNK_WORDS - 1
# Words of a pool's control: the first chunk never used yet, and the first of the freed ones (0 = none).
TOP, FREE = 0, 1
# Where a list's first chunk begins; typed, so that `write_words` isn't compiled for a literal too.
_START: Final = np.int64(0)


def empty_pool() -> tuple[np.ndarray, np.ndarray]:
    """A pool without lists: chunks u4[n, CHUNK_WORDS] and its control i8[2]. Chunk 0 is nobody's."""
    return np.zeros((1, CHUNK_WORDS), np.uint32), np.array([1, 0], np.int64)


@njit(cache=True)
def take_chunk(chunks: np.ndarray, control: np.ndarray) -> Any:
    """A chunk of zeros. The caller has seen to it that there is one."""
    taken = np.int64(control[FREE])
    if taken == 0:
        taken = np.int64(control[TOP])
        control[TOP] = taken + 1
    else:
        control[FREE] = chunks[taken, PAYLOAD_WORDS]
    for word in range(CHUNK_WORDS):
        chunks[taken, word] = 0
    return taken


@njit(cache=True)
def free_list(chunks: np.ndarray, control: np.ndarray, first: Any) -> None:
    """Frees a chunk and those that follow it; of 0 nothing."""
    at = first
    while at != 0:
        following = np.int64(chunks[at, PAYLOAD_WORDS])
        for word in range(PAYLOAD_WORDS):
            chunks[at, word] = 0
        chunks[at, PAYLOAD_WORDS] = control[FREE]
        control[FREE] = at
        at = following


@njit(cache=True)
def read_list(chunks: np.ndarray, first: Any, skip: Any, words: np.ndarray) -> None:
    """Reads the words (u4[n]) of a list that stand after `skip` others."""
    at = first
    place = skip
    while place >= PAYLOAD_WORDS:
        at = np.int64(chunks[at, PAYLOAD_WORDS])
        place -= PAYLOAD_WORDS
    done = 0
    while done < len(words):
        if place == PAYLOAD_WORDS:
            at = np.int64(chunks[at, PAYLOAD_WORDS])
            place = 0
        some = min(PAYLOAD_WORDS - place, len(words) - done)
        for word in range(some):
            words[done + word] = chunks[at, place + word]
        done += some
        place += some


@njit(cache=True)
def write_words(
    chunks: np.ndarray, control: np.ndarray, at: Any, place: Any, words: np.ndarray
) -> tuple[Any, Any]:
    """Writes words from a place of a chunk on, through those that follow; the chunk and the place after them."""
    done = 0
    while done < len(words):
        if place == PAYLOAD_WORDS:
            following = np.int64(chunks[at, PAYLOAD_WORDS])
            if following == 0:
                following = take_chunk(chunks, control)
                chunks[at, PAYLOAD_WORDS] = following
            at = following
            place = 0
        some = min(PAYLOAD_WORDS - place, len(words) - done)
        for word in range(some):
            chunks[at, place + word] = words[done + word]
        done += some
        place += some
    return at, place


@njit(cache=True)
def write_list(
    chunks: np.ndarray, control: np.ndarray, first: Any, head: np.ndarray, tail: np.ndarray
) -> Any:
    """
    Makes a list hold the words of head and of tail (u4), one after the other; its first chunk, 0 where there are none.
    Takes what chunks it lacks and frees those left over; what a chunk has beyond the list is zero.
    """
    if len(head) + len(tail) == 0:
        free_list(chunks, control, first)
        return 0
    if first == 0:
        first = take_chunk(chunks, control)
    at, place = write_words(chunks, control, first, _START, head)
    at, place = write_words(chunks, control, at, place, tail)
    for rest in range(place, PAYLOAD_WORDS):
        chunks[at, rest] = 0
    free_list(chunks, control, np.int64(chunks[at, PAYLOAD_WORDS]))
    chunks[at, PAYLOAD_WORDS] = 0
    return first
