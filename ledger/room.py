"""
Arrays that grow where they lie.

Each lies in a mapping of its own, lengthened by the kernel's page tables: nothing is copied, nothing is filled,
and memory is taken only where a row is written. So an array that has grown large grows on without a pause.
"""

import mmap
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

_BYTES_FIRST = 1 << 16
_BYTES_STEP_MAX = 1 << 30  # of address space, not of memory
_BYTES_HUGE = 4 << 20  # from here on large pages: fewer faults, and lengthening moves fewer entries
_FLAGS = mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS


class Room:
    """One array; `array` is all of it, also the empty rows behind those in use, and good until it grows."""

    __slots__ = ("_dtype", "_huge", "_map", "_width", "array")

    def __init__(self, dtype: DTypeLike, width: int = 1, *, huge: bool = True) -> None:
        """
        Rows of `width` items of a dtype; one-dimensional where it is 1.

        Memory comes in `huge` pages where the array is large: a first touch of one may take milliseconds.
        """
        self._dtype = np.dtype(dtype)
        self._width = width
        self._huge = huge
        self._map = mmap.mmap(-1, _BYTES_FIRST, flags=_FLAGS)
        self.array: NDArray[Any] = self._view()

    @property
    def empty(self) -> NDArray[Any]:
        """An array of no rows, to stand in while this one grows."""
        return np.zeros((0, *self.array.shape[1:]), self._dtype)

    def make(self, rows: int) -> NDArray[Any]:
        """
        Make room for so many rows, if there is not, and give the array.

        Whoever holds the old array must let go of it before: where somebody still does, it is copied instead.
        """
        if rows <= len(self.array):
            return self.array
        before = len(self._map)
        size = max(rows * self.row_bytes, before + min(before, _BYTES_STEP_MAX))
        size = -(-size // mmap.PAGESIZE) * mmap.PAGESIZE
        self.array = self.empty
        try:
            self._map.resize(size)
        except (BufferError, SystemError, ValueError):  # held by somebody, or not a system that can
            longer = mmap.mmap(-1, size, flags=_FLAGS)
            longer[:before] = self._map[:]
            self._map = longer
        if self._huge and size >= _BYTES_HUGE and hasattr(mmap, "MADV_HUGEPAGE"):
            self._map.madvise(mmap.MADV_HUGEPAGE)
        self.array = self._view()
        return self.array

    def let_go(self, start: int, end: int) -> None:
        """Give back the memory of these rows, which are not used any more."""
        first = -(-start * self.row_bytes // mmap.PAGESIZE) * mmap.PAGESIZE
        size = end * self.row_bytes // mmap.PAGESIZE * mmap.PAGESIZE - first
        if size > 0 and hasattr(mmap, "MADV_DONTNEED"):
            self._map.madvise(mmap.MADV_DONTNEED, first, size)

    @property
    def row_bytes(self) -> int:
        """What a row takes."""
        return self._dtype.itemsize * self._width

    def _view(self) -> NDArray[Any]:
        rows = len(self._map) // self.row_bytes
        array = np.frombuffer(self._map, self._dtype, rows * self._width)
        return array if self._width == 1 else array.reshape(rows, self._width)
