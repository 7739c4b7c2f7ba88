"""A sender of a link who does not read is not read from."""

import asyncio

from holdfast.v1 import authorization_pb2 as pb
from server.front.clients import Everyone
from server.front.frames import FrameDecoder
from server.front.gathering import Singles
from server.front.link import READY_BYTES_MAX, Link

ECHO = "x" * 1_000
FRAMES = 40
MESSAGES = 100


class UnreadContext:
    """A call whose sender reads nothing until he is told to."""

    def __init__(self):
        self.reads = asyncio.Event()
        self.sequences = []

    async def write(self, frame):
        await self.reads.wait()
        self.sequences += [answer.sequence for answer in pb.LinkResponse.FromString(frame).answers]


class Reading:
    """Readers that nobody asks: every message is an echo."""

    authorize = increment = reverse = advise = clear = None


class Idle:
    """A core that nobody asks."""

    def is_full(self, _source=0):
        return False


def test_nothing_more_is_read_of_a_sender_who_does_not_read_and_all_is_answered_once_he_does():
    """What waits for him is bounded; no answer is lost."""
    read = 0

    async def frames():
        nonlocal read
        for number in range(FRAMES):
            frame = pb.LinkRequest()
            for at in range(MESSAGES):
                frame.messages.add(sequence=number * MESSAGES + at, echo=pb.Echo(text=ECHO))
            read += 1
            yield frame.SerializeToString()

    async def act():
        context = UnreadContext()
        decoder = FrameDecoder(bytes, b"", lambda: 0, message_time=False)
        caller = Everyone().of(None)
        singles = Singles(Idle(), decoder, None)
        link = Link(Idle(), decoder, Reading(), None, singles, caller, source=1, in_flight_max=4_096)
        task = asyncio.ensure_future(link.run(frames(), context))
        before = -1
        while before != read:
            before = read
            for _ in range(100):
                await asyncio.sleep(0)
        stopped_at = read
        context.reads.set()
        await asyncio.wait_for(task, 30)
        return stopped_at, context.sequences

    stopped_at, sequences = asyncio.run(act())
    size = MESSAGES * len(ECHO)
    assert READY_BYTES_MAX // size - 1 <= stopped_at <= READY_BYTES_MAX // size + 4
    assert sequences == list(range(FRAMES * MESSAGES))
