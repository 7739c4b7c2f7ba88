"""
The life of what an issuer sets against fraud, the same for limits, rules and lines of block lists:

    draft ──> shadow ──> live ──> retired (of a block list: lifted)
    a limit or a line may be made in any of the first three, and go live from draft; a rule is made in draft alone
    live ──> shadow (of a rule: taken back to paper)
    draft, shadow ──> retired, lifted
    lifted ──> draft, shadow, live (a line is written again)

In shadow it decides on paper and is counted. PostgreSQL refuses every other move (`lifecycle_moves`), any change of what
was set, and writes down each move with who made it and when.
"""

import contextlib
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import asyncpg

from server.store.database import Database
from server.store.postgres import StoreError
from server.store.queries import query

STATES: Final = ("draft", "shadow", "live")
"""In which something may stand that has not ended."""

HISTORY_MAX: Final = 1_000
PEOPLE_MAX: Final = 100
"""Characters of a name of who makes a change."""


@dataclass(frozen=True, slots=True)
class Move:
    """One move of one limit, rule or line: from where (empty: it was made), to where, who, when."""

    number: int
    before: str
    after: str
    changed_by: str
    changed_at: datetime


@contextlib.asynccontextmanager
async def changing(database: Database, changed_by: str) -> AsyncIterator[Any]:
    """
    A connection in a transaction whose changes are `changed_by`'s; one such transaction at a time.

    Raises StoreError for what PostgreSQL refuses.
    """
    who = changed_by.strip()
    if not who or len(who) > PEOPLE_MAX:
        raise StoreError(f"by: who makes the change has 1 to {PEOPLE_MAX} characters, not {changed_by!r}.")
    with told():
        async with database.acquire() as connection, connection.transaction():
            await connection.execute(query("lock_settings"))
            await connection.execute(query("name_changer"), who)
            yield connection


@contextlib.contextmanager
def told() -> Iterator[None]:
    """Turns what the schema refuses into StoreError."""
    try:
        yield
    except (asyncpg.RaiseError, asyncpg.CheckViolationError, asyncpg.UniqueViolationError) as error:
        raise StoreError(f"PostgreSQL refuses it: {error}") from error


async def history(database: Database, kind: str, numbers: list[int]) -> list[Move]:
    """The moves of these limits, rules or lines, oldest first, the last HISTORY_MAX at the most."""
    async with database.acquire() as connection:
        rows = await connection.fetch(query("lifecycle_history"), kind, numbers, HISTORY_MAX)
    return [Move(**row) for row in rows]


async def programme_number(connection: Any, name: str) -> int:
    """The number of a programme. Raises StoreError where there is none."""
    found = await connection.fetchrow(query("find_programme"), name)
    if found is None:
        names = [row["name"] for row in await connection.fetch(query("programme_names"))]
        raise StoreError(f"programme: there is no {name!r}; there are {', '.join(names)}.")
    return int(found["number"])
