"""
A listening front, wired: bytes to parcels, parcels to a core, answers to bytes.

The same beside the core, in its process, and in a process of its own, where the core is reached over a socket.
"""

import time
from collections.abc import Awaitable, Callable, Sequence

from server.core.deadline import Deadlines
from server.core.names import Names
from server.core.parcel import Core
from server.entrance import Entrance
from server.front.card_keys import CardKeys
from server.front.door import Door, Service
from server.front.frames import FrameDecoder
from server.front.reading import Reader
from server.front.refusing import Refuser
from server.front.service import AuthorizationService
from server.front.writing import AnswerWriter
from server.keys import Keys
from server.settings import Settings


def warm_up_front() -> None:
    """Compile, or load, the front's kernels; blocks."""
    FrameDecoder(bytes, b"", time.time_ns, message_time=False).warm_up()
    AnswerWriter(Names()).warm_up()
    Refuser("").refuse(b"\x0a\x02\x08\x01")


class Reception:
    """One front, from its port to the core."""

    def __init__(
        self,
        settings: Settings,
        keys: Keys,
        core: Core,
        names: Names,
        explain: Callable[[bytes], Awaitable[bytes]],
        entrance: Entrance,
        others: Sequence[Service],
        *,
        shared: bool = False,
    ) -> None:
        """
        `explain` answers an ExplainRequest, bytes to bytes; `others` are the services beside AuthorizationService.

        `shared`: other fronts listen on the same port.
        """
        message_time = settings.clock == "message"
        cards = CardKeys(keys, core.renew)
        self.is_open = False
        """Whether requests are welcome."""
        self._settings = settings
        self._entrance = entrance
        service = AuthorizationService(
            core,
            FrameDecoder(
                cards.key,
                keys.identifier_key,
                time.time_ns,
                message_time=message_time,
                said_key=cards.said_key,
            ),
            Reader(keys, time.time_ns, message_time=message_time, card_keys=cards),
            AnswerWriter(names),
            explain,
            entrance.callers,
            deadlines=Deadlines(settings.deadline_ms, settings.deadline_ms_min, settings.deadline_ms_max),
            link_in_flight_max=settings.link_in_flight_max,
        )
        self._door = Door(
            service,
            others,
            message_bytes_max=settings.message_bytes_max,
            reflecting=entrance.reflecting,
            shared=shared,
        )

    async def open(self) -> int:
        """Listen, and take requests; return the port. Raises PortTaken."""
        port = await self._door.open(self._settings.host, self._settings.port, self._entrance.certificates)
        await self._door.serve()
        self.is_open = True
        return port

    async def close(self) -> None:
        """Health says no, nothing new is taken, and what was accepted is answered."""
        self.is_open = False
        await self._door.refuse()
        await self._door.close(self._settings.drain_s)
