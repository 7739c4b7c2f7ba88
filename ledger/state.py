"""
The books in memory: the kernels' arrays, grown ahead of every batch.

Synchronous and deterministic: the same batches at the same timestamps make the same bytes, which is what
replaying a journal rests on. Owned by one thread.
"""

from dataclasses import dataclass
from threading import Thread
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ledger import expiry, index, kernel, queries, retrace
from ledger.columns import (
    ACCOUNT_SLOTS,
    ACCOUNTS,
    BALANCE,
    BALANCES,
    BURNT_IDS,
    COUNTS,
    EXPIRIES,
    NS_PER_S,
    TRANSFER_SLOTS,
    TRANSFERS,
    Books,
)
from ledger.index import LOAD_MAX, ROWS_MAX
from ledger.queries import BLOCK_ROWS, SIEVE
from ledger.room import Room
from ledger.transfer import (
    ACCOUNT,
    ACCOUNT_BALANCE,
    RESULT,
    TRANSFER,
    AccountFlags,
    Accounts,
    Balances,
    Ids,
    PendingState,
    Results,
    Transfers,
    ids_of,
)

_SLOTS_FIRST = 4096
# A growing index carries over so many slots for each event of a batch: four are enough to be done before the larger
# table is full as well. That one's memory is taken beforehand, from this load on: seven slots an event are enough.
_SPREAD_SLOTS = 8
_AHEAD_LOAD = 0.4
_AHEAD_SLOTS = 12
_STEP_SLOTS_MIN = 8192

