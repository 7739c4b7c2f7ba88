"""The rival answers the contract: held in PostgreSQL, counted in Redis, the same twice for one key."""

import asyncio
import os
import shutil
import sys
import time
from pathlib import Path

import asyncpg
import grpc
import pytest

from holdfast.v1 import authorization_pb2 as pb
from loadtest.coalescing import CoalescingLink
from loadtest.floors import SERVICE
from loadtest.processes import free_port, running
from loadtest.redis_process import redis_process
from loadtest.traffic import Traffic
from scoring import registry

pytestmark = pytest.mark.skipif(shutil.which("redis-server") is None, reason="no redis-server on the PATH")
CARDS = 20


async def sql(url, *statements):
    connection = await asyncpg.connect(url)
    try:
        return [await connection.fetch(statement) for statement in statements]
    finally:
        await connection.close()


@pytest.fixture(scope="module")
def rival(postgres_url, tmp_path_factory):
    """A running rival: its target, and its database's URL."""
    name = f"rival_{os.getpid()}"
    elsewhere = postgres_url.replace("/holdfast?", "/postgres?")
    asyncio.run(sql(elsewhere, f"CREATE DATABASE {name}"))
    url = postgres_url.replace("/holdfast?", f"/{name}?")
    target = f"127.0.0.1:{free_port()}"
    with redis_process() as served:
        command = [
            *(sys.executable, "-m", "loadtest.rival.server", "--port", target.rpartition(":")[2]),
            *("--database-url", url, "--redis-socket", served.socket),
            *("--model", str(registry.shipped()), "--cards", str(CARDS)),
        ]
        log = Path(tmp_path_factory.mktemp("rival")) / "log"
        with running(command, target, log, ready_timeout_s=60.0):
            yield target, url
    asyncio.run(sql(elsewhere, f"DROP DATABASE {name} WITH (FORCE)"))


def requests(count, seed):
    found = Traffic(seed, CARDS, run=seed, plain_share=1.0).serialized(count, int(time.time()))
    return [pb.AuthorizeRequest.FromString(raw) for raw in found]


def ask(target, request):
    with grpc.insecure_channel(target) as channel:
        call = channel.unary_unary(f"/{SERVICE}/Authorize")
        return pb.AuthorizeResponse.FromString(call(request.SerializeToString(), timeout=30))


def test_an_approval_is_held_once_and_said_again_to_a_repeat(rival):
    """The money is promised in PostgreSQL before the answer; the same key gets the same answer, and holds nothing."""
    target, url = rival
    (request,) = requests(1, 1)
    first, again = ask(target, request), ask(target, request)
    assert first.response_code == "00" and first.approved_amount_minor == request.amount_minor
    assert again.replayed and again.authorization_id == first.authorization_id
    held, kept = asyncio.run(
        sql(url, "SELECT sum(held_minor) FROM accounts", "SELECT answer FROM authorizations")
    )
    assert held[0][0] == request.amount_minor
    assert pb.AuthorizeResponse.FromString(kept[0][0]) == first


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"amount_minor": 50_000_000}, "51"),
        ({"pan": "4015928497650512"}, "14"),
        ({"expiry_yymm": 2501}, "54"),
        ({"transaction_type": pb.TRANSACTION_TYPE_ACCOUNT_STATUS}, "85"),
    ],
)
def test_what_is_wrong_with_a_payment_is_its_code(changes, code, rival):
    """No money, no such card, another expiry, nothing to pay."""
    (request,) = requests(1, int(code))
    for name, value in changes.items():
        setattr(request, name, value)
    assert ask(rival[0], request).response_code == code


def test_a_link_is_answered_frame_by_frame(rival):
    """Sixty at once through the coalescing client: each has its own answer, none is lost, all are held."""
    target, url = rival

    async def run():
        before = (await sql(url, "SELECT count(*) FROM authorizations"))[0][0][0]
        async with grpc.aio.insecure_channel(target) as channel, CoalescingLink.over(channel) as link:
            async with asyncio.timeout(60):
                answers = await asyncio.gather(*(link.ask(authorize=each) for each in requests(60, 2)))
        return before, answers, (await sql(url, "SELECT count(*) FROM authorizations"))[0][0][0]

    before, answers, after = asyncio.run(run())
    assert len({answer.authorization_id for answer in answers}) == 60 == after - before
    assert {answer.response_code for answer in answers} <= {"00", "51"}
