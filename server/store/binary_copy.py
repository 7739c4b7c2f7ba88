"""
PostgreSQL's binary COPY, out and in, as arrays: no Python object per row or field.

Out: a query whose fields all have one length is an array of that layout behind a header. In: rows are laid side by
side as wide as they can be, then one mask drops the bytes that a row doesn't have (the padding of a text, the zeros of
a packed record), which leaves the stream.

A packed record is a bitmap of its bytes that are not zero, then those bytes: half of a record or less, by array
operations alone.

Format: https://www.postgresql.org/docs/current/sql-copy.html, "Binary Format".
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

HEADER: Final = b"PGCOPY\n\xff\r\n\0" + bytes(8)
TRAILER: Final = b"\xff\xff"

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
    One field of every row: bytes, n by the most that a row has, and which of them each row has.

    `kept` and `sizes` are None where every row has them all; a size of -1 is a null.
    """

    data: _Bytes
    kept: NDArray[np.bool_] | None = None
    sizes: NDArray[np.int32] | None = None


def numbers(values: NDArray[Any], kind: str, null: NDArray[np.bool_] | None = None) -> Column:
    """Numbers in the big-endian `kind` of the column's type; null where `null` says so."""
    data = _bytes_of(np.ascontiguousarray(values, kind))
    if null is None:
        return Column(data)
    return Column(
        data, np.broadcast_to(~null[:, None], data.shape), np.where(null, -1, data.shape[1]).astype(np.int32)
    )


def uuids(pairs: NDArray[Any]) -> Column:
    """UUIDs of u128 given as u8[n, 2], low half first; null where zero."""
    return numbers(pairs[:, ::-1], ">u8", null=np.asarray(~pairs.any(axis=1)))


_SMALLINT_OID: Final = 21


def smallints(values: NDArray[np.uint16]) -> Column:
    """Arrays of `smallint`, all of them as long: u2[n, m], whose numbers fit 15 bits."""
    item = np.dtype([("size", ">i4"), ("value", ">i2")])
    count = values.shape[1]
    layout = [(name, ">i4") for name in ("dimensions", "has_nulls", "kind", "length", "first")]
    rows = np.zeros(len(values), np.dtype([*layout, ("items", item, (count,))]))
    rows["dimensions"], rows["kind"], rows["length"], rows["first"] = 1, _SMALLINT_OID, count, 1
    rows["items"]["size"], rows["items"]["value"] = 2, values
    return Column(_bytes_of(rows))


def texts(values: NDArray[Any]) -> Column:
    """Texts of zero-padded bytes, S[n]."""
    sizes = np.char.str_len(values).astype(np.int32)
    data = _bytes_of(np.ascontiguousarray(values))
    return Column(data, np.arange(data.shape[1]) < sizes[:, None], sizes)


def packed(records: NDArray[Any]) -> Column:
    """Records without their zero bytes; see `unpack`."""
    data = _bytes_of(np.ascontiguousarray(records))
    kept = data != 0
    bitmap = np.packbits(kept, axis=1)
    sizes = (bitmap.shape[1] + np.count_nonzero(kept, axis=1)).astype(np.int32)
    return Column(np.hstack([bitmap, data]), np.hstack([np.ones(bitmap.shape, np.bool_), kept]), sizes)


def unpack(stored: bytes, record: np.dtype[Any]) -> NDArray[Any]:
    """The record, as an array of one, of what `packed` made. Raises ValueError where it is of another layout."""
    return unpack_all([stored], record)


def unpack_all(stored: Sequence[bytes], record: np.dtype[Any]) -> NDArray[Any]:
    """The records of what `packed` made of several. Raises ValueError where one is of another layout."""
    bitmap_size = -(-record.itemsize // 8)
    bitmaps = b"".join([one[:bitmap_size].ljust(bitmap_size, b"\0") for one in stored])
    kept = np.unpackbits(np.frombuffer(bitmaps, np.uint8).reshape(-1, bitmap_size), axis=1).astype(np.bool_)
    sizes = bitmap_size + np.count_nonzero(kept, axis=1)
    lengths = np.array([len(one) for one in stored], np.int64)
    if kept[:, record.itemsize :].any() or (sizes != lengths).any():
        bad = lengths[sizes != lengths]
        size = int(bad[0]) if len(bad) else int(lengths[0])
        raise ValueError(f"{size} bytes are no packed record of {record.itemsize}")
    data = np.zeros((len(stored), record.itemsize), np.uint8)
    data[kept[:, : record.itemsize]] = np.frombuffer(
        b"".join([one[bitmap_size:] for one in stored]), np.uint8
    )
    return data.view(record).reshape(-1)


def stream_of(columns: list[Column]) -> bytes:
    """The whole stream of these columns, each of the same number of rows."""
    rows = len(columns[0].data)
    width = 2 + sum(4 + column.data.shape[1] for column in columns)
    matrix = np.empty((rows, width), np.uint8)
    kept = np.ones((rows, width), np.bool_)
    matrix[:, :2] = _bytes_of(np.full(rows, len(columns), ">i2"))
    at = 2
    for column in columns:
        column_width = column.data.shape[1]
        sizes = np.full(rows, column_width) if column.sizes is None else column.sizes
        matrix[:, at : at + 4] = _bytes_of(sizes.astype(">i4"))
        matrix[:, at + 4 : at + 4 + column_width] = column.data
        if column.kept is not None:
            kept[:, at + 4 : at + 4 + column_width] = column.kept
        at += 4 + column_width
    return HEADER + matrix[kept].tobytes() + TRAILER


def _bytes_of(values: NDArray[Any]) -> _Bytes:
    """The bytes of each row of a contiguous array: u1[n, width]."""
    return values.view(np.uint8).reshape(len(values), -1)
