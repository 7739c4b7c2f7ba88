"""
One link: frames of messages in, frames of answers out as they are ready, matched by the sender's sequence.

Reading stops while `in_flight_max` messages of the link wait for their answers, or while answers wait for a sender who
does not read: so both are held back by gRPC's own flow control and no queue grows. All answers that are ready when the
writer turns leave in one frame. In the core links take turns: one that is full does not starve one that sends one by one.
"""

import asyncio
from collections.abc import Callable, Iterator
from typing import Any, Final

from google.protobuf.message import DecodeError
from google.rpc import code_pb2

from holdfast.v1 import authorization_pb2 as pb
from server.core.parcel import Core, Decisions, Overloaded, Parcel, Places, Stopped
from server.front.clients import check_message
from server.front.fields import BadRequest
from server.front.frames import MESSAGES_MAX, FrameDecoder
from server.front.gathering import Singles, is_single
from server.front.permits import Caller, NotPermitted
from server.front.reading import Reader
from server.front.refusing import Refuser
from server.front.writing import AnswerWriter

FRAME_BYTES: Final = 256 * 1024
READY_BYTES_MAX: Final = 4 * FRAME_BYTES
"""Answers that wait for their sender to read; beyond that nothing more is read from it."""
FAULTS_MAX: Final = 4_096
"""So many messages of a frame that is too long are told so; a longer one is no sender's mistake."""

PAUSE_MIN_S: Final = 0.05
"""How long at least nothing is read of a sender who was told that he sends too much."""

_METHODS: Final = {
    body: f"AuthorizationService/{body.capitalize()}"
    for body in ("authorize", "increment", "reverse", "advise", "clear")
}


