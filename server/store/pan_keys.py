"""PAN keys as they rotate: how many cards stand under which, who made and retired them, and cards moving to a new one."""

import asyncio
from collections.abc import Callable
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from server.core.directory import Directory
from server.store.database import TRANSIENT, Database
from server.store.postgres import StoreError
from server.store.queries import query

FLUSH_S: Final = 0.5
"""How long a card that has moved waits for PostgreSQL to hear of it."""

BATCH_MAX: Final = 4_096


class PanKeys:
    """What PostgreSQL knows of PAN keys, by their fingerprints."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def cards(self) -> dict[str, int]:
        """How many cards stand under each key that any does. Reads every card."""
        async with self._database.acquire() as connection:
            rows = await connection.fetch(query("count_pan_keys"))
        return {row["pan_key"]: row["cards"] for row in rows}

    async def make(self, fingerprint: str, made_by: str, make: Callable[[], None]) -> None:
        """Note who makes a key, and have it made: both, or neither."""
        async with self._database.acquire() as connection, connection.transaction():
            await connection.execute(query("note_pan_key_made"), fingerprint, made_by)
            make()

    async def retire(self, fingerprint: str, retired_by: str, retire: Callable[[], None]) -> None:
        """Note who retires a key, and have it done: both, or neither. Raises StoreError while cards stand under it."""
        async with self._database.acquire() as connection, connection.transaction():
            left = await connection.fetchval(query("count_pan_key"), fingerprint)
            if left:
                raise StoreError(
                    f"{left:,} cards stand under the previous PAN key ({fingerprint}): each moves to the new one when it is "
                    "next seen. The previous key stays until none is left."
                )
            await connection.execute(query("note_pan_key_retired"), fingerprint, retired_by)
            retire()


class Renewals:
    """Cards that are seen while the PAN key rotates: told to PostgreSQL, each once after a start."""

    def __init__(self, database: Database, directory: Directory, fingerprint: str) -> None:
        """`fingerprint` is today's key's."""
        self._database = database
        self._directory = directory
        self._fingerprint = fingerprint
        self._told = np.zeros(0, np.bool_)
        self._waiting: set[int] = set()

    def note(self, rows: NDArray[np.uint32], moved: NDArray[np.bool_]) -> None:
        """Cards that were seen (u4[n]), and which of them moved just now (bool[n])."""
        if len(self._told) < self._directory.rows:
            longer = np.zeros(2 * self._directory.rows, np.bool_)
            longer[: len(self._told)] = self._told
            self._told = longer
        # One that had moved before we started may have done so in the directory's file alone.
        fresh = rows[moved | ~self._told[rows]]
        self._told[fresh] = True
        self._waiting.update(fresh.tolist())

    async def run(self) -> None:
        """Tell PostgreSQL, for ever; what it can't be told now it is told when it is back."""
        while True:
            await asyncio.sleep(FLUSH_S)
            while self._waiting:
                numbers = list(self._waiting)[:BATCH_MAX]
                keys: NDArray[Any] = self._directory.cards["pan_key"][numbers]
                try:
                    async with self._database.acquire() as connection:
                        hashes = [key.tobytes() for key in keys]
                        await connection.execute(query("renew_cards"), numbers, hashes, self._fingerprint)
                except (*TRANSIENT, StoreError):
                    break
                self._waiting.difference_update(numbers)
