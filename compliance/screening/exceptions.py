"""Exceptions: who was found not to be an entry, by whom, why and until when. Withdrawn, never deleted."""

from dataclasses import dataclass
from datetime import date
from typing import Any, Final

from compliance.audit.log import Entry, append
from compliance.ports import Database, Seals, queries
from compliance.roles import Actor
from compliance.screening.lists import Lists, party_key

_SQL: Final = queries("compliance.screening")
DAYS_MAX: Final = 731
"""An exception lasts two years at most: then somebody looks again."""


class ExceptionError(Exception):
    """An exception that can't be; the message names the field and what is allowed."""


@dataclass(frozen=True, slots=True)
class NewException:
    """To be added. One of `customer_number` and `name` says who."""

    list_name: str
    entry_id: str
    reason: str
    expires_on: date
    customer_number: int | None = None
    name: str = ""


async def add_exception(
    database: Database, seals: Seals, lists: Lists, new: NewException, actor: Actor, today: date
) -> int:
    """Adds it and returns its number. Raises ExceptionError."""
    digest = lists.digest(new.list_name, new.entry_id)
    if digest is None:
        raise ExceptionError(f"entry: {new.list_name} holds no {new.entry_id!r}; holdfast screen shows ids")
    if (new.customer_number is None) == (not new.name):
        raise ExceptionError("customer, name: exactly one of them says who is cleared")
    if not 3 <= len(new.reason.strip()) <= 500:
        raise ExceptionError("reason: 3 to 500 characters say why")
    if not 0 <= (new.expires_on - today).days <= DAYS_MAX:
        raise ExceptionError(
            f"expires: from today on, at most {DAYS_MAX} days from now, not {new.expires_on}"
        )
    key = None if new.customer_number is not None else party_key(seals, new.name)
    async with database.acquire() as connection, connection.transaction():
        number: int = await connection.fetchval(
            _SQL["add_exception"],
            new.customer_number,
            key,
            new.list_name,
            new.entry_id,
            digest,
            new.reason.strip(),
            new.expires_on,
            actor.name,
        )
        await _settle(
            connection, new.customer_number, actor, "sanctions.clear", number, new.list_name, new.entry_id
        )
    return number


async def withdraw_exception(database: Database, number: int, actor: Actor) -> None:
    """Ends it: its customer is screened again. Raises ExceptionError where there is none in force."""
    async with database.acquire() as connection, connection.transaction():
        row = await connection.fetchrow(_SQL["withdraw_exception"], number, actor.name)
        if row is None:
            raise ExceptionError(f"number: no exception {number} is in force")
        await _settle(
            connection,
            row["customer_number"],
            actor,
            "sanctions.unclear",
            number,
            row["list_name"],
            row["entry_id"],
        )


async def exceptions_of(database: Database, limit: int) -> list[dict[str, Any]]:
    """All of them, the newest first."""
    async with database.acquire() as connection:
        return [dict(row) for row in await connection.fetch(_SQL["all_exceptions"], limit)]


async def _settle(
    connection: Any,
    customer: int | None,
    actor: Actor,
    action: str,
    number: int,
    list_name: str,
    entry_id: str,
) -> None:
    if customer is not None:
        await connection.execute(_SQL["forget_screening"], customer)
    await connection.execute(_SQL["tell"])
    new = {"list": list_name, "entry": entry_id, "customer_number": customer}
    await append(
        connection, [Entry(actor.name, actor.role, action, f"sanctions_exception:{number}", None, new)]
    )
