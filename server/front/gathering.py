"""
Messages that come one by one, taken together: unary authorizations, and links' frames of one message.

A message of its own costs more in Python than all that its request needs. So those that arrive within a moment are
decoded by one kernel call, go to the core as one parcel, and come back from it by one encoding. The first after a pause
goes at once.
"""

import asyncio
import time
from collections.abc import Callable
from functools import lru_cache
from typing import Final, Protocol

from server.core.deadline import with_deadline
from server.core.parcel import Core, Decisions, Overloaded, Parcel, Places, Stopped
from server.front.fields import BadRequest
from server.front.frames import MESSAGES_MAX, FrameDecoder
from server.front.permits import Caller, NotPermitted
from server.front.writing import AnswerWriter

GATHER_S: Final = 0.006
"""From one parcel to the next, at the most: each costs its front as much as two or three messages."""

GATHER_EACH_S: Final = 0.001
"""So long for each message of the parcel before. A core in this process is asked when it takes what comes."""

_AHEAD_S: Final = 0.001
"""So much before the core takes what comes, for it to be there."""

_AT_ONCE: Final = 128
"""So many messages wait for nothing."""

_MESSAGES_TAG: Final = b"\x0a"
"""LinkRequest.messages, the field of a message in a frame."""

_AUTHORIZE_TAG: Final = b"\x12"
"""LinkMessage.authorize."""

_SIZES_KEPT: Final = 4_096

_Call = tuple[bytes, asyncio.Future[bytes], int]
"""A message, whoever waits for its answer, and its deadline, ms."""


class Moments:
    """
    When what was gathered goes: at once after a pause, else a moment after what went before it, by how much that was.

    Where the core is in this process, not before it takes what comes; but many messages never wait.
    """

    def __init__(self, go: Callable[[], int], core: Core) -> None:
        """`go` says how many messages went to the core."""
        self._go = go
        self._core = core
        self._loop = asyncio.get_running_loop()
        self._next_s = 0.0
        self._waiting = 0
        self._timer: asyncio.Handle | None = None

    def begin(self) -> bool:
        """One more waits; whether it is the first."""
        self._waiting += 1
        if self._timer is None:
            self._timer = self._loop.call_at(max(self._next_s, self._core.next_turn_s - _AHEAD_S), self.end)
        elif self._waiting == _AT_ONCE:
            self._timer.cancel()
            self._timer = self._loop.call_soon(self.end)
        return self._waiting == 1

    def end(self) -> None:
        """It goes now."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer, self._waiting = None, 0
            began_s, now_s = time.perf_counter(), self._loop.time()
            count = self._go()
            took_s = time.perf_counter() - began_s
            self._next_s = now_s + min(max(GATHER_EACH_S * count, took_s), GATHER_S)


class Gathering:
    """Unary calls. One per front."""

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
        self._moments = Moments(self._submit, core)
        self._calls: dict[Caller, list[_Call]] = {}
        self._arrival_ns = 0
        """Of the first that waits; the others have come a moment later, and count as if with it."""

    async def ask(self, raw: bytes, caller: Caller, deadline_ms: int = 0) -> bytes:
        """
        The answer to an AuthorizeRequest; see `Deadlines.of`.

        Raises BadRequest, NotPermitted, and what `Authorizer.submit` raises.
        """
        future: asyncio.Future[bytes] = self._loop.create_future()
        if self._moments.begin():
            self._arrival_ns = self._decoder.clock_ns()
        self._calls.setdefault(caller, []).append((raw, future, deadline_ms))
        return await future

    def _submit(self) -> int:
        gathered, self._calls = self._calls, {}
        for caller, calls in gathered.items():
            for first in range(0, len(calls), MESSAGES_MAX):
                frame = calls[first : first + MESSAGES_MAX]
                try:
                    self._submit_frame(caller, frame)
                except Exception as error:  # a bug of ours: nobody may be left waiting for it
                    _fail(frame, error)
        return sum(map(len, gathered.values()))

    def _submit_frame(self, caller: Caller, calls: list[_Call]) -> None:
        frame = b"".join([framed(raw) for raw, *_ in calls])
        records = self._decoder.decode(frame, caller.sender, caller.permits, self._arrival_ns).records
        if None in records:
            calls, records = self._read_left(calls, records, caller)
        if not calls:
            return
        futures = [future for _, future, _ in calls]
        due = [with_deadline(record, call[2]) for record, call in zip(records, calls, strict=True) if record]

        def deliver(places: Places, decisions: Decisions) -> None:
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


class Sender(Protocol):
    """A link, as whoever gathers its messages sees it."""

    def answer(self, answers: bytes, count: int) -> None:
        """So many of its messages are answered, by the answers of a LinkResponse."""
        ...

    def fail(self, sequences: list[int], error: Exception) -> None:
        """These of its messages can't be answered."""
        ...

    def read(self, raw: bytes) -> None:
        """The decoder leaves this frame to it."""
        ...

    def break_off(self, error: Exception) -> None:
        """Some of its messages will never be answered: the link ends."""
        ...


