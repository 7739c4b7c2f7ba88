"""How fast flagged transfers are worked through beside a running server, and whether authorization notices."""

import asyncio
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from zlib import crc32

from loadtest.figure import Figure
from loadtest.processes import HOST, cpu_s, free_port, holdfast_command, running, scratch, stop
from server.cli.flagged_past import write_flagged_past
from server.keys import Keys
from server.store.database import Database

READY_TIMEOUT_S: Final = 300.0
RULES_BAR: Final = 200.0
MODEL_BAR: Final = 50.0
P99_BAR: Final = 1.05
_REMAINING: Final = (
    "SELECT count(*) FROM transfers WHERE NOT EXISTS (SELECT FROM reviews WHERE source_id = transfers.id)"
)
_DONE: Final = "SELECT count(*) FROM flagged WHERE state = 'done'"


@dataclass(frozen=True)
class ReviewOptions:
    """What is measured on."""

    transfers: int = 10_000
    cards: int = 10_000
    rate: float = 300.0  # authorizations a second
    seconds: float = 8.0  # of one measurement of latency
    rounds: int = 5  # with and without the worker, in turns


class _Worker:
    """`holdfast comply` as a process."""

    def __init__(self, home: Path, log: Path, model_base_url: str) -> None:
        environment = {**os.environ, "HOLDFAST_HOME": str(home)}
        if model_base_url:
            environment |= {
                "HOLDFAST_COMPLIANCE_MODEL": "stand-in-instant",
                "HOLDFAST_COMPLIANCE_MODEL_BASE_URL": model_base_url,
            }
        with log.open("ab") as output:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "server.cli", "comply", "--port", "0", "--metrics-port", "0"],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                env=environment,
            )

    def stop(self) -> None:
        stop(self.process)


