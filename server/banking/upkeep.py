"""In the background: transfers that a crash or an absent ledger left open, and accounts that can be closed."""

from typing import Final

import structlog

from ledger.book import LedgerError
from server.banking.accounts import AccountDesk
from server.banking.transfers import TransferDesk
from server.store.bell import Bell, wait_for
from server.store.database import TRANSIENT
from server.store.postgres import StoreError

SWEEP_S: Final = 2.0
OLDER_THAN_S: Final = 2.0
"""What is younger has a caller who waits for it."""

CLOSE_EVERY: Final = 15
"""Sweeps from one look at closing accounts to the next."""

CHANNEL: Final = "holdfast_transfers"
"""Notified by whoever has decided a transfer in PostgreSQL and waits for nothing: it is carried on at once."""

_log = structlog.get_logger("banking")


class Upkeep:
    """Runs until it is cancelled."""

    def __init__(
        self, transfers: TransferDesk, accounts: AccountDesk, bell: Bell, *, every_s: float = SWEEP_S
    ) -> None:
        self._transfers = transfers
        self._accounts = accounts
        self._bell = bell
        self._every_s = every_s

    async def run(self) -> None:
        """
        At once, then every `every_s`, and when the bell rings: then also what is younger.

        While PostgreSQL or the ledger is away, nothing happens and nothing is lost.
        """
        with self._bell.heard() as rung:
            sweeps = 0
            rung.set()
            while True:
                older_than_s = 0.0 if rung.is_set() else OLDER_THAN_S
                rung.clear()
                try:
                    await self._transfers.sweep(older_than_s)
                    if sweeps % CLOSE_EVERY == 0:
                        await self._accounts.close_what_can_be()
                except (StoreError, LedgerError, *TRANSIENT) as error:
                    _log.info("transfers under way wait", reason=str(error))
                sweeps += 1
                await wait_for(rung, self._every_s)
