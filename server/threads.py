"""
Whose CPU the server's process uses, by thread: names that the system knows, too, and seconds.

Threads of gRPC and of the ledger's client name themselves; Python's don't, so that `top -H` shows many of one name. Reading
names them.
"""

import contextlib
import os
import threading
from collections import defaultdict
from pathlib import Path
from typing import Final

_TASKS: Final = Path("/proc/self/task")
_TICKS: Final = os.sysconf("SC_CLK_TCK")
_NAME_BYTES: Final = 15
"""As long as Linux takes a thread's name."""


def thread_cpu_s() -> dict[tuple[str, ...], float]:
    """CPU seconds of this process's threads so far, by name; its first is `loop`. Empty where there is no /proc."""
    known = {thread.native_id: thread.name for thread in threading.enumerate()}
    used: dict[tuple[str, ...], float] = defaultdict(float)
    for folder in _TASKS.glob("*"):
        with contextlib.suppress(OSError):  # it has ended meanwhile
            fields = (folder / "stat").read_text().rpartition(")")[2].split()
            name = "loop" if int(folder.name) == os.getpid() else known.get(int(folder.name))
            told = folder / "comm"
            used[name or told.read_text().strip(),] += (int(fields[11]) + int(fields[12])) / _TICKS
            if name is not None and name != "loop":  # the first thread's name is the process's
                # Only root may name the threads of a process that is not dumpable, but for itself.
                told.write_bytes(name.encode()[:_NAME_BYTES])
    return dict(used)
