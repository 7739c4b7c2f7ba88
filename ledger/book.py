"""What every ledger engine answers to: TigerBeetle's requests, with arrays."""

from collections.abc import AsyncIterator
from typing import Protocol

from ledger.transfer import Accounts, Balances, Filter, Ids, Results, Transfers


class LedgerError(Exception):
    """A ledger that can't go on; what became of a single event is a status, never an exception."""


class LedgerStopped(LedgerError):  # noqa: N818 - it is a state, and reads as one where it is caught
    """
    The engine has stopped and answers nothing more; the message says why.

    What was asked of it and not answered may or may not be in the books: the next start shows.
    """


class LedgerCorrupt(LedgerError):  # noqa: N818 - as above
    """The stored books can't be read; the message names the file, the batch, and the last good one."""


class LedgerBusy(LedgerError):  # noqa: N818 - as above
    """More calls wait than the engine takes; nothing of this one was done."""


class Ledger(Protocol):
    """
    A double-entry ledger. Batches are taken in the order of the calls.

    A call is never cancelled: where the awaiting task is, its batch is carried out all the same.
    Batches hold at most BATCH_MAX events (ValueError). Every call raises LedgerStopped once the
    engine has stopped.
    """

    async def create_accounts(self, batch: Accounts) -> Results:
        """Open the accounts; one RESULT for each event, in order, its status a CreateAccountStatus."""
        ...

    async def create_transfers(self, batch: Transfers) -> Results:
        """
        Post the transfers; one RESULT for each event, in order, its status a CreateTransferStatus.

        When it returns, the batch is durable.
        """
        ...

    async def lookup_accounts(self, ids: Ids) -> Accounts:
        """The accounts with these (n, 2) u64 ids [lo, hi]; those found, in the order asked."""
        ...

    async def lookup_transfers(self, ids: Ids) -> Transfers:
        """The transfers with these (n, 2) u64 ids [lo, hi]; those found, in the order asked."""
        ...

    async def account_transfers(self, wanted: Filter) -> Transfers:
        """
        The transfers of the account of ACCOUNT_FILTER[1], by time, at most its `limit` and BATCH_MAX.

        A filter that breaks a rule (no account, no side, a zero limit, times out of range or order, a reserved
        field or flag) finds nothing, as TigerBeetle has it.
        """
        ...

    async def account_balances(self, wanted: Filter) -> Balances:
        """Its balances just after each of those transfers; none where the account has no HISTORY."""
        ...

    async def query_accounts(self, wanted: Filter) -> Accounts:
        """The accounts that QUERY_FILTER[1] lets through, by time, at most its `limit` and BATCH_MAX."""
        ...

    async def query_transfers(self, wanted: Filter) -> Transfers:
        """The transfers that QUERY_FILTER[1] lets through, likewise."""
        ...

    def history(self, since_ns: int = 0) -> AsyncIterator[Transfers]:
        """All transfers from a time on, ns, in the order of their timestamps, page by page."""
        ...

    async def close(self) -> None:
        """Carry out what was asked, then let go of everything. A second call does nothing."""
        ...
