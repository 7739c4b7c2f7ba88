"""
The ledger stops, dies, slows, loses a replica or our session: answers come in time, nothing is held unasked, and
approvals come again when it is back. `holdfast bench away` does it fifty times, with the bars of a quiet machine, and
kills too; test_campaigns has its short form.
"""

import asyncio
import shutil
import tempfile
import time
from pathlib import Path

import numpy as np
import pytest

from ledger.tigerbeetle import TigerBeetleLedger
from server.cli.balance import judge, read_cluster
from server.cli.steady_away import KINDS, Troubled
from server.core.record import id_pair
from tests import clusters
from tests.adversity.aftermath import assert_repeated
from tests.end_to_end.callers import calling, funded_minor, purchase
from tests.end_to_end.serving import TIMELY, serving

DEADLINE_S = 0.4
ANSWER_S = DEADLINE_S + 15.0
"""By when an answer must be there on a machine that is busy with other tests."""

BACK_S = 60.0
"""Likewise, the first approval after the ledger's return."""

AWAY_S = 1.0
SESSIONS_MAX = 64
AT_ONCE = 8
"""What a cluster keeps; the next one ends another."""


@pytest.fixture(scope="module")
def troubled(tmp_path_factory):
    """Three replicas, a proxy before each."""
    if clusters.server() is None:
        pytest.skip(clusters.WHY_NONE)
    with (
        clusters.Cluster(tmp_path_factory.mktemp("cluster"), 3, cluster_id=23) as cluster,
        Troubled(cluster) as made,
    ):
        yield made


@pytest.fixture(scope="module")
def server(troubled):
    """A server on them; at the end its books are held against theirs."""
    home = Path(tempfile.mkdtemp(prefix="holdfast-cluster-"))
    environment = {
        **TIMELY,
        "HOLDFAST_LEDGER": troubled.setting,
        "HOLDFAST_DEADLINE_MS": str(round(DEADLINE_S * 1_000)),
        "HOLDFAST_LEDGER_DEADLINE_MS": str(round(DEADLINE_S * 1_000)),
    }
    with serving(home, environment=environment, cards=200) as running:
        running.answers = []
        yield running
    shutil.rmtree(home)


@pytest.fixture
def ask(server):
    """Asks a purchase and returns its answer; every answer came in time, and is kept for the books."""
    with calling(server.target) as caller:

        def asked(card, amount_minor=100):
            request = purchase(card, amount_minor)
            began_s = time.monotonic()
            answer = caller.authorize(request)
            assert time.monotonic() - began_s < ANSWER_S, answer
            server.answers.append((request, answer))
            return answer

        asked.caller = caller
        yield asked


def approved_again_s(ask, card):
    """Seconds until a purchase is approved."""
    began_s = time.monotonic()
    while ask(card).response_code != "00":
        assert time.monotonic() - began_s < BACK_S, "approvals did not come again"
    return time.monotonic() - began_s


def available_minor(caller, card):
    """What the card has left, once the ledger says it."""
    until_s = time.monotonic() + BACK_S
    while (told := caller.account_status(card)).response_code == "91":
        assert time.monotonic() < until_s, "the ledger did not come back"
    assert told.response_code == "85", told
    return told.available_minor


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "kill"])
def test_answers_come_in_time_while_the_ledger_is_away_and_approvals_come_again_after_it(
    troubled, ask, kind, record_property
):
    """All three replicas stopped, swallowed, refused or slow; repeats get their first answers; nothing is held."""
    card = 10 + KINDS.index(kind) * 10
    approved_again_s(ask, card)
    with troubled.away(kind, range(3)):
        until_s = time.monotonic() + AWAY_S
        codes = [ask(card + 1).response_code]
        while time.monotonic() < until_s:
            codes.append(ask(card + 1).response_code)
    back_s = approved_again_s(ask, card)
    record_property("approved_again_s", back_s)
    print(f"{kind}: {len(codes)} answers meanwhile, approved again after {back_s:.2f} s")
    assert set(codes) == {"91"}
    assert available_minor(ask.caller, card + 1) == funded_minor(card + 1)


def test_approvals_go_on_when_one_replica_of_three_is_lost(troubled, ask):
    """Whichever was the primary: the others elect one, and approvals come again without the lost one."""
    for replica in range(3):
        with troubled.away("stop", range(replica, replica + 1)):
            back_s = approved_again_s(ask, 100 + replica)
        print(f"without replica {replica}: approved again after {back_s:.2f} s")
    with troubled.away("kill", range(1)):
        approved_again_s(ask, 110)
    approved_again_s(ask, 111)


def test_repeats_get_their_first_answers_after_all_of_it(server, ask):
    """Approvals and 91 alike."""
    assert_repeated(ask.caller, server.answers[:: max(1, len(server.answers) // 100)])


def test_session_that_the_cluster_has_ended_is_made_anew(troubled, ask):
    """As many others have come after ours as the cluster keeps."""
    asyncio.run(crowd(troubled.cluster))
    back_s = approved_again_s(ask, 190)
    print(f"evicted: approved again after {back_s:.2f} s")


class Visitor(TigerBeetleLedger):
    """A session that moves nothing, and needn't know how much a message holds."""

    async def _measure(self):
        """Nothing."""


async def crowd(cluster):
    """As many sessions as the cluster keeps, a few at once: each is kept when its client has gone."""

    async def visit():
        other = await Visitor.open(cluster.addresses, cluster.cluster_id, deadline_s=BACK_S)
        await other.close()

    for _ in range(SESSIONS_MAX // AT_ONCE):
        await asyncio.gather(*(visit() for _ in range(AT_ONCE)))


def test_books_balance_after_all_of_it(server, troubled):
    """Ledger and journal say the same of every authorization, and no answer is missing."""
    assert server.stop() == 0, server.output
    assert "Traceback" not in server.output
    answers = [answer for _, answer in server.answers]
    read = asyncio.run(read_cluster(troubled.cluster.cluster_id, troubled.cluster.addresses))
    books = judge(server.home, *read, *told(answers))
    assert books["sound"], books


def told(answers):
    """Ids, codes and amounts of AuthorizeResponses, as the books are asked for them."""
    ids = np.array([id_pair(answer.authorization_id) for answer in answers], np.uint64)
    codes = np.array([answer.response_code.encode() for answer in answers], "S2")
    return ids, codes, np.array([answer.approved_amount_minor for answer in answers], np.int64)
