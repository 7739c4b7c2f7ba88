"""
Editions of lists in PostgreSQL: imported, refused, compared with the one before, switched to as one.

An import is one transaction: the editions, what they change, and the row that says which is in force. A reader sees the
old lists or the new ones, never a mixture.
"""

import json
import zlib
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import date, datetime
from typing import Any, Final

from compliance.audit.log import Entry, append
from compliance.ports import Database, queries
from compliance.roles import Actor
from compliance.screening.entries import Edition, ListEntry, ListError

SHRINK_MAX: Final = 0.5
"""An edition with fewer than this share of the names before is taken for a broken file."""
CHANGES_MAX: Final = 1_000_000
_SQL: Final = queries("compliance.screening")


@dataclass(frozen=True, slots=True)
class Imported:
    """What an import came to, for one list."""

    list_name: str
    list_date: str
    entries: int
    names: int
    aliases: int
    addresses: int
    orphans: int
    files: tuple[str, ...]
    added: int
    changed: int
    removed: int
    before: str  # the date of the edition before; "" = there was none
    note: str = ""  # such as a date that is only a file's


async def import_editions(
    database: Database, editions: Sequence[Edition], actor: Actor, *, force: bool = False
) -> list[Imported]:
    """
    Switches to these editions, all or none.

    Raises ListError where one has lost more than half of its names, or is older than what is in force, unless `force`.
    """
    async with database.acquire() as connection, connection.transaction():
        await connection.execute(_SQL["shut_imports"])
        now = {row["list_name"]: row for row in await connection.fetch(_SQL["in_force"])}
        done = [
            await _import(connection, edition, now.get(edition.list_name), actor, force=force)
            for edition in editions
        ]
        await connection.execute(_SQL["tell"])
        await append(
            connection,
            [
                Entry(
                    actor.name,
                    actor.role,
                    "sanctions.import",
                    f"sanctions_list:{one.list_name}",
                    {"date": one.before},
                    {"date": one.list_date, "entries": one.entries, "names": one.names},
                )
                for one in done
            ],
        )
    return done


async def _import(connection: Any, edition: Edition, before: Any, actor: Actor, *, force: bool) -> Imported:
    old: dict[str, ListEntry] = {}
    try:
        day = date.fromisoformat(edition.list_date)
    except ValueError as error:
        raise ListError(f"{edition.list_name}: {edition.list_date!r} is no date: YYYY-MM-DD") from error
    if before is not None:
        if not force:
            _check(edition, day, before)
        old = {
            entry.id: entry for entry in (await entries_of(connection, [before["number"]]))[before["number"]]
        }
    new = {entry.id: entry for entry in edition.entries}
    changes = [(key, "added", entry.names[0].text) for key, entry in new.items() if key not in old]
    changes += [
        (key, "changed", entry.names[0].text)
        for key, entry in new.items()
        if key in old and old[key].digest != entry.digest
    ]
    changes += [(key, "removed", entry.names[0].text) for key, entry in old.items() if key not in new]
    content = json.dumps([asdict(entry) for entry in edition.entries], ensure_ascii=False)
    number = await connection.fetchval(
        _SQL["add_edition"],
        edition.list_name,
        day,
        len(edition.entries),
        edition.name_count,
        edition.alias_count,
        edition.address_count,
        edition.orphan_count,
        list(edition.files),
        zlib.compress(content.encode(), 6),
        actor.name,
    )
    await connection.execute(
        _SQL["add_changes"], number, *([change[at] for change in changes] for at in range(3))
    )
    await connection.execute(_SQL["switch"], edition.list_name, number, actor.name)
    kinds = [kind for _, kind, _ in changes]
    return Imported(
        edition.list_name,
        edition.list_date,
        len(edition.entries),
        edition.name_count,
        edition.alias_count,
        edition.address_count,
        edition.orphan_count,
        edition.files,
        kinds.count("added"),
        kinds.count("changed"),
        kinds.count("removed"),
        "" if before is None else before["list_date"].isoformat(),
        "" if edition.date_is_known else "date unknown: file time",
    )


def _check(edition: Edition, day: date, before: Any) -> None:
    if day < before["list_date"]:
        raise ListError(
            f"{edition.list_name}: of {day}, older than the one in force, of {before['list_date']}; --force takes it"
        )
    for what, new, old in (
        ("entries", len(edition.entries), before["entry_count"]),
        ("names", edition.name_count, before["name_count"]),
    ):
        if new < SHRINK_MAX * old:
            raise ListError(
                f"{edition.list_name}: {new:,} {what} where the one in force has {old:,}: cut short, or its aliases were"
                " not given; the last good list stays. --force takes it"
            )


async def entries_of(connection: Any, numbers: Sequence[int]) -> dict[int, tuple[ListEntry, ...]]:
    """The entries of editions by their numbers."""
    return {
        row["number"]: tuple(ListEntry.of(each) for each in json.loads(zlib.decompress(row["content"])))
        for row in await connection.fetch(_SQL["content"], list(numbers))
    }


async def lists_in_force(database: Database) -> list[dict[str, Any]]:
    """What is in force, list by list, with dates and counts."""
    async with database.acquire() as connection:
        return [dict(row) for row in await connection.fetch(_SQL["in_force"])]


async def changes_of(database: Database, list_name: str | None, limit: int) -> list[dict[str, Any]]:
    """What the editions in force changed against those before."""
    async with database.acquire() as connection:
        return [dict(row) for row in await connection.fetch(_SQL["changes"], list_name, limit)]


async def matches_of(database: Database, limit: int) -> list[dict[str, Any]]:
    """Customers that are on lists."""
    async with database.acquire() as connection:
        return [dict(row) for row in await connection.fetch(_SQL["matches"], limit)]


def age_days(now: datetime, list_date: date) -> int:
    """How old a list is."""
    return (now.date() - list_date).days
