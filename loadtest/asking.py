"""
Somebody who asks at a fixed pace while the server's neighbours fail, and notes when each answer came.

An open loop: what is asked, and when, doesn't wait for answers. A question that gets no answer (a connection refused
or broken, a queue full) is asked again under its own key, over the next connection, until its patience is over: that
is how a processor asks. What counts is the whole time from when it was first sent.
"""

import asyncio
import contextlib
import heapq
import time
from collections import Counter, deque
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from random import Random
from typing import Any, Final, TypeAlias

import grpc
import numpy as np
from numpy.typing import NDArray

from holdfast.v1 import authorization_pb2 as pb
from loadtest.floors import SERVICE
from loadtest.traffic import Traffic

METHOD: Final = f"/{SERVICE}/Authorize"
CONNECTIONS: Final = 4
AGAIN_S: Final = (0.01, 0.02, 0.05, 0.1)
"""Pauses between the tries of one question; the last one repeats."""

SAMPLE_SIZE: Final = 500
RECENT: Final = 64
TICK_S: Final = 0.005
RECHECK_MAX_S: Final = 3_000.0
"""A server takes messages that were sent within the hour."""

APPROVED: Final = ("00", "10")

_OPTIONS: Final = (
    ("grpc.enable_retries", 0),  # tries are counted here
    ("grpc.use_local_subchannel_pool", 1),  # a connection of its own
    ("grpc.initial_reconnect_backoff_ms", 50),
    ("grpc.min_reconnect_backoff_ms", 5_000),  # how long a handshake may take; tries begin by the other two
    ("grpc.max_reconnect_backoff_ms", 100),
)


_Kept: TypeAlias = tuple[float, bytes, Any]
"""When it was sent, the request, its first answer."""


@dataclass(slots=True)
class Asked:
    """One question. Times are of the monotonic clock, seconds; `code` is DE39, or the last status' name."""

    due_s: float
    sent_s: float
    tried_s: float = 0.0
    """When the try began that was answered."""
    answered_s: float = 0.0
    tries: int = 0
    code: str = ""
    authorization_id: str = ""
    approved_minor: int = 0
    is_stand_in: bool = False
    is_answer: bool = False

    @property
    def took_s(self) -> float:
        """From the sending of its last try to its answer, or to the end of patience."""
        return self.answered_s - self.tried_s

    @property
    def is_hold(self) -> bool:
        """Whether it was approved by the ledger."""
        return self.code in APPROVED and not self.is_stand_in


@dataclass(frozen=True)
class Manner:
    """How somebody asks."""

    rate: float = 50.0
    """Questions a second."""
    patience_s: float = 5.0
    """A question without an answer is asked again for so long."""
    cards: int = 10_000
    seed: int = 1
    run: int = 1

    def __post_init__(self) -> None:
        if self.rate <= 0 or self.patience_s <= 0:
            raise ValueError("rate and patience are more than nothing")


