"""
Whether a server's memory, handles, threads and tasks stay flat: many requests, some repeated, some given up by the client.

A link carries frames of messages, two of 32 repeats; beside them 1 % as many unary calls are cancelled on their way, some
before the server has them, some while it works. What comes back is counted: memory is flat, too, where nothing is done. Message
time runs ahead (the server's clock is the messages'), so that holds expire and answers are forgotten within the run: SPAN_S
of it go by, however many requests there are. Memory that the server accounts for by itself (`holdfast_memory_bytes`: the
embedded ledger keeps every transfer for good) is told apart from what it doesn't.
"""

import asyncio
import time
import urllib.request
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import grpc

from holdfast.v1 import authorization_pb2 as pb
from loadtest.figure import Figure
from loadtest.floors import SERVICE
from loadtest.processes import HOST
from loadtest.traffic import Traffic

SPAN_S: Final = 160 * 86_400
"""Message time of a whole run: an approval's answer is kept for 37 days, so three of four quarters are steady."""

FRAME: Final = 32
REPEATED: Final = 0.05
CANCELLED: Final = 0.01
SAMPLES: Final = 40
_IN_FLIGHT: Final = 16
_GONE_AFTER_S: Final = (0.0, 0.003, 0.01, 0.03)
"""So long after it was sent a call is cancelled, in turns."""

_GOING_MAX: Final = 64
_APPROVED_BAR: Final = 0.75
"""Hot cards run out of money between the expiries of their holds."""

_REPEATED_BAR: Final = 0.99
_CANCELLED_BAR: Final = 0.2
_REACHED_BAR: Final = 0.05
_UNEXPLAINED_BAR_MB: Final = 64.0
_UNEXPLAINED_MOST_BAR_MB: Final = 256.0
"""Beside what it is at the start: room for what works at once."""

_KEPT_BAR: Final = 1.25


@dataclass
class Heard:
    """What a run sent, and what came back."""

    sent: int = 0
    repeats: int = 0
    given_up: int = 0
    cancelled: int = 0
    """Of those given up: before their answer had come."""
    codes: Counter[str] = field(default_factory=Counter)
    replayed: int = 0
    faults: int = 0
    decided: float = 0.0
    """Authorizations that the server decided, those of cancelled calls among them."""

    def take(self, answers: Any) -> None:
        """LinkAnswers have come."""
        for answer in answers:
            if answer.WhichOneof("body") == "authorize":
                self.codes[answer.authorize.response_code] += 1
                self.replayed += answer.authorize.replayed
            else:
                self.faults += 1

    def figures(self) -> list[Figure]:
        """Whether the run was one: what was asked was done."""
        cancelled = self.cancelled / max(1, self.given_up)
        answered = self.sent - self.replayed + self.given_up - self.cancelled
        reached = (self.decided - answered) / max(1, self.cancelled)
        return [
            Figure(
                "answered 00", "share", self.codes["00"] / max(1, self.sent), _APPROVED_BAR, is_floor=True
            ),
            Figure(
                "repeats told as such",
                "share",
                self.replayed / max(1, self.repeats),
                _REPEATED_BAR,
                is_floor=True,
            ),
            Figure("calls cancelled on their way", "share", cancelled, _CANCELLED_BAR, is_floor=True),
            Figure("cancelled calls that the server had", "share", reached, _REACHED_BAR, is_floor=True),
            Figure("faults", "messages", float(self.faults), 0.0, is_floor=False),
        ]


@dataclass
class Sample:
    """What the server was after so many requests."""

    requests: int
    rss_bytes: int
    handles: int
    threads: int
    tasks: float
    decided: float = 0.0
    """Authorizations that the server has decided: neither repeats, nor expiries of its own."""

    parts_bytes: dict[str, float] = field(default_factory=dict)

    @property
    def unexplained_mb(self) -> float:
        return (self.rss_bytes - sum(self.parts_bytes.values())) / 1e6


async def press(
    port: int, metrics_port: int, pid: int, requests: int, cards: int, told: Callable[[str], None]
) -> tuple[list[Sample], Heard]:
    """Send so many requests to the server of a demo portfolio; what it was meanwhile, and said. Raises OSError."""
    try:
        return await _press(port, metrics_port, pid, requests, cards, told)
    except grpc.RpcError as error:
        raise ConnectionError(f"the server went away: {error}") from error


