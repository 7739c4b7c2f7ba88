"""
What was measured, as tables for people; the same dictionaries are the JSON for programs.

`python -m loadtest.report locust` is the whole of `make loadtest`: it starts Holdfast with a demo portfolio in a
throwaway home (or drives `--host`), lets Locust's users pay for half a minute, and prints p50, p95 and p99.
"""

import argparse
import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from rich.console import Console, Group
from rich.table import Table

from ledger.money import format_minor
from loadtest.circumstances import told
from loadtest.processes import HOST, ServerFailed, free_port, holdfast_command, running, scratch

LOCUSTFILE: Final = Path(__file__).with_name("locustfile.py")
READY_TIMEOUT_S: Final = 120.0
_LOCUST_GRACE_S: Final = 60.0
_LAST_ANSWERS_S: Final = 10
"""What is under way at the end is waited for, at most so long: the slowest answers are not cut off uncounted."""


def bench_table(result: dict[str, Any]) -> Group:
    """The cases of `bench.run`, a row each, and under it what makes a result invalid or doubtful."""
    options = result["options"]
    table = Table(
        title="Answers a second, Holdfast beside an empty server",
        title_justify="left",
        box=None,
        pad_edge=False,
        collapse_padding=True,
    )
    table.add_column("case", no_wrap=True)
    for name in ("Holdfast", "empty", "ratio", "bar", "00", "client", "server", "valid"):
        table.add_column(name, justify="right", overflow="fold")
    for case in result["cases"]:
        ratio = "" if case["ratio"] is None else f"{case['ratio']:.1%}"
        server_cpu = case["server_cpu"]["holdfast"]
        table.add_row(
            case["case"],
            f"{case['holdfast_per_s']:,.0f}",
            f"{case['empty_per_s']:,.0f}",
            ratio,
            _bar(case),
            f"{case['approved_share']:.1%}",
            f"{case['client_cpu']['holdfast']:.2f}",
            "" if server_cpu is None else f"{server_cpu:.2f}",
            "yes" if case["valid"] else "[red]no[/red]",
        )
    circumstances = (
        f"{options['cards']:,} cards, ledger {options['ledger']}, {options['fronts']} fronts\n{told(result)}"
    )
    return Group(table, _caption(result["cases"], circumstances))


def _bar(case: dict[str, Any]) -> str:
    return "" if case["bar"] is None else f"{'≥' if case['passes'] else '[red]<[/red]'} {case['bar']:.0%}"


def _caption(cases: Sequence[dict[str, Any]], circumstances: str) -> str:
    remarks = [
        f"{case['case']}: {remark}"
        for case in cases
        for remark in (
            _codes_text(case["codes"]),
            *_beside_many(case),
            *case["reasons"],
            *case["warnings"],
        )
    ]
    return "\n".join([circumstances, *remarks])


def _beside_many(case: dict[str, Any]) -> list[str]:
    """How it stands beside as many empty servers as there are fronts."""
    if case["ratio_to_empties"] is None:
        return []
    return [
        f"as many empty servers as fronts {case['empties_per_s']:,.0f}/s: {case['ratio_to_empties']:.1%} of them"
    ]


def _codes_text(codes: dict[str, int]) -> str:
    return "answers " + ", ".join(f"{code} {count:,}" for code, count in codes.items())


def replay_table(summary: dict[str, Any], currency: str = "USD") -> Table:
    """What `replay.summarize` says, a line each."""

    def rows(name: str) -> str:
        part = summary[name]
        return f"{part['count']:,} for {format_minor(part['amount_minor'], currency)} {currency}"

    table = Table(title=f"Replay of {summary['rows']:,} rows ({summary['history']})", show_header=False)
    table.add_row("answered", f"{summary['answered']:,} in {summary['elapsed_s']:,.1f} s")
    table.add_row("authorizations/s", f"{summary['authorizations_per_s']:,.0f}")
    latencies = [
        f"{name.replace('_', '.')} {value:,.1f}"
        for name, value in summary["latency_ms"].items()
        if value is not None
    ]
    table.add_row("latency in ms, of this window", ", ".join(latencies))
    table.add_row(
        "answers by code", ", ".join(f"{code}: {count:,}" for code, count in summary["codes"].items())
    )
    table.add_row("fraud caught", rows("fraud_caught"))
    table.add_row("fraud missed", rows("fraud_missed"))
    table.add_row("false positives", f"{rows('false_positives')}, of {rows('genuine')} genuine")
    if summary["breaks"]:
        checked = f"{summary['rechecked']:,} answers asked for again, {summary['mismatched']:,} differed"
        table.add_row("breaks of the link", f"{summary['breaks']:,}; {checked}")
    for fault in summary["faults"]:
        table.add_row("refused as bad", fault)
    if summary.get("labels"):
        labels = summary["labels"]
        table.add_row("labels told", f"{labels['told']:,} of {labels['due']:,} that were due")
        for refused in labels["refused"]:
            table.add_row("label refused", refused)
    return table


@dataclass(frozen=True)
class LocustOptions:
    """What `make loadtest` may be told. `host` is a running server (host:port); None starts one."""

    host: str | None = None
    cards: int = 10_000
    users: int = 50
    seconds: int = 30
    shape: str = ""
    """HOLDFAST_SHAPE of `locustfile`."""


