"""The office as the server's companion: a process of its own, started again when it dies, ended with the server."""

import asyncio
import contextlib
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from server.background import hasten

RESTART_S: Final = (0.5, 1.0, 2.0, 5.0, 10.0, 30.0)
"""Pauses before it is started again; the last one repeats."""

HEALTHY_S: Final = 60.0
"""After so long a life the pauses begin anew."""

STOP_S: Final = 20.0


class Companion:
    """
    `holdfast comply` beside a server. Its lines come out where the server's do.

    It holds the reading end of a pipe from us: when we are gone, however we went, it ends by itself.
    """

    def __init__(self, home: Path, told: Callable[[str], None], arguments: Sequence[str] = ()) -> None:
        self._command = (
            *(sys.executable, "-m", "server.cli", "comply", "--home", str(home), "--beside"),
            *arguments,
        )
        self._told = told
        self.process: asyncio.subprocess.Process | None = None
        self.starts = 0

    async def run(self) -> None:
        """Keeps it running until this is cancelled; then it is asked to end, and ends."""
        deaths = 0
        while True:
            began_s = asyncio.get_running_loop().time()
            status = await self._live()
            lived_s = asyncio.get_running_loop().time() - began_s
            deaths = 1 if lived_s >= HEALTHY_S else deaths + 1
            pause_s = RESTART_S[min(deaths, len(RESTART_S)) - 1]
            self._told(f"compliance has ended ({status}): it starts again in {pause_s:g} s")
            await asyncio.sleep(pause_s)

    async def _live(self) -> int | OSError:
        """One life; its exit status, or why none could begin."""
        try:
            process = self.process = await asyncio.create_subprocess_exec(
                *self._command, stdin=asyncio.subprocess.PIPE, env=dict(os.environ)
            )
        except OSError as error:  # no memory, no more processes: the server itself goes on
            return error
        self.starts += 1
        try:
            return await process.wait()
        except asyncio.CancelledError:
            await self._end(process)
            raise

    async def _end(self, process: asyncio.subprocess.Process) -> None:
        hasten(process.pid)
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
        try:
            async with asyncio.timeout(STOP_S):
                await process.wait()
        except TimeoutError:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()
