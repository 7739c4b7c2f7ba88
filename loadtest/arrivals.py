"""What a client with an open loop sends, and when: every message at a time that was drawn beforehand, as bytes of the wire."""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from loadtest.closed_loop import UNARY, Chunk, link_frame, unary_call
from loadtest.traffic import Traffic

ARRIVALS: Final = ("poisson", "uniform")


@dataclass(frozen=True)
class Way:
    """
    One way to send: unary calls, or frames on links, over `connections`.

    On a link, what is due within `gather_ms` of the first message that waits goes out in one frame of at most
    `frame_messages`, as a busy sender coalesces (see `coalescing`). A message's latency counts from its own time, so that its
    wait for the frame is part of it.
    """

    name: str
    method: str
    connections: int = 4
    frame_messages: int = 1
    gather_ms: float = 0.0


@dataclass(frozen=True)
class Sending:
    """What one connection sends: chunks with their times (ns from the start), and whose messages they carry."""

    chunks: list[Chunk]
    send_ns: list[int]
    first: list[int]
    """Place in `due_ns` of each chunk's first message."""
    due_ns: NDArray[np.int64]
    """When each message is meant to go out, in order."""


@dataclass(frozen=True)
class Supply:
    """A whole step: what each connection sends, and for how long."""

    way: Way
    rate: float
    seconds: float
    sendings: list[Sending]

    @property
    def count(self) -> int:
        return sum(len(sending.due_ns) for sending in self.sendings)


def schedule_ns(rate: float, seconds: float, arrivals: str, seed: int) -> NDArray[np.int64]:
    """Times in nanoseconds from the start, in order: `rate` a second on average, for `seconds`. Raises ValueError."""
    if arrivals not in ARRIVALS:
        raise ValueError(f"arrivals are one of {', '.join(ARRIVALS)}, not {arrivals}")
    if rate <= 0 or seconds <= 0:
        raise ValueError(f"a rate and a time above 0 are needed, got {rate:g}/s for {seconds:g} s")
    count = max(1, round(rate * seconds))
    if arrivals == "uniform":
        return (np.arange(count) * (seconds * 1e9 / count)).astype(np.int64)
    # Given their number, a Poisson process's arrivals are uniformly distributed: the offered rate is exact.
    times_ns: NDArray[np.int64] = np.sort(np.random.default_rng(seed).random(count) * seconds * 1e9).astype(
        np.int64
    )
    return times_ns


def frames_of(due_ns: NDArray[np.int64], frame_messages: int, gather_ms: float) -> list[tuple[int, int, int]]:
    """First message, one past the last, and time (ns) of each frame in which messages due at these times go out."""
    frames = []
    first, count = 0, len(due_ns)
    gather_ns = int(gather_ms * 1e6)
    while first < count:
        closes_ns = int(due_ns[first]) + gather_ns
        last = min(int(np.searchsorted(due_ns, closes_ns, side="right")), first + frame_messages)
        last = max(last, first + 1)
        # A full frame leaves with its last message; one that isn't waits for its time.
        frames.append((first, last, int(due_ns[last - 1]) if last - first == frame_messages else closes_ns))
        first = last
    return frames


def make_supply(
    way: Way, traffic: Traffic, rate: float, seconds: float, arrivals: str, seed: int, now_s: int
) -> Supply:
    """A step's messages as bytes of the wire, dealt out to the connections in turns."""
    due_ns = schedule_ns(rate, seconds, arrivals, seed)
    requests = traffic.serialized(len(due_ns), now_s)
    sendings = []
    for lane in range(min(way.connections, len(due_ns))):
        own_ns, own = due_ns[lane :: way.connections], requests[lane :: way.connections]
        if way.method == UNARY:
            chunks = [unary_call(number, request) for number, request in enumerate(own)]
            sendings.append(Sending(chunks, own_ns.tolist(), list(range(len(own))), own_ns))
        else:
            frames = frames_of(own_ns, way.frame_messages, way.gather_ms)
            chunks = [link_frame(own[first:last], first + 1) for first, last, _ in frames]
            sendings.append(
                Sending(chunks, [at for *_, at in frames], [first for first, *_ in frames], own_ns)
            )
    return Supply(way, rate, seconds, sendings)
