"""
A listening front, wired: bytes to parcels, parcels to a core, answers to bytes.

The same beside the core, in its process, and in a process of its own, where the core is reached over a socket.
"""

import time
from collections.abc import Awaitable, Callable, Sequence

from server.core.names import Names
from server.core.parcel import Core
from server.front.door import Door, Service
from server.front.frames import FrameDecoder
from server.front.reading import Reader
from server.front.service import AuthorizationService
from server.front.writing import AnswerWriter
from server.keys import Keys
from server.settings import Settings


class Reception:
    """One front, from its port to the core."""

    def __init__(
        self,
        settings: Settings,
        keys: Keys,
        core: Core,
        names: Names,
        explain: Callable[[bytes], Awaitable[bytes]],
        others: Sequence[Service],
    ) -> None:
        """`explain` answers an ExplainRequest, bytes to bytes; `others` are the services beside AuthorizationService."""
        message_time = settings.clock == "message"
        self._settings = settings
        service = AuthorizationService(
            core,
            FrameDecoder(keys.pan_key_bytes, keys.identifier_key, time.time_ns, message_time=message_time),
            Reader(keys, time.time_ns, message_time=message_time),
            AnswerWriter(names),
            explain,
            link_in_flight_max=settings.link_in_flight_max,
        )
        self._door = Door(
            service,
            others,
            message_bytes_max=settings.message_bytes_max,
            reflecting=settings.reflection,
        )

    async def open(self) -> int:
        """Listen, and take requests; return the port. Raises PortTaken."""
        port = await self._door.open(self._settings.host, self._settings.port)
        await self._door.serve()
        return port

    async def close(self) -> None:
        """Health says no, nothing new is taken, and what was accepted is answered."""
        await self._door.refuse()
        await self._door.close(self._settings.drain_s)
