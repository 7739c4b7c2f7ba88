"""
Parquet tables in and out, each column checked as it is read: what is wrong is named by column and row.

Rows are numbered from 0, as they stand in the file. A number may stand in a column of any numeric type, as
long as its value is one that the column may hold; an empty cell is refused unless it may be missing.
"""

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

TIME_MAX_S = 1 << 40
"""Times lie between 1970 and this, seconds UTC."""


class HistoryError(ValueError):
    """A history that can't be read, or can't be learnt from; says where and what is allowed."""


class Table:
    """A Parquet file in memory. Raises HistoryError wherever a column is not what is asked for."""

    def __init__(self, path: Path) -> None:
        if path.is_dir():  # Arrow would read whatever lies in it as one table
            raise HistoryError(f"{path.name} is a folder: name one Parquet file")
        try:
            self._table = pq.read_table(path)
        except (OSError, pa.ArrowException) as error:
            raise HistoryError(f"{path.name} can't be read as Parquet: {error}") from error
        self.name = path.name
        self.names = frozenset(self._table.column_names)
        self.rows: int = self._table.num_rows
        if len(self.names) != len(self._table.column_names):
            raise HistoryError(f"{path.name} has two columns of one name")
        if self.rows == 0:
            raise HistoryError(f"{path.name} holds no rows")

    def require(self, names: Sequence[str]) -> None:
        """Raises HistoryError where one of these columns is missing."""
        missing = sorted(set(names) - self.names)
        if missing:
            raise HistoryError(f"{self.name} lacks the columns {missing}; it has {sorted(self.names)}")

    def integers(self, name: str, low: int, high: int, missing: int | None = None) -> np.ndarray:
        """Whole numbers i8[rows] from low to high; `missing` stands for an empty cell where one may be."""
        column = self._column(name)
        if pa.types.is_boolean(column.type):
            column = column.cast(pa.int8())
        empty = self._empty(name, column, may_be=missing is not None)
        if pa.types.is_uint64(column.type):
            values = column.fill_null(0).to_numpy()
            self._refuse(name, values > np.iinfo(np.int64).max, values, f"whole numbers from {low} to {high}")
            values = values.astype(np.int64)
        elif pa.types.is_integer(column.type):
            values = column.fill_null(0).to_numpy().astype(np.int64)
        elif pa.types.is_floating(column.type):
            reals = column.fill_null(0.0).cast(pa.float64()).to_numpy()
            if missing is not None:
                empty |= np.isnan(reals)
                reals = np.where(empty, 0.0, reals)
            # Beyond 2^53 a double no longer holds every whole number.
            bad = ~(np.abs(reals) <= 1 << 53) | (reals != np.floor(reals))
            self._refuse(name, bad, reals, f"whole numbers from {low} to {high}")
            values = reals.astype(np.int64)
        else:
            raise self._wrong_type(name, column, "whole numbers")
        bad = ((values < low) | (values > high)) & ~empty
        self._refuse(name, bad, values, f"whole numbers from {low} to {high}")
        return values if missing is None else np.where(empty, missing, values)

    def reals(self, name: str, low: float, high: float) -> np.ndarray:
        """Numbers f8[rows] from low to high; NaN and empty cells are missing: NaN."""
        column = self._column(name)
        if not (pa.types.is_floating(column.type) or pa.types.is_integer(column.type)):
            raise self._wrong_type(name, column, "numbers")
        values = column.cast(pa.float64(), safe=False).fill_null(np.nan).to_numpy()
        self._refuse(name, (values < low) | (values > high), values, f"numbers from {low:g} to {high:g}")
        return values

    def times(self, name: str, missing: int | None = None) -> np.ndarray:
        """Times, whole seconds i8[rows] since 1970: of timestamps, read as UTC where they name no zone, or numbers."""
        column = self._column(name)
        if not pa.types.is_timestamp(column.type):
            return self.integers(name, 0, TIME_MAX_S - 1, missing)
        empty = self._empty(name, column, may_be=missing is not None)
        seconds = column.cast(pa.timestamp("s", column.type.tz), safe=False).cast(pa.int64())
        values = seconds.fill_null(0).to_numpy()
        bad = (values < 0) | (values >= TIME_MAX_S)
        self._refuse(name, bad, values, "times from 1970 on")
        return values if missing is None else np.where(empty, missing, values)

    def flags(self, name: str) -> np.ndarray:
        """Yes or no, bool[rows]: of booleans or of 0 and 1."""
        return self.integers(name, 0, 1) != 0

    def is_numeric(self, name: str) -> bool:
        """Whether a column holds whole numbers."""
        return bool(pa.types.is_integer(self._column(name).type))

    def digests(self, name: str) -> np.ndarray:
        """A column of whole numbers as u8[rows], taken bit for bit; empty cells are 0."""
        values = self._column(name).fill_null(0).to_numpy()
        return values if values.dtype == np.uint64 else values.astype(np.int64).view(np.uint64)

    def names_of(self, name: str, *, may_be_missing: bool = False) -> tuple[list[str], np.ndarray]:
        """
        The distinct values of a column of names, sorted, and each row's place i8[rows] among them.

        Whole numbers are names too. An empty cell that may be missing is the name "".
        """
        column = self._column(name)
        if pa.types.is_dictionary(column.type):
            column = column.cast(column.type.value_type)
        kinds = (pa.types.is_string, pa.types.is_large_string, pa.types.is_integer)
        if not any(kind(column.type) for kind in kinds):
            raise self._wrong_type(name, column, "names: text or whole numbers")
        self._empty(name, column, may_be=may_be_missing)
        encoded = column.cast(pa.string()).fill_null("").dictionary_encode()
        values = np.array(encoded.dictionary.to_pylist(), dtype=object)
        order = np.argsort(values)
        places = np.empty(len(values), np.int64)
        places[order] = np.arange(len(values))
        rows = places[encoded.indices.to_numpy()]
        names = list(values[order])
        if not may_be_missing and names[0] == "":
            raise HistoryError(
                f"{self.name}: {name} is empty in row {int(np.argmin(rows))}: it names nothing"
            )
        return names, rows

    def _column(self, name: str) -> Any:
        self.require([name])
        column = self._table[name].combine_chunks()
        # A column in which every cell is empty has a type of its own.
        return column.cast(pa.int64()) if pa.types.is_null(column.type) else column

    def _empty(self, name: str, column: Any, *, may_be: bool) -> np.ndarray:
        empty = pc.is_null(column).to_numpy(zero_copy_only=False)
        if not may_be and empty.any():
            raise HistoryError(
                f"{self.name}: {name} is empty in row {int(np.argmax(empty))}"
                f" ({int(empty.sum()):,} of {self.rows:,} rows)"
            )
        return empty

    def _refuse(self, name: str, bad: np.ndarray, values: np.ndarray, allowed: str) -> None:
        if bad.any():
            row = int(np.argmax(bad))
            raise HistoryError(
                f"{self.name}: {name} is {values[row]} in row {row} ({int(bad.sum()):,} of {self.rows:,} rows);"
                f" allowed are {allowed}"
            )

    def _wrong_type(self, name: str, column: Any, wanted: str) -> HistoryError:
        return HistoryError(f"{self.name}: {name} is of type {column.type}; wanted are {wanted}")


def write_table(path: Path, columns: Mapping[str, np.ndarray | Sequence[Any]]) -> None:
    """Writes columns of equal length as one Parquet file, whole or not at all. Raises OSError, naming the file."""
    fresh = path.with_name(path.name + ".new")
    try:
        pq.write_table(pa.table(dict(columns)), fresh)
        fresh.replace(path)
    except OSError as error:
        if fresh.is_file():
            fresh.unlink()
        raise OSError(f"{path} can't be written: {error}") from error


def fingerprint(files: Sequence[Path]) -> str:
    """The SHA-256 of files, hexadecimal: of their digests, where there are several."""
    digest = hashlib.sha256()
    for file in files:
        with file.open("rb") as opened:
            digest.update(hashlib.file_digest(opened, "sha256").digest())
    return digest.hexdigest()
