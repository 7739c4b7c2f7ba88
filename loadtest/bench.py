"""
Holdfast beside the empty server, in turns on the same machine in the same minutes: both rates and their ratio.

Rates on a shared machine drift by tens of percent; a ratio of two servers measured in turns doesn't. Every round
measures each case on both, the order swapped from round to round; what counts is the median of the rounds. A result is
valid only where at least 95 % of Holdfast's answers are approvals (00), everything sent was answered, and the client
was not the limit.
"""

import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import IO, Any, Final

from loadtest.closed_loop import LINK, UNARY, Case
from loadtest.processes import HOST, empty_server_command, free_port, holdfast_command, running

APPROVED_SHARE_MIN: Final = 0.95
CLIENT_CPU_MAX: Final = 0.95
"""Cores. A client of one thread that uses more of one is itself the limit."""

OTHER_CPU_MAX: Final = 0.25
"""Cores used by neither client nor server; above it a result carries a warning, since the ratio may be skewed."""

SUPPLY_SHARE_MIN: Final = 0.5
"""A run that sent all it had in less of its time than this says too little."""

READY_TIMEOUT_S: Final = 300.0

CASES: Final = (
    Case("unary", UNARY, connections=4, in_flight=32),
    Case("link, frames of 1, one link", LINK, connections=1, in_flight=64),
    Case("link, frames of 1, four links", LINK, connections=4, in_flight=64),
    Case("link, frames of 32, one link", LINK, connections=1, in_flight=256, frame_messages=32),
    Case("link, frames of 32, four links", LINK, connections=4, in_flight=256, frame_messages=32),
)


@dataclass(frozen=True)
class BenchOptions:
    """What to measure. `home` keeps Holdfast's state between benches; None makes a fresh one and throws it away."""

    cards: int = 200_000
    seconds: float = 5.0
    rounds: int = 3
    seed: int = 7
    home: Path | None = None
    cases: Sequence[Case] = CASES

    def __post_init__(self) -> None:
        if self.cards < 1 or self.rounds < 1 or self.seconds <= 0 or not self.cases:
            raise ValueError("a bench needs at least one card, one round, one case and some seconds")


