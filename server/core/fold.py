"""
A snapshot made beside the running server, by a process of its own, so that the answer path pays nothing for it.

`python -m server.core.fold HOME ROW` reads the last snapshot, takes in the journal's rows as far as ROW, and writes
the next snapshot. The server starts it with the lowest priority, and ends it when it stops.
"""

import os
import sys
from pathlib import Path
from typing import Final

from server.core.journal_reader import JournalReader
from server.core.risk import Risk
from server.core.state import State
from server.undumpable import refuse_dumps

JOURNAL: Final = "journal.sqlite"
SNAPSHOT: Final = "state.npz"

_NICE: Final = 19


class Abandoned(RuntimeError):  # noqa: N818 - a state
    """Whoever started the fold is gone."""


def fold(home: Path, up_to: int) -> None:
    """
    Bring the snapshot in `home` up to journal row `up_to`, which must be on disk.

    Raises SnapshotUnreadable, JournalCorrupt, and Abandoned where its parent ends meanwhile.
    """
    parent = os.getppid()
    state = State(Risk())
    try:
        state.load(home / SNAPSHOT)
    except FileNotFoundError:
        pass
    reader = JournalReader(home / JOURNAL)
    try:
        for chunk in reader.read_chunks(state.journal_number, up_to):
            if os.getppid() != parent:
                raise Abandoned(f"the server of {home} is gone")
            state.replay([chunk])
    finally:
        reader.close()
    state.save(home / SNAPSHOT)


def main() -> None:
    """The process."""
    refuse_dumps()
    os.nice(_NICE)
    fold(Path(sys.argv[1]), int(sys.argv[2]))


if __name__ == "__main__":
    main()
