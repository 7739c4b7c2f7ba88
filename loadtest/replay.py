"""
A recorded history sent through one link, in the file's own order, and what came of it.

One link keeps the order: frames leave in file order, a few at a time, and the server takes a link's messages as they
come. Answers are kept as columns, a row of the file each, because a million of them must fit beside the server.

When the link breaks, the replay can wait for the server to come back and goes on: everything unanswered is sent again
under its old key, in order, and so are some of the last answered ones, whose answers must be the first ones again,
every field but `replayed`. What differs is counted: a server that forgot what it said is found out here.
"""

import asyncio
import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, Final

import grpc
import numpy as np
from numpy.typing import NDArray

from holdfast.v1 import authorization_pb2 as pb
from loadtest.floors import SERVICE
from loadtest.histories import History
from loadtest.labelling import Labelling

LINK: Final = f"/{SERVICE}/Link"
FRAME_MESSAGES_MAX: Final = 256
FAULTS_KEPT_MAX: Final = 5
APPROVED: Final = ("00", "10")
SUSPECTED: Final = ("59", "1A")
"""What the score alone answers: declined, or asked for more authentication."""

_CHANNEL_OPTIONS: Final = (
    ("grpc.max_receive_message_length", 4 * 1024 * 1024),
    ("grpc.max_send_message_length", 4 * 1024 * 1024),
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.min_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 500),
    ("grpc.use_local_subchannel_pool", 1),
)


_BROKEN_LINK_ERRORS: Final = (grpc.aio.AioRpcError, asyncio.InvalidStateError, grpc.aio.UsageError)
"""What writing to a link that has ended raises, by how far its end has come."""

_RETRY_PAUSE_S: Final = 0.05


class _LinkEnded(ConnectionError):  # noqa: N818 - named for what happened
    """A link broke, or could not be made; says why."""


class ReplayFailed(RuntimeError):  # noqa: N818 - named for what happened
    """The replay could not be finished; the message says how far it came and why."""


@dataclass(frozen=True)
class Pace:
    """How a replay sends."""

    frame_messages: int = 128
    frames_in_flight: int = 4
    connect_timeout_s: float = 30.0
    answer_timeout_s: float = 30.0
    """A link on which nothing comes for so long, while answers are due, counts as broken."""
    reconnect_timeout_s: float = 0.0
    """How long to try again after a break, counted from the last answer; 0: a break ends the replay."""
    recheck_messages: int = 256
    """How many of the last answered messages are sent again after a break, to compare their answers."""

    def __post_init__(self) -> None:
        if not 1 <= self.frame_messages <= FRAME_MESSAGES_MAX:
            raise ValueError(f"frame_messages must be 1..{FRAME_MESSAGES_MAX}, got {self.frame_messages}")
        if self.frames_in_flight < 1:
            raise ValueError(f"frames_in_flight must be at least 1, got {self.frames_in_flight}")


@dataclass
class Answers:
    """
    What the server said, an entry a row of the history; zero or empty where `answered` is false.

    `code` is S2, empty for a message that the server refused as bad; `authorization_id` is [low, high]; amounts are
    minor units of the billing currency; `latency_ns` runs from the sending of the frame to the coming of the answer,
    the last time where a row was sent again.
    """

    answered: NDArray[np.bool_]
    code: NDArray[np.bytes_]
    approved_minor: NDArray[np.int64]
    authorization_id: NDArray[np.uint64]
    risk_score: NDArray[np.float32]
    latency_ns: NDArray[np.int64]
    replayed: NDArray[np.bool_]
    elapsed_s: float = 0.0
    breaks: int = 0
    rechecked: int = 0
    mismatched: int = 0
    """Rechecked messages whose second answer was not the first, or not marked as replayed."""
    fault_count: int = 0
    faults: list[str] = field(default_factory=list)
    """The first few refusals, with the fields they name."""

    @classmethod
    def empty(cls, count: int) -> "Answers":
        """Columns for `count` rows, none answered yet."""
        return cls(
            answered=np.zeros(count, np.bool_),
            code=np.zeros(count, "S2"),
            approved_minor=np.zeros(count, np.int64),
            authorization_id=np.zeros((count, 2), np.uint64),
            risk_score=np.zeros(count, np.float32),
            latency_ns=np.zeros(count, np.int64),
            replayed=np.zeros(count, np.bool_),
        )


