"""Whether the first request after a start is as quick as those after a thousand others: unary, one at a time."""

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final, NamedTuple

import grpc
import numpy as np
from grpc_health.v1 import health_pb2, health_pb2_grpc

from loadtest.processes import HOST, free_port, holdfast_command, running, scratch
from loadtest.traffic import Traffic

CARDS: Final = 1_000
STARTS: Final = 3
AROUND: Final = 50
"""Requests before and after the thousandth that stand for it."""

_METHOD: Final = "/holdfast.v1.AuthorizationService/Authorize"
_READY_TIMEOUT_S: Final = 300.0
_ANSWER_TIMEOUT_S: Final = 10.0


class FirstRequest(NamedTuple):
    """
    Milliseconds of the first request after a start (the median of several starts of one home), and of those around the
    thousandth: their median and the slowest of them.
    """

    first_ms: float
    thousandth_ms: float
    thousandth_ms_max: float


def first_request(starts: int = STARTS) -> FirstRequest:
    """Measures it on a server of its own, thrown away after. Raises ServerFailed where it doesn't come up."""
    with scratch("bench") as folder:
        _taken_ms(folder, 0, 1)
        taken_ms = [_taken_ms(folder, run, 1_000 + AROUND) for run in range(1, starts + 1)]
    around_ms = np.concatenate([taken[-2 * AROUND :] for taken in taken_ms])
    return FirstRequest(
        float(np.median([taken[0] for taken in taken_ms])),
        float(np.median(around_ms)),
        float(around_ms.max()),
    )


def _taken_ms(folder: Path, run: int, count: int) -> Sequence[float]:
    """How long each of the first requests after a start took."""
    port = free_port()
    target = f"{HOST}:{port}"
    with (
        running(
            holdfast_command(port, CARDS),
            target,
            folder / "log",
            ready_timeout_s=_READY_TIMEOUT_S,
            environment={"HOLDFAST_HOME": str(folder / "home")},
        ),
        grpc.insecure_channel(target) as channel,
    ):
        # A client's own first call costs it some milliseconds, whatever it asks: it is not the server's.
        health_pb2_grpc.HealthStub(channel).Check(
            health_pb2.HealthCheckRequest(), timeout=_ANSWER_TIMEOUT_S, wait_for_ready=True
        )
        authorize = channel.unary_unary(_METHOD)
        taken_ms = []
        for request in Traffic(run + 1, CARDS, run=run).serialized(count, int(time.time())):
            began_ns = time.perf_counter_ns()
            authorize(request, timeout=_ANSWER_TIMEOUT_S)
            taken_ms.append((time.perf_counter_ns() - began_ns) / 1e6)
    return taken_ms
