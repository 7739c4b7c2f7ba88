"""Frames of one message, of many links, taken together: each link gets its own answers, in its own order."""

import asyncio

import numpy as np
import pytest

from holdfast.v1 import authorization_pb2 as pb
from loadtest.traffic import Traffic
from server.core.names import Names
from server.core.parcel import Overloaded
from server.core.record import DECISION, REQUEST, Operation
from server.front.frames import FrameDecoder
from server.front.gathering import Singles, is_single
from server.front.link import FAULTS_MAX, Link
from server.front.permits import EVERYTHING, Caller, Meter
from server.front.reading import Reader
from server.front.writing import AnswerWriter
from server.keys import Keys

NOW_S = 1_790_000_000
RESOURCE_EXHAUSTED, INVALID_ARGUMENT = 8, 3


class Approving:
    """A core that approves whatever comes for what it asks; refuses where it is told to."""

    next_turn_s = 0.0

    def __init__(self):
        self.parcels = []
        self.is_refusing = False

    def is_full(self, _source=0):
        return False

    def submit(self, parcel):
        if self.is_refusing:
            raise Overloaded("too many wait")
        self.parcels.append(parcel)
        requests = np.frombuffer(parcel.records, REQUEST)
        decisions = np.zeros(len(requests), DECISION)
        decisions["operation"], decisions["response_code"] = Operation.AUTHORIZE, b"00"
        decisions["approved_minor"] = requests["amount_minor"]
        parcel.deliver(parcel.places, decisions)


class Context:
    """What a link writes to."""

    def __init__(self):
        self.answers = []

    async def write(self, frame):
        self.answers += pb.LinkResponse.FromString(frame).answers


@pytest.fixture(scope="module")
def keys(tmp_path_factory):
    return Keys.open(tmp_path_factory.mktemp("home"))


def heard(keys, core, frames_of, callers=None):
    """The answers that links get, each of which sends its frames at once, one link after the other."""

    async def act():
        clock = lambda: NOW_S * 1_000_000_000  # noqa: E731 - a fake of one line
        decoder = FrameDecoder(keys.pan_key_bytes, keys.identifier_key, clock, message_time=False)
        writer = AnswerWriter(Names())
        singles = Singles(core, decoder, writer)
        contexts = [Context() for _ in frames_of]
        everyone = Caller(7, "seven", EVERYTHING)

        async def sent(frames):
            for frame in frames:
                yield frame

        runs = []
        for number, (frames, context) in enumerate(zip(frames_of, contexts, strict=True)):
            caller = callers[number] if callers else everyone
            reader = Reader(keys, clock, message_time=False)
            link = Link(
                core, decoder, reader, writer, singles, caller, source=number + 1, in_flight_max=4_096
            )
            runs.append(link.run(sent(frames), context))
        await asyncio.wait_for(asyncio.gather(*runs), 30)
        return [context.answers for context in contexts]

    return asyncio.run(act())


def frames(raws, first=0):
    """A frame for each AuthorizeRequest, numbered from `first`."""
    made = []
    for sequence, raw in enumerate(raws, first):
        frame = pb.LinkRequest()
        frame.messages.add(sequence=sequence, authorize=pb.AuthorizeRequest.FromString(raw))
        made.append(frame.SerializeToString())
    return made


def amounts(raws):
    return [pb.AuthorizeRequest.FromString(raw).amount_minor for raw in raws]


def test_links_that_send_one_by_one_share_parcels_and_get_their_own_answers(keys):
    """Three links of a hundred messages, with the same sequence numbers: few parcels, and every amount comes home."""
    core = Approving()
    parts = [Traffic(seed, 500, run=seed).serialized(100, NOW_S) for seed in (1, 2, 3)]
    found = heard(keys, core, [frames(part) for part in parts])
    for part, answers in zip(parts, found, strict=True):
        assert [answer.sequence for answer in answers] == list(range(100))
        assert [answer.authorize.approved_amount_minor for answer in answers] == amounts(part)
    assert sum(len(parcel.places) for parcel in core.parcels) == 300
    assert len(core.parcels) <= 6


def test_what_a_link_sends_after_a_single_message_does_not_overtake_it(keys):
    """Singles, a frame of two, a message that the decoder leaves, a single: in the order of sending."""
    core = Approving()
    raws = Traffic(4, 500, run=4).serialized(5, NOW_S)
    pair = b"".join(frames(raws[1:3], first=1))
    echo = pb.LinkRequest()
    echo.messages.add(sequence=3, echo=pb.Echo(text="here"))
    ((*answers,),) = heard(
        keys,
        core,
        [
            [
                *frames(raws[:1]),
                pair,
                *frames(raws[3:4], first=9),
                echo.SerializeToString(),
                *frames(raws[4:], first=4),
            ]
        ],
    )
    assert [answer.sequence for answer in answers] == [0, 1, 2, 9, 3, 4]
    assert answers[4].echo.text == "here"


