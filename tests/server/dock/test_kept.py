"""What a front answered itself, kept until the core has it."""

import numpy as np
import pytest

from server.core.record import REQUEST, REQUEST_VERSION
from server.dock import kept as kept_module
from server.dock.kept import AT_ONCE, Kept, kept_fronts, kept_path, left_behind, records_of


def record_of(version=REQUEST_VERSION):
    """A packed REQUEST."""
    record = np.zeros(1, REQUEST)
    record["version"] = version
    return record.tobytes()


RECORD = record_of()


@pytest.fixture
def path(tmp_path):
    """A front's file."""
    return kept_path(tmp_path, 3)


def test_it_is_handed_over_in_batches_and_forgotten_when_settled(path):
    """In order."""
    kept = Kept(10_000, path)
    kept.put([RECORD] * (AT_ONCE + 1), b"91")
    first, second = kept.hand_over()
    assert [len(first[2]) // 2, len(second[2]) // 2] == [AT_ONCE, 1]
    assert kept.hand_over() == []
    kept.settled(first[0])
    assert kept.count == 1
    kept.settled(second[0])
    assert kept.count == 0


def test_the_file_is_written_anew_where_most_of_it_is_settled(path, monkeypatch):
    """Always somebody waits, and still it doesn't grow for ever; a successor reads what is not settled, once."""
    monkeypatch.setattr(kept_module, "SPARE_BYTES", 0)
    kept = Kept(10_000, path)
    for code in (b"90", b"91", b"92", b"93", b"94"):
        kept.put([RECORD], code)
        (batch,) = kept.hand_over()
        kept.put([RECORD], b"N0")
        kept.settled(batch[0])
    assert path.stat().st_size <= 3 * len(RECORD + b"91")
    assert [path.name] == [each.name for each in path.parent.iterdir()]
    assert b"".join(codes for _, codes in left_behind(path)) in (b"N0", b"94N0")
    assert kept.count == 1


def test_what_was_under_way_is_handed_over_again_before_the_rest_when_the_core_went_away(path):
    """A settlement of the old connection's that comes late means nothing."""
    kept = Kept(10_000, path)
    kept.put([RECORD], b"91")
    ((number, _, _),) = kept.hand_over()
    kept.put([RECORD], b"N0")
    kept.take_back()
    ((again, _, codes),) = kept.hand_over()
    assert codes == b"91N0"
    kept.settled(number)
    assert kept.count == 2
    kept.settled(again)
    assert kept.count == 0


def test_it_is_bounded(path):
    """Whoever asks first knows."""
    kept = Kept(3, path)
    kept.put([RECORD, RECORD], b"91")
    assert kept.has_room(1)
    assert not kept.has_room(2)
    with pytest.raises(OSError, match="2 are kept already"):
        kept.put([RECORD, RECORD], b"91")
    assert kept.count == 2


def test_records_come_apart():
    """One by one."""
    assert records_of(RECORD * 3) == [RECORD] * 3


def test_it_outlives_the_front_until_it_is_settled(path):
    """Read by the core, and told again by the front's successor; a line that is not whole was never answered."""
    Kept(10, path).put([RECORD, RECORD], b"91")
    Kept(10, path).put([RECORD], b"N0")
    with path.open("ab") as file:
        file.write(RECORD[:100])
    assert list(left_behind(path)) == [(RECORD * 3, b"9191N0")]
    assert kept_fronts(path.parent) == [3]
    successor = Kept(10, path)
    successor.put([RECORD], b"91")
    assert successor.count == 4
    ((number, records, codes),) = successor.hand_over()
    assert (records, codes) == (RECORD * 4, b"9191N091")
    successor.settled(number)
    assert list(left_behind(path)) == []
    assert Kept(10, path).hand_over() == []


def test_what_cannot_be_written_is_not_kept(tmp_path):
    """No answer may leave then."""
    kept = Kept(10, kept_path(tmp_path / "gone", 0))
    with pytest.raises(OSError, match="No such file"):
        kept.put([RECORD], b"91")
    assert (kept.count, kept.hand_over()) == (0, [])


def test_a_full_disk_leaves_the_file_whole(path, monkeypatch):
    """What was written before stays; half a line goes."""
    kept = Kept(10, path)
    kept.put([RECORD], b"91")
    with monkeypatch.context() as patched:
        patched.setattr("server.dock.kept.open", half_written, raising=False)
        with pytest.raises(OSError, match="No space left"):
            kept.put([RECORD], b"91")
    assert list(left_behind(path)) == [(RECORD, b"91")]


def half_written(path, mode, *, buffering, opener):
    """A file on a disk that takes half of what is written."""

    class Half:
        def __enter__(self):
            self.file = open(path, mode, buffering=buffering, opener=opener)
            return self

        def __exit__(self, *_raised):
            self.file.close()

        def write(self, lines):
            return self.file.write(lines[: len(lines) // 2])

    return Half()


def test_what_another_version_kept_is_left_out(path):
    """Told in the log; the file begins anew."""
    path.write_bytes(record_of(version=REQUEST_VERSION - 1) + b"91")
    assert Kept(10, path).count == 0
    assert list(left_behind(path)) == []
