"""
A small client for `Link` to copy: how a busy sender coalesces, so that many messages share the price of one gRPC message.

While one frame is being written, whatever comes waits; when the write returns, all that waits goes out as the next frame. A
lone message so leaves at once in a frame of its own, and under load frames grow by themselves: no timer, no batch size to
tune. gRPC's flow control holds the write back where the server can't follow, so nothing but frames grows.

    async with grpc.aio.insecure_channel("127.0.0.1:50051") as channel, CoalescingLink.over(channel) as link:
        answer = await link.ask(authorize=request)

Rules for whoever copies it. A link that ends fails what waits with `LinkEnded`: open another, and send the same again *under
the same keys*; what had been decided gets its first answer, marked as replayed. A message that is too late for you (wrap `ask`
in `asyncio.timeout`) may have been approved: send its reversal, or the same again. A `LinkFault` is a bad message, not a
decline; RESOURCE_EXHAUSTED among them means to slow down. Some four links over as many connections use a server best.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final

import grpc

from holdfast.v1 import authorization_pb2 as pb
from loadtest.floors import FRAME_MESSAGES_MAX, SERVICE

METHOD: Final = f"/{SERVICE}/Link"
IN_FLIGHT_MAX: Final = 4_096
"""As many messages of a link wait for answers before the server reads no more (its setting `link_in_flight_max`)."""


class LinkEnded(ConnectionError):  # noqa: N818 - named for what happened
    """The link is over; what waited was answered or not. The text says why."""


class LinkFault(ValueError):  # noqa: N818 - the contract's word
    """The server could not take this message; the link lives on."""

    def __init__(self, fault: Any) -> None:
        super().__init__(fault.message)
        self.status_code: int = fault.status_code
        self.fields: tuple[str, ...] = tuple(fault.fields)


class CoalescingLink:
    """One link. Made by `over`; used on its loop's thread alone."""

    def __init__(self, call: Any) -> None:
        self._call = call
        self._sequence = 0
        self._waiting: list[Any] = []
        self._something = asyncio.Event()
        self._asked: dict[int, asyncio.Future[Any]] = {}
        self._room = asyncio.Semaphore(IN_FLIGHT_MAX)
        self._ended: LinkEnded | None = None

    @classmethod
    @asynccontextmanager
    async def over(cls, channel: Any) -> AsyncIterator["CoalescingLink"]:
        """A link over this channel, which ends with the block; what waits then fails."""
        link = cls(channel.stream_stream(METHOD)())
        tasks = [asyncio.create_task(link._write()), asyncio.create_task(link._read())]
        try:
            yield link
        finally:
            link._end("the sender has closed it")
            link._call.cancel()
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def ask(self, **body: Any) -> Any:
        """
        The answer to one message, given as the contract's LinkMessage names it: `authorize=`, `reverse=`, `clear=` …

        Raises `LinkFault` where the message is bad, `LinkEnded` where no answer can come any more.
        """
        async with self._room:
            if self._ended is not None:
                raise self._ended
            self._sequence += 1
            sequence = self._sequence
            future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
            self._asked[sequence] = future
            self._waiting.append(pb.LinkMessage(sequence=sequence, **body))
            self._something.set()
            try:
                answer = await future
            finally:
                self._asked.pop(sequence, None)
        kind = answer.WhichOneof("body")
        if kind == "fault":
            raise LinkFault(answer.fault)
        return getattr(answer, kind)

    async def _write(self) -> None:
        try:
            while True:
                await self._something.wait()
                frame, self._waiting = self._waiting[:FRAME_MESSAGES_MAX], self._waiting[FRAME_MESSAGES_MAX:]
                if not self._waiting:
                    self._something.clear()
                # What comes while this waits is the next frame.
                await self._call.write(pb.LinkRequest(messages=frame).SerializeToString())
        except (grpc.aio.AioRpcError, grpc.aio.UsageError, asyncio.InvalidStateError):
            pass  # a link that has ended: the reader knows why

    async def _read(self) -> None:
        try:
            while (frame := await self._call.read()) is not grpc.aio.EOF:
                for answer in pb.LinkResponse.FromString(frame).answers:
                    future = self._asked.get(answer.sequence)
                    if future is not None and not future.done():
                        future.set_result(answer)
        except grpc.aio.AioRpcError as error:
            self._end(error.details() or str(error.code()))
        else:
            self._end(await self._call.details() or "the server has ended it")

    def _end(self, why: str) -> None:
        if self._ended is None:
            self._ended = LinkEnded(why)
        for future in self._asked.values():
            if not future.done():
                future.set_exception(LinkEnded(why))
