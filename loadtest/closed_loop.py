"""
The measuring client: keeps a fixed number of messages in flight, as fast as the server answers.

A process of its own (`python -m loadtest.closed_loop`) that takes jobs as lines of JSON and answers each with one:
first what to send, which it serializes down to the bytes of the wire, then whom to send it to. While the clock runs it
only moves bytes and counts answers; what the answers were is read after the run. It reports its own CPU and the
server's, because a client that is itself the limit measures nothing.
"""

import gc
import json
import select
import socket
import sys
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

from holdfast.v1 import authorization_pb2 as pb
from loadtest.floors import SERVICE
from loadtest.http2 import Http2, LinkBroken, data_frames, headers_frame, preface
from loadtest.processes import machine_busy_s
from loadtest.traffic import Traffic
from loadtest.usage import family, own_cpu_s, usage

UNARY: Final = "Authorize"
LINK: Final = "Link"
WARM_UP_S: Final = 0.5
"""Answers of the first moments aren't counted: windows open, caches fill."""

ANSWER_TIMEOUT_S: Final = 10.0
_RECEIVE_SIZE: Final = 1 << 18
_DATA_OVERHEAD: Final = 9
"""Bytes of a DATA frame that flow control doesn't count."""


@dataclass(frozen=True)
class Case:
    """One way to load a server: `in_flight` messages at most wait for an answer on each of `connections`."""

    name: str
    method: str
    connections: int
    in_flight: int
    frame_messages: int = 1


@dataclass(frozen=True)
class Chunk:
    """Bytes that go out together: one call, or one frame of messages on a link."""

    data: bytes
    flow_size: int
    messages: int


@dataclass(frozen=True)
class Measurement:
    """
    What one run saw. Rates are messages answered a second; CPU is in cores, None where the system doesn't tell.

    `codes` counts answers by response code, messages refused as bad (`fault`) and calls that failed (`refused`).
    """

    rate: float
    answered: int
    unanswered: int
    elapsed_s: float
    codes: dict[str, int]
    client_cpu: float
    server_cpu: float | None
    other_cpu: float | None
    """What neither client nor server used: neighbours on the machine, and the server's own helpers."""


def count_answers(frame: bytes) -> int:
    """How many answers a LinkResponse carries, without reading them. Raises `LinkBroken` on anything else."""
    count, position, end = 0, 0, len(frame)
    while position < end:
        if frame[position] != 0x0A:
            raise LinkBroken("a link answered with something that is no LinkResponse")
        size = frame[position + 1]
        position += 2
        shift = 7
        if size >= 0x80:
            size &= 0x7F
            while True:
                byte = frame[position]
                position += 1
                size |= (byte & 0x7F) << shift
                if byte < 0x80:
                    break
                shift += 7
        position += size
        count += 1
    return count


def unary_call(number: int, request: bytes) -> Chunk:
    """The call with which a connection sends its `number`th request, from 0."""
    stream = 2 * number + 1
    body = data_frames(stream, request, last=True)
    head = headers_frame(stream, f"/{SERVICE}/{UNARY}", first=number == 0)
    return Chunk(head + body, len(body) - _DATA_OVERHEAD, 1)


def link_frame(requests: Sequence[bytes], sequence: int) -> Chunk:
    """One frame of requests for a link, numbered from `sequence` on."""
    frame = pb.LinkRequest()
    for place, request in enumerate(requests):
        message = frame.messages.add(sequence=sequence + place)
        message.authorize.MergeFromString(request)
    data = data_frames(1, frame.SerializeToString(), last=False)
    return Chunk(data, len(data), len(requests))


def unary_chunks(requests: Sequence[bytes]) -> list[Chunk]:
    """One call for each request, in the order in which one connection makes them."""
    return [unary_call(number, request) for number, request in enumerate(requests)]


def link_chunks(requests: Sequence[bytes], frame_messages: int) -> list[Chunk]:
    """Frames of `frame_messages` requests each for one link; sequences count from 1."""
    return [
        link_frame(requests[start : start + frame_messages], start + 1)
        for start in range(0, len(requests), frame_messages)
    ]


