"""
The core's side of the dock: fronts come and go, their parcels and calls are taken in, answers sent back.

What fronts answered while the core was away is taken back before anything else is decided: after a start, parcels wait
until every front has said what it answered, but no longer than `PATIENCE_S`, so that no repeat gets an approval that is
about to be taken back. A front that dies leaves its requests here: they are decided, and their answers dropped. What it had
answered itself is read from its file (see `kept`), as is that of one that has not come by then.
"""

import asyncio
import contextlib
import os
import socket
from collections import deque
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path
from typing import Any, Final

import numpy as np
import structlog
from numpy.typing import NDArray

from server.core.authorizer import Authorizer
from server.core.names import Names
from server.core.parcel import Overloaded, Parcel, Stopped
from server.core.record import DECISION, REQUEST
from server.dock.frames import (
    Disowned,
    Failure,
    FrameError,
    Kind,
    pack_answers,
    pack_failed,
    pack_hello,
    pack_names,
    pack_number,
    pack_return,
    read_call,
    read_disowned,
    read_hello,
    read_number,
    read_parcel,
    read_renewals,
)
from server.dock.kept import kept_fronts, kept_path, left_behind
from server.dock.passage import Passage
from server.telemetry import Family

PATIENCE_S: Final = 2.0
_SOURCE_BITS: Final = 40

CarryOut = Callable[[str, str, bytes], Awaitable[tuple[bool, bytes]]]
"""Carries out a call: method, caller and message; whether it is an answer, and its bytes."""

_log = structlog.get_logger("dock")


class _Berth:
    """One connected front."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.names = -1
        """Which revision of the names it has."""
        self.told_all = False
        """Whether it has said all that it answered while the core was away."""
        self._answers = 0
        self._unpassed: deque[NDArray[Any]] = deque()
        """Answers that it has not said to have passed on, by frames."""

    def sent(self, decisions: NDArray[Any]) -> None:
        """It was sent a frame of these answers."""
        self._answers += 1
        self._unpassed.append(decisions)

    def passed(self, frames: int) -> None:
        """So many frames of answers have gone on to who asked."""
        while self._unpassed and self._answers - len(self._unpassed) < frames:
            self._unpassed.popleft()

    def unpassed(self) -> NDArray[Any]:
        """DECISION[n] that may not have gone on."""
        return np.concatenate([np.zeros(0, DECISION), *self._unpassed])


class Standing:
    """What the supervisor says of the fronts, told to the core's process for its metrics."""

    def __init__(self, dock: "Dock") -> None:
        self._dock = dock
        self.said: dict[str, Any] = {}
        """
        The newest: `connections` and `front_restarts` by front, `core_restarts`, `core_spares`, and what is seen of their
        entrances; `draining` once they were told to.
        """

    def take(self, said: dict[str, Any]) -> None:
        """Hear it."""
        self.said |= said

    @property
    def is_known(self) -> bool:
        """Whether it has spoken: it does once every front listens, and soon after each start of a core."""
        return "connections" in self.said

    @property
    def is_draining(self) -> bool:
        """Whether fronts take nothing new any more."""
        return bool(self.said.get("draining"))

    def families(self) -> list[Family]:
        """As metrics."""
        return [
            Family(
                "holdfast_front_connections",
                "Connections that each front has.",
                ("front",),
                partial(self._by_front, "connections"),
            ),
            Family(
                "holdfast_front_restarts_total",
                "Starts of each front that followed a death.",
                ("front",),
                partial(self._by_front, "front_restarts"),
            ),
            Family(
                "holdfast_core_restarts_total",
                "Starts of the core that followed a death.",
                (),
                partial(self._alone, "core_restarts"),
            ),
            Family(
                "holdfast_core_spares",
                "Cores that wait, prepared, for the end of this one.",
                (),
                partial(self._alone, "core_spares"),
            ),
            Family(
                "holdfast_front_answers_total",
                "Answers of fronts in the core's stead that it took over.",
                (),
                lambda: {(): float(self._dock.disowned)},
            ),
            Family(
                "holdfast_fronts",
                "Fronts that are connected to the core.",
                (),
                lambda: {(): float(len(self._dock.fronts))},
            ),
        ]

    def _alone(self, name: str) -> dict[tuple[str, ...], float]:
        return {(): float(self.said[name])} if name in self.said else {}

    def _by_front(self, name: str) -> dict[tuple[str, ...], float]:
        return {(front,): float(count) for front, count in self.said.get(name, {}).items()}


