"""
A copy of an embedded ledger, for those who only look while its own process has it.

What is durable is in the copy, so everything that was answered before it was made is too.
"""

import shutil
import sqlite3
import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from ledger.book import LedgerError
from ledger.embedded import EmbeddedLedger
from ledger.replay import JOURNAL, SNAPSHOT

_WAIT_S = 5.0


@contextmanager
def opened_copy(directory: Path, now_ns: Callable[[], int]) -> Iterator[EmbeddedLedger]:
    """The ledger in `directory` as it is now, thrown away afterwards. Blocks. Raises LedgerError, also where it is none."""
    journal = directory / JOURNAL
    if not journal.exists():
        raise LedgerError(f"there is no ledger in {directory}")
    with tempfile.TemporaryDirectory(prefix="holdfast-ledger-") as folder:
        try:
            # The snapshot first: a journal copied later reaches at least as far.
            if (directory / SNAPSHOT).exists():
                shutil.copyfile(directory / SNAPSHOT, Path(folder) / SNAPSHOT)
            with (
                closing(sqlite3.connect(journal, timeout=_WAIT_S)) as source,
                closing(sqlite3.connect(Path(folder) / JOURNAL)) as copy,
            ):
                source.backup(copy)
        except (OSError, sqlite3.Error) as error:
            raise LedgerError(f"the ledger in {directory} can't be copied: {error}") from error
        ledger = EmbeddedLedger.open(Path(folder), now_ns=now_ns, fold_transfers=0)
        try:
            yield ledger
        finally:
            ledger.close_blocking()
