"""
The decision journal read back: rows as they were written, checked, together as arrays.

A batch is one row (see `journal`). What one holds is read with that of its neighbours: most rows are small, and calls
cost more than they.
"""

import contextlib
import sqlite3
import threading
import zlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from server.core.formats import UnknownFormat, read_decisions, read_intents
from server.core.packing import bitmap_size, unpack
from server.core.policy import UNHEARD
from server.core.record import DECISION, INTENT, Operation

INTENTS_KIND: Final = 1
"""`JournalChunk.kinds` of a row of intents; others are decisions."""

DECISIONS_KIND: Final = 2
PACKED: Final = 2
"""Is added to a row's kind where its records are packed (see `packing`), as all are that are written now."""

_NUMBER_MAX: Final = (1 << 63) - 1
_CHUNK_BYTES: Final = 8 << 20
_CHUNK_ROWS: Final = 4096
_FEW_ROWS: Final = 64
_OLDER_MAX: Final = 16_384
_READ: Final = "SELECT number, kind, count, crc32, records FROM batches"
_OF_KIND: Final = "WHERE kind IN (?1, ?1 + 2) ORDER BY number DESC"

_Row = tuple[int, int, int, int, bytes]

_LAYOUTS: Final = {
    INTENTS_KIND: None,
    DECISIONS_KIND: None,
    INTENTS_KIND + PACKED: INTENT,
    DECISIONS_KIND + PACKED: DECISION,
}
"""By a row's kind: of which records it is packed; None where it is not."""


class JournalCorrupt(RuntimeError):  # noqa: N818 - told as what it is
    """A row does not read back as it was written; the text names the file and the last good row."""


@dataclass(frozen=True, slots=True)
class JournalBatch:
    """One row: its number, and its records. One of the two arrays is empty."""

    number: int
    intents: NDArray[Any]
    decisions: NDArray[Any]


@dataclass(frozen=True, slots=True)
class JournalChunk:
    """Many rows at once: what each is (`numbers` i8[r], `kinds` u1[r], `counts` i8[r]), and all their records."""

    numbers: NDArray[np.int64]
    kinds: NDArray[np.uint8]
    counts: NDArray[np.int64]
    intents: NDArray[Any]
    decisions: NDArray[Any]


