"""The engines that answer to one suite: the plain oracle, the embedded one, and a real TigerBeetle."""

import asyncio

import pytest

from ledger import state
from ledger.embedded import EmbeddedLedger
from ledger.tigerbeetle import TigerBeetleLedger
from tests.conformance.books import Books, Oracle
from tests.ledger.books import FakeClock

ENGINES = ("oracle", "embedded", "tigerbeetle")


@pytest.fixture(autouse=True, scope="session")
def _warm():
    state.warm_up()


@pytest.fixture(scope="session")
def tigerbeetle(cluster):
    """One engine for the session: it answers whatever loop asks."""
    ledger = asyncio.run(TigerBeetleLedger.open(cluster.addresses, cluster.cluster_id, deadline_s=30))
    yield ledger
    asyncio.run(ledger.close())


@pytest.fixture(scope="session")
def embedded(tmp_path_factory):
    """Likewise, with a clock that is moved."""
    clock = FakeClock()
    ledger = EmbeddedLedger.open(tmp_path_factory.mktemp("embedded"), now_ns=clock)
    yield ledger, clock
    ledger.close_blocking()


@pytest.fixture(params=ENGINES)
def books(request):
    """A realm of its own in each engine."""
    clock = None
    if request.param == "oracle":
        clock = FakeClock()
        engine = Oracle(clock)
    elif request.param == "embedded":
        engine, clock = request.getfixturevalue("embedded")
    else:
        engine = request.getfixturevalue("tigerbeetle")
    with asyncio.Runner() as runner:
        yield Books(engine, runner, clock)
