"""
The measuring client with an open loop: every message has a time at which it is meant to go out, and latency counts from it.

A closed loop waits for answers before it asks again, so a server that stands still for a second is asked nothing in
that second, and its worst moment is one sample. Here arrivals are drawn beforehand (Poisson, or evenly) and go out at
their times, whatever has been answered. A message that left late, because the server's window was closed or this process
did not run, counts from when it should have gone.

A process of its own (`python -m loadtest.open_loop`) that takes jobs as lines of JSON and answers each with one: first
what to send (`prepare`), serialized down to the bytes of the wire, then whom to send it to (`measure`). While the clock
runs it only moves bytes and notes times; what the answers were is read after the run. It tells its own CPU and how late it
sent: where it was itself the limit, the figures mean nothing.
"""

import gc
import json
import select
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final, NamedTuple

import numpy as np
from google.rpc import code_pb2
from hdrh.histogram import HdrHistogram  # type: ignore[import-untyped]  # it has no types
from numpy.typing import NDArray

from holdfast.v1 import authorization_pb2 as pb
from loadtest.arrivals import Sending, Supply, Way, make_supply
from loadtest.closed_loop import LINK, connect, count_answers
from loadtest.http2 import Http2, LinkBroken
from loadtest.processes import machine_busy_s
from loadtest.traffic import Traffic
from loadtest.usage import family, hurry, own_cpu_s, usage

IN_TIME_MS: Final = 100.0
"""An answer that comes later than this is not in time: a server whose queue grows is past what it can carry."""

DRAIN_S: Final = 2.0
"""How long answers are waited for after the last message was due, unless said otherwise."""

WARM_UP_SHARE: Final = 0.1
WARM_UP_MAX_S: Final = 1.0
"""What is due in the first moments is sent and counted, but stays out of the histogram: windows open, caches fill."""

LATENCY_MAX_US: Final = 60_000_000
PERCENTILES: Final = {"p50": 50.0, "p90": 90.0, "p99": 99.0, "p99_9": 99.9, "max": 100.0}
_RECEIVE_SIZE: Final = 1 << 18
_NEVER: Final = 1 << 62


@dataclass(frozen=True)
class Step:
    """
    What one step saw. Rates are messages a second, latencies milliseconds from the intended time, CPU in cores.

    `latency_ms` and `histogram` (HdrHistogram, microseconds, three digits, base64) hold what was answered; what was
    `refused` is counted, and what came after IN_TIME_MS or never is missing from `in_time_share`. `served_ms_p99` and
    `refused_ms_p99` count from when the message left.
    """

    offered_per_s: float
    answered_per_s: float
    sent: int
    answered: int
    refused: int
    unanswered: int
    in_time_share: float
    codes: dict[str, int]
    latency_ms: dict[str, float]
    served_ms_p99: float
    refused_ms_p99: float | None
    histogram: str
    late_ms_p99: float
    late_ms_max: float
    held_back: int
    """Messages that left late because the server's window was closed."""
    client_cpu: float
    client_nice: int
    server_cpu: float | None
    other_cpu: float | None
    server_cpu_s: float | None
    written_bytes: int | None
    elapsed_s: float


