"""What a request has left of its deadline."""

import math

import numpy as np
import pytest
from numba import config

from server.core.deadline import (
    ANSWERING_S,
    PATIENT_MS,
    Deadlines,
    given_up_s,
    late_s,
    left_s,
    lefts_s,
    with_deadline,
)
from server.core.record import REQUEST
from tests.server.core.scene import purchase, records

NOW_NS = 1_800_000_000_000_000_000
MS = 1_000_000


@pytest.mark.parametrize(
    ("given_s", "deadline_ms"), [(None, 0), (0.2, 200), (0.0, 50), (-3.0, 50), (60.0, 1_500), (1e9, 1_500)]
)
def test_a_senders_deadline_is_clamped_where_it_names_one(given_s, deadline_ms):
    """What it doesn't say is the setting's."""
    assert Deadlines().of(given_s) == deadline_ms


def test_a_record_carries_its_deadline_and_nothing_else_changes():
    """Two bytes of it."""
    request = purchase(arrival_ns=NOW_NS)
    read = np.frombuffer(with_deadline(request.tobytes(), 777), REQUEST)
    assert read["deadline_ms"].tolist() == [777]
    read = read.copy()
    read["deadline_ms"] = 0
    assert read.tobytes() == request.tobytes()
    assert with_deadline(request.tobytes(), 0) == request.tobytes()


def plain_left_s(deadline_ms, arrival_ns, now_ns, default_ms):
    """The naive twin."""
    if deadline_ms == PATIENT_MS:
        return math.inf
    return (deadline_ms or default_ms) / 1_000 - max(0, now_ns - arrival_ns) / 1e9 - ANSWERING_S


def test_what_is_left_is_the_same_one_by_one_and_together():
    """By one seed; also of an arrival in the future, which a stepped clock makes."""
    chance = np.random.default_rng(6)
    requests = np.concatenate(
        [
            purchase(arrival_ns=NOW_NS - int(age), deadline_ms=deadline)
            for age, deadline in zip(
                chance.integers(-(10**12), 10**12, 50), [0, 50, 300, 1_500, PATIENT_MS] * 10, strict=True
            )
        ]
    )
    expected = [plain_left_s(int(r["deadline_ms"]), int(r["arrival_ns"]), NOW_NS, 300) for r in requests]
    assert lefts_s(records(requests), NOW_NS, 300).tolist() == pytest.approx(expected)
    assert [left_s(r.tobytes(), NOW_NS, 300) for r in requests] == pytest.approx(expected)
    if not config.DISABLE_JIT:
        assert left_s(requests.tobytes(), NOW_NS, 300) == pytest.approx(min(expected))


def test_a_clock_that_is_stepped_back_gives_nobody_more_than_a_whole_deadline():
    """An hour back, and the age of everything that came before is below zero."""
    request = purchase(arrival_ns=NOW_NS + 3_600_000 * MS)
    assert left_s(request.tobytes(), NOW_NS, 300) == pytest.approx(0.3 - ANSWERING_S)


def test_the_ledger_is_given_up_in_time_for_what_stands_in_to_reach_the_disk():
    """By 30 ms before what is due, or by a quarter of what is left; what is due already, at once; the patient, never."""
    dues_s = np.array([100.3, 100.12, 100.04, 100.0, 99.0, math.inf])
    assert given_up_s(dues_s, 100.0).tolist() == pytest.approx(
        [100.27, 100.09, 100.03, 100.0, 99.0, math.inf]
    )


@pytest.mark.parametrize(
    ("ledger_ms", "deadline_ms", "expected_s"),
    [(250, 300, 0.25), (300, 300, 0.25), (100, 300, 0.1), (250, 50, 0.01)],
)
def test_a_late_call_holds_up_others_for_less_than_they_have(ledger_ms, deadline_ms, expected_s):
    """As set, but what comes just behind it is still decided in its time."""
    assert late_s(ledger_ms, deadline_ms) == pytest.approx(expected_s)