async def _press(
    port: int, metrics_port: int, pid: int, requests: int, cards: int, told: Callable[[str], None]
) -> tuple[list[Sample], Heard]:
    heard, going = Heard(), set[asyncio.Task[None]]()
    samples = [await asyncio.to_thread(sample, pid, metrics_port, 0)]
    every = max(1, requests // SAMPLES // FRAME) * FRAME
    options = [("grpc.max_receive_message_length", 16 << 20)]
    async with grpc.aio.insecure_channel(f"{HOST}:{port}", options=options) as channel:
        authorize = channel.unary_unary(
            f"/{SERVICE}/Authorize",
            request_serializer=pb.AuthorizeRequest.SerializeToString,
            response_deserializer=pb.AuthorizeResponse.FromString,
        )
        link: Any = channel.stream_stream(
            f"/{SERVICE}/Link",
            request_serializer=pb.LinkRequest.SerializeToString,
            response_deserializer=pb.LinkResponse.FromString,
        )()
        waiting = 0

        async def read() -> int:
            answers = (await link.read()).answers
            heard.take(answers)
            return len(answers)

        for frame, repeats in _frames(requests, cards):
            await link.write(frame)
            before = heard.sent
            heard.sent += len(frame.messages)
            heard.repeats += repeats
            waiting += len(frame.messages)
            while waiting > _IN_FLIGHT * FRAME:
                waiting -= await read()
            while heard.given_up < heard.sent * CANCELLED:
                after_s = _GONE_AFTER_S[heard.given_up % len(_GONE_AFTER_S)]
                heard.given_up += 1
                gone = asyncio.ensure_future(_give_up(authorize, frame.messages[0].authorize, after_s, heard))
                going.add(gone)
            if len(going) > _GOING_MAX:
                _, going = await asyncio.wait(going, return_when=asyncio.FIRST_COMPLETED)
            if heard.sent // every > before // every:
                samples.append(await asyncio.to_thread(sample, pid, metrics_port, heard.sent))
                told(f"{heard.sent:,} of {requests:,}: {samples[-1].rss_bytes / 1e6:,.0f} MB")
        while waiting:
            waiting -= await read()
        await link.done_writing()
        await asyncio.gather(*going)
    end = await asyncio.to_thread(sample, pid, metrics_port, heard.sent)
    heard.decided = end.decided - samples[0].decided
    return samples, heard


async def _give_up(authorize: Any, request: pb.AuthorizeRequest, after_s: float, heard: Heard) -> None:
    """Ask, and go away so soon: of a request with a key of its own."""
    asked = pb.AuthorizeRequest()
    asked.CopyFrom(request)
    asked.key.terminal_id = "GONE" + asked.key.terminal_id[4:]
    call = authorize(asked, timeout=5)
    await asyncio.sleep(after_s)
    heard.cancelled += bool(call.cancel())
    try:
        await call
    except (asyncio.CancelledError, grpc.RpcError):
        return


def _frames(requests: int, cards: int) -> Iterator[tuple[pb.LinkRequest, int]]:
    """Frames of a run, whose time goes on evenly, with how many of their last messages repeat the frame before."""
    traffic, begin_s = Traffic(7, cards), int(time.time())
    again = round(FRAME * REPEATED)
    former: list[Any] = []
    for first in range(0, requests, FRAME):
        frame = pb.LinkRequest()
        now_s = begin_s + SPAN_S * first // requests
        for request in traffic.requests(FRAME - again, now_s):
            frame.messages.add(sequence=first + len(frame.messages)).authorize.CopyFrom(request)
        for request in former[:again]:
            frame.messages.add(sequence=first + len(frame.messages)).authorize.CopyFrom(request)
        repeats = len(former[:again])
        former = [message.authorize for message in frame.messages]
        yield frame, repeats


def sample(pid: int, metrics_port: int, requests: int) -> Sample:
    """What a server is now, by /proc and by its own metrics."""
    status = dict(
        line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines() if ":" in line
    )
    with urllib.request.urlopen(f"http://{HOST}:{metrics_port}/metrics", timeout=30) as page:
        lines = [line for line in page.read().decode().splitlines() if not line.startswith("#")]
    values = dict(line.rsplit(" ", 1) for line in lines)
    parts = {
        name.split('"')[1]: float(value)
        for name, value in values.items()
        if name.startswith("holdfast_memory_bytes{")
    }
    return Sample(
        requests,
        int(status["VmRSS"].split()[0]) * 1024,
        int(float(values["process_open_fds"])),
        int(status["Threads"]),
        float(values["holdfast_tasks"]),
        float(values["holdfast_answer_seconds_count"]),
        parts,
    )


def steadiness_figures(samples: list[Sample]) -> list[Figure]:
    """The second half of a run beside its bars: how far the last quarter lies above the third."""
    third, last = samples[len(samples) // 2 : len(samples) * 3 // 4], samples[len(samples) * 3 // 4 :]

    def grown(value: Callable[[Sample], float]) -> float:
        return sum(map(value, last)) / len(last) - sum(map(value, third)) / len(third)

    repeats = [max(1.0, s.parts_bytes.get("repeats", 0)) for s in (third[-1], last[-1])]
    return [
        Figure(
            "memory not accounted for",
            "MB more",
            grown(lambda s: s.unexplained_mb),
            _UNEXPLAINED_BAR_MB,
            is_floor=False,
        ),
        Figure(
            "memory not accounted for, at the most",
            "MB more",
            max(s.unexplained_mb for s in samples) - samples[0].unexplained_mb,
            _UNEXPLAINED_MOST_BAR_MB,
            is_floor=False,
        ),
        Figure("memory of answers kept", "times as much", repeats[1] / repeats[0], _KEPT_BAR, is_floor=False),
        Figure("handles", "more", grown(lambda s: s.handles), 8.0, is_floor=False),
        Figure("threads", "more", grown(lambda s: s.threads), 4.0, is_floor=False),
        Figure("tasks", "more", grown(lambda s: s.tasks), 64.0, is_floor=False),
    ]
