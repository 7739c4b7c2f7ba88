"""
What every account was after a batch, as digests in a file: a restart proves by it that its books are those before.

Written beside a snapshot, and kept apart from it: where the snapshot is lost, the journal's replay is held to it. A
damaged one is passed over; only a format this program doesn't know is refused.
"""

import os
import struct
import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ledger.book import LedgerCorrupt
from ledger.chart import describe
from ledger.transfer import Accounts

FORMAT = 1

_MAGIC = b"HFWITNES"
_HEADER = struct.Struct("<8sqqq")  # magic, format, journal sequence, count of accounts
_CHECKSUM = struct.Struct("<I")
_MIX = np.uint64(0x9E37_79B9_7F4A_7C15)
_SHIFT = np.uint64(29)


@dataclass(frozen=True, slots=True)
class Witness:
    """A digest of each account, in the order of their timestamps, after the journal's batch `sequence`."""

    sequence: int
    digests: NDArray[np.uint64]

    def compare(self, accounts: Accounts, source: Path) -> None:
        """Raises LedgerCorrupt naming the first account that is not as it was."""
        if len(accounts) != len(self.digests):
            raise LedgerCorrupt(
                f"{source}: after batch {self.sequence} there were {len(self.digests)} accounts, "
                f"and now there are {len(accounts)}"
            )
        wrong = np.flatnonzero(digests_of(accounts) != self.digests)
        if len(wrong):
            first = accounts[wrong[0]]
            raise LedgerCorrupt(
                f"{source}: after batch {self.sequence} account {describe(first['id_lo'], first['id_hi'])} has "
                f"other balances now than it had then, and {len(wrong) - 1} more with it"
            )


def digests_of(accounts: Accounts) -> NDArray[np.uint64]:
    """A digest of everything in each account."""
    words = accounts.view(np.uint64).reshape(-1, accounts.itemsize // 8)
    digests = np.zeros(len(accounts), np.uint64)
    for column in words.T:
        digests ^= column
        digests *= _MIX  # of arrays: wraps in silence
        digests ^= digests >> _SHIFT
    return digests


def write(path: Path, accounts: Accounts, sequence: int) -> None:
    """Write what the accounts are after the journal's batch `sequence`, durably. Raises OSError."""
    content = _HEADER.pack(_MAGIC, FORMAT, sequence, len(accounts)) + digests_of(accounts).tobytes()
    beside = path.with_suffix(".new")
    with beside.open("wb") as file:
        file.write(content)
        file.write(_CHECKSUM.pack(zlib.crc32(content)))
        file.flush()
        os.fsync(file.fileno())
    beside.replace(path)


def read(path: Path) -> Witness | None:
    """The witness, or None where there is none or it is damaged. Raises LedgerCorrupt for an unknown format."""
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return None
    if len(content) < _HEADER.size + _CHECKSUM.size or content[:8] != _MAGIC:
        return None
    _, version, sequence, count = _HEADER.unpack_from(content)
    if version != FORMAT:
        raise LedgerCorrupt(f"{path} has format {version}, and this program reads {FORMAT}")
    body, checksum = content[: -_CHECKSUM.size], content[-_CHECKSUM.size :]
    if len(body) != _HEADER.size + 8 * count or checksum != _CHECKSUM.pack(zlib.crc32(body)):
        return None
    return Witness(sequence, np.frombuffer(body, np.uint64, offset=_HEADER.size))
