"""
Unary authorizations of many callers, taken together.

A call of its own costs more in Python than all that its request needs. So the calls that one turn of the loop brings
are decoded by one kernel call, go to the core as one parcel, and come back from it by one encoding.
"""

import asyncio
from collections.abc import Callable
from functools import lru_cache
from typing import Any, Final

from numpy.typing import NDArray

from server.core.deadline import with_deadline
from server.core.parcel import Core, Overloaded, Parcel, Stopped
from server.front.fields import BadRequest
from server.front.frames import MESSAGES_MAX, FrameDecoder
from server.front.permits import Caller, NotPermitted
from server.front.writing import AnswerWriter

_MESSAGES_TAG: Final = b"\x0a"
"""LinkRequest.messages, the field of a message in a frame."""

_AUTHORIZE_TAG: Final = b"\x12"
"""LinkMessage.authorize."""

_SIZES_KEPT: Final = 4_096

_Call = tuple[bytes, asyncio.Future[bytes], int]
"""A message, whoever waits for its answer, and its deadline, ms."""


class Gathering:
    """Calls that wait for the end of this turn of the loop. One per front."""

    def __init__(
        self,
        core: Core,
        decoder: FrameDecoder,
        read: Callable[[bytes, Caller], bytes],
        writer: AnswerWriter,
    ) -> None:
        """`read` makes the record of a message that the decoder leaves; it raises BadRequest and NotPermitted."""
        self._core = core
        self._decoder = decoder
        self._read = read
        self._writer = writer
        self._loop = asyncio.get_running_loop()
        self._calls: dict[Caller, list[_Call]] = {}

    async def ask(self, raw: bytes, caller: Caller, deadline_ms: int = 0) -> bytes:
        """
        The answer to an AuthorizeRequest; see `Deadlines.of`.

        Raises BadRequest, NotPermitted, and what `Authorizer.submit` raises.
        """
        future: asyncio.Future[bytes] = self._loop.create_future()
        if not self._calls:
            self._loop.call_soon(self._submit)
        self._calls.setdefault(caller, []).append((raw, future, deadline_ms))
        return await future

    def _submit(self) -> None:
        gathered, self._calls = self._calls, {}
        for caller, calls in gathered.items():
            for first in range(0, len(calls), MESSAGES_MAX):
                frame = calls[first : first + MESSAGES_MAX]
                try:
                    self._submit_frame(caller, frame)
                except Exception as error:  # a bug of ours: nobody may be left waiting for it
                    _fail(frame, error)

    def _submit_frame(self, caller: Caller, calls: list[_Call]) -> None:
        frame = b"".join([framed(raw) for raw, *_ in calls])
        records = self._decoder.decode(frame, caller.sender, caller.permits).records
        if None in records:
            calls, records = self._read_left(calls, records, caller)
        if not calls:
            return
        futures = [future for _, future, _ in calls]
        due = [with_deadline(record, call[2]) for record, call in zip(records, calls, strict=True) if record]

        def deliver(places: list[int], decisions: NDArray[Any]) -> None:
            for place, answer in zip(places, self._writer.answers(decisions), strict=True):
                if not futures[place].done():
                    futures[place].set_result(answer)

        def fail(error: Exception) -> None:
            _fail(calls, error)

        try:
            self._core.submit(Parcel(b"".join(due), list(range(len(calls))), deliver, fail))
        except (Overloaded, Stopped) as error:
            fail(error)

    def _read_left(
        self, calls: list[_Call], records: list[bytes | None], caller: Caller
    ) -> tuple[list[_Call], list[bytes | None]]:
        """Read the messages that have no record yet; what is wrong with one is told to its caller, and it is dropped."""
        kept: list[_Call] = []
        read: list[bytes | None] = []
        for (raw, future, deadline_ms), record in zip(calls, records, strict=True):
            if record is None:
                try:
                    record = self._read(raw, caller)
                except (BadRequest, NotPermitted) as error:
                    if not future.done():
                        future.set_exception(error)
                    continue
            kept.append((raw, future, deadline_ms))
            read.append(record)
        return kept, read


def _fail(calls: list[_Call], error: Exception) -> None:
    for _, future, _ in calls:
        if not future.done():
            future.set_exception(error)


def framed(raw: bytes) -> bytes:
    """An AuthorizeRequest as a LinkRequest of one message; such frames are joined by putting them together."""
    return _head(len(raw)) + raw


@lru_cache(maxsize=_SIZES_KEPT)
def _head(size: int) -> bytes:
    inside = _AUTHORIZE_TAG + _varint(size)
    return _MESSAGES_TAG + _varint(len(inside) + size) + inside


def _varint(value: int) -> bytes:
    """A base-128 number (protobuf.dev/programming-guides/encoding)."""
    out = bytearray()
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*out, value])
