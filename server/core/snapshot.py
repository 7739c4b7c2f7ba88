"""Named arrays in one file: whole or not at all, with a format version and a checksum for each array."""

import os
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray


class SnapshotUnreadable(RuntimeError):  # noqa: N818 - told as what it is
    """A snapshot that can't be used; the text names the file and the reason."""


def write_arrays(path: Path, version: int, arrays: Mapping[str, NDArray[Any]]) -> None:
    """Write named arrays with a format version and a checksum; the old file stands until the new one is on disk."""
    checks = {name: zlib.crc32(np.ascontiguousarray(array).data) for name, array in arrays.items()}
    fresh = path.with_suffix(".new")
    with fresh.open("wb") as file:
        header = {"format": np.array([version]), "checks": np.array(list(checks.values()), np.uint32)}
        np.savez(file, allow_pickle=False, **header, **arrays)
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(path)
    folder = os.open(path.parent, os.O_RDONLY)
    os.fsync(folder)
    os.close(folder)


def read_arrays(path: Path, version: int) -> dict[str, NDArray[Any]]:
    """Read what `write_arrays` wrote. Raises SnapshotUnreadable naming what is wrong, FileNotFoundError if absent."""
    try:
        # Opened here: np.load leaves a damaged file open.
        with path.open("rb") as raw, np.load(raw, allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
    except FileNotFoundError:
        raise
    except Exception as error:
        raise SnapshotUnreadable(f"{path} can't be read: {error}") from error
    if "format" not in arrays or "checks" not in arrays:
        raise SnapshotUnreadable(f"{path} is no snapshot")
    found, checks = arrays.pop("format").tolist(), arrays.pop("checks")
    if found != [version]:
        raise SnapshotUnreadable(f"{path} has format {found[0]}; this server reads format {version}")
    if len(checks) != len(arrays):
        raise SnapshotUnreadable(f"{path} is incomplete")
    for (name, array), crc32 in zip(arrays.items(), checks.tolist(), strict=True):
        if zlib.crc32(np.ascontiguousarray(array).data) != crc32:
            raise SnapshotUnreadable(f"{path} does not read back as written: {name}")
    return arrays
