"""
What the server decided, as a backtest goes through it again: whole records, in the order in which the core took them.

Beside the server, not in it: a whole history is read, some at once.
"""

from collections.abc import AsyncIterator
from datetime import datetime
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from server.core.formats import DECISIONS, INTENTS, decisions_of, intents_of
from server.core.packing import unpack_each
from server.core.record import DECISION, INTENT
from server.store.database import Database
from server.store.queries import query

ROWS_AT_ONCE: Final = 10_000


class Decided(NamedTuple):
    """Some of them: INTENT[n] with their DECISION[n], and verdicts u1[n] (`Verdict`), 0 where nobody told anything."""

    intents: NDArray[Any]
    decisions: NDArray[Any]
    verdicts: NDArray[np.uint8]


async def read_decided(database: Database, since: datetime | None) -> AsyncIterator[Decided]:
    """All decisions on messages sent from `since` on. Raises PostgreSQL's own errors."""
    async with database.acquire() as connection, connection.transaction(readonly=True):
        cursor = await connection.cursor(query("decided_authorizations"), since)
        while rows := await cursor.fetch(ROWS_AT_ONCE):
            intents, decisions = np.empty(len(rows), INTENT), np.empty(len(rows), DECISION)
            versions = np.array([row["record_version"] for row in rows])
            for version in np.unique(versions).tolist():
                places = np.flatnonzero(versions == version)
                of = [rows[place] for place in places.tolist()]
                intents[places] = intents_of(unpack_each([row["intent"] for row in of], INTENTS[version]))
                decisions[places] = decisions_of(
                    unpack_each([row["decision"] for row in of], DECISIONS[version])
                )
            yield Decided(intents, decisions, np.array([row["verdict"] for row in rows], np.uint8))


async def read_programmes(database: Database) -> dict[int, dict[str, Any]]:
    """Each programme by its number: name, currency, step_up_else_decline, unscored_decline, timezone."""
    async with database.acquire() as connection:
        return {row["number"]: dict(row) for row in await connection.fetch(query("programmes_in_force"))}


async def read_limits(database: Database) -> list[dict[str, Any]]:
    """The limits in force, live and in shadow: whose each is (programme by name), and what it says."""
    async with database.acquire() as connection:
        return [dict(row) for row in await connection.fetch(query("limits_in_force"))]