class Replay:
    """Sends a history to `target` (host:port). `run` may be called once; `progress` hears rows answered, and of how many."""

    def __init__(
        self,
        history: History,
        target: str,
        *,
        pace: Pace | None = None,
        labelling: Labelling | None = None,
        progress: Callable[[int, int], None] | None = None,
    ) -> None:
        self._history = history
        self._labelling = labelling
        self._target = target
        self._pace = pace or Pace()
        self._progress = progress
        self._answers = Answers.empty(len(history))
        self._answered_count = 0
        self._next = 0
        """Rows below it have been sent at least once."""
        self._sent_ns = np.zeros(len(history), np.int64)
        self._recent: deque[tuple[int, Any]] = deque(maxlen=self._pace.recheck_messages)
        self._to_recheck: dict[int, Any] = {}
        self._last_answer_s = 0.0
        self._heard = asyncio.Event()
        """Set when answers have come."""

    def run(self) -> Answers:
        """Replays all of it and returns the answers. Raises `ReplayFailed` where the server can't be reached again."""
        return asyncio.run(self.run_async())

    async def run_async(self) -> Answers:
        """`run`, for a caller that has a loop."""
        begin_s = self._last_answer_s = time.monotonic()
        wait_s = self._pace.connect_timeout_s
        while self._answered_count < len(self._history):
            try:
                await self._session(wait_s)
            except _LinkEnded as error:
                self._broken(error)
                await asyncio.sleep(_RETRY_PAUSE_S)
            wait_s = self._pace.reconnect_timeout_s
        self._answers.elapsed_s = time.monotonic() - begin_s
        return self._answers

    def _broken(self, error: _LinkEnded) -> None:
        """Counts a break, and gives up where trying again has gone on for too long."""
        self._answers.breaks += 1
        away_s = time.monotonic() - self._last_answer_s
        if away_s >= self._pace.reconnect_timeout_s:
            raise ReplayFailed(
                f"{self._target} stopped answering after {self._answered_count:,} of {len(self._history):,} rows: "
                f"{error}"
            ) from error

    async def _session(self, connect_timeout_s: float) -> None:
        """One link, until everything is answered or it breaks."""
        async with grpc.aio.insecure_channel(self._target, options=_CHANNEL_OPTIONS) as channel:
            try:
                await asyncio.wait_for(channel.channel_ready(), connect_timeout_s)
            except TimeoutError as error:
                raise _LinkEnded("no connection in time") from error
            call = channel.stream_stream(LINK)()
            room = asyncio.Semaphore(self._pace.frames_in_flight * self._pace.frame_messages)
            sender = asyncio.create_task(self._send(call, room, channel))
            try:
                await self._receive(call, room)
            finally:
                sender.cancel()
                (ended,) = await asyncio.gather(sender, return_exceptions=True)
                call.cancel()
                # A broken link is told by the receiver; anything else that ended the sender is our mistake.
                if isinstance(ended, Exception) and not isinstance(ended, _BROKEN_LINK_ERRORS):
                    raise ended

    async def _send(self, call: Any, room: asyncio.Semaphore, channel: Any) -> None:
        for rows in self._frames():
            if rows[0] >= self._next:
                await self._tell(channel, rows[0])
            for _ in rows:
                await room.acquire()
            self._sent_ns[rows] = time.monotonic_ns()
            self._next = max(self._next, rows[-1] + 1)
            await call.write(self._frame(rows))

    async def _tell(self, channel: Any, row: int) -> None:
        """Tell the labels that are due before `row`, once all rows before it are answered."""
        if self._labelling is None or not self._labelling.is_due(row):
            return
        while self._answered_count < row:
            self._heard.clear()
            await self._heard.wait()
        await self._labelling.tell(channel, row, self._answers.authorization_id)

    def _frames(self) -> Iterator[list[int]]:
        """Rows by frame: what was answered last, what was not answered, what was never sent."""
        self._to_recheck = dict(self._recent) if self._next else {}
        unanswered = np.flatnonzero(~self._answers.answered[: self._next]).tolist()
        again = [*self._to_recheck, *unanswered]
        size = self._pace.frame_messages
        for start in range(0, len(again), size):
            yield again[start : start + size]
        start = self._next
        while start < len(self._history):
            end = min(start + size, len(self._history))
            if self._labelling is not None:
                # A frame ends where labels come; those due before its own first row are told before it.
                end = self._labelling.until(start, end)
            yield list(range(start, end))
            start = end

    def _frame(self, rows: list[int]) -> bytes:
        frame = pb.LinkRequest()
        for row in rows:
            message = frame.messages.add(sequence=row + 1)
            self._history.fill(message.authorize, row)
        return frame.SerializeToString()

    async def _receive(self, call: Any, room: asyncio.Semaphore) -> None:
        while self._answered_count < len(self._history) or self._to_recheck:
            data = await self._read(call)
            now_ns = time.monotonic_ns()
            self._last_answer_s = now_ns / 1e9
            for answer in pb.LinkResponse.FromString(data).answers:
                self._take(answer, now_ns)
                room.release()
            self._heard.set()
            if self._progress is not None:
                self._progress(self._answered_count, len(self._history))

    async def _read(self, call: Any) -> bytes:
        """The next frame of answers. Raises `_LinkEnded` with the server's reason where none comes any more."""
        try:
            data = await asyncio.wait_for(call.read(), self._pace.answer_timeout_s)
        except TimeoutError as error:
            raise _LinkEnded(f"nothing came for {self._pace.answer_timeout_s:g} s") from error
        except grpc.aio.AioRpcError:
            # What the read itself raises is the library's view; the call knows the server's.
            data = grpc.aio.EOF
        if data is grpc.aio.EOF:
            raise _LinkEnded(await call.details() or f"the link ended with {await call.code()}")
        frame: bytes = data
        return frame

    def _take(self, answer: Any, now_ns: int) -> None:
        row = answer.sequence - 1
        first = self._to_recheck.pop(row, None)
        if first is not None:
            self._compare(first, answer.authorize)
            return
        answers = self._answers
        if answers.answered[row]:
            return
        answers.answered[row] = True
        answers.latency_ns[row] = now_ns - self._sent_ns[row]
        self._answered_count += 1
        if answer.WhichOneof("body") != "authorize":
            self._take_fault(row, answer.fault)
            return
        said = answer.authorize
        answers.code[row] = said.response_code.encode()
        answers.approved_minor[row] = said.approved_amount_minor
        answers.risk_score[row] = said.risk_score
        answers.replayed[row] = said.replayed
        if said.authorization_id:
            number = int(said.authorization_id, 16)
            answers.authorization_id[row] = (number & 0xFFFF_FFFF_FFFF_FFFF, number >> 64)
        self._recent.append((row, said))

    def _take_fault(self, row: int, fault: Any) -> None:
        self._answers.fault_count += 1
        if len(self._answers.faults) < FAULTS_KEPT_MAX:
            where = ", ".join(fault.fields) or "no field named"
            self._answers.faults.append(f"row {row}: {fault.message} ({where})")

    def _compare(self, first: Any, again: Any) -> None:
        """Counts an answer that came a second time; it must be the first one, marked as replayed."""
        self._answers.rechecked += 1
        marked = again.replayed
        again.replayed = first.replayed
        if not marked or again != first:
            self._answers.mismatched += 1


