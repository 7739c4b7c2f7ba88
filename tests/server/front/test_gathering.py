"""Unary authorizations taken together: to each caller its own answer, or what is wrong with its own message."""

import asyncio

import numpy as np
import pytest

from holdfast.v1 import authorization_pb2 as pb
from loadtest.traffic import Traffic
from server.core.names import Names
from server.core.parcel import Overloaded
from server.core.record import DECISION, REQUEST, Operation
from server.front.fields import BadRequest, parse
from server.front.frames import FrameDecoder
from server.front.gathering import Gathering
from server.front.reading import Reader
from server.front.writing import AnswerWriter
from server.keys import Keys

NOW_S = 1_790_000_000


class Approving:
    """A core that approves whatever comes for what it asks, or refuses it."""

    def __init__(self, refusing=False):
        self.refusing = refusing
        self.parcels = []

    def submit(self, parcel):
        if self.refusing:
            raise Overloaded("too many wait")
        self.parcels.append(parcel)
        requests = np.frombuffer(parcel.records, REQUEST)
        decisions = np.zeros(len(requests), DECISION)
        decisions["operation"], decisions["response_code"] = Operation.AUTHORIZE, b"00"
        decisions["approved_minor"] = requests["amount_minor"]
        for place in reversed(range(len(requests))):
            parcel.deliver([parcel.places[place]], decisions[place : place + 1])


@pytest.fixture(scope="module")
def keys(tmp_path_factory):
    return Keys.open(tmp_path_factory.mktemp("home"))


def gathering_before(core, keys):
    clock = lambda: NOW_S * 1_000_000_000  # noqa: E731 - a fake of one line
    reader = Reader(keys, clock, message_time=False)
    return Gathering(
        core,
        FrameDecoder(keys.pan_key_bytes, keys.identifier_key, clock, message_time=False),
        lambda raw, sender: reader.authorize(parse(pb.AuthorizeRequest, raw), sender),
        AnswerWriter(Names()),
    )


def asked(core, keys, calls):
    """What became of (raw, sender) calls that came together: answers' amounts, or the errors."""

    async def ask():
        gathering = gathering_before(core, keys)
        return await asyncio.gather(*(gathering.ask(*call) for call in calls), return_exceptions=True)

    return [
        found if isinstance(found, Exception) else pb.AuthorizeResponse.FromString(found)
        for found in asyncio.run(ask())
    ]


def test_each_caller_gets_its_own_answer_when_many_call_at_once(keys):
    """Six hundred calls of two senders: three frames of one, one of the other, and every amount comes back."""
    raws = Traffic(3, 500, run=1).serialized(600, NOW_S)
    core = Approving()
    answers = asked(core, keys, [(raw, 8 if number % 10 == 0 else 7) for number, raw in enumerate(raws)])
    assert [answer.approved_amount_minor for answer in answers] == [
        pb.AuthorizeRequest.FromString(raw).amount_minor for raw in raws
    ]
    assert sorted(len(parcel.places) for parcel in core.parcels) == [28, 60, 256, 256]
    senders = [set(np.frombuffer(parcel.records, REQUEST)["sender"].tolist()) for parcel in core.parcels]
    assert sorted(map(tuple, senders)) == [(7,), (7,), (7,), (8,)]


def test_a_bad_message_is_told_to_its_caller_alone_when_others_come_with_it(keys):
    """Garbage, and a message with a bad field, fall out; those beside them are answered."""
    good = Traffic(3, 500, run=2).serialized(3, NOW_S)
    wrong = pb.AuthorizeRequest.FromString(good[0])
    wrong.currency = "usd"
    calls = [
        (good[0], 7),
        (b"\xff\xff", 7),
        (good[1], 7),
        (wrong.SerializeToString(), 7),
        (b"", 7),
        (good[2], 7),
    ]
    answers = asked(Approving(), keys, calls)
    assert [type(answer) for answer in answers[1::2]] == [BadRequest, BadRequest, pb.AuthorizeResponse]
    assert isinstance(answers[4], BadRequest)
    assert [violation.field for violation in answers[3].violations] == ["currency"]
    assert [answers[at].response_code for at in (0, 2, 5)] == ["00", "00", "00"]


def test_every_caller_hears_of_it_when_the_core_takes_nothing(keys):
    """A full queue is each caller's RESOURCE_EXHAUSTED."""
    raws = Traffic(3, 500, run=3).serialized(4, NOW_S)
    answers = asked(Approving(refusing=True), keys, [(raw, 7) for raw in raws])
    assert [type(answer) for answer in answers] == [Overloaded] * 4


def test_the_others_are_answered_when_a_caller_gives_up(keys):
    """A cancelled call leaves its place; nobody else's answer moves."""
    raws = Traffic(3, 500, run=4).serialized(3, NOW_S)

    async def ask():
        gathering = gathering_before(Approving(), keys)
        calls = [asyncio.ensure_future(gathering.ask(raw, 7)) for raw in raws]
        await asyncio.sleep(0)  # they are waiting now, and the gathering has not been sent
        calls[1].cancel()
        return await asyncio.gather(*calls, return_exceptions=True)

    found = asyncio.run(ask())
    assert isinstance(found[1], asyncio.CancelledError)
    amounts = [pb.AuthorizeResponse.FromString(found[at]).approved_amount_minor for at in (0, 2)]
    assert amounts == [pb.AuthorizeRequest.FromString(raws[at]).amount_minor for at in (0, 2)]
