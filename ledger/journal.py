"""
Every batch on disk before it is answered: one SQLite row a batch, in a write-ahead log, fsynced.

The journal is the truth: replayed from its first row, it makes the same books byte for byte. A row carries
its format version, a checksum over everything in it, and a checksum of the results that it had, so that a
replay by other rules is noticed. Nothing damaged is guessed over: LedgerCorrupt names the file, the batch,
and the last good one.
"""

import sqlite3
import struct
import zlib
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path
from typing import Any
from urllib.parse import quote

from ledger.book import LedgerCorrupt
from ledger.log_check import damage_of
from ledger.write_ahead import WriteAheadLog

FORMAT = 1

_PAGE_BYTES = 8192
# Read at once: in between, the log may go home into the file.
_READ_ROWS = 256
_READ_BYTES = 4 << 20

_SCHEMA = """
CREATE TABLE IF NOT EXISTS batch (
    sequence INTEGER PRIMARY KEY,  -- 1, 2, 3, ... without gaps
    format INTEGER NOT NULL,
    kind INTEGER NOT NULL,         -- Kind
    count INTEGER NOT NULL,        -- events
    first_ns INTEGER NOT NULL,     -- the clock when it was taken; expiries come first, then the events
    results_crc32 INTEGER NOT NULL,
    crc32 INTEGER NOT NULL,        -- over the columns above and the body
    body BLOB NOT NULL             -- the events as they came, 128 bytes each
) STRICT
"""
_INSERT = "INSERT INTO batch VALUES (?, ?, ?, ?, ?, ?, ?, ?)"
_READ = (
    "SELECT sequence, format, kind, count, first_ns, results_crc32, crc32, body "
    "FROM batch WHERE sequence > ? AND sequence <= ? ORDER BY sequence LIMIT ?"
)
_LAST = "SELECT coalesce(max(sequence), 0) FROM batch"
_HEADER = struct.Struct("<qqqqqq")


class Kind(IntEnum):
    """What a batch did."""

    CREATE_ACCOUNTS = 1
    CREATE_TRANSFERS = 2
    EXPIRE = 3  # no events: time alone


_KINDS = frozenset(Kind)


@dataclass(frozen=True, slots=True)
class Entry:
    """One batch of the journal; `body` is its events' bytes."""

    kind: Kind
    count: int
    first_ns: int
    results_crc32: int
    body: bytes | memoryview


