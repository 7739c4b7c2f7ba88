"""What the supervisor makes of what fronts say."""

from server.settings import Settings
from server.supervisor import Heard, Supervisor


def said(connections=0, expires_s=None, **refused):
    """What a front says once a second."""
    return {"connections": connections, "client_refused": refused, "certificate_expires_s": expires_s}


def test_nothing_was_heard_before_any_front_speaks():
    """Every front has no connection yet."""
    assert Heard().of([0, 1]) == {
        "connections": {0: 0, 1: 0},
        "client_refused": {},
        "certificate_expires_s": None,
    }


def test_what_fronts_refused_is_added_up_over_their_lives():
    """What a front says grows while it lives, and begins at nothing after its death: the sum never falls."""
    heard = Heard()
    sums = []
    for number, told in [
        (0, {"ready": True, "port": 1}),
        (0, said(2, acme=3)),
        (1, said(1, acme=1, other=4)),
        (0, said(2, acme=5)),
        (0, {"ready": True, "port": 1}),
        (0, said(1)),
        (0, said(1, acme=2)),
    ]:
        heard.take(number, told)
        sums.append(heard.of([0])["client_refused"].get("acme", 0))
    assert sums == [0, 3, 4, 6, 6, 6, 8]
    assert heard.of([1]) == {
        "connections": {1: 1},
        "client_refused": {"acme": 8, "other": 4},
        "certificate_expires_s": None,
    }


def test_the_first_certificate_to_expire_counts():
    """Fronts take in a new one at their next handshake, each in its own time."""
    heard = Heard()
    heard.take(0, said(expires_s=200.0))
    heard.take(1, said(expires_s=100.0))
    assert heard.of([0, 1])["certificate_expires_s"] == 100.0


def test_how_connections_were_spread_is_told_with_how_unevenly():
    """By the most that each front had at once; of none, no more than that."""
    supervisor = Supervisor(Settings(fronts=2))
    supervisor.peaks = {1: 4, 0: 8}
    assert supervisor.spread() == "front 0: 8, front 1: 4 (the most 1.33 times the mean)"
    supervisor.peaks = {0: 0, 1: 0}
    assert supervisor.spread() == "front 0: 0, front 1: 0"
