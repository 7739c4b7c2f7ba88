"""
One link: frames of messages in, frames of answers out as they are ready, matched by the sender's sequence.

Reading stops while `in_flight_max` messages of the link wait for their answers, so a fast sender is held back by
gRPC's own flow control and no queue grows. All answers that are ready when the writer turns leave in one frame.
"""

import asyncio
from collections.abc import Callable, Iterator
from typing import Any, Final

from google.protobuf.message import DecodeError
from google.rpc import code_pb2
from numpy.typing import NDArray

from holdfast.v1 import authorization_pb2 as pb
from server.core.parcel import Core, Overloaded, Parcel, Stopped
from server.front.fields import BadRequest
from server.front.frames import MESSAGES_MAX, FrameDecoder
from server.front.reading import Reader
from server.front.writing import AnswerWriter

FRAME_BYTES: Final = 256 * 1024


class Link:
    """The life of one link."""

    def __init__(
        self,
        core: Core,
        decoder: FrameDecoder,
        reader: Reader,
        writer: AnswerWriter,
        sender: int,
        *,
        in_flight_max: int,
    ) -> None:
        self._core = core
        self._decoder = decoder
        self._readers: dict[str, Callable[[Any, int], bytes]] = {
            "authorize": reader.authorize,
            "increment": reader.increment,
            "reverse": reader.reverse,
            "advise": reader.advise,
            "clear": reader.clear,
        }
        self._writer = writer
        self._sender = sender
        self._in_flight_max = in_flight_max
        self._in_flight = 0
        self._ready: list[bytes] = []
        self._wake = asyncio.Event()
        self._room = asyncio.Event()
        self._ended = False
        self._reading: asyncio.Future[None] | None = None

    async def run(self, frames: Any, context: Any) -> None:
        """Serve the link until either side ends it and everything is answered."""
        self._reading = asyncio.ensure_future(self._read_frames(frames))
        writer = asyncio.ensure_future(self._write(context))
        try:
            await asyncio.wait((self._reading, writer), return_when=asyncio.FIRST_COMPLETED)
            self._ended = True
            self._wake.set()
            await writer
            if not self._reading.cancelled():
                self._reading.result()
        finally:
            self._reading.cancel()
            writer.cancel()

    def end(self) -> None:
        """Read no more."""
        if self._reading is not None:
            self._reading.cancel()

    async def _read_frames(self, frames: Any) -> None:
        async for raw in frames:
            self._take(raw)
            while self._in_flight >= self._in_flight_max:
                self._room.clear()
                await self._room.wait()

    def _take(self, raw: bytes) -> None:
        """Read a frame; what is good goes to the core as one parcel, what is bad gets its fault."""
        frame = self._decoder.decode(raw, self._sender)
        try:
            # A frame that the decoder can't take is the library's to judge: it skips what it does not know.
            left = [raw] if frame.unread else frame.left
            kind = pb.LinkRequest if frame.unread else pb.LinkMessage
            parsed = [kind.FromString(part) for part in left]
        except DecodeError:
            self._fault(0, code_pb2.INVALID_ARGUMENT, "the frame is no holdfast.v1.LinkRequest", ())
            return
        if frame.unread:
            messages = parsed[0].messages
            records: list[bytes | None] = [None] * len(messages)
            sequences = [message.sequence for message in messages]
        else:
            messages, records, sequences = parsed, frame.records, frame.sequences
        if len(messages) > MESSAGES_MAX:
            text = f"a frame carries at most {MESSAGES_MAX} messages, this one {len(messages)}"
            for sequence in sequences:
                self._fault(sequence, code_pb2.INVALID_ARGUMENT, text, ("messages",))
            return
        if messages:
            sequences, records = self._read_left(sequences, records, iter(messages))
        if records:
            self._submit([record for record in records if record is not None], sequences)

    def _read_left(
        self, sequences: list[int], records: list[bytes | None], messages: Iterator[Any]
    ) -> tuple[list[int], list[bytes | None]]:
        """Read the messages that have no record yet; those that are answered already are dropped."""
        kept: list[tuple[int, bytes | None]] = []
        for sequence, record in zip(sequences, records, strict=True):
            if record is None:
                message = next(messages)
                record = self._read_or_refuse(message)
                sequence = message.sequence
            if record is not None:
                kept.append((sequence, record))
        return [sequence for sequence, _ in kept], [record for _, record in kept]

    def _read_or_refuse(self, message: Any) -> bytes | None:
        try:
            return self._read(message)
        except BadRequest as error:
            fields = [violation.field for violation in error.violations]
            self._fault(message.sequence, code_pb2.INVALID_ARGUMENT, str(error), fields)
            return None

    def _read(self, message: Any) -> bytes | None:
        """The record of one message; None where it is answered already."""
        body = message.WhichOneof("body")
        if body in self._readers:
            return self._readers[body](getattr(message, body), self._sender)
        if body == "echo":
            self._say(pb.LinkAnswer(sequence=message.sequence, echo=message.echo))
        else:
            self._fault(message.sequence, code_pb2.INVALID_ARGUMENT, "body: must be given", ("body",))
        return None

    def _submit(self, records: list[bytes], sequences: list[int]) -> None:
        unanswered = set(sequences)

        def deliver(answered: list[int], decisions: NDArray[Any]) -> None:
            self._in_flight -= len(answered)
            if self._in_flight < self._in_flight_max:
                self._room.set()
            self._ready.append(self._writer.link_answers(answered, decisions))
            unanswered.difference_update(answered)
            self._wake.set()

        def fail(error: Exception) -> None:
            self._in_flight -= len(unanswered)
            self._room.set()
            for sequence in unanswered:
                self._fault(sequence, code_pb2.UNAVAILABLE, str(error), ())
            unanswered.clear()

        self._in_flight += len(sequences)
        try:
            self._core.submit(Parcel(b"".join(records), sequences, deliver, fail))
        except (Overloaded, Stopped) as error:
            code = code_pb2.RESOURCE_EXHAUSTED if isinstance(error, Overloaded) else code_pb2.UNAVAILABLE
            self._in_flight -= len(sequences)
            for sequence in sequences:
                self._fault(sequence, code, str(error), ())

    def _fault(self, sequence: int, code: int, text: str, fields: Any) -> None:
        self._say(
            pb.LinkAnswer(sequence=sequence, fault=pb.Fault(status_code=code, message=text, fields=fields))
        )

    def _say(self, answer: Any) -> None:
        self._ready.append(pb.LinkResponse(answers=[answer]).SerializeToString())
        self._wake.set()

    async def _write(self, context: Any) -> None:
        while True:
            await self._wake.wait()
            self._wake.clear()
            while self._ready:
                await context.write(self._next_frame())
            if self._ended and not self._in_flight:
                return

    def _next_frame(self) -> bytes:
        """What is ready, up to FRAME_BYTES: a frame is its answers' bytes one after another."""
        size = 0
        count = 0
        for part in self._ready:
            size += len(part)
            if count and size > FRAME_BYTES:
                break
            count += 1
        parts, self._ready = self._ready[:count], self._ready[count:]
        return b"".join(parts)
