"""
The books in one file, so that a start reads it and the journal's tail, not the whole journal.

A header, then the arrays as they lie in memory, then a checksum over all before it. Written beside, synced
and renamed, so that there is always one whole snapshot or none. It is never the truth: a damaged one is
passed over and the journal replayed from its beginning; only a format this program doesn't know is refused.
"""

import os
import struct
import zlib
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np

from ledger.book import LedgerCorrupt
from ledger.state import State

FORMAT = 2
_FORMAT_REPLAYED = 1  # without the balances of accounts with HISTORY: the journal has them

_MAGIC = b"HFLEDGER"
# magic, format, journal sequence, last timestamp, counts of accounts, transfers, burnt ids, balances
_HEADER = struct.Struct("<8sqqqqqqq")
_CHECKSUM = struct.Struct("<I")
_PIECE_BYTES = 8 << 20


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The books as they were after the journal's batch `sequence`."""

    sequence: int
    state: State


def write(path: Path, state: State, sequence: int) -> None:
    """Write the books as of the journal's batch `sequence`, durably. Raises OSError."""
    arrays = (state.accounts(), state.transfers(), state.pending(), state.burnt(), state.balances())
    header = _HEADER.pack(
        _MAGIC,
        FORMAT,
        sequence,
        state.last_ns,
        len(arrays[0]),
        len(arrays[1]),
        len(arrays[3]),
        len(arrays[4]),
    )
    beside = path.with_suffix(".new")
    with beside.open("wb") as file:
        file.write(header)
        crc32 = zlib.crc32(header)
        for array in arrays:
            body = array.view(np.uint8).reshape(-1).data
            for start in range(0, len(body), _PIECE_BYTES):
                piece = body[start : start + _PIECE_BYTES]
                file.write(piece)
                file.flush()
                os.fdatasync(file.fileno())  # so that a journal's commits beside it don't wait for all of it
                crc32 = zlib.crc32(piece, crc32)
        file.write(_CHECKSUM.pack(crc32))
        file.flush()
        os.fsync(file.fileno())
    beside.replace(path)
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Make the names in a folder durable. Raises OSError."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def read(path: Path) -> Snapshot | None:
    """The snapshot, or None where there is none or it is damaged. Raises LedgerCorrupt for an unknown format."""
    try:
        with path.open("rb") as file:
            return _read(path, file)
    except FileNotFoundError:
        return None


def _read(path: Path, file: BinaryIO) -> Snapshot | None:
    header = file.read(_HEADER.size)
    if len(header) < _HEADER.size or header[:8] != _MAGIC:
        return None
    _, version, sequence, last_ns, accounts, transfers, burnt, balances = _HEADER.unpack(header)
    if version == _FORMAT_REPLAYED:
        return None
    if version != FORMAT:
        raise LedgerCorrupt(f"{path} has format {version}, and this program reads {FORMAT}")
    size = _HEADER.size + _CHECKSUM.size + 128 * accounts + 129 * transfers + 16 * burnt + 72 * balances
    if min(accounts, transfers, burnt, balances) < 0 or os.fstat(file.fileno()).st_size != size:
        return None
    state = State()
    bodies = []
    for array in state.lay_out(accounts, transfers, burnt, balances):
        body = array.view(np.uint8).reshape(-1).data
        for start in range(0, len(body), _PIECE_BYTES):
            file.readinto(body[start : start + _PIECE_BYTES])  # type: ignore[attr-defined] # a BufferedReader has it
        bodies.append(body)
    # Summed beside the rebuilding, which only reads: neither holds the interpreter's lock.
    with ThreadPoolExecutor(1) as beside:
        crc32 = beside.submit(_crc32, header, bodies)
        state.restore(last_ns)
        if file.read(_CHECKSUM.size) != _CHECKSUM.pack(crc32.result()):
            return None
    return Snapshot(sequence, state)


def _crc32(header: bytes, bodies: list[memoryview]) -> int:
    crc32 = zlib.crc32(header)
    for body in bodies:
        for start in range(0, len(body), _PIECE_BYTES):
            crc32 = zlib.crc32(body[start : start + _PIECE_BYTES], crc32)
    return crc32
