"""What was flagged, reviewed and decided, by the day: a materialized view, made anew beside the work."""

from collections.abc import Mapping
from datetime import date
from typing import Any

from compliance.ports import Database, queries

_SQL = "compliance.review"


async def refresh_summary(database: Database) -> None:
    """Make it anew; who reads it meanwhile sees what was."""
    async with database.acquire() as connection:
        await connection.execute(queries(_SQL)["refresh_daily_summary"])


async def daily_summary(database: Database, since: date) -> list[Mapping[str, Any]]:
    """Its rows from `since` (UTC) on, the newest day first."""
    async with database.acquire() as connection:
        return [dict(row) for row in await connection.fetch(queries(_SQL)["daily_summary"], since)]