class Dock:
    """Where fronts land."""

    def __init__(
        self, path: Path, core: Authorizer, names: Names, carry_out: CarryOut, *, fronts: int
    ) -> None:
        self._path = path
        self._core = core
        self._names = names
        self._carry_out = carry_out
        self._missing = set(range(fronts))
        """Fronts that have not yet said what they answered before."""
        self._berths: dict[Passage, _Berth] = {}
        self._held: list[tuple[Passage, bytes]] = []
        self._tasks: set[asyncio.Task[None]] = set()
        self._patience: asyncio.TimerHandle | None = None
        self._loop = asyncio.get_running_loop()
        self._is_closing = False
        self.standing = Standing(self)
        self.disowned = 0
        """Answers of fronts that were taken over."""

    @property
    def fronts(self) -> list[int]:
        """The numbers of the fronts that are here."""
        return sorted(berth.number for berth in self._berths.values())

    @property
    def is_open(self) -> bool:
        """Whether requests can come: a front is here and listens, none is waited for, and they take what is new."""
        is_leaving = self._is_closing or self.standing.is_draining
        return bool(self._berths) and not self._missing and self.standing.is_known and not is_leaving

    async def open(self) -> None:
        """Listen, for our own user alone. Raises OSError where the path can't be."""
        with contextlib.suppress(FileNotFoundError):
            self._path.unlink()
        listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        before = os.umask(0o177)
        try:
            listening.bind(str(self._path))
        finally:
            os.umask(before)
        self._server = await self._loop.create_unix_server(
            lambda: Passage(self._heard, self._lost), sock=listening
        )
        self._patience = self._loop.call_later(PATIENCE_S, self._admit)

    async def close(self, grace_s: float) -> None:
        """Nothing new is taken; fronts that are about to go may still go; what was accepted is answered."""
        self._is_closing = True
        self._server.close()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(grace_s):
                await self._core.drain()
                while self._tasks:
                    await asyncio.wait(set(self._tasks))
        for passage in list(self._berths):
            passage.close()
        for task in self._tasks:
            task.cancel()
        with contextlib.suppress(FileNotFoundError):
            self._path.unlink()

    def _heard(self, passage: Passage, kind: int, body: bytes) -> None:
        berth = self._berths.get(passage)
        if berth is None:
            if kind != Kind.HELLO:
                raise FrameError(f"a frame of kind {kind} before any greeting")
            self._berths[passage] = berth = _Berth(read_hello(body))
            passage.send(Kind.HELLO, pack_hello(0))
            self._tell_names(passage, berth)
        elif kind == Kind.PARCEL:
            if self._missing:
                self._held.append((passage, body))
            else:
                self._take(passage, body)
        elif kind == Kind.DISOWNED:
            self._take_disowned(passage, berth, read_disowned(body))
        elif kind == Kind.PASSED:
            berth.passed(read_number(body)[0])
        elif kind == Kind.RENEW:
            self._core.renew(read_renewals(body))
        elif kind == Kind.CALL:
            self._spawn(self._call(passage, *read_call(body)))
        elif kind == Kind.REFUSED:
            _log.error("a front refuses this core", front=berth.number, reason=body.decode(errors="replace"))
        else:
            raise FrameError(f"frames of kind {kind}, which this side does not know")

    def _lost(self, passage: Passage) -> None:
        berth = self._berths.pop(passage, None)
        if berth is not None and not self._is_closing:
            _log.info("a front has gone", front=berth.number)
            self._core.lose(berth.unpassed())
            take_left(self._core, self._path.parent, berth.number)

    def _take(self, passage: Passage, body: bytes) -> None:
        """Requests of a front: they go to the core as those of one in its own process would."""
        number, count, source, records = read_parcel(body)
        if self._is_closing:
            return  # its front answers in our stead
        if source:
            source |= self._berths[passage].number + 1 << _SOURCE_BITS
        parcel = Parcel(
            records,
            list(range(count)),
            partial(self._deliver, passage, number),
            partial(self._fail, passage, number),
            source=source,
        )
        try:
            self._core.submit(parcel)
        except (Overloaded, Stopped) as error:
            self._fail(passage, number, error)

    def _deliver(self, passage: Passage, number: int, places: list[int], decisions: NDArray[Any]) -> None:
        berth = self._berths.get(passage)
        if berth is None:
            self._core.lose(decisions)
            return
        self._tell_names(passage, berth)
        berth.sent(decisions)
        passage.send(Kind.ANSWERS, pack_answers(number, places, decisions))

    def _fail(self, passage: Passage, number: int, error: Exception) -> None:
        failure = Failure.OVERLOADED if isinstance(error, Overloaded) else Failure.STOPPED
        passage.send(Kind.FAILED, pack_failed(number, failure, str(error)))

    def _tell_names(self, passage: Passage, berth: _Berth) -> None:
        """What decisions name by numbers, before the first decision that does."""
        if berth.names != self._names.revision:
            berth.names = self._names.revision
            passage.send(Kind.NAMES, pack_names(*self._names.all()))

    def _take_disowned(self, passage: Passage, berth: _Berth, disowned: Disowned) -> None:
        if len(disowned.requests):
            self._settle(passage, disowned)
            return
        # The empty one ends what was answered while we were away.
        berth.told_all = True
        self._look_complete()

    def _admit(self) -> None:
        """Every front has said what it answered, or had its time: what they sent since goes on, after that."""
        if self._patience is not None:
            self._patience.cancel()
            self._patience = None
        if self._missing:
            _log.warning("not every front has come back", missing=sorted(self._missing))
            for front in self._missing:
                take_left(self._core, self._path.parent, front)
            self._missing.clear()
        held, self._held = self._held, []
        for passage, body in held:
            if passage in self._berths:
                self._take(passage, body)

    def _settle(self, passage: Passage, disowned: Disowned) -> None:
        """What a front answered becomes the answer, on disk; whatever the core had said of it is taken back."""
        count = left = len(disowned.requests)

        def deliver(places: list[int], _decisions: NDArray[Any]) -> None:
            nonlocal left
            left -= len(places)
            if not left:
                self.disowned += count
                passage.send(Kind.SETTLED, pack_number(disowned.number))

        def fail(error: Exception) -> None:
            _log.warning("what a front answered is not on disk", requests=left, reason=str(error))

        try:
            self._core.take_over(disowned.requests, disowned.codes, deliver, fail)
        except Stopped as error:
            fail(error)

    def _look_complete(self) -> None:
        """Whether every front has said what it answered, and the core has it before anything else."""
        if self._missing:
            self._missing -= {berth.number for berth in self._berths.values() if berth.told_all}
            if not self._missing:
                self._admit()

    async def _call(self, passage: Passage, number: int, method: str, caller: str, raw: bytes) -> None:
        is_answer, said = await self._carry_out(method, caller, raw)
        passage.send(Kind.RETURN, pack_return(number, said, is_answer=is_answer))

    def _spawn(self, work: Any) -> None:
        task = self._loop.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def take_left(core: Authorizer, home: Path, front: int, *, for_good: bool = False) -> None:
    """
    Take over what a front that is gone has kept; its successor tells it again, which changes nothing.

    `for_good`: there is no successor, so the file goes once all of it is on disk.
    """
    path = kept_path(home, front)
    left = 0

    def deliver(places: list[int], _decisions: NDArray[Any]) -> None:
        nonlocal left
        left -= len(places)
        if not left and for_good:
            path.unlink(missing_ok=True)

    def fail(error: Exception) -> None:
        _log.warning("what a front answered is not on disk", front=front, requests=left, reason=str(error))

    try:
        batches = [
            (np.frombuffer(bytearray(r), REQUEST), np.frombuffer(c, "S2")) for r, c in left_behind(path)
        ]
        left = sum(len(requests) for requests, _ in batches)
        if not left and for_good:
            path.unlink(missing_ok=True)
        for requests, codes in batches:
            core.take_over(requests, codes, deliver, fail)
    except (OSError, Stopped) as error:
        fail(error)


def take_all_left(core: Authorizer, home: Path, fronts: int) -> None:
    """At a start with so many fronts: what those kept that will not come back."""
    for front in kept_fronts(home):
        if front >= fronts:
            take_left(core, home, front, for_good=True)
