"""The daily summary counts what stands in the tables, and says nothing of filings."""

import asyncio
import uuid
from datetime import UTC, date, datetime, timedelta

import asyncpg

from compliance.review.summary import daily_summary, refresh_summary
from server.store.database import Database

NOW = datetime(2026, 3, 2, 12, tzinfo=UTC)
_FLAGGED = """
    INSERT INTO flagged (id, source, source_id, kind, direction, amount_minor, currency, usd_minor, happened_at, flags,
                         flagged_at, changed_by)
    VALUES ($1, 'transfer', $1, $2, 'out', 100, 840, 100, $3, '{kind}', $3, 'test')
"""
_REVIEW = """
    INSERT INTO reviews (flagged_id, source, source_id, tier, composite, origin, hits, matched, document, reviewed_by,
                         reviewed_at)
    VALUES ($1, 'transfer', $1, $2, 10, 'rules', $3, false, '', 'test', $4)
"""


def test_each_flagged_row_counts_once_by_its_newest_review(database_url):
    """Two wires of one day: one reviewed twice, one waiting; one cash deposit of the day before."""

    async def scenario():
        twice, waiting, before = (uuid.uuid4() for _ in range(3))
        connection = await asyncpg.connect(database_url)
        try:
            await connection.execute(_FLAGGED, twice, "wire", NOW)
            await connection.execute(_FLAGGED, waiting, "wire", NOW)
            await connection.execute(_FLAGGED, before, "cash_deposit", NOW - timedelta(days=1))
            await connection.execute(_REVIEW, twice, "low", 0, NOW + timedelta(seconds=2))
            await connection.execute(_REVIEW, twice, "high", 1, NOW + timedelta(seconds=4))
            async with Database(database_url) as database:
                await refresh_summary(database)
                return await daily_summary(database, NOW.date()), await daily_summary(
                    database, date(2026, 1, 1)
                )
        finally:
            await connection.close()

    today, both_days = asyncio.run(scenario())
    found = {row["tier"]: row for row in today}
    assert set(found) == {"", "high"}
    assert (found["high"]["flagged"], found["high"]["reviewed"], found["high"]["with_hits"]) == (1, 1, 1)
    assert found["high"]["review_s_mean"] == 4.0
    assert (found[""]["flagged"], found[""]["reviewed"], found[""]["review_s_mean"]) == (1, 0, None)
    assert [row["kind"] for row in both_days] == ["wire", "wire", "cash_deposit"]
    assert not any("sar" in name or "filing" in name for name in today[0])
