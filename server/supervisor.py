"""
The supervisor: one core and several fronts, each a process of its own, started again when it dies or hangs, ended in order.

    supervisor ──┬── core      ledger, journal, PostgreSQL, the dock (a Unix socket in the home)
                 ├── spare     a core to be, which waits for the other's end
                 ├── front 0   gRPC on the common port
                 └── front 1 …

It does no work on requests: it holds the port, watches, counts connections, and passes on the end. Drained are first the
fronts, which answer what they took, then the core.
"""

import asyncio
import functools
import os
import sys
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any, Final

import structlog

from server.child import Child
from server.settings import Settings
from server.spread import Claim
from server.tasks import Tasks

AT_ONCE: Final = "--at-once"
"""Tells a front that it takes the place of another: it listens also while the core is away."""

SPARE: Final = "--spare"
"""Tells a core that it begins when it is told to."""

COUNT_S: Final = 1.0
STOP_S: Final = 10.0
"""What a process may take to end beyond its own draining."""

_log = structlog.get_logger("supervisor")


class Heard:
    """What fronts say of their callers, over their lives."""

    def __init__(self) -> None:
        self._said: dict[int, dict[str, Any]] = {}
        self._refused_before: Counter[str] = Counter()
        """Of each client, what fronts refused in lives that are over."""

    def take(self, number: int, said: dict[str, Any]) -> None:
        """A front says that it has begun, or, again and again, its `connections` and what is seen of its entrance."""
        before = self._said.pop(number, {})
        if "connections" in said:
            self._said[number] = said
        else:
            self._refused_before.update(before.get("client_refused", {}))

    def of(self, alive: Sequence[int]) -> dict[str, Any]:
        """Connections of those that live; refused messages of each client, all lives together; the first expiry."""
        refused = self._refused_before.copy()
        for said in self._said.values():
            refused.update(said["client_refused"])
        expiries = [expires_s for said in self._said.values() if (expires_s := said["certificate_expires_s"])]
        return {
            "connections": {number: self._said.get(number, {}).get("connections", 0) for number in alive},
            "client_refused": refused,
            "certificate_expires_s": min(expiries, default=None),
        }


class Supervisor:
    """The processes of one server."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.port = 0
        self.cards = 0
        self.failed: asyncio.Future[None]
        """Ends with the error of whatever part can't go on."""
        self.peaks: dict[int, int] = {}
        """The most connections that each front had."""
        self._heard = Heard()
        self._claim: Claim | None = None
        self._tasks = Tasks(self._ended)
        self._core: Child | None = None
        self._fronts: dict[int, Child] = {}

    async def open(
        self, demo_cards: int, heard: Callable[[dict[str, Any]], None], *, verbose: bool = False
    ) -> None:
        """
        Start everything; returns when requests are answered. `heard` gets what the core's process says.

        Raises PortClaimed or ChildFailed, and then nothing is left.
        """
        self.failed = asyncio.get_running_loop().create_future()
        self._claim = Claim(self.settings.host, self.settings.port)
        self.port = self._claim.port
        try:
            await self._open(demo_cards, heard, verbose=verbose)
        except BaseException:
            await self.close()
            raise

    async def close(self) -> None:
        """First the fronts, then the core: what was accepted is answered."""
        await self._tasks.end()
        if self._core is not None:
            await self._core.end_spare()
            self._core.tell(draining=True)
        patience_s = self.settings.drain_s + STOP_S
        await asyncio.gather(*(front.end(patience_s) for front in self._fronts.values()))
        if self._core is not None:
            await self._core.end(2 * patience_s)
        if self._claim is not None:
            self._claim.close()

    def kill(self) -> None:
        """End every process at once."""
        for child in (*self._fronts.values(), self._core):
            if child is not None:
                child.kill()

    def spread(self) -> str:
        """How connections were spread over the fronts, and how unevenly, for people."""
        told = ", ".join(f"front {number}: {most}" for number, most in sorted(self.peaks.items()))
        mean = sum(self.peaks.values()) / max(1, len(self.peaks))
        return f"{told} (the most {max(self.peaks.values()) / mean:.2f} times the mean)" if mean else told

    async def _open(self, demo_cards: int, heard: Callable[[dict[str, Any]], None], *, verbose: bool) -> None:
        environment = self._environment()
        more = ["--verbose"] if verbose else []
        core = [sys.executable, "-m", "server.core_process"]
        # A core that follows another finds the demo's cards where it left them.
        again = [*core, "0", *more]
        spare = [*again, SPARE] if self.settings.spare_core else []
        hung_s = self.settings.hung_s
        self._core = Child(
            "core", [*core, str(demo_cards), *more], again, environment, heard, spare=spare, hung_s=hung_s
        )
        for number in range(self.settings.fronts):
            front = [sys.executable, "-m", "server.front_process", str(number), *more]
            heard_front = functools.partial(self._hear_front, number)
            self._fronts[number] = Child(
                f"front {number}", front, [*front, AT_ONCE], environment, heard_front, hung_s=hung_s
            )
        children = (self._core, *self._fronts.values())
        for child in children:
            self._tasks.run(child.run(), child.name)
        ready = asyncio.gather(*(child.ready for child in children))
        await asyncio.wait((ready, self.failed), return_when=asyncio.FIRST_COMPLETED)
        if self.failed.done():
            ready.cancel()
            self.failed.result()
        self.cards = (await ready)[0]["cards"]
        self._tasks.run(self._count(), "count of connections")

    def _environment(self) -> dict[str, str]:
        """What the processes are told: our settings, whatever named them, and the port that we hold."""
        environment = dict(os.environ)
        for name, value in self.settings.model_dump(mode="json").items():
            key = f"HOLDFAST_{name.upper()}"
            environment.pop(key, None)
            if value is not None:
                environment[key] = str(value)
        return environment | {"HOLDFAST_PORT": str(self.port)}

    def _hear_front(self, number: int, said: dict[str, Any]) -> None:
        self._heard.take(number, said)
        if "connections" in said:
            self.peaks[number] = max(self.peaks.get(number, 0), said["connections"])

    async def _count(self) -> None:
        """What fronts say and how often they began, for the core's metrics."""
        assert self._core is not None
        while True:
            alive = [
                number
                for number, front in self._fronts.items()
                if front.process is not None and front.process.returncode is None
            ]
            self._core.tell(
                front_restarts={number: front.restarts for number, front in self._fronts.items()},
                core_restarts=self._core.restarts,
                core_spares=int(self._core.has_spare),
                **self._heard.of(alive),
            )
            await asyncio.sleep(COUNT_S)

    def _ended(self, name: str, error: BaseException) -> None:
        _log.error("a part of the supervisor has ended", part=name, reason=str(error))
        if not self.failed.done():
            self.failed.set_exception(error)
