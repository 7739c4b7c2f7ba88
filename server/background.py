"""Work that gives way to answers: it takes little of the processors, or what others leave of them."""

import contextlib
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Final

_NICE: Final = 19
_BEHIND: Final = 10
_FIRST_TO_GO: Final = b"1000"


def fall_behind(process_id: int = 0) -> None:
    """Have a process (0: this one) get little where others want much, but never nothing: it catches up after them."""
    with contextlib.suppress(OSError):
        os.setpriority(os.PRIO_PROCESS, process_id, _BEHIND)


def step_back() -> None:
    """`fall_behind` for the calling thread alone, and those that it starts, where the system can; else nothing."""
    if sys.platform == "linux":
        fall_behind()


def expendable() -> Callable[[], None]:
    """
    Where memory runs out, have the system end this process before all others; calling what is returned takes it back.

    Before `refuse_dumps`, after which what the system reads it from is root's.
    """
    try:
        told = Path("/proc/self/oom_score_adj").open("r+b", buffering=0)  # noqa: SIM115 - kept for the way back
        before = told.read()
        told.write(_FIRST_TO_GO)
    except OSError:  # another system, or one that does not let us
        return lambda: None

    def take_back() -> None:
        with told, contextlib.suppress(OSError):
            told.write(before)

    return take_back


def give_way(process_id: int = 0) -> None:
    """
    Have a process (0: this one, and the threads it starts from here on) run only where nobody else wants to.

    SCHED_IDLE where the system has it: whoever wakes up goes before it at once, which niceness alone doesn't do. Where
    the system does not let us, the process goes on as it is.
    """
    with contextlib.suppress(OSError):
        if hasattr(os, "SCHED_IDLE"):
            os.sched_setscheduler(process_id, os.SCHED_IDLE, os.sched_param(0))
        else:
            os.setpriority(os.PRIO_PROCESS, process_id, _NICE)


def hasten(process_id: int) -> None:
    """Have one that gave way be as others again, all of its threads, where the system lets us: it is to end soon."""
    if not hasattr(os, "SCHED_IDLE"):
        with contextlib.suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, process_id, 0)
        return
    with contextlib.suppress(OSError):  # it has ended meanwhile
        for thread in Path(f"/proc/{process_id}/task").iterdir():
            with contextlib.suppress(OSError):  # this one has
                os.sched_setscheduler(int(thread.name), os.SCHED_OTHER, os.sched_param(0))
