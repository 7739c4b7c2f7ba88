"""Records without their zero bytes."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from server.core.packing import pack, unpack, unpack_each

pytestmark = pytest.mark.kernel

RECORD = np.dtype([("id", "<u8", (2,)), ("name", "S13"), ("score", "<f4")])
WHOLE = np.dtype([("id", "<u8", (2,))])
BITMAP = 5


def records(record):
    """Some of them, of bytes of which many are zero."""
    some = st.sampled_from([b"\0", b"\0", b"\1", b"\xff"])
    one = st.lists(some, min_size=record.itemsize, max_size=record.itemsize).map(b"".join)
    return st.lists(one, min_size=1, max_size=20).map(lambda raw: np.frombuffer(b"".join(raw), record))


@settings(deadline=None)  # the first call may compile
@given(st.one_of(records(RECORD), records(WHOLE)))
def test_unpack_returns_the_records_that_were_packed(some):
    """Any bytes survive; each costs its bitmap, and those that are not zero."""
    packed, ends = pack(some)
    size = some.dtype.itemsize
    counts = [size - one.tobytes().count(0) for one in some]
    assert np.diff(ends, prepend=0).tolist() == [-(-size // 8) + count for count in counts]
    assert unpack(packed.tobytes(), len(some), some.dtype).tobytes() == some.tobytes()
    each = [part.tobytes() for part in np.split(packed, ends[:-1])]
    assert unpack_each(each, some.dtype).tobytes() == some.tobytes()


@settings(deadline=None)
@given(st.binary(max_size=120), st.integers(1, 4))
def test_any_bytes_are_records_that_pack_to_them_or_refused(raw, count):
    """Nothing is read beyond the end, and no two kinds of bytes are one record."""
    try:
        found = unpack(raw, count, RECORD)
    except ValueError:
        return
    again, _ = pack(found)
    assert len(again) <= len(raw)
    assert unpack(again.tobytes(), count, RECORD).tobytes() == found.tobytes()


def test_unpack_refuses_another_layout():
    """Bytes of another record, or of more or fewer of them, are none of this one."""
    packed, _ = pack(np.ones(2, RECORD))
    raw = packed.tobytes()
    beyond_the_last_byte = raw[: BITMAP - 1] + b"\xff" + raw[BITMAP:]
    for wrong in (raw[:-1], raw + b"\1", b"", beyond_the_last_byte):
        with pytest.raises(ValueError, match="packed record"):
            unpack(wrong, 2, RECORD)
    with pytest.raises(ValueError, match="no packed record"):
        unpack_each([raw], RECORD)
