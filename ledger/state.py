"""
The books in memory: the kernels' arrays, grown ahead of every batch.

Synchronous and deterministic: the same batches at the same timestamps make the same bytes, which is what
replaying a journal rests on. Owned by one thread.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ledger import expiry, index, kernel, queries
from ledger.columns import ACCOUNTS, BURNT_IDS, EXPIRIES, NS_PER_S, TRANSFERS, Books
from ledger.index import LOAD_MAX, ROWS_MAX, Slots
from ledger.queries import Links
from ledger.transfer import (
    ACCOUNT,
    ACCOUNT_BALANCE,
    ACCOUNT_FILTER,
    QUERY_FILTER,
    RESULT,
    TRANSFER,
    AccountFilterFlags,
    AccountFlags,
    Accounts,
    Balances,
    Filter,
    Ids,
    PendingState,
    Results,
    Transfers,
)

_ROOM_FIRST = 1024
_SLOTS_FIRST = 4096


@dataclass(frozen=True)
class Totals:
    """Sums over all accounts of one ledger, minor units. The books balance where each pair is equal."""

    debits_pending: int
    credits_pending: int
    debits_posted: int
    credits_posted: int

    @property
    def balanced(self) -> bool:
        return self.debits_pending == self.credits_pending and self.debits_posted == self.credits_posted


class State:
    """
    The books of one ledger engine.

    `last_ns` is the timestamp of the last event, created or not; the next one must be later.
    """

    def __init__(self) -> None:
        self.last_ns = 0
        self._links = _no_links()
        self._linked = 0
        self._books = Books(
            accounts=np.zeros(_ROOM_FIRST, ACCOUNT),
            account_slots=np.zeros(_SLOTS_FIRST, np.uint64),
            transfers=np.zeros(_ROOM_FIRST, TRANSFER),
            transfer_slots=np.zeros(_SLOTS_FIRST, np.uint64),
            pending=np.zeros(_ROOM_FIRST, np.uint8),
            burnt=np.zeros((_ROOM_FIRST, 2), np.uint64),
            expiry_times=np.zeros(_ROOM_FIRST, np.int64),
            expiry_rows=np.zeros(_ROOM_FIRST, np.uint32),
            counts=np.zeros(4, np.int64),
        )

    def create_accounts(self, batch: Accounts, first_ns: int) -> Results:
        """Open a batch of accounts, event i at timestamp `first_ns` + i."""
        self._advance(first_ns, len(batch))
        books = self._books
        count = int(books.counts[ACCOUNTS])
        _make_room(books.accounts, count, len(batch))
        self._books = books._replace(account_slots=_make_slots(books.account_slots, count + len(batch)))
        results = np.zeros(len(batch), RESULT)
        kernel.create_accounts(self._books, batch, first_ns, results)
        return results

    def create_transfers(self, batch: Transfers, first_ns: int) -> Results:
        """Post a batch of transfers, event i at timestamp `first_ns` + i."""
        self._advance(first_ns, len(batch))
        books = self._books
        _make_room(books.transfers, int(books.counts[TRANSFERS]), len(batch))
        _make_room(books.pending, int(books.counts[TRANSFERS]), len(batch))
        _make_room(books.burnt, int(books.counts[BURNT_IDS]), len(batch))
        _make_room(books.expiry_times, int(books.counts[EXPIRIES]), len(batch))
        _make_room(books.expiry_rows, int(books.counts[EXPIRIES]), len(batch))
        ids = int(books.counts[TRANSFERS] + books.counts[BURNT_IDS])
        self._books = books._replace(transfer_slots=_make_slots(books.transfer_slots, ids + len(batch)))
        results = np.zeros(len(batch), RESULT)
        kernel.create_transfers(self._books, batch, first_ns, results)
        self._link()
        return results

    def is_due(self, now_ns: int) -> bool:
        """Whether `expire` at this time would let go of anything."""
        return bool(expiry.is_due(self._books, now_ns))

    def expire(self, first_ns: int) -> int:
        """Let go of every pending transfer whose time is over; how many, each an event of its own."""
        count = int(expiry.expire(self._books, first_ns))
        self._advance(first_ns, count)
        return count

    def lookup_accounts(self, ids: Ids) -> Accounts:
        """The accounts that are there, in the order asked, copied."""
        rows = np.empty(len(ids), np.int64)
        count = kernel.find_accounts(self._books, ids, rows)
        return self._books.accounts[rows[:count]]

    def lookup_transfers(self, ids: Ids) -> Transfers:
        """The transfers that are there, in the order asked, copied."""
        rows = np.empty(len(ids), np.int64)
        count = kernel.find_transfers(self._books, ids, rows)
        return self._books.transfers[rows[:count]]

    def account_transfers(self, wanted: Filter) -> Transfers:
        """See `book.Ledger`."""
        return self._books.transfers[queries.account_rows(self._books, self._links, wanted)]

    def account_balances(self, wanted: Filter) -> Balances:
        """See `book.Ledger`."""
        ids = np.stack((wanted["account_id_lo"], wanted["account_id_hi"]), axis=1)
        found = self.lookup_accounts(ids)
        if not len(found) or not found["flags"][0] & AccountFlags.HISTORY:
            return np.zeros(0, ACCOUNT_BALANCE)
        return queries.balances_of(self._books, self._links, wanted)

    def query_accounts(self, wanted: Filter) -> Accounts:
        """See `book.Ledger`."""
        return self._books.accounts[queries.query_rows(self._books, self._links, wanted, of_accounts=True)]

    def query_transfers(self, wanted: Filter) -> Transfers:
        """See `book.Ledger`."""
        return self._books.transfers[queries.query_rows(self._books, self._links, wanted, of_accounts=False)]

    def accounts(self) -> Accounts:
        """All accounts, in the order of their timestamps; a view, good until the next call."""
        return self._books.accounts[: self._books.counts[ACCOUNTS]]

    def transfers(self) -> Transfers:
        """All transfers, in the order of their timestamps; a view, good until the next call."""
        return self._books.transfers[: self._books.counts[TRANSFERS]]

    def pending(self) -> NDArray[np.uint8]:
        """The PendingState of each of `transfers`; a view, good until the next call."""
        return self._books.pending[: self._books.counts[TRANSFERS]]

    def burnt(self) -> Ids:
        """The ids of transfers that failed for good; a view, good until the next call."""
        return self._books.burnt[: self._books.counts[BURNT_IDS]]

    def totals(self) -> dict[int, Totals]:
        """Debits and credits summed over all accounts, by ledger number."""
        accounts = self.accounts()
        return {
            int(ledger): Totals(
                *(
                    _sum_wide(accounts[accounts["ledger"] == ledger], name)
                    for name in ("debits_pending", "credits_pending", "debits_posted", "credits_posted")
                )
            )
            for ledger in np.unique(accounts["ledger"])
        }

    @classmethod
    def restored(
        cls,
        accounts: Accounts,
        transfers: Transfers,
        pending: NDArray[np.uint8],
        burnt: Ids,
        last_ns: int,
    ) -> "State":
        """The state that had these contents; the arrays are taken over. Indexes and expiries are rebuilt."""
        state = cls()
        due = np.flatnonzero((pending == PendingState.PENDING) & (transfers["timeout"] != 0))
        times = transfers["timestamp"][due].astype(np.int64) + transfers["timeout"][due].astype(np.int64) * (
            NS_PER_S
        )
        order = np.argsort(times, kind="stable")  # an ordered array is a heap
        state._books = Books(
            accounts=accounts,
            account_slots=_make_slots(state._books.account_slots, len(accounts)),
            transfers=transfers,
            transfer_slots=_make_slots(state._books.transfer_slots, len(transfers) + len(burnt)),
            pending=pending,
            burnt=burnt,
            expiry_times=times[order],
            expiry_rows=due[order].astype(np.uint32),
            counts=np.array([len(accounts), len(transfers), len(burnt), len(due)], np.int64),
        )
        index.enter(state._books.account_slots, accounts)
        index.enter(state._books.transfer_slots, transfers)
        index.enter_burnt(state._books.transfer_slots, burnt)
        state.last_ns = last_ns
        state._link()
        return state

    def _link(self) -> None:
        """Link the transfers that are new."""
        books, count = self._books, int(self._books.counts[TRANSFERS])
        accounts = int(books.counts[ACCOUNTS])
        for name in ("debit_before", "credit_before", "user_before"):
            _make_room(getattr(self._links, name), self._linked, count - self._linked)
        for name in ("last_debit", "last_credit"):
            column = getattr(self._links, name)
            _make_room(column, min(accounts, len(column)), max(0, accounts - len(column)))
        if count > len(self._links.last_user):
            buckets = 1 << (2 * count - 1).bit_length()
            self._links = self._links._replace(last_user=np.zeros(buckets, np.uint32))
            queries.link_users(books, self._links, 0, self._linked)
        queries.link(books, self._links, self._linked, count)
        self._linked = count

    def _advance(self, first_ns: int, count: int) -> None:
        assert first_ns > self.last_ns
        self.last_ns = max(self.last_ns, first_ns + count - 1)


def _no_links() -> Links:
    return Links(*(np.zeros(_ROOM_FIRST, np.uint32) for _ in Links._fields))


def warm_up() -> None:
    """Compile, or load from the cache, every kernel of the ledger's books."""
    state = State()
    state.create_accounts(np.zeros(1, ACCOUNT), 1)
    state.create_transfers(np.zeros(1, TRANSFER), 2)
    state.expire(3)
    state.lookup_accounts(np.zeros((1, 2), np.uint64))
    state.lookup_transfers(np.zeros((1, 2), np.uint64))
    wanted, query = np.zeros(1, ACCOUNT_FILTER), np.zeros(1, QUERY_FILTER)
    wanted["account_id_lo"] = wanted["limit"] = query["limit"] = 1
    wanted["flags"] = AccountFilterFlags.DEBITS
    state.account_transfers(wanted)
    state.query_accounts(query)
    state.query_transfers(query)
    query["user_data_128_lo"] = 1
    state.query_transfers(query)
    index.spread(np.zeros(2, np.uint64), np.zeros(4, np.uint64))
    State.restored(
        np.zeros(0, ACCOUNT), np.zeros(0, TRANSFER), np.zeros(0, np.uint8), np.zeros((0, 2), np.uint64), 0
    )


def _make_room(rows: NDArray[np.generic], count: int, more: int) -> None:
    """Grow in place by an eighth: a large block is moved by the kernel's page tables, not copied."""
    if count + more > len(rows):
        size = max(count + more, len(rows) + len(rows) // 8, _ROOM_FIRST)
        rows.resize((size, *rows.shape[1:]), refcheck=False)


def _make_slots(slots: Slots, ids: int) -> Slots:
    if ids > ROWS_MAX:
        raise MemoryError(f"an embedded ledger holds at most {ROWS_MAX} transfers")
    size = len(slots)
    while ids > size * LOAD_MAX:
        size *= 2
    if size == len(slots):
        return slots
    larger = np.zeros(size, np.uint64)
    index.spread(slots, larger)
    return larger


def _sum_wide(accounts: Accounts, name: str) -> int:
    """A column of u128 summed exactly: the halves' own halves can't overflow a u64 below 2**32 rows."""
    total = 0
    for part, weight in (("lo", 0), ("hi", 64)):
        column = accounts[f"{name}_{part}"]
        total += int((column & np.uint64(0xFFFF_FFFF)).sum()) << weight
        total += int((column >> np.uint64(32)).sum()) << (weight + 32)
    return total
