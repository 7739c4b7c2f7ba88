"""
Retention: how long each kind of data is kept, and the deletion of what is older.

What a case is about stays as long as the case, a case as long as its filings, and what is under legal hold until that
is lifted. Each batch is a transaction with its own audit row: whatever is killed when, the next run goes on.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from compliance.audit.checkpointer import Checkpointer
from compliance.audit.log import Entry, append
from compliance.ports import Database, queries
from compliance.roles import Actor, Permission, require

LOCK: Final = 0x686F6C6472657465
"""Advisory: one run at a time, over all processes."""

_TIMEOUT_S: Final = 600.0
_EVERYTHING: Final = 2**31 - 1


class RetentionBusyError(Exception):
    """Another process deletes right now."""


class BrokenLogError(Exception):
    """The audit log is not whole: nothing of it is given up until somebody has looked."""


@dataclass(frozen=True, slots=True)
class Periods:
    """How long each kind of data is kept."""

    transactions: timedelta = timedelta(days=2_555)
    analyses: timedelta = timedelta(days=2_555)
    audit: timedelta = timedelta(days=3_650)
    temporary_analyses: timedelta = timedelta(hours=24)


STEPS: Final = (
    ("temporary_reviews", "temporary_analyses"),
    ("filings", "analyses"),
    ("filing_batches", "analyses"),
    ("case_evidence", "analyses"),
    ("case_events", "analyses"),
    ("cases", "analyses"),
    ("reviews", "analyses"),
    ("flagged", "analyses"),
    ("analyst_answers", "analyses"),
    ("transfer_parties", "transactions"),
    ("transfer_events", "transactions"),
    ("transfers", "transactions"),
    ("authorizations", "transactions"),
    ("labels", "transactions"),
)
"""Table (or the part of one) and the period it is kept for, in order: what refers to others goes before them."""


class Retention:
    """
    Deletes what is older than its period.

    `is_whole` tells whether the audit log verifies: rows of it are given up only where it does.
    """

    def __init__(
        self,
        database: Database,
        checkpointer: Checkpointer,
        is_whole: Callable[[], Any],
        periods: Periods,
        now: Callable[[], datetime],
        batch_max: int = 5_000,
    ) -> None:
        self._database = database
        self._checkpointer = checkpointer
        self._is_whole = is_whole
        self._periods = periods
        self._now = now
        self._batch_max = batch_max
        self._sql = queries("compliance.audit")

    async def run(self, actor: Actor, *, dry_run: bool = False) -> dict[str, int]:
        """
        Deletes, and returns the rows by table. A dry run deletes in one transaction and takes it back.

        Raises Denied, RetentionBusyError, BrokenLogError (after all else was done).
        """
        require(actor, Permission.ADMINISTER)
        now = self._now()
        connection = await self._database.connect()
        try:
            if not await connection.fetchval(self._sql["try_retention"], LOCK):
                raise RetentionBusyError("another process deletes what is too old right now: try again later")
            if dry_run:
                return await self._rehearse(connection, now)
            done = {}
            for table, period in STEPS:
                done[table] = await self._step(
                    connection, table, now - getattr(self._periods, period), now, actor
                )
            done["audit"] = await self._prune(connection, now, actor)
            return done
        finally:
            await connection.close()

    async def _step(self, connection: Any, table: str, before: datetime, now: datetime, actor: Actor) -> int:
        total = 0
        while True:
            async with connection.transaction():
                count = await self._delete(connection, table, before, now, self._batch_max)
                if count:
                    await append(connection, [_deleted(actor, table, count, before)])
            total += count
            if count < self._batch_max:
                return total
            await asyncio.sleep(0)

    async def _delete(self, connection: Any, table: str, before: datetime, now: datetime, limit: int) -> int:
        return await connection.fetchval(self._sql[f"delete_{table}"], before, now, limit, timeout=_TIMEOUT_S)

    async def _rehearse(self, connection: Any, now: datetime) -> dict[str, int]:
        transaction = connection.transaction()
        await transaction.start()
        try:
            done = {}
            for table, period in STEPS:
                before = now - getattr(self._periods, period)
                done[table] = await self._delete(connection, table, before, now, _EVERYTHING)
            row = await self._given_up(connection, now)
            done["audit"] = await connection.fetchval(self._sql["rows_up_to"], row)
            return done
        finally:
            await transaction.rollback()

    async def _given_up(self, connection: Any, now: datetime) -> int:
        """The row of the audit log up to which all is older than its period, at the end of a checkpoint; 0 = none."""
        return await connection.fetchval(
            self._sql["prunable_to"], now - self._periods.audit, now, timeout=_TIMEOUT_S
        )

    async def _prune(self, connection: Any, now: datetime, actor: Actor) -> int:
        """Gives up what is too old of the log: signed first, then deleted checkpoint by checkpoint, the oldest first."""
        row = await self._given_up(connection, now)
        known = await connection.fetchval(self._sql["pruned_to"])
        if row > known:
            if not await self._is_whole():
                raise BrokenLogError(
                    "the audit log is not whole, so none of it is deleted: see `holdfast audit verify`"
                )
            async with connection.transaction():
                await self._checkpointer.give_up(connection, row)
                await append(
                    connection,
                    [
                        Entry(
                            actor.name, actor.role, "retention.give_up", "audit", {"row": known}, {"row": row}
                        )
                    ],
                )
            await self._checkpointer.copy()
        total = 0
        for end in await connection.fetch(self._sql["given_up_ends"]):
            async with connection.transaction():
                await connection.execute(self._sql["allow_pruning"])
                count = await connection.fetchval(
                    self._sql["delete_audit"], end["last_row"], timeout=_TIMEOUT_S
                )
                await connection.execute(self._sql["refuse_pruning"])
                await append(connection, [_deleted(actor, "audit", count, now - self._periods.audit)])
            total += count
        return total


def _deleted(actor: Actor, table: str, count: int, before: datetime) -> Entry:
    return Entry(
        actor.name,
        actor.role,
        "retention.delete",
        f"table:{table}",
        new={"rows": count, "before": before.isoformat()},
    )
