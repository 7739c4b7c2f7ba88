"""Accounts: opened, lent to, closed, and what is on them."""

import asyncio
import secrets
from collections import OrderedDict
from collections.abc import Callable
from typing import Final
from uuid import UUID

import numpy as np

from ledger import movements
from ledger.book import Ledger
from ledger.chart import AccountCode, TransferCode, account_id
from ledger.money import currency_letters, format_minor
from ledger.movements import Movement, MovementOutcome, Side
from ledger.transfer import AccountFlags
from server.banking.books import Balance, HolderBooks
from server.banking.refusals import Refused
from server.banking.statement import Page, Statements
from server.store.holdings import Closing, Holding, Holdings

FACTS_MAX: Final = 100_000
"""Accounts whose currency is kept in memory: so many balances are read without PostgreSQL."""

CLOSING_GRACE_S: Final = 60
"""A request that was under way when its account closed is over by then."""

CLEARING_WINDOW_S: Final = 10 * 86_400
"""So long after its last approval an account may still be charged: the hold's life, then days to be presented in."""

_CLOSING_PAGE: Final = 200


class AccountDesk:
    """What AccountService does, without the wire."""

    def __init__(
        self,
        ledger: Ledger,
        holdings: Holdings,
        now_ns: Callable[[], int],
        *,
        clearing_window_s: int = CLEARING_WINDOW_S,
    ) -> None:
        self.books = HolderBooks(ledger)
        self._ledger = ledger
        self._holdings = holdings
        self._statements = Statements(ledger, now_ns)
        self._now_ns = now_ns
        self._clearing_window_s = clearing_window_s
        self._currencies: OrderedDict[int, int] = OrderedDict()
        self._limits: dict[int, asyncio.Lock] = {}

    async def open(
        self, customer: int, currency: int, limit_minor: int, sender: int, key: str, digest: bytes
    ) -> tuple[Holding, bool]:
        """
        An account for a customer, in the ledger too; whether this request had opened it before.

        Raises UnknownCustomer, KeyReused. Asked again after whatever went wrong, it is carried to its end.
        """
        number, replayed = await self._holdings.open(customer, currency, sender, key, digest)
        holding = await self._holdings.find(number)
        if not replayed or holding.state == "open":
            await self.books.open_holder(number, currency)
            if limit_minor and not holding.credit_limit_minor:
                return await self.set_credit_limit(number, limit_minor), replayed
        return holding, replayed

    async def find(self, number: int) -> Holding:
        """What is known of an account. Raises UnknownAccount."""
        return await self._holdings.find(number)

    async def of_customer(self, customer: int, after: int, count_max: int) -> list[Holding]:
        """A customer's accounts. Raises UnknownCustomer."""
        return await self._holdings.of_customer(customer, after=after, count_max=count_max)

    async def balance(self, number: int) -> tuple[int, Balance]:
        """An account's currency, and what is on it: one question to the ledger. Raises UnknownAccount."""
        currency = await self._currency(number)
        return currency, await self.books.balance(number, currency)

    async def statement(
        self, number: int, since_ns: int, until_ns: int, lines_max: int, opening_minor: int | None
    ) -> tuple[int, Page]:
        """An account's currency, and a page of its statement. Raises UnknownAccount."""
        currency = await self._currency(number)
        page = await self._statements.page(
            number,
            currency,
            since_ns=since_ns,
            until_ns=until_ns,
            lines_max=lines_max,
            opening_minor=opening_minor,
        )
        return currency, page

    async def balance_at(self, number: int, at_ns: int) -> int:
        """What was booked on an account at a moment. Raises UnknownAccount."""
        return await self._statements.balance_at(number, await self._currency(number), at_ns)

    async def set_credit_limit(self, number: int, limit_minor: int) -> Holding:
        """
        Lend more, or less: the difference moves between the account and its credit line.

        Raises UnknownAccount, and Refused where the account is not open or what is to be taken back is in use.
        """
        lock = self._limits.setdefault(number, asyncio.Lock())
        async with lock:
            holding = await self._holdings.find(number)
            if holding.state != "open":
                raise Refused("ACCOUNT_CLOSED", f"account {number} is {holding.state}")
            await self.books.open_holder(number, holding.currency)
            await self.books.open_credit_line(number, holding.currency)
            balance = await self.books.balance(number, holding.currency)
            change = limit_minor - balance.credit_limit_minor
            if change:
                await self._lend(holding, change, balance)
            await self._holdings.set_credit_limit(number, limit_minor)
            return await self._holdings.find(number)

    async def _lend(self, holding: Holding, change_minor: int, balance: Balance) -> None:
        number, currency = holding.number, holding.currency
        line = Side(AccountCode.CREDIT_LINE, number, currency, abs(change_minor))
        holder = Side(AccountCode.CARDHOLDER, number, currency, abs(change_minor))
        payer, payee = (line, holder) if change_minor > 0 else (holder, line)
        movement = Movement(fresh_id(self._now_ns()), TransferCode.CREDIT_LIMIT, payer, payee)
        results = await self._ledger.create_transfers(movements.pay(movement, payee_owes=False))
        outcome, status = movements.outcome(results)
        if outcome == MovementOutcome.INSUFFICIENT:
            letters = currency_letters(currency)
            free = format_minor(max(0, balance.available_minor), letters)
            raise Refused(
                "CREDIT_IN_USE",
                f"{format_minor(-change_minor, letters)} {letters} would be taken back, and only {free} is free",
            )
        if outcome != MovementOutcome.DONE:
            raise Refused("LEDGER_REFUSED", f"the ledger says {status.name.lower()}")

    async def close(self, number: int) -> Holding:
        """
        Close an account: its cards answer 46 within a second, the ledger follows when nothing is open any more.

        Raises UnknownAccount, and Refused while money is left on it that nothing holds, or it is lent some.
        """
        holding = await self._holdings.find(number)
        if holding.state != "open":
            return holding
        balance = await self.books.balance(number, holding.currency)
        letters = currency_letters(holding.currency)
        if balance.credit_limit_minor:
            text = f"a credit limit of {format_minor(balance.credit_limit_minor, letters)} {letters} stands: set it to 0"
            raise Refused("CREDIT_LIMIT_STANDS", text)
        if balance.available_minor > 0:
            text = f"{format_minor(balance.available_minor, letters)} {letters} is left on account {number}: move it out first"
            raise Refused("MONEY_LEFT", text)
        await self._holdings.begin_closing(number, as_uuid(fresh_id(self._now_ns())))
        return await self._holdings.find(number)

    async def close_what_can_be(self) -> int:
        """Close in the ledger what waits for it and has nothing open any more; how many."""
        closed, after = 0, -1
        while True:
            page = await self._holdings.that_close(after=after, count_max=_CLOSING_PAGE)
            for closing in page:
                closed += await self._close(closing)
            if len(page) < _CLOSING_PAGE:
                return closed
            after = page[-1].number

    async def _close(self, closing: Closing) -> bool:
        now_s = self._now_ns() / 1_000_000_000
        if now_s < closing.closing_at.timestamp() + CLOSING_GRACE_S:
            return False
        if (
            closing.last_approval is not None
            and now_s < closing.last_approval.timestamp() + self._clearing_window_s
        ):
            return False
        found = await self._ledger.lookup_accounts(
            account_id(AccountCode.CARDHOLDER, closing.currency, closing.number)
        )
        if len(found) and not found["flags"][0] & AccountFlags.CLOSED:
            if not _is_empty(found[0]):
                return False
            results = await self._ledger.create_transfers(
                movements.closing(closing.closing_id.int, closing.number, closing.currency)
            )
            outcome, _ = movements.outcome(results)
            if outcome not in {
                MovementOutcome.DONE,
                MovementOutcome.DONE_BEFORE,
                MovementOutcome.CLOSED,
            }:
                return False
        await self._holdings.end_closing(closing.number)
        return True

    async def _currency(self, number: int) -> int:
        """An account's currency, which never changes."""
        known = self._currencies.get(number)
        if known is None:
            known = (await self._holdings.find(number)).currency
            self._currencies[number] = known
            if len(self._currencies) > FACTS_MAX:
                self._currencies.popitem(last=False)
        return known


def fresh_id(now_ns: int) -> int:
    """A u128 that begins with the time in milliseconds and ends with a zero byte, for steps and legs."""
    return ((now_ns // 1_000_000) & 0xFFFF_FFFF_FFFF) << 80 | secrets.randbits(72) << 8


def as_uuid(identifier: int) -> UUID:
    """The same 128 bits."""
    return UUID(int=identifier)


def _is_empty(account: np.void) -> bool:
    """Nothing on it, and nothing pending on either side."""
    return (
        int(account["credits_posted_lo"]) == int(account["debits_posted_lo"])
        and int(account["debits_pending_lo"]) == 0
        and int(account["credits_pending_lo"]) == 0
    )
