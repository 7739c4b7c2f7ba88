"""The log as people read it: filtered, newest first, by pages."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from compliance.ports import queries

PAGE_MAX: Final = 1_000


@dataclass(frozen=True, slots=True)
class Row:
    """One row. `hash` is hexadecimal."""

    number: int
    happened_at: datetime
    actor: str
    role: str
    action: str
    resource: str
    old: Mapping[str, Any] | None
    new: Mapping[str, Any] | None
    correlation_id: str
    hash: str


@dataclass(frozen=True, slots=True)
class Filter:
    """Which rows. "" and None = any; `action` ending in `.` or `.*` means all that begin so."""

    actor: str = ""
    action: str = ""
    resource: str = ""
    correlation_id: str = ""
    since: datetime | None = None
    until: datetime | None = None  # not included


async def find(connection: Any, wanted: Filter, *, before: int | None = None, limit: int = 100) -> list[Row]:
    """At most `limit` rows, the newest first. `before` is the number of the last row of the page before."""
    action = wanted.action.removesuffix("*")
    rows = await connection.fetch(
        queries("compliance.audit")["find_rows"],
        wanted.actor or None,
        action or None,
        action.endswith("."),
        wanted.resource or None,
        wanted.correlation_id or None,
        wanted.since,
        wanted.until,
        before,
        min(limit, PAGE_MAX),
    )
    return [row_of(row) for row in rows]


async def show(connection: Any, number: int) -> Row | None:
    """The row of that number."""
    row = await connection.fetchrow(queries("compliance.audit")["row"], number)
    return None if row is None else row_of(row)


def row_of(record: Any) -> Row:
    """A record of `audit` as a row."""
    return Row(
        record["number"],
        record["happened_at"],
        record["actor"],
        record["role"],
        record["action"],
        record["resource"],
        _values(record["old"]),
        _values(record["new"]),
        record["correlation_id"],
        record["hash"].hex(),
    )


def _values(text: str | None) -> Mapping[str, Any] | None:
    return None if text is None else json.loads(text)
