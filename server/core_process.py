"""The core behind fronts: everything but listening. `python -m server.core_process`, by the supervisor alone."""

import sys
from typing import Any, Final

from server.assembly import Server, StartError
from server.garbage import settle
from server.overseen import oversee, say
from server.settings import Settings
from server.telemetry import configure_logs
from server.undumpable import refuse_dumps

PROGRESS_CARDS: Final = 1_000


class _Told:
    """What a start is doing, and hears of the fronts."""

    def __init__(self) -> None:
        self.server: Server | None = None

    def hear(self, said: dict[str, Any]) -> None:
        """What the supervisor counts of the fronts."""
        if self.server is not None and self.server.dock is not None:
            self.server.dock.standing.take(said)


async def run(settings: Settings, demo_cards: int) -> int:
    """Until the supervisor has enough."""
    from ledger.book import LedgerError
    from server.core.journal import JournalCorrupt, JournalStopped
    from server.core.snapshot import SnapshotUnreadable
    from server.front.certificates import DoorClosed
    from server.keys import KeysError
    from server.store.postgres import StoreError

    told = _Told()

    async def populate(portfolio: Any) -> None:
        await portfolio.ensure_demo(
            demo_cards, lambda done, total: say(cards=done, of=total) if done % PROGRESS_CARDS == 0 else None
        )

    async def opened() -> Server:
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


def main() -> None:
    """As the supervisor starts it: the demo's cards, and how much to log."""
    import uvloop

    refuse_dumps()
    configure_logs(verbose="--verbose" in sys.argv)
    sys.exit(uvloop.run(run(Settings.told(), int(sys.argv[1]))))


if __name__ == "__main__":
    main()
