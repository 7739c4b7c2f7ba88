"""One decision as PostgreSQL keeps it, found again by its authorization's id."""

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from numpy.typing import NDArray

from server.core.formats import DECISIONS, INTENTS, decisions_of, intents_of
from server.core.packing import unpack
from server.store.database import Database
from server.store.postgres import StoreError
from server.store.queries import query


@dataclass(frozen=True, slots=True)
class Shipped:
    """A decision: arrays of one record each."""

    intent: NDArray[Any]
    decision: NDArray[Any]


async def find_shipped(database: Database, authorization_id: str) -> tuple[Shipped, list[Shipped]] | None:
    """The authorization of 32 hex digits and the reversals that followed it; None where none was shipped."""
    wanted = UUID(hex=authorization_id)
    async with database.acquire() as connection:
        row = await connection.fetchrow(query("find_authorization"), wanted)
        if row is None:
            return None
        reversals = await connection.fetch(query("find_reversals"), wanted)
    return _shipped(row), [_shipped(reversal) for reversal in reversals]


def _shipped(row: Any) -> Shipped:
    version = row["record_version"]
    if version not in INTENTS:
        raise StoreError(f"A row's records have format {version}; this version reads {sorted(INTENTS)}.")
    return Shipped(
        intents_of(unpack(row["intent"], 1, INTENTS[version])),
        decisions_of(unpack(row["decision"], 1, DECISIONS[version])),
    )
