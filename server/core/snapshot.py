"""Named arrays in one file: whole or not at all, with a format version and a checksum for each array."""

import io
import os
import zlib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

_HEADER: Final = ("format", "checks")
_SYNC_BYTES: Final = 8 << 20


class SnapshotUnreadable(RuntimeError):  # noqa: N818 - told as what it is
    """A snapshot that can't be used; the text names the file and the reason."""


def write_arrays(path: Path, version: int, arrays: Mapping[str, NDArray[Any]]) -> None:
    """Write named arrays with a format version and a checksum; the old file stands until the new one is on disk."""
    for name, array in arrays.items():
        assert _has_no_gaps(array.dtype), f"{name}: bytes between fields don't read back as written"
    checks = {name: zlib.crc32(np.ascontiguousarray(array).data) for name, array in arrays.items()}
    fresh = path.with_suffix(".new")
    with _Steady(fresh, "wb") as file:
        header = {"format": np.array([version]), "checks": np.array(list(checks.values()), np.uint32)}
        np.savez(file, allow_pickle=False, **header, **arrays)
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(path)
    folder = os.open(path.parent, os.O_RDONLY)
    os.fsync(folder)
    os.close(folder)


def _has_no_gaps(dtype: np.dtype[Any]) -> bool:
    """Whether fields take up every byte of a record."""
    if dtype.subdtype is not None:
        return _has_no_gaps(dtype.subdtype[0])
    fields = dtype.fields
    if fields is None:
        return True
    kinds = [fields[name][0] for name in dtype.names or ()]
    return sum(kind.itemsize for kind in kinds) == dtype.itemsize and all(map(_has_no_gaps, kinds))


class _Steady(io.FileIO):
    """A file that reaches the disk while it is written: the journal's commits beside it don't wait for all of it."""

    _unsynced = 0

    def write(self, data: Any) -> int:
        written = super().write(data) or 0
        self._unsynced += written
        if self._unsynced >= _SYNC_BYTES:
            os.fdatasync(self.fileno())
            self._unsynced = 0
        return written


def read_arrays(
    path: Path, version: int, only: Iterable[str] | None = None, *, oldest: int | None = None
) -> dict[str, NDArray[Any]]:
    """
    Read what `write_arrays` wrote, or `only` some of it; of format `version`, or an older one down to `oldest`.

    Raises SnapshotUnreadable naming what is wrong, FileNotFoundError if absent.
    """
    try:
        # Opened here: np.load leaves a damaged file open.
        with path.open("rb") as raw, np.load(raw, allow_pickle=False) as file:
            names = [name for name in file.files if name not in _HEADER]
            wanted = names if only is None else list(only)
            arrays = {name: file[name] for name in (*_HEADER, *wanted) if name in file.files}
    except FileNotFoundError:
        raise
    except Exception as error:
        raise SnapshotUnreadable(f"{path} can't be read: {error}") from error
    if "format" not in arrays or "checks" not in arrays:
        raise SnapshotUnreadable(f"{path} is no snapshot")
    found, checks = arrays.pop("format").tolist(), arrays.pop("checks").tolist()
    if not (version if oldest is None else oldest) <= found[0] <= version:
        raise SnapshotUnreadable(f"{path} has format {found[0]}; this server reads format {version}")
    if len(checks) != len(names) or len(arrays) != len(wanted):
        raise SnapshotUnreadable(f"{path} is incomplete")
    for name, crc32 in zip(names, checks, strict=True):
        if name in arrays and zlib.crc32(np.ascontiguousarray(arrays[name]).data) != crc32:
            raise SnapshotUnreadable(f"{path} does not read back as written: {name}")
    return arrays
