"""When a session is begun afresh, from what connections show."""

from itertools import pairwise

from ledger.search import AGAIN_S_MAX, FIRST_S, Search

THERE, AWAY = [True], [False]


def times(search, looks):
    """At which of these looks (late_s, reachable) it is time."""
    return [late_s for late_s, reachable in looks if search.is_time(late_s, reachable)]


def test_a_server_that_is_back_is_asked_at_once():
    """Its address takes no connection, then one; and only then."""
    search = Search()
    assert times(search, [(s / 10, AWAY) for s in range(3, 200)]) == []
    assert times(search, [(20.0, THERE), (20.1, THERE), (20.2, THERE)]) == [20.0]
    assert times(search, [(20.3, AWAY), (20.4, THERE)]) == [20.4]


def test_a_server_that_takes_connections_and_does_not_answer_is_asked_ever_more_seldom():
    """It keeps what it is sent, and has room for few sessions: in a minute a handful."""
    tried = times(Search(), [(s / 10, THERE) for s in range(3, 600)])
    assert tried[0] == FIRST_S
    assert len(tried) <= 8
    pauses = [after - before for before, after in pairwise(tried)]
    assert pauses == sorted(pauses)
    assert max(pauses) <= AGAIN_S_MAX + 0.1


def test_one_replica_that_is_back_is_enough():
    """And one that never was there changes nothing."""
    search = Search()
    assert times(search, [(0.3, [True, False, False]), (0.4, [True, False, True])]) == [0.4]
    assert times(search, [(0.5, [True, False, True])]) == []


def test_a_session_that_has_ended_is_replaced_at_once_and_once():
    """Then like any that does not answer."""
    search = Search()
    tried = [s / 10 for s in range(3, 50) if search.is_time(s / 10, THERE, has_ended=True)]
    assert tried[0] == 0.3
    assert tried == [0.3, 2.3]
