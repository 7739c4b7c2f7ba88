"""A real cluster stops: cards of a programme that stands in go on, within limits, and all of it is booked once."""

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests import clusters
from tests.end_to_end.callers import (
    Caller,
    Refused,
    calling,
    clear,
    connected,
    funded_minor,
    obeyed_after_s,
    purchase,
    reversal,
    same,
)
from tests.end_to_end.serving import ROOT, serving

BACK_S = 60
EFFECT_S = 1.0
CLUSTER = 13
BOUNDED = {
    "HOLDFAST_DEADLINE_MS": "5000",
    "HOLDFAST_DEADLINE_MS_MAX": "5000",
    "HOLDFAST_LEDGER_DEADLINE_MS": "2000",
}
"""An absence of the cluster is an answer soon, and a crowded machine is none."""


@pytest.fixture
def own_cluster(tmp_path):
    """A cluster of this test's own."""
    if clusters.server() is None:
        pytest.skip(clusters.WHY_NONE)
    cluster = clusters.Cluster(tmp_path, cluster_id=CLUSTER)
    yield cluster
    cluster.close()


@pytest.fixture
def home():
    """A home of its own: a cluster belongs to one."""
    folder = Path(tempfile.mkdtemp(prefix="holdfast-stand-in-"))
    yield folder
    shutil.rmtree(folder)


def holdfast(home, *words, **environment):
    """`holdfast …` on this home; its JSON document."""
    done = subprocess.run(  # noqa: PLW1510 - its status is looked at
        [sys.executable, "-m", "server.cli", *words, "--json"],
        cwd=ROOT,
        env={**os.environ, "HOLDFAST_HOME": str(home), **environment},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def stands_in(home, *, count_max=3):
    """The demo's programme stands in from now on."""
    holdfast(
        home,
        *("programmes", "posture", "demo", "--stand-in", "--amount-max", "50.00", "--by", "alice"),
        *("--count-max", str(count_max), "--sum-max", "90.00", "--mcc", "5411"),
    )


@contextmanager
def stopped(cluster):
    """The cluster's one replica stands still meanwhile."""
    cluster.signal(0, signal.SIGSTOP)
    try:
        yield
    finally:
        cluster.signal(0, signal.SIGCONT)


def until(told, wanted):
    """Ask again until it says what is wanted."""
    deadline_s = time.monotonic() + BACK_S
    while (said := told()) != wanted:
        assert time.monotonic() < deadline_s, f"{said}, not {wanted}, after {BACK_S} s"


def code_of(caller, card):
    """The response code of a small purchase."""
    return caller.authorize(purchase(card, 1)).response_code


def test_cards_go_on_within_limits_while_the_cluster_stands_still_and_all_is_booked_once(own_cluster, home):
    """The network is asked, then approved, refused, reversed, cleared; killed before anything is booked; repeats get what was first said."""
    address = ",".join(own_cluster.addresses)
    environment = {
        "HOLDFAST_LEDGER": f"tigerbeetle://{CLUSTER}@{address}",
        **BOUNDED,
    }
    kept, let_go, presented = purchase(60, 4_000), purchase(61, 4_000), purchase(62, 4_000)
    with serving(home, environment=environment, cards=100) as server, connected(server.target) as channel:
        caller = Caller(channel)
        assert code_of(caller, 63) == "00"
        with stopped(own_cluster):
            assert caller.authorize(purchase(60, 500)).response_code == "91"
            holdfast(home, "programmes", "posture", "demo", "--network", "--by", "alice")
            assert obeyed_after_s(lambda: code_of(caller, 65) == "N0", BACK_S) <= EFFECT_S
            stands_in(home)
            assert obeyed_after_s(lambda: caller.authorize(purchase(64, 100)).stand_in, BACK_S) <= EFFECT_S
            answers = [caller.authorize(request) for request in (kept, let_go, presented)]
            assert [(a.response_code, a.stand_in, a.approved_amount_minor) for a in answers] == [
                ("00", True, 4_000)
            ] * 3
            assert [answer.reasons[0] for answer in answers] == ["stood_in"] * 3
            refused = [
                caller.authorize(request)
                for request in (
                    purchase(60, 5_001),
                    purchase(60, 5_000),
                    purchase(60, 4_000),
                    purchase(60, 1_000),
                )
            ]
            assert [(a.response_code, a.reasons[0]) for a in refused] == [
                ("91", "stand_in_amount"),
                ("00", "stood_in"),
                ("91", "stand_in_sum"),
                ("91", "stand_in_sum"),
            ]
            assert caller.ask(reversal(let_go)).released_minor == 4_000
            presenting = clear(answers[2].authorization_id, 3_000)
            assert caller.ask(presenting).response_code == "91"
            told = caller.explain(answers[0].authorization_id)
            (check,) = [check for check in told.checks if check.name == "stood_in"]
            assert not check.passed
            assert check.inputs["posture"] == "STAND_IN"
            server.kill()
    with serving(home, environment=environment, cards=100) as server, calling(server.target) as caller:
        until(lambda: caller.account_status(60).available_minor, funded_minor(60) - 9_000)
        for request, first in zip((kept, let_go, presented), answers, strict=True):
            again = caller.authorize(request)
            assert again.replayed
            assert same(first, again)
        posted = caller.ask(presenting)
        assert (posted.response_code, posted.posted_minor) == ("00", 3_000)
        assert caller.available_minor(61) == funded_minor(61)
        assert caller.available_minor(62) == funded_minor(62) - 3_000
        assert caller.ask(clear(answers[0].authorization_id, 4_000)).posted_minor == 4_000
        (transfer, *_) = caller.explain(answers[0].authorization_id).transfers
        assert (transfer.amount_minor, transfer.state) == (4_000, "posted")

        def states():
            sums = holdfast(home, "programmes", "stand-in")["sums"]
            return {line["state"]: line["approvals"] for line in sums if line["state"] != "waiting"}

        until(lambda: sum(states().values()), 5)
        assert states()["let_go"] == 1
        with pytest.raises(Refused):
            caller.explain("0" * 32)
        assert server.stop() == 0, server.output
    report = holdfast(home, "ledger", "reconcile", **environment)
    assert report["drifting"] == []