class Singles:
    """Frames of one message each, of all links. One per front. A link's messages stay in their order."""

    def __init__(self, core: Core, decoder: FrameDecoder, writer: AnswerWriter) -> None:
        self._core = core
        self._decoder = decoder
        self._writer = writer
        self._moments = Moments(self._submit, core)
        self._frames: dict[Caller, list[tuple[Sender, bytes]]] = {}
        self._arrival_ns = 0

    def put(self, link: Sender, caller: Caller, raw: bytes) -> None:
        """A frame for which `is_single` holds."""
        if self._moments.begin():
            self._arrival_ns = self._decoder.clock_ns()
        self._frames.setdefault(caller, []).append((link, raw))

    def flush(self) -> None:
        """What waits goes now: something comes that must not overtake it."""
        self._moments.end()

    def _submit(self) -> int:
        gathered, self._frames = self._frames, {}
        for caller, frames in gathered.items():
            for first in range(0, len(frames), MESSAGES_MAX):
                part = frames[first : first + MESSAGES_MAX]
                try:
                    self._submit_frames(caller, part)
                except Exception as error:  # a bug of ours: nobody may be left waiting for it
                    for link, _ in part:
                        link.break_off(error)
        return sum(map(len, gathered.values()))

    def _submit_frames(self, caller: Caller, frames: list[tuple[Sender, bytes]]) -> None:
        whole = b"".join([raw for _, raw in frames])
        decoded = self._decoder.decode(whole, caller.sender, caller.permits, self._arrival_ns)
        if decoded.unread:
            for link, raw in frames:
                link.read(raw)
            return
        links: list[Sender] = []
        sequences: list[int] = []
        records: list[bytes] = []
        for (link, raw), sequence, record in zip(frames, decoded.sequences, decoded.records, strict=True):
            if record is None:
                self._ask(links, sequences, records)
                links, sequences, records = [], [], []
                link.read(raw)
            else:
                links.append(link)
                sequences.append(sequence)
                records.append(record)
        self._ask(links, sequences, records)

    def _ask(self, links: list[Sender], sequences: list[int], records: list[bytes]) -> None:
        if not records:
            return
        unanswered = set(range(len(records)))

        def deliver(places: Places, decisions: Decisions) -> None:
            unanswered.difference_update(places)
            answers = self._writer.each_link_answer([sequences[place] for place in places], decisions)
            by_link: dict[Sender, list[bytes]] = {}
            for place, answer in zip(places, answers, strict=True):
                by_link.setdefault(links[place], []).append(answer)
            for link, parts in by_link.items():
                link.answer(b"".join(parts), len(parts))

        def fail(error: Exception) -> None:
            by_link: dict[Sender, list[int]] = {}
            for place in unanswered:
                by_link.setdefault(links[place], []).append(sequences[place])
            unanswered.clear()
            for link, failed in by_link.items():
                link.fail(failed, error)

        try:
            self._core.submit(Parcel(b"".join(records), list(range(len(records))), deliver, fail))
        except (Overloaded, Stopped) as error:
            fail(error)


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


def is_single(raw: bytes) -> bool:
    """Whether a LinkRequest holds one message and nothing else, of less than 16 KiB."""
    if len(raw) < 3 or raw[0] != _MESSAGES_TAG[0]:
        return False
    size, at = raw[1], 2
    if size & 0x80:
        if raw[2] & 0x80:
            return False
        size, at = size & 0x7F | raw[2] << 7, 3
    return at + size == len(raw)
