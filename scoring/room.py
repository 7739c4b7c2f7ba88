"""
Arrays that grow where they lie.

Each lies in a mapping of its own: nothing is copied when it grows, and memory is taken a small page at a time, where a row
is first written. So ten million rows cost nothing until they are used, and no request waits for them.
"""

import mmap
from typing import Any, Final

import numpy as np
from numpy.typing import DTypeLike

_BYTES_FIRST: Final = 1 << 16
_BYTES_STEP_MAX: Final = 1 << 30  # of address space, not of memory
_FLAGS: Final = mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS


class Room:
    """One array, all zero at first; `array` is good until it grows."""

    __slots__ = ("_dtype", "_map", "_tail", "array")

    def __init__(self, dtype: DTypeLike, tail: tuple[int, ...] = (), rows: int = 0) -> None:
        """So many rows, of the shape `tail`, of a dtype."""
        self._dtype = np.dtype(dtype)
        self._tail = tail
        self._map = mmap.mmap(-1, _BYTES_FIRST, flags=_FLAGS)
        self.array: np.ndarray = self._view(0)
        self.make(rows)

    @property
    def row_bytes(self) -> int:
        """What a row takes."""
        return self._dtype.itemsize * int(np.prod(self._tail, dtype=np.int64))

    def make(self, rows: int) -> None:
        """Have so many rows, if there are fewer. Whoever holds the array must let go of it before, or it is copied."""
        if rows <= len(self.array):
            return
        before = len(self._map)
        needed = rows * self.row_bytes
        if needed > before:
            size = max(needed, before + min(before, _BYTES_STEP_MAX))
            size = -(-size // mmap.PAGESIZE) * mmap.PAGESIZE
            self.array = self.array[:0].copy()
            try:
                self._map.resize(size)
            except (BufferError, SystemError, ValueError):  # held by somebody, or not a system that can
                longer = mmap.mmap(-1, size, flags=_FLAGS)
                longer[:before] = self._map[:]
                self._map = longer
        self.array = self._view(rows)

    def take(self, array: np.ndarray[Any, Any]) -> None:
        """Have the rows of this array, copied, and no others. There must be none yet."""
        self.make(len(array))
        self.array[:] = array

    def _view(self, rows: int) -> np.ndarray:
        items = rows * int(np.prod(self._tail, dtype=np.int64))
        return np.frombuffer(self._map, self._dtype, items).reshape(rows, *self._tail)
