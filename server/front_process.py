"""A front as a process of its own: `python -m server.front_process NUMBER`, by the supervisor alone."""

import asyncio
import os
import sys
from functools import partial

import structlog

from server.compiled import prepare_numba
from server.core.names import Names
from server.dock.remote import RemoteCore, RemoteLimits
from server.entrance import Entrance
from server.front.certificates import DoorClosed
from server.front.door import PortTaken
from server.front.forwarding import SERVICES, Forwarded, explain
from server.garbage import settle
from server.keys import Keys, KeysError
from server.overseen import mention, oversee, say
from server.reception import Reception, warm_up_front
from server.settings import SOCKET, Settings
from server.spread import connections, spread
from server.supervisor import AT_ONCE, COUNT_S
from server.tasks import Tasks
from server.telemetry import configure_logs
from server.title import entitle
from server.undumpable import refuse_dumps

_log = structlog.get_logger("front")


class Front:
    """Everything that runs in a front's process. Made by `open`."""

    def __init__(self, settings: Settings, number: int) -> None:
        self.failed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        """Ends with the error of whatever part can't go on."""
        self._settings = settings
        self._tasks = Tasks(self._ended)
        names = Names()
        self._entrance = Entrance(settings, share=1 / settings.fronts)
        self._core = RemoteCore(
            settings.home / SOCKET,
            number,
            names,
            away_code=settings.away_code.encode(),
            default_ms=settings.deadline_ms,
            limits=RemoteLimits(settings.waiting_max, settings.front_kept_max),
        )
        self._reception = Reception(
            settings,
            Keys.open(settings.home),
            self._core,
            names,
            partial(explain, self._core.call),
            self._entrance,
            [Forwarded(name, self._core.call, self._entrance.callers) for name in SERVICES],
            shared=True,
        )

    async def open(self, *, at_once: bool) -> int:
        """Listen, once the core is there or `at_once`; return the port. Raises PortTaken."""
        self._tasks.run(self._core.run(), "core")
        self._tasks.run(self._entrance.follow(), "clients")
        if not at_once:
            await self._core.welcomed.wait()
        prepare_numba()
        warm_up_front()
        port = await self._reception.open()
        if not spread(port, self._settings.fronts):
            _log.warning("connections are spread as the system likes: it takes no filter")
        self._tasks.run(self._count(port), "count of connections")
        settle()
        return port

    async def close(self) -> None:
        """Answer what was accepted, then leave the core."""
        await self._reception.close()
        await self._tasks.end()

    async def _count(self, port: int) -> None:
        """Tell the supervisor of our connections, which nobody else may see, and of what they send."""
        while True:
            ours = (await asyncio.to_thread(connections, {0: os.getpid()}, port))[0]
            mention(connections=ours, **self._entrance.seen())
            await asyncio.sleep(COUNT_S)

    def _ended(self, name: str, error: BaseException) -> None:
        _log.error("a part of a front has ended", part=name, exc_info=error)
        if not self.failed.done():
            self.failed.set_exception(error)


async def run(settings: Settings, number: int, *, at_once: bool) -> int:
    """Until the supervisor has enough."""

    async def opened() -> Front:
        front = Front(settings, number)
        say(ready=True, port=await front.open(at_once=at_once))
        return front

    return await oversee(opened, lambda _said: None, PortTaken, KeysError, DoorClosed)


def main() -> None:
    """As the supervisor starts it."""
    import uvloop

    entitle("front")
    refuse_dumps()
    configure_logs(verbose="--verbose" in sys.argv)
    sys.exit(uvloop.run(run(Settings.told(), int(sys.argv[1]), at_once=AT_ONCE in sys.argv)))


if __name__ == "__main__":
    main()
