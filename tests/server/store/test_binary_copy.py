"""Binary COPY streams as arrays, and packed records."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from server.store.binary_copy import (
    HEADER,
    TRAILER,
    numbers,
    packed,
    read_rows,
    row_layout,
    stream_of,
    texts,
    unpack,
    uuids,
)

RECORD = np.dtype([("id", "<u8", (2,)), ("name", "S13"), ("score", "<f4")])


def stored_of(records):
    """What PostgreSQL keeps of each record, read from a stream of that one column."""
    body = stream_of([packed(records)])[len(HEADER) : -len(TRAILER)]
    found = []
    while body:
        size = int.from_bytes(body[2:6], "big")
        found.append(body[6 : 6 + size])
        body = body[6 + size :]
    return found


@settings(deadline=None)  # the first call may compile
@given(st.lists(st.binary(min_size=RECORD.itemsize, max_size=RECORD.itemsize), min_size=1, max_size=20))
def test_unpack_returns_the_record_that_was_packed(raw):
    """Any bytes survive, and those without zeros cost the bitmap alone."""
    stored = stored_of(np.frombuffer(b"".join(raw), RECORD))
    assert len(stored) == len(raw)
    for kept, record in zip(stored, raw, strict=True):
        assert unpack(kept, RECORD).tobytes() == record
        assert len(kept) == -(-RECORD.itemsize // 8) + RECORD.itemsize - record.count(0)


def test_unpack_refuses_when_the_layout_is_another():
    """Bytes of another record are no record of this one."""
    (stored,) = stored_of(np.ones(1, RECORD))
    for wrong in (stored[:-1], stored + b"\1", b""):
        with pytest.raises(ValueError, match="no packed record"):
            unpack(wrong, RECORD)


def _plain(rows):
    """The stream as PostgreSQL's manual describes it, field by field."""
    out = HEADER
    for row in rows:
        out += len(row).to_bytes(2, "big")
        for field in row:
            size = -1 if field is None else len(field)
            out += size.to_bytes(4, "big", signed=True) + (field or b"")
    return out + TRAILER


@settings(deadline=None)
@given(
    st.lists(
        st.tuples(
            st.integers(-(2**63), 2**63 - 1), st.booleans(), st.binary(max_size=9), st.integers(0, 2**128 - 1)
        ),
        min_size=1,
        max_size=20,
    )
)
def test_stream_equals_the_plain_one_for_any_rows(rows):
    """Nulls, texts of all lengths and ids come out as a loop over fields writes them."""
    values = np.array([row[0] for row in rows], np.int64)
    null = np.array([row[1] for row in rows])
    words = np.array([row[2] for row in rows], "S9")
    pairs = np.array([[row[3] % 2**64, row[3] >> 64] for row in rows], np.uint64)
    expected = [
        (
            None if is_null else value.to_bytes(8, "big", signed=True),
            word.rstrip(b"\0"),
            identifier.to_bytes(16, "big") if identifier else None,
        )
        for value, is_null, word, identifier in rows
    ]
    assert stream_of([numbers(values, ">i8", null), texts(words), uuids(pairs)]) == _plain(expected)


def test_rows_read_back_when_all_fields_have_one_length():
    """What PostgreSQL copies out is an array behind its header."""
    values = np.arange(5, dtype=np.int64) - 2
    ids = np.arange(1, 11, dtype=np.uint64).reshape(5, 2)
    stream = stream_of([numbers(values, ">i8"), uuids(ids)])
    rows = read_rows(stream, row_layout([("value", ">i8"), ("id", ">u8", (2,))]))
    assert rows["value"].tolist() == values.tolist()
    assert rows["id"].tolist() == ids[:, ::-1].tolist()
