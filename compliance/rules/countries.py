"""Countries: high-risk and sanctioned, each row with its source and date; kept, imported, and as a review sees them."""

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum
from typing import Any, Final

from compliance.ports import Database, queries

ROWS_MAX: Final = 2_000
_COLUMNS: Final = ("country", "status", "source", "as_of")
_TEXT_MAX: Final = 200


class CountryStatus(StrEnum):
    """What a list says of a country."""

    HIGH_RISK = "high_risk"
    SANCTIONED = "sanctioned"  # comprehensively: any dealing needs a licence


@dataclass(frozen=True, slots=True)
class Listed:
    """A country on a list."""

    country: str  # ISO 3166-1 alpha-2
    status: CountryStatus
    source: str  # such as FATF: call for action
    as_of: date  # the list's own date
    note: str = ""


@dataclass(frozen=True, slots=True)
class CountryTable:
    """What is known of countries. Empty is a table too: nothing is listed."""

    high_risk: Mapping[str, Listed] = field(default_factory=dict)
    sanctioned: Mapping[str, Listed] = field(default_factory=dict)

    @classmethod
    def of(cls, rows: Iterable[Listed]) -> "CountryTable":
        """From rows; of two of one status, the newer list is the one that is named."""
        found: dict[CountryStatus, dict[str, Listed]] = {status: {} for status in CountryStatus}
        for row in sorted(rows, key=lambda row: row.as_of):
            found[row.status][row.country] = row
        return cls(found[CountryStatus.HIGH_RISK], found[CountryStatus.SANCTIONED])

    def is_sanctioned(self, country: str) -> bool:
        """Whether the country is under a comprehensive programme."""
        return country in self.sanctioned

    def is_high_risk(self, country: str) -> bool:
        """Whether the country is high-risk; a sanctioned one always is."""
        return country in self.high_risk or country in self.sanctioned

    def listed(self, country: str) -> Listed | None:
        """The row that says so, sanctions first; None where the country is on no list."""
        return self.sanctioned.get(country) or self.high_risk.get(country)


class CountryFileError(ValueError):
    """A file of countries that can't be taken; the message names line and column, and what is allowed."""


def read_file(text: str, known: frozenset[str]) -> list[Listed]:
    """
    Countries from CSV with the header `country,status,source,as_of` and, if wanted, `note`.

    `known` are the codes of ISO 3166-1 alpha-2. Raises CountryFileError; all or nothing.
    """
    reader = csv.DictReader(io.StringIO(text.removeprefix("\ufeff")), strict=True)
    missing = [name for name in _COLUMNS if name not in (reader.fieldnames or ())]
    if missing:
        raise CountryFileError(
            f"no column {', '.join(missing)}: the header is country,status,source,as_of[,note]"
        )
    rows: dict[tuple[str, str, str], Listed] = {}
    try:
        for row in reader:
            listed = _row(row, reader.line_num, known)
            if len(rows) >= ROWS_MAX:
                raise CountryFileError(f"more than {ROWS_MAX} rows")
            if rows.setdefault((listed.country, listed.status, listed.source), listed) is not listed:
                raise CountryFileError(
                    f"line {reader.line_num}: {listed.country} is {listed.status} by {listed.source} twice"
                )
    except csv.Error as error:
        raise CountryFileError(f"line {reader.line_num}: {error}") from error
    if not rows:
        raise CountryFileError("no rows: a list that is meant to be empty is removed by its source")
    return list(rows.values())


def _row(row: Mapping[str | None, Any], line: int, known: frozenset[str]) -> Listed:
    def text(name: str) -> str:
        return (row.get(name) or "").strip()

    country, status, source = text("country").upper(), text("status").lower(), text("source")
    if None in row:
        raise CountryFileError(f"line {line}: more fields than the header names")
    if country not in known:
        raise CountryFileError(
            f"line {line}, country: {country[:20]!r} is no ISO 3166-1 alpha-2 code such as IR"
        )
    if status not in set(CountryStatus):
        raise CountryFileError(f"line {line}, status: one of {', '.join(CountryStatus)}, not {status[:20]!r}")
    if not 1 <= len(source) <= _TEXT_MAX or len(text("note")) > _TEXT_MAX:
        raise CountryFileError(
            f"line {line}, source and note: at most {_TEXT_MAX} characters, source not empty"
        )
    try:
        as_of = date.fromisoformat(text("as_of"))
    except ValueError:
        raise CountryFileError(
            f"line {line}, as_of: a date such as 2025-10-24, not {text('as_of')[:20]!r}"
        ) from None
    return Listed(country, CountryStatus(status), source, as_of, text("note"))


async def load_countries(database: Database) -> CountryTable:
    """What is listed now."""
    return CountryTable.of(await listed_countries(database))


async def listed_countries(database: Database) -> list[Listed]:
    """Every row that counts now, by country."""
    async with database.acquire() as connection:
        rows = await connection.fetch(queries("compliance.rules")["countries"])
    return [
        Listed(row["country"], CountryStatus(row["status"]), row["source"], row["as_of"], row["note"])
        for row in rows
    ]


@dataclass(frozen=True, slots=True)
class Replaced:
    """What an import changed of one source."""

    source: str
    as_of: date
    rows: int
    added: tuple[str, ...]  # countries
    removed: tuple[str, ...]


async def replace_countries(connection: Any, rows: Sequence[Listed], actor: str) -> list[Replaced]:
    """
    Replace the lists of the sources that `rows` name, whole, in the caller's transaction; other sources stay.

    Rows that no longer count are kept, with who removed them and when.
    """
    sql = queries("compliance.rules")
    await connection.execute(sql["lock_countries"])
    changes = []
    for source in sorted({row.source for row in rows}):
        own = [row for row in rows if row.source == source]
        before = {row["country"] for row in await connection.fetch(sql["retire_countries"], source, actor)}
        await connection.execute(
            sql["add_countries"],
            [row.country for row in own],
            [row.status for row in own],
            [row.as_of for row in own],
            [row.note for row in own],
            source,
            actor,
        )
        after = {row.country for row in own}
        changes.append(
            Replaced(
                source,
                max(row.as_of for row in own),
                len(own),
                tuple(sorted(after - before)),
                tuple(sorted(before - after)),
            )
        )
    return changes


async def remove_countries(connection: Any, source: str, actor: str) -> list[str]:
    """Take a source's list out, whole; the countries that were on it. Empty where there is no such source."""
    rows = await connection.fetch(queries("compliance.rules")["retire_countries"], source, actor)
    return sorted({row["country"] for row in rows})
