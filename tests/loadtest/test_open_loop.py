"""The client with an open loop: what it plans, what it counts from, and a real run against the empty server."""

import json
import os
import subprocess
import sys
from dataclasses import asdict

import numpy as np
import pytest
from hdrh.histogram import HdrHistogram
from hypothesis import given
from hypothesis import strategies as st

from loadtest.arrivals import Sending, Supply, Way, frames_of, make_supply, schedule_ns
from loadtest.closed_loop import LINK, UNARY, Chunk
from loadtest.open_loop import Times, _seen, measure
from loadtest.traffic import Traffic

MS = 1_000_000
DRAIN_S = 30.0
"""A crowded machine answers late, and answers all."""


@pytest.mark.parametrize("arrivals", ["poisson", "uniform"])
def test_schedule_offers_exactly_its_rate_in_order(arrivals):
    """As many as rate times seconds, all within the time, the same for one seed."""
    times = schedule_ns(250.0, 2.0, arrivals, 3)
    assert len(times) == 500
    assert (np.diff(times) >= 0).all() and times[0] >= 0 and times[-1] < 2_000 * MS
    assert (times == schedule_ns(250.0, 2.0, arrivals, 3)).all()


def test_poisson_arrivals_come_in_bunches_and_uniform_ones_do_not():
    """The spread of the gaps is that of an exponential distribution, or none."""
    poisson, uniform = (
        np.diff(schedule_ns(1_000.0, 5.0, arrivals, 1)) for arrivals in ("poisson", "uniform")
    )
    assert 0.9 < poisson.std() / poisson.mean() < 1.1
    assert uniform.std() / uniform.mean() < 0.01


@pytest.mark.parametrize(
    ("rate", "seconds", "arrivals"), [(0, 1, "uniform"), (1, 0, "poisson"), (1, 1, "often")]
)
def test_schedule_of_nothing_is_refused(rate, seconds, arrivals):
    """With what is allowed."""
    with pytest.raises(ValueError, match=r"above 0|one of poisson, uniform"):
        schedule_ns(rate, seconds, arrivals, 1)


@given(
    gaps_us=st.lists(st.integers(0, 9_000), min_size=1, max_size=60),
    frame_messages=st.integers(1, 8),
    gather_ms=st.sampled_from([0.0, 1.0, 4.0]),
)
def test_frames_take_what_is_due_within_their_time_and_no_more(gaps_us, frame_messages, gather_ms):
    """Every message stands in one frame, in order; none leaves before it is due, nor later than it may wait."""
    due_ns = np.cumsum(gaps_us) * 1_000
    frames = frames_of(due_ns, frame_messages, gather_ms)
    assert [first for first, *_ in frames] == [0, *(last for _, last, _ in frames[:-1])]
    assert frames[-1][1] == len(due_ns)
    for first, last, at_ns in frames:
        assert 1 <= last - first <= frame_messages
        assert due_ns[last - 1] <= at_ns <= due_ns[first] + gather_ms * MS
    assert [at_ns for *_, at_ns in frames] == sorted(at_ns for *_, at_ns in frames)


class LaneInHand:
    """A lane whose times are given."""

    def __init__(self, times, codes):
        self._told = times, codes

    def times(self):
        return self._told


def seen(due_ms, sent_ms, came_ms, *, refused=(), codes=(), held=(), seconds=1.0):
    def column(values):
        return (np.array(values) * MS).astype(np.int64)

    count = len(due_ms)
    times = Times.of(column(due_ms))
    times.planned_ns[:] = times.due_ns
    times.sent_ns[:], times.came_ns[:] = column(sent_ms), column(came_ms)
    times.is_refused[list(refused)] = True
    times.is_held_back[list(held)] = True
    supply = Supply(Way("unary", UNARY), count / seconds, seconds, [])
    return _seen(supply, [LaneInHand(times, list(codes) or ["00"] * count)])


def test_latency_counts_from_when_a_message_was_due():
    """A server that stood still for 300 ms made everybody late who came meanwhile, not one of them."""
    due = [200 + 10 * number for number in range(40)]
    came = [max(at, 500) + 1 for at in due]
    found = seen(due, due, came)
    histogram = HdrHistogram.decode(found["histogram"])
    assert histogram.get_total_count() == 40
    assert found["latency_ms"]["max"] == pytest.approx(301, rel=0.001)
    assert found["latency_ms"]["p50"] == pytest.approx(106, rel=0.1)
    assert found["in_time_share"] == 19 / 40  # those due in the last 91 ms of the stillness, and later
    assert found["late_ms_max"] == 0


