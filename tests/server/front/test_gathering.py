"""Unary authorizations taken together: to each caller its own answer, or what is wrong with its own message."""

import asyncio

import numpy as np
import pytest

from holdfast.v1 import authorization_pb2 as pb
from loadtest.traffic import Traffic
from server.core.names import Names
from server.core.parcel import Overloaded
from server.core.record import DECISION, REQUEST, Operation
from server.front.clients import check_message
from server.front.fields import BadRequest, parse
from server.front.frames import FrameDecoder
from server.front.gathering import Gathering
from server.front.permits import (
    AUTHORIZE,
    EVERYTHING,
    Caller,
    NotPermitted,
    Permits,
    acquirer_number,
    bin_range,
)
from server.front.reading import Reader
from server.front.writing import AnswerWriter
from server.keys import Keys

NOW_S = 1_790_000_000
CALLER = Caller(7, "seven", EVERYTHING)
OTHER = Caller(8, "eight", EVERYTHING)


class Approving:
    """A core that approves whatever comes for what it asks, or refuses it."""

    def __init__(self, refusing=False):
        self.refusing = refusing
        self.parcels = []

    next_turn_s = 0.0

    def is_full(self):
        return self.refusing

    def note_refused(self, count):
        self.refused = count

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

    def read(raw, caller):
        message = parse(pb.AuthorizeRequest, raw)
        check_message(caller, AUTHORIZE, message)
        return reader.authorize(message, caller.sender)

    return Gathering(
        core,
        FrameDecoder(keys.pan_key_bytes, keys.identifier_key, clock, message_time=False),
        read,
        AnswerWriter(Names()),
    )


def asked(core, keys, calls):
    """What became of (raw, caller) calls that came together: answers' amounts, or the errors."""

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
    answers = asked(
        core, keys, [(raw, OTHER if number % 10 == 0 else CALLER) for number, raw in enumerate(raws)]
    )
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
        (good[0], CALLER),
        (b"\xff\xff", CALLER),
        (good[1], CALLER),
        (wrong.SerializeToString(), CALLER),
        (b"", CALLER),
        (good[2], CALLER),
    ]
    answers = asked(Approving(), keys, calls)
    assert [type(answer) for answer in answers[1::2]] == [BadRequest, BadRequest, pb.AuthorizeResponse]
    assert isinstance(answers[4], BadRequest)
    assert [violation.field for violation in answers[3].violations] == ["currency"]
    assert [answers[at].response_code for at in (0, 2, 5)] == ["00", "00", "00"]


def test_every_caller_hears_of_it_when_the_core_takes_nothing(keys):
    """A full queue is each caller's RESOURCE_EXHAUSTED."""
    raws = Traffic(3, 500, run=3).serialized(4, NOW_S)
    answers = asked(Approving(refusing=True), keys, [(raw, CALLER) for raw in raws])
    assert [type(answer) for answer in answers] == [Overloaded] * 4


def test_what_comes_before_the_core_takes_anything_goes_together(keys):
    """Until the core's next turn nothing goes to it; then all of it as one parcel, and what comes later by itself."""

    async def ask():
        core = Approving()
        loop = asyncio.get_running_loop()
        core.next_turn_s = loop.time() + 60
        gathering = gathering_before(core, keys)
        timers = []
        loop.call_at = lambda when_s, callback: (
            timers.append((when_s, callback)) or asyncio.Handle(callback, (), loop)
        )
        calls = [asyncio.ensure_future(gathering.ask(raw, CALLER)) for raw in raws[:3]]
        await asyncio.sleep(0)
        waited = len(core.parcels)
        [(when_s, callback)] = timers
        callback()
        await asyncio.gather(*calls)
        return waited, core.next_turn_s - when_s < 0.01, [len(parcel.places) for parcel in core.parcels]

    raws = Traffic(3, 500, run=9).serialized(3, NOW_S)
    assert asyncio.run(ask()) == (0, True, [3])


def test_the_others_are_answered_when_a_caller_gives_up(keys):
    """A cancelled call leaves its place; nobody else's answer moves."""
    raws = Traffic(3, 500, run=4).serialized(3, NOW_S)

    async def ask():
        gathering = gathering_before(Approving(), keys)
        calls = [asyncio.ensure_future(gathering.ask(raw, CALLER)) for raw in raws]
        await asyncio.sleep(0)  # they are waiting now, and the gathering has not been sent
        calls[1].cancel()
        return await asyncio.gather(*calls, return_exceptions=True)

    found = asyncio.run(ask())
    assert isinstance(found[1], asyncio.CancelledError)
    amounts = [pb.AuthorizeResponse.FromString(found[at]).approved_amount_minor for at in (0, 2)]
    assert amounts == [pb.AuthorizeRequest.FromString(raws[at]).amount_minor for at in (0, 2)]


def test_what_a_caller_may_not_send_is_refused_to_him_alone(keys):
    """Another acquirer's message and a card of another range fall out of the group, unhashed; one who went away stays away."""
    raws = Traffic(3, 500, run=5).serialized(4, NOW_S)
    messages = [pb.AuthorizeRequest.FromString(raw) for raw in raws]
    number = acquirer_number(messages[0].key.acquirer_id)
    permits = Permits(frozenset([AUTHORIZE]), ((number, number),), (bin_range("999999"),))
    narrow = Caller(9, "nine", permits)
    messages[3].key.acquirer_id = messages[0].key.acquirer_id
    messages[1].key.acquirer_id = "7"
    messages[2].pan = "4111111111111111"

    async def ask():
        core = Approving()
        gathering = gathering_before(core, keys)
        raws = [message.SerializeToString() for message in (*messages, messages[1])]
        calls = [asyncio.ensure_future(gathering.ask(raw, narrow)) for raw in raws]
        await asyncio.sleep(0)  # they are waiting now, and the gathering has not been sent
        calls[4].cancel()
        return await asyncio.gather(*calls, return_exceptions=True)

    found = asyncio.run(ask())
    assert [type(each) for each in found] == [
        bytes,
        NotPermitted,
        NotPermitted,
        bytes,
        asyncio.CancelledError,
    ]