_ROOMS: dict[str, tuple[Any, int]] = {
    "accounts": (ACCOUNT, 1),
    "transfers": (TRANSFER, 1),
    "pending": (np.uint8, 1),
    "by_debit": (np.uint64, 1),
    "by_credit": (np.uint64, 1),
    "by_data": (np.uint64, 1),
    "balances": (BALANCE, 1),
    "burnt": (np.uint64, 2),
    "account_slots": (np.uint64, 1),
    "transfer_slots": (np.uint64, 1),
    "expiry_times": (np.int64, 1),
    "expiry_rows": (np.uint32, 1),
}
_KEYS = ("by_debit", "by_credit", "by_data")


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
        self._rooms = {name: Room(dtype, width) for name, (dtype, width) in _ROOMS.items()}
        self._books = Books(
            counts=np.zeros(COUNTS, np.int64), **{name: room.array for name, room in self._rooms.items()}
        )
        self._books.counts[[ACCOUNT_SLOTS, TRANSFER_SLOTS]] = _SLOTS_FIRST
        self._steps = {"account_slots": 0, "transfer_slots": 0}  # slots carried over, or taken beforehand
        self._sealed = 0  # transfers whose keys are sorted
        self._has_history = False

    def create_accounts(self, batch: Accounts, first_ns: int) -> Results:
        """Open a batch of accounts, event i at timestamp `first_ns` + i."""
        self._advance(first_ns, len(batch))
        self.make_room(accounts=len(batch))
        self._has_history |= bool((batch["flags"] & AccountFlags.HISTORY).any())
        results = np.zeros(len(batch), RESULT)
        kernel.create_accounts(self._books, batch, first_ns, results)
        return results

    def create_transfers(self, batch: Transfers, first_ns: int) -> Results:
        """Post a batch of transfers, event i at timestamp `first_ns` + i."""
        self._advance(first_ns, len(batch))
        self.make_room(transfers=len(batch))
        results = np.zeros(len(batch), RESULT)
        kernel.create_transfers(self._books, batch, first_ns, results)
        self._seal()
        return results

    def replay_transfers(
        self, batches: Transfers, counts: NDArray[np.int64], clocks_ns: NDArray[np.int64]
    ) -> Results:
        """
        Post batches in a row, `counts` i64[n] events each, at their times; what is due at each expires first.

        As `expire` and `create_transfers` of each of them, at once.
        """
        self.make_room(transfers=len(batches))
        results = np.zeros(len(batches), RESULT)
        last_ns = int(kernel.replay_transfers(self._books, batches, counts, clocks_ns, self.last_ns, results))
        assert last_ns >= 0, "each batch is later than the one before"
        self.last_ns = last_ns
        self._seal()
        return results

    def retrace_accounts(self, stored: Accounts) -> NDArray[np.uint32]:
        """Open accounts that another ledger has, at their own times, as they were then; a CreateAccountStatus each."""
        self.make_room(accounts=len(stored))
        self._has_history |= bool((stored["flags"] & AccountFlags.HISTORY).any())
        fresh = stored.copy()
        for name in ("debits_pending", "debits_posted", "credits_pending", "credits_posted"):
            fresh[f"{name}_lo"] = fresh[f"{name}_hi"] = 0
        fresh["flags"] &= np.uint16(0xFFFF ^ AccountFlags.CLOSED)
        statuses = np.zeros(len(stored), np.uint32)
        retrace.retrace_accounts(self._books, fresh, statuses)
        return statuses

    def retrace_transfers(self, stored: Transfers) -> NDArray[np.uint32]:
        """Post transfers that another ledger has, at their own times, in order; a CreateTransferStatus each."""
        self.make_room(transfers=len(stored))
        statuses = np.zeros(len(stored), np.uint32)
        retrace.retrace_transfers(self._books, stored, statuses)
        self._seal()
        if len(stored):
            self.last_ns = max(self.last_ns, int(stored["timestamp"][-1]))
        return statuses

    def touched(self, rows: tuple[int, int] | None = None) -> NDArray[np.bool_]:
        """Which accounts, by row, a transfer from the first up to the second of these rows has moved; of all for None."""
        low, high = rows or (0, int(self._books.counts[TRANSFERS]))
        found = np.zeros(int(self._books.counts[ACCOUNTS]), bool)
        if rows is None:
            for keys in (self._books.by_debit, self._books.by_credit):
                found[keys[low:high] >> np.uint64(32)] = True
            return found
        some = self._books.transfers[low:high]
        for side in ("debit_account_id", "credit_account_id"):
            at = np.empty(len(some), np.int64)
            count = kernel.find_accounts(self._books, ids_of(some, side), at)
            found[at[:count]] = True
        return found

    def make_room(self, *, accounts: int = 0, transfers: int = 0) -> None:
        """Have room for so many more accounts and transfers in every array, and let growing indexes grow on."""
        counts = self._books.counts
        self._grow("accounts", int(counts[ACCOUNTS]) + accounts)
        for name in ("transfers", "pending", *_KEYS):
            self._grow(name, int(counts[TRANSFERS]) + transfers)
        self._grow("burnt", int(counts[BURNT_IDS]) + transfers)
        for name in ("expiry_times", "expiry_rows"):
            self._grow(name, int(counts[EXPIRIES]) + transfers)
        if self._has_history:
            self._grow("balances", int(counts[BALANCES]) + 2 * transfers)
        if accounts:
            self._grow_slots("account_slots", ACCOUNT_SLOTS, int(counts[ACCOUNTS]), accounts)
        if transfers:
            ids = int(counts[TRANSFERS] + counts[BURNT_IDS])
            self._grow_slots("transfer_slots", TRANSFER_SLOTS, ids, transfers)

    @property
    def used_bytes(self) -> int:
        """Memory that the books take: rows in use, their indexes, and what these have taken beforehand or still leave."""
        counts = self._books.counts
        rows = {"accounts": ACCOUNTS, "transfers": TRANSFERS, "pending": TRANSFERS, "balances": BALANCES}
        rows |= dict.fromkeys(_KEYS, TRANSFERS) | {"burnt": BURNT_IDS}
        rows |= dict.fromkeys(("expiry_times", "expiry_rows"), EXPIRIES)
        taken = sum(self._rooms[name].row_bytes * int(counts[column]) for name, column in rows.items())
        return taken + sum(
            self._rooms[name].row_bytes * self._slots_taken(name, column)
            for name, column in (("account_slots", ACCOUNT_SLOTS), ("transfer_slots", TRANSFER_SLOTS))
        )

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

    def account_rows(self, ids: Ids) -> NDArray[np.int64]:
        """The row in `accounts` of each of these ids, -1 where there is none."""
        rows = np.empty(len(ids), np.int64)
        kernel.account_rows(self._books, ids, rows)
        return rows

    def expiring(self, after_ns: int, until_ns: int) -> NDArray[np.int64]:
        """The rows of the pending transfers whose time is over in a span of time."""
        count = self._books.counts[EXPIRIES]
        times, rows = self._books.expiry_times[:count], self._books.expiry_rows[:count]
        due = rows[(times > after_ns) & (times <= until_ns)].astype(np.int64)
        return due[self._books.pending[due] == PendingState.PENDING]

    def rows_between(self, records: Accounts | Transfers, min_ns: int, max_ns: int) -> tuple[int, int]:
        """The first row, and the row behind the last, in a range of timestamps; `max_ns` 0 for no end."""
        low, high = queries.rows_between(records, len(records), min_ns, max_ns)
        return int(low), int(high)

    def sift(
        self,
        sieve: NDArray[np.void],
        span: tuple[int, int],
        rows: NDArray[np.int64],
        count: int,
        *,
        of_accounts: bool,
        is_reversed: bool,
        work_max: int,
    ) -> tuple[tuple[int, int], int]:
        """
        Add to `rows` those of the accounts or transfers in `span` that SIEVE[1] lets through.

        Stops where `rows` is full or `work_max` records were looked at. Gives the span that is left, and the
        count of `rows`.
        """
        low, high = span
        if of_accounts:
            low, high, count = queries.sift_accounts(
                self._books, sieve[0], low, high, is_reversed, work_max, rows, count
            )
        else:
            low, high, count = queries.sift_transfers(
                self._books, sieve[0], self._sealed, low, high, is_reversed, work_max, rows, count
            )
        return (int(low), int(high)), int(count)

    def read_balances(self, id_lo: int, id_hi: int, rows: NDArray[np.int64]) -> Balances:
        """What an account with HISTORY had just after each of these of its transfers."""
        balances = np.zeros(len(rows), ACCOUNT_BALANCE)
        queries.read_balances(self._books, np.uint64(id_lo), np.uint64(id_hi), rows, balances)
        return balances

    def balances(self) -> NDArray[np.void]:
        """What is kept for accounts with HISTORY, BALANCE[n]; a view, good until the next call."""
        return self._books.balances[: self._books.counts[BALANCES]]

    @classmethod
    def copied(cls, state: "State") -> "State":
        """A second state with the same contents."""
        copy = cls()
        contents = (state.accounts(), state.transfers(), state.pending(), state.burnt(), state.balances())
        sizes = (len(contents[0]), len(contents[1]), len(contents[3]), len(contents[4]))
        for array, content in zip(copy.lay_out(*sizes), contents, strict=True):
            array[:] = content
        copy.restore(state.last_ns)
        return copy

    def lay_out(self, accounts: int, transfers: int, burnt: int, balances: int) -> list[NDArray[Any]]:
        """
        Make an empty state large enough, and give its arrays to be filled: accounts, transfers, pending, burnt, balances.

        `restore` makes the rest of it.
        """
        for name, rows in (("accounts", accounts), ("burnt", burnt), ("balances", balances)):
            self._grow(name, rows)
        for name in ("transfers", "pending", *_KEYS):
            self._grow(name, transfers)
        sizes = _slots_for(accounts, _SLOTS_FIRST), _slots_for(transfers + burnt, _SLOTS_FIRST)
        self._grow("account_slots", 2 * sizes[0])
        self._grow("transfer_slots", 2 * sizes[1])
        self._books.counts[:] = (accounts, transfers, burnt, 0, balances, sizes[0], 0, sizes[1], 0)
        return [self.accounts(), self.transfers(), self.pending(), self.burnt(), self.balances()]

    def restore(self, last_ns: int) -> None:
        """Make indexes, keys and expiries of what was filled into the arrays of `lay_out`."""
        books = self._books
        counts = books.counts
        index.enter(books.account_slots, counts[ACCOUNT_SLOTS], books.accounts, counts[ACCOUNTS])
        keys = Thread(target=self._restore_keys, name="ledger keys")  # no kernel holds the interpreter's lock
        keys.start()
        index.enter(books.transfer_slots, counts[TRANSFER_SLOTS], books.transfers, counts[TRANSFERS])
        index.enter_burnt(books.transfer_slots, counts[TRANSFER_SLOTS], books.burnt, counts[BURNT_IDS])
        keys.join()
        del books
        transfers = self.transfers()
        due = np.flatnonzero((self.pending() == PendingState.PENDING) & (transfers["timeout"] != 0))
        times = transfers["timestamp"][due].astype(np.int64) + transfers["timeout"][due].astype(np.int64) * (
            NS_PER_S
        )
        del transfers
        order = np.argsort(times, kind="stable")  # an ordered array is a heap
        for name, column in (("expiry_times", times[order]), ("expiry_rows", due[order].astype(np.uint32))):
            self._grow(name, len(due))
            self._rooms[name].array[: len(due)] = column
        self._books.counts[EXPIRIES] = len(due)
        self._has_history = bool((self.accounts()["flags"] & AccountFlags.HISTORY).any())
        self.last_ns = last_ns

    def _restore_keys(self) -> None:
        queries.enter_keys(self._books)
        self._seal()

    def _seal(self) -> None:
        """Sort the keys of the blocks that have become full."""
        while self._sealed + BLOCK_ROWS <= self._books.counts[TRANSFERS]:
            end = self._sealed + BLOCK_ROWS
            for keys in (self._books.by_debit, self._books.by_credit, self._books.by_data):
                keys[self._sealed : end].sort()
            self._sealed = end

    def _grow(self, name: str, rows: int) -> None:
        room = self._rooms[name]
        if rows > len(room.array):
            # Let go of, so that it can be lengthened where it lies.
            self._books = self._books._replace(**{name: room.empty})
            self._books = self._books._replace(**{name: room.make(rows)})

    def _grow_slots(self, name: str, column: int, ids: int, more: int) -> None:
        """
        Let an index grow a little: take a larger table's memory, or carry over what stands in the old one.

        `counts` has the size of its table in this column, and that of the old one in the next.
        """
        counts = self._books.counts
        size, old = int(counts[column]), int(counts[column + 1])
        needed = _slots_for(ids + more, size)
        if old:
            start = self._steps[name]
            end = min(old, start + max(_STEP_SLOTS_MIN, _SPREAD_SLOTS * more)) if needed == size else old
            index.spread(getattr(self._books, name), old, size, start, end)
            self._steps[name] = end
            if end == old:
                self._rooms[name].let_go(old, 2 * old)
                self._steps[name] = counts[column + 1] = 0
        elif needed == size and ids + more > size * _AHEAD_LOAD and self._steps[name] < 2 * size:
            self._grow(name, 4 * size)
            start = 2 * size + self._steps[name]
            self._steps[name] += max(_STEP_SLOTS_MIN, _AHEAD_SLOTS * more)
            getattr(self._books, name)[start : min(2 * size + self._steps[name], 4 * size)] = 0
        if needed > size:
            self._grow(name, 2 * needed)
            self._steps[name] = 0
            counts[column], counts[column + 1] = needed, size

    def _slots_taken(self, name: str, column: int) -> int:
        size, old = (int(count) for count in self._books.counts[column : column + 2])
        return size + (old or min(self._steps[name], 2 * size))

    def _advance(self, first_ns: int, count: int) -> None:
        assert first_ns > self.last_ns
        self.last_ns = max(self.last_ns, first_ns + count - 1)


