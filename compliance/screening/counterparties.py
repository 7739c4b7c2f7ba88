"""
Counterparties of recent transfers, held against what lists have added or changed since.

A transfer's parties are screened when it is reviewed; this is for the days after. One row says up to which edition
everybody was held, which edition is being worked towards, and behind which key: what dies goes on from there. Whoever is
met has transfers reviewed again: each that still waits, and the newest of each account. That review screens with all that is
known, and opens or raises the case.
"""

import asyncio
import json
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from compliance.ports import Database, Seals, queries
from compliance.screening.lists import Lists
from compliance.screening.screener import Screener

_SQL: Final = queries("compliance.screening")
BATCH: Final = 500

Flagger = Callable[[Any, Sequence[UUID]], Awaitable[bool]]
"""Told, in the transaction, which transfers are to be reviewed again; whether all of them will be."""


@dataclass(slots=True)
class Rescreened:
    """What a run came to."""

    counterparties: int = 0
    met: int = 0  # like an entry that is new or was changed
    transfers: int = 0  # to be reviewed again


async def screen_counterparties(
    database: Database,
    seals: Seals,
    lists: Lists,
    now: datetime,
    flag: Flagger,
    *,
    days: int,
    batch: int = BATCH,
) -> Rescreened:
    """Counterparties of the last `days`, batch by batch, until all were held against the newest edition in force."""
    done = Rescreened()
    edition = lists.newest
    if not edition:
        return done
    since = now - timedelta(days=days)
    narrowed: dict[int, Screener] = {}
    while True:
        async with database.acquire() as connection, connection.transaction():
            place = await connection.fetchrow(_SQL["rescreening"])
            if place is None or place["edition"] >= edition:  # another worker is at it, or it is done
                return done
            held = place["edition"]
            if held not in narrowed:
                changed = await lists.changed_since(held)
                narrowed[held] = await asyncio.to_thread(Screener, lists.only(changed), lists.thresholds)
            after = place["after"] if place["towards"] == edition else b""
            rows: Sequence[Any] = ()
            if narrowed[held].name_count:
                rows = await connection.fetch(_SQL["recent_counterparties"], after, since, batch)
            met = await asyncio.to_thread(_met, seals, rows, lists, narrowed[held])
            transfers = [row["id"] for row in await connection.fetch(_SQL["transfers_of"], met, since)]
            done.counterparties += len(rows)
            done.met += len(met)
            done.transfers += len(transfers)
            if transfers and not await flag(connection, transfers):
                return (
                    done  # one of them is under review, maybe by the lists of before: this batch comes again
                )
            if len(rows) < batch:
                await connection.execute(_SQL["rescreened"], edition)
                return done
            await connection.execute(_SQL["move_rescreening"], edition, rows[-1]["counterparty_key"])


def _met(seals: Seals, rows: Sequence[Any], lists: Lists, screener: Screener) -> list[bytes]:
    return [row["counterparty_key"] for row in rows if _is_met(seals, row, lists, screener)]


def _is_met(seals: Seals, row: Any, lists: Lists, screener: Screener) -> bool:
    """By name alone: the review that follows knows the country."""
    other = json.loads(seals.unseal("transfers.details", row["details"])).get("counterparty") or {}
    names = filter(None, (other.get("name"), other.get("bank_name")))
    return any(not lists.cleared(name, hit) for name in names for hit in screener.screen(name))
