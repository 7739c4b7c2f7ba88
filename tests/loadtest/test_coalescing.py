"""The client to copy: what waits goes out in one frame, answers find their askers, and an end is told."""

import asyncio

import grpc
import pytest

from holdfast.v1 import authorization_pb2 as pb
from loadtest.coalescing import METHOD, CoalescingLink, LinkEnded, LinkFault
from loadtest.floors import ANSWER, FRAME_MESSAGES_MAX
from loadtest.traffic import Traffic

REQUESTS = [pb.AuthorizeRequest.FromString(raw) for raw in Traffic(1, 50).serialized(600, 1_790_000_000)]


class LinkInHand:
    """A call whose far end is the test: writes wait until they are let through."""

    def __init__(self):
        self.frames = []
        self.let_through = asyncio.Event()
        self.answers = asyncio.Queue()

    async def write(self, frame):
        self.frames.append([message.sequence for message in pb.LinkRequest.FromString(frame).messages])
        await self.let_through.wait()

    async def read(self):
        return await self.answers.get()

    async def details(self):
        return "enough for today"

    def cancel(self):
        self.let_through.set()


class ChannelInHand:
    """A channel that knows one call."""

    def __init__(self):
        self.call = LinkInHand()

    def stream_stream(self, method):
        assert method == METHOD
        return lambda: self.call


async def until(said):
    async with asyncio.timeout(10):
        while not said():  # noqa: ASYNC110 - it lets the others run, and looks again
            await asyncio.sleep(0)


def test_what_waits_while_a_frame_is_written_goes_out_in_the_next():
    """The first leaves alone and at once; the rest in frames as full as the contract allows."""

    async def run():
        channel = ChannelInHand()
        async with CoalescingLink.over(channel) as link:
            first = asyncio.create_task(link.ask(authorize=REQUESTS[0]))
            await until(lambda: channel.call.frames)
            rest = [asyncio.create_task(link.ask(authorize=request)) for request in REQUESTS[1:]]
            await until(lambda: link._sequence == len(REQUESTS))
            channel.call.let_through.set()
            await until(lambda: sum(map(len, channel.call.frames)) == len(REQUESTS))
            for task in (first, *rest):
                task.cancel()
            await asyncio.gather(first, *rest, return_exceptions=True)
        return channel.call.frames

    frames = asyncio.run(run())
    assert [len(frame) for frame in frames] == [1, FRAME_MESSAGES_MAX, FRAME_MESSAGES_MAX, 87]
    assert [sequence for frame in frames for sequence in frame] == list(range(1, len(REQUESTS) + 1))


def test_answers_find_their_askers_over_a_real_link(empty_server):
    """Six hundred at once, each with an answer of its own; a second link at the same time has its own sequences."""

    async def run():
        async with (
            grpc.aio.insecure_channel(empty_server.target) as channel,
            CoalescingLink.over(channel) as one,
            CoalescingLink.over(channel) as other,
        ):
            asked = [link.ask(authorize=request) for request in REQUESTS for link in (one, other)]
            async with asyncio.timeout(30):
                return await asyncio.gather(*asked)

    answers = asyncio.run(run())
    assert len(answers) == 2 * len(REQUESTS)
    assert all(answer == ANSWER for answer in answers)


def test_a_bad_message_raises_its_fault_and_the_link_lives_on():
    """The fault names status and fields; the next message on the link is answered."""

    async def run():
        channel = ChannelInHand()
        channel.call.let_through.set()
        fault = pb.Fault(status_code=3, message="key: must be given", fields=["key"])
        async with CoalescingLink.over(channel) as link:
            answers = [pb.LinkAnswer(sequence=1, fault=fault), pb.LinkAnswer(sequence=2, authorize=ANSWER)]
            bad = asyncio.create_task(link.ask(authorize=pb.AuthorizeRequest()))
            good = asyncio.create_task(link.ask(authorize=REQUESTS[0]))
            await until(lambda: link._sequence == 2)
            channel.call.answers.put_nowait(pb.LinkResponse(answers=answers).SerializeToString())
            with pytest.raises(LinkFault, match="must be given") as raised:
                await bad
            return raised.value, await good

    fault, answer = asyncio.run(run())
    assert (fault.status_code, fault.fields, answer) == (3, ("key",), ANSWER)


def test_a_link_that_ends_fails_what_waits_and_what_comes_later():
    """With the server's own reason: the sender opens another and repeats."""

    async def run():
        channel = ChannelInHand()
        async with CoalescingLink.over(channel) as link:
            waiting = asyncio.create_task(link.ask(authorize=REQUESTS[0]))
            await until(lambda: link._sequence == 1)
            channel.call.answers.put_nowait(grpc.aio.EOF)
            with pytest.raises(LinkEnded, match="enough for today"):
                await waiting
            with pytest.raises(LinkEnded, match="enough for today"):
                await link.ask(authorize=REQUESTS[1])

    asyncio.run(run())
