"""Links take turns: what one of them has sent does not keep another waiting."""

import numpy as np

from server.core.parcel import Parcel
from server.core.record import REQUEST
from server.core.waiting import Waiting

BATCH = 2_048


def parcel(source, count=1):
    """So many requests of one link."""
    return Parcel(np.zeros(count, REQUEST).tobytes(), list(range(count)), print, print, source=source)


def waiting(*parcels):
    """A queue of these, in this order."""
    queue = Waiting(300)
    for one in parcels:
        queue.put(one)
    return queue


def test_one_message_of_a_quiet_link_is_in_the_next_turn_whatever_others_have_sent():
    """Three links with 4,096 each were there first."""
    floods = [parcel(source, 256) for _ in range(16) for source in (1, 2, 3)]
    single = parcel(4)
    queue = waiting(*floods, single)
    taken = queue.take(BATCH)
    assert single in taken
    assert sum(len(one.places) for one in taken) <= BATCH
    assert queue.count == 3 * 4_096 + 1 - sum(len(one.places) for one in taken)


def test_each_link_gets_an_equal_share_and_keeps_its_own_order():
    """Over all turns, everything once."""
    sent = {source: [parcel(source, 32) for _ in range(100)] for source in (1, 2, 3, 4)}
    # Each link's whole flood came before the next one's.
    queue = waiting(*(one for line in sent.values() for one in line))
    first = queue.take(BATCH)
    shares = [sum(len(one.places) for one in first if one.source == source) for source in sent]
    assert shares == [BATCH // 4] * 4
    taken = list(first)
    while queue:
        taken += queue.take(BATCH)
    for source, line in sent.items():
        assert [one for one in taken if one.source == source] == line
    assert queue.count == 0


def test_a_turn_is_full_when_one_link_alone_has_sent():
    """Nobody else's share is kept free."""
    queue = waiting(*(parcel(1, 100) for _ in range(50)), parcel(2))
    assert sum(len(one.places) for one in queue.take(BATCH)) > BATCH - 100


def test_a_parcel_that_is_larger_than_a_turn_is_taken_alone():
    """It can't wait for ever."""
    large, small = parcel(1, 300), parcel(2)
    queue = waiting(large, small)
    taken = queue.take(100)
    taken += queue.take(100)
    assert {id(one) for one in taken} == {id(large), id(small)}


def test_how_long_a_quiet_link_waits_is_not_judged_by_the_others():
    """It waits for its own, and for as much of each other link."""
    queue = waiting(*(parcel(1, 256) for _ in range(16)), parcel(2))
    assert queue.before(1, 1) == 4_097
    assert queue.before(1, 2) == 4
    assert queue.before(1, 3) == 3
