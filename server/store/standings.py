"""What PostgreSQL says should stand in the ledger for each authorization."""

from collections.abc import Iterable
from typing import Any, Final
from uuid import UUID

import numpy as np
from numpy.typing import NDArray

from ledger.reconcile import STANDING
from server.store.database import Database
from server.store.queries import query

_ROWS_MAX: Final = 20_000
_WORD: Final = 0xFFFF_FFFF_FFFF_FFFF


async def read_standings(database: Database) -> NDArray[Any]:
    """STANDING[n] of every authorization that was shipped."""
    pages = [np.zeros(0, STANDING)]
    async with database.acquire() as connection, connection.transaction(readonly=True):
        cursor = await connection.cursor(query("read_standings"))
        while rows := await cursor.fetch(_ROWS_MAX):
            pages.append(_standings(rows))
    return np.concatenate(pages)


async def find_standings(database: Database, identifiers: NDArray[np.uint64]) -> NDArray[Any]:
    """STANDING[m] of those of the authorizations u8[n, 2] that were shipped."""
    wanted = [UUID(int=high << 64 | low) for low, high in identifiers.tolist()]
    async with database.acquire() as connection:
        return _standings(await connection.fetch(query("find_standings"), wanted))


def _standings(rows: Iterable[Any]) -> NDArray[Any]:
    return np.array(
        [
            ((row[0].int & _WORD, row[0].int >> 64), row["pending_minor"], row["settled_minor"], row["holds"])
            for row in rows
        ],
        STANDING,
    )