class JournalReader:
    """
    Reads rows back, on a connection of its own; blocking, one thread at a time.

    `read`, `read_intents` and `last` may still run in a thread that nobody awaits any more: `close` waits for them.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        self._lock = threading.Lock()
        with self._told():
            self._connection.execute("PRAGMA query_only=ON")

    def read(self, after: int, batches_max: int) -> list[JournalBatch]:
        """Rows that follow row `after`, in order, at most `batches_max`; none where there is none."""
        with self._lock, self._told():
            cursor = self._connection.execute(
                f"{_READ} WHERE number > ? ORDER BY number LIMIT ?", (after, batches_max)
            )
            rows = _some(cursor, _CHUNK_ROWS)
            cursor.close()
        return self._batches(rows)

    def read_all(self, after: int) -> Iterator[JournalBatch]:
        """Every row that follows row `after`, in order."""
        while rows := self._rows(after, _NUMBER_MAX):
            yield from self._batches(rows)
            after = rows[-1][0]

    def read_chunks(self, after: int, up_to: int = _NUMBER_MAX) -> Iterator[JournalChunk]:
        """The rows that follow row `after`, as far as row `up_to`, in order. Raises JournalCorrupt where one is missing."""
        while rows := self._rows(after, up_to):
            numbers = np.array([row[0] for row in rows], np.int64)
            gaps = np.flatnonzero(numbers != np.arange(after + 1, after + 1 + len(rows)))
            if len(gaps):
                good = after + int(gaps[0])
                raise JournalCorrupt(f"{self._path}: row {good + 1} is missing; the last good row is {good}")
            self._check(rows)
            kinds = np.array([row[1] for row in rows], np.uint8)
            yield JournalChunk(
                numbers,
                np.where(kinds > PACKED, kinds - PACKED, kinds),
                np.array([row[2] for row in rows], np.int64),
                self._records(rows, INTENTS_KIND),
                self._records(rows, DECISIONS_KIND),
            )
            after = rows[-1][0]

    def read_intents(self, number: int) -> NDArray[Any]:
        """The intents of one row; empty where it has been trimmed."""
        with self._lock, self._told():
            row = self._connection.execute(f"{_READ} WHERE number = ?", (number,)).fetchone()
        return np.zeros(0, INTENT) if row is None else self._batches([row])[0].intents

    def newest_arrival_ns(self) -> int:
        """When the first of the last intents' requests arrived; 0 where there are none."""
        with self._told():
            row = self._connection.execute(f"{_READ} {_OF_KIND} LIMIT 1", (INTENTS_KIND,)).fetchone()
        return 0 if row is None else int(self._batches([row])[0].intents["request"]["arrival_ns"].min())

    def approvals_since(self, since_ns: int) -> tuple[int, NDArray[np.uint64]]:
        """
        Ids u8[n, 2] of all that was decided from `since_ns` on and is held, and the time from which that is all.

        That time is later than `since_ns` where the journal has been trimmed since.
        """
        found = [np.zeros((0, 2), np.uint64)]
        oldest_ns = since_ns
        for decisions in self._newest_decisions(since_ns):
            oldest_ns = int(decisions["decision_ns"].min())
            late = decisions["decision_ns"] >= since_ns
            found.append(decisions["authorization_id"][late & (decisions["held"] != 0)])
        whole = self.first() == 1
        return (since_ns if whole else max(since_ns, oldest_ns)), np.concatenate(found)

    def unanswered_since(self, since_ns: int) -> Iterator[NDArray[Any]]:
        """INTENT[1] of every authorization that was answered from `since_ns` on without the ledger's word."""
        for decisions in self._newest_decisions(since_ns):
            decisions = decisions[decisions["decision_ns"] >= since_ns]
            away = decisions["reasons"] & UNHEARD != 0
            for decision in decisions[away & (decisions["operation"] == Operation.AUTHORIZE)]:
                intents = self.read_intents(int(decision["intent_batch"]))
                place = int(decision["intent_index"])
                if place < len(intents):
                    yield intents[place : place + 1].copy()

    def last(self) -> int:
        """Number of the newest row; 0 where there is none."""
        with self._lock, self._told():
            return self._connection.execute("SELECT coalesce(max(number), 0) FROM batches").fetchone()[0]

    def first(self) -> int:
        """Number of the oldest row kept; one more than the newest where there is none."""
        with self._told():
            return self._connection.execute("SELECT coalesce(min(number), 1) FROM batches").fetchone()[0]

    def close(self) -> None:
        """Close the connection."""
        with self._lock:
            self._connection.close()

    def _rows(self, after: int, up_to: int) -> list[_Row]:
        """Some rows that follow row `after`: few enough to hold in memory, and no reading transaction is left open."""
        with self._told():
            cursor = self._connection.execute(
                f"{_READ} WHERE number > ? AND number <= ? ORDER BY number", (after, up_to)
            )
            rows = _some(cursor, _CHUNK_ROWS)
            cursor.close()
        return rows

    @contextlib.contextmanager
    def _told(self) -> Iterator[None]:
        """A file that SQLite can't make anything of is told as what it is."""
        try:
            yield
        except (sqlite3.DatabaseError, UnicodeDecodeError) as error:
            raise JournalCorrupt(f"{self._path} can't be read: {error}") from error

    def _newest_decisions(self, since_ns: int) -> Iterator[NDArray[Any]]:
        """
        Those of some rows after those of others, from the newest on: few at first, for who looks back a little.

        Ends where many in a row are from before `since_ns`: some may be so by a clock that was set back meanwhile.
        """
        with self._told():
            newest_first = self._connection.execute(f"{_READ} {_OF_KIND}", (DECISIONS_KIND,))
        at_once, older = _FEW_ROWS, 0
        while older < _OLDER_MAX:
            with self._told():
                rows = _some(newest_first, at_once)
            if not rows:
                return
            self._check(rows)
            decisions = self._records(rows, DECISIONS_KIND)
            is_older = decisions["decision_ns"] < since_ns
            older = older + len(decisions) if is_older.all() else 0
            yield decisions
            at_once = min(2 * at_once, _CHUNK_ROWS)

    def _batches(self, rows: list[_Row]) -> list[JournalBatch]:
        """The rows as batches; what they hold is read together, and theirs are parts of it."""
        self._check(rows)
        intents, decisions = self._records(rows, INTENTS_KIND), self._records(rows, DECISIONS_KIND)
        read = []
        intents_at = decisions_at = 0
        for number, kind, count, _, _ in rows:
            if kind in (INTENTS_KIND, INTENTS_KIND + PACKED):
                own = JournalBatch(number, intents[intents_at : intents_at + count], decisions[:0])
                intents_at += count
            else:
                own = JournalBatch(number, intents[:0], decisions[decisions_at : decisions_at + count])
                decisions_at += count
            read.append(own)
        return read

    def _check(self, rows: list[_Row]) -> None:
        """Raises JournalCorrupt where one of them is not as it was written."""
        if rows and not _are_as_written(rows):
            for row in rows:
                if not _are_as_written([row]):
                    raise self._corrupt(row)

    def _corrupt(self, row: _Row) -> JournalCorrupt:
        return JournalCorrupt(
            f"{self._path}: row {row[0]} does not read back as written; the last good row is {row[0] - 1}"
        )

    def _records(self, rows: list[_Row], kind: int) -> NDArray[Any]:
        """The records of the rows of one kind, whatever formats they have; of today's, together: one call for all."""
        layout, read = (INTENT, read_intents) if kind == INTENTS_KIND else (DECISION, read_decisions)
        chosen = [row for row in rows if row[1] in (kind, kind + PACKED)]
        count = sum([row[2] for row in chosen])
        if all(row[1] > PACKED for row in chosen):
            with contextlib.suppress(ValueError):  # told of the row that it is of
                return read(
                    unpack(b"".join([row[4] for row in chosen]), count, layout).view(np.uint8).data, count
                )
        # A new array: of arrays that can't be written Numba would compile everything once more.
        return np.concatenate([self._records_of(row, layout, read) for row in chosen])

    def _records_of(
        self, row: _Row, layout: np.dtype[Any], read: Callable[..., NDArray[Any]]
    ) -> NDArray[Any]:
        number, kind, count, _, records = row
        try:
            return read(unpack(records, count, layout).tobytes() if kind > PACKED else records, count)
        except UnknownFormat as error:
            raise JournalCorrupt(
                f"{self._path}: row {number} can't be read: {error}; the last good row is {number - 1}"
            ) from error
        except ValueError as error:
            raise self._corrupt(row) from error


def _are_as_written(rows: list[_Row]) -> bool:
    """Whether these rows' columns fit their records; damage may have made another type of any."""
    _, kinds, counts, sums, records = zip(*rows, strict=True)
    if not (
        set(map(type, records)) == {bytes} and set(map(type, counts)) == {int} and set(kinds) <= set(_LAYOUTS)
    ):
        return False
    of_kind, count, size = (np.array(column, np.int64) for column in (kinds, counts, list(map(len, records))))
    fits = (count > 0) & (count <= size)
    for kind, layout in _LAYOUTS.items():
        own = size % np.maximum(count, 1) == 0 if layout is None else size >= count * bitmap_size(layout)
        fits &= own | (of_kind != kind)
    return bool(fits.all()) and list(map(zlib.crc32, records)) == list(sums)


def _some(cursor: Iterable[_Row], rows_max: int) -> list[_Row]:
    """The cursor's next rows: few enough to hold in memory."""
    rows: list[_Row] = []
    size = 0
    for row in cursor:
        rows.append(row)
        size += len(row[4]) if isinstance(row[4], bytes) else 0
        if size >= _CHUNK_BYTES or len(rows) == rows_max:
            break
    return rows
