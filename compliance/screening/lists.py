"""The lists in force: read from PostgreSQL, indexed beside the event loop, switched to as one; and who was cleared of what."""

import asyncio
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime
from typing import Any, Final, Self

from compliance.ports import Database, Seals, queries
from compliance.results import Hit
from compliance.screening.entries import Edition, ListEntry, Thresholds
from compliance.screening.register import entries_of
from compliance.screening.screener import Screener

_SQL: Final = queries("compliance.screening")
_Cleared = frozenset[tuple[int | bytes, str, str, str]]


def party_key(seals: Seals, name: str) -> bytes:
    """The key by which somebody who is no customer is cleared: of its name, letter case and spaces apart."""
    return seals.party_key(f"screened|{' '.join(name.split()).casefold()}")


class Lists:
    """What is in force. `open` makes it; without an import it is empty, and `versions` says so."""

    def __init__(self, database: Database, seals: Seals, thresholds: Thresholds) -> None:
        self._database = database
        self._seals = seals
        self._thresholds = thresholds
        self._state: tuple[tuple[int, ...], int, date] | None = None
        self._numbers: tuple[int, ...] = ()
        self._cleared: _Cleared = frozenset()
        self._digests: Mapping[tuple[str, str], str] = {}
        self.editions: tuple[Edition, ...] = ()
        self.screener = Screener((), thresholds)
        self.versions: Mapping[str, str] = {}

    @classmethod
    async def open(cls, database: Database, seals: Seals, thresholds: Thresholds | None = None) -> Self:
        """The lists as they are now."""
        lists = cls(database, seals, thresholds or Thresholds())
        await lists.refresh()
        return lists

    @property
    def newest(self) -> int:
        """The number of the newest edition in force; 0 = none is."""
        return max(self._numbers, default=0)

    @property
    def thresholds(self) -> Thresholds:
        """From where a likeness is told, and from where it blocks."""
        return self._thresholds

    async def refresh(self) -> bool:
        """Follows PostgreSQL: True where another edition or another exception counts now than before."""
        today = datetime.now(UTC).date()
        async with self._database.acquire() as connection:
            rows = await connection.fetch(_SQL["in_force"])
            mark = await connection.fetchval(_SQL["exceptions_mark"])
            numbers = tuple(row["number"] for row in rows)
            if (numbers, mark, today) == self._state:
                return False
            cleared = await connection.fetch(_SQL["exceptions"], today)
            changed = numbers != self._numbers
            contents = await entries_of(connection, numbers) if changed else {}
        if changed:
            editions = tuple(
                Edition(row["list_name"], row["list_date"].isoformat(), contents[row["number"]])
                for row in rows
            )
            # Seconds of work: on a thread, while the screener of before goes on answering.
            screener, digests = await asyncio.to_thread(_indexed, editions, self._thresholds)
            self.editions, self.screener, self._digests = editions, screener, digests
            self.versions = {edition.list_name: edition.list_date for edition in editions}
            self._numbers = numbers
        self._cleared = frozenset(
            (
                row["party_key"] if row["customer_number"] is None else row["customer_number"],
                row["list_name"],
                row["entry_id"],
                row["entry_digest"],
            )
            for row in cleared
        )
        self._state = (numbers, mark, today)
        return True

    def digest(self, list_name: str, entry_id: str) -> str | None:
        """Of an entry in force; None where there is none."""
        return self._digests.get((list_name, entry_id))

    def cleared(self, key: int | str | bytes, hit: Hit) -> bool:
        """
        Whether somebody was found not to be this entry: a customer by number, another party by name or `party_key`.

        An exception ends where the entry has changed since. A cleared hit is still shown, as cleared.
        """
        if isinstance(key, str):
            key = party_key(self._seals, key)
        digest = self._digests.get((hit.list_name, hit.entry_id), "")
        return (key, hit.list_name, hit.entry_id, digest) in self._cleared

    def only(self, wanted: Sequence[tuple[str, str]]) -> tuple[Edition, ...]:
        """The editions in force with no entries but those wanted, as (list, entry id)."""
        asked = set(wanted)
        return tuple(
            Edition(
                edition.list_name,
                edition.list_date,
                tuple(entry for entry in edition.entries if (edition.list_name, entry.id) in asked),
            )
            for edition in self.editions
        )

    async def changed_since(self, number: int) -> Sequence[tuple[str, str]]:
        """Entries that editions after `number` added or changed."""
        async with self._database.acquire() as connection:
            rows: Sequence[Any] = await connection.fetch(_SQL["changed_since"], number)
        return [(row["list_name"], row["entry_id"]) for row in rows]


def _indexed(
    editions: Sequence[Edition], thresholds: Thresholds
) -> tuple[Screener, Mapping[tuple[str, str], str]]:
    digests: dict[tuple[str, str], str] = {}
    for edition in editions:
        entries: Sequence[ListEntry] = edition.entries
        digests.update({(edition.list_name, entry.id): entry.digest for entry in entries})
    return Screener(editions, thresholds), digests
