"""
What is new since a position, without gaps.

An event carries the transaction that wrote it. A reader asks for events after a position and stops below the oldest
transaction still running: nothing can appear behind him, whoever commits when.
"""

from datetime import datetime
from typing import Any, Final, NamedTuple, Self
from uuid import UUID

from compliance.ports import queries

CHANNEL: Final = "holdfast_cases"
"""Notified whenever a case has taken a step."""

AT_ONCE: Final = 200


class Position(NamedTuple):
    """Up to where a reader has heard."""

    version: int
    number: int

    @classmethod
    async def now(cls, connection: Any) -> Self:
        """What is written from here on is new."""
        return cls(await connection.fetchval(queries("compliance.cases")["watch_position"]), 0)


class Change(NamedTuple):
    """A step of a case, as a reader hears of it."""

    position: Position
    case_id: UUID
    event: str
    actor: str
    happened_at: datetime


async def changes_after(connection: Any, position: Position) -> list[Change]:
    """At most AT_ONCE steps after `position`, in order."""
    rows = await connection.fetch(
        queries("compliance.cases")["changes"], position.version, position.number, AT_ONCE
    )
    return [
        Change(
            Position(row["version"], row["number"]),
            row["case_id"],
            row["event"],
            row["actor"],
            row["happened_at"],
        )
        for row in rows
    ]
