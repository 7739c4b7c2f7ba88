"""
No picture of this process's memory, which may see card numbers or names: no core dump, and no other process that may look.

A limit of zero keeps the kernel from writing a core file; a process that is not dumpable is not handed to a program either,
whatever the system's `core_pattern` says, and its memory is root's alone. Source: core(5), PR_SET_DUMPABLE in prctl(2).
Programs started later have the limit too, and are dumpable again: each says it for itself.
"""

import ctypes
import resource
import sys
from typing import Final

_SET_DUMPABLE: Final = 4  # PR_SET_DUMPABLE


def refuse_dumps() -> None:
    """From now on, for good. Raises OSError where the system refuses."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if sys.platform == "linux":
        libc = ctypes.CDLL(None, use_errno=True)
        if libc.prctl(_SET_DUMPABLE, 0, 0, 0, 0) != 0:
            raise OSError(ctypes.get_errno(), "this process can't be made undumpable")
