"""A bank for tests: real PostgreSQL, a real embedded ledger, both services, and a clock that is moved."""

import asyncio
import time
from contextlib import asynccontextmanager
from dataclasses import dataclass

import numpy as np

from holdfast.v1 import accounts_pb2, transfers_pb2
from ledger.chart import AccountCode
from ledger.embedded import EmbeddedLedger
from ledger.exchange import Exchange
from ledger.transfer import BATCH_MAX, QUERY_FILTER
from server.banking.accounts import AccountDesk
from server.banking.review import RuleTable
from server.banking.transfers import TransferDesk
from server.front.accounts import AccountService
from server.front.clients import Everyone
from server.front.transfers import TransferService
from server.store.customers import Customers, NewCustomer
from server.store.database import Database
from server.store.holdings import Holdings
from server.store.transfers import Transfers

SENDER = 7
NS = 1_000_000_000


class HeldUp:
    """A ledger whose transfers wait while `gate` is shut; everything else is the ledger's own."""

    def __init__(self, ledger):
        self._ledger = ledger
        self.gate = asyncio.Event()
        self.gate.set()

    def __getattr__(self, name):
        return getattr(self._ledger, name)

    async def create_transfers(self, batch):
        await self.gate.wait()
        return await self._ledger.create_transfers(batch)


class Clock:
    """Now, or later."""

    def __init__(self):
        self.ahead_ns = 0

    def __call__(self):
        return time.time_ns() + self.ahead_ns


@dataclass
class Bank:
    """The parts, for tests to hold."""

    ledger: EmbeddedLedger
    database: Database
    accounts: AccountDesk
    transfers: TransferDesk
    account_service: AccountService
    transfer_service: TransferService
    clock: Clock
    rates: list

    async def open(self, currency="USD", *, limit_minor=0, key=None):
        """A new account's number."""
        request = accounts_pb2.OpenAccountRequest(
            idempotency_key=key or f"open {time.perf_counter_ns()}",
            customer_number=0,
            currency=currency,
            credit_limit_minor=limit_minor,
        )
        return (await self.account_service.open_account(request, SENDER)).account_number

    async def balance(self, number):
        """What is on it."""
        return (await self.accounts.balance(number))[1]

    async def totals(self):
        """By currency: debits and credits posted over all accounts, and control's."""
        sums = {}
        for account in await self.every_account():
            at = sums.setdefault(int(account["ledger"]), [0, 0, 0, 0])
            at[0] += int(account["debits_posted_lo"])
            at[1] += int(account["credits_posted_lo"])
            if int(account["code"]) == AccountCode.CONTROL:
                at[2] += int(account["credits_posted_lo"]) - int(account["debits_posted_lo"])
            at[3] += int(account["debits_pending_lo"]) - int(account["credits_pending_lo"])
        return sums

    async def every_account(self):
        """All accounts of the ledger."""
        wanted = np.zeros(1, QUERY_FILTER)
        wanted["limit"] = BATCH_MAX
        found = await self.ledger.query_accounts(wanted)
        assert len(found) < BATCH_MAX
        return found

    def transfer(self, kind, account, amount_minor, *, currency="USD", key=None, **fields):
        """A request that is right in all that is not given; `kind` by its name in lower case."""
        return transfer(kind, account, amount_minor, currency=currency, key=key, **fields)

    async def create(self, *arguments, **fields):
        """The transfer that comes of such a request."""
        return await self.transfer_service.create_transfer(self.transfer(*arguments, **fields), SENDER)


def transfer(kind, account, amount_minor, *, currency="USD", key=None, **fields):
    """See Bank.transfer."""
    pb = transfers_pb2
    request = pb.CreateTransferRequest(
        idempotency_key=key or f"transfer {time.perf_counter_ns()}",
        kind=pb.TransferKind.Value(f"TRANSFER_KIND_{kind.upper()}"),
        account_number=account,
        amount_minor=amount_minor,
        currency=currency,
        holder_address="1 Mill Lane, Springfield",
        purpose="rent",
    )
    if kind in {"ach", "wire", "rtp", "swift"}:
        request.direction = pb.TRANSFER_DIRECTION_IN
        other = request.counterparty
        other.name, other.account, other.bank_id = "Charles Babbage", "12345678", "021000021"
        other.address = "5 Devonshire Street, London"
        if kind == "swift":
            other.bank_id, other.account, other.country = "DEUTDEFF", "DE89370400440532013000", "DE"
    if kind.startswith("cash"):
        who = request.conductor
        who.name, who.address, who.birth_date = "Ada Byron", "1 Mill Lane, Springfield", "1985-12-10"
        who.id_type, who.id_number, who.id_country = "passport", "P1234567", "US"
    for name, value in fields.items():
        if "__" in name:
            outer, inner = name.split("__")
            setattr(getattr(request, outer), inner, value)
        elif value is None:
            request.ClearField(name)
        else:
            setattr(request, name, value)
    return request


@asynccontextmanager
async def banking(database_url, keys, folder, *, review=None, ledger=None, rates=None, deadline_s=10.0):
    """A bank with one customer, number 0."""
    clock = Clock()
    own = ledger is None
    books = EmbeddedLedger.open(folder / "ledger", now_ns=clock) if own else ledger
    rates = [] if rates is None else rates
    try:
        async with Database(database_url) as database:
            customers = Customers(database, keys)
            try:
                await customers.show(0)
            except Exception:
                await customers.add(NewCustomer("Ada", "Byron"))
            holdings = Holdings(database, keys)
            accounts = AccountDesk(books, holdings, clock)
            desk = TransferDesk(
                books,
                Transfers(database, keys),
                holdings,
                lambda: Exchange(rates),
                review or RuleTable(),
                clock,
                deadline_s=deadline_s,
            )
            yield Bank(
                books,
                database,
                accounts,
                desk,
                AccountService(accounts, clock, Everyone()),
                TransferService(desk, Everyone()),
                clock,
                rates,
            )
            await desk.close()
    finally:
        if own:
            await books.close()