def connect(target: str, *, is_link: bool) -> socket.socket:
    """A connection that has said what a client says first, and opened its link where it is one. Raises OSError."""
    host, _, port = target.rpartition(":")
    connection = socket.create_connection((host, int(port)), timeout=ANSWER_TIMEOUT_S)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    connection.sendall(preface() + (headers_frame(1, f"/{SERVICE}/{LINK}", first=True) if is_link else b""))
    return connection


class Lane:
    """One connection and what it has to send."""

    def __init__(self, target: str, case: Case, chunks: Sequence[Chunk], *, cycle: bool) -> None:
        self._chunks = chunks
        self._next = 0
        self._cycle = cycle and case.method == LINK
        self._in_flight_max = case.in_flight
        self._is_link = case.method == LINK
        self._http = Http2(stream=1 if self._is_link else 0)
        self.in_flight = 0
        self.log: list[tuple[int, int]] = []
        """When (monotonic ns) how many answers came."""
        self.answers: list[bytes] = []
        self.socket = connect(target, is_link=self._is_link)

    def fill(self) -> None:
        """Sends what fits: into the number in flight, and into the server's window."""
        chunks, position = self._chunks, self._next
        window, room = self._http.window, self._in_flight_max - self.in_flight
        parts, flow_size, messages = [], 0, 0
        while room > 0:
            if position >= len(chunks):
                if not self._cycle:
                    break
                position = 0
            chunk = chunks[position]
            if chunk.messages > room or flow_size + chunk.flow_size > window:
                break
            parts.append(chunk.data)
            position += 1
            room -= chunk.messages
            messages += chunk.messages
            flow_size += chunk.flow_size
        self._next = position
        if parts:
            self.in_flight += messages
            self._http.sent(flow_size)
            self.socket.sendall(b"".join(parts))

    def receive(self) -> None:
        """Takes what has come. Raises `LinkBroken` where the server has closed."""
        data = self.socket.recv(_RECEIVE_SIZE)
        if not data:
            raise LinkBroken("the server closed the connection")
        http = self._http
        ended = http.streams_ended
        http.receive(data)
        if http.reply:
            self.socket.sendall(http.reply)
            http.reply = bytearray()
        count = http.streams_ended - ended
        if http.messages:
            if self._is_link:
                count = sum(map(count_answers, http.messages))
            self.answers += http.messages
            http.messages, http.message_streams = [], []
        elif self._is_link and count:
            raise LinkBroken("the server ended the link")
        if count:
            self.in_flight -= count
            self.log.append((time.monotonic_ns(), count))

    @property
    def refused(self) -> int:
        """Calls that ended without an answer."""
        return len(self._http.failed_streams)

    @property
    def exhausted(self) -> bool:
        """Whether everything has been sent."""
        return self._next >= len(self._chunks) and not self._cycle


def drive(lanes: Sequence[Lane], seconds: float) -> tuple[int, int]:
    """
    Keeps all lanes full for `seconds`, then takes what is still in flight.

    Returns when it began and when counting ends (monotonic ns): after `seconds`, or with the last answer where
    everything had been sent before.
    """
    lane_by_fd = {lane.socket.fileno(): lane for lane in lanes}
    poll = select.poll()
    for fd in lane_by_fd:
        poll.register(fd, select.POLLIN)
    begin_ns = now_ns = time.monotonic_ns()
    end_ns = begin_ns + int(seconds * 1e9)
    for lane in lanes:
        lane.fill()
    while any(lane.in_flight or (now_ns < end_ns and not lane.exhausted) for lane in lanes):
        ready = poll.poll(ANSWER_TIMEOUT_S * 1e3)
        if not ready:
            break
        now_ns = time.monotonic_ns()
        for fd, _ in ready:
            lane = lane_by_fd[fd]
            lane.receive()
            if now_ns < end_ns:
                lane.fill()
    return begin_ns, min(now_ns, end_ns)


def read_codes(method: str, answers: Sequence[bytes]) -> dict[str, int]:
    """Answers by response code; `fault` where a message was refused as bad."""
    codes: Counter[str] = Counter()
    if method == UNARY:
        codes.update(pb.AuthorizeResponse.FromString(answer).response_code for answer in answers)
    else:
        for frame in answers:
            codes.update(
                answer.authorize.response_code or "fault"
                for answer in pb.LinkResponse.FromString(frame).answers
            )
    return dict(codes.most_common())


