"""A damaged write-ahead log is named where what was acknowledged is lost, and only there."""

import sqlite3
from contextlib import closing

import numpy as np
import pytest

from ledger.book import LedgerCorrupt
from ledger.journal import Entry, Journal, Kind
from ledger.log_check import damage_of, find_damage

BATCHES = 6


@pytest.fixture
def killed(tmp_path):
    """A journal of six batches whose process was killed: all of it is in the log; and where each frame begins."""
    journal = Journal(tmp_path / "live.sqlite")
    for i in range(BATCHES):
        journal.append([Entry(Kind.CREATE_TRANSFERS, 200, 1_000 + i, 7, bytes([i + 1]) * 128 * 200)])
    for suffix in ("", "-wal"):
        (tmp_path / f"j.sqlite{suffix}").write_bytes((tmp_path / f"live.sqlite{suffix}").read_bytes())
    journal.close()
    path = tmp_path / "j.sqlite"
    page = int.from_bytes((tmp_path / "j.sqlite-wal").read_bytes()[8:12], "big")
    return path, tmp_path / "j.sqlite-wal", page + 24


def commits(log, frame_bytes):
    """The numbers of the frames that end a transaction."""
    content = log.read_bytes()
    found = []
    for i in range((len(content) - 32) // frame_bytes):
        at = 32 + i * frame_bytes
        head = content[at : at + 24]
        if head[8:16] == content[16:24] and any(head[4:8]):
            found.append(i)
    return found


def flip(path, offset):
    content = bytearray(path.read_bytes())
    content[offset] ^= 1
    path.write_bytes(bytes(content))


def test_a_whole_log_is_read(killed):
    """After a kill nothing is wrong with it, and every batch is there."""
    path, log, _ = killed
    assert damage_of(log) is None
    with closing(Journal(path)) as journal:
        assert len(list(journal.read())) == BATCHES


@pytest.mark.parametrize("place", [2, 10, 17, 21, 100])
def test_a_flipped_bit_before_the_last_commit_is_named_with_the_last_good_batch(killed, place):
    """In a page, a frame's head, its salt, its checksum: SQLite alone would forget the rest in silence."""
    path, log, frame_bytes = killed
    ends = commits(log, frame_bytes)
    at = ends[-4] + 1  # the first frame of the third last batch
    flip(log, 32 + at * frame_bytes + place)
    before = path.read_bytes(), log.read_bytes()
    with pytest.raises(
        LedgerCorrupt,
        match=rf"j\.sqlite-wal: frame {at + 1} is damaged, .*; the last good batch is {BATCHES - 3}",
    ):
        Journal(path)
    assert (path.read_bytes(), log.read_bytes()) == before


def test_a_torn_end_is_what_a_power_failure_leaves(killed):
    """The last transaction was not acknowledged: the others are read."""
    path, log, frame_bytes = killed
    flip(log, 32 + commits(log, frame_bytes)[-1] * frame_bytes + 200)
    with closing(Journal(path)) as journal:
        assert journal.last == BATCHES - 1


def test_a_damaged_head_is_named(killed):
    """Without it SQLite would take the log for empty."""
    path, log, _ = killed
    flip(log, 20)
    with pytest.raises(
        LedgerCorrupt, match=r"j\.sqlite-wal: its head is damaged; the last good batch is 0|can't be read"
    ):
        Journal(path)


def test_a_log_that_is_not_there_or_empty_is_no_damage(tmp_path):
    """A journal that was closed has none; a fresh one has zeros."""
    assert damage_of(tmp_path / "none-wal") is None
    (tmp_path / "zeros-wal").write_bytes(bytes(100_000))
    assert damage_of(tmp_path / "zeros-wal") is None


def test_a_log_that_began_anew_is_whole(tmp_path):
    """Frames of the generation before it stand behind its end."""
    journal = Journal(tmp_path / "j.sqlite")
    for i in range(20):
        journal.append([Entry(Kind.CREATE_TRANSFERS, 10, i, 7, bytes(1280))])
    journal._connection.execute("PRAGMA wal_checkpoint(RESTART)")
    for i in range(3):
        journal.append([Entry(Kind.CREATE_TRANSFERS, 10, 100 + i, 7, bytes(1280))])
    assert damage_of(tmp_path / "j.sqlite-wal") is None
    journal.close()


@pytest.mark.kernel
def test_the_checksum_of_a_log_is_that_of_sqlite(tmp_path):
    """A log written by SQLite has no damage by our sums; any one word altered has."""
    with closing(sqlite3.connect(tmp_path / "a.sqlite", isolation_level=None)) as connection:
        connection.execute("PRAGMA page_size = 512")
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("CREATE TABLE t (x)")
        connection.execute("INSERT INTO t VALUES (1)")
        content = (tmp_path / "a.sqlite-wal").read_bytes()
    plain = np.frombuffer(content, ">u4").astype(np.uint32)
    words = np.frombuffer(content, ">u4" if plain[0] & 1 else "<u4").astype(np.uint32)
    found = np.zeros(2, np.int64)
    find_damage(words, plain, 512, found)
    assert found.tolist() == [-1, 0]
    words[50] ^= np.uint32(1)
    find_damage(words, plain, 512, found)
    assert found[0] == 0
    assert found[1] == 2
