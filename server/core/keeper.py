"""
The journal's keeper: snapshots while the server runs, and a journal that does not grow for ever.

Every so many requests it has the journal folded into a new snapshot (see `fold`), so that a start after a kill reads
back no more than that. Rows that a snapshot covers, that PostgreSQL has, and whose every intent is decided, are then
trimmed a few at a time; the newest ones stay for explanations.
"""

import asyncio
import contextlib
import subprocess
import sys
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import structlog

from server.core.fold import SNAPSHOT
from server.core.journal import Journal
from server.core.snapshot import SnapshotUnreadable
from server.core.state import SnapshotPosition, position_of

LOOK_S: Final = 1.0
TRIM_ROWS: Final = 32
"""Rows that go at once: a commit waits for them no longer than for a large batch."""

TRIM_PAUSE_S: Final = 0.005
DUTY: Final = 0.1
"""The part of the time that may go into folding."""

_POSITIONS: Final = 64

_log = structlog.get_logger("keeper")


@dataclass(frozen=True, slots=True)
class KeeperLimits:
    """How often to fold, and what to keep."""

    fold_requests: int = 50_000  # requests since the last snapshot; 0 = never
    rows_min: int = 10_000  # journal rows that are never trimmed


class Keeper:
    """`run` it beside the core. `requests()` is the core's last request, `shipped()` PostgreSQL's last journal row."""

    def __init__(
        self,
        home: Path,
        journal: Journal,
        first_row: int,
        requests: Callable[[], int],
        shipped: Callable[[], int],
        limits: KeeperLimits,
    ) -> None:
        self._home = home
        self._journal = journal
        self._requests = requests
        self._shipped = shipped
        self._limits = limits
        self.first_row = first_row
        """Number of the oldest row kept."""
        self.folds = 0
        """Snapshots made."""
        self.folded = asyncio.Event()
        """Set after each of them."""
        self._positions: deque[SnapshotPosition] = deque(maxlen=_POSITIONS)
        self._folded_requests = 0
        self._not_before_s = 0.0

    async def run(self) -> None:
        """Fold and trim whenever it is time; until cancelled, which also ends a fold that is under way."""
        await self._note_snapshot()
        while True:
            if self._is_due():
                await self.fold()
            await self.trim()
            await asyncio.sleep(LOOK_S)

    async def fold(self) -> None:
        """Have the journal folded as far as it is on disk."""
        began_s = time.monotonic()
        requests = self._requests()
        command = [sys.executable, "-m", "server.core.fold", str(self._home), str(self._journal.durable)]
        process = await self._begin(command)
        try:
            _, said = await asyncio.to_thread(process.communicate)
        finally:
            _end(process)  # a snapshot is written whole or not at all
        took_s = time.monotonic() - began_s
        self._not_before_s = time.monotonic() + took_s * (1 / DUTY - 1)
        self._folded_requests = requests
        if process.returncode:
            _log.error(
                "the journal could not be folded", status=process.returncode, said=said.decode()[-500:]
            )
            return
        self.folds += 1
        await self._note_snapshot()
        self.folded.set()

    async def _begin(self, command: list[str]) -> subprocess.Popen[bytes]:
        """Start a process off the loop; one that starts while this task is cancelled is ended first."""
        starting = asyncio.ensure_future(
            asyncio.to_thread(
                subprocess.Popen,
                command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
            )
        )
        try:
            return await asyncio.shield(starting)
        except asyncio.CancelledError:
            while not starting.done():
                with contextlib.suppress(asyncio.CancelledError):
                    await asyncio.wait({starting})
            _end(starting.result())
            raise

    async def trim(self) -> None:
        """Let go of what a snapshot covers and PostgreSQL has."""
        covered = [position.settled for position in self._positions if position.row <= self._shipped()]
        floor = min(max(covered, default=0), self._journal.durable - max(1, self._limits.rows_min))
        while self.first_row <= floor:
            last = min(floor, self.first_row + TRIM_ROWS - 1)
            await self._journal.trim(last)
            self.first_row = last + 1
            await asyncio.sleep(TRIM_PAUSE_S)

    def _is_due(self) -> bool:
        every = self._limits.fold_requests
        return (
            every > 0
            and self._requests() - self._folded_requests >= every
            and time.monotonic() >= self._not_before_s
        )

    async def _note_snapshot(self) -> None:
        try:
            position = await asyncio.to_thread(position_of, self._home / SNAPSHOT)
        except FileNotFoundError:
            return
        except SnapshotUnreadable as error:
            _log.error("the snapshot can't be read", reason=str(error))
            return
        self._positions.append(position)
        self._folded_requests = position.sequence


def _end(process: subprocess.Popen[bytes]) -> None:
    """Kill and reap it, here and now: it takes no longer than its death."""
    process.kill()
    process.wait()
    if process.stderr is not None:
        process.stderr.close()
