"""
Authorizations at a fixed pace, each timed from when it was meant to go out: an open loop, a process of its own.

`python -m loadtest.paced` takes jobs as lines of JSON (`target`, `rate`, `seconds`, `cards`, `run`) and answers each
with one.
"""

import asyncio
import json
import sys
import time
from collections import Counter
from collections.abc import Sequence
from typing import Any, Final

import grpc
import numpy as np

from holdfast.v1 import authorization_pb2 as pb
from loadtest.floors import SERVICE
from loadtest.traffic import Traffic

METHOD: Final = f"/{SERVICE}/Authorize"
TIMEOUT_S: Final = 10.0
SPIN_S: Final = 0.0005
"""The last moments before a request goes out are waited for awake: a timer of the system comes later than asked."""


async def measure(target: str, rate: float, seconds: float, cards: int, run: int) -> dict[str, Any]:
    """Latencies in milliseconds, from each request's intended time; codes; what went out late on our side."""
    count = int(rate * seconds)
    requests = Traffic(run, cards, run=run).serialized(count, int(time.time()))
    latencies_s = np.zeros(count)
    late_s = np.zeros(count)
    codes: Counter[str] = Counter()
    async with grpc.aio.insecure_channel(target) as channel:
        await channel.channel_ready()
        call = channel.unary_unary(METHOD)

        async def one(number: int, due_s: float) -> None:
            try:
                answer = await call(requests[number], timeout=TIMEOUT_S)
                codes[pb.AuthorizeResponse.FromString(answer).response_code] += 1
            except grpc.aio.AioRpcError as error:
                codes[error.code().name] += 1
            latencies_s[number] = time.perf_counter() - due_s

        tasks: list[asyncio.Task[None]] = []
        start_s = time.perf_counter() + 0.1
        for number in range(count):
            due_s = start_s + number / rate
            while (wait_s := due_s - time.perf_counter()) > 0:  # noqa: ASYNC110 - it waits for a time
                await asyncio.sleep(max(0.0, wait_s - SPIN_S))
            late_s[number] = time.perf_counter() - due_s
            tasks.append(asyncio.ensure_future(one(number, due_s)))
        await asyncio.gather(*tasks)
    return {
        "count": count,
        "p50_ms": _percentile_ms(latencies_s, 50),
        "p99_ms": _percentile_ms(latencies_s, 99),
        "p999_ms": _percentile_ms(latencies_s, 99.9),
        "late_p99_ms": _percentile_ms(late_s, 99),
        "codes": dict(sorted(codes.items())),
    }


def _percentile_ms(values_s: Sequence[float] | Any, percent: float) -> float:
    return round(float(np.percentile(values_s, percent)) * 1_000, 3)


def main() -> None:
    """Answer jobs until standard input ends."""
    for line in sys.stdin:
        sys.stdout.write(json.dumps(asyncio.run(measure(**json.loads(line)))) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
