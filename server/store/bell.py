"""A bell that PostgreSQL rings: whoever waits for a channel's notifications is woken, and looks for himself."""

import asyncio
import contextlib
from collections.abc import Iterator
from typing import Final

import structlog

from server.store.database import TRANSIENT, Database
from server.store.postgres import StoreError

MEND_S: Final = 1.0
_log = structlog.get_logger("store")


class Bell:
    """
    Rings everybody who waits when `channel` is notified, and when a connection was made again.

    A hint: what was notified while PostgreSQL was away is not told, so that a waiter also looks from time to time.
    """

    def __init__(self, database: Database, channel: str) -> None:
        self._database = database
        self._channel = channel
        self._waiting: set[asyncio.Event] = set()

    @contextlib.contextmanager
    def heard(self) -> Iterator[asyncio.Event]:
        """An event that every ring sets, while inside."""
        event = asyncio.Event()
        self._waiting.add(event)
        try:
            yield event
        finally:
            self._waiting.discard(event)

    def ring(self) -> None:
        """Ring."""
        for event in self._waiting:
            event.set()

    async def run(self) -> None:
        """Listen until cancelled; where PostgreSQL goes away, again when it is back."""
        while True:
            connection = None
            try:
                connection = await self._database.connect()
                gone = asyncio.Event()
                connection.add_termination_listener(lambda *_, event=gone: event.set())
                await connection.add_listener(self._channel, lambda *_: self.ring())
                self.ring()
                await gone.wait()
            except (StoreError, *TRANSIENT) as error:
                _log.info("nobody rings", channel=self._channel, reason=str(error))
            finally:
                if connection is not None:
                    connection.terminate()
            await asyncio.sleep(MEND_S)


async def wait_for(rung: asyncio.Event, at_most_s: float) -> None:
    """Until it rings, or so long."""
    # Not asyncio.wait_for: in Python 3.11 it can swallow a cancellation that comes with the event.
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(at_most_s):
            await rung.wait()
