"""Accounts as the services open, read and close them; balances are the ledger's."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from server.keys import Keys
from server.store.database import Database
from server.store.masking import mask_number
from server.store.portfolio import account_number_of
from server.store.queries import query


class UnknownCustomer(LookupError):  # noqa: N818 - told as what it is
    """There is no such customer."""


class UnknownAccount(LookupError):  # noqa: N818 - told as what it is
    """There is no such account."""


class KeyReused(ValueError):  # noqa: N818 - told as what it is
    """An idempotency key comes again with other content."""


@dataclass(frozen=True, slots=True)
class Holding:
    """What is known of an account beside its balances."""

    number: int
    customer_number: int
    currency: int  # ISO 4217 number
    state: str  # open, closing, closed
    credit_limit_minor: int
    written: str  # masked
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Closing:
    """An account that waits for the ledger to close it."""

    number: int
    currency: int
    closing_id: UUID
    closing_at: datetime
    last_approval: datetime | None


class Holdings:
    """Reads and changes accounts; the core hears of each change through its feed."""

    def __init__(self, database: Database, keys: Keys) -> None:
        self._database = database
        self._keys = keys

    async def open(
        self, customer: int, currency: int, sender: int, key: str, digest: bytes
    ) -> tuple[int, bool]:
        """
        An account's number, and whether it was opened by this request before.

        Raises UnknownCustomer and KeyReused.
        """
        async with self._database.acquire() as connection, connection.transaction():
            await connection.execute(query("lock_numbers"))
            known = await connection.fetchrow(query("find_opened"), sender, key)
            if known is not None:
                if known["request_digest"] != digest:
                    raise KeyReused(
                        f"account {known['number']} was opened under this idempotency key by another request"
                    )
                return known["number"], True
            if not await connection.fetchval(query("has_customer"), customer):
                raise UnknownCustomer(f"there is no customer {customer}")
            number = await connection.fetchval(query("next_account"))
            written = account_number_of(number)
            seal = self._keys.seal
            await connection.execute(
                query("open_account"),
                number,
                customer,
                seal("accounts.account_number", written),
                seal("accounts.account_last_four", written[-4:]),
                currency,
                sender,
                key,
                digest,
            )
        return number, False

    async def find(self, number: int) -> Holding:
        """The account of that number. Raises UnknownAccount."""
        async with self._database.acquire() as connection:
            row = await connection.fetchrow(query("account_facts"), number)
        if row is None:
            raise UnknownAccount(f"there is no account {number}")
        return self._holding(row)

    async def of_customer(self, customer: int, *, after: int, count_max: int) -> list[Holding]:
        """A customer's accounts after that number, in order. Raises UnknownCustomer."""
        async with self._database.acquire() as connection:
            rows = await connection.fetch(query("accounts_of_customer"), customer, after, count_max)
            if not rows and not await connection.fetchval(query("has_customer"), customer):
                raise UnknownCustomer(f"there is no customer {customer}")
        return [self._holding(row) for row in rows]

    async def begin_closing(self, number: int, closing_id: UUID) -> None:
        """Its cards answer 46 from now on, and the ledger is to close it; a second call changes nothing."""
        async with self._database.acquire() as connection:
            await connection.execute(query("begin_closing"), number, closing_id)

    async def that_close(self, *, after: int, count_max: int) -> list[Closing]:
        """Accounts that wait for the ledger to close them, after that number, in order."""
        async with self._database.acquire() as connection:
            rows = await connection.fetch(query("accounts_that_close"), after, count_max)
        return [Closing(**dict(row)) for row in rows]

    async def end_closing(self, number: int) -> None:
        """The ledger has closed it."""
        async with self._database.acquire() as connection:
            await connection.execute(query("end_closing"), number)

    async def set_credit_limit(self, number: int, limit_minor: int) -> None:
        """Note what the ledger has lent."""
        async with self._database.acquire() as connection:
            await connection.execute(query("set_credit_limit"), number, limit_minor)

    def _holding(self, row: Any) -> Holding:
        if row["closed_at"] is not None:
            state = "closed"
        else:
            state = "open" if row["state"] == "open" else "closing"
        last_four = self._keys.unseal("accounts.account_last_four", row["account_last_four"])
        return Holding(
            number=row["number"],
            customer_number=row["customer_number"],
            currency=row["currency"],
            state=state,
            credit_limit_minor=row["credit_limit_minor"],
            written=mask_number(last_four),
            created_at=row["created_at"],
        )
