"""From snapshot and journal to the books as they were: what a start does, and what folds the one into the other."""

import zlib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from ledger import snapshot, witness
from ledger.book import LedgerCorrupt
from ledger.journal import Entry, Journal, Kind
from ledger.state import State
from ledger.transfer import ACCOUNT, TRANSFER, Accounts, Results, Transfers

JOURNAL = "journal.sqlite"
SNAPSHOT = "snapshot"
WITNESS = "witness"

EVENTS = {Kind.CREATE_ACCOUNTS: ACCOUNT, Kind.CREATE_TRANSFERS: TRANSFER}


def apply(books: State, kind: Kind, batch: Accounts | Transfers, first_ns: int) -> Results:
    """One batch at one time: what is due expires first, then come the events. Replay does the same."""
    first_ns += books.expire(first_ns)
    if kind == Kind.CREATE_ACCOUNTS:
        return books.create_accounts(batch, first_ns)
    return books.create_transfers(batch, first_ns)


def crc32(results: Results) -> int:
    return zlib.crc32(results.view(np.uint8).data)


def restore(
    directory: Path, journal: Journal, until: int, heard: Callable[[], None] = lambda: None
) -> tuple[State, int]:
    """
    The books after the journal's batch `until`, and the batch that the snapshot on disk stands at.

    `heard` is called now and then. Raises LedgerCorrupt, also where the books are not those that were witnessed.
    """
    found = snapshot.read(directory / SNAPSHOT)
    seen = witness.read(directory / WITNESS)
    snapped = found.sequence if found else 0
    books = found.state if found else State()
    for name, sequence in ((SNAPSHOT, snapped), (WITNESS, seen.sequence if seen else 0)):
        if sequence > journal.last:
            raise LedgerCorrupt(
                f"{journal.path} ends at batch {journal.last}, but {directory / name} "
                f"was written after batch {sequence}"
            )
    if seen and seen.sequence == snapped:
        seen.compare(books.accounts(), journal.path)
    for sequence, entry in enumerate(_ahead(journal.read(snapped, until)), start=snapped + 1):
        if entry.kind == Kind.EXPIRE:
            books.expire(entry.first_ns)
        else:
            kind = Kind(entry.kind)
            # Copied: a read-only array is another type to Numba, to be compiled once more.
            batch = np.frombuffer(entry.body, EVENTS[kind]).copy()
            if len(batch) != entry.count or crc32(apply(books, kind, batch, entry.first_ns)) != (
                entry.results_crc32
            ):
                raise LedgerCorrupt(
                    f"{journal.path}: batch {sequence} has other results now than when it was written; "
                    f"the last good batch is {sequence - 1}"
                )
        if seen and seen.sequence == sequence:
            seen.compare(books.accounts(), journal.path)
        heard()
    return books, snapped


def _ahead(entries: Iterator[Entry]) -> Iterator[Entry]:
    """The same entries, the next one read and checked on a thread while this one is posted."""
    with ThreadPoolExecutor(1, thread_name_prefix="ledger read") as beside:
        coming = beside.submit(next, entries, None)
        while (entry := coming.result()) is not None:
            coming = beside.submit(next, entries, None)
            yield entry


def keep(directory: Path, books: State, sequence: int) -> None:
    """Write a snapshot and its witness, as of the journal's batch `sequence`. Raises OSError."""
    snapshot.write(directory / SNAPSHOT, books, sequence)
    witness.write(directory / WITNESS, books.accounts(), sequence)
