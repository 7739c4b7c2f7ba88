"""Work that gives way to answers: it takes little of the processors, or what others leave of them."""

import contextlib
import os
from typing import Final

_NICE: Final = 19
_BEHIND: Final = 10


def fall_behind(process_id: int = 0) -> None:
    """Have a process (0: this one) get little where others want much, but never nothing: it catches up after them."""
    with contextlib.suppress(OSError):
        os.setpriority(os.PRIO_PROCESS, process_id, _BEHIND)


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
