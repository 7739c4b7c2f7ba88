"""
Customers held against the lists: when they come, when they change, and when lists change.

Who was screened before is held only against entries that were added or changed since. A batch is one transaction: what
died in its midst is done again, and comes to the same.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any, Final

from compliance.audit.log import Entry, append
from compliance.calendar import business_days_after
from compliance.facts import PartyRole
from compliance.ports import Database, Seals, queries
from compliance.results import Hit
from compliance.roles import WORKER
from compliance.screening.lists import Lists
from compliance.screening.screener import Asked, Screener

_SQL: Final = queries("compliance.screening")
BATCH: Final = 500
REPORT_BUSINESS_DAYS: Final = 10
"""A report on blocked property is due so soon: 31 CFR 501.603(b)(1)."""

Flagger = Callable[[Any, Sequence[int]], Awaitable[None]]
"""Told, in the transaction, which customers have news: they are to be reviewed."""


@dataclass(slots=True)
class Screened:
    """What a run came to."""

    customers: int = 0
    news: int = 0  # hits that were not known before
    blocked: int = 0  # customers whose cards answer 59 from now on
    unreadable: list[int] = field(
        default_factory=list
    )  # customers whose record can't be unsealed: not screened


async def screen_customers(
    database: Database,
    seals: Seals,
    lists: Lists,
    now: datetime,
    flag: Flagger | None = None,
    batch: int = BATCH,
) -> Screened:
    """Everybody who is due, batch by batch; nothing where no list was imported."""
    done = Screened()
    edition = lists.newest
    if not edition:
        return done
    narrowed: dict[int, Screener] = {edition: Screener(()), 0: lists.screener}
    after = -1
    while True:
        async with database.acquire() as connection:
            rows = await connection.fetch(_SQL["unscreened"], edition, batch, after)
        if not rows:
            return done
        for since in {row["edition"] for row in rows} - narrowed.keys():
            narrowed[since] = Screener(lists.only(await lists.changed_since(since)), lists.thresholds)
        after = rows[-1]["number"]
        found, unreadable = await asyncio.to_thread(_screened, seals, rows, narrowed)
        done.unreadable += unreadable
        rows = [row for row in rows if row["number"] not in unreadable]
        async with database.acquire() as connection, connection.transaction():
            await _keep(connection, lists, found, now, flag, done)
            await connection.execute(
                _SQL["note_screened"],
                [row["number"] for row in rows],
                [str(row["version"]) for row in rows],
                edition,
            )
        done.customers += len(rows)


def _screened(
    seals: Seals, rows: Sequence[Any], screeners: dict[int, Screener]
) -> tuple[list[tuple[int, list[Hit]]], list[int]]:
    """The customers' hits, and who can't be read: one torn record must not keep everybody else unscreened."""
    found, unreadable = [], []
    for row in rows:
        try:
            asked = _asked(seals, row)
        except Exception:
            unreadable.append(row["number"])
            continue
        found.append((row["number"], screeners[row["edition"]].screen_many([asked])[0]))
    return found, unreadable


def _asked(seals: Seals, row: Any) -> Asked:
    given = seals.unseal("customers.given_name", row["given_name"])
    family = seals.unseal("customers.family_name", row["family_name"])
    sealed = row["birth_date"]
    born = date.fromisoformat(seals.unseal("customers.birth_date", sealed)) if sealed else None
    countries = (row["country"],) if row["country"] else ()
    return Asked(f"{given} {family}".strip(), born, countries, PartyRole.CUSTOMER)


async def _keep(
    connection: Any,
    lists: Lists,
    found: Sequence[tuple[int, list[Hit]]],
    now: datetime,
    flag: Flagger | None,
    done: Screened,
) -> None:
    audited: list[Entry] = []
    news: list[int] = []
    due = business_days_after(now.date(), REPORT_BUSINESS_DAYS)
    for number, hits in found:
        for hit in hits:
            is_cleared = lists.cleared(number, hit)
            state = "cleared" if is_cleared else "true" if hit.is_match else "possible"
            is_news = await connection.fetchval(
                _SQL["note_match"],
                number,
                hit.list_name,
                hit.entry_id,
                hit.score,
                state,
                date.fromisoformat(hit.list_date),
                due if state == "true" else None,
                WORKER.name,
            )
            if not is_news:
                continue
            done.news += 1
            audited.append(_entry(number, f"sanctions.{state}", hit, due))
            if state != "cleared":
                news.append(number)
            if state == "true" and await connection.fetchval(_SQL["block_customer"], number) is not None:
                done.blocked += 1
                audited.append(_entry(number, "customer.block", hit, due))
    if news and flag is not None:
        await flag(connection, list(dict.fromkeys(news)))
    if audited:
        await append(connection, audited)


def _entry(number: int, action: str, hit: Hit, due: date) -> Entry:
    new: dict[str, Any] = {"list": hit.list_name, "entry": hit.entry_id, "score": hit.score}
    if action in {"sanctions.true", "customer.block"}:
        new["report_due"] = due.isoformat()
    return Entry(WORKER.name, WORKER.role, action, f"customer:{number}", None, new)
