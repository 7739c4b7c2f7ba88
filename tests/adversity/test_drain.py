"""How a server ends when it is asked to, and how it begins again; what a start refuses, and in which words."""

import contextlib
import signal
import threading
from types import SimpleNamespace

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from holdfast.v1 import authorization_pb2 as pb
from loadtest.processes import free_port
from tests.adversity.aftermath import assert_repeated
from tests.end_to_end.audit import Books
from tests.end_to_end.callers import Refused, calling, connected, linked, purchase
from tests.end_to_end.serving import NOWHERE, TRUSTED_FROM, Holdfast, fresh_home, serving

LINKS = 3
FRAMES = 60
FRAME_MESSAGES = 50
UNARY = 60


def send_until_the_end(server, number):
    """
    Links and unary calls busy, then the signal; everything that was answered, by authorization id.

    Which messages the server still takes is its own matter; what it took is in its journal.
    """
    heard = SimpleNamespace(requests={}, answers={}, health=[], refusals=[])
    with contextlib.ExitStack() as stack:
        watch = health_pb2_grpc.HealthStub(stack.enter_context(connected(server.target))).Watch(
            health_pb2.HealthCheckRequest(), timeout=60
        )
        heard.health.append(next(watch).status)
        caller = stack.enter_context(calling(server.target))
        links = [stack.enter_context(linked(server.target)) for _ in range(LINKS)]
        for number_of_link, link in enumerate(links):
            for frame in range(FRAMES):
                messages = {}
                for k in range(FRAME_MESSAGES):
                    sequence = (number_of_link * FRAMES + frame) * FRAME_MESSAGES + k
                    messages[sequence] = purchase(TRUSTED_FROM + sequence % 400, 1)
                heard.requests.update(messages)
                link.send_all(messages)
        first = [link.answers(1) for link in links]
        calls = {10**6 + k: purchase(TRUSTED_FROM + k, 2) for k in range(UNARY)}
        futures = {sequence: caller.later(request) for sequence, request in calls.items()}
        heard.requests.update(calls)
        next(iter(futures.values())).result(30)
        server.send(number)
        heard.health.append(next(watch).status)
        found = dict(kv for answers in first for kv in answers.items())
        threads = [threading.Thread(target=_collect, args=(link, found, heard.refusals)) for link in links]
        for thread in threads:
            thread.start()
        for sequence, future in futures.items():
            if future.exception(60) is None:
                found[sequence] = pb.LinkAnswer(authorize=pb.AuthorizeResponse.FromString(future.result()))
            else:
                heard.refusals.append(("unary", future.code(), future.details()))
        for thread in threads:
            thread.join(60)
        heard.answers = {
            sequence: answer.authorize
            for sequence, answer in found.items()
            if answer.WhichOneof("body") == "authorize"
        }
    return heard


def _collect(link, found, refusals):
    try:
        while True:
            found.update({answer.sequence: answer for answer in link.next_answers()})
    except StopIteration:
        pass
    except Refused as refused:
        refusals.append(("link", refused.code, refused.details))


@pytest.fixture(scope="module", params=[signal.SIGTERM, signal.SIGINT], ids=lambda number: number.name)
def drained(request):
    """A server that was signalled in the middle of traffic, what it said, and its books."""
    home = fresh_home()
    with serving(home, environment={"HOLDFAST_DRAIN_S": "60"}) as server:
        heard = send_until_the_end(server, request.param)
        heard.status = server.ended(120)
        heard.output = server.output
        heard.home = home
        heard.books = Books(home)
        yield heard


def test_signal_turns_health_to_not_serving(drained):
    """Load balancers hear of the drain by the health service."""
    serving_then_not = [
        health_pb2.HealthCheckResponse.SERVING,
        health_pb2.HealthCheckResponse.NOT_SERVING,
    ]
    assert drained.health == serving_then_not


def test_signal_ends_the_server_with_status_0_and_no_traceback(drained):
    """A drain is a clean end."""
    assert drained.status == 0, drained.output
    assert "Traceback" not in drained.output
    assert "stopped" in drained.output


def test_everything_that_was_accepted_is_answered(drained):
    """Whatever the journal has a decision for, its sender heard, and nothing is left undecided."""
    answered = {answer.authorization_id for answer in drained.answers.values()}
    decided = {identifier for identifier, card in drained.books.cards.items() if card != 0}
    assert decided == answered
    assert len(answered) > LINKS
    # CANCELLED is gRPC's own word to a call that came while it closed and that no handler saw.
    codes = {code for _, code, _ in drained.refusals}
    assert codes <= {grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.CANCELLED}


def test_books_balance_after_a_drain(drained):
    """Every answer is in the journal, every approval has one hold of its amount, debits equal credits."""
    drained.books.assert_balanced()
    drained.books.assert_agrees(drained.answers.values())


def test_second_start_continues_where_the_first_stopped(drained):
    """After a new start balances are what the answers left, and repeats are the first answers again."""
    spent = {}
    for sequence, answer in drained.answers.items():
        card = drained.books.cards[answer.authorization_id]
        spent[card] = spent.get(card, 0) + answer.approved_amount_minor
        assert answer.approved_amount_minor == drained.requests[sequence].amount_minor
    with serving(drained.home) as server, calling(server.target) as caller:
        for card in list(spent)[:20]:
            assert caller.available_minor(card) == 100_000 + card * 100 - spent[card]
        sample = list(drained.answers)[::200]
        assert_repeated(
            caller, [(drained.requests[sequence], drained.answers[sequence]) for sequence in sample]
        )
        assert server.stop() == 0


@pytest.fixture(scope="module")
def first_server():
    """A server that others get in the way of."""
    with serving(fresh_home(), metrics_port=free_port()) as server:
        yield server
        assert server.stop() == 0, server.output


def refused_start(home, **options):
    """What a start that is refused writes; it ends with status 1 and without a traceback."""
    other = Holdfast(home, **options)
    try:
        status = other.ended()
    finally:
        if other.process.poll() is None:
            other.kill()
    assert status == 1, other.output
    assert "Traceback" not in other.output
    assert "error:" in other.output
    return other.output


def test_second_server_on_one_home_is_refused(first_server):
    """Two servers can't have the same books; the second says who has them, and the first doesn't notice."""
    said = refused_start(first_server.home)
    assert "open in another process" in said
    assert str(first_server.home) in said
    with calling(first_server.target) as caller:
        assert caller.authorize(purchase(1)).response_code == "00"


def test_taken_port_is_refused_with_what_to_do(first_server):
    """The address is named, and the option that changes it."""
    said = refused_start(fresh_home(), port=first_server.port, environment={"HOLDFAST_DATABASE_URL": NOWHERE})
    assert f":{first_server.port}" in said
    assert "--port" in said


def test_taken_metrics_port_is_refused_with_what_to_do(first_server):
    """The same for the metrics' address."""
    said = refused_start(
        fresh_home(),
        metrics_port=first_server.metrics_port,
        environment={"HOLDFAST_DATABASE_URL": NOWHERE},
    )
    assert f":{first_server.metrics_port}" in said
    assert "--metrics-port" in said


def test_first_start_without_postgresql_is_refused_with_what_is_missing(tmp_path):
    """Without a directory's file there is nobody to authorize; the address of PostgreSQL is named."""
    said = refused_start(tmp_path / "home", environment={"HOLDFAST_DATABASE_URL": NOWHERE})
    assert "PostgreSQL" in said
    assert "127.0.0.1:1" in said
