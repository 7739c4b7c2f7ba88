"""Work that gives way to answers: it takes little of the processors, or what others leave of them, or waits for that."""

import contextlib
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Final

_NICE: Final = 19
_BEHIND: Final = 10
_FIRST_TO_GO: Final = b"1000"

_BUSY: Final = 0.5
"""The share of the processors from which on a machine is busy: what else is done then slows answers down."""


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

    SCHED_IDLE where the system has it: whoever wakes up goes before it at once, which niceness alone doesn't do; that is
    for the system's books alone (see `Processors`). Where the system does not let us, the process goes on as it is.
    """
    with contextlib.suppress(OSError):
        os.setpriority(os.PRIO_PROCESS, process_id, _NICE)
        if hasattr(os, "SCHED_IDLE"):
            os.sched_setscheduler(process_id, os.SCHED_IDLE, os.sched_param(0))


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
                os.setpriority(os.PRIO_PROCESS, int(thread.name), 0)


class Processors:
    """
    The machine's processors, and what others than those who give way make of them; where Linux tells.

    What the system does on behalf of those who give way counts as the others'; in a container, so does all of the machine.
    """

    def __init__(self, told: Path = Path("/proc/stat")) -> None:
        """`told` is read at each look; see proc(5)."""
        self._told = told
        self._used, self._left = self._times()

    def are_busy(self) -> bool:
        """Whether they were since the last look, or since this was made. Without time between the two, they were not."""
        used, left = self._times()
        newly_used, newly_left = used - self._used, left - self._left
        self._used, self._left = used, left
        return newly_used > _BUSY * (newly_used + newly_left)

    def _times(self) -> tuple[int, int]:
        """What was used, and what was left or taken by those who give way; in ticks."""
        try:
            user, nice, system, idle, waiting, *interrupts = map(
                int, self._told.read_text().split("\n", 1)[0].split()[1:9]
            )
        except (OSError, ValueError):
            return 0, 0
        return user + system + sum(interrupts), nice + idle + waiting