def run_locust(options: LocustOptions) -> list[dict[str, Any]]:
    """
    Runs Locust headless; one entry a kind of answer, the last one over all.

    Raises `ServerFailed` where the server doesn't come up or Locust ends badly.
    """
    with ExitStack() as stack:
        folder = stack.enter_context(scratch("locust"))
        host = options.host
        if host is None:
            port = free_port()
            host = f"{HOST}:{port}"
            environment = {"HOLDFAST_HOME": str(folder / "home")}
            stack.enter_context(
                running(
                    holdfast_command(port, options.cards),
                    host,
                    folder / "server.log",
                    ready_timeout_s=READY_TIMEOUT_S,
                    environment=environment,
                )
            )
        _drive(options, host, folder)
        return read_locust(folder / "locust.json")


def _drive(options: LocustOptions, host: str, folder: Path) -> None:
    command = [
        *(sys.executable, "-m", "locust", "--locustfile", str(LOCUSTFILE), "--host", host, "--headless"),
        *(
            "--users",
            str(options.users),
            "--spawn-rate",
            str(options.users),
            "--run-time",
            f"{options.seconds}s",
            "--stop-timeout",
            f"{_LAST_ANSWERS_S}s",
        ),
        *("--only-summary", "--json-file", str(folder / "locust"), "--exit-code-on-error", "0"),
    ]
    log = folder / "locust.log"
    with log.open("wb") as output:
        done = subprocess.run(
            command,
            stdout=output,
            stderr=subprocess.STDOUT,
            check=False,
            timeout=options.seconds + _LOCUST_GRACE_S,
            env={
                **os.environ,
                "HOLDFAST_LOADTEST_CARDS": str(options.cards),
                "HOLDFAST_SHAPE": options.shape,
            },
        )
    if done.returncode:
        raise ServerFailed(
            f"Locust ended with {done.returncode}:\n{log.read_text(errors='replace')[-2_000:]}"
        )


def read_locust(stats: Path) -> list[dict[str, Any]]:
    """Locust's statistics file (JSON) as entries with requests, failures, requests/s and latencies in ms."""
    kinds = json.loads(stats.read_text())
    entries = [_locust_entry(kind["name"], [kind]) for kind in kinds]
    return [*entries, _locust_entry("all", kinds)]


def _locust_entry(name: str, kinds: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """One entry over several kinds of requests. Locust keeps latencies as a histogram over rounded milliseconds."""
    histogram: Counter[float] = Counter()
    for kind in kinds:
        histogram.update({float(latency): count for latency, count in kind["response_times"].items()})
    latencies = np.repeat(list(histogram), list(histogram.values()))
    requests = sum(kind["num_requests"] for kind in kinds)
    seconds = max((kind["last_request_timestamp"] or 0.0 for kind in kinds), default=0.0) - min(
        (kind["start_time"] for kind in kinds), default=0.0
    )
    return {
        "name": name,
        "requests": requests,
        "failures": sum(kind["num_failures"] for kind in kinds),
        "requests_per_s": requests / seconds if requests and seconds > 0 else 0.0,
        **{
            f"latency_ms_{label}": float(np.percentile(latencies, share, method="higher"))
            if latencies.size
            else None
            for label, share in (("p50", 50), ("p95", 95), ("p99", 99), ("max", 100))
        },
    }


def locust_table(entries: Sequence[dict[str, Any]]) -> Table:
    """What Locust saw, a row for each code that was answered."""
    table = Table(
        title="Locust: unary Authorize, closed loop", caption="latencies in ms, as Locust's users saw them"
    )
    table.add_column("answer")
    for name in ("requests", "failures", "/s", "p50", "p95", "p99", "max"):
        table.add_column(name, justify="right")
    for entry in entries:
        latencies = (entry[f"latency_ms_{name}"] for name in ("p50", "p95", "p99", "max"))
        table.add_row(
            entry["name"],
            f"{entry['requests']:,}",
            f"{entry['failures']:,}",
            f"{entry['requests_per_s']:,.1f}",
            *("" if latency is None else f"{latency:,.0f}" for latency in latencies),
        )
    return table


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line; returns the exit code: 1 where nothing was answered, or some calls failed."""
    parser = argparse.ArgumentParser(
        prog="python -m loadtest.report", description="Load Holdfast, tell the times."
    )
    commands = parser.add_subparsers(dest="command", required=True)
    locust = commands.add_parser("locust", help="run the Locust users headless")
    defaults = LocustOptions()
    locust.add_argument(
        "--host", help="a running server as host:port; without it one is started and thrown away"
    )
    locust.add_argument("--cards", type=int, default=defaults.cards, help="demo cards on the server")
    locust.add_argument(
        "--users", type=int, default=defaults.users, help="each makes up to ten payments a second"
    )
    locust.add_argument("--seconds", type=int, default=defaults.seconds)
    locust.add_argument(
        "--shape",
        default=os.environ.get("HOLDFAST_SHAPE", ""),
        help="steady, ramp or spike; hot_card, hot_merchant, repeats; several by commas",
    )
    locust.add_argument("--json", action="store_true", help="print JSON instead of a table")
    given = vars(parser.parse_args(arguments))
    as_json = given.pop("json")
    del given["command"]
    options = LocustOptions(**given)
    try:
        entries = run_locust(options)
    except ServerFailed as error:
        print(error, file=sys.stderr)
        return 1
    if as_json:
        print(json.dumps(entries))
    else:
        Console().print(locust_table(entries))
    overall = entries[-1]
    return 0 if overall["requests"] and not overall["failures"] else 1


if __name__ == "__main__":
    sys.exit(main())
