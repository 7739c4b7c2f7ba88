"""
PostgreSQL's binary COPY, out and in, as arrays: no Python object per row or field.

Out: a query whose fields all have one length is an array of that layout behind a header. In: each column says how long
it is in each row, which says where everything goes, and kernels put it there, one column after the other (Numba).

Format: https://www.postgresql.org/docs/current/sql-copy.html, "Binary Format".
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numba import njit
from numpy.typing import NDArray

from server.core.packing import pack

HEADER: Final = b"PGCOPY\n\xff\r\n\0" + bytes(8)
TRAILER: Final = b"\xff\xff"
_FIELDS_SIZE: Final = 2
_SIZE_SIZE: Final = 4

_Bytes = NDArray[np.uint8]


def row_layout(fields: Iterable[tuple[Any, ...]]) -> np.dtype[Any]:
    """A row whose fields, given as for a structured dtype, all have one length."""
    laid_out: list[tuple[Any, ...]] = [("fields", ">i2")]
    for name, kind, *shape in fields:
        laid_out += [(f"{name}_size", ">i4"), (name, kind, *shape)]
    return np.dtype(laid_out)


def read_rows(stream: bytes | bytearray, row: np.dtype[Any]) -> NDArray[Any]:
    """The rows of a whole stream; none of its fields may be null or of another length than `row` says."""
    body = len(stream) - len(HEADER) - len(TRAILER)
    assert body % row.itemsize == 0, "a row of another length"
    rows = np.frombuffer(stream, row, body // row.itemsize, len(HEADER))
    for name in row.names or ():
        if name.endswith("_size"):
            expected = row[name.removesuffix("_size")].itemsize
            assert (rows[name] == expected).all(), f"{name}: a field of another length"
    return rows


@dataclass(frozen=True, slots=True)
class Column:
    """
    One field of every row: bytes, n by the most that a row has, and how many of them each row has, from the first.

    Without `sizes` every row has them all; a size of -1 is a null. Or the fields' bytes one after another, by `sizes`.
    """

    data: _Bytes
    sizes: NDArray[np.int64] | None = None


def numbers(values: NDArray[Any], kind: str, null: NDArray[np.bool_] | None = None) -> Column:
    """Numbers in the big-endian `kind` of the column's type; null where `null` says so."""
    data = _bytes_of(np.ascontiguousarray(values, kind))
    return Column(data, None if null is None else np.where(null, -1, data.shape[1]))


def uuids(pairs: NDArray[Any]) -> Column:
    """UUIDs of u128 given as u8[n, 2], low half first; null where zero."""
    return numbers(pairs[:, ::-1], ">u8", null=np.asarray(~pairs.any(axis=1)))


_SMALLINT_OID: Final = 21
_EMPTY_ARRAY_SIZE: Final = 12  # no dimension, so no length and no lower bound


def smallints(values: NDArray[np.uint16]) -> Column:
    """Arrays of `smallint`, u2[n, m], whose numbers fit 15 bits: all of a row, or an empty one where they are all zero."""
    item = np.dtype([("size", ">i4"), ("value", ">i2")])
    count = values.shape[1]
    layout = [(name, ">i4") for name in ("dimensions", "has_nulls", "kind", "length", "first")]
    rows = np.zeros(len(values), np.dtype([*layout, ("items", item, (count,))]))
    is_empty = ~values.any(axis=1)
    rows["dimensions"], rows["kind"], rows["length"], rows["first"] = ~is_empty, _SMALLINT_OID, count, 1
    rows["items"]["size"], rows["items"]["value"] = 2, values
    return Column(_bytes_of(rows), np.where(is_empty, _EMPTY_ARRAY_SIZE, rows.dtype.itemsize))


def texts(values: NDArray[Any]) -> Column:
    """Texts of zero-padded bytes, S[n]."""
    return Column(_bytes_of(np.ascontiguousarray(values)), np.char.str_len(values).astype(np.int64))


def packed(records: NDArray[Any]) -> Column:
    """Records without their zero bytes: see `server.core.packing`."""
    data, ends = pack(records)
    return Column(data, np.diff(ends, prepend=0))


def stream_of(columns: list[Column]) -> bytes:
    """The whole stream of these columns, each of the same number of rows."""
    sizes = [_sizes_of(column) for column in columns]
    rows = np.full(len(sizes[0]), _FIELDS_SIZE)
    for own in sizes:
        rows += _SIZE_SIZE + np.maximum(own, 0)
    ends = len(HEADER) + np.cumsum(rows)
    out = np.empty(ends[-1] if len(ends) else len(HEADER), np.uint8)
    out[: len(HEADER)] = np.frombuffer(HEADER, np.uint8)
    places = ends - rows
    put_number(out, places, np.full(len(rows), len(columns)), _FIELDS_SIZE)
    for column, own in zip(columns, sizes, strict=True):
        put_number(out, places, own, _SIZE_SIZE)
        if column.data.ndim == 1:
            put_parts(out, places, column.data, own)
        else:
            put_bytes(out, places, column.data, own)
    return out.tobytes() + TRAILER


def _sizes_of(column: Column) -> NDArray[np.int64]:
    if column.sizes is not None:
        return column.sizes
    return np.full(len(column.data), column.data.shape[1])


@njit(cache=True)
def put_number(out: Any, places: Any, values: Any, size: int) -> None:
    """Big-endian integers i8[n] of `size` bytes into u1[:] at i8[n], which move behind them."""
    for row in range(len(values)):
        for k in range(size):
            out[places[row] + k] = (values[row] >> 8 * (size - 1 - k)) & 0xFF
        places[row] += size


@njit(cache=True)
def put_bytes(out: Any, places: Any, data: Any, sizes: Any) -> None:
    """The first i8[n] bytes of the rows u1[n, w], none of a null."""
    for row in range(len(sizes)):
        at = places[row]
        for k in range(sizes[row]):
            out[at + k] = data[row, k]
        places[row] += max(sizes[row], 0)


@njit(cache=True)
def put_parts(out: Any, places: Any, data: Any, sizes: Any) -> None:
    """The parts of u1[m], one after another, i8[n] bytes each."""
    begin = 0
    for row in range(len(sizes)):
        at, size = places[row], sizes[row]
        out[at : at + size] = data[begin : begin + size]
        places[row] += size
        begin += size


def _bytes_of(values: NDArray[Any]) -> _Bytes:
    """The bytes of each row of a contiguous array: u1[n, width]."""
    return values.view(np.uint8).reshape(len(values), -1)
