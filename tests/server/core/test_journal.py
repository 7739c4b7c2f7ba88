"""What the core knows, on disk in the order in which it was said; and what stops everybody."""

import asyncio
import shutil
import sqlite3
import threading
import zlib

import numpy as np
import pytest

from server.core.journal import Journal, JournalStopped
from server.core.journal_reader import JournalCorrupt, JournalReader
from server.core.policy import UNHEARD
from server.core.record import DECISION, INTENT, REQUEST_VERSION, Operation

WAIT_S = 20


def intents_of(count, first=1):
    """INTENT[count] numbered from `first`."""
    made = np.zeros(count, INTENT)
    made["request"]["version"] = REQUEST_VERSION
    made["sequence"] = np.arange(first, first + count)
    made["request"]["arrival_ns"] = 1_000 * made["sequence"]
    return made


def decisions_of(intents, decision_ns=0, held=1):
    """Their DECISIONs."""
    made = np.zeros(len(intents), DECISION)
    made["version"] = REQUEST_VERSION
    made["sequence"] = intents["sequence"]
    made["authorization_id"][:, 0] = intents["sequence"]
    made["decision_ns"], made["held"] = decision_ns, held
    return made


@pytest.fixture
def path(tmp_path):
    """Where the journal is."""
    return tmp_path / "journal.sqlite"


def written(path, write):
    """Run `write(journal)` on a loop, all of its futures awaited, and close."""

    async def whole():
        journal = Journal(path)
        try:
            return await asyncio.wait_for(asyncio.gather(*write(journal)), WAIT_S)
        finally:
            journal.close()

    return asyncio.run(whole())


def execute(path, sql, *values):
    """Damage by hand."""
    with sqlite3.connect(path) as connection:
        connection.execute(sql, values)
    connection.close()


@pytest.fixture
def reading():
    """Opens readers, and closes them."""
    opened = []

    def read(path):
        opened.append(JournalReader(path))
        return opened[-1]

    yield read
    for reader in opened:
        reader.close()


def five_rows(path):
    """Intents and decisions in turn: 1, 3, 5 are intents."""

    def write(journal):
        rows = []
        for first in (1, 4, 7):
            batch = intents_of(3, first)
            rows.append(journal.append_intents(batch))
            if first < 7:
                rows.append(journal.append_decisions(decisions_of(batch, first * 1_000)))
        return rows

    return written(path, write)


def test_rows_read_back_in_the_order_in_which_they_were_appended(path, reading):
    """Numbered without gaps, across a restart too; by row and in chunks."""
    assert five_rows(path) == [1, 2, 3, 4, 5]
    assert written(path, lambda journal: [journal.append_intents(intents_of(1, 10))]) == [6]
    reader = reading(path)
    rows = list(reader.read_all(0))
    assert [row.number for row in rows] == [1, 2, 3, 4, 5, 6]
    assert np.concatenate([row.intents for row in rows])["sequence"].tolist() == list(range(1, 11))
    assert [len(row.decisions) for row in rows] == [0, 3, 0, 3, 0, 0]
    (chunk,) = reader.read_chunks(1, 5)
    assert chunk.numbers.tolist() == [2, 3, 4, 5]
    assert (chunk.kinds.tolist(), chunk.counts.tolist()) == ([2, 1, 2, 1], [3, 3, 3, 3])
    assert chunk.intents.tobytes() == rows[2].intents.tobytes() + rows[4].intents.tobytes()
    assert chunk.decisions.tobytes() == rows[1].decisions.tobytes() + rows[3].decisions.tobytes()
    assert [row.number for row in reader.read(2, 2)] == [3, 4]
    assert reader.read_intents(3).tobytes() == rows[2].intents.tobytes()
    assert (reader.first(), reader.last()) == (1, 6)


def test_chunks_are_bounded_and_leave_nothing_out(path, reading, monkeypatch):
    """However small they are."""
    five_rows(path)
    monkeypatch.setattr("server.core.journal_reader._CHUNK_ROWS", 2)
    assert [chunk.numbers.tolist() for chunk in reading(path).read_chunks(0)] == [[1, 2], [3, 4], [5]]
    monkeypatch.setattr("server.core.journal_reader._CHUNK_BYTES", 1)
    assert [chunk.numbers.tolist() for chunk in reading(path).read_chunks(0)] == [[1], [2], [3], [4], [5]]


class HeldConnection:
    """A connection whose statements wait until they may go on; says how many commits there were."""

    def __init__(self, connection):
        self._connection = connection
        self.may_go = threading.Event()
        self.entered = threading.Event()
        self.statements = []

    def execute(self, sql, *values):
        self.entered.set()
        assert self.may_go.wait(WAIT_S)
        self.statements.append(sql.split()[0])
        return self._connection.execute(sql, *values)

    def close(self):
        self._connection.close()