class Journal:
    """The journal file. Owned by one thread; `last` is the sequence of the last row, 0 for none."""

    def __init__(self, path: Path, *, read_only: bool = False) -> None:
        """
        Open or make the journal; or only read one that another process may be writing.

        Raises LedgerCorrupt where the file is not one, or its log has lost what was acknowledged.
        """
        self.path = path
        self._log: WriteAheadLog | None = None
        if read_only:
            self._connection = _reading(path)
            self.last: int = self._connection.execute(_LAST).fetchone()[0]
            return
        self._check_log()
        self._connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        try:
            self._connection.execute(f"PRAGMA page_size = {_PAGE_BYTES}")
            self._connection.execute("PRAGMA journal_mode = WAL")
            self._connection.execute("PRAGMA synchronous = FULL")
            self._connection.execute(_SCHEMA)
            self.last = self._connection.execute(_LAST).fetchone()[0]
            self._log = WriteAheadLog(path, self._connection, _PAGE_BYTES)
        except sqlite3.DatabaseError as error:
            self._connection.close()
            raise LedgerCorrupt(f"{path} can't be read as a journal: {error}") from error

    def append(self, entries: Sequence[Entry]) -> None:
        """Add these batches in one transaction; durable when it returns. Raises sqlite3.Error."""
        rows = [_row(self.last + i, entry) for i, entry in enumerate(entries, start=1)]
        if len(rows) == 1:
            self._connection.execute(_INSERT, rows[0])
        else:
            self._connection.execute("BEGIN IMMEDIATE")
            self._connection.executemany(_INSERT, rows)
            self._connection.execute("COMMIT")
        self.last += len(rows)
        if self._log is not None:
            self._log.wrote(len(rows), sum(len(entry.body) for entry in entries))

    def read(self, after: int = 0, until: int | None = None) -> Iterator[Entry]:
        """The batches after this sequence, in order, as far as `until`, each checked. Raises LedgerCorrupt."""
        good = after
        end = self.last if until is None else until
        try:
            while good < end:
                cursor = self._connection.execute(_READ, (good, end, _READ_ROWS))
                rows = _some(cursor)
                cursor.close()
                if not rows:
                    raise self._corrupt(f"batch {good + 1} is missing", good)
                for row in rows:
                    yield self._checked(row, good)
                    good += 1
        except sqlite3.DatabaseError as error:
            raise self._corrupt(f"batch {good + 1} can't be read ({error})", good) from error

    def _checked(self, row: tuple[Any, ...], good: int) -> Entry:
        sequence, version, kind, count, first_ns, results_crc32, crc32, body = row
        if not (isinstance(body, bytes) and set(map(type, row[:-1])) == {int}):
            raise self._corrupt(f"batch {good + 1} does not read back as it was written", good)
        entry = Entry(kind, count, first_ns, results_crc32, body)  # its kind is checked below
        if sequence != good + 1:
            raise self._corrupt(f"batch {good + 1} is missing", good)
        if version != FORMAT:
            raise self._corrupt(
                f"batch {sequence} has format {version}, and this program reads {FORMAT}", good
            )
        if crc32 != _crc32(sequence, entry):
            raise self._corrupt(f"batch {sequence} has a wrong checksum", good)
        if kind not in _KINDS:
            raise self._corrupt(f"batch {sequence} has a kind {kind} that this program doesn't know", good)
        return entry

    def _check_log(self) -> None:
        log = Path(f"{self.path}-wal")
        damage = damage_of(log)
        if damage is None:
            return
        try:
            with closing(_reading(self.path)) as connection:
                good = connection.execute(_LAST).fetchone()[0]
        except sqlite3.DatabaseError as error:
            raise LedgerCorrupt(f"{log}: {damage}, and {self.path} can't be read: {error}") from error
        raise LedgerCorrupt(f"{log}: {damage}; the last good batch is {good}")

    def checkpoint(self) -> None:
        """Bring the write-ahead log home into the file, and empty it. Raises sqlite3.Error."""
        self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    def close(self) -> None:
        if self._log is not None:
            self._log.close()
        self._connection.close()

    def _corrupt(self, what: str, good: int) -> LedgerCorrupt:
        return LedgerCorrupt(f"{self.path}: {what}; the last good batch is {good}")


def _reading(path: Path) -> sqlite3.Connection:
    """A connection that changes nothing, also not when it is closed."""
    return sqlite3.connect(
        f"file:{quote(str(path))}?mode=ro",
        uri=True,
        isolation_level=None,
        timeout=60,
        check_same_thread=False,
    )


def _some(cursor: sqlite3.Cursor) -> list[tuple[Any, ...]]:
    """The cursor's next rows, few enough to hold in memory; those before one that can't be read, which is then the next."""
    rows = []
    size = 0
    try:
        for row in cursor:
            rows.append(row)
            size += len(row[-1]) if isinstance(row[-1], bytes) else 0
            if size >= _READ_BYTES:
                break
    except sqlite3.DatabaseError:
        if not rows:
            raise
    return rows


def _crc32(sequence: int, entry: Entry) -> int:
    header = _HEADER.pack(sequence, FORMAT, entry.kind, entry.count, entry.first_ns, entry.results_crc32)
    return zlib.crc32(entry.body, zlib.crc32(header))


def _row(sequence: int, entry: Entry) -> tuple[int, int, int, int, int, int, int, bytes | memoryview]:
    return (
        sequence,
        FORMAT,
        int(entry.kind),
        entry.count,
        entry.first_ns,
        entry.results_crc32,
        _crc32(sequence, entry),
        entry.body,
    )
