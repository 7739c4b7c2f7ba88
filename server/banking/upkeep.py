"""In the background: transfers that a crash or an absent ledger left open, and accounts that can be closed."""

import asyncio
from typing import Final

import structlog

from ledger.book import LedgerError
from server.banking.accounts import AccountDesk
from server.banking.transfers import TransferDesk
from server.store.database import TRANSIENT
from server.store.postgres import StoreError

SWEEP_S: Final = 2.0
OLDER_THAN_S: Final = 2.0
"""What is younger has a caller who waits for it."""

CLOSE_EVERY: Final = 15
"""Sweeps from one look at closing accounts to the next."""

_log = structlog.get_logger("banking")


class Upkeep:
    """Runs until it is cancelled."""

    def __init__(self, transfers: TransferDesk, accounts: AccountDesk, *, every_s: float = SWEEP_S) -> None:
        self._transfers = transfers
        self._accounts = accounts
        self._every_s = every_s

    async def run(self) -> None:
        """At once, and then every `every_s`. While PostgreSQL or the ledger is away, nothing happens and nothing is lost."""
        sweeps = 0
        while True:
            try:
                await self._transfers.sweep(OLDER_THAN_S if sweeps else 0.0)
                if sweeps % CLOSE_EVERY == 0:
                    await self._accounts.close_what_can_be()
            except (StoreError, LedgerError, *TRANSIENT) as error:
                _log.info("transfers under way wait", reason=str(error))
            sweeps += 1
            await asyncio.sleep(self._every_s)
