"""
A process under a supervisor: spawned, never forked; it says what it is doing in lines of JSON, and hears the same way.

Its standard input is the supervisor's hand: when that is gone, however it went, the process drains and ends. So it does on
SIGTERM. Ctrl-C is the supervisor's to judge. While its loop turns it gives a sign of life: without one the supervisor ends it.
"""

import asyncio
import contextlib
import faulthandler
import fcntl
import json
import os
import select
import signal
import struct
import sys
import termios
from collections.abc import Awaitable, Callable
from typing import Any, Final, Protocol

FAILED: Final = 1

BEAT: Final = "beat"
"""What one says that has nothing else to say."""

BEAT_S: Final = 1.0


class Closable(Protocol):
    """What such a process runs."""

    @property
    def failed(self) -> asyncio.Future[None]:
        """Ends with the error of whatever part can't go on."""
        ...

    async def close(self) -> None:
        """Drain, and take everything down."""
        ...


def say(**said: Any) -> None:
    """Tell the supervisor."""
    sys.stdout.buffer.write(_line(said))
    sys.stdout.flush()


def mention(**said: Any) -> None:
    """Tell the supervisor what is told again soon: not where it doesn't listen, for a full pipe would hold us up."""
    pipe, line = sys.stdout.fileno(), _line(said)
    with contextlib.suppress(BrokenPipeError):  # it has gone, and so do we
        if _has_room(pipe, len(line)):
            os.write(pipe, line)


async def oversee(
    opening: Callable[[], Awaitable[Closable]],
    heard: Callable[[dict[str, Any]], None] = lambda _said: None,
    *expected: type[Exception],
) -> int:
    """
    Open, run until the supervisor has enough or something fails, close. The exit status.

    `heard` gets what the supervisor says once it is open; errors that are `expected` are told by their text.
    """
    loop = asyncio.get_running_loop()
    stopping = asyncio.Event()
    if sys.stderr is not None:  # it may be closed
        faulthandler.enable()
    loop.add_signal_handler(signal.SIGTERM, stopping.set)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    reader = asyncio.StreamReader()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    listening = loop.create_task(_listen(reader, heard, stopping))
    waiting = loop.create_task(stopping.wait())
    tasks = [listening, waiting]
    opened = asyncio.ensure_future(opening())
    try:
        await asyncio.wait((opened, waiting), return_when=asyncio.FIRST_COMPLETED)
        if not opened.done():
            opened.cancel()
            await asyncio.wait((opened,))
            return 0
        running = opened.result()
        tasks.append(loop.create_task(_beat()))
        await asyncio.wait((waiting, running.failed), return_when=asyncio.FIRST_COMPLETED)
        await running.close()
        if running.failed.done():
            running.failed.result()
    except expected as error:
        say(error=str(error))
        return FAILED
    finally:
        for task in tasks:
            task.cancel()
    return 0


def _has_room(pipe: int, size: int) -> bool:
    """Whether so much can be written at once: of a line longer than a page that is known of an empty pipe alone."""
    if size <= select.PIPE_BUF:
        return bool(select.select((), (pipe,), (), 0)[1])
    unread = struct.unpack("i", fcntl.ioctl(pipe, termios.FIONREAD, bytes(4)))[0]
    return unread == 0


def _line(said: dict[str, Any]) -> bytes:
    return json.dumps(said).encode() + b"\n"


async def _beat() -> None:
    while True:
        mention(**{BEAT: True})
        await asyncio.sleep(BEAT_S)


async def _listen(
    reader: asyncio.StreamReader, heard: Callable[[dict[str, Any]], None], stopping: asyncio.Event
) -> None:
    while line := await reader.readline():
        heard(json.loads(line))
    stopping.set()
