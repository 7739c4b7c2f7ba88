"""Clients that cancel, vanish or don't read: what was taken is decided once, others are answered, nothing piles up."""

import statistics
import time

import pytest

from loadtest.cutting import Proxy
from loadtest.usage import resident_bytes
from tests.adversity.aftermath import assert_sound
from tests.end_to_end.callers import calling, connected, linked, purchase, same
from tests.end_to_end.serving import NOWHERE, TRUSTED_FROM, fresh_home, serving

AWAY = {"HOLDFAST_DATABASE_URL": NOWHERE}
CARD = TRUSTED_FROM + 40
CALLS = 200
FRAMES = 100
FRAME_MESSAGES = 200
OTHERS_S = 2.0
"""How long half of an honest client's answers may take meanwhile, on a machine that is busy with other tests."""

GROWTH_MAX_BYTES = 64 << 20
"""What a sender that doesn't read may cost; what it sends is a few times as much."""


@pytest.fixture(scope="module")
def server():
    """A server, and what honest clients heard of it."""
    with serving(fresh_home(), environment=AWAY) as running:
        running.heard = {}
        yield running


@pytest.fixture
def door(server):
    """A proxy before it."""
    with Proxy(server.target) as proxy:
        yield proxy


def ask_quickly(server, count=20):
    """An honest client is answered in time."""
    took_s = []
    with calling(server.target) as caller:
        for _ in range(count):
            began_s = time.monotonic()
            answer = caller.authorize(purchase(CARD, 1))
            took_s.append(time.monotonic() - began_s)
            assert answer.response_code == "00"
            server.heard[answer.authorization_id] = answer
    assert statistics.median(took_s) < OTHERS_S, took_s


def ask_again(server, requests):
    """Each of these has one answer, and the same for ever, whether it had been taken before or not."""
    with calling(server.target) as caller:
        first = [caller.authorize(request) for request in requests]
        again = [caller.authorize(request) for request in requests]
    assert {answer.response_code for answer in first} == {"00"}
    assert all(same(one, other) and other.replayed for one, other in zip(first, again, strict=True))
    server.heard.update({answer.authorization_id: answer for answer in first})


def test_calls_that_are_cancelled_are_decided_once_or_not_at_all(server):
    """Asked again under their keys, each is held once."""
    requests = [purchase(CARD + k % 50, 10) for k in range(CALLS)]
    with calling(server.target) as caller:
        calls = [caller.later(request) for request in requests]
        for call in calls:
            call.cancel()
        ask_quickly(server)
    ask_again(server, requests)


def test_connections_that_break_under_way_lose_nothing_that_was_taken(server, door):
    """Unary calls and a link cut in the middle; everything asked again has its one answer."""
    requests = {k: purchase(CARD + k % 50, 10) for k in range(1, CALLS)}
    with connected(door.address) as channel, calling(door.address) as caller, linked(door.address) as link:
        calls = [caller.later(request) for request in list(requests.values())[: CALLS // 2]]
        link.send_all(dict(list(requests.items())[CALLS // 2 :]))
        assert channel is not None
        door.cut()
        assert all(call.exception(30) is not None or call.result() for call in calls)
    ask_quickly(server)
    ask_again(server, requests.values())


def test_clients_that_vanish_hinder_neither_others_nor_the_end(server, door):
    """Half-open: the server is left alone with a link that has work under way; it drains all the same."""
    requests = {k: purchase(CARD + k % 50, 10) for k in range(1, CALLS)}
    with linked(door.address) as link:
        link.send_all(requests)
        link.answers(1)
        door.half_open("server")
        ask_quickly(server)
    ask_again(server, requests.values())


def test_link_that_is_not_read_costs_little_and_hinders_nobody(server, door):
    """It sends and sends and takes no answers: it is held back, others are answered, memory stays bounded."""
    ask_quickly(server)
    before = resident_bytes(server.process.pid)
    with linked(door.address) as link:
        link.send_all({1: purchase(CARD, 1)})
        link.answers(1)
        door.slow(bytes_per_s=20_000)
        for frame in range(FRAMES):
            first = 2 + frame * FRAME_MESSAGES
            link.send_all({first + k: purchase(CARD + k % 50, 1) for k in range(FRAME_MESSAGES)})
        for _ in range(5):
            ask_quickly(server)
        assert resident_bytes(server.process.pid) - before < GROWTH_MAX_BYTES
        door.cut()
    ask_quickly(server)


def test_books_balance_after_all_of_it(server):
    """The server drains, nobody is held twice, and what was heard is what the journal says."""
    assert server.stop() == 0, server.output
    assert "Traceback" not in server.output
    assert_sound(server.home, server.heard.values())
