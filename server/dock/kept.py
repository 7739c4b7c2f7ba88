"""
What a front answered in the core's stead: kept, in order, until the core says that it is on disk.

It is in a file of the front's own before the answer leaves, so a front that is killed takes none of it along: the core
reads the file when it sees the front go, and the front's successor when it starts. The file is not synced: with the
machine goes also what asked and was asked.
"""

import errno
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import numpy as np
import structlog

from server.core.record import REQUEST, REQUEST_VERSION

AT_ONCE: Final = 1_024
"""Requests in one batch for the core."""

SPARE_BYTES: Final = 1 << 20
"""So much of what is settled may stand in the file."""

_CODE_SIZE: Final = 2
_LINE_SIZE: Final = REQUEST.itemsize + _CODE_SIZE
_Line = tuple[bytes, bytes]

_log = structlog.get_logger("dock")


class Kept:
    """Requests as packed records, with the code that each was answered with. Bounded."""

    def __init__(self, requests_max: int, path: Path) -> None:
        """`path`: its file, with what was kept there before. Raises OSError."""
        self._requests_max = requests_max
        self._path = path
        self._waiting: list[_Line] = _lines_of(path)
        self._size = len(self._waiting) * _LINE_SIZE
        if path.exists():
            os.truncate(path, self._size)
        self.count = len(self._waiting)
        """Requests that the core has not settled yet."""
        self._under_way: dict[int, list[_Line]] = {}
        self._number = 0

    def has_room(self, count: int) -> bool:
        """Whether so many more may be kept."""
        return self.count + count <= self._requests_max

    def put(self, records: list[bytes], code: bytes) -> None:
        """
        Keep packed REQUESTs that are about to be answered with `code`.

        Raises OSError where there is no room, in bounds or on the disk, and then none is kept.
        """
        if not self.has_room(len(records)):
            raise OSError(f"{self.count} are kept already")
        lines = [(record, code) for record in records]
        if lines:
            self._write(b"".join([part for line in lines for part in line]))
        self._waiting += lines
        self.count += len(lines)

    def hand_over(self) -> list[tuple[int, bytes, bytes]]:
        """What waits, in batches: number, records, codes. Each is under way until it is `settled`."""
        batches = []
        while self._waiting:
            batch, self._waiting = self._waiting[:AT_ONCE], self._waiting[AT_ONCE:]
            self._number += 1
            self._under_way[self._number] = batch
            batches.append((self._number, *_joined(batch)))
        return batches

    def settled(self, number: int) -> None:
        """The core has this batch."""
        self.count -= len(self._under_way.pop(number, ()))
        if self._size > SPARE_BYTES + 2 * self.count * _LINE_SIZE or (not self.count and self._size):
            self._write_anew()

    def take_back(self) -> None:
        """The core is gone: what was under way waits again, before the rest."""
        again = [line for number in sorted(self._under_way) for line in self._under_way[number]]
        self._under_way.clear()
        self._waiting = again + self._waiting

    def _write_anew(self) -> None:
        """Only what is not settled: in a file that takes the other's place. Where it can't be written that one stays."""
        if not self.count:
            self._size = 0
            os.truncate(self._path, 0)
            return
        unsettled = [line for number in sorted(self._under_way) for line in self._under_way[number]]
        whole = b"".join([part for line in unsettled + self._waiting for part in line])
        beside = self._path.with_suffix(".new")
        try:
            with open(beside, "wb", buffering=0, opener=_for_us_alone) as file:
                is_whole = file.write(whole) == len(whole)
            if is_whole:
                beside.replace(self._path)
                self._size = len(whole)
        except OSError as error:
            _log.warning("what fronts keep is not written anew", path=str(self._path), reason=str(error))

    def _write(self, lines: bytes) -> None:
        with open(self._path, "ab", buffering=0, opener=_for_us_alone) as file:
            written = file.write(lines) or 0
        if written < len(lines):
            os.truncate(self._path, self._size)
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        self._size += written


def kept_path(home: Path, front: int) -> Path:
    """Where a front keeps."""
    return home / f"front-{front}.kept"


def kept_fronts(home: Path) -> list[int]:
    """The fronts that have kept something in this home, now or once."""
    numbers = (path.stem.removeprefix("front-") for path in home.glob("front-*.kept"))
    return sorted(int(number) for number in numbers if number.isdecimal())


def left_behind(path: Path) -> Iterator[tuple[bytes, bytes]]:
    """What a front that is gone has kept, in batches: records and codes. Raises OSError."""
    lines = _lines_of(path)
    for first in range(0, len(lines), AT_ONCE):
        yield _joined(lines[first : first + AT_ONCE])


def _for_us_alone(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


def records_of(records: bytes) -> list[bytes]:
    """Packed REQUESTs, one by one."""
    size = REQUEST.itemsize
    return [records[at : at + size] for at in range(0, len(records), size)]


def _joined(lines: list[_Line]) -> tuple[bytes, bytes]:
    records, codes = zip(*lines, strict=True)
    return b"".join(records), b"".join(codes)


def _lines_of(path: Path) -> list[_Line]:
    """The lines of a file; a last one that is not whole was never answered."""
    try:
        whole = path.read_bytes()
    except FileNotFoundError:
        return []
    count = len(whole) // _LINE_SIZE
    lines = [
        (whole[at : at + REQUEST.itemsize], whole[at + REQUEST.itemsize : at + _LINE_SIZE])
        for at in range(0, count * _LINE_SIZE, _LINE_SIZE)
    ]
    records = bytearray(b"".join([record for record, _ in lines]))
    if lines and (np.frombuffer(records, REQUEST)["version"] != REQUEST_VERSION).any():
        _log.warning("what a front kept is of another version, and is left out", path=str(path))
        return []
    return lines
