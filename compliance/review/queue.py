"""
What waits for a review: a queue in PostgreSQL.

    waiting → claimed   a worker takes it, until its lease ends
    claimed → done      reviewed: in the transaction that keeps the review and opens the case
    claimed → waiting   the review failed and is tried again on schedule; or its worker stopped, or died with the lease
    claimed → parked    the last try failed: it waits for somebody, with the reason
    parked  → waiting   somebody has it tried again

Whoever finishes must still hold the claim: a review of a worker that was taken for dead is thrown away.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from compliance.facts import Flag, Source
from compliance.ports import queries
from compliance.review.schedule import PAUSES, TRIES_MAX

CHANNEL: Final = "holdfast_flagged"
"""Told when something is flagged: a hint; whoever waits looks by itself too."""

TROUBLE_SIZE_MAX: Final = 500


@dataclass(frozen=True, slots=True)
class Claim:
    """A flagged row that this worker has."""

    id: UUID
    source: Source
    source_id: UUID
    flags: tuple[Flag, ...]
    tries: int


@dataclass(frozen=True, slots=True)
class Waiting:
    """A row of the queue, for people."""

    id: UUID
    source: str
    source_id: UUID
    kind: str
    flags: tuple[str, ...]
    state: str
    tries: int
    due_at: datetime
    claimed_by: str
    trouble: str
    flagged_at: datetime


class Queue:
    """One worker's hand on the queue; `holder` names it and no other."""

    def __init__(self, holder: str, lease: timedelta) -> None:
        self.holder = holder
        self._lease = lease
        self._sql = queries("compliance.review")

    async def claim(self, connection: Any, count_max: int) -> list[Claim]:
        """What is due, at most so much, the urgent first; nobody else gets it until the lease ends."""
        rows = await connection.fetch(self._sql["claim"], count_max, self.holder, self._lease)
        return [
            Claim(
                row["id"],
                Source(row["source"]),
                row["source_id"],
                tuple(map(Flag, row["flags"])),
                row["tries"],
            )
            for row in rows
        ]

    async def extend(self, connection: Any, ids: Sequence[UUID]) -> None:
        """The lease begins anew."""
        await connection.execute(self._sql["extend"], ids, self.holder, self._lease)

    async def finish(self, connection: Any, ids: Sequence[UUID]) -> set[UUID]:
        """They are done: those that this worker still holds. In the transaction that keeps their reviews."""
        rows = await connection.fetch(self._sql["finish"], ids, self.holder)
        return {row["id"] for row in rows}

    async def fail(self, connection: Any, identifier: UUID, why: str) -> str:
        """Try it again on schedule, or park it; the state it is in now, or empty where it was not ours."""
        text = why.replace("\0", "")[:TROUBLE_SIZE_MAX]
        state = await connection.fetchval(self._sql["fail"], identifier, self.holder, text, PAUSES, TRIES_MAX)
        return state or ""

    async def give_back(self, connection: Any, ids: Sequence[UUID]) -> None:
        """They were not tried: somebody else may have them at once."""
        await connection.execute(self._sql["give_back"], ids, self.holder)

    async def rescue(self, connection: Any) -> list[UUID]:
        """Take back what dead workers hold; what has killed its workers too often is parked."""
        rows = await connection.fetch(self._sql["rescue"], self.holder, TRIES_MAX)
        return [row["id"] for row in rows]


async def depth(connection: Any) -> tuple[dict[str, int], float]:
    """Rows by state, but for done, and the age in seconds of the one that has waited longest."""
    rows = await connection.fetch(queries("compliance.review")["depth"])
    return {row["state"]: row["count"] for row in rows}, max((row["oldest_s"] for row in rows), default=0.0)


async def look(connection: Any, states: Sequence[str], count_max: int) -> list[Waiting]:
    """What is in these states, the longest first."""
    rows = await connection.fetch(queries("compliance.review")["look"], list(states), count_max)
    return [Waiting(**{**dict(row), "flags": tuple(row["flags"])}) for row in rows]


async def retry(connection: Any, ids: Sequence[UUID] | None, actor: str) -> list[UUID]:
    """Have parked rows tried again, all of them where `ids` is None; which they were."""
    rows = await connection.fetch(
        queries("compliance.review")["retry"], None if ids is None else list(ids), actor
    )
    return [row["id"] for row in rows]
