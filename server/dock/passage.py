"""One connection between a front and the core: frames come out of it, and whatever waits goes into one write."""

import asyncio
from collections.abc import Callable
from typing import Final

import structlog

from server.dock.frames import FrameError, Kind, Splitter, head

UNSENT_BYTES_MAX: Final = 64 << 20
"""More than this waits only for one who has stopped reading: the connection is cut."""

_log = structlog.get_logger("dock")


class Passage(asyncio.Protocol):
    """The life of one connection, on the loop's thread."""

    def __init__(
        self, heard: Callable[["Passage", int, bytes], None], lost: Callable[["Passage"], None]
    ) -> None:
        """`heard(passage, kind, body)` takes a frame, and raises FrameError where it can't; `lost` hears of the end."""
        self._heard = heard
        self._lost = lost
        self._splitter = Splitter()
        self._unsent: list[bytes] = []
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None

    @property
    def is_open(self) -> bool:
        """Whether what is sent may arrive."""
        return self._transport is not None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """See asyncio.Protocol."""
        assert isinstance(transport, asyncio.Transport) or hasattr(transport, "write")
        self._transport = transport  # type: ignore[assignment]  # uvloop's are no subclasses

    def data_received(self, data: bytes) -> None:
        """See asyncio.Protocol."""
        try:
            for kind, body in self._splitter.feed(data):
                self._heard(self, kind, body)
        except FrameError as error:
            _log.warning("a connection of the dock is cut", reason=str(error))
            self.send(Kind.REFUSED, str(error).encode())
            self.close()

    def connection_lost(self, _error: Exception | None) -> None:
        """See asyncio.Protocol."""
        self._transport = None
        self._unsent.clear()
        self._lost(self)

    def send(self, kind: Kind, *parts: bytes) -> None:
        """Put a frame with the rest that leaves in this turn of the loop; nothing happens where it is closed."""
        if self._transport is None:
            return
        if not self._unsent:
            self._loop.call_soon(self._flush)
        self._unsent += (head(kind, sum(map(len, parts))), *parts)

    def close(self) -> None:
        """Send what waits, and end."""
        self._flush()
        if self._transport is not None:
            self._transport.close()

    def _flush(self) -> None:
        if self._transport is None or not self._unsent:
            return
        joined = b"".join(self._unsent)
        self._unsent.clear()
        self._transport.write(joined)
        if self._transport.get_write_buffer_size() > UNSENT_BYTES_MAX:
            _log.warning("a connection of the dock is cut", reason="the other side has stopped reading")
            self._transport.abort()
