"""
The journal's disk, and a journal on it whose rows are lost in a crash until they are synced.

Rows are read back by the server's own reader, from a database in memory.
"""

import asyncio
import sqlite3
import threading
import zlib
from collections import defaultdict
from pathlib import Path

import numpy as np

from server.core.journal import JournalStopped
from server.core.journal_reader import INTENTS_KIND, JournalReader
from server.core.record import DECISION, INTENT, Operation

_DECISIONS = 2


class Disk:
    """What is on the disk; outlives every process."""

    def __init__(self):
        self.rows = []
        """Rows that are there: (number, kind, count, records)."""
        self.archive = []
        """The same, with those that were trimmed."""
        self.intents = {}
        """By sequence, INTENT[1] of all that ever were there, and when that was; likewise of decisions."""
        self.decisions = {}
        self.disowned = set()
        self.said_instead = defaultdict(set)
        """By authorization, what its sender was told by time: codes of the core's own messages."""
        """Ids of the authorizations whose answer was taken back: their senders had been told 91 before."""
        self.known = set()
        """Ids of the messages that intents are of: what the ledger is asked for them can be found again."""

    @property
    def durable(self):
        """The number of the last row."""
        return self.archive[-1][0] if self.archive else 0

    def write(self, rows, now_s):
        """Rows of one transaction."""
        for row in rows:
            number, kind, _, records = row
            assert number == self.durable + 1, f"row {number} follows row {self.durable}"
            self.rows.append(row)
            self.archive.append(row)
            dtype, known = (INTENT, self.intents) if kind == INTENTS_KIND else (DECISION, self.decisions)
            found = np.frombuffer(records, dtype)
            if kind == INTENTS_KIND:
                asked = found["request"]
                self.known.update(map(tuple, asked["authorization_id"].tolist()))
                for request in asked[asked["operation"] == Operation.DISOWN]:
                    self.said_instead[tuple(request["original_id"].tolist())].add(
                        bytes(request["given_code"])
                    )
            if kind == _DECISIONS:
                taken_back = found["original_id"][found["operation"] == Operation.DISOWN]
                self.disowned.update(map(tuple, taken_back.tolist()))
            for place, sequence in enumerate(found["sequence"].tolist()):
                assert sequence not in known, f"request {sequence} is in the journal twice"
                known[sequence] = (found[place : place + 1], now_s)

    def trim(self, up_to):
        """Forget rows; the newest stays, as in `server.core.journal`."""
        self.rows = [row for row in self.rows if row[0] > min(up_to, self.durable - 1)]


class DiskReader(JournalReader):
    """The server's reader on what the disk has whenever it looks; with `archived`, also on what was trimmed."""

    def __init__(self, disk, *, archived=False):
        self._path = Path("simulated")
        self._lock = threading.Lock()
        self._connection = _Database(disk, archived=archived)


class _Database:
    """SQLite in memory, brought up to the disk before every question."""

    def __init__(self, disk, *, archived):
        self._disk, self._archived, self._seen = disk, archived, 0
        self._connection = sqlite3.connect(":memory:", isolation_level=None)
        self._connection.execute(
            "CREATE TABLE batches (number INTEGER PRIMARY KEY, kind, count, crc32, records)"
        )

    def execute(self, sql, parameters=()):
        """As a connection's."""
        first = 1 if self._archived or not self._disk.rows else self._disk.rows[0][0]
        fresh = [
            (number, kind, count, zlib.crc32(records), records)
            for number, kind, count, records in self._disk.archive[max(self._seen, first - 1) :]
        ]
        self._connection.executemany("INSERT INTO batches VALUES (?, ?, ?, ?, ?)", fresh)
        self._seen = len(self._disk.archive)
        return self._connection.execute(sql, parameters)


class VolatileJournal:
    """The face of `server.core.journal.Journal`: group commits that take their time, or fail."""

    def __init__(self, disk, agenda, fates):
        self.path = Path("simulated")
        self.number = self.durable = disk.durable
        self.commit_us = 0
        self.stopped = None
        self.alive = True
        self._disk, self._agenda, self._fates = disk, agenda, fates
        self._waiting = []
        self._committing = []

    def append_intents(self, intents):
        """As the journal's."""
        return self._append(INTENTS_KIND, intents)

    def append_decisions(self, decisions):
        """As the journal's."""
        return self._append(_DECISIONS, decisions)

    def die(self, survives):
        """The process is gone; what was being committed is on the disk, or nothing of it is."""
        self.alive = False
        if survives:
            self._disk.write([row for row, _ in self._committing], self._agenda.now_s)

    def _append(self, kind, records):
        self.number += 1
        future = asyncio.get_running_loop().create_future()
        if self.stopped is not None:
            future.set_exception(self.stopped)
        else:
            self._waiting.append(((self.number, kind, len(records), records.tobytes()), future))
            self._begin()
        return future

    def _begin(self):
        if self._waiting and not self._committing:
            self._committing, self._waiting = self._waiting, []
            self._agenda.after(self._fates.commit_s(), self._end, self._fates.commit_fails())

    def _end(self, failure):
        if not self.alive:
            return
        entries, self._committing = self._committing, []
        if failure is None:
            self._disk.write([row for row, _ in entries], self._agenda.now_s)
            self.durable = entries[-1][0][0]
        else:
            if failure:  # it is there, but nobody is told so
                self._disk.write([row for row, _ in entries], self._agenda.now_s)
            self.stopped = JournalStopped("the disk is full; nothing more is answered")
            entries += self._waiting
            self._waiting = []
        for (number, *_), future in entries:
            if future.done():
                continue
            if self.stopped is None:
                future.set_result(number)
            else:
                future.set_exception(self.stopped)
        self._begin()
