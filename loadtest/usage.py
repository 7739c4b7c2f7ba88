"""
What processes use, as Linux tells it in /proc: CPU and bytes written of all that belong together, CPU by thread.

A server is more than its process: its PostgreSQL has left it, its fronts and its ledger's server are processes of their
own. `family` finds all of them: the descendants of the processes that are named, and of those whose command names the home.
"""

import os
import resource
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

_PROC: Final = Path("/proc")
_TICKS: Final = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Usage:
    """
    CPU seconds and bytes written so far; None where the system doesn't tell. Subtract an earlier one.

    Written is what was handed to the system to write, to some sockets too, so rather too much. What it says went to
    storage would be closer, but counts a page of a large folio as all of the folio, a hundredfold (seen: Linux 6.18, ext4). Only of
    TigerBeetle, which goes past the page cache, that is taken.
    """

    cpu_s: float | None
    written_bytes: int | None

    def __sub__(self, before: "Usage") -> "Usage":
        return Usage(
            None if self.cpu_s is None or before.cpu_s is None else self.cpu_s - before.cpu_s,
            None
            if self.written_bytes is None or before.written_bytes is None
            else self.written_bytes - before.written_bytes,
        )


class Spent:
    """
    Sums over processes that come and go, of each from when it was first shown.

    The system forgets a process with its death, so they are looked at again and again: what one did between the last look
    and its end is not counted.
    """

    def __init__(self) -> None:
        self._first: dict[tuple[int, str], tuple[float, int]] = {}
        self._last: dict[tuple[int, str], tuple[float, int]] = {}

    def look(self, pids: Iterable[int], *, new: bool = True) -> None:
        """Take in what these have spent by now; `new` ones have spent all of it meanwhile, others none yet."""
        for pid in pids:
            try:
                fields = _fields(_PROC / str(pid) / "stat")
            except OSError:
                continue
            try:
                written = _written_bytes(pid, (_PROC / str(pid) / "io").read_text())
            except OSError:  # another user's
                written = 0
            life = pid, fields[19]  # when it began
            now = sum(map(int, fields[11:13])) / _TICKS, written
            self._first.setdefault(life, (0.0, 0) if new else now)
            self._last[life] = now

    @property
    def cpu_s(self) -> float:
        """Processor time, user and system, of all of them."""
        return sum(last[0] - self._first[life][0] for life, last in self._last.items())

    @property
    def written_bytes(self) -> int:
        """What they wrote."""
        return sum(last[1] - self._first[life][1] for life, last in self._last.items())


@dataclass(frozen=True)
class ThreadUsage:
    """What the threads of one name in one kind of process used: CPU seconds, and how often they were switched away from."""

    cpu_s: float
    switches: int


def family(roots: Iterable[int], mark: str = "") -> list[int]:
    """
    Process ids of `roots`, of all processes whose command line holds `mark` (where it is given), and of their descendants.

    This process and those it descends from are left out, whatever their command lines say. Empty without /proc.
    """
    parents: dict[int, int] = {}
    marked = set(roots)
    for folder in _PROC.glob("[0-9]*"):
        try:
            pid = int(folder.name)
            parents[pid] = int(_fields(folder / "stat")[1])
            if mark and mark.encode() in (folder / "cmdline").read_bytes():
                marked.add(pid)
        except OSError:
            continue  # it has ended meanwhile
    ours = set(_line_of(os.getpid(), parents))
    marked -= ours
    return sorted(pid for pid in parents if pid not in ours and not marked.isdisjoint(_line_of(pid, parents)))


def usage(pids: Iterable[int]) -> Usage:
    """Of these processes together, with what children of theirs that have ended had used."""
    cpu_s = 0.0
    written = 0
    counted = all_told = 0
    for pid in pids:
        try:
            fields = _fields(_PROC / str(pid) / "stat")
        except OSError:
            continue
        counted += 1
        # user and system time, own and of ended children
        cpu_s += sum(map(int, fields[11:15])) / _TICKS
        try:
            told = (_PROC / str(pid) / "io").read_text()
        except OSError:  # another user's
            continue
        all_told += 1
        written += _written_bytes(pid, told)
    return Usage(cpu_s if counted else None, written if counted and counted == all_told else None)


