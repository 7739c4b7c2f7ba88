"""Binary COPY streams as arrays."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from server.store.binary_copy import (
    HEADER,
    TRAILER,
    numbers,
    packed,
    read_rows,
    row_layout,
    smallints,
    stream_of,
    texts,
    uuids,
)


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


def test_packed_records_are_fields_of_their_own_lengths():
    """Between others, each as it is kept in the journal."""
    records = np.array([0, 0x0100, 0x0101], "<u2")
    expected = [(b"\0\1", b"\0"), (b"\0\2", b"\x40\1"), (b"\0\3", b"\xc0\1\1")]
    assert stream_of([numbers(np.array([1, 2, 3]), ">i2"), packed(records)]) == _plain(expected)


def test_an_array_of_zeros_is_an_empty_one():
    """By the format of array_send: dimensions, nulls, type, and then for each dimension its length and first index."""
    head = (1, 0, 21, 2, 1)
    whole = b"".join(number.to_bytes(4, "big") for number in head)
    whole += b"".join(b"\0\0\0\2" + number.to_bytes(2, "big") for number in (7, 0))
    empty = b"".join(number.to_bytes(4, "big") for number in (0, 0, 21))
    assert stream_of([smallints(np.array([[7, 0], [0, 0]], np.uint16))]) == _plain([(whole,), (empty,)])
