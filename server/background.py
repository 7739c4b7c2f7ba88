"""Work that gives way: it takes what others leave of the processors."""

import contextlib
import os
from typing import Final

_NICE: Final = 19


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