def test_a_bad_single_is_told_to_its_link_alone(keys):
    """A bad field, and bytes that are no message; the others' answers come."""
    good = Traffic(5, 500, run=5).serialized(2, NOW_S)
    wrong = pb.AuthorizeRequest.FromString(good[0])
    wrong.currency = "usd"
    garbage = b"\x0a\x03\x12\x05\xff"
    assert is_single(garbage)
    mine, others = heard(
        keys,
        Approving(),
        [[*frames([wrong.SerializeToString()], 3), garbage, *frames(good[:1])], frames(good)],
    )
    assert [(a.sequence, a.WhichOneof("body")) for a in mine] == [
        (3, "fault"),
        (0, "fault"),
        (0, "authorize"),
    ]
    assert list(mine[0].fault.fields) == ["currency"]
    assert mine[1].fault.status_code == INVALID_ARGUMENT
    assert [answer.authorize.response_code for answer in others] == ["00", "00"]


def test_singles_that_the_core_refuses_are_faults_of_their_own_links(keys):
    """Each by its sequence."""
    core = Approving()
    core.is_refusing = True
    raws = Traffic(6, 500, run=6).serialized(3, NOW_S)
    found = heard(keys, core, [frames(raws, first=10), frames(raws, first=20)])
    for first, answers in zip((10, 20), found, strict=True):
        assert sorted(answer.sequence for answer in answers) == [first, first + 1, first + 2]
        assert {answer.fault.status_code for answer in answers} == {RESOURCE_EXHAUSTED}


def test_a_sender_of_singles_over_its_rate_is_refused_and_owes_nothing_after(keys):
    """Two a second are permitted; what is answered is under way no more."""
    meter = Meter(2.0, 100, 0.0)
    caller = Caller(7, "seven", EVERYTHING, meter)
    raws = Traffic(8, 500, run=8).serialized(3, NOW_S)
    ((*answers,),) = heard(keys, Approving(), [frames(raws)], [caller])
    kinds = {answer.sequence: answer.WhichOneof("body") for answer in answers}
    assert kinds == {0: "authorize", 1: "authorize", 2: "fault"}
    assert meter.under_way == 0


class Failing(Approving):
    """A core that goes away with the second half of whatever it takes."""

    def submit(self, parcel):
        half = len(parcel.places) // 2
        decisions = np.zeros(half, DECISION)
        decisions["operation"], decisions["response_code"] = Operation.AUTHORIZE, b"00"
        parcel.deliver(parcel.places[:half], decisions)
        parcel.fail(Overloaded("too many wait"))


@pytest.mark.parametrize(("core", "approved"), [(Approving, 4), (Failing, 2)])
def test_each_message_of_a_frame_is_answered_once_when_all_have_one_number(keys, core, approved):
    """A sender's mistake: he is told, and owes nothing after."""
    meter = Meter(100.0, 100, 0.0)
    caller = Caller(7, "seven", EVERYTHING, meter)
    raws = Traffic(8, 500, run=8).serialized(4, NOW_S)
    alike = b"".join(frame for raw in raws for frame in frames([raw]))
    ((*answers,),) = heard(keys, core(), [[alike]], [caller])
    assert [answer.sequence for answer in answers] == [0] * 4
    assert [answer.WhichOneof("body") for answer in answers].count("authorize") == approved
    assert meter.under_way == 0


def test_a_frame_of_far_too_many_messages_is_told_so_and_is_cheap(keys):
    """Each of some thousands hears it; of half a million no more than those."""
    few, many = (heard(keys, Approving(), [[b"\x0a\x00" * count]])[0] for count in (300, 500_000))
    assert [answer.fault.status_code for answer in few] == [INVALID_ARGUMENT] * 300
    assert len(many) == FAULTS_MAX
    assert "500000" in many[0].fault.message


def test_links_end_where_a_bug_of_ours_meets_their_messages(keys, monkeypatch):
    """None is left waiting for an answer that never comes."""
    monkeypatch.setattr(FrameDecoder, "decode", lambda *_: 1 / 0)
    raws = Traffic(9, 500, run=9).serialized(2, NOW_S)
    with pytest.raises(ZeroDivisionError):
        heard(keys, Approving(), [frames(raws)])


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        (b"", False),
        (b"\x0a", False),
        (b"\x0a\x01\x08", True),
        (b"\x0a\x01\x08\x0a", False),
        (b"\x12\x01\x08", False),
        (b"\x0a\x80\x80\x01" + bytes(16_384), False),
        (b"\x0a\x80\x01" + bytes(128), True),
        (b"\x0a\x80\x01" + bytes(127), False),
        (b"\x0a\x01\x08" * 2, False),
    ],
    ids=range(9),
)
def test_a_single_is_one_message_and_nothing_else(raw, expected):
    """By its tag and length alone."""
    assert is_single(raw) is expected