class _Client:
    """The paced client."""

    def __init__(self, target: str, options: ReviewOptions) -> None:
        self._job = {
            "target": target,
            "rate": options.rate,
            "seconds": options.seconds,
            "cards": options.cards,
        }
        self._runs = 0
        self.process = subprocess.Popen(
            [sys.executable, "-m", "loadtest.paced"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def measure(self) -> dict[str, Any]:
        """One run."""
        self._runs += 1
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(json.dumps({**self._job, "run": self._runs}) + "\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        if not line:
            raise RuntimeError("the measuring client has ended")
        found: dict[str, Any] = json.loads(line)
        return found


def review_figures(options: ReviewOptions, told: Callable[[str], None]) -> dict[str, Any]:
    """The figures, each beside its bar. Raises RuntimeError where a process is lost."""
    with ExitStack() as stack:
        folder = stack.enter_context(scratch("bench"))
        home = folder / "home"
        port = free_port()
        told("starting the server")
        server = stack.enter_context(
            running(
                holdfast_command(port, options.cards),
                f"{HOST}:{port}",
                folder / "server.log",
                ready_timeout_s=READY_TIMEOUT_S,
                environment={"HOLDFAST_HOME": str(home)},
            )
        )
        client = _Client(f"{HOST}:{port}", options)
        stack.callback(client.process.kill)
        client.measure()  # warm
        rules = _side(options, home, folder, client, told, "rules", "")
        with _stand_in() as base_url:
            model = _side(options, home, folder, client, told, "an instant model", base_url)
        server_cpu_s = cpu_s(server.pid)
    figures = [
        ("throughput", Figure("on rules", "reviews/s", rules["rate"], RULES_BAR, is_floor=True, digits=0)),
        ("throughput", Figure("with a model", "reviews/s", model["rate"], MODEL_BAR, is_floor=True, digits=0)),
        ("authorization", Figure("p99 with rules", "of p99 alone", rules["p99"], P99_BAR, is_floor=False, digits=3)),
        ("authorization", Figure("p99 with a model", "of p99 alone", model["p99"], P99_BAR, is_floor=False, digits=3)),
    ]  # fmt: skip
    return {
        "figures": [{"part": part, **figure.document()} for part, figure in figures],
        "details": {"rules": rules, "model": model, "server_cpu_s": server_cpu_s},
        "passes": all(figure.passes for _, figure in figures),
    }


def _side(
    options: ReviewOptions,
    home: Path,
    folder: Path,
    client: _Client,
    told: Callable[[str], None],
    name: str,
    base_url: str,
) -> dict[str, Any]:
    """One kind of worker: latencies with and without it in turns, and its rate over the time it worked."""
    told(f"writing {options.transfers:,} flagged transfers")
    asyncio.run(_seed(home, options, name))
    alone, beside = [], []
    worked_s, done = 0.0, 0
    log = folder / f"comply-{'model' if base_url else 'rules'}.log"
    for number in range(options.rounds):
        told(f"round {number + 1} of {options.rounds}, {name}")
        alone.append(client.measure())
        worker = _Worker(home, log, base_url)
        try:
            began = asyncio.run(_count_past(home, worker, log))
            at = time.monotonic()
            beside.append(client.measure())
            rest = asyncio.run(_one(home, _REMAINING))
            done += asyncio.run(_one(home, _DONE)) - began
            worked_s += time.monotonic() - at
            if not rest:
                break
        finally:
            worker.stop()
    ratio = statistics.median(run["p99_ms"] for run in beside) / statistics.median(
        run["p99_ms"] for run in alone
    )
    whole = asyncio.run(_work_through(home, log, base_url, told))
    return {
        "rate": done / worked_s,
        "p99": ratio,
        "alone": alone,
        "beside": beside,
        "rest": whole,
    }


async def _seed(home: Path, options: ReviewOptions, run: str) -> None:
    keys = Keys.open(home)
    async with Database.at(home, None) as database:
        await write_flagged_past(
            database, keys, options.transfers, options.cards, seed=crc32(run.encode()), run=run
        )


async def _one(home: Path, sql: str) -> int:
    async with Database.at(home, None) as database, database.acquire() as connection:
        return int(await connection.fetchval(sql))


async def _count_past(home: Path, worker: _Worker, log: Path) -> int:
    """How many were done when this worker had done its first."""
    async with Database.at(home, None) as database, database.acquire() as connection:
        before = int(await connection.fetchval(_DONE))
        async with asyncio.timeout(READY_TIMEOUT_S):
            while (now := int(await connection.fetchval(_DONE))) == before:
                if worker.process.poll() is not None:
                    raise RuntimeError(f"the worker has ended: {log}")
                await asyncio.sleep(0.05)
        return now


async def _work_through(home: Path, log: Path, base_url: str, told: Callable[[str], None]) -> dict[str, Any]:
    """What is left, worked through; nothing may be left over."""
    worker = _Worker(home, log, base_url)
    try:
        async with Database.at(home, None) as database, database.acquire() as connection:
            before = int(await connection.fetchval(_REMAINING))
            began = time.monotonic()
            async with asyncio.timeout(READY_TIMEOUT_S * 4):
                while rest := int(await connection.fetchval(_REMAINING)):
                    told(f"{rest:,} left")
                    if worker.process.poll() is not None:
                        raise RuntimeError(f"the worker has ended: {log}")
                    await asyncio.sleep(1.0)
            cases = int(await connection.fetchval("SELECT count(*) FROM cases"))
            flagged = int(await connection.fetchval("SELECT count(*) FROM flagged"))
            if cases != flagged:
                raise RuntimeError(f"{flagged:,} flagged transfers, but {cases:,} cases")
            return {"left": before, "seconds": round(time.monotonic() - began, 1), "cases": cases}
    finally:
        worker.stop()


@contextmanager
def _stand_in() -> Iterator[str]:
    """A language model's stand-in that answers at once; its base URL."""
    port = free_port()
    process = subprocess.Popen(
        [sys.executable, "-m", "loadtest.chat_stand_in", "--port", str(port), "--manner", "instant"],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        if "ready on" not in process.stdout.readline():
            raise RuntimeError("the model's stand-in did not start")
        yield f"http://{HOST}:{port}/v1"
    finally:
        stop(process)  # type: ignore[arg-type]  # a Popen of text
