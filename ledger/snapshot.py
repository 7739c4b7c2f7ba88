"""
The books in one file, so that a start reads it and the journal's tail, not the whole journal.

A header, then the arrays as they lie in memory, then a checksum over all before it. Written beside, synced
and renamed, so that there is always one whole snapshot or none. It is never the truth: a damaged one is
passed over and the journal replayed from its beginning; only a format this program doesn't know is refused.
"""

import os
import struct
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import DTypeLike, NDArray

from ledger.book import LedgerCorrupt
from ledger.state import State
from ledger.transfer import ACCOUNT, TRANSFER

FORMAT = 1

_MAGIC = b"HFLEDGER"
# magic, format, journal sequence, last timestamp, counts of accounts, transfers, burnt ids
_HEADER = struct.Struct("<8sqqqqqq")
_CHECKSUM = struct.Struct("<I")
_PIECE_BYTES = 1 << 26


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The books as they were after the journal's batch `sequence`."""

    sequence: int
    state: State


def write(path: Path, state: State, sequence: int) -> None:
    """Write the books as of the journal's batch `sequence`, durably. Raises OSError."""
    arrays = (state.accounts(), state.transfers(), state.pending(), state.burnt())
    header = _HEADER.pack(
        _MAGIC, FORMAT, sequence, state.last_ns, len(arrays[0]), len(arrays[1]), len(arrays[3])
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
    _, version, sequence, last_ns, accounts_count, transfers_count, burnt_count = _HEADER.unpack(header)
    if version != FORMAT:
        raise LedgerCorrupt(f"{path} has format {version}, and this program reads {FORMAT}")
    size = _HEADER.size + _CHECKSUM.size + 128 * accounts_count + 129 * transfers_count + 16 * burnt_count
    if os.fstat(file.fileno()).st_size != size:
        return None
    crc32 = zlib.crc32(header)
    accounts, crc32 = _array(file, ACCOUNT, (accounts_count,), crc32)
    transfers, crc32 = _array(file, TRANSFER, (transfers_count,), crc32)
    pending, crc32 = _array(file, np.uint8, (transfers_count,), crc32)
    burnt, crc32 = _array(file, np.uint64, (burnt_count, 2), crc32)
    if file.read(_CHECKSUM.size) != _CHECKSUM.pack(crc32):
        return None
    return Snapshot(sequence, State.restored(accounts, transfers, pending, burnt, last_ns))


def _array(file: BinaryIO, dtype: DTypeLike, shape: tuple[int, ...], crc32: int) -> tuple[NDArray[Any], int]:
    array = np.empty(shape, dtype)
    body = array.view(np.uint8).reshape(-1).data
    for start in range(0, len(body), _PIECE_BYTES):
        piece = body[start : start + _PIECE_BYTES]
        file.readinto(piece)  # type: ignore[attr-defined] # a BufferedReader has it, BinaryIO doesn't say so
        crc32 = zlib.crc32(piece, crc32)
    return array, crc32
