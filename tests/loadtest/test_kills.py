"""Deaths come when a replay has come far enough, one after the other."""

import threading

import pytest

from loadtest.kills import Kills


def test_every_death_happens_before_the_last_tenth_of_the_rows():
    """As many as were asked for, each after the one before it is over."""
    restarted = threading.Semaphore(0)
    kills = Kills(3, 100, restarted.release, seed=5)
    with kills:
        for part in range(1, 4):
            kills.heard(30 * part)
            assert restarted.acquire(timeout=10)
            while kills.done < part:
                kills.heard(0)
        kills.end()
    assert kills.done == 3


def test_no_death_comes_due_while_another_is_under_way():
    """A server that is not up yet is not killed again."""
    begun, goes_on = threading.Event(), threading.Event()

    def restart():
        begun.set()
        assert goes_on.wait(10)

    kills = Kills(2, 100, restart, seed=5)
    with kills:
        kills.heard(90)
        assert begun.wait(10)
        kills.heard(90)
        goes_on.set()
        kills.end()
        assert kills.done == 1


def test_what_a_restart_raises_comes_out_where_the_replay_is_driven():
    """A server that does not come up again ends the campaign with its own words."""

    def restart():
        raise RuntimeError("it stayed down")

    kills = Kills(1, 10, restart, seed=1)
    with kills:
        kills.heard(10)
        with pytest.raises(RuntimeError, match="it stayed down"):
            kills.end()
