"""From snapshot and journal to the books as they were: what a start does, and what folds the one into the other."""

import fcntl
import zlib
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ledger import snapshot, witness
from ledger.book import LedgerCorrupt
from ledger.journal import Entry, Journal, Kind
from ledger.state import State
from ledger.transfer import ACCOUNT, BATCH_MAX, RESULT, TRANSFER, Accounts, Results, Transfers

JOURNAL = "journal.sqlite"
SNAPSHOT = "snapshot"
WITNESS = "witness"
_KEEPING: Final = "keeping.lock"

_GROUP_ROWS: Final = 1_024
"""Batches of transfers that are posted again at once, of BATCH_MAX events together at the most: calls cost more than they."""

_BATCH_TRANSFERS: Final = 8
"""A batch takes as long to post again as so many transfers, whatever is in it."""

EVENTS = {Kind.CREATE_ACCOUNTS: ACCOUNT, Kind.CREATE_TRANSFERS: TRANSFER}


class Restored(NamedTuple):
    """The books; the batch that the snapshot on disk stands at; the transfers' worth of what was posted again."""

    books: State
    snapped: int
    posted_again: int


def worth(entries: Sequence[Entry]) -> int:
    """How long batches take to be posted again, in transfers."""
    return sum(entry.count + _BATCH_TRANSFERS for entry in entries)


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
) -> Restored:
    """
    The books after the journal's batch `until`.

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
    marks = frozenset({seen.sequence} if seen else ())
    done, posted_again = snapped, 0
    for group in _ahead(_grouped(journal.read(snapped, until), snapped, marks)):
        good = _post_again(books, group)
        if good < len(group):
            raise LedgerCorrupt(
                f"{journal.path}: batch {done + good + 1} has other results now than when it was written; "
                f"the last good batch is {done + good}"
            )
        done += len(group)
        posted_again += worth(group)
        if seen and seen.sequence == done:
            seen.compare(books.accounts(), journal.path)
        heard()
    return Restored(books, snapped, posted_again)


def _grouped(entries: Iterator[Entry], done: int, marks: frozenset[int]) -> Iterator[list[Entry]]:
    """
    The entries, those that are posted again at once together: accounts alone, and never beyond one of these batches.

    `done` is the batch before the first.
    """
    group: list[Entry] = []
    events = 0
    unread: LedgerCorrupt | None = None
    try:
        for sequence, entry in enumerate(entries, start=done + 1):
            alone = entry.kind == Kind.CREATE_ACCOUNTS
            if group and (alone or events + entry.count > BATCH_MAX or len(group) == _GROUP_ROWS):
                yield group
                group, events = [], 0
            group.append(entry)
            events += entry.count
            if alone or sequence in marks:
                yield group
                group, events = [], 0
    except LedgerCorrupt as error:  # told after what is wrong with a batch before it
        unread = error
    if group:
        yield group
    if unread is not None:
        raise unread


def _ahead(groups: Iterator[list[Entry]]) -> Iterator[list[Entry]]:
    """The same groups, the next one read and checked on a thread while this one is posted."""
    with ThreadPoolExecutor(1, thread_name_prefix="ledger read") as beside:
        coming = beside.submit(next, groups, None)
        while (group := coming.result()) is not None:
            coming = beside.submit(next, groups, None)
            yield group


def _post_again(books: State, group: Sequence[Entry]) -> int:
    """How many of these have the results that they had; the books are of no use where that is not all of them."""
    whole = [len(entry.body) == entry.count * TRANSFER.itemsize for entry in group]
    if not all(whole):
        return whole.index(False)
    kind = Kind(group[0].kind)
    if kind == Kind.CREATE_ACCOUNTS:
        (entry,) = group
        # Writable: a read-only array is another type to Numba, to be compiled once more.
        accounts = np.frombuffer(bytearray(entry.body), ACCOUNT)
        return int(crc32(apply(books, kind, accounts, entry.first_ns)) == entry.results_crc32)
    batches = np.frombuffer(bytearray().join(entry.body for entry in group), TRANSFER)
    counts: NDArray[np.int64] = np.array([entry.count for entry in group])
    clocks_ns: NDArray[np.int64] = np.array([entry.first_ns for entry in group])
    said = books.replay_transfers(batches, counts, clocks_ns).view(np.uint8).data
    ends = (counts.cumsum() * RESULT.itemsize).tolist()
    for place, (entry, first, end) in enumerate(zip(group, [0, *ends], ends, strict=False)):
        if entry.kind != Kind.EXPIRE and zlib.crc32(said[first:end]) != entry.results_crc32:
            return place
    return len(group)


def keep(directory: Path, books: State, sequence: int, heard: Callable[[], None] = lambda: None) -> None:
    """
    Write a snapshot and its witness, as of the journal's batch `sequence`, one process at a time.

    `heard` is called when it is our turn: who has waited may not be wanted any more. Raises OSError.
    """
    with (directory / _KEEPING).open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        heard()
        snapshot.write(directory / SNAPSHOT, books, sequence)
        witness.write(directory / WITNESS, books.accounts(), sequence)
