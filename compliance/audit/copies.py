"""The second place of checkpoints: a file that is only added to, in a folder that is best on another disk or host."""

import fcntl
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from compliance.audit.checkpoint import Signed

NAME: Final = "checkpoints.jsonl"


class Copies:
    """The file `checkpoints.jsonl` in a folder; a line is a checkpoint. Methods block."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / NAME

    def lines(self) -> list[str]:
        """All lines as they stand; [] where there is no file. Raises OSError."""
        try:
            return self.path.read_text("utf-8", errors="replace").splitlines()
        except FileNotFoundError:
            return []

    def count(self) -> int:
        """Lines that are whole: one that a crash left half-written has no end. Raises OSError."""
        try:
            return self.path.read_bytes().count(b"\n")
        except FileNotFoundError:
            return 0

    def follow(self, count: int, missing: Sequence[Signed]) -> bool:
        """
        Adds `missing`, which come after the first `count` whole lines, and returns once they are on the disk.

        Returns False, and adds nothing, where the file holds another number of lines by now. A last line that a
        crash left half-written is taken away. Raises OSError.
        """
        self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with self._locked() as descriptor:
            text = self.path.read_bytes()
            whole = text.rfind(b"\n") + 1
            if text.count(b"\n") != count:
                return False
            if whole != len(text):
                os.ftruncate(descriptor, whole)
            os.write(descriptor, "".join(signed.line for signed in missing).encode())
            os.fsync(descriptor)
        return True

    @contextmanager
    def _locked(self) -> Iterator[int]:
        descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield descriptor
        finally:
            os.close(descriptor)