class Lane:
    """One connection, what it has to send, and what came when."""

    def __init__(self, target: str, sending: Sending, *, is_link: bool) -> None:
        self._sending = sending
        self._next = 0
        self._is_link = is_link
        self._http = Http2(stream=1 if is_link else 0)
        self.sent_ns: list[int] = []
        """When each chunk went out (monotonic)."""
        self.held_back: set[int] = set()
        """Chunks that the server's window held back."""
        self.answers: list[tuple[int, list[bytes], list[int]]] = []
        """When messages came, which, and on which streams."""
        self.refusals: list[tuple[int, list[int]]] = []
        """When calls ended without an answer, and their streams."""
        self.settled = 0
        """Messages that need not be waited for any more."""
        self.due_ns = _NEVER
        """When the next chunk is to go out (monotonic)."""
        self.begin_ns = 0
        self.socket = connect(target, is_link=is_link)

    def begin(self, begin_ns: int) -> None:
        """The clock starts."""
        self.begin_ns = begin_ns
        self.due_ns = begin_ns + self._sending.send_ns[0]

    def send(self, now_ns: int) -> None:
        """Sends what is due and fits the server's window."""
        sending = self._sending
        parts, flow_size, position, window = [], 0, self._next, self._http.window
        due_ns, begin_ns = self.due_ns, self.begin_ns
        while due_ns <= now_ns:
            chunk = sending.chunks[position]
            if flow_size + chunk.flow_size > window:
                self.held_back.add(position)
                due_ns = _NEVER  # until the window opens
                break
            parts.append(chunk.data)
            flow_size += chunk.flow_size
            position += 1
            due_ns = begin_ns + sending.send_ns[position] if position < len(sending.chunks) else _NEVER
        self.due_ns = due_ns
        if parts:
            self.sent_ns += [now_ns] * len(parts)
            self._next = position
            self._http.sent(flow_size)
            self.socket.sendall(b"".join(parts))

    def receive(self) -> None:
        """Takes what has come. Raises `LinkBroken` where the server has closed, or ended a link."""
        data = self.socket.recv(_RECEIVE_SIZE)
        now_ns = time.monotonic_ns()
        if not data:
            raise LinkBroken("the server closed the connection")
        http = self._http
        http.receive(data)
        if http.reply:
            self.socket.sendall(http.reply)
            http.reply = bytearray()
        if http.messages:
            self.answers.append((now_ns, http.messages, http.message_streams))
            self.settled += sum(map(count_answers, http.messages)) if self._is_link else len(http.messages)
            http.messages, http.message_streams = [], []
        if http.failed_streams:
            if self._is_link:
                raise LinkBroken("the server ended the link")
            self.refusals.append((now_ns, http.failed_streams))
            self.settled += len(http.failed_streams)
            http.failed_streams = []
        if self.due_ns == _NEVER and self._next < len(self._sending.chunks):
            self.due_ns = self.begin_ns + self._sending.send_ns[self._next]

    @property
    def is_done(self) -> bool:
        """Whether everything is sent and answered."""
        return self.settled >= len(self._sending.due_ns)

    def times(self) -> tuple["Times", list[str]]:
        """What became of each message, and the codes of all answers."""
        sending = self._sending
        count = len(sending.due_ns)
        times = Times.of(sending.due_ns)
        bounds = [*sending.first, count]
        for number, at_ns in enumerate(sending.send_ns):
            of_chunk = slice(bounds[number], bounds[number + 1])
            times.planned_ns[of_chunk] = at_ns
            times.is_held_back[of_chunk] = number in self.held_back
            if number < len(self.sent_ns):
                times.sent_ns[of_chunk] = self.sent_ns[number] - self.begin_ns
        codes = []
        for when_ns, messages, streams in self.answers:
            for place, code in _read_link(messages) if self._is_link else _read_unary(messages, streams):
                times.came_ns[place] = when_ns - self.begin_ns
                times.is_refused[place] = (
                    len(code) > 2
                )  # a response code has two characters, a refusal's name more
                codes.append(code)
        for when_ns, streams in self.refusals:
            for stream in streams:
                times.came_ns[stream // 2], times.is_refused[stream // 2] = when_ns - self.begin_ns, True
                codes.append("refused")
        return times, codes


class Times(NamedTuple):
    """Of each message, in nanoseconds from the start: when it was due, was to leave, left and was answered; 0 for never."""

    due_ns: NDArray[np.int64]
    planned_ns: NDArray[np.int64]
    sent_ns: NDArray[np.int64]
    came_ns: NDArray[np.int64]
    is_refused: NDArray[np.bool_]
    is_held_back: NDArray[np.bool_]

    @classmethod
    def of(cls, due_ns: NDArray[np.int64]) -> "Times":
        """Nothing has left yet."""
        count = len(due_ns)
        planned, sent, came = (np.zeros(count, np.int64) for _ in range(3))
        refused, held_back = (np.zeros(count, np.bool_) for _ in range(2))
        return cls(due_ns, planned, sent, came, refused, held_back)


def _read_unary(messages: Iterable[bytes], streams: Iterable[int]) -> Iterable[tuple[int, str]]:
    for message, stream in zip(messages, streams, strict=True):
        yield stream // 2, pb.AuthorizeResponse.FromString(message).response_code


def _read_link(messages: Iterable[bytes]) -> Iterable[tuple[int, str]]:
    for message in messages:
        for answer in pb.LinkResponse.FromString(message).answers:
            code = answer.authorize.response_code or code_pb2.Code.Name(answer.fault.status_code)
            yield answer.sequence - 1, code


def drive(lanes: Sequence[Lane], begin_ns: int, seconds: float, drain_s: float) -> int:
    """Sends everything at its time and takes the answers, for `drain_s` longer at most; when it ended (monotonic ns)."""
    sockets = {lane.socket: lane for lane in lanes}
    for lane in lanes:
        lane.begin(begin_ns)
    end_ns = begin_ns + int((seconds + drain_s) * 1e9)
    while (now_ns := time.monotonic_ns()) < end_ns:
        next_ns = end_ns
        for lane in lanes:
            if lane.due_ns <= now_ns:
                lane.send(now_ns)
            next_ns = min(next_ns, lane.due_ns)
        if next_ns == end_ns and all(lane.is_done for lane in lanes):
            break
        # `select` waits by the microsecond, `poll` by the millisecond; it is quick over a few.
        wait_s = max(0, next_ns - time.monotonic_ns()) / 1e9
        for ready in select.select(sockets, (), (), wait_s)[0]:
            sockets[ready].receive()
    return time.monotonic_ns()


def measure(
    targets: Sequence[str],
    supply: Supply,
    *,
    server_pids: Sequence[int],
    mark: str = "",
    nice: int = 0,
    drain_s: float = DRAIN_S,
) -> Step:
    """
    One step against a server at `targets` (connections are dealt out to them in turns).

    `server_pids` and `mark` say whose CPU and writes count as the server's (see `usage.family`). Raises `LinkBroken`,
    OSError.
    """
    is_link = supply.way.method == LINK
    lanes = [
        Lane(targets[number % len(targets)], sending, is_link=is_link)
        for number, sending in enumerate(supply.sendings)
    ]
    gc.collect()
    gc.freeze()
    gc.disable()
    pids = family(server_pids, mark)
    try:
        own_s, before, busy_s = own_cpu_s(), usage(pids), machine_busy_s()
        begin_ns = time.monotonic_ns() + 1_000_000
        ended_ns = drive(lanes, begin_ns, supply.seconds, drain_s)
        own_s = own_cpu_s() - own_s
        used, busy_after_s = usage(pids) - before, machine_busy_s()
    finally:
        gc.enable()
        gc.unfreeze()
        for lane in lanes:
            lane.socket.close()
    elapsed_s = (ended_ns - begin_ns) / 1e9
    server_cpu = None if used.cpu_s is None else used.cpu_s / elapsed_s
    busy = None if busy_s is None or busy_after_s is None else (busy_after_s - busy_s) / elapsed_s
    return Step(
        **_seen(supply, lanes),
        client_cpu=own_s / elapsed_s,
        client_nice=nice,
        server_cpu=server_cpu,
        other_cpu=None if busy is None else max(0.0, busy - own_s / elapsed_s - (server_cpu or 0.0)),
        server_cpu_s=used.cpu_s,
        written_bytes=used.written_bytes,
        elapsed_s=elapsed_s,
    )


def _seen(supply: Supply, lanes: Sequence[Lane]) -> dict[str, Any]:
    """Rates, codes and latencies out of what the lanes noted."""
    codes: Counter[str] = Counter()
    parts = []
    for lane in lanes:
        own, own_codes = lane.times()
        parts.append(own)
        codes.update(own_codes)
    times = Times(*(np.concatenate(column) for column in zip(*parts, strict=True)))
    came = times.came_ns > 0
    answered = came & ~times.is_refused
    counted = times.due_ns >= min(WARM_UP_MAX_S, supply.seconds * WARM_UP_SHARE) * 1e9
    latency_us = (times.came_ns - times.due_ns) // 1000
    histogram = _histogram(latency_us[answered & counted])
    late = (times.sent_ns > 0) & ~times.is_held_back
    late_ms = np.maximum(times.sent_ns - times.planned_ns, 0)[late] / 1e6
    served_ms = (times.came_ns - times.sent_ns) / 1e6
    in_time = answered & counted & (latency_us <= round(IN_TIME_MS * 1e3))
    on_time = answered & (times.came_ns <= round(supply.seconds * 1e9))
    return {
        "offered_per_s": len(came) / supply.seconds,
        "answered_per_s": int(on_time.sum()) / supply.seconds,
        "sent": int((times.sent_ns > 0).sum()),
        "answered": int(answered.sum()),
        "refused": int(times.is_refused.sum()),
        "unanswered": int((~came).sum()),
        "in_time_share": int(in_time.sum()) / max(1, int(counted.sum())),
        "codes": dict(codes.most_common()),
        "latency_ms": {
            name: histogram.get_value_at_percentile(share) / 1e3 for name, share in PERCENTILES.items()
        },
        "served_ms_p99": _p99(served_ms[answered & counted]) or 0.0,
        "refused_ms_p99": _p99(served_ms[times.is_refused & counted]),
        "histogram": histogram.encode().decode(),
        "late_ms_p99": float(np.percentile(late_ms, 99)) if len(late_ms) else 0.0,
        "late_ms_max": float(late_ms.max()) if len(late_ms) else 0.0,
        "held_back": int(times.is_held_back.sum()),
    }


def _p99(values: NDArray[np.float64]) -> float | None:
    return float(np.percentile(values, 99)) if len(values) else None


def _histogram(latency_us: NDArray[np.int64]) -> Any:
    histogram = HdrHistogram(1, LATENCY_MAX_US, 3)
    values, counts = np.unique(np.clip(latency_us, 1, LATENCY_MAX_US), return_counts=True)
    for value, count in zip(values.tolist(), counts.tolist(), strict=True):
        histogram.record_value(value, count)
    return histogram


def answer_jobs(lines: Iterable[str], write: Callable[[str], None], nice: int = 0) -> None:
    """Takes jobs until the lines end. `{"prepare": …}` makes a supply, `{"measure": …}` sends it; each is answered."""
    supply: Supply | None = None
    for line in lines:
        job = json.loads(line)
        if "prepare" in job:
            task = job["prepare"]
            supply = make_supply(
                Way(**task["way"]),
                Traffic(task["seed"], task["cards"], run=task["run"]),
                task["rate"],
                task["seconds"],
                task["arrivals"],
                task["seed"],
                int(time.time()),
            )
            write(json.dumps({"prepared": supply.count}))
        else:
            assert supply is not None, "a supply is prepared before it is sent"
            try:
                result = asdict(measure(supply=supply, nice=nice, **job["measure"]))
            except (OSError, LinkBroken) as error:
                result = {"error": str(error)}
            write(json.dumps(result))


if __name__ == "__main__":
    answer_jobs(sys.stdin, lambda line: print(line, flush=True), hurry())
