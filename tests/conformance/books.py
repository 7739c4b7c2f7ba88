"""One ledger to claim things of: the plain oracle, the embedded engine, or a real TigerBeetle, all spoken to alike."""

import asyncio
import itertools

import numpy as np

from ledger.transfer import (
    ACCOUNT,
    ACCOUNT_FILTER,
    BATCH_MAX,
    QUERY_FILTER,
    TRANSFER,
    CreateAccountStatus,
    CreateTransferStatus,
    TransferFlags,
)
from tests.ledger.books import NS_PER_S, FakeClock
from tests.ledger.naive import MAX, NaiveLedger, to_array, to_dict

ANSWER_S = 60.0
IDS = ("id", "debit_account_id", "credit_account_id", "pending_id", "account_id")
ACCOUNT_FIELDS = (
    "id", "debits_pending", "debits_posted", "credits_pending", "credits_posted", "user_data_128",
    "user_data_64", "user_data_32", "reserved", "ledger", "code", "flags", "timestamp",
)  # fmt: skip
TRANSFER_FIELDS = (
    "id", "debit_account_id", "credit_account_id", "amount", "pending_id", "user_data_128", "user_data_64",
    "user_data_32", "timeout", "ledger", "code", "flags", "timestamp",
)  # fmt: skip
BALANCE_FIELDS = ("debits_pending", "debits_posted", "credits_pending", "credits_posted")
_realms = itertools.count(1)


class Books:
    """
    A ledger with plain words: events are dictionaries, ids small numbers, statuses names.

    A realm of its own lets tests share one server: ids, user data and the ledger number are moved there and back.
    """

    def __init__(self, engine, runner: asyncio.Runner, clock: FakeClock | None) -> None:
        self.engine, self.runner, self.clock = engine, runner, clock
        self.realm = next(_realms)

    def ask(self, call):
        """Wait for an engine's answer, but not for ever."""

        async def bounded():
            async with asyncio.timeout(ANSWER_S):
                return await call

        if self.clock is not None:
            self.clock.now_ns += NS_PER_S // 1_000
        return self.runner.run(bounded())

    def open(self, *rows: dict) -> list[str]:
        """Create accounts; their statuses' names."""
        results = self.ask(self.engine.create_accounts(self._batch(rows, ACCOUNT_FIELDS, ACCOUNT)))
        return [CreateAccountStatus(int(status)).name for status in results["status"]]

    def post(self, *rows: dict) -> list[str]:
        """Create transfers; their statuses' names."""
        return [CreateTransferStatus(int(status)).name for status in self.results(*rows)["status"]]

    def results(self, *rows: dict) -> np.ndarray:
        """Create transfers; RESULT[n]."""
        return self.ask(self.engine.create_transfers(self._batch(rows, TRANSFER_FIELDS, TRANSFER)))

    def balance(self, account: int) -> tuple[int, int, int, int]:
        """Debits pending and posted, credits pending and posted."""
        found = self.account(account)
        return tuple(found[name] for name in BALANCE_FIELDS)

    def account(self, account: int) -> dict:
        """The stored account."""
        (found,) = self.accounts(account)
        return found

    def accounts(self, *ids: int) -> list[dict]:
        """Those that are there."""
        return self._told(self.ask(self.engine.lookup_accounts(self._ids(ids))))

    def transfers(self, *ids: int) -> list[dict]:
        """Those that are there."""
        return self._told(self.ask(self.engine.lookup_transfers(self._ids(ids))))

    def of_account(self, account: int, **fields) -> list[dict]:
        """Its transfers, by an ACCOUNT_FILTER's fields."""
        return self._told(self.ask(self.engine.account_transfers(self._account_filter(account, fields))))

    def balances(self, account: int, **fields) -> list[dict]:
        """Its balances, likewise."""
        found = self.ask(self.engine.account_balances(self._account_filter(account, fields)))
        return [
            {name: int(row[f"{name}_lo"]) | int(row[f"{name}_hi"]) << 64 for name in BALANCE_FIELDS}
            for row in found
        ]

    def query(self, what: str, **fields) -> list[dict]:
        """`accounts` or `transfers`, by a QUERY_FILTER's fields; `user_data_64` is the realm where none is named."""
        wanted = np.zeros(1, QUERY_FILTER)
        given = {"limit": BATCH_MAX, "ledger": self.ledger} | fields
        self._fill(wanted, given)
        return self._told(self.ask(getattr(self.engine, f"query_{what}")(wanted)))

    @property
    def ledger(self) -> int:
        """The realm's own ledger number; `ledger + 1` is nobody else's either."""
        return self.realm * 10

    def await_release(self, account: int) -> None:
        """Until holds with a timeout of a few seconds have left an account."""
        if self.clock is not None:
            self.clock.move_s(10)
            return

        async def watch():
            while (await self.engine.lookup_accounts(self._ids([account])))["debits_pending_lo"][0]:
                pass  # a request of its own each time: the server tells nobody

        self.ask(watch())

    def _moved(self, value: int) -> int:
        return value if value in {0, MAX} else value | self.realm << 64

    def _batch(self, rows, names, dtype) -> np.ndarray:
        moved = [
            dict.fromkeys(names, 0)
            | {name: self._moved(value) if name in IDS else value for name, value in row.items()}
            for row in rows
        ]
        return to_array(moved, dtype)

    def _ids(self, ids) -> np.ndarray:
        values = [self._moved(value) for value in ids]
        return np.array([(value & (2**64 - 1), value >> 64) for value in values], np.uint64).reshape(-1, 2)

    def _account_filter(self, account: int, fields: dict) -> np.ndarray:
        wanted = np.zeros(1, ACCOUNT_FILTER)
        given = {"account_id": self._moved(account), "limit": BATCH_MAX, "flags": 3} | fields
        self._fill(wanted, given)
        return wanted

    @staticmethod
    def _fill(wanted: np.ndarray, fields: dict) -> None:
        for name, value in fields.items():
            if f"{name}_lo" in wanted.dtype.names:
                wanted[f"{name}_lo"], wanted[f"{name}_hi"] = value & (2**64 - 1), value >> 64
            else:
                wanted[name] = value

    def _told(self, rows) -> list[dict]:
        told = [to_dict(row) for row in rows]
        for row in told:
            for name in IDS:
                if row.get(name):
                    row[name] &= 2**64 - 1
        return told


