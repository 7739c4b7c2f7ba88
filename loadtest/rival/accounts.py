"""Balances in PostgreSQL, locked by the row."""

import hashlib
import hmac
import re
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from functools import cache
from pathlib import Path
from typing import Any, Final, NamedTuple

import asyncpg
import numpy as np

from loadtest.traffic import EXPIRY_YYMM, demo_pans

CONNECTIONS: Final = 16
_QUERIES: Final = Path(__file__).with_name("queries.sql")
_BALANCE_MINOR: Final = 100_000
_STEP_MINOR: Final = 100
_STEPS: Final = 10_000


class Account(NamedTuple):
    """A card's account, locked."""

    id: int
    balance_minor: int
    held_minor: int
    expiry_yymm: int

    @property
    def available_minor(self) -> int:
        return self.balance_minor - self.held_minor


class Transaction:
    """What may be done within one transaction."""

    def __init__(self, connection: Any) -> None:
        self._connection = connection

    async def lock(self, pan_hash: bytes) -> Account | None:
        """The account of a card, this transaction's alone; None where there is no such card."""
        row = await self._connection.fetchrow(query("lock_account"), pan_hash)
        return None if row is None else Account(*row)

    async def hold(self, account_id: int, amount_minor: int) -> None:
        """Promise money."""
        await self._connection.execute(query("hold"), account_id, amount_minor)

    async def enter(self, *answer: Any) -> bool:
        """Keep an answer (the columns of `enter`); False where its key has one."""
        return await self._connection.fetchrow(query("enter"), *answer) is not None


class Accounts:
    """A pool of connections."""

    def __init__(self, pool: Any, key: bytes) -> None:
        self._pool = pool
        self._key = key

    @classmethod
    @asynccontextmanager
    async def at(cls, url: str, key: bytes) -> AsyncIterator["Accounts"]:
        """Connected; `key` hashes card numbers."""
        async with asyncpg.create_pool(url, min_size=CONNECTIONS, max_size=CONNECTIONS) as pool:
            yield cls(pool, key)

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Transaction]:
        """One transaction on one connection."""
        async with self._pool.acquire() as connection, connection.transaction():
            yield Transaction(connection)

    async def known(self, message_key: str) -> bytes | None:
        """The first answer to a key."""
        answer: bytes | None = await self._pool.fetchval(query("known"), message_key)
        return answer

    def hashed(self, pan: str) -> bytes:
        """What stands for a card number."""
        return hmac.digest(self._key, pan.encode(), hashlib.sha256)

    async def fill(self, cards: int) -> None:
        """An empty database gets the demo portfolio: the same cards and balances as Holdfast's."""
        async with self._pool.acquire() as connection:
            await connection.execute(query("schema"))
            await connection.copy_records_to_table(
                "accounts",
                columns=("id", "balance_minor"),
                records=((i, _BALANCE_MINOR + i % _STEPS * _STEP_MINOR) for i in range(cards)),
            )
            await connection.copy_records_to_table("cards", records=self._cards(cards))
            await connection.execute("ANALYZE")

    def _cards(self, cards: int) -> Iterator[tuple[bytes, int, int]]:
        for number, pan in enumerate(demo_pans(np.arange(cards))):
            yield self.hashed(pan), number, EXPIRY_YYMM


@cache
def query(name: str) -> str:
    """The named query of queries.sql."""
    parts = re.split(r"^-- name: (\w+)\n", _QUERIES.read_text(encoding="utf-8"), flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))[name]
