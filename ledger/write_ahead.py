"""
SQLite's write-ahead log of a file that one thread writes: on the disk before it is used, and brought home beside the writer.

Left to itself, SQLite brings the whole log home within a commit, and whoever waits for that commit waits 50 to 100 ms
for 64 MB. Here a thread of its own copies a few MB at a time while commits go on. The log begins anew only once nothing
of it is left to copy, so where it has become long the writer copies the rest, which is little by then. Source:
sqlite.org/wal.html, 2.1 and 3.
"""

import contextlib
import os
import sqlite3
import threading
from pathlib import Path
from queue import SimpleQueue
from typing import Final

LOG_BYTES: Final = 32 << 20
"""So long the log becomes, whatever is in it."""

_FILL_BYTES: Final = 256 << 10
"""By so much at a time: a start does not wait for the whole of it."""

_SPARED_BYTES: Final = 256 << 20
"""A disk with less room keeps it for what must be written."""

_STEP_BYTES: Final = 4 << 20
"""Written since the last step: time for the next."""

_LONG_BYTES: Final = 16 << 20
"""A log as long as this is to begin anew."""

_STEP: Final = "PRAGMA wal_checkpoint(PASSIVE)"

_LATER: Final = (sqlite3.Error, MemoryError)
"""A step that ends so is taken later."""


class WriteAheadLog:
    """The log of the file at `path`, which `connection` alone writes. Its methods are called on the writer's thread."""

    def __init__(self, path: Path, connection: sqlite3.Connection, page_bytes: int) -> None:
        """The connection is open, and has made its tables."""
        self._connection = connection
        self._page_bytes = page_bytes
        self._behind = 0
        self._is_long = False
        connection.execute("PRAGMA wal_autocheckpoint = 0")
        self._path = Path(f"{path}-wal")
        self._is_filling = True
        self._other = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        self._steps: SimpleQueue[bool] = SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="log", daemon=True)
        self._thread.start()

    def wrote(self, rows: int, size: int) -> None:
        """So many rows, of so many bytes together, were committed."""
        if self._is_filling:
            self._is_filling = _lengthen(self._path)
        self._behind += rows * self._page_bytes + size
        if self._is_long:
            self._is_long = False
            with contextlib.suppress(*_LATER):  # as in a step
                is_busy, _, _ = self._connection.execute(_STEP).fetchone()
                self._is_long = bool(is_busy)  # the thread is copying: again after the next commit
        elif self._behind >= _STEP_BYTES and self._steps.empty():
            self._behind = 0
            self._steps.put(True)

    def close(self) -> None:
        """Ends the thread; the connection is the caller's to close."""
        self._steps.put(False)
        self._thread.join()
        self._other.close()

    def _run(self) -> None:
        while self._steps.get():
            # What can't be copied now stays in the log, and a log that can't grow stops the writer, who says so.
            with contextlib.suppress(*_LATER):
                _, frames, _ = self._other.execute(_STEP).fetchone()
                self._is_long = frames * self._page_bytes >= _LONG_BYTES


def _lengthen(log: Path) -> bool:
    """
    Lengthen the log by some zeros, between two commits; whether to go on after the next.

    A commit's fdatasync then finds its blocks on the disk already: a third less to wait, until the log begins anew,
    which overwrites it. Zeros are no frame: a recovery ends where they begin (sqlite.org/fileformat2.html, 4.1). The
    log bears no locks of SQLite's, so that closing it here loses none. Where that can't be done, or the disk has little
    room, the log stays as it is: what room there is is for commits, and the first that finds none says so.
    """
    try:
        with log.open("r+b", buffering=0) as file:
            before = file.seek(0, os.SEEK_END)
            room = os.fstatvfs(file.fileno())
            if before >= LOG_BYTES or room.f_bavail * room.f_frsize < _SPARED_BYTES:
                return False
            file.write(bytes(min(LOG_BYTES - before, _FILL_BYTES)))
    except (OSError, MemoryError):
        return False
    return True