def test_a_message_that_left_late_counts_from_its_time_and_tells_of_the_client():
    """Unless the server's window held it back: then the delay is the server's."""
    found = seen([200, 300], [205, 390], [206, 391], held=[1])
    assert found["latency_ms"]["max"] == pytest.approx(91, rel=0.001)
    assert (found["late_ms_max"], found["held_back"]) == (5.0, 1)


def test_refused_and_unanswered_messages_stay_out_of_the_latencies_and_are_counted():
    """An overloaded server can't look quick by refusing, and what never came is never in time."""
    found = seen([200, 210, 220], [200, 210, 220], [203, 211, 0], refused=[1], codes=["00", "refused"])
    assert (found["answered"], found["refused"], found["unanswered"]) == (1, 1, 1)
    assert found["in_time_share"] == 1 / 3
    assert found["refused_ms_p99"] == pytest.approx(1.0)
    assert found["latency_ms"]["max"] == pytest.approx(3, rel=0.001)


def test_the_first_moments_are_sent_but_not_judged():
    """A tenth of the step, a second at most: windows open, caches fill."""
    found = seen([50, 200], [50, 200], [99, 201])
    assert found["latency_ms"]["max"] == pytest.approx(1, rel=0.01)
    assert found["answered"] == 2


@pytest.mark.parametrize(
    "way",
    [
        Way("unary", UNARY, connections=2),
        Way("one", LINK, connections=1),
        Way("many", LINK, connections=3, frame_messages=32, gather_ms=4.0),
    ],
    ids=lambda way: way.name,
)
def test_every_message_goes_out_at_its_time_and_is_answered(way, empty_server):
    """All of a step's messages, each answered 00; both CPUs are told."""
    supply = make_supply(way, Traffic(1, 50), 300.0, 0.5, "poisson", 1, 1_790_000_000)
    step = measure([empty_server.target], supply, server_pids=[empty_server.pid], drain_s=DRAIN_S)
    assert (supply.count, step.sent, step.answered, step.unanswered) == (150, 150, 150, 0)
    assert step.codes == {"00": 150}
    assert step.offered_per_s == 300
    assert 0 < step.latency_ms["p50"] <= step.latency_ms["p99"] <= step.latency_ms["max"]
    assert step.server_cpu is not None and step.client_cpu > 0


def test_a_call_that_fails_is_refused_not_answered(empty_server):
    """With its own time."""
    way = Way("unary", UNARY, connections=1)
    supply = make_supply(way, Traffic(1, 50), 100.0, 0.03, "uniform", 1, 1_790_000_000)
    (sending,) = supply.sendings
    bad = sending.chunks[1].data.replace(b"US", b"\xff\xff", 1)
    chunks = [sending.chunks[0], Chunk(bad, sending.chunks[1].flow_size, 1), sending.chunks[2]]
    spoiled = Sending(chunks, sending.send_ns, sending.first, sending.due_ns)
    supply = Supply(way, 100.0, 0.03, [spoiled])
    step = measure([empty_server.target], supply, server_pids=[], drain_s=DRAIN_S)
    assert (step.answered, step.refused, step.unanswered) == (2, 1, 0)
    assert step.codes == {"00": 2, "refused": 1}
    assert step.server_cpu is None


def test_the_client_process_prepares_then_measures(empty_server):
    """A supply, then a target: the step as JSON; a server that is not there is told."""
    prepare = {
        "way": asdict(Way("unary", UNARY, connections=1)),
        "seed": 1,
        "cards": 10,
        "run": 3,
        "rate": 100.0,
        "seconds": 0.2,
        "arrivals": "uniform",
    }
    jobs = [
        {"prepare": prepare},
        {"measure": {"targets": [empty_server.target], "server_pids": [os.getpid()], "drain_s": DRAIN_S}},
        {"measure": {"targets": ["127.0.0.1:1"], "server_pids": []}},
    ]
    done = subprocess.run(
        [sys.executable, "-m", "loadtest.open_loop"],
        input="".join(json.dumps(job) + "\n" for job in jobs),
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    prepared, measured, refused = map(json.loads, done.stdout.splitlines())
    assert prepared == {"prepared": 20}
    assert measured["codes"] == {"00": 20}
    assert "error" in refused
