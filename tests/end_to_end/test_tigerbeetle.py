"""A server on a real TigerBeetle cluster: lives of holds, its own death, and the cluster's."""

import shutil
import tempfile
import time
from pathlib import Path

import pytest

from tests import clusters
from tests.end_to_end.callers import (
    Caller,
    advise,
    calling,
    clear,
    connected,
    funded_minor,
    increment,
    linked,
    purchase,
    reversal,
    same,
)
from tests.end_to_end.serving import Holdfast, fresh_home, serving

DEADLINE_MS = 5_000
BOUNDED = {
    "HOLDFAST_DEADLINE_MS": str(DEADLINE_MS),
    "HOLDFAST_DEADLINE_MS_MAX": str(DEADLINE_MS),
    "HOLDFAST_LEDGER_DEADLINE_MS": "2000",
}
BACK_S = 60


@pytest.fixture(scope="module")
def own_cluster(tmp_path_factory):
    """A cluster whose accounts are this module's alone."""
    if clusters.server() is None:
        pytest.skip(clusters.WHY_NONE)
    cluster = clusters.Cluster(tmp_path_factory.mktemp("cluster"), cluster_id=11)
    yield cluster
    cluster.close()


@pytest.fixture(scope="module")
def home():
    """One home for all of it: a cluster belongs to one."""
    folder = Path(tempfile.mkdtemp(prefix="holdfast-cluster-"))
    yield folder
    shutil.rmtree(folder)


@pytest.fixture
def on_cluster(own_cluster, home):
    """How to start a server there."""
    address = ",".join(own_cluster.addresses)
    ledger = {"HOLDFAST_LEDGER": f"tigerbeetle://{own_cluster.cluster_id}@{address}"}
    return lambda **environment: serving(home, environment={**ledger, **environment}, cards=100)


def test_lives_go_on_over_a_kill_of_the_server(on_cluster):
    """What was answered is answered again, what was held can be cleared, and the ledger tells all of it."""
    requests = [purchase(card, 1_000) for card in range(1, 9)]
    with on_cluster() as server:
        with calling(server.target) as caller:
            answers = [caller.authorize(request) for request in requests]
            assert [answer.response_code for answer in answers] == ["00"] * 8
            assert caller.ask(advise(purchase(9, funded_minor(9) - 400))).response_code == "00"
            part = caller.authorize(purchase(9, 1_000, partial_approval_allowed=True))
            assert (part.response_code, part.approved_amount_minor) == ("10", 400)
            assert caller.authorize(purchase(9, 100)).response_code == "51"
            more = caller.ask(increment(answers[0].authorization_id, 500))
            assert more.approved_amount_minor == 1_500
            assert caller.ask(reversal(requests[1], remaining_minor=300)).released_minor == 700
            over = caller.ask(clear(answers[2].authorization_id, funded_minor(3) + 250))
            assert over.overdrawn_minor == 250
            assert caller.ask(advise(purchase(10, funded_minor(10) + 70))).response_code == "00"
        server.kill()
    with on_cluster() as server, calling(server.target) as caller:
        for request, answer in zip(requests, answers, strict=True):
            again = caller.authorize(request)
            assert again.replayed
            assert same(answer, again)
        assert caller.ask(clear(answers[0].authorization_id, 1_500)).posted_minor == 1_500
        assert caller.ask(reversal(requests[1])).released_minor == 300
        told = caller.explain(answers[0].authorization_id).transfers
        assert [(t.amount_minor, t.state) for t in told] == [
            (1_000, "posted"),
            (500, "posted"),
            (1_000, "posted"),
            (500, "posted"),
        ]
        assert caller.available_minor(2) == funded_minor(2)
        with linked(server.target) as link:
            link.send_all({card: purchase(card, 100) for card in range(20, 52)})
            codes = {answer.authorize.response_code for answer in link.answers(32).values()}
        assert codes == {"00"}


def test_a_cluster_that_is_gone_is_a_91_in_time_and_an_approval_again_when_it_is_back(
    own_cluster, on_cluster
):
    """What was answered 91 is not held, also where its hold arrived late."""
    lost = purchase(60, 1_000)
    with on_cluster(**BOUNDED) as server, connected(server.target) as channel:
        caller = Caller(channel)
        first = caller.authorize(purchase(60, 500))
        assert first.response_code == "00"
        own_cluster.kill(0)
        began_s = time.monotonic()
        assert caller.authorize(lost).response_code == "91"
        assert caller.authorize(purchase(61)).response_code == "91"
        assert time.monotonic() - began_s < 4 * DEADLINE_MS / 1_000
        presented = clear(first.authorization_id, 500)
        assert caller.ask(presented).response_code == "91"
        own_cluster.start(0)
        deadline_s = time.monotonic() + BACK_S
        while caller.authorize(purchase(62, 100)).response_code != "00":
            assert time.monotonic() < deadline_s, "the server did not come back with its ledger"
        again = caller.ask(presented)
        assert (again.response_code, again.posted_minor) == ("00", 500)
        assert caller.authorize(lost).response_code == "91"
        assert caller.available_minor(60) == funded_minor(60) - 500


def test_a_cluster_that_is_not_there_is_named_at_the_start(own_cluster, home):
    """The address that does not answer, or the cluster that is not this one."""
    port = clusters.free_ports(1)[0]
    for ledger, named in (
        (f"tigerbeetle://11@127.0.0.1:{port}", str(port)),
        (f"tigerbeetle://12@{own_cluster.addresses[0]}", "12"),
    ):
        server = Holdfast(home, environment={"HOLDFAST_LEDGER": ledger})
        assert server.ended(120) != 0
        assert named in server.output
        assert "Traceback" not in server.output, server.output


def test_another_ledger_than_the_homes_is_refused():
    """Its money is in the embedded one."""
    server = Holdfast(fresh_home(), environment={"HOLDFAST_LEDGER": "tigerbeetle://11@127.0.0.1:1"})
    assert server.ended(120) != 0
    assert "'embedded'" in server.output
    assert "Traceback" not in server.output


def test_a_ledger_that_is_no_address_is_refused_by_the_setting(home):
    """With what it must be."""
    server = Holdfast(home, environment={"HOLDFAST_LEDGER": "tigerbeetle:3000"})
    assert server.ended(60) != 0
    assert "tigerbeetle://CLUSTER@HOST:PORT" in server.output
    assert "Traceback" not in server.output
