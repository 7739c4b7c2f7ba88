"""What waits for a turn: its order, its bound in time, and who is due."""

import math

import numpy as np
import pytest
from numba import config

from server.core.deadline import PATIENT_MS
from server.core.pace import TURN_EACH_S, TURN_S, TURN_S_MAX, Pace, Rhythm
from server.core.parcel import Parcel
from server.core.record import REQUEST
from server.core.waiting import Waiting
from tests.server.core.scene import purchase, records

NOW_NS = 1_800_000_000_000_000_000
DEFAULT_MS = 300


def parcel(*deadlines_ms, due_s=math.inf):
    """Requests that arrived just now, with these deadlines."""
    requests = [purchase(arrival_ns=NOW_NS, deadline_ms=ms) for ms in deadlines_ms]
    records = b"".join(request.tobytes() for request in requests)
    return Parcel(records, list(range(len(requests))), lambda *_: None, lambda _: None, due_s)


def deadlines(parcels):
    return [np.frombuffer(one.records, REQUEST)["deadline_ms"].tolist() for one in parcels]


def test_a_batch_is_what_came_first_and_fits():
    """What was set aside and comes again goes before all others; a parcel that is too large alone."""
    waiting = Waiting(DEFAULT_MS)
    for count in (2, 3, 9):
        waiting.put(parcel(*[100 + count] * count))
    waiting.put_in_front([parcel(1), parcel(2)])
    assert waiting.count == 16
    assert [len(one.places) for one in waiting.take(7)] == [1, 1, 2, 3]
    assert (waiting.count, [len(one.places) for one in waiting.take(7)]) == (9, [9])
    assert (waiting.count, bool(waiting), waiting.take(7)) == (0, False, [])


def test_what_takes_answers_back_goes_first_and_leaves_room_for_others_only_with_its_last():
    """In its order; while there is more of it than a batch nothing else is taken, and with the rest others fill the batch."""
    waiting = Waiting(DEFAULT_MS)
    waiting.put(parcel(*[100] * 3))
    waiting.put(parcel(*[101] * 9))
    waiting.put_first([parcel(*[1] * 4), parcel(*[2] * 4)])
    waiting.put_first([parcel(3)])
    waiting.put_in_front([parcel(50)])
    assert (waiting.count, bool(waiting)) == (22, True)
    assert deadlines(waiting.take(6)) == [[1] * 4]
    assert deadlines(waiting.take(6)) == [[2] * 4, [3], [50]]
    assert (waiting.count, deadlines(waiting.take(6))) == (12, [[100] * 3])
    assert deadlines(waiting.take(6)) == [[101] * 9]
    assert (waiting.count, bool(waiting)) == (0, False)


@pytest.mark.skipif(config.DISABLE_JIT, reason="records from bytes have no attributes uncompiled")
def test_those_that_are_due_leave_alone_and_the_others_of_their_parcel_wait_on():
    """And when the next is due is known."""
    waiting = Waiting(DEFAULT_MS)
    waiting.put(parcel(50, 200, 0, 50, due_s=10.0))
    waiting.put(parcel(70, due_s=11.0))
    waiting.put(parcel(60, due_s=9.0))
    assert waiting.due_s == 9.0
    overdue = waiting.take_overdue(10.1)
    assert deadlines(overdue) == [[50, 50], [60]]
    assert [one.places for one in overdue] == [[0, 3], [0]]
    assert waiting.count == 3
    # Of the others the first has 150 ms more than those.
    assert abs(waiting.due_s - 10.15) < 1e-9
    assert deadlines(waiting.take(10)) == [[200, 0], [70]]


def plain_dues_s(parcels):
    """The naive twin."""
    dues = []
    for one in parcels:
        requests = np.frombuffer(one.records, REQUEST)
        ends = [
            math.inf
            if r["deadline_ms"] == PATIENT_MS
            else int(r["arrival_ns"]) / 1e9 + (int(r["deadline_ms"]) or DEFAULT_MS) / 1e3
            for r in requests
        ]
        first = min(ends)
        dues += [math.inf if end == math.inf else one.due_s + end - first for end in ends]
    return dues


def test_each_request_of_a_turn_is_due_as_far_behind_its_parcels_first_as_it_said():
    """By one seed, whatever the clock says by now; the core's own are never due."""
    chance = np.random.default_rng(3)
    kinds = np.array([0, 50, 300, 1_500, PATIENT_MS])
    parcels = [
        parcel(*chance.choice(kinds, count), due_s=float(chance.uniform(5, 6))) for count in (1, 7, 1, 30)
    ]
    requests = np.frombuffer(bytearray().join([one.records for one in parcels]), REQUEST)
    found = Waiting(DEFAULT_MS).dues_s(parcels, records(requests))
    assert found.tolist() == pytest.approx(plain_dues_s(parcels), abs=1e-6)


def test_the_pace_is_learnt_from_turns_of_different_sizes():
    """What waits adds to the next turn, or needs turns before it."""
    pace = Pace()
    for _ in range(200):
        for count in (1, 8, 64, 512):
            pace.took(count, 0.002 + count * 0.00002)
    assert abs(pace.wait_s(1_000, 2_048) - 0.020) < 1e-3
    assert abs(pace.wait_s(4_000, 2_048) - 0.082) < 2e-3


def test_a_pace_of_turns_of_one_size_never_promises_less_than_nothing():
    """Nor does noise, nor a server that suddenly is ten times slower."""
    pace = Pace()
    chance = np.random.default_rng(1)
    for slow in (1, 10):
        for _ in range(300):
            pace.took(32, slow * 0.003 * float(chance.uniform(0.5, 1.5)))
        assert 0 <= pace.wait_s(1, 2_048) <= pace.wait_s(100, 2_048)
        assert pace.wait_s(32, 2_048) < 2 * slow * 0.003
        assert 0.5 * slow * 0.003 < pace.wait_s(32, 32) < 3 * slow * 0.003


def test_turns_follow_each_other_as_soon_as_what_they_cost_allows():
    """A small turn delays nobody for longer than its own work, a larger one for TURN_S; where turns are dear, they wait."""
    rhythm = Rhythm()
    rhythm.began(10.0, 1)
    assert rhythm.next_s == pytest.approx(10.0 + TURN_EACH_S)
    rhythm.began(10.0, 100)
    assert rhythm.next_s == pytest.approx(10.0 + TURN_S)
    for _ in range(100):
        rhythm.worked(0.003, 8)
    rhythm.began(10.0, 1)
    assert rhythm.next_s == pytest.approx(10.003, abs=1e-5)
    rhythm.began(10.0, 100)
    assert rhythm.next_s == pytest.approx(10.009, abs=1e-5)
    for _ in range(100):
        rhythm.worked(0.5, 8)  # something else held the thread up
    rhythm.began(10.0, 100)
    assert rhythm.next_s == pytest.approx(10.0 + TURN_S_MAX)
    for _ in range(100):
        rhythm.worked(0.0005, 8)
        rhythm.worked(0.020, 1_000)
    rhythm.began(10.0, 100)
    assert rhythm.next_s == pytest.approx(10.0 + TURN_S)