def test_what_waits_while_a_commit_is_on_its_way_shares_the_next_one(path):
    """Ten appends, two commits."""

    async def whole():
        journal = Journal(path)
        held = journal._connection = HeldConnection(journal._connection)
        first = journal.append_intents(intents_of(1))
        assert await asyncio.to_thread(held.entered.wait, WAIT_S)
        others = [journal.append_intents(intents_of(1, n)) for n in range(2, 11)]
        held.may_go.set()
        numbers = await asyncio.wait_for(asyncio.gather(first, *others), WAIT_S)
        journal.close()
        return numbers, held.statements, journal.durable

    numbers, statements, durable = asyncio.run(whole())
    assert (numbers, durable) == (list(range(1, 11)), 10)
    assert statements == ["INSERT", "BEGIN", *["INSERT"] * 9, "COMMIT"]


class FullDisk:
    """A connection to a disk without room."""

    def __init__(self, connection, error):
        self._connection = connection
        self.error = error

    def execute(self, _sql, *_values):
        raise self.error

    def close(self):
        self._connection.close()


@pytest.mark.parametrize("error", [sqlite3.OperationalError("disk full"), MemoryError("none left")])
def test_a_failed_commit_stops_everybody_who_waited_and_who_comes_after(path, reading, error):
    """And what was written before stays good."""

    async def whole():
        journal = Journal(path)
        await asyncio.wait_for(journal.append_intents(intents_of(2)), WAIT_S)
        journal._connection = FullDisk(journal._connection, error)
        waiting = [journal.append_intents(intents_of(1, n)) for n in (3, 4)]
        results = await asyncio.wait_for(asyncio.gather(*waiting, return_exceptions=True), WAIT_S)
        after = await asyncio.gather(
            journal.append_decisions(decisions_of(intents_of(1))), return_exceptions=True
        )
        journal.close()
        return [*results, *after], journal.durable

    results, durable = asyncio.run(whole())
    assert [type(result) for result in results] == [JournalStopped] * 3
    assert durable == 1
    assert reading(path).last() == 1


def test_nothing_follows_the_last_row(path, reading):
    """As who follows the journal finds most of the time."""
    five_rows(path)
    reader = reading(path)
    assert reader.read(5, 9) == [] == list(reader.read_chunks(5)) == list(reader.read_all(5))
    assert list(reader.unanswered_since(1 << 62)) == []


def test_a_damaged_row_is_named_with_the_last_good_one(path, reading):
    """Rows before it can be read."""
    five_rows(path)
    execute(path, "UPDATE batches SET records = zeroblob(length(records)) WHERE number = 4")
    reader = reading(path)
    assert [row.number for row in reader.read(0, 3)] == [1, 2, 3]
    for read in (lambda: reader.read(0, 9), lambda: list(reader.read_chunks(0))):
        with pytest.raises(
            JournalCorrupt, match=r"row 4 does not read back as written; the last good row is 3"
        ):
            read()


@pytest.mark.parametrize(
    "change",
    [
        "kind = 3",
        "kind = 9",
        "count = 2",
        "count = 1 << 62",
        "count = 'many'",
        "crc32 = 7",
        "records = 'text'",
    ],
)
def test_a_row_whose_columns_do_not_fit_its_records_is_refused(path, reading, change):
    """Another kind, an unknown one, another count, another checksum."""
    five_rows(path)
    execute(path, f"UPDATE batches SET {change} WHERE number = 2")
    with pytest.raises(JournalCorrupt, match="row 2 "):
        list(reading(path).read_chunks(0))


def test_a_row_that_was_written_unpacked_is_read_among_others(path, reading):
    """As journals of before are."""
    five_rows(path)
    before = intents_of(2, 10)
    execute(
        path,
        "INSERT INTO batches VALUES (6, 1, 2, ?, ?)",
        zlib.crc32(before.tobytes()),
        before.tobytes(),
    )
    written(path, lambda journal: [journal.append_intents(intents_of(1, 12))])
    (chunk,) = reading(path).read_chunks(4)
    assert chunk.kinds.tolist() == [1, 1, 1]
    assert chunk.intents["sequence"].tolist() == [7, 8, 9, 10, 11, 12]


def test_a_missing_row_is_named(path, reading):
    """Also where it is the first that was asked for."""
    five_rows(path)
    execute(path, "DELETE FROM batches WHERE number = 3")
    reader = reading(path)
    with pytest.raises(JournalCorrupt, match=r"row 3 is missing; the last good row is 2"):
        list(reader.read_chunks(0))
    with pytest.raises(JournalCorrupt, match="row 3 is missing"):
        list(reader.read_chunks(2))
    assert [chunk.numbers.tolist() for chunk in reader.read_chunks(3)] == [[4, 5]]


