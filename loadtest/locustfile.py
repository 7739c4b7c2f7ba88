"""
A Locust user who pays by card: unary Authorize over gRPC, from the seeded traffic.

`python -m loadtest.report locust` runs it headless for half a minute against a server that it starts; for Locust's own
web page: `locust --locustfile loadtest/locustfile.py --host 127.0.0.1:50051`. The portfolio's size is taken from
HOLDFAST_LOADTEST_CARDS (default 10,000, as `make run` makes it).

Locust is the friendly door, not the measure: its clients cost more than the server they call, and its latencies are
closed loop. `holdfast bench` measures.
"""

import itertools
import os
import time
from typing import Any, Final

import grpc.experimental.gevent
from locust import User, constant_throughput, task

from holdfast.v1 import authorization_pb2 as pb
from loadtest.floors import SERVICE
from loadtest.traffic import Traffic

CARDS: Final = int(os.environ.get("HOLDFAST_LOADTEST_CARDS", "10000"))
BATCH: Final = 100
TIMEOUT_S: Final = 5.0

# gRPC must know before its first channel that Locust's threads are greenlets.
grpc.experimental.gevent.init_gevent()

_numbers = itertools.count()


class Cardholder(User):  # type: ignore[misc]  # Locust has no types
    """Ten purchases a second at most; each user is a stream of traffic of its own."""

    wait_time = constant_throughput(10)

    def on_start(self) -> None:
        """Connects, and seeds this user's traffic."""
        number = next(_numbers)
        # The run's number keeps references apart between users and between starts within the same second.
        self._traffic = Traffic(
            seed=number, cards=CARDS, run=time.time_ns() // 1000 + number, merchants=2_000
        )
        self._requests: list[bytes] = []
        target = (self.host or "127.0.0.1:50051").removeprefix("http://")
        self._channel = grpc.insecure_channel(target)
        self._authorize = self._channel.unary_unary(f"/{SERVICE}/Authorize")

    def on_stop(self) -> None:
        """Hangs up."""
        self._channel.close()

    @task
    def authorize(self) -> None:
        """One authorization; a decline is a success of the call, and is counted under its code."""
        if not self._requests:
            self._requests = self._traffic.serialized(BATCH, int(time.time()))
        request = self._requests.pop()
        begin_ns = time.perf_counter_ns()
        name, length, error = "Authorize", 0, None
        try:
            answer: Any = self._authorize(request, timeout=TIMEOUT_S)
            name, length = f"Authorize {pb.AuthorizeResponse.FromString(answer).response_code}", len(answer)
        except grpc.RpcError as failure:
            error = failure
        self.environment.events.request.fire(
            request_type="gRPC",
            name=name,
            response_time=(time.perf_counter_ns() - begin_ns) / 1e6,
            response_length=length,
            exception=error,
        )
