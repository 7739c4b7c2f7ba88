"""One real server for the tests that only talk to it."""

import itertools

import pytest

from loadtest.processes import free_port
from tests.end_to_end import callers, serving

_cards = itertools.count(1)
_trusted_cards = itertools.count(serving.TRUSTED_FROM)


@pytest.fixture(scope="module", autouse=True)
def homes():
    """Those of a module's servers go with it."""
    with serving.homes_thrown_away():
        yield


@pytest.fixture(scope="session")
def server():
    """A server with the demo portfolio, for the whole session; drained at its end."""
    home = serving.fresh_home(name="session")
    with serving.serving(home, metrics_port=free_port()) as running:
        yield running
        assert running.stop() == 0, running.output
        assert "Traceback" not in running.output, running.output


@pytest.fixture(scope="session")
def caller(server):
    """Unary calls to the server."""
    with callers.calling(server.target) as found:
        yield found


@pytest.fixture
def link(server):
    """A link of the test's own."""
    with callers.linked(server.target) as found:
        yield found


@pytest.fixture
def card():
    """The number of a demo card that no other test uses; card 0 is the greeting's."""
    return next(_cards)


@pytest.fixture
def trusted_card():
    """The number of a card that no other test uses, and whose score declines nothing."""
    return next(_trusted_cards)
