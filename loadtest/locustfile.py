"""
Locust users who pay by card: unary Authorize over gRPC, from the seeded traffic.

`python -m loadtest.report locust` runs them headless for half a minute against a server that it starts; for Locust's own
web page: `locust --locustfile loadtest/locustfile.py --host 127.0.0.1:50051`, and a browser on port 8089.

HOLDFAST_SHAPE says how: one of `steady`, `ramp` and `spike` for how many pay over time, and any of `hot_card`, `hot_merchant`
and `repeats` for who, as `spike,hot_card`; without it, cardholders anywhere, as many as Locust is told. With `--class-picker`
all of them can be picked on the page. A shape goes up to the number of users and lasts for the run time that Locust is
told. The portfolio's size is HOLDFAST_LOADTEST_CARDS (10,000, as `make run` makes it).

Locust is the friendly door, not the measure: its clients cost more than the server they call, and its latencies are
closed loop. `holdfast bench path` measures.
"""

import itertools
import os
import sys
import time
from collections import deque
from typing import Any, Final

import grpc.experimental.gevent
import numpy as np
from locust import LoadTestShape, User, constant_throughput, task

from holdfast.v1 import authorization_pb2 as pb
from loadtest.floors import SERVICE
from loadtest.traffic import Traffic, demo_pans

CARDS: Final = int(os.environ.get("HOLDFAST_LOADTEST_CARDS", "10000"))
SHAPES: Final = frozenset(filter(None, os.environ.get("HOLDFAST_SHAPE", "").split(",")))
KNOWN: Final = {"steady", "ramp", "spike", "hot_card", "hot_merchant", "repeats"}
PICKS: Final = "--class-picker" in sys.argv
BATCH: Final = 100
TIMEOUT_S: Final = 5.0
USERS_DEFAULT: Final = 50
SECONDS_DEFAULT: Final = 60.0
SPIKE_SHARE: Final = 0.2
"""Of the users that pay before and after a spike, and of the time that it lasts."""

if SHAPES - KNOWN:
    raise ValueError(
        f"HOLDFAST_SHAPE knows {', '.join(sorted(KNOWN))}, not {', '.join(sorted(SHAPES - KNOWN))}"
    )

# gRPC must know before its first channel that Locust's threads are greenlets.
grpc.experimental.gevent.init_gevent()

_numbers = itertools.count()


class Cardholder(User):  # type: ignore[misc]  # Locust has no types
    """Ten purchases a second at most; each user is a stream of traffic of its own."""

    abstract = not PICKS and bool(SHAPES & {"hot_card", "hot_merchant", "repeats"})
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
        request = self.next_request()
        begin_ns = time.perf_counter_ns()
        name, length, error = "Authorize", 0, None
        try:
            raw: Any = self._authorize(request, timeout=TIMEOUT_S)
            answer = pb.AuthorizeResponse.FromString(raw)
            name = f"Authorize {answer.response_code}{' replayed' if answer.replayed else ''}"
            length = len(raw)
        except grpc.RpcError as failure:
            error = failure
        self.environment.events.request.fire(
            request_type="gRPC",
            name=name,
            response_time=(time.perf_counter_ns() - begin_ns) / 1e6,
            response_length=length,
            exception=error,
        )

    def next_request(self) -> bytes:
        """What to send next."""
        if not self._requests:
            for request in self._traffic.requests(BATCH, int(time.time())):
                self.change(request)
                self._requests.append(request.SerializeToString())
        return self._requests.pop()

    def change(self, request: Any) -> None:
        """Makes a request this kind of user's."""


class HotCard(Cardholder):
    """Everybody pays with the same card, small amounts, so that its money lasts."""

    abstract = not PICKS and "hot_card" not in SHAPES
    _pan = demo_pans(np.array([min(CARDS, 10_000) - 1]))[0]

    def change(self, request: Any) -> None:
        """One card, one dollar."""
        request.pan = self._pan
        request.amount_minor = min(request.amount_minor, 100)
        request.ClearField("cashback_amount_minor")


class HotMerchant(Cardholder):
    """Everybody pays at the same merchant, at its one terminal."""

    abstract = not PICKS and "hot_merchant" not in SHAPES

    def change(self, request: Any) -> None:
        """One merchant: the first that was met keeps everybody."""
        merchant = self._hot.setdefault(
            "merchant", pb.Merchant.FromString(request.merchant.SerializeToString())
        )
        request.merchant.CopyFrom(merchant)
        request.key.terminal_id = "HOT00001"

    _hot: Final[dict[str, Any]] = {}


class Repeater(Cardholder):
    """Sends every second message again: its first answer comes back, marked as replayed."""

    abstract = not PICKS and "repeats" not in SHAPES

    def on_start(self) -> None:
        """Nothing is sent yet."""
        super().on_start()
        self._sent: deque[bytes] = deque(maxlen=BATCH)
        self._turns = itertools.cycle((False, True))

    def next_request(self) -> bytes:
        """A new one, then one of the last hundred again."""
        if next(self._turns):
            return self._sent[0]
        self._sent.append(super().next_request())
        return self._sent[-1]


class _Shape(LoadTestShape):  # type: ignore[misc]  # Locust has no types
    """Users over time, up to the number and for the time that Locust is told."""

    abstract = True
    use_common_options = True

    def tick(self) -> tuple[int, float] | None:
        """Users now, and how many may come a second; None at the end."""
        options = self.runner.environment.parsed_options
        users = int(options.num_users or USERS_DEFAULT)
        seconds = float(options.run_time or SECONDS_DEFAULT)
        share = self.get_run_time() / seconds
        return None if share >= 1 else (max(1, round(users * self.level(share))), users)

    def level(self, _share: float) -> float:
        """Share of the users, at this share of the time: all of them, where a shape says nothing else."""
        return 1.0


class Steady(_Shape):
    """All of them, all of the time."""

    abstract = not PICKS and "steady" not in SHAPES


class Ramp(_Shape):
    """From one to all of them, evenly."""

    abstract = not PICKS and "ramp" not in SHAPES

    def level(self, share: float) -> float:
        """As much as has passed."""
        return share


class Spike(_Shape):
    """A fifth of them, and for the middle fifth of the time all."""

    abstract = not PICKS and "spike" not in SHAPES

    def level(self, share: float) -> float:
        """All around the middle."""
        return 1.0 if abs(share - 0.5) <= SPIKE_SHARE / 2 else SPIKE_SHARE
