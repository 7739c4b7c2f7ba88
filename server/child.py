"""
A process that is kept running: started again when it dies, by a spare where there is one; ended when it hangs.

A start of the core is mostly loading: libraries, compiled kernels. A spare has done that beforehand and waits; what
follows a death is only what nobody could do before it, to read what the dead one left.

One that is up gives a sign of life every BEAT_S. Where none has come for long it hangs, and nobody would take its place:
it is told to say where (SIGABRT, by `faulthandler`), and killed.
"""

import asyncio
import contextlib
import json
import signal
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Final

import structlog

from server.overseen import BEAT, BEAT_S

RESTART_S: Final = (0.0, 0.1, 0.5, 1.0, 2.0, 5.0)
"""Pauses before a process is started again; the last one repeats."""

HEALTHY_S: Final = 5.0
"""After so long a life the pauses begin anew, and a spare is prepared."""

_SPARE_DEATHS_MAX: Final = 6
"""After so many in a row, a spare that doesn't live is tried every five minutes."""

PREPARED: Final = "prepared"
BEGIN: Final = "begin"
"""What a spare says, and what it is told when its turn has come."""

LAST_WORDS_S: Final = 2.0
"""How long one that hangs may take to say where."""

_log = structlog.get_logger("supervisor")


class ChildFailed(RuntimeError):  # noqa: N818 - told as what it is
    """A process could not start; the text is its own."""


class Child:
    """One process that is kept running."""

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        again: Sequence[str],
        environment: Mapping[str, str],
        heard: Callable[[dict[str, Any]], None],
        *,
        spare: Sequence[str] = (),
        hung_s: float = 0.0,
    ) -> None:
        """
        `again` is the command that follows a death; `heard` gets what it says. Without a sign of life for `hung_s` (0: be it
        as long as it will) it is killed, once it was ready.

        `spare` is one that prepares to follow, says so, and begins once it is told; without it every start is from nothing.
        """
        self.name = name
        self.ready: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()
        """What it said when it was ready first."""
        self.starts = 0
        self.process: asyncio.subprocess.Process | None = None
        self._command, self._again = command, again
        self._environment = dict(environment)
        self._heard = heard
        self._spare = _Spare(name, lambda: self._spawn(spare)) if spare else None
        self._hung_s = hung_s
        self._silent_beats: int | None = None
        """How many signs of life are missing; None before it is ready."""
        self._trouble = ""

    @property
    def restarts(self) -> int:
        """How often it was started again."""
        return max(0, self.starts - 1)

    @property
    def has_spare(self) -> bool:
        """Whether one is prepared to follow."""
        return self._spare is not None and self._spare.is_ready

    async def run(self) -> None:
        """Keep it running, until cancelled: what runs then goes on. Raises ChildFailed where it never was ready."""
        loop = asyncio.get_running_loop()
        deaths = 0
        while True:
            began_s = loop.time()
            status = await self._live()
            if not self.ready.done():
                raise ChildFailed(self._trouble or f"{self.name} ended with {status} before it was ready")
            deaths = 0 if loop.time() - began_s >= HEALTHY_S else deaths + 1
            pause_s = RESTART_S[min(deaths, len(RESTART_S) - 1)]
            _log.warning(
                "a process has died: it is started again",
                process=self.name,
                status=status,
                reason=self._trouble,
                pause_s=pause_s,
                by_spare=self.has_spare,
            )
            await asyncio.sleep(pause_s)

    async def end_spare(self) -> None:
        """Have none any more, for good: its turn will not come."""
        if self._spare is not None:
            spare, self._spare = self._spare, None
            await spare.end()

    def tell(self, **said: Any) -> None:
        """Say something to it, if it lives."""
        if self.process is not None:
            _tell(self.process, said)

    async def end(self, patience_s: float) -> None:
        """Ask it to drain, wait, and kill it where that takes longer. Its `run` must have been cancelled."""
        await self.end_spare()
        process = self.process
        if process is None or process.returncode is not None:
            return
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
        try:
            async with asyncio.timeout(patience_s):
                await process.wait()
        except TimeoutError:
            _log.warning("a process does not end: it is killed", process=self.name)
            self.kill()
            await process.wait()

    def kill(self) -> None:
        """End it at once."""
        if self._spare is not None:
            self._spare.drop()
        if self.process is not None:
            _kill(self.process)

    async def _live(self) -> int:
        """One life; its exit status."""
        self._trouble, self._silent_beats = "", None
        spare = None if self._spare is None else self._spare.take()
        self.process = spare or await self._spawn(self._again if self.starts else self._command)
        self.starts += 1
        assert self.process.stdout is not None
        watching = asyncio.get_running_loop().create_task(self._watch(self.process))
        try:
            async for line in self.process.stdout:
                self._hear(json.loads(line))
            return await self.process.wait()
        finally:
            watching.cancel()

    async def _watch(self, process: asyncio.subprocess.Process) -> None:
        """End it where it hangs."""
        while not self._hung_s or (self._silent_beats or 0) * BEAT_S < self._hung_s:
            # Beats of ours, no clock's: where the whole machine has stood still only one is missing.
            await asyncio.sleep(BEAT_S)
            if self._silent_beats is not None:
                self._silent_beats += 1
        self._trouble = f"no sign of life for {self._hung_s:g} s"
        with contextlib.suppress(ProcessLookupError):
            process.send_signal(signal.SIGABRT)
        _log.error("a process hangs: it is killed", process=self.name, reason=self._trouble)
        await asyncio.sleep(LAST_WORDS_S)
        _kill(process)

    async def _spawn(self, command: Sequence[str]) -> asyncio.subprocess.Process:
        return await asyncio.create_subprocess_exec(
            *command,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            env=self._environment,
            start_new_session=True,  # a terminal's Ctrl-C is ours to judge
        )

    def _hear(self, said: dict[str, Any]) -> None:
        if self._silent_beats is not None or said.get("ready"):
            self._silent_beats = 0
        if BEAT in said:
            return
        self._trouble = said.get("error", self._trouble)
        if said.get("ready"):
            if self._spare is not None:
                self._spare.prepare()
            if not self.ready.done():
                self.ready.set_result(said)
        self._heard(said)


