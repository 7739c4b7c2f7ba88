"""`holdfast comply summary`: what was flagged, reviewed and decided, by the day."""

from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

import typer

from server.cli.desk import AsJson, Home
from server.cli.office import Office, at_office
from server.cli.output import rows, show


def summary(
    days: Annotated[int, typer.Option(min=1, max=3_650, help="So many days back, today among them.")] = 7,
    home: Home = None,
    as_json: AsJson = False,
) -> None:
    """What was flagged, reviewed and decided, by the day (UTC) on which it was flagged."""
    found = at_office(home, "see_cases", lambda office: _made_anew(office, days))
    columns = ("day", "source", "kind", "tier", "origin", "disposition", "flagged", "reviewed", "parked")
    counts = ("with_hits", "matched", "cases", "cases_undecided")
    show(
        found,
        as_json=as_json,
        table=lambda: rows(
            "by the day",
            (*columns, *(name.replace("_", " ") for name in counts), "USD", "seconds to review"),
            [
                (
                    *(row[name] for name in columns + counts),
                    f"{row['usd_minor'] / 100:,.2f}",
                    "" if row["review_s_mean"] is None else f"{row['review_s_mean']:.1f}",
                )
                for row in found
            ],
        ),
    )


async def _made_anew(office: Office, days: int) -> list[Any]:
    from compliance.review.summary import daily_summary, refresh_summary

    await refresh_summary(office.database)
    since = (datetime.now(UTC) - timedelta(days=days - 1)).date()
    return [{**row, "day": row["day"].isoformat()} for row in await daily_summary(office.database, since)]
