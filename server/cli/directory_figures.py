"""
How large and how fast a directory of so many cards is, on a PostgreSQL of its own that is thrown away.

Its rows are written by SQL, without the indexes that a full read doesn't use; names and numbers in them are no one's.
"""

import time
from collections.abc import Callable
from typing import Any, Final

import numpy as np

from loadtest.figure import Figure
from loadtest.processes import scratch
from server.core.directory import CARD, Directory, DirectoryChange, slices
from server.core.directory_file import DIRECTORY, DirectoryFile
from server.core.record import REQUEST, CardReference
from server.keys import Keys
from server.store.database import Database
from server.store.directory_feed import DirectoryFeed
from server.store.queries import query

WRITTEN_AT_ONCE: Final = 500_000
CHANGED_MAX: Final = 1_000_000
CHANGES: Final = 3
LOOKUPS: Final = 3_000
_BATCH: Final = 32
_BARS: Final = {"memory_gb": 2.0, "postgresql_s": 30.0, "file_s": 5.0, "slice_ms": 5.0, "lookup_us": 100.0}
_UNREAD: Final = ("cards_pan_hash_key", "cards_id_key")
_ROWS: Final = ("fill_customers", "fill_accounts", "fill_cards")


async def directory_figures(cards: int, told: Callable[[str], None]) -> dict[str, Any]:
    """Measure; a document with `figures`. The bars are those of ten million cards, whatever their number."""
    with scratch("directory") as home:
        keys = Keys.open(home)
        database = Database.at(home, None)
        try:
            await database.open()
            await database.belongs_to(keys)
            await _write(database, cards, told)
            told("reading all of it from PostgreSQL")
            _warm_up()
            directory, read_s = await _read(database)
        finally:
            await database.close()
        told("writing and reading its file")
        file = DirectoryFile(directory, home / DIRECTORY)
        await file.renew({})
        again, began_s = Directory(), time.perf_counter()
        DirectoryFile(again, home / DIRECTORY).load()
        load_s = time.perf_counter() - began_s
        assert again.count == directory.count == cards
    told("looking cards up, and changing them")
    values = {
        "memory_gb": directory.used_bytes / 1e9,
        "postgresql_s": read_s,
        "file_s": load_s,
        "slice_ms": _change(directory) * 1e3,
        "lookup_us": _look_up(directory) * 1e6,
    }
    named = {
        "memory_gb": ("memory of cards and index", "GB"),
        "postgresql_s": ("read from PostgreSQL", "s"),
        "file_s": ("read from its file", "s"),
        "slice_ms": (f"longest slice of a change of {min(cards, CHANGED_MAX):,}", "ms"),
        "lookup_us": (f"lookup of {_BATCH} at random", "us"),
    }
    figures = [
        Figure(*named[name], value, _BARS[name], is_floor=False).document() for name, value in values.items()
    ]
    return {"cards": cards, "figures": figures, "passes": all(figure["passes"] for figure in figures)}


async def _write(database: Database, cards: int, told: Callable[[str], None]) -> None:
    connection = await database.connect()
    try:
        await connection.execute("SET session_replication_role = replica")
        for name in _UNREAD:
            await connection.execute(f"ALTER TABLE cards DROP CONSTRAINT {name}")
        for first in range(0, cards, WRITTEN_AT_ONCE):
            last = min(cards, first + WRITTEN_AT_ONCE) - 1
            for name in _ROWS:
                await connection.execute(query(name), first, last, timeout=600)
            told(f"{last + 1:,} of {cards:,} cards written")
        # As after any loading in bulk: see `server.store.portfolio`.
        await connection.execute("VACUUM (ANALYZE) customers, accounts, cards", timeout=600)
    finally:
        connection.terminate()


async def _read(database: Database) -> tuple[Directory, float]:
    directory, began_s = Directory(), time.perf_counter()
    async for chunk in DirectoryFeed(database).read(None):
        for part in slices(chunk.change):
            directory.apply(part)
    return directory, time.perf_counter() - began_s


def _warm_up() -> None:
    """Compile, or load, what is measured."""
    directory, made = Directory(), _cards_of(np.arange(1, 3, dtype=np.uint32))
    directory.apply(DirectoryChange(cards=made))
    directory.apply(DirectoryChange(cards=_cards_of(np.arange(1, 9_000, dtype=np.uint32))))
    _look_up(directory)


def _cards_of(numbers: Any) -> Any:
    made = np.zeros(len(numbers), CARD)
    made["number"] = made["account_number"] = numbers
    made["pan_key"][:, 0] = numbers.astype(np.uint64) * np.uint64(0x9E37_79B9_7F4A_7C15)
    return made


def _change(directory: Directory) -> float:
    """Seconds of the loop's thread that the longest slice of a change of many cards takes, the median of some changes."""
    rows = np.random.default_rng(2).permutation(directory.rows)[:CHANGED_MAX]
    changed = directory.cards[rows]
    longest_s = []
    for change in range(CHANGES):
        changed["state"] = change
        taken_s = []
        for part in slices(DirectoryChange(cards=changed)):
            began_s = time.thread_time()
            directory.apply(part)
            taken_s.append(time.thread_time() - began_s)
        longest_s.append(max(taken_s))
    return float(np.median(longest_s))


def _look_up(directory: Directory) -> float:
    """Seconds of a batch of lookups, the median."""
    draw = np.random.default_rng(1)
    taken_s = []
    known = np.flatnonzero(directory.cards["known"][: directory.rows])
    for _ in range(LOOKUPS):
        rows = draw.choice(known, _BATCH)
        requests = np.zeros(_BATCH, REQUEST)
        requests["card_reference"], requests["card_key"] = CardReference.PAN, directory.cards["pan_key"][rows]
        began_s = time.perf_counter()
        found = directory.find(requests)
        taken_s.append(time.perf_counter() - began_s)
        assert (found == rows).all()
    return float(np.median(taken_s))
