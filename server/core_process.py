"""
The core behind fronts: everything but listening. `python -m server.core_process`, by the supervisor alone.

A spare loads beforehand what a start needs, behind everybody else, and touches nothing of the home until it is told to
begin. It stays of the version that it was prepared with.
"""

import asyncio
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, Final

import numpy as np  # noqa: F401 - by this thread: the threads it starts have the priority of whoever imports it

from server.background import expendable, step_back
from server.child import BEGIN, PREPARED
from server.garbage import let_grow
from server.overseen import oversee, say
from server.settings import Settings
from server.supervisor import SPARE
from server.telemetry import configure_logs
from server.title import entitle
from server.undumpable import refuse_dumps

if TYPE_CHECKING:
    from server.assembly import Server

PROGRESS_CARDS: Final = 1_000


class _Told:
    """What a start is doing, and hears of the fronts."""

    def __init__(self) -> None:
        self.server: Server | None = None
        self.turn = asyncio.Event()
        """Whether a spare's turn has come."""

    def hear(self, said: dict[str, Any]) -> None:
        """What the supervisor counts of the fronts, and that our turn has come."""
        if BEGIN in said:
            self.turn.set()
        elif self.server is not None and self.server.dock is not None:
            self.server.dock.standing.take(said)


def prepare() -> None:
    """Import and compile, or load, what a start needs; blocks for seconds."""
    # Imported here, for it takes most of them.
    from ledger import log_check, state
    from server import assembly  # noqa: F401
    from server.warm_up import warm_up_shipped

    warm_up_shipped()
    state.warm_up()
    log_check.warm_up()


async def run(settings: Settings, demo_cards: int, begun: Callable[[], None] | None = None) -> int:
    """Until the supervisor has enough; a spare waits for its turn, and calls `begun` when it has come."""
    from ledger.book import LedgerError
    from server.assembly import Server, StartError
    from server.core.journal import JournalStopped
    from server.core.journal_reader import JournalCorrupt
    from server.core.snapshot import SnapshotUnreadable
    from server.front.certificates import DoorClosed
    from server.garbage import settle
    from server.keys import KeysError
    from server.store.postgres import StoreError

    told = _Told()

    async def populate(portfolio: Any) -> None:
        await portfolio.ensure_demo(
            demo_cards, lambda done, total: say(cards=done, of=total) if done % PROGRESS_CARDS == 0 else None
        )

    async def opened() -> Server:
        if begun is not None:
            say(**{PREPARED: True})
            await told.turn.wait()
            begun()
        told.server = await Server.open(
            settings, populate=populate if demo_cards else None, told=lambda text: say(told=text)
        )
        settle()
        say(ready=True, cards=told.server.cards)
        return told.server

    expected = (
        StartError,
        StoreError,
        LedgerError,
        DoorClosed,
        KeysError,
        JournalStopped,
        JournalCorrupt,
        SnapshotUnreadable,
    )
    return await oversee(opened, told.hear, *expected)


def wait_prepared() -> Callable[[], None]:
    """Prepare as a spare; what is returned makes it the core. Blocks."""
    entitle("preparing")
    take_back = expendable()
    refuse_dumps()
    # A thread of its own: what has stepped back once can't come forward again without privileges.
    with ThreadPoolExecutor(1, "prepare", initializer=step_back) as apart:
        apart.submit(prepare).result()
    entitle("spare")

    def begin() -> None:
        take_back()
        entitle("core")

    return begin


def main() -> None:
    """As the supervisor starts it: the demo's cards, whether it is a spare, and how much to log."""
    import uvloop

    let_grow()
    configure_logs(verbose="--verbose" in sys.argv)
    begun = None
    if SPARE in sys.argv:
        begun = wait_prepared()
    else:
        entitle("core")
        refuse_dumps()
    sys.exit(uvloop.run(run(Settings.told(), int(sys.argv[1]), begun)))


if __name__ == "__main__":
    main()