class Client:
    """The measuring client's process, by question and answer (see `closed_loop.answer_jobs`)."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        assert process.stdin is not None, "the client is started with pipes"
        assert process.stdout is not None, "the client is started with pipes"
        self._jobs: IO[str] = process.stdin
        self._results: IO[str] = process.stdout

    def ask(self, **job: Any) -> dict[str, Any]:
        """Does one job. Raises `RuntimeError` where the client died over it or lost its server."""
        self._jobs.write(json.dumps(job) + "\n")
        self._jobs.flush()
        line = self._results.readline()
        if not line:
            raise RuntimeError("the measuring client ended; its own error stands above")
        result: dict[str, Any] = json.loads(line)
        if "error" in result:
            raise RuntimeError(f"the measuring client lost its server: {result['error']}")
        return result

    @classmethod
    @contextmanager
    def running(cls) -> Iterator["Client"]:
        """A client process that ends with the block."""
        command = [sys.executable, "-m", "loadtest.closed_loop"]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
            try:
                yield cls(process)
            finally:
                if process.stdin is not None:
                    process.stdin.close()


@dataclass(frozen=True)
class Side:
    """One of the two servers. The empty one keeps nothing, so the same messages may be sent to it again."""

    name: str
    target: str
    pid: int
    cycle: bool


HOLDFAST: Final = "holdfast"
EMPTY: Final = "empty"


def run(options: BenchOptions, progress: Callable[[str], None] | None = None) -> dict[str, Any]:
    """
    Measures everything and returns it ready for JSON; `progress` hears one sentence a step.

    Raises `ServerFailed` where a server doesn't come up, `RuntimeError` where one is lost.
    """
    tell = progress or _unheard
    with ExitStack() as stack:
        logs = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="holdfast-bench-")))
        home = options.home or logs / "home"
        home.mkdir(parents=True, exist_ok=True)
        tell(f"starting Holdfast with {options.cards:,} cards, and the empty server")
        sides = [
            _start(stack, HOLDFAST, lambda port: holdfast_command(port, options.cards), logs, home),
            _start(stack, EMPTY, empty_server_command, logs, home),
        ]
        client = stack.enter_context(Client.running())
        cases = measure_in_turns(client, sides, options, tell)
    return {**_circumstances(), **_shown(options), "cases": cases}


def measure_in_turns(
    client: Client, sides: Sequence[Side], options: BenchOptions, tell: Callable[[str], None]
) -> list[dict[str, Any]]:
    """All rounds of all cases, in turns between two running servers; one result a case (see `judge`)."""
    runs: dict[str, dict[str, list[dict[str, Any]]]] = {
        case.name: {side.name: [] for side in sides} for case in options.cases
    }
    number = 0
    for round_number in range(options.rounds):
        for case in options.cases:
            number += 1
            messages = int(options.seconds * _supply_rate(case))
            client.ask(
                prepare={
                    "case": asdict(case),
                    "seed": options.seed + number,
                    "cards": options.cards,
                    "run": number,
                    "messages": messages,
                }
            )
            for side in sides if round_number % 2 == 0 else reversed(sides):
                measured = client.ask(
                    measure={
                        "target": side.target,
                        "seconds": options.seconds,
                        "server_pid": side.pid,
                        "cycle": side.cycle,
                    }
                )
                runs[case.name][side.name].append(measured)
                rate = f"{measured['rate']:,.0f}/s"
                tell(f"round {round_number + 1} of {options.rounds}, {case.name}: {side.name} {rate}")
    return [judge(case, runs[case.name], options.seconds) for case in options.cases]


def judge(case: Case, runs: dict[str, list[dict[str, Any]]], seconds: float) -> dict[str, Any]:
    """
    One case's result from its rounds: median rates, ratio, answers by code, CPUs, and whether it is valid.

    `runs` holds `closed_loop.Measurement`s as dictionaries, by side. `reasons` says what makes a result invalid,
    `warnings` what makes it doubtful.
    """
    rates = {side: statistics.median(run["rate"] for run in measured) for side, measured in runs.items()}
    codes: Counter[str] = Counter()
    for run_ in runs[HOLDFAST]:
        codes.update(run_["codes"])
    answered = codes.total()
    approved_share = codes["00"] / answered if answered else 0.0
    reasons, warnings = [], []
    if approved_share < APPROVED_SHARE_MIN:
        reasons.append(f"only {approved_share:.1%} of Holdfast's answers are 00")
    for side, measured in runs.items():
        unanswered = sum(run_["unanswered"] for run_ in measured)
        if unanswered:
            reasons.append(f"{unanswered:,} messages to {side} were never answered")
        client_cpu = max(run_["client_cpu"] for run_ in measured)
        if client_cpu >= CLIENT_CPU_MAX:
            reasons.append(f"the client was the limit against {side}: it used {client_cpu:.2f} of one core")
        if min(run_["elapsed_s"] for run_ in measured) < seconds * SUPPLY_SHARE_MIN:
            reasons.append(f"{side} answered all there was to send in less than half of the time")
        other_cpu = max(run_["other_cpu"] or 0.0 for run_ in measured)
        if side == EMPTY and other_cpu > OTHER_CPU_MAX:
            warnings.append(f"others used {other_cpu:.2f} cores beside {side}: measure on a quiet machine")
    return {
        "case": case.name,
        **{key: value for key, value in asdict(case).items() if key != "name"},
        "holdfast_per_s": rates[HOLDFAST],
        "empty_per_s": rates[EMPTY],
        "ratio": rates[HOLDFAST] / rates[EMPTY] if rates[EMPTY] else None,
        "codes": dict(codes.most_common()),
        "approved_share": approved_share,
        "client_cpu": {side: _median(measured, "client_cpu") for side, measured in runs.items()},
        "server_cpu": {side: _median(measured, "server_cpu") for side, measured in runs.items()},
        "other_cpu": {side: _median(measured, "other_cpu") for side, measured in runs.items()},
        "rounds": {side: [run_["rate"] for run_ in measured] for side, measured in runs.items()},
        "valid": not reasons,
        "reasons": reasons,
        "warnings": warnings,
    }


def _median(measured: Sequence[dict[str, Any]], name: str) -> float | None:
    values = [run_[name] for run_ in measured if run_[name] is not None]
    return statistics.median(values) if values else None


def _supply_rate(case: Case) -> int:
    """Messages a second for which a supply is made; more than Holdfast can answer on this path."""
    if case.method == UNARY:
        return 20_000
    return 40_000 if case.frame_messages == 1 else 120_000


def _start(stack: ExitStack, name: str, command: Callable[[int], list[str]], logs: Path, home: Path) -> Side:
    port = free_port()
    target = f"{HOST}:{port}"
    process = stack.enter_context(
        running(
            command(port),
            target,
            logs / f"{name}.log",
            ready_timeout_s=READY_TIMEOUT_S,
            environment={"HOLDFAST_HOME": str(home)},
        )
    )
    return Side(name, target, process.pid, cycle=name == EMPTY)


def _unheard(_step: str) -> None:
    """Progress that nobody asked for."""


def _shown(options: BenchOptions) -> dict[str, Any]:
    names = ("cards", "seconds", "rounds", "seed")
    return {"options": {name: getattr(options, name) for name in names}}


def _circumstances() -> dict[str, Any]:
    """Machine, versions, commit and date: what a figure is worth nothing without."""
    packages = ("holdfast", "grpcio", "protobuf", "uvloop", "numpy", "numba", "lightgbm")
    return {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "commit": _commit(),
        "machine": {
            "processor": _processor(),
            "cores": os.cpu_count(),
            "system": f"{platform.system()} {platform.release()}",
        },
        "versions": {
            "python": platform.python_version(),
            **{name: metadata.version(name) for name in packages},
        },
    }


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def _commit() -> str | None:
    """The checked-out commit, with `+` where files differ from it; None outside a checkout."""
    here = Path(__file__).parent
    try:
        commit = _git(here, "rev-parse", "--short=12", "HEAD")
        return commit + ("+" if _git(here, "status", "--porcelain", "--untracked-files=no") else "")
    except (OSError, subprocess.CalledProcessError):
        return None


def _git(folder: Path, *arguments: str) -> str:
    command = ["git", "-C", str(folder), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