class Link:
    """The life of one link."""

    def __init__(
        self,
        core: Core,
        decoder: FrameDecoder,
        reader: Reader,
        writer: AnswerWriter,
        singles: Singles,
        caller: Caller,
        *,
        source: int,
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
        self._singles = singles
        self._caller = caller
        self._source = source
        self._pause_s = 0.0
        self._refuser = Refuser("too many requests wait already")
        self._in_flight_max = in_flight_max
        self._in_flight = 0
        self._ready: list[bytes] = []
        self._ready_bytes = 0
        self._wake = asyncio.Event()
        self._room = asyncio.Event()
        self._ended = False
        self._broken: Exception | None = None
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
            if self._pause_s:
                # He was told that he sends too much: what he sends next waits unread, and costs us nothing.
                await asyncio.sleep(self._pause_s)
                self._pause_s = 0.0
            while not self._has_room():
                self._room.clear()
                await self._room.wait()

    def _has_room(self) -> bool:
        return self._in_flight < self._in_flight_max and self._ready_bytes <= READY_BYTES_MAX

    def _take(self, raw: bytes) -> None:
        """Read a frame, or have it gathered; what would not get in is refused unread."""
        if self._core.is_full(self._source) and (refused := self._refuser.refuse(raw)) is not None:
            answers, count = refused
            self._core.note_refused(count)
            self._put(answers)
            return
        if not is_single(raw):
            self._singles.flush()
            self._take_frame(raw, self._admitted)
        elif self._admitted(1):
            self._in_flight += 1
            self._singles.put(self, self._caller, raw)
        else:
            self._take_frame(raw, lambda _count: 0)

    def answer(self, answers: bytes, count: int) -> None:
        """See `Sender`."""
        self._in_flight -= count
        self._put(answers)
        self._caller.done(count)
        if self._has_room():
            self._room.set()

    def fail(self, sequences: list[int], error: Exception) -> None:
        """See `Sender`."""
        self._in_flight -= len(sequences)
        self._room.set()
        self._caller.done(len(sequences))
        for sequence in sequences:
            self._fault(sequence, _code_of(error), str(error), ())

    def read(self, raw: bytes) -> None:
        """See `Sender`."""
        self._in_flight -= 1
        self._take_frame(raw, lambda count: count)
        self._wake.set()
        self._room.set()

    def break_off(self, error: Exception) -> None:
        """See `Sender`."""
        self._broken = error
        self._wake.set()

    def _take_frame(self, raw: bytes, admit: Callable[[int], int]) -> None:
        """What is good goes to the core as one parcel, what is bad gets its fault; `admit` says how many may come in."""
        frame = self._decoder.decode(raw, self._caller.sender, self._caller.permits)
        try:
            # A frame that the decoder can't take is the library's to judge: it skips what it does not know.
            left = [raw] if frame.unread else frame.left
            kind = pb.LinkRequest if frame.unread else pb.LinkMessage
            parsed = [kind.FromString(part) for part in left]
        except DecodeError:
            self._fault(0, code_pb2.INVALID_ARGUMENT, "the frame is no holdfast.v1.LinkRequest", ())
            self._caller.done(admit(1))
            return
        if frame.unread:
            messages = parsed[0].messages
            records: list[bytes | None] = [None] * len(messages)
            sequences = [message.sequence for message in messages[:FAULTS_MAX]]
        else:
            messages, records, sequences = parsed, frame.records, frame.sequences
        if len(messages) > MESSAGES_MAX:
            text = f"a frame carries at most {MESSAGES_MAX} messages, this one {len(messages)}"
            for sequence in sequences[:FAULTS_MAX]:
                self._fault(sequence, code_pb2.INVALID_ARGUMENT, text, ("messages",))
            self._caller.done(admit(len(messages)))
            return
        admitted = admit(len(records))
        if messages or admitted < len(records):
            sequences, records = self._read_left(sequences, records, iter(messages), admitted)
            self._caller.done(admitted - len(records))
        if records:
            self._submit([record for record in records if record is not None], sequences)

    def _admitted(self, count: int) -> int:
        """How many of the messages that came together may come in; where not all, nothing more is read for a while."""
        admitted = self._caller.take(count)
        if admitted < count:
            self._pause_s = max(PAUSE_MIN_S, self._caller.pause_s(count))
        return admitted

    def _read_left(
        self, sequences: list[int], records: list[bytes | None], messages: Iterator[Any], admitted: int
    ) -> tuple[list[int], list[bytes | None]]:
        """Read the first `admitted` messages that have no record yet; those that are answered already are dropped."""
        kept: list[tuple[int, bytes | None]] = []
        for place, (sequence, record) in enumerate(zip(sequences, records, strict=True)):
            message = next(messages) if record is None else None
            sequence = sequence if message is None else message.sequence
            if place >= admitted:
                text = f"{self._caller.name} sends more than it may"
                self._fault(sequence, code_pb2.RESOURCE_EXHAUSTED, text, ())
                continue
            if message is not None:
                record = self._read_or_refuse(message)
            if record is not None:
                kept.append((sequence, record))
        return [sequence for sequence, _ in kept], [record for _, record in kept]

    def _read_or_refuse(self, message: Any) -> bytes | None:
        try:
            return self._read(message)
        except BadRequest as error:
            fields = [violation.field for violation in error.violations]
            self._fault(message.sequence, code_pb2.INVALID_ARGUMENT, str(error), fields)
        except NotPermitted as error:
            self._fault(message.sequence, code_pb2.PERMISSION_DENIED, str(error), ())
        return None

    def _read(self, message: Any) -> bytes | None:
        """The record of one message; None where it is answered already."""
        body = message.WhichOneof("body")
        if body in self._readers:
            said = getattr(message, body)
            check_message(self._caller, _METHODS[body], said)
            return self._readers[body](said, self._caller.sender)
        if body == "echo":
            self._say(pb.LinkAnswer(sequence=message.sequence, echo=message.echo))
        else:
            self._fault(message.sequence, code_pb2.INVALID_ARGUMENT, "body: must be given", ("body",))
        return None

    def _submit(self, records: list[bytes], sequences: list[int]) -> None:
        # By place: a sender may have numbered two of them alike.
        places = list(range(len(sequences)))
        unanswered = set(places)

        def deliver(answered: Places, decisions: Decisions) -> None:
            unanswered.difference_update(answered)
            told = [sequences[place] for place in answered]
            self.answer(self._writer.link_answers(told, decisions), len(told))

        def fail(error: Exception) -> None:
            failed = [sequences[place] for place in sorted(unanswered)]
            unanswered.clear()
            self.fail(failed, error)

        self._in_flight += len(sequences)
        try:
            self._core.submit(Parcel(b"".join(records), places, deliver, fail, source=self._source))
        except (Overloaded, Stopped) as error:
            self.fail(sequences, error)

    def _fault(self, sequence: int, code: int, text: str, fields: Any) -> None:
        self._say(
            pb.LinkAnswer(sequence=sequence, fault=pb.Fault(status_code=code, message=text, fields=fields))
        )

    def _say(self, answer: Any) -> None:
        self._put(pb.LinkResponse(answers=[answer]).SerializeToString())

    def _put(self, answers: bytes) -> None:
        self._ready.append(answers)
        self._ready_bytes += len(answers)
        self._wake.set()

    async def _write(self, context: Any) -> None:
        while True:
            await self._wake.wait()
            self._wake.clear()
            if self._broken is not None:
                raise self._broken
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
        frame = b"".join(parts)
        self._ready_bytes -= len(frame)
        if self._has_room():
            self._room.set()
        return frame


def _code_of(error: Exception) -> int:
    """The google.rpc.Code of a message that has no answer."""
    code: int = code_pb2.RESOURCE_EXHAUSTED if isinstance(error, Overloaded) else code_pb2.UNAVAILABLE
    return code
