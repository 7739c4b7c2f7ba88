"""
The requests with a filter, carried out a slice at a time, so that batches pass between.

A scan looks at what is in the books when it begins. A filter that breaks one of TigerBeetle's rules finds nothing.
Source: docs.tigerbeetle.com/reference (account-filter, query-filter, requests/get_account_transfers and others).
"""

from enum import Enum
from typing import Any

import numpy as np

from ledger.queries import CREDITS, DEBITS, SIEVE
from ledger.state import State
from ledger.transfer import (
    ACCOUNT,
    ACCOUNT_BALANCE,
    ACCOUNT_FILTER,
    BATCH_MAX,
    QUERY_FILTER,
    TRANSFER,
    AccountFilterFlags,
    AccountFlags,
    Accounts,
    Balances,
    Filter,
    QueryFilterFlags,
    Transfers,
)

SLICE_WORK = 16_384  # records looked at in one slice: about a millisecond

_TIMESTAMP_MAX = 2**63 - 1
_ID_MAX = 2**128 - 1


class Asked(Enum):
    """Which request: the dtype of its filter, and of what it finds."""

    ACCOUNT_TRANSFERS = (ACCOUNT_FILTER, TRANSFER)
    ACCOUNT_BALANCES = (ACCOUNT_FILTER, ACCOUNT_BALANCE)
    QUERY_ACCOUNTS = (QUERY_FILTER, ACCOUNT)
    QUERY_TRANSFERS = (QUERY_FILTER, TRANSFER)


class Scan:
    """One request on its way: `begin` it, `go_on` until that says it is done, then take what it `found`."""

    def __init__(self, asked: Asked, wanted: Filter) -> None:
        """Raises TypeError where `wanted` is not exactly one filter of the request's kind."""
        if wanted.dtype != asked.value[0] or wanted.shape != (1,):
            raise TypeError(
                f"{asked.name} takes one record of its filter, not {wanted.shape} of {wanted.dtype}"
            )
        self._asked = asked
        self._wanted = wanted.copy()
        self._sieve, self._is_reversed = _sieve(asked, self._wanted)
        self._span = (0, 0)
        self._count = 0
        self._rows = np.empty(min(int(wanted["limit"][0]), BATCH_MAX) if is_valid(wanted) else 0, np.int64)

    def begin(self, books: State) -> None:
        """Choose the rows to look at."""
        if not len(self._rows) or (self._asked is Asked.ACCOUNT_BALANCES and not self._keeps_history(books)):
            return
        records = books.accounts() if self._is_of_accounts else books.transfers()
        self._span = books.rows_between(
            records, int(self._wanted["timestamp_min"][0]), int(self._wanted["timestamp_max"][0])
        )

    def go_on(self, books: State, work_max: int = SLICE_WORK) -> bool:
        """Look at some more of them; True where nothing is left to look at."""
        if self._span[0] < self._span[1] and self._count < len(self._rows):
            self._span, self._count = books.sift(
                self._sieve,
                self._span,
                self._rows,
                self._count,
                of_accounts=self._is_of_accounts,
                is_reversed=self._is_reversed,
                work_max=work_max,
            )
        return self._span[0] >= self._span[1] or self._count == len(self._rows)

    def found(self, books: State) -> Accounts | Transfers | Balances:
        """The records, copied; accounts all as they are now."""
        rows = self._rows[: self._count]
        if self._asked is Asked.ACCOUNT_BALANCES:
            return books.read_balances(*self._account_id, rows)
        return (books.accounts() if self._is_of_accounts else books.transfers())[rows]

    @property
    def _is_of_accounts(self) -> bool:
        return self._asked is Asked.QUERY_ACCOUNTS

    @property
    def _account_id(self) -> tuple[int, int]:
        return int(self._wanted["account_id_lo"][0]), int(self._wanted["account_id_hi"][0])

    def _keeps_history(self, books: State) -> bool:
        found = books.lookup_accounts(np.array([self._account_id], np.uint64))
        return bool((found["flags"] & AccountFlags.HISTORY).any())


def is_valid(wanted: Filter) -> bool:
    """Whether a filter keeps TigerBeetle's rules."""
    fields: dict[str, Any] = {name: wanted[name][0] for name in wanted.dtype.names or ()}
    first_ns, last_ns = int(fields["timestamp_min"]), int(fields["timestamp_max"])
    if max(first_ns, last_ns) > _TIMESTAMP_MAX or (last_ns and first_ns > last_ns):
        return False
    if fields["limit"] == 0 or fields["reserved"].any():
        return False
    flags = int(fields["flags"])
    if wanted.dtype == QUERY_FILTER:
        return not flags & ~int(QueryFilterFlags.REVERSED)
    id_ = int(fields["account_id_lo"]) | int(fields["account_id_hi"]) << 64
    sides = int(AccountFilterFlags.DEBITS | AccountFilterFlags.CREDITS)
    return (
        id_ not in {0, _ID_MAX}
        and bool(flags & sides)
        and not flags & ~(sides | int(AccountFilterFlags.REVERSED))
    )


def _sieve(asked: Asked, wanted: Filter) -> tuple[np.ndarray[Any, np.dtype[np.void]], bool]:
    """SIEVE[1] of a filter, and whether it asks for the newest first."""
    sieve = np.zeros(1, SIEVE)
    for name in SIEVE.names or ():
        if name in (wanted.dtype.names or ()):
            sieve[name] = wanted[name]
    flags = int(wanted["flags"][0])
    if asked.value[0] == QUERY_FILTER:
        return sieve, bool(flags & QueryFilterFlags.REVERSED)
    if flags & AccountFilterFlags.DEBITS:
        sieve["sides"] |= DEBITS
    if flags & AccountFilterFlags.CREDITS:
        sieve["sides"] |= CREDITS
    return sieve, bool(flags & AccountFilterFlags.REVERSED)
