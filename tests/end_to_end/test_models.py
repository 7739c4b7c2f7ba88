"""Models swapped while a real server answers."""

import asyncio
import threading
import time
import urllib.request

import pytest

from scoring.registry import Action
from server.fraud.oversight import MODELS
from server.store.database import Database
from server.store.postgres import EmbeddedPostgres
from server.store.register import Register
from tests.end_to_end import callers, serving
from tests.server.fraud.versions import version

SWAP_TIMEOUT_S = 20.0
SLOW_S = 1.5
"""An answer later than the ledger's deadline would have been a 91."""

SWAPS = 3
"""So often at the most, where a crowded machine made one slow."""


class Traffic:
    """Somebody who asks all the time; every answer, and how long the slowest took."""

    def __init__(self, target, card):
        self._target = target
        self._card = card
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._ask)
        self.codes = []
        self.slowest_s = 0.0
        self.error = None

    def _ask(self):
        try:
            with callers.calling(self._target) as caller:
                while not self._over.is_set():
                    began = time.perf_counter()
                    self.codes.append(caller.authorize(callers.purchase(self._card, 1)).response_code)
                    self.slowest_s = max(self.slowest_s, time.perf_counter() - began)
        except Exception as error:  # told where it is waited for
            self.error = error

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._over.set()
        self._thread.join(callers.CALL_TIMEOUT_S)


@pytest.fixture
def registering(server):
    """Runs `work(register)` on the server's own register."""

    def run(work):
        async def opened():
            async with Database(EmbeddedPostgres(server.home).url) as database:
                return await work(Register(database, server.home / MODELS))

        return asyncio.run(asyncio.wait_for(opened(), SWAP_TIMEOUT_S))

    return run


def decided_by(caller, card, wanted):
    """Asks until that version has decided, for a bounded time; which one decided last."""
    ends = time.monotonic() + SWAP_TIMEOUT_S
    found = None
    while found != wanted and time.monotonic() < ends:
        told = caller.authorize(callers.purchase(card, 1))
        found = caller.explain(told.authorization_id).model_version
    return found


def test_a_champion_is_swapped_and_back_without_a_lost_or_slow_request_when_there_is_load(
    server, caller, registering, trusted_card, tmp_path
):
    """Promoted by two, rolled back by one; what each decided is explained by itself, and the metrics say who decides."""

    async def promote(register, name):
        before = (await register.standing()).champion
        await register.add(version(tmp_path, name, intercept=0.001), by="ann")
        await register.shadow(name, by="ann")
        await register.propose(name, Action.PROMOTE, by="ann")
        await register.approve(name, by="bob")
        return before

    def slowest_s(name):
        with Traffic(server.target, trusted_card) as traffic:
            before = registering(lambda register: promote(register, name))
            assert decided_by(caller, trusted_card, name) == name
            metrics = f"http://127.0.0.1:{server.metrics_port}/metrics"
            scraped = urllib.request.urlopen(metrics, timeout=10).read().decode()
            assert f'holdfast_model{{role="champion",version="{name}"}} 1.0' in scraped
            registering(lambda register: register.roll_back(by="cid"))
            assert decided_by(caller, trusted_card, before) == before
        assert traffic.error is None
        assert set(traffic.codes) == {"00"} and len(traffic.codes) > 10
        return traffic.slowest_s

    assert any(slowest_s(f"swapped_{number}") < SLOW_S for number in range(SWAPS))


def test_a_start_without_postgresql_scores_with_the_champion_of_before():
    """The standing is kept beside the models."""
    home = serving.fresh_home()
    with serving.serving(home) as server:
        with callers.calling(server.target) as caller:
            told = caller.authorize(callers.purchase(serving.TRUSTED_FROM, 1))
            champion = caller.explain(told.authorization_id).model_version
        assert champion and server.stop() == 0, server.output
    with serving.serving(home, environment={"HOLDFAST_DATABASE_URL": serving.NOWHERE}) as server:
        with callers.calling(server.target) as caller:
            told = caller.authorize(callers.purchase(serving.TRUSTED_FROM, 1))
            assert caller.explain(told.authorization_id).model_version == champion
        assert server.stop() == 0, server.output
