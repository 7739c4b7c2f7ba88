"""Deaths come when a replay has come far enough, one after the other."""

import pytest

from loadtest.kills import Kills


def test_every_death_happens_before_the_last_tenth_of_the_rows():
    """However the answers come, as many deaths as were asked for."""
    restarts = []
    kills = Kills(3, 100, lambda: restarts.append("restart"), seed=5)
    with kills:
        for answered in range(91):
            kills.heard(answered)
        kills.end()
    assert len(restarts) == kills.done == 3


def test_what_a_restart_raises_comes_out_where_the_replay_is_driven():
    """A server that does not come up again ends the campaign with its own words."""

    def restart():
        raise RuntimeError("it stayed down")

    kills = Kills(1, 10, restart, seed=1)
    with kills:
        kills.heard(10)
        with pytest.raises(RuntimeError, match="it stayed down"):
            kills.end()
