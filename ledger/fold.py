"""
A snapshot made beside the working engine, by a process of its own, so that a start after a kill replays only a tail.

`python -m ledger.fold DIRECTORY SEQUENCE ENGINE` reads the last snapshot, replays the journal as far as SEQUENCE, and writes
the next one. It works at the lowest priority, needs as much memory again as the books, and ends where its parent does.
"""

import os
import subprocess
import sys
import threading
import time
from pathlib import Path

from ledger import replay
from ledger.journal import Journal

DUTY = 0.1
"""The part of the time that may go into folding."""

_NICE = 19


class Abandoned(RuntimeError):  # noqa: N818 - a state
    """Whoever started the fold is gone."""


class Folder:
    """Folds an engine's journal, one fold at a time. `sequence` is the batch that the last one reached, `failure` why it didn't."""

    def __init__(self, directory: Path) -> None:
        self.sequence = 0
        self.failure: str | None = None
        self._directory = directory
        self._thread: threading.Thread | None = None
        self._process: subprocess.Popen[str] | None = None
        self._ended = False
        self._door = threading.Lock()
        self._not_before_s = 0.0

    def start(self, sequence: int) -> bool:
        """Fold as far as this batch, which must be on disk; False where it is too early. Doesn't wait."""
        if time.monotonic() < self._not_before_s or (self._thread is not None and self._thread.is_alive()):
            return False
        self._thread = threading.Thread(target=self._fold, args=(sequence,), name="ledger fold", daemon=True)
        self._thread.start()
        return True

    def wait(self, timeout_s: float) -> bool:
        """Whether no fold is under way, after waiting so long for the one that is."""
        if self._thread is not None:
            self._thread.join(timeout_s)
        return self._thread is None or not self._thread.is_alive()

    def end(self) -> None:
        """Give up a fold that is under way: a snapshot is written whole or not at all."""
        with self._door:
            self._ended = True
            if self._process is not None:
                self._process.kill()
        if self._thread is not None:
            self._thread.join()

    def _fold(self, sequence: int) -> None:
        began_s = time.monotonic()
        paths = [str(Path(__file__).parents[1]), *filter(None, [os.environ.get("PYTHONPATH")])]
        with self._door:
            if self._ended:
                return
            self._process = subprocess.Popen(
                [*(sys.executable, "-m", "ledger.fold"), *map(str, (self._directory, sequence, os.getpid()))],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                text=True,
                env={**os.environ, "PYTHONPATH": os.pathsep.join(paths)},
            )
        _, said = self._process.communicate()
        took_s = time.monotonic() - began_s
        self._not_before_s = time.monotonic() + took_s * (1 / DUTY - 1)
        if self._process.returncode:
            self.failure = f"status {self._process.returncode}: {said[-500:]}"
        else:
            self.sequence, self.failure = sequence, None


def fold(directory: Path, sequence: int, engine: int) -> None:
    """
    Bring the snapshot in `directory` up to a batch of its journal, while the process `engine`, our parent, lives.

    Raises LedgerCorrupt, OSError, and Abandoned.
    """

    def heard() -> None:
        if os.getppid() != engine:
            raise Abandoned(f"the engine of {directory} is gone")

    journal = Journal(directory / replay.JOURNAL, read_only=True)
    try:
        books = replay.restore(directory, journal, sequence, heard).books
    finally:
        journal.close()
    replay.keep(directory, books, sequence, heard)


def main() -> None:
    """The process."""
    os.nice(_NICE)
    fold(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))


if __name__ == "__main__":
    main()
