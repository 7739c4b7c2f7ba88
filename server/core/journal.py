"""
The decision journal: what the core knows, on disk before anybody hears of it.

A batch is one row of SQLite: intents, written beside the hold, or decisions, written before their answers leave.
Rows are numbered without gaps in the order in which the core appended them, so that reading them back in order
repeats what the core did. Appends that wait while a commit is on its way share the next one: WAL with
`synchronous=FULL`, so one fdatasync covers all of them. Every record carries its format version, every row a CRC-32; a row
holds its records packed, which halves what SQLite writes, and takes three fifths off its processor time.

A commit that fails stops the journal: whoever waited, and everybody after, gets `JournalStopped`, and no approval
leaves that could not be written. What was written before stays good.
"""

import asyncio
import sqlite3
import threading
import time
import zlib
from dataclasses import dataclass
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from ledger.write_ahead import WriteAheadLog
from server.core.journal_reader import DECISIONS_KIND, INTENTS_KIND, PACKED, JournalCorrupt
from server.core.packing import pack

FORMAT: Final = 1

_TRIM: Final = 0
_PAGE_BYTES: Final = 4_096
"""Four times as large, they took a third off the CPU of large batches, and wrote a third more for small ones."""

_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS format (version INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS batches (
  number INTEGER PRIMARY KEY,
  kind INTEGER NOT NULL,   -- 1 intents, 2 decisions; 3 and 4 packed
  count INTEGER NOT NULL,
  crc32 INTEGER NOT NULL,
  records BLOB NOT NULL
);
"""


class JournalStopped(RuntimeError):  # noqa: N818 - a state, told in the past tense
    """The journal could not be written; nothing is answered any more."""


@dataclass(slots=True)
class _Append:
    """A row on its way to the disk, or where `kind` is _TRIM, rows up to `number` on their way out."""

    number: int
    kind: int
    records: NDArray[Any]
    future: asyncio.Future[int]


class Journal:
    """The writer. `append_*` are called on the loop's thread; one thread of its own commits."""

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            self._connection = _open(path)
            self._log = WriteAheadLog(path, self._connection, _PAGE_BYTES)
        except sqlite3.Error as error:
            raise JournalStopped(f"the journal {path} can't be opened: {error}") from error
        self.number = self._connection.execute("SELECT coalesce(max(number), 0) FROM batches").fetchone()[0]
        """Number of the last row appended."""
        self.durable = self.number
        """Number of the last row that is on disk."""
        self.commit_us = 0
        """How long the last commit took."""
        self.stopped: JournalStopped | None = None
        self._waiting: SimpleQueue[_Append | None] = SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="journal", daemon=True)
        self._thread.start()

    def append_intents(self, intents: NDArray[Any]) -> asyncio.Future[int]:
        """
        Number the next row, hand it to the writer; the future resolves to its number when it is on disk.

        Nobody may write to the records until then.
        """
        return self._append(INTENTS_KIND, intents)

    def append_decisions(self, decisions: NDArray[Any]) -> asyncio.Future[int]:
        """The same for decisions."""
        return self._append(DECISIONS_KIND, decisions)

    def trim(self, up_to: int) -> asyncio.Future[int]:
        """
        Forget rows up to a number: they are shipped, and a snapshot covers them.

        The newest row stays whatever the number: a start counts on from it.
        """
        return self._hand_over(min(up_to, self.number - 1), _TRIM, np.zeros(0, np.uint8))

    def close(self) -> None:
        """Write what waits, and close."""
        self._waiting.put(None)
        self._thread.join()
        self._log.close()
        self._connection.close()

    def _append(self, kind: int, records: NDArray[Any]) -> asyncio.Future[int]:
        self.number += 1
        return self._hand_over(self.number, kind + PACKED, records)

    def _hand_over(self, number: int, kind: int, records: NDArray[Any]) -> asyncio.Future[int]:
        future: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        if self.stopped is not None:
            _fail(future, self.stopped)
        else:
            self._waiting.put(_Append(number, kind, records, future))
        return future

    def _run(self) -> None:
        closing = False
        while not closing:
            batch: list[_Append] = []
            entry = self._waiting.get()
            while entry is not None:
                batch.append(entry)
                try:
                    entry = self._waiting.get_nowait()
                except Empty:
                    break
            closing = entry is None
            if batch:
                self._write(batch)

    def _write(self, batch: list["_Append"]) -> None:
        began = time.perf_counter_ns()
        written = 0
        if self.stopped is None:
            try:
                written = self._commit(batch)
            except Exception as error:  # whatever it is, nobody may be left waiting for this thread
                self.stopped = JournalStopped(
                    f"the journal {self.path} can't be written ({error}); nothing more is answered"
                )
        self.commit_us = (time.perf_counter_ns() - began) // 1000
        if self.stopped is None:
            self.durable = max([self.durable, *(entry.number for entry in batch if entry.kind != _TRIM)])
        _resolve(batch, self.stopped)
        if self.stopped is None:
            # It may copy for a while: those this was written for have their word.
            self._log.wrote(len(batch), written)

    def _commit(self, batch: list["_Append"]) -> int:
        """
        One transaction; returns how many bytes of records it wrote.

        Python lets its lock go in every statement, so the usual batch of one is one statement.
        """
        if len(batch) > 1:
            self._connection.execute("BEGIN IMMEDIATE")
        written = 0
        for entry in batch:
            if entry.kind == _TRIM:
                self._connection.execute("DELETE FROM batches WHERE number <= ?", (entry.number,))
                continue
            packed, _ = pack(entry.records)
            row = (entry.number, entry.kind, len(entry.records), zlib.crc32(packed.data), packed)
            self._connection.execute("INSERT INTO batches VALUES (?, ?, ?, ?, ?)", row)
            written += len(packed)
        if len(batch) > 1:
            self._connection.execute("COMMIT")
        return written


def _open(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    connection.execute(f"PRAGMA page_size={_PAGE_BYTES}")
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=FULL")
    connection.executescript(_SCHEMA)
    found = connection.execute("SELECT version FROM format").fetchone()
    if found is None:
        connection.execute("INSERT INTO format VALUES (?)", (FORMAT,))
    elif found[0] != FORMAT:
        raise JournalCorrupt(f"{path} has format {found[0]}; this server reads format {FORMAT}")
    return connection


def _resolve(batch: list[_Append], error: JournalStopped | None) -> None:
    """Tell everybody who waits, by one wake-up of each loop among them."""
    by_loop: dict[asyncio.AbstractEventLoop, list[_Append]] = {}
    for entry in batch:
        by_loop.setdefault(entry.future.get_loop(), []).append(entry)
    for loop, entries in by_loop.items():
        try:
            loop.call_soon_threadsafe(_settle, entries, error)
        except RuntimeError:  # the loop is closed: nobody waits any more
            continue


def _settle(entries: list[_Append], error: JournalStopped | None) -> None:
    for entry in entries:
        if entry.future.done():
            continue
        if error is None:
            entry.future.set_result(entry.number)
        else:
            _fail(entry.future, error)


def _fail(future: asyncio.Future[int], error: JournalStopped) -> None:
    future.set_exception(error)
    future.exception()  # has been looked at: nobody asks what became of a turn's intents, only of its decisions
