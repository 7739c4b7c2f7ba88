"""Drift in service: the last day of features, scores and approvals beside the reference."""

from types import SimpleNamespace

import numpy as np
import pytest

from scoring.drift import reference_of
from scoring.features import FEATURE_NAMES
from server.fraud import drift as drift_room
from server.fraud.drift import APPROVALS, HOURS, OF_THE_DAY, OF_THE_WEEK, ROWS_MIN, Drift
from server.fraud.onlookers import seen
from server.fraud.watch import Using
from server.store.register import Standing
from tests.server.fraud.decisions import decided


class Clock:
    """A clock that is moved by hand."""

    def __init__(self):
        self.now_s = 1_790_000_000.0

    def __call__(self):
        return self.now_s


class Remembering:
    """A register that remembers approval rates."""

    def __init__(self):
        self.rates = {}

    async def set_approval_rate(self, version, rate):
        """The first one stays."""
        self.rates.setdefault(version, rate)


def champion(name, **options):
    """What is in use: a champion by name, and what it learnt from."""
    intents, _ = decided(20_000, seed=9)
    features = intents["features"][:, : len(FEATURE_NAMES)]
    reference = reference_of(features, intents["score"], **options)
    return Using(SimpleNamespace(version=name), reference)


@pytest.fixture
def drifting():
    """Drift beside a champion v1, a clock, and a register."""
    clock, register = Clock(), Remembering()
    watch = SimpleNamespace(using=champion("v1", approval_rate=0.9), standing=Standing(champion="v1"))
    return SimpleNamespace(
        clock=clock, register=register, watch=watch, drift=Drift(register, watch, clock, psi_max=0.25)
    )


def test_the_traffic_a_model_learnt_from_does_not_drift(drifting):
    """Every feature but the clock's, the score, and approvals have an index, and it is small."""
    drifting.drift.look(seen([decided(4_000)]))
    indices = drifting.drift.indices()
    assert set(indices) == {*FEATURE_NAMES, "score", APPROVALS} - OF_THE_DAY - OF_THE_WEEK
    assert max(indices.values()) < 0.02


def test_a_day_is_not_held_against_the_hours_and_weekdays_it_can_not_hold(drifting):
    """Nine o'clock on a Monday is no drift; once a whole day is counted its hours have an index, its weekday never."""
    intents, decisions = decided(4_000)
    intents["features"][:, FEATURE_NAMES.index("weekday")] = 0
    drifting.drift.look(seen([(intents, decisions)]))
    assert not (OF_THE_DAY | OF_THE_WEEK) & set(drifting.drift.indices())
    for _ in range(HOURS - 1):
        drifting.clock.now_s += 3_600
        drifting.drift.look(seen([(intents, decisions)]))
    indices = drifting.drift.indices()
    assert set(indices) >= OF_THE_DAY
    assert not OF_THE_WEEK & set(indices)


def test_too_little_traffic_has_no_index(drifting):
    """Neither good nor bad."""
    drifting.drift.look(seen([decided(ROWS_MIN - 1)]))
    assert drifting.drift.indices() == {}


def test_an_alarm_sounds_for_what_drifted_and_ends_with_it(run, drifting):
    """A feature that goes missing; a day later it is back."""

    async def body():
        drift = drifting.drift
        intents, decisions = decided(4_000)
        intents["features"][:, 3] = np.nan
        drift.look(seen([(intents, decisions)]))
        await drift.act()
        assert drift.alarms == {FEATURE_NAMES[3]}
        drifting.clock.now_s += HOURS * 3_600
        drift.look(seen([decided(4_000)]))
        await drift.act()
        assert drift.alarms == frozenset() and drift.rows == 4_000

    run(body())


def test_approvals_that_fall_are_an_alarm(run, drifting):
    """From nine of ten to five."""

    async def body():
        intents, decisions = decided(4_000)
        decisions["response_code"][::2] = b"59"
        drifting.drift.look(seen([(intents, decisions)]))
        await drifting.drift.act()
        assert drifting.drift.alarms == {APPROVALS}

    run(body())


def test_hours_leave_the_window_one_by_one(drifting):
    """A day and no more; time that stands still or goes back loses nothing."""
    drift = drifting.drift
    for _ in range(HOURS):
        drift.look(seen([decided(100)]))
        drifting.clock.now_s += 3_600
    assert drift.rows == HOURS * 100
    drift.look(seen([decided(100)]))
    assert drift.rows == HOURS * 100
    drifting.clock.now_s -= 7_200
    drift.look(seen([decided(100)]))
    assert drift.rows == HOURS * 100 + 100
    drifting.clock.now_s += 40 * 3_600
    drift.look(seen([decided(1)]))
    assert drift.rows == 1


def test_the_score_counts_where_the_champion_decided(drifting):
    """What a challenger decided says nothing about the champion's score."""
    drifting.drift.look(seen([decided(4_000, model=b"v2")]))
    assert "score" not in drifting.drift.indices()
    intents, decisions = decided(4_000)
    intents["score"] = 0.99
    drifting.drift.look(seen([(intents, decisions)]))
    assert drifting.drift.indices()["score"] > 0.25


def test_another_champion_begins_anew(drifting):
    """With its own reference."""
    drifting.drift.look(seen([decided(4_000)]))
    drifting.watch.using = champion("v2")
    drifting.drift.look(seen([decided(10)]))
    assert drifting.drift.rows == 10


def test_the_first_approvals_are_what_later_ones_are_measured_from(run, drifting, monkeypatch):
    """Where the training data knew no approvals: remembered once, in the register."""
    monkeypatch.setattr(drift_room, "APPROVALS_FIRST", 3_000)

    async def body():
        drifting.watch.using = champion("v1")
        drift = drifting.drift
        drift.look(seen([decided(4_000)]))
        assert APPROVALS not in drift.indices()
        await drift.act()
        assert drifting.register.rates == {"v1": 0.9}
        drifting.watch.standing = Standing(champion="v1", approval_rate=0.9)
        assert drift.indices()[APPROVALS] < 0.01

    run(body())


def test_a_champion_without_a_reference_is_measured_by_its_approvals_alone(drifting):
    """As is a server without a champion."""
    drifting.watch.using = Using(SimpleNamespace(version="v3"))
    drifting.drift.look(seen([decided(4_000)]))
    assert drifting.drift.indices() == {}
    drifting.watch.using = Using()
    drifting.drift.look(seen([decided(4_000)]))
    assert drifting.drift.indices() == {}
