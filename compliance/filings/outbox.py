"""Files that go out: whole or not at all, for their owner's eyes, never over another."""

import os
import tempfile
from pathlib import Path

from compliance.filings.states import FilingError


def write_new(path: Path, data: bytes) -> None:
    """
    Writes a file of mode 0600 at once; the same bytes there already are as good.

    Raises FilingError where another file has the name, OSError where the folder can't be written.
    """
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=".filing-")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        try:
            os.link(name, path)
        except FileExistsError:
            if path.read_bytes() != data:
                raise FilingError(f"{path} is another file: move it away, it is not written over") from None
    finally:
        Path(name).unlink()
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
