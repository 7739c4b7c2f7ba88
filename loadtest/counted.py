"""
A Python program with its objects counted: `python -m loadtest.counted COUNT_FILE MODULE ARGUMENTS…` runs MODULE as `-m` would.

Every object that the interpreter makes (its own allocator's `malloc` and `calloc` for objects) adds one to the eight bytes of
COUNT_FILE, which whoever wants to know reads meanwhile. Objects that come from a free list (many floats, tuples, frames) are
not seen, so that the count is rather too low; it is the same from run to run. The count costs some nanoseconds an object: a counted server is not
the one whose speed is told.

Sources: CPython's "Customize Memory Allocators" (PyMem_SetAllocator; wrapping the one before is allowed at any time).
"""

import ctypes
import mmap
import runpy
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

_DOMAIN_OBJECTS: Final = 2
COUNT_BYTES: Final = 8


class _Allocator(ctypes.Structure):
    """PyMemAllocatorEx."""

    _fields_ = (
        ("context", ctypes.c_void_p),
        ("malloc", ctypes.c_void_p),
        ("calloc", ctypes.c_void_p),
        ("realloc", ctypes.c_void_p),
        ("free", ctypes.c_void_p),
    )


def counted(command: Sequence[str], file: Path) -> list[str]:
    """The command of a counted process, out of one that runs a module by `python -m`."""
    python, flag, *rest = command
    assert flag == "-m", "a module is run"
    return [python, "-m", "loadtest.counted", str(file), *rest]


def read_count(file: Path) -> int:
    """Objects so far."""
    return int.from_bytes(file.read_bytes()[:COUNT_BYTES], sys.byteorder)


@contextmanager
def counting_into(file: Path) -> Iterator[None]:
    """Count within the block. Its end must come before the interpreter's, which would go on to call what is gone."""
    import numpy as np
    from numba import carray, cfunc, types

    file.write_bytes(bytes(COUNT_BYTES))
    with file.open("r+b") as opened:
        shared = mmap.mmap(opened.fileno(), COUNT_BYTES)
    place = ctypes.c_uint64.from_buffer(shared)
    before = _Allocator()
    ctypes.pythonapi.PyMem_GetAllocator(_DOMAIN_OBJECTS, ctypes.byref(before))
    size = ctypes.c_size_t
    malloc = ctypes.CFUNCTYPE(ctypes.c_void_p, ctypes.c_void_p, size)(before.malloc)
    calloc = ctypes.CFUNCTYPE(ctypes.c_void_p, ctypes.c_void_p, size, size)(before.calloc)
    pointer, word = types.voidptr, types.uintp
    # CPython's own allocator of objects looks at no context, so that ours can stand in its place.
    assert before.context is None, "CPython's own allocator of objects has no context"

    @cfunc(pointer(pointer, word), nopython=True)
    def counting_malloc(count: Any, bytes_wanted: int) -> Any:
        carray(count, 1, np.uint64)[0] += 1
        return malloc(count, bytes_wanted)

    @cfunc(pointer(pointer, word, word), nopython=True)
    def counting_calloc(count: Any, number: int, bytes_wanted: int) -> Any:
        carray(count, 1, np.uint64)[0] += 1
        return calloc(count, number, bytes_wanted)

    counting = _Allocator(
        ctypes.addressof(place), counting_malloc.address, counting_calloc.address, before.realloc, before.free
    )
    ctypes.pythonapi.PyMem_SetAllocator(_DOMAIN_OBJECTS, ctypes.byref(counting))
    try:
        yield
    finally:
        ctypes.pythonapi.PyMem_SetAllocator(_DOMAIN_OBJECTS, ctypes.byref(before))
        del place
        shared.close()


def main(arguments: list[str]) -> None:
    """Run a module, counted."""
    file, module, *rest = arguments
    sys.argv = [module, *rest]
    with counting_into(Path(file)):
        runpy.run_module(module, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main(sys.argv[1:])
