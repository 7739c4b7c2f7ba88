"""
Holdfast beside the empty server, in turns on the same machine in the same minutes: both rates and their ratio.

Rates on a shared machine drift by tens of percent; a ratio of two servers measured in turns doesn't. Every round
measures each case on both, the order swapped from round to round; what counts is the median of the rounds. A result is
valid only where at least 95 % of Holdfast's answers are approvals (00), everything sent was answered, and the client
was not the limit.
"""

import json
import statistics
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, Any, Final

from loadtest.circumstances import circumstances
from loadtest.closed_loop import LINK, UNARY, Case
from loadtest.sides import EMPTY, HOLDFAST, LEDGERS, Side, folder_of, start_empty, start_holdfast
from loadtest.stages import catch_up

APPROVED_SHARE_MIN: Final = 0.95
CLIENT_CPU_MAX: Final = 0.95
"""Cores. A client of one thread that uses more of one is itself the limit."""

OTHER_CPU_MAX: Final = 0.25
"""Cores used by neither client nor server; above it a result carries a warning, since the ratio may be skewed."""

LATE_S: Final = 1.0
"""What comes to PostgreSQL later than this is told."""

SUPPLY_SHARE_MIN: Final = 0.5
"""A run that sent all it had in less of its time than this says too little."""

CASES: Final = (
    Case("unary", UNARY, connections=4, in_flight=32),
    Case("link, frames of 1, one link", LINK, connections=1, in_flight=64),
    Case("link, frames of 1, four links", LINK, connections=4, in_flight=64),
    Case("link, frames of 32, one link", LINK, connections=1, in_flight=256, frame_messages=32),
    Case("link, frames of 32, four links", LINK, connections=4, in_flight=256, frame_messages=32),
    # Four times as much in flight: nearer to the most that can be had, at the price of latency.
    Case(
        "link, frames of 32, four links, 1,024 each", LINK, connections=4, in_flight=1_024, frame_messages=32
    ),
)

BARS: Final = {
    ("embedded", "unary"): 0.55,
    ("embedded", "link, frames of 1, four links"): 0.50,
    ("embedded", "link, frames of 32, four links"): 0.18,
    ("tigerbeetle", "unary"): 0.40,
    ("tigerbeetle", "link, frames of 32, four links"): 0.13,
}
"""What a case's ratio to one empty server must be, by the ledger; the others have no bar."""

MANY_EMPTY: Final = "empties"
"""As many empty servers as Holdfast has fronts."""


@dataclass(frozen=True)
class BenchOptions:
    """
    What to measure. `home` keeps Holdfast's state between benches; None makes a fresh one and throws it away.

    With `fronts`, as many empty servers together are measured beside the single one.
    """

    cards: int = 200_000
    seconds: float = 5.0
    rounds: int = 3
    seed: int = 7
    home: Path | None = None
    cases: Sequence[Case] = CASES
    ledger: str = LEDGERS[0]
    fronts: int = 0

    def __post_init__(self) -> None:
        if self.ledger not in LEDGERS or self.fronts < 0:
            raise ValueError(f"a ledger of {', '.join(LEDGERS)} and no fewer than 0 fronts")
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
    def running(cls, module: str = "loadtest.closed_loop") -> Iterator["Client"]:
        """A client process that ends with the block; `module` says which client."""
        command = [sys.executable, "-m", module]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
            try:
                yield cls(process)
            finally:
                if process.stdin is not None:
                    process.stdin.close()


def run(options: BenchOptions, progress: Callable[[str], None] | None = None) -> dict[str, Any]:
    """
    Measures everything and returns it ready for JSON; `progress` hears one sentence a step.

    Raises `ServerFailed` where a server doesn't come up, `RuntimeError` where one is lost.
    """
    tell = progress or _unheard
    with ExitStack() as stack:
        folder = folder_of(stack)
        tell(f"starting Holdfast with {options.cards:,} cards, and the empty server")
        sides = [
            start_holdfast(
                stack,
                folder,
                cards=options.cards,
                ledger=options.ledger,
                fronts=options.fronts,
                home=options.home,
            ),
            start_empty(stack, folder),
        ]
        if options.fronts:
            sides.append(start_empty(stack, folder, processes=options.fronts, name=MANY_EMPTY))
        client = stack.enter_context(Client.running())
        cases = measure_in_turns(client, sides, options, tell)
    return {**circumstances(), **_shown(options), "cases": cases, "passes": passes(cases)}


def passes(cases: Sequence[dict[str, Any]]) -> bool:
    """Whether every case is valid, and every bar is reached."""
    return all(case["valid"] and case["passes"] is not False for case in cases)


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
                        "targets": side.targets,
                        "seconds": options.seconds,
                        "server_pids": side.pids,
                        "mark": side.mark,
                        "cycle": side.cycle,
                    }
                )
                late_s = catch_up(side)  # the next one is to have the machine for itself
                runs[case.name][side.name].append({**measured, "late_s": late_s})
                late = f", its last row in PostgreSQL {late_s:.1f} s later" if late_s > LATE_S else ""
                rate = f"{side.name} {measured['rate']:,.0f}/s{late}"
                tell(f"round {round_number + 1} of {options.rounds}, {case.name}: {rate}")
    return [judge(case, runs[case.name], options.seconds, options.ledger) for case in options.cases]


def judge(
    case: Case, runs: dict[str, list[dict[str, Any]]], seconds: float, ledger: str = LEDGERS[0]
) -> dict[str, Any]:
    """
    One case's result from its rounds: median rates, ratio beside its bar, answers by code, CPUs, and whether it is valid.

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
    ratio = rates[HOLDFAST] / rates[EMPTY] if rates[EMPTY] else None
    bar = BARS.get((ledger, case.name))
    many = rates.get(MANY_EMPTY)
    return {
        "case": case.name,
        **{key: value for key, value in asdict(case).items() if key != "name"},
        "holdfast_per_s": rates[HOLDFAST],
        "empty_per_s": rates[EMPTY],
        "ratio": ratio,
        "bar": bar,
        "passes": None if bar is None else ratio is not None and ratio >= bar,
        "empties_per_s": many,
        "ratio_to_empties": rates[HOLDFAST] / many if many else None,
        "codes": dict(codes.most_common()),
        "approved_share": approved_share,
        "client_cpu": {side: _median(measured, "client_cpu") for side, measured in runs.items()},
        "server_cpu": {side: _median(measured, "server_cpu") for side, measured in runs.items()},
        "other_cpu": {side: _median(measured, "other_cpu") for side, measured in runs.items()},
        "last_row_late_s": _median(runs[HOLDFAST], "late_s"),
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


def _unheard(_step: str) -> None:
    """Progress that nobody asked for."""


def _shown(options: BenchOptions) -> dict[str, Any]:
    names = ("cards", "seconds", "rounds", "seed", "ledger", "fronts")
    return {"options": {name: getattr(options, name) for name in names}}
