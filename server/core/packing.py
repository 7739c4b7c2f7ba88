"""
Records without their zero bytes, as the journal and PostgreSQL keep them: half of a record or less (Numba).

A packed record is a bitmap of its bytes that are not zero, the first one's bit the highest, and then those bytes.
"""

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
from numba import njit
from numpy.typing import NDArray

_EIGHT: Final = 8
"""Bytes that one byte of the bitmap is about."""

_SPARE: Final = bytes(_EIGHT)


def bitmap_size(record: np.dtype[Any]) -> int:
    """Bytes of the bitmap of such a record: the least that a packed one has."""
    return -(-record.itemsize // 8)


def pack(records: NDArray[Any]) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Records, one after another, packed, u1[m]; and where each ends, i8[n]."""
    data = np.frombuffer(np.ascontiguousarray(records), np.uint8).reshape(-1, records.dtype.itemsize)
    out = np.empty(len(data) * (bitmap_size(records.dtype) + data.shape[1]) + 1, np.uint8)
    ends = np.zeros(len(data), np.int64)
    put_packed(data, out, ends)
    return out[: ends[-1] if len(ends) else 0], ends


def unpack(packed: bytes, count: int, record: np.dtype[Any]) -> NDArray[Any]:
    """The `count` records that `pack` made this of. Raises ValueError where it is of another layout."""
    data = np.zeros((count, record.itemsize), np.uint8)
    if take_packed(_readable(packed), data) != len(packed):
        raise ValueError(f"{len(packed)} bytes are no {count} packed records of {record.itemsize}")
    return data.view(record).reshape(-1)


def unpack_each(packed: Sequence[bytes], record: np.dtype[Any]) -> NDArray[Any]:
    """The record of each of these. Raises ValueError where one is of another layout."""
    data = np.zeros((len(packed), record.itemsize), np.uint8)
    for place, one in enumerate(packed):
        if take_packed(_readable(one), data[place : place + 1]) != len(one):
            raise ValueError(f"{len(one)} bytes are no packed record of {record.itemsize}")
    return data.view(record).reshape(-1)


def _readable(packed: bytes) -> NDArray[np.uint8]:
    """For the kernel, which reads a little ahead. It is compiled for arrays that can be written."""
    return np.frombuffer(bytearray().join((packed, _SPARE)), np.uint8)


@njit(cache=True, nogil=True)
def put_packed(data: Any, out: Any, ends: Any) -> None:
    """
    Pack u1[n, w] into `out`, which has a byte to spare; `ends` (i8[n]) gets where each ends.

    Eight bytes at a time, each written whether it counts or not: a branch for each would be guessed wrong too often.
    """
    width = data.shape[1]
    whole = width // _EIGHT
    bitmap = (width + 7) // _EIGHT
    at = np.uint64(0)
    for row in range(len(data)):
        line = data[row]
        begin = at
        at += np.uint64(bitmap)
        for byte in range(whole):
            first = np.uint64(_EIGHT * byte)
            seen = np.uint8(0)
            for k in range(_EIGHT):
                seen |= line[first + np.uint64(k)]
            bits = np.uint64(0)
            if seen != 0:
                for k in range(_EIGHT):
                    value = line[first + np.uint64(k)]
                    counts = np.uint64(value != 0)
                    out[at] = value
                    at += counts
                    bits += bits + counts
            out[begin + np.uint64(byte)] = bits
        if whole < bitmap:
            bits = np.uint64(0)
            for k in range(_EIGHT * whole, _EIGHT * bitmap):
                counts = np.uint64(k < width and line[k] != 0)
                if counts:
                    out[at] = line[k]
                at += counts
                bits += bits + counts
            out[begin + np.uint64(whole)] = bits
        ends[row] = at


@njit(cache=True, nogil=True)
def take_packed(packed: Any, data: Any) -> int:
    """Unpack into zeros u1[n, w]; where the last one ends, or -1 where it doesn't fit. `packed` has _EIGHT bytes to spare."""
    width = data.shape[1]
    whole = width // _EIGHT
    bitmap = (width + 7) // _EIGHT
    end = len(packed) - _EIGHT
    at = 0
    for row in range(len(data)):
        line = data[row]
        begin = at
        at += bitmap
        if at > end:
            return -1
        for byte in range(whole):
            bits = np.int64(packed[begin + byte])
            if bits != 0:
                for k in range(_EIGHT):
                    is_there = bits >> (_EIGHT - 1 - k) & 1
                    line[_EIGHT * byte + k] = packed[at] * np.uint8(is_there)
                    at += is_there
                if at > end:
                    return -1
        if whole < bitmap:
            bits = np.int64(packed[begin + whole])
            for k in range(_EIGHT):
                if bits >> (_EIGHT - 1 - k) & 1:
                    if _EIGHT * whole + k >= width or at >= end:
                        return -1
                    line[_EIGHT * whole + k] = packed[at]
                    at += 1
    return at
