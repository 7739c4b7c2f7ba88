"""What a power failure leaves of a process's files: what it had synced, and of the rest any part."""

import os
import struct
from dataclasses import dataclass, field
from pathlib import Path

SECTOR = 512
_HEADER = struct.Struct("<cIQQ")


@dataclass(frozen=True, slots=True)
class Entry:
    """One thing that the layer saw: see file_layer.c."""

    kind: str
    path: str
    offset: int
    length: int
    data: bytes


def entries(log):
    """What the layer wrote down, in order; long runs of zeros are not kept."""
    found = []
    with Path(log).open("rb") as file:
        while header := file.read(_HEADER.size):
            kind, size, offset, length = _HEADER.unpack(header)
            path = file.read(size).decode()
            data = file.read(length)
            assert len(data) == length
            if kind == b"W" and not any(data):
                data = b""
            found.append(Entry(kind.decode(), path, offset, length, data))
    return found


@dataclass
class _File:
    """One file: what is on the disk for sure, and what may be."""

    durable: list = field(default_factory=list)
    volatile: list = field(default_factory=list)
    syncing: dict = field(default_factory=dict)  # by thread: how much a sync under way covers


class Disk:
    """The files under a folder, as far as the log has gone."""

    def __init__(self, root):
        self._root = str(root)
        self._files = {}
        self._renames = []  # not yet durable: (folder, source, target, the file that stood there)

    def take(self, entry):
        """One more entry of the log."""
        path = entry.path
        if entry.kind in "WT":
            self._files.setdefault(path, _File()).volatile.append(entry)
        elif entry.kind == "B" and path in self._files:
            self._files[path].syncing[entry.offset] = len(self._files[path].volatile)
        elif entry.kind == "S":
            self._sync(path, entry.offset)
        elif entry.kind == "R":
            target = entry.data.decode()
            before = self._files.get(target)
            self._files[target] = self._files.pop(path)
            self._renames.append((str(Path(target).parent), target, before))
        elif entry.kind == "U":
            self._files.pop(path, None)

    def leave(self, folder, random):
        """Write under another folder what the failure leaves; `random` decides over what was not synced."""
        files = dict(self._files)
        for _, target, before in self._renames:
            if random.random() < 0.5:
                if before is None:
                    files.pop(target, None)
                else:
                    files[target] = before
        for path, file in files.items():
            if path.endswith("-shm"):
                continue  # memory that processes share: SQLite makes it anew
            left = Path(folder) / os.path.relpath(path, self._root)
            left.parent.mkdir(parents=True, exist_ok=True)
            with left.open("wb") as written:
                for entry in file.durable:
                    _put(written, entry, entry.offset, entry.offset + entry.length)
                _put_some(written, file.volatile, random)

    def _sync(self, path, thread):
        file = self._files.get(path)
        if file is None:
            self._renames = [rename for rename in self._renames if rename[0] != path]
            return
        count = file.syncing.pop(thread)
        file.durable += file.volatile[:count]
        file.volatile = file.volatile[count:]
        file.syncing = {other: max(0, covers - count) for other, covers in file.syncing.items()}


def _put_some(written, volatile, random):
    """Of what was not synced: all of it, none, or each write, and each sector of it, as chance has it."""
    fate = random.choice(("all", "none", "a part", "some", "torn"))
    upto = random.randrange(len(volatile) + 1)
    for place, entry in enumerate(volatile):
        if (
            fate == "none"
            or (fate == "a part" and place >= upto)
            or (fate == "some" and random.random() < 0.5)
        ):
            continue
        if fate != "torn" or entry.kind == "T":
            _put(written, entry, entry.offset, entry.offset + entry.length)
            continue
        end = entry.offset + entry.length
        for first in range(entry.offset - entry.offset % SECTOR, end, SECTOR):
            if random.random() < 0.5:
                _put(written, entry, max(first, entry.offset), min(first + SECTOR, end))


def _put(written, entry, first, last):
    """So much of one write, or a truncation."""
    if entry.kind == "T":
        written.truncate(entry.offset)
    elif entry.data:
        written.seek(first)
        written.write(entry.data[first - entry.offset : last - entry.offset])
    else:
        _put_zeros(written, first, last)


def _put_zeros(written, first, last):
    """Zeros, without writing them where nothing was."""
    end = written.seek(0, os.SEEK_END)
    if last > end:
        written.truncate(last)
    if first < end:
        written.seek(first)
        written.write(bytes(min(last, end) - first))