def warm_up() -> None:
    """Compile, or load from the cache, every kernel of the ledger's books."""
    state = State()
    state.create_accounts(np.zeros(1, ACCOUNT), 1)
    state.create_transfers(np.zeros(1, TRANSFER), 2)
    state.expire(3)
    state.replay_transfers(np.zeros(1, TRANSFER), np.ones(1, np.int64), np.full(1, 4))
    state.lookup_accounts(np.zeros((1, 2), np.uint64))
    state.lookup_transfers(np.zeros((1, 2), np.uint64))
    state.account_rows(np.zeros((1, 2), np.uint64))
    rows = np.zeros(0, np.int64)
    for of_accounts, records in ((True, state.accounts()), (False, state.transfers())):
        state.rows_between(records, 0, 0)
        state.sift(
            np.zeros(1, SIEVE), (0, 0), rows, 0, of_accounts=of_accounts, is_reversed=False, work_max=1
        )
    state.read_balances(0, 0, rows)
    state.retrace_accounts(np.zeros(0, ACCOUNT))
    state.retrace_transfers(np.zeros(0, TRANSFER))
    index.spread(np.zeros(8, np.uint64), 2, 4, 0, 2)
    restored = State()
    restored.lay_out(0, 0, 0, 0)
    restored.restore(0)


def _slots_for(ids: int, size: int) -> int:
    """The size of an index with room for so many ids, at least `size`."""
    if ids > ROWS_MAX:
        raise MemoryError(f"an embedded ledger holds at most {ROWS_MAX} transfers")
    while ids > size * LOAD_MAX:
        size *= 2
    return size


def _sum_wide(accounts: Accounts, name: str) -> int:
    """A column of u128 summed exactly: the halves' own halves can't overflow a u64 below 2**32 rows."""
    total = 0
    for part, weight in (("lo", 0), ("hi", 64)):
        column = accounts[f"{name}_{part}"]
        total += int((column & np.uint64(0xFFFF_FFFF)).sum()) << weight
        total += int((column >> np.uint64(32)).sum()) << (weight + 32)
    return total