def test_an_unknown_format_is_refused_by_name(path):
    """Of the whole journal."""
    five_rows(path)
    execute(path, "UPDATE format SET version = 9")
    with pytest.raises(JournalCorrupt, match=r"journal\.sqlite has format 9; this server reads format 1"):
        Journal(path)


def test_records_of_an_unknown_format_are_refused_by_name(path, reading):
    """Of single rows."""
    batch = intents_of(2)
    batch["request"]["version"][1] = 9
    written(path, lambda journal: [journal.append_intents(batch)])
    reader = reading(path)
    for read in (lambda: reader.read(0, 9), lambda: list(reader.read_chunks(0))):
        with pytest.raises(JournalCorrupt, match="none of the formats 1 and 2 and 3"):
            read()


def test_a_folder_where_nothing_can_be_written_is_told(tmp_path):
    """The journal can't be opened."""
    with pytest.raises(JournalStopped, match="can't be opened"):
        Journal(tmp_path / "nowhere" / "journal.sqlite")


def test_approvals_are_told_from_a_time_on(path, reading):
    """Only what is held; all of it where the journal is whole, from its first row on where it was trimmed."""

    def write(journal):
        rows = []
        for n in range(1, 6):
            batch = intents_of(1, n)
            rows.append(journal.append_intents(batch))
            rows.append(journal.append_decisions(decisions_of(batch, n * 100, held=n != 4)))
        return rows

    written(path, write)
    reader = reading(path)
    assert reader.newest_arrival_ns() == 5_000
    complete_ns, ids = reader.approvals_since(300)
    assert (complete_ns, sorted(ids[:, 0].tolist())) == (300, [3, 5])
    assert reader.approvals_since(0)[0] == 0
    written(path, lambda journal: [journal.trim(4)])
    assert (reader.first(), reader.last()) == (5, 10)
    complete_ns, ids = reader.approvals_since(100)
    assert (complete_ns, sorted(ids[:, 0].tolist())) == (300, [3, 5])


def test_the_newest_row_is_never_trimmed(path, reading):
    """Whatever is asked for: the next start counts on from it."""
    written(
        path, lambda journal: [journal.append_decisions(decisions_of(intents_of(1, n), n)) for n in (1, 2)]
    )
    written(path, lambda journal: [journal.trim(2)])
    assert (reading(path).first(), reading(path).last()) == (2, 2)
    assert written(path, lambda journal: [journal.append_decisions(decisions_of(intents_of(1, 3), 3))]) == [3]


def test_what_was_answered_unheard_is_found_behind_rows_of_a_clock_that_was_set_back(path, reading):
    """A hundred rows, in which the clock was an hour behind."""
    unheard = intents_of(1)
    unheard["request"]["operation"] = Operation.AUTHORIZE

    def write(journal):
        said = decisions_of(unheard, 5_000)
        said["operation"], said["reasons"], said["intent_batch"] = Operation.AUTHORIZE, UNHEARD, 1
        rows = [journal.append_intents(unheard), journal.append_decisions(said)]
        late = [decisions_of(intents_of(1, n), 1_000) for n in range(2, 102)]
        return [*rows, *map(journal.append_decisions, late)]

    written(path, write)
    (found,) = reading(path).unanswered_since(4_000)
    assert found["sequence"] == [1]
    assert list(reading(path).unanswered_since(6_000)) == []


def test_rows_are_there_after_a_kill_however_full_the_log_was(path, tmp_path, reading):
    """The log ends in zeros; copied between commits, it reads back as far as it was written."""

    async def whole():
        journal = Journal(path)
        lengths = []
        for rows in (0, 3, 40):
            for _ in range(rows):
                await asyncio.wait_for(journal.append_intents(intents_of(1_000)), WAIT_S)
            lengths.append(journal.durable)
            for suffix in ("", "-wal"):
                shutil.copy(f"{path}{suffix}", tmp_path / f"copy-{rows}.sqlite{suffix}")
        journal.close()
        return lengths

    assert asyncio.run(whole()) == [0, 3, 43]
    assert (tmp_path / "copy-3.sqlite-wal").read_bytes().endswith(bytes(4_096))
    for rows, last in ((0, 0), (3, 3), (40, 43)):
        copy = tmp_path / f"copy-{rows}.sqlite"
        assert written(copy, lambda journal: [journal.append_intents(intents_of(2))]) == [last + 1]
        assert sum(len(chunk.intents) for chunk in reading(copy).read_chunks(0)) == 1_000 * last + 2


def test_an_empty_journal_has_no_rows(path, reading):
    """First is one more than last."""
    written(path, lambda _journal: [])
    reader = reading(path)
    assert (reader.first(), reader.last(), reader.newest_arrival_ns()) == (1, 0, 0)
    assert list(reader.read_chunks(0)) == []
    assert len(reader.read_intents(1)) == 0
    assert len(reader.approvals_since(0)[1]) == 0