def measure(
    targets: Sequence[str],
    case: Case,
    supply: Sequence[Sequence[Chunk]],
    seconds: float,
    *,
    server_pids: Sequence[int],
    mark: str = "",
    cycle: bool,
) -> Measurement:
    """
    One run of `seconds` against a server at `targets`, to which connections are dealt out in turns.

    `server_pids` and `mark` say whose CPU is the server's (see `usage.family`). `cycle` sends the same messages again, to a
    server that keeps nothing.
    """
    lanes = [
        Lane(targets[number % len(targets)], case, chunks, cycle=cycle)
        for number, chunks in enumerate(supply)
    ]
    pids = family(server_pids, mark)
    gc.collect()
    gc.freeze()
    gc.disable()
    try:
        before, server_before, busy_before = own_cpu_s(), usage(pids).cpu_s, machine_busy_s()
        begin_ns, stopped_ns = drive(lanes, seconds)
        after_ns = time.monotonic_ns()
        after, server_after, busy_after = own_cpu_s(), usage(pids).cpu_s, machine_busy_s()
    finally:
        gc.enable()
        gc.unfreeze()
        for lane in lanes:
            lane.socket.close()
    whole_s = (after_ns - begin_ns) / 1e9
    counted_ns = begin_ns + int(min(WARM_UP_S, seconds / 10) * 1e9)
    if stopped_ns < begin_ns + int(seconds * 1e9):
        # Everything was sent and answered early: the whole of it counts.
        counted_ns, stopped_ns = begin_ns, after_ns
    log = [entry for lane in lanes for entry in lane.log]
    counted = sum(count for when_ns, count in log if counted_ns <= when_ns <= stopped_ns)
    codes = read_codes(case.method, [answer for lane in lanes for answer in lane.answers])
    if refused := sum(lane.refused for lane in lanes):
        codes["refused"] = refused
    client_cpu = (after - before) / whole_s
    server_cpu = _difference(server_before, server_after, whole_s)
    busy = _difference(busy_before, busy_after, whole_s)
    return Measurement(
        rate=counted / ((stopped_ns - counted_ns) / 1e9),
        answered=sum(count for _, count in log),
        unanswered=sum(lane.in_flight for lane in lanes),
        elapsed_s=(stopped_ns - begin_ns) / 1e9,
        codes=codes,
        client_cpu=client_cpu,
        server_cpu=server_cpu,
        other_cpu=None if busy is None else max(0.0, busy - client_cpu - (server_cpu or 0.0)),
    )


def _difference(before: float | None, after: float | None, seconds: float) -> float | None:
    return None if before is None or after is None else (after - before) / seconds


def make_supply(case: Case, traffic: Traffic, count: int, now_s: int) -> list[list[Chunk]]:
    """About `count` messages of `traffic` as bytes of the wire, shared evenly over the case's connections."""
    each = max(case.frame_messages, count // case.connections)
    supply = []
    for _ in range(case.connections):
        requests = traffic.serialized(each, now_s)
        is_unary = case.method == UNARY
        supply.append(unary_chunks(requests) if is_unary else link_chunks(requests, case.frame_messages))
    return supply


def answer_jobs(lines: Any, write: Callable[[str], None]) -> None:
    """Takes jobs until the lines end. `{"prepare": …}` makes a supply, `{"measure": …}` sends it; each is answered."""
    case: Case | None = None
    supply: list[list[Chunk]] = []
    for line in lines:
        job = json.loads(line)
        if "prepare" in job:
            task = job["prepare"]
            case = Case(**task["case"])
            traffic = Traffic(task["seed"], task["cards"], run=task["run"])
            supply = []
            supply = make_supply(case, traffic, task["messages"], int(time.time()))
            write(json.dumps({"prepared": sum(chunk.messages for chunks in supply for chunk in chunks)}))
        else:
            assert case is not None, "a supply is prepared before it is sent"
            try:
                result = asdict(measure(case=case, supply=supply, **job["measure"]))
            except (OSError, LinkBroken) as error:
                result = {"error": str(error)}
            write(json.dumps(result))


if __name__ == "__main__":
    answer_jobs(sys.stdin, lambda line: print(line, flush=True))
