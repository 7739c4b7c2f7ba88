"""Journal and snapshot: what is damaged is named, never guessed over."""

import sqlite3

import pytest

from ledger import snapshot
from ledger.book import LedgerCorrupt
from ledger.journal import Entry, Journal, Kind
from ledger.state import State


def entry(body=b"x" * 128, kind=Kind.CREATE_TRANSFERS):
    return Entry(kind, len(body) // 128, 1_000, 7, body)


@pytest.fixture
def path(tmp_path):
    """A journal of four batches, closed."""
    journal = Journal(tmp_path / "journal.sqlite")
    journal.append([entry(), entry(b"y" * 256)])
    journal.append([entry(b"", Kind.EXPIRE)])
    journal.append([entry(b"z" * 128)])
    journal.close()
    return journal.path


def change(path, sql):
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute(sql)
    connection.close()


def read(path, after=0):
    journal = Journal(path)
    try:
        return [bytes(e.body) for e in journal.read(after)]
    finally:
        journal.close()


def test_a_journal_gives_back_what_was_appended(path):
    """All of it, or what came after a sequence."""
    assert read(path) == [b"x" * 128, b"y" * 256, b"", b"z" * 128]
    assert read(path, after=3) == [b"z" * 128]
    assert read(path, after=4) == []


@pytest.mark.parametrize(
    "damage",
    [
        "UPDATE batch SET body = zeroblob(256) WHERE sequence = 2",
        "UPDATE batch SET count = 3 WHERE sequence = 2",
        "UPDATE batch SET first_ns = 999 WHERE sequence = 2",
        "UPDATE batch SET kind = 1 WHERE sequence = 2",
        "UPDATE batch SET crc32 = 0 WHERE sequence = 2",
        "DELETE FROM batch WHERE sequence = 2",
        "UPDATE batch SET format = 9 WHERE sequence = 2",
    ],
)
def test_a_damaged_batch_is_named_with_the_last_good_one(path, damage):
    """Whatever was changed: events, header, checksum, a missing row, a format from the future."""
    change(path, damage)
    with pytest.raises(LedgerCorrupt, match=r"journal\.sqlite: batch 2 .*; the last good batch is 1"):
        read(path)


def test_a_batch_of_an_unknown_kind_is_named(tmp_path):
    """A later program wrote it, and it is whole."""
    journal = Journal(tmp_path / "journal.sqlite")
    journal.append([entry(), entry(kind=9)])
    journal.close()
    with pytest.raises(LedgerCorrupt, match=r"batch 2 has a kind 9 .*; the last good batch is 1"):
        read(journal.path)


def test_a_file_that_is_no_journal_is_refused_by_name(tmp_path):
    """It is left as it is."""
    path = tmp_path / "journal.sqlite"
    path.write_bytes(b"something else altogether" * 1000)
    with pytest.raises(LedgerCorrupt, match=r"journal\.sqlite can't be read as a journal"):
        Journal(path)
    assert path.read_bytes().startswith(b"something else")


def test_a_torn_page_is_named_with_the_last_good_batch(tmp_path):
    """Bytes of the database file itself overwritten in the middle."""
    journal = Journal(tmp_path / "journal.sqlite")
    for i in range(50):
        journal.append([entry(bytes([i]) * 12_800)])
    journal.checkpoint()
    journal.close()
    with journal.path.open("r+b") as file:
        file.seek(journal.path.stat().st_size // 2)
        file.write(b"\xff" * 40_000)
    with pytest.raises(LedgerCorrupt, match=r"the last good batch is [1-9]"):
        read(journal.path)


def test_a_snapshot_gives_back_the_state(tmp_path):
    """With its place in the journal and its clock."""
    state = State()
    state.last_ns = 123
    snapshot.write(tmp_path / "snapshot", state, 17)
    found = snapshot.read(tmp_path / "snapshot")
    assert found is not None
    assert (found.sequence, found.state.last_ns) == (17, 123)
    assert not (tmp_path / "snapshot.new").exists()


def test_a_damaged_snapshot_is_passed_over(tmp_path):
    """The journal has everything: cut short, one bit changed, or empty."""
    path = tmp_path / "snapshot"
    snapshot.write(path, State(), 17)
    whole = path.read_bytes()
    for damaged in (whole[:-1], whole[:20] + bytes([whole[20] ^ 1]) + whole[21:], b"", whole + b"x"):
        path.write_bytes(damaged)
        assert snapshot.read(path) is None
    assert snapshot.read(tmp_path / "none") is None


def test_a_snapshot_of_an_unknown_format_is_refused_by_name(tmp_path):
    """It was written by a later program, which may have its reasons."""
    path = tmp_path / "snapshot"
    snapshot.write(path, State(), 17)
    whole = path.read_bytes()
    path.write_bytes(whole[:8] + bytes([9]) + whole[9:])
    with pytest.raises(LedgerCorrupt, match="snapshot has format 9"):
        snapshot.read(path)
