"""The write-ahead log: lengthened beforehand, brought home beside its writer, begun anew, and never in the way of a commit."""

import os
import resource
import shutil
import sqlite3
import time
from contextlib import closing
from itertools import pairwise

import pytest

from ledger.write_ahead import LOG_BYTES, WriteAheadLog

PAGE = 4096
ROW = 256 << 10
WAIT_S = 60


class Written:
    """A file with one table, its writer and its log."""

    def __init__(self, path):
        self.path = path
        self.connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        self.connection.execute(f"PRAGMA page_size = {PAGE}")
        self.connection.execute("PRAGMA journal_mode = WAL")
        self.connection.execute("CREATE TABLE rows (number INTEGER PRIMARY KEY, body BLOB)")
        self.log = WriteAheadLog(path, self.connection, PAGE)
        self.rows = 0

    def write(self, megabytes):
        for _ in range(megabytes * (1 << 20) // ROW):
            self.write_one(ROW)

    def write_one(self, size):
        self.rows += 1
        self.connection.execute(
            "INSERT INTO rows VALUES (?, ?)", (self.rows, bytes([self.rows % 251]) * size)
        )
        self.log.wrote(1, size)

    def keep_up(self):
        """Until the thread has begun what it was told: it is one step behind at most."""
        deadline = time.monotonic() + WAIT_S
        while not self.log._steps.empty():
            assert time.monotonic() < deadline, "the thread doesn't keep up"
            os.sched_yield()

    def close(self):
        self.log.close()
        self.connection.close()


@pytest.fixture
def file(tmp_path):
    """Open; closed at the end."""
    with closing(Written(tmp_path / "rows.sqlite")) as opened:
        yield opened


def size_of(file):
    return (file.path.parent / f"{file.path.name}-wal").stat().st_size


def times_begun(file):
    """How often the log began anew: the third number of its header (sqlite.org/fileformat2.html, 4.1)."""
    with (file.path.parent / f"{file.path.name}-wal").open("rb") as log:
        return int.from_bytes(log.read(16)[12:], "big")


def is_whole(path, rows):
    with closing(sqlite3.connect(path)) as connection:
        found = connection.execute(
            "SELECT number, substr(body, 1, 1), length(body) FROM rows ORDER BY number"
        )
        return found.fetchall() == [(n, bytes([n % 251]), ROW) for n in range(1, rows + 1)]


def test_the_log_becomes_long_beside_small_commits(file, tmp_path):
    """Its zeros are on the disk before a commit needs the room, and are in nobody's way."""
    sizes = [size_of(file)]
    while sizes[-1] < LOG_BYTES:
        file.write_one(1)
        sizes.append(size_of(file))
    most = (256 << 10) + 2 * (PAGE + 24)  # and the frames of one commit
    assert all(0 < after - before <= most for before, after in pairwise(sizes))
    file.write_one(1)
    assert size_of(file) == LOG_BYTES
    for suffix in ("", "-wal"):
        shutil.copy(f"{file.path}{suffix}", tmp_path / f"copy{suffix}")
    with closing(sqlite3.connect(tmp_path / "copy")) as copy:
        assert copy.execute("SELECT count(*) FROM rows").fetchone() == (len(sizes),)


def test_a_log_that_may_not_grow_is_left_as_it_is(file):
    """It is tried once."""
    file.write(1)
    before = size_of(file)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (before, limits[1]))
    try:
        file.log.wrote(1, 0)
        assert size_of(file) == before
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    file.log.wrote(1, 0)
    assert size_of(file) == before
    file.write(1)
    assert is_whole(file.path, file.rows)


def test_a_log_that_can_not_be_opened_again_costs_no_commit(file):
    """A process may have no descriptor left."""
    file.log._path = file.log._path.parent
    file.write(1)
    file.write(1)
    assert is_whole(file.path, file.rows)


def test_the_log_stays_as_long_as_it_was_filled(file):
    """Five times its length goes through it: it begins anew, and the file has what was brought home."""
    for _ in range(40):
        file.write(4)
        file.keep_up()
    assert size_of(file) <= 2 * LOG_BYTES
    assert file.path.stat().st_size > 100 << 20
    assert is_whole(file.path, file.rows)


def test_a_reader_in_the_way_costs_room_and_nothing_else(file):
    """While a reader holds on to the past the log grows; after it, what was written goes home."""
    file.write(1)
    with closing(sqlite3.connect(file.path, isolation_level=None)) as reader:
        reader.execute("BEGIN")
        assert reader.execute("SELECT count(*) FROM rows").fetchone() == (4,)
        file.write(60)
        assert size_of(file) > LOG_BYTES
        assert reader.execute("SELECT count(*) FROM rows").fetchone() == (4,)
    begun = times_begun(file)
    while times_begun(file) == begun:
        assert file.rows * ROW < 300 << 20, "the log doesn't begin anew"
        file.write(1)
        file.keep_up()
    before = size_of(file)
    file.write(before // 2 >> 20)
    assert size_of(file) == before
    assert is_whole(file.path, file.rows)


def test_a_step_that_fails_leaves_the_log_to_the_next(file):
    """No commit hears of it, and the thread lives."""
    file.log._other.close()
    file.write(8)
    file.keep_up()
    assert file.log._thread.is_alive()
    file.log._other = sqlite3.connect(file.path, isolation_level=None, check_same_thread=False)
    file.write(8)
    file.keep_up()
    assert is_whole(file.path, file.rows)


def test_what_was_committed_is_there_when_it_is_opened_again(tmp_path):
    """Closed in the midst of steps."""
    path = tmp_path / "rows.sqlite"
    with closing(Written(path)) as file:
        file.write(20)
        rows = file.rows
    assert is_whole(path, rows)
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
