"""A disk that is small, and can be filled."""

import errno
import os
import subprocess
import tempfile
from contextlib import contextmanager
from pathlib import Path

import pytest


@contextmanager
def small_disk(size_mb):
    """A folder that is a disk of its own. Skips where that can't be made."""
    folder = Path(tempfile.mkdtemp(prefix="holdfast-test-"))
    made = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={size_mb}m", "holdfast-test", str(folder)],
        check=False,
        capture_output=True,
    )
    try:
        if made.returncode:
            pytest.skip(f"no small disk can be mounted here: {made.stderr.decode().strip()}")
        yield folder
    finally:
        if not made.returncode:
            subprocess.run(["umount", "--lazy", str(folder)], check=True)
        folder.rmdir()


def fill(path):
    """Write until the disk has no room left."""
    with path.open("wb", buffering=0) as file:
        for size in (1 << 16, 1 << 12, 1):
            with pytest.raises(OSError, match=os.strerror(errno.ENOSPC)):
                write_for_ever(file, bytes(size))


def write_for_ever(file, data):
    """Until the system says no."""
    while True:
        file.write(data)
