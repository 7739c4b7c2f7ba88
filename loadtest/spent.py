"""
What processes have spent: processor time, and bytes that they gave to the disk.

The system forgets a process with its death, so they are looked at again and again: what one did between the last look
and its end is not counted.
"""

import os
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from loadtest.processes import cpu_s

_PROC: Final = Path("/proc")


class Spent:
    """Sums over all processes that it was ever shown; of each from when it was first shown."""

    def __init__(self) -> None:
        self._first: dict[tuple[int, int], tuple[float, int]] = {}
        self._last: dict[tuple[int, int], tuple[float, int]] = {}

    def look(self, process_ids: Iterable[int], *, new: bool = True) -> None:
        """Take in what these have spent by now; `new` ones have spent all of it meanwhile, others none yet."""
        for process_id in process_ids:
            began, cpu, written = _began(process_id), cpu_s(process_id), _written_bytes(process_id)
            if began is None or cpu is None:
                continue
            life = process_id, began
            if life not in self._first:
                self._first[life] = (0.0, 0) if new else (cpu, written)
            self._last[life] = cpu, written

    @property
    def cpu_s(self) -> float:
        """Processor time, user and system, of all of them."""
        return sum(last[0] - self._first[life][0] for life, last in self._last.items())

    @property
    def written_bytes(self) -> int:
        """What they caused to be written to a disk."""
        return sum(last[1] - self._first[life][1] for life, last in self._last.items())


def tree(*roots: int) -> list[int]:
    """These processes and all that come from them."""
    children: dict[int, list[int]] = defaultdict(list)
    for entry in _PROC.iterdir():
        if entry.name.isdecimal() and (fields := _stat(int(entry.name))):
            children[int(fields[1])].append(int(entry.name))
    found, waiting = [], list(roots)
    while waiting:
        process_id = waiting.pop()
        found.append(process_id)
        waiting += children[process_id]
    return found


def command_line(process_id: int) -> list[str]:
    """How it was called; nothing where it has ended."""
    try:
        return (_PROC / str(process_id) / "cmdline").read_bytes().decode(errors="replace").split("\0")[:-1]
    except OSError:
        return []


def resident_bytes(process_id: int) -> int:
    """What it has in memory now; 0 where it has ended."""
    try:
        return int((_PROC / str(process_id) / "statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        return 0


def _stat(process_id: int) -> list[str]:
    """State, parent and so on: what comes after the name in brackets, which may hold anything."""
    try:
        return (_PROC / str(process_id) / "stat").read_text().rpartition(")")[2].split()
    except OSError:
        return []


def _began(process_id: int) -> int | None:
    fields = _stat(process_id)
    return int(fields[19]) if fields else None


def _written_bytes(process_id: int) -> int:
    try:
        lines = (_PROC / str(process_id) / "io").read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) for line in lines if line.startswith("write_bytes:")), 0)
