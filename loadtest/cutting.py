"""
A proxy that troubles the connections through it on command: between a client and the server, the server and its
PostgreSQL, the server and each replica of its ledger.

It runs on a thread of its own and is told from any other. What it can do: let everything through, late by so much, or
only so many bytes a second; let nothing through while every connection stays (a black hole); take no new connections;
reset those that are there; leave one side alone with a connection whose other side is gone (half-open); lead new
connections elsewhere.
"""

import asyncio
import contextlib
import socket
import struct
import threading
from collections.abc import Coroutine
from dataclasses import dataclass, replace
from typing import Any, Final, Literal, Self, TypeVar

from loadtest.processes import HOST

CHUNK_SIZE: Final = 1 << 16
CHUNKS_WAITING_MAX: Final = 64
"""What one direction of a connection holds back at most; then it is not read, and TCP tells the sender to wait."""

CONNECT_S: Final = 5.0
COMMAND_S: Final = 10.0
_RESET: Final = struct.pack("ii", 1, 0)
"""SO_LINGER of no time: closing resets the connection."""

T = TypeVar("T")
Side = Literal["client", "server"]


@dataclass(frozen=True)
class Weather:
    """What bytes meet on their way, either way. `bytes_per_s` None: as many as come."""

    latency_s: float = 0.0
    bytes_per_s: float | None = None
    is_passing: bool = True
    is_taking: bool = True
    """Whether new connections are taken; else they are reset at once."""


FAIR: Final = Weather()


class Proxy:
    """
    A port (`address`) in front of `upstream`: host:port, or the path of a Unix socket. A context.

    Commands take effect before they return; they may come from any thread but the proxy's own.
    """

    def __init__(self, upstream: str) -> None:
        self._upstream = upstream
        self._weather = FAIR
        self._changed = asyncio.Event()
        self._pairs: set[_Pair] = set()
        self._loop = asyncio.new_event_loop()
        self._server: asyncio.Server
        self._thread = threading.Thread(target=self._loop.run_forever, name="proxy", daemon=True)
        self.port = 0
        self.taken = 0
        """Connections taken so far."""

    @property
    def address(self) -> str:
        """Where clients connect."""
        return f"{HOST}:{self.port}"

    def __enter__(self) -> Self:
        self._thread.start()
        self._server = self._command(asyncio.start_server(self._take, HOST, 0))
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    def __exit__(self, *_raised: object) -> None:
        self._command(self._end())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(COMMAND_S)
        self._loop.close()

    def fair(self) -> None:
        """Everything passes at once; what was held back comes now."""
        self._set(FAIR)

    def slow(self, *, latency_s: float = 0.0, bytes_per_s: float | None = None) -> None:
        """Everything passes so late, and no faster than so."""
        self._set(replace(self._weather, latency_s=latency_s, bytes_per_s=bytes_per_s, is_passing=True))

    def blackhole(self) -> None:
        """Nothing passes, and no connection ends, until `fair` or `slow`."""
        self._set(replace(self._weather, is_passing=False))

    def refuse(self) -> None:
        """No new connections until `fair`, and those that are there are reset."""
        self._set(replace(self._weather, is_taking=False))
        self.cut()

    def cut(self) -> int:
        """Resets all connections; how many there were."""
        return self._command(self._cut())

    def half_open(self, left: Side) -> int:
        """The connections end on the other side alone: who is `left` hears nothing more of it. How many there were."""
        return self._command(self._half_open(left))

    def lead_to(self, upstream: str) -> None:
        """New connections go there; those that are there are reset."""

        async def lead() -> None:
            self._upstream = upstream
            await self._cut()

        self._command(lead())

    @property
    def open_count(self) -> int:
        """Connections now."""
        return len(self._pairs)

    def _command(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(COMMAND_S)

    def _set(self, weather: Weather) -> None:
        async def change() -> None:
            self._weather = weather
            self._changed.set()
            self._changed = asyncio.Event()

        self._command(change())

    async def _take(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.taken += 1
        if not self._weather.is_taking:
            _reset(writer)
            return
        try:
            async with asyncio.timeout(CONNECT_S):
                if ":" in self._upstream:
                    host, _, port = self._upstream.rpartition(":")
                    onward = await asyncio.open_connection(host, int(port))
                else:
                    onward = await asyncio.open_unix_connection(self._upstream)
        except OSError:
            _reset(writer)
            return
        pair = _Pair(writer, onward[1])
        self._pairs.add(pair)
        pair.ways = [
            asyncio.ensure_future(self._carry(reader, onward[1])),
            asyncio.ensure_future(self._carry(onward[0], writer)),
        ]
        # One side may have said all and still hear; one that is gone takes the other along.
        await asyncio.wait(pair.ways, return_when=asyncio.FIRST_EXCEPTION)
        for way in pair.ways:
            if way.done() and not way.cancelled():
                way.exception()
        if pair.left is None:
            self._forget(pair)

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One direction, until its sender ends. Raises a group of ConnectionErrors where one of the two is gone."""
        waiting: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue(CHUNKS_WAITING_MAX)

        async def hear() -> None:
            while data := await reader.read(CHUNK_SIZE):
                await waiting.put((self._loop.time(), data))
            await waiting.put((self._loop.time(), b""))

        async with asyncio.TaskGroup() as both:
            both.create_task(hear())
            both.create_task(self._give(waiting, writer))

    async def _give(self, waiting: asyncio.Queue[tuple[float, bytes]], writer: asyncio.StreamWriter) -> None:
        while True:
            came_s, data = await waiting.get()
            await self._weather_lets_through(came_s)
            if not data:
                writer.write_eof()
                return
            writer.write(data)
            await writer.drain()
            if self._weather.bytes_per_s is not None:
                await asyncio.sleep(len(data) / self._weather.bytes_per_s)

    async def _weather_lets_through(self, came_s: float) -> None:
        """Until what came then may go on; a change of weather is felt by what waits already."""
        while True:
            changed = self._changed
            wait_s = came_s + self._weather.latency_s - self._loop.time()
            if self._weather.is_passing and wait_s <= 0:
                return
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(wait_s if self._weather.is_passing else None):
                    await changed.wait()

    async def _cut(self) -> int:
        pairs = list(self._pairs)
        for pair in pairs:
            self._forget(pair)
        return len(pairs)

    async def _half_open(self, left: Side) -> int:
        whole = [pair for pair in self._pairs if pair.left is None]
        for pair in whole:
            pair.left = left
            for way in pair.ways:
                way.cancel()
            _reset(pair.server if left == "client" else pair.client)
        return len(whole)

    def _forget(self, pair: "_Pair") -> None:
        self._pairs.discard(pair)
        for way in pair.ways:
            way.cancel()
        for writer in (pair.client, pair.server):
            _reset(writer)

    async def _end(self) -> None:
        self._server.close()
        await self._cut()
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)


class _Pair:
    """One connection through the proxy: its two sockets, and the tasks that carry."""

    def __init__(self, client: asyncio.StreamWriter, server: asyncio.StreamWriter) -> None:
        self.client = client
        self.server = server
        self.ways: list[asyncio.Future[None]] = []
        self.left: Side | None = None
        """Who was left alone with it."""


def _reset(writer: asyncio.StreamWriter) -> None:
    raw = writer.get_extra_info("socket")
    if raw is not None:
        with contextlib.suppress(OSError):
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
    writer.transport.abort()
