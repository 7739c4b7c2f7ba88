"""Signs what the log holds, now and then, and lays it down in both places."""

import asyncio
from collections.abc import Callable
from datetime import datetime
from typing import Any, Final

from compliance.audit.chain import root
from compliance.audit.checkpoint import NOTHING, Checkpoint, Signed
from compliance.audit.copies import Copies
from compliance.audit.signing import AuditKeyError, Signer
from compliance.ports import Database, queries

LOCK: Final = 0x686F6C6461756469
"""Advisory: one checkpoint at a time, over all processes."""


class Checkpointer:
    """
    Makes checkpoints of at most `rows_max` rows each.

    A row is not checked here before it is sealed: what is there is signed as it is, so that it can't change any more,
    and `verify` finds what was wrong with it before.
    """

    def __init__(
        self,
        database: Database,
        signer: Signer,
        copies: Copies,
        now: Callable[[], datetime],
        rows_max: int = 10_000,
    ) -> None:
        self._database = database
        self._signer = signer
        self._copies = copies
        self._now = now
        self._rows_max = rows_max
        self._sql = queries("compliance.audit")

    async def waiting(self) -> int:
        """Rows behind the last checkpoint."""
        async with self._database.acquire() as connection:
            return await connection.fetchval(self._sql["unsealed_rows"])

    async def seal(self) -> int:
        """
        Seals all rows there are, and copies what the second place lacks. Returns the checkpoints it made.

        Raises AuditKeyError where the log was sealed with another key, OSError where the second place fails: what
        is lacking there is added by the next call.
        """
        made = 0
        while True:
            async with self._database.acquire() as connection, connection.transaction():
                await connection.execute(self._sql["lock_checkpoints"], LOCK)
                signed = await self._next(connection, pruned_to=None)
                if signed is None:
                    break
                made += 1
        await self.copy()
        return made

    async def give_up(self, connection: Any, row: int) -> None:
        """Signs, in the caller's transaction, that rows up to `row` are given up: they may be deleted in it."""
        await connection.execute(self._sql["lock_checkpoints"], LOCK)
        assert await self._next(connection, pruned_to=row) is not None

    async def copy(self) -> None:
        """Adds to the second place what it lacks."""
        while True:
            count = await asyncio.to_thread(self._copies.count)
            async with self._database.acquire() as connection:
                rows = await connection.fetch(self._sql["checkpoints_after"], count)
            missing = [Signed(row["document"], row["signature"]) for row in rows]
            if not missing or await asyncio.to_thread(self._copies.follow, count, missing):
                return

    async def _next(self, connection: Any, pruned_to: int | None) -> Signed | None:
        """The next checkpoint: of the rows since the last one, or of none where rows are given up."""
        newest = await connection.fetchrow(self._sql["newest_checkpoint"])
        last = None if newest is None else Checkpoint.of(newest["document"])
        if last is not None and last.key != self._signer.public_hex:
            raise AuditKeyError(
                f"checkpoint {last.number} was signed with another key ({last.key[:16]}): restore audit.key from the "
                "backup of the keys folder"
            )
        reached = 0 if last is None else last.last_row
        rows = []
        if pruned_to is None:
            rows = await connection.fetch(self._sql["hashes_after"], reached, self._rows_max)
            if not rows:
                return None
        checkpoint = Checkpoint(
            number=1 if last is None else last.number + 1,
            first_row=reached + 1,
            last_row=rows[-1]["number"] if rows else reached,
            root=root([row["hash"] for row in rows]).hex(),
            chain=rows[-1]["hash"].hex() if rows else (NOTHING if last is None else last.chain),
            pruned_to=(0 if last is None else last.pruned_to) if pruned_to is None else pruned_to,
            made_at_us=round(self._now().timestamp() * 1_000_000),
            previous=NOTHING if newest is None else Signed(newest["document"], newest["signature"]).digest,
            key=self._signer.public_hex,
        )
        signed = self._signer.sign(checkpoint.document)
        await connection.execute(
            self._sql["add_checkpoint"], checkpoint.number, signed.document, signed.signature
        )
        return signed