def summarize(history: History, answers: Answers) -> dict[str, Any]:
    """
    What a replay showed, ready for JSON.

    Fraud is *caught* when a fraudulent row was not approved, whatever the code; a *false positive* is a genuine row
    that the score refused (59, 1A). Amounts are minor units. Latency is from sending to answer within the replay's
    own window: it says how long the work took under this load, not what an open-loop sender would see.
    """
    codes, counts = np.unique(answers.code[answers.answered], return_counts=True)
    by_count = sorted(zip(codes.tolist(), counts.tolist(), strict=True), key=lambda entry: -entry[1])
    approved = np.isin(answers.code, [code.encode() for code in APPROVED])
    suspected = np.isin(answers.code, [code.encode() for code in SUSPECTED])
    fraud = history.is_fraud & answers.answered
    genuine = ~history.is_fraud & answers.answered
    latencies_ms = answers.latency_ns[answers.answered] / 1e6
    answered = int(answers.answered.sum())
    return {
        "history": history.name,
        "rows": len(history),
        "answered": answered,
        "elapsed_s": answers.elapsed_s,
        "authorizations_per_s": answered / answers.elapsed_s if answers.elapsed_s else 0.0,
        "latency_ms": {
            name: float(np.percentile(latencies_ms, share)) if answered else None
            for name, share in (("p50", 50), ("p90", 90), ("p99", 99), ("p99_9", 99.9), ("max", 100))
        },
        "codes": {code.decode() or "fault": count for code, count in by_count},
        "replayed": int(answers.replayed.sum()),
        "fraud_caught": _rows(history, fraud & ~approved),
        "fraud_missed": _rows(history, fraud & approved),
        "false_positives": _rows(history, genuine & suspected),
        "genuine": _rows(history, genuine),
        "breaks": answers.breaks,
        "rechecked": answers.rechecked,
        "mismatched": answers.mismatched,
        "faults": answers.faults,
    }


def _rows(history: History, chosen: NDArray[np.bool_]) -> dict[str, int]:
    return {"count": int(chosen.sum()), "amount_minor": int(history.amount_minor[chosen].sum())}