class _Spare:
    """Of one child: prepared a while after a life has begun, taken at its end."""

    def __init__(self, name: str, spawn: Callable[[], Awaitable[asyncio.subprocess.Process]]) -> None:
        self._name = name
        self._spawn = spawn
        self._process: asyncio.subprocess.Process | None = None
        self._is_prepared = False
        self._keeping: asyncio.Task[None] | None = None

    @property
    def is_ready(self) -> bool:
        """Whether it waits for its turn."""
        return self._is_prepared and self._process is not None and self._process.returncode is None

    def prepare(self) -> None:
        """Have one from here on, until it is taken or dropped."""
        if self._keeping is None:
            self._keeping = asyncio.get_running_loop().create_task(self._keep())

    def take(self) -> asyncio.subprocess.Process | None:
        """The one that waits, told to begin; None, and none is left, where it is not ready."""
        process = None
        if self.is_ready:
            process, self._process = self._process, None
            assert process is not None
            _tell(process, {BEGIN: True})
        self.drop()
        return process

    def drop(self) -> None:
        """Have none any more."""
        if self._keeping is not None:
            self._keeping.cancel()
            self._keeping = None
        if self._process is not None:
            _kill(self._process)
            self._process = None
        self._is_prepared = False

    async def end(self) -> None:
        """The same, and wait until it has gone."""
        keeping, process = self._keeping, self._process
        self.drop()
        if keeping is not None:
            await asyncio.wait([keeping])
        if process is not None:
            await process.wait()

    async def _keep(self) -> None:
        deaths = 0
        while True:
            # Who has just begun needs the processors himself; and one that can't live is tried less and less often.
            await asyncio.sleep(HEALTHY_S * 2**deaths)
            deaths = min(deaths + 1, _SPARE_DEATHS_MAX)
            try:
                status = await self._live()
            except (OSError, RuntimeError) as error:
                _log.warning("no spare can be started", process=self._name, reason=str(error))
            else:
                _log.warning("a spare has died: another is prepared", process=self._name, status=status)

    async def _live(self) -> int:
        """One that is never taken; its exit status."""
        process = self._process = await self._spawn()
        assert process.stdout is not None
        self._is_prepared = PREPARED.encode() in await process.stdout.readline()
        if self._is_prepared:
            _log.info("a spare is prepared", process=self._name)
        status = await process.wait()
        self._process, self._is_prepared = None, False
        return status


def _tell(process: asyncio.subprocess.Process, said: Mapping[str, Any]) -> None:
    if process.stdin is not None and process.returncode is None:
        process.stdin.write(json.dumps(said).encode() + b"\n")


def _kill(process: asyncio.subprocess.Process) -> None:
    if process.returncode is None:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