def account(id_: int, books: Books, **fields) -> dict:
    """An account event in the realm's ledger."""
    return {"id": id_, "ledger": books.ledger, "code": 1} | fields


def transfer(id_: int, books: Books, **fields) -> dict:
    """A transfer event from account 1 to account 2."""
    base = {"id": id_, "debit_account_id": 1, "credit_account_id": 2, "amount": 10, "code": 1}
    return base | {"ledger": books.ledger} | fields


def resolution(id_: int, pending_id: int, flag: TransferFlags, **fields) -> dict:
    """A post or a void that takes everything over from its pending transfer."""
    amount = MAX if flag == TransferFlags.POST_PENDING_TRANSFER else 0
    return {"id": id_, "pending_id": pending_id, "flags": int(flag), "amount": amount} | fields


class Oracle:
    """The plain ledger behind the engines' interface."""

    def __init__(self, clock: FakeClock) -> None:
        self.clock = clock
        self.naive = NaiveLedger()

    async def create_accounts(self, batch):
        return self._create(batch)

    async def create_transfers(self, batch):
        return self._create(batch)

    async def lookup_accounts(self, ids):
        self.naive.expire(self.clock.now_ns)
        return _found(self.naive.content.accounts, ids, ACCOUNT)

    async def lookup_transfers(self, ids):
        return _found(self.naive.content.transfers, ids, TRANSFER)

    async def account_transfers(self, wanted):
        return self.naive.account_transfers(wanted)

    async def account_balances(self, wanted):
        return self.naive.account_balances(wanted)

    async def query_accounts(self, wanted):
        return self.naive.query_accounts(wanted)

    async def query_transfers(self, wanted):
        return self.naive.query_transfers(wanted)

    def _create(self, batch):
        self.naive.expire(self.clock.now_ns)
        results = self.naive.create(batch, self.clock.now_ns)
        self.clock.now_ns += len(batch)
        return results


def _found(stored: dict, ids, dtype):
    values = [int(lo) | int(hi) << 64 for lo, hi in ids]
    return to_array([stored[value] for value in values if value in stored], dtype)
