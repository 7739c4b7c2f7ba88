"""What a front answered itself, kept until the core has it."""

from server.core.record import REQUEST
from server.dock.kept import AT_ONCE, Kept, records_of

RECORD = bytes(REQUEST.itemsize)


def test_it_is_handed_over_in_batches_and_forgotten_when_settled():
    """In order."""
    kept = Kept(10_000)
    kept.put([RECORD] * (AT_ONCE + 1), b"91")
    first, second = kept.hand_over()
    assert [len(first[2]) // 2, len(second[2]) // 2] == [AT_ONCE, 1]
    assert kept.hand_over() == []
    kept.settled(first[0])
    assert kept.count == 1
    kept.settled(second[0])
    assert kept.count == 0


def test_what_was_under_way_is_handed_over_again_before_the_rest_when_the_core_went_away():
    """A settlement of the old connection's that comes late means nothing."""
    kept = Kept(10_000)
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


def test_it_is_bounded():
    """Whoever asks first knows."""
    kept = Kept(3)
    kept.put([RECORD, RECORD], b"91")
    assert kept.has_room(1)
    assert not kept.has_room(2)


def test_records_come_apart():
    """One by one."""
    assert records_of(RECORD * 3) == [RECORD] * 3
