"""Redis keeps the same counters, so that the comparison is one."""

import shutil

import numpy as np
import pytest

from loadtest import redis_process, scoring_speed
from loadtest.redis_counters import past_of, redis_server, redis_us_per_request
from loadtest.redis_process import RedisMissing
from scoring.limit import no_limits
from scoring.velocity import PAST_NAMES, Velocity

needs_redis = pytest.mark.skipif(shutil.which("redis-server") is None, reason="no redis-server on the PATH")


def velocity_past(attempts):
    """What velocity says of the same attempts."""
    velocity = Velocity(scoring_speed.CARDS, scoring_speed.CARDS + 1)
    count = len(attempts)
    admitted = velocity.admit(
        attempts, day_ids=np.ones(count), month_ids=np.ones(count), counted=np.zeros(count), entering=np.ones(count),
        limit_sets=np.zeros(count), limits=no_limits(),
    )  # fmt: skip
    return admitted.past


def busy_attempts(count):
    """Few cards and merchants within an hour, so that there is a past; times a step of ten seconds apart at most."""
    attempts = scoring_speed.made_up(count)
    attempts["card_row"] %= 7
    attempts["account"] = attempts["card_row"] % 3 + 1
    attempts["merchant"] %= np.uint64(5)
    for name in ("device", "ip"):
        attempts[name] %= np.uint64(4)
    attempts["country"] = np.arange(count) % 3 * 100
    return attempts


@needs_redis
def test_redis_tells_the_same_past_as_velocity_but_for_the_windows_steps():
    """What is remembered with its second is equal; a total is Redis's exact one, or at most what a step more takes in."""
    attempts = busy_attempts(320)
    with redis_server() as client:
        told = np.concatenate([past_of(client, attempts[at : at + 32], at) for at in range(0, 320, 32)])
    known = velocity_past(attempts)
    assert (np.isnan(told) == np.isnan(known)).all()
    for place, name in enumerate(PAST_NAMES):
        if name.partition("_")[0] in ("attempts", "amount") or "_attempts_" in name or "_amount_" in name:
            assert (known[:, place] >= told[:, place])[~np.isnan(told[:, place])].all(), name
            if name.endswith(("24h", "7d", "30d")):
                np.testing.assert_array_equal(known[:, place], told[:, place], name)
        else:
            np.testing.assert_array_equal(known[:, place], told[:, place], name)


@needs_redis
def test_redis_is_timed_on_a_server_of_its_own():
    """Microseconds above zero, by whole batches; fewer than a batch a part is refused."""
    assert redis_us_per_request(scoring_speed.made_up(320)) > 0
    with pytest.raises(ValueError, match="at least 320"):
        redis_us_per_request(scoring_speed.made_up(319))


def test_a_missing_server_is_named(monkeypatch):
    """With what would help."""
    monkeypatch.setattr(redis_process.shutil, "which", lambda _: None)
    with pytest.raises(RedisMissing, match="redis-server"):
        redis_us_per_request(scoring_speed.made_up(320))