def threads(pids: Iterable[int]) -> dict[tuple[str, str], ThreadUsage]:
    """By kind of process and name of thread; a process's first thread is `loop`. Empty without /proc."""
    cpu: dict[tuple[str, str], float] = defaultdict(float)
    switches: dict[tuple[str, str], int] = defaultdict(int)
    for pid in pids:
        kind = _kind(pid)
        for folder in (_PROC / str(pid) / "task").glob("*"):
            try:
                name = "loop" if int(folder.name) == pid else (folder / "comm").read_text().strip()
                cpu[kind, name] += sum(map(int, _fields(folder / "stat")[11:13])) / _TICKS
                lines = (folder / "status").read_text().splitlines()
            except OSError:
                continue
            switches[kind, name] += sum(int(line.split()[1]) for line in lines if "ctxt_switches" in line)
    return {key: ThreadUsage(cpu[key], switches[key]) for key in cpu}


def processes(pids: Iterable[int]) -> dict[int, tuple[str, float]]:
    """What each of these is, and the CPU seconds it has used with its ended children; those that have ended are left out."""
    told = {}
    for pid in pids:
        cpu_s = usage([pid]).cpu_s
        if cpu_s is not None:
            told[pid] = _kind(pid), cpu_s
    return told


def command_line(pid: int) -> list[str]:
    """How a process was called; nothing where it has ended."""
    try:
        return (_PROC / str(pid) / "cmdline").read_bytes().decode(errors="replace").split("\0")[:-1]
    except OSError:
        return []


def title(pid: int) -> str:
    """What a process calls itself; nothing where it has ended."""
    try:
        return (_PROC / str(pid) / "comm").read_text().rstrip("\n")
    except OSError:
        return ""


def resident_bytes(pid: int) -> int:
    """What a process has in memory now; 0 where it has ended."""
    try:
        return int((_PROC / str(pid) / "statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        return 0


def own_cpu_s() -> float:
    """CPU seconds of this process."""
    told = resource.getrusage(resource.RUSAGE_SELF)
    return told.ru_utime + told.ru_stime


def hurry(nice: int = -10) -> int:
    """
    Have this process run before others, where the system lets us: a client that sends late measures itself.

    Returns the niceness it has now.
    """
    try:
        os.setpriority(os.PRIO_PROCESS, 0, nice)
    except OSError:
        pass
    return os.getpriority(os.PRIO_PROCESS, 0)


def _fields(stat: Path) -> Sequence[str]:
    """The fields of a stat file after the command's name, which stands in parentheses and may hold anything."""
    return stat.read_text().rpartition(")")[2].split()


def _written_bytes(pid: int, told: str) -> int:
    """What a process has written, by its `io` file."""
    counter = "write_bytes: " if _kind(pid) == "tigerbeetle" else "wchar: "
    return int(told.partition(f"\n{counter}")[2].partition("\n")[0])


def _line_of(pid: int, parents: dict[int, int]) -> Iterable[int]:
    """A process and those it descends from."""
    while pid:
        yield pid
        pid = parents.get(pid, 0)


def _kind(pid: int) -> str:
    """What a process is, from its command line."""
    command = " ".join(command_line(pid))
    for kind, sign in (
        ("front", "server.front_process"),
        ("core", "server.core_process"),
        ("shipper", "server.store.shipping"),
        ("empty", "loadtest.floors"),
        ("rival", "loadtest.rival"),
        ("server", "server.cli"),
        ("tigerbeetle", "tigerbeetle start"),
        ("redis", "redis-server"),
        ("postgres", "postgres"),
    ):
        if sign in command:
            return kind
    return command.partition(" ")[0].rpartition("/")[2] or "kernel"