@dataclass
class Asking:
    """Asks `target` from `start` to `end`; everything asked is in `asked`."""

    target: str
    manner: Manner
    asked: list[Asked] = field(default_factory=list)
    stalls: list[tuple[float, float]] = field(default_factory=list)
    """From when until when the asker itself was away: the machine was busy with something else."""
    mismatched: list[str] = field(default_factory=list)
    """Repeats whose answer was not the first, or not marked as a repeat."""
    rechecked: int = 0

    def __post_init__(self) -> None:
        self._draw = Random(self.manner.seed)
        self._traffic = Traffic(
            self.manner.seed, self.manner.cards, run=self.manner.run, merchants=2_000, plain_share=1.0
        )
        self._recent: deque[_Kept] = deque(maxlen=RECENT)
        self._sample: list[_Kept] = []
        self._seen = 0
        self._under_way: set[asyncio.Task[None]] = set()
        self._calls: list[Any] = []

    @asynccontextmanager
    async def running(self) -> AsyncIterator["Asking"]:
        """Asks inside; every question has ended at the end of it."""
        async with contextlib.AsyncExitStack() as stack:
            for _ in range(CONNECTIONS):
                channel = await stack.enter_async_context(
                    grpc.aio.insecure_channel(self.target, options=_OPTIONS)
                )
                await asyncio.wait_for(channel.channel_ready(), self.manner.patience_s + 30)
                self._calls.append(channel.unary_unary(METHOD))
            ticking = asyncio.ensure_future(self._tick())
            pacing = asyncio.ensure_future(self._pace())
            try:
                yield self
            finally:
                pacing.cancel()
                await asyncio.gather(pacing, return_exceptions=True)
                await asyncio.gather(*self._under_way)
                ticking.cancel()
            if not pacing.cancelled() and pacing.exception() is not None:
                raise pacing.exception()  # type: ignore[misc]  # it is one: asked the line before
            await self.recheck([*self._sample, *self._recent])

    async def recheck_recent(self) -> None:
        """Asks the last answers again: each must be the first one, marked."""
        await self.recheck(list(self._recent))

    async def recheck(self, kept: Sequence[_Kept]) -> None:
        """Asks these again; what was sent too long ago is not, for the server would not take it."""
        for since_s, request, first in kept:
            if time.monotonic() - since_s > RECHECK_MAX_S:
                continue
            self.rechecked += 1
            again = await self._tried(request, Asked(0.0, time.monotonic()))
            if again is None:
                self.mismatched.append(f"{first.authorization_id}: no answer")
                continue
            marked, again.replayed = again.replayed, first.replayed
            if not marked or again != first:
                unmarked = "" if marked else " (not marked as a repeat)"
                self.mismatched.append(
                    f"{first.authorization_id}: {first.response_code}, then {again.response_code}{unmarked}"
                )

    @property
    def stall_s_max(self) -> float:
        """The longest that the asker itself was away."""
        return max((until - since for since, until in self.stalls), default=0.0)

    def latest(self, count: int) -> list[tuple[float, Asked]]:
        """
        The answers that took longest, and how long, seconds: from the sending of the try that was answered, less what
        the asker itself was away meanwhile.
        """
        took = ((self._took_s(each), each) for each in self.asked if each.is_answer)
        return heapq.nlargest(count, took, key=lambda entry: entry[0])

    def _took_s(self, each: Asked) -> float:
        own_s = sum(
            max(0.0, min(until, each.answered_s) - max(since, each.tried_s)) for since, until in self.stalls
        )
        return each.took_s - own_s

    async def _tick(self) -> None:
        while True:
            began_s = time.monotonic()
            await asyncio.sleep(TICK_S)
            late_s = time.monotonic() - began_s - TICK_S
            if late_s > TICK_S:
                self.stalls.append((began_s + TICK_S, began_s + TICK_S + late_s))

    async def _pace(self) -> None:
        start_s = time.monotonic() + 0.05
        requests: Iterator[bytes] = iter(())
        number = 0
        while True:
            due_s = start_s + number / self.manner.rate
            number += 1
            request = next(requests, None)
            if request is None:
                chunk = max(1, round(self.manner.rate))
                requests = iter(self._traffic.serialized(chunk, int(time.time())))
                request = next(requests)
            if (wait_s := due_s - time.monotonic()) > 0:
                await asyncio.sleep(wait_s)
            sent_s = time.monotonic()
            asked = Asked(due_s, sent_s)
            self.asked.append(asked)
            task = asyncio.ensure_future(self._ask(request, asked))
            self._under_way.add(task)
            task.add_done_callback(self._under_way.discard)

    async def _ask(self, request: bytes, asked: Asked) -> None:
        answer = await self._tried(request, asked)
        asked.answered_s = time.monotonic()
        if answer is None:
            return
        asked.is_answer = True
        asked.code, asked.authorization_id = answer.response_code, answer.authorization_id
        asked.approved_minor, asked.is_stand_in = answer.approved_amount_minor, answer.stand_in
        kept = asked.sent_s, request, answer
        self._recent.append(kept)
        self._seen += 1
        if len(self._sample) < SAMPLE_SIZE:
            self._sample.append(kept)
        elif (place := self._draw.randrange(self._seen)) < SAMPLE_SIZE:
            self._sample[place] = kept

    async def _tried(self, request: bytes, asked: Asked) -> Any:
        """Its answer; None where patience ends before. No deadline is told: the server's own counts."""
        ends_s = asked.sent_s + self.manner.patience_s
        place = len(self.asked)
        while True:
            asked.tries += 1
            asked.tried_s = time.monotonic()
            left_s = ends_s - time.monotonic()
            call = self._calls[(place + asked.tries) % len(self._calls)]
            try:
                async with asyncio.timeout(left_s):
                    return pb.AuthorizeResponse.FromString(await call(request))
            except TimeoutError:
                asked.code = asked.code or "NO_ANSWER"
                return None
            except grpc.aio.AioRpcError as error:
                asked.code = error.code().name
            pause_s = AGAIN_S[min(asked.tries, len(AGAIN_S)) - 1]
            if time.monotonic() + pause_s >= ends_s:
                return None
            await asyncio.sleep(pause_s)


def codes(asked: Sequence[Asked]) -> dict[str, int]:
    """How many of each answer; approvals in stand-in by themselves."""
    return dict(
        Counter(f"{each.code} in stand-in" if each.is_stand_in else each.code for each in asked).most_common()
    )


def told(asked: Sequence[Asked]) -> tuple[NDArray[np.uint64], NDArray[np.bytes_], NDArray[np.int64]]:
    """What left the server, as the books are asked for it: ids u8[n, 2], codes S2[n], approved amounts i8[n]."""
    answers = [each for each in asked if each.authorization_id]
    ids = np.zeros((len(answers), 2), np.uint64)
    for place, each in enumerate(answers):
        number = int(each.authorization_id, 16)
        ids[place] = number & 0xFFFF_FFFF_FFFF_FFFF, number >> 64
    return (
        ids,
        np.array([each.code.encode() for each in answers], "S2"),
        np.array([each.approved_minor for each in answers], np.int64),
    )


def first_hold_s(asked: Sequence[Asked], since_s: float) -> float | None:
    """How long after that moment the first approval by the ledger came; None where none did."""
    moments = [each.answered_s for each in asked if each.is_hold and each.answered_s >= since_s]
    return min(moments) - since_s if moments else None
