"""
Where the time goes: a server's own stages, its processes' threads and its Python objects, over one span and by the request.

The stages are the server's own sums (its metrics); CPU and switches come from /proc, by thread. A thread that is switched
away from often waits often: for the disk, for the network, or for the interpreter's lock.
"""

import re
import time
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from loadtest.sides import Side
from loadtest.usage import ThreadUsage, family, processes, threads, usage

Metrics = Mapping[tuple[str, str], float]
"""Values by name and the text of their labels."""

_LINE: Final = re.compile(r"^(\w+)(?:\{(.*)\})? (\S+)", re.MULTILINE)
_LABEL: Final = re.compile(r'(\w+)="([^"]*)"')
_TIMEOUT_S: Final = 10.0
_DEPTH: Final = ("holdfast_journal_depth", "")
_CAUGHT_UP_S: Final = 60.0
_LOOK_S: Final = 0.1
_REST_S: Final = 3.0
_REST_CORES: Final = 0.1
_AT_REST_S: Final = 900.0
_CPU_US_MIN: Final = 0.5
"""Threads that take less of a request are told together."""


def read_metrics(text: str) -> dict[tuple[str, str], float]:
    """A page of Prometheus' text format."""
    return {(name, labels): float(value) for name, labels, value in _LINE.findall(text)}


def scrape(url: str | None) -> dict[tuple[str, str], float]:
    """What a server tells now; nothing where it has no metrics. Raises OSError."""
    if url is None:
        return {}
    with urllib.request.urlopen(url, timeout=_TIMEOUT_S) as answer:  # noqa: S310 - an URL of our own
        return read_metrics(answer.read().decode())


def catch_up(side: Side) -> float:
    """
    Wait until a server has done what it put off while it answered; how many seconds that took.

    Raises OSError, and RuntimeError where it took too long.
    """
    began_s = time.monotonic()
    while scrape(side.metrics).get(_DEPTH, 0):
        if time.monotonic() - began_s > _CAUGHT_UP_S:
            raise RuntimeError(f"{side.name} has not brought all rows to PostgreSQL in {_CAUGHT_UP_S:g} s")
        time.sleep(_LOOK_S)
    return time.monotonic() - began_s


def come_to_rest(side: Side) -> float:
    """
    Wait until a server nobody asks is at rest: what its start left to do, its PostgreSQL's too, is done; how many seconds that took.

    At rest it uses less than a tenth of a core for 3 s. Raises RuntimeError where it took too long.
    """
    began_s = time.monotonic()
    while True:
        before, since_s = usage(family(side.pids, side.mark)), time.monotonic()
        time.sleep(_REST_S)
        spent = usage(family(side.pids, side.mark)) - before
        now_s = time.monotonic()
        if (spent.cpu_s or 0.0) < _REST_CORES * (now_s - since_s):
            return now_s - began_s
        if now_s - began_s > _AT_REST_S:
            raise RuntimeError(f"{side.name} has not come to rest in {_AT_REST_S:g} s")


@dataclass(frozen=True)
class Glance:
    """What a server had used at one moment."""

    metrics: Metrics
    threads: Mapping[tuple[str, str], ThreadUsage]
    processes: Mapping[int, tuple[str, float]] = field(default_factory=dict)

    @classmethod
    def at(cls, side: Side) -> "Glance":
        """Now."""
        metrics = scrape(side.metrics)  # first: a scrape has the server name its threads
        pids = family(side.pids, side.mark)
        return cls(metrics, threads(pids), processes(pids))


def profile(before: Glance, after: Glance, requests: int) -> dict[str, Any]:
    """
    What `requests` took between two moments, ready for JSON: microseconds a request by stage and by thread.

    `stages` are wall time of the core's turns, shared by those in them; they are no CPU. `batch_mean` is how many
    requests a turn had.
    """
    turns = _grown(before, after, "holdfast_turns_total")
    return {
        "requests": requests,
        "batch_mean": requests / turns if turns else None,
        "stages": [
            {"stage": labels["stage"], "us_per_request": seconds * 1e6 / requests}
            for labels, seconds in _labelled(before, after, "holdfast_stage_seconds_sum")
        ],
        "threads": _threads(before, after, requests),
        "front_imbalance": _front_imbalance(before, after),
    }


def _front_imbalance(before: Glance, after: Glance) -> float | None:
    """CPU of the busiest front beside their mean, 1 where all did the same; None where there are none."""
    used = [
        cpu_s - before.processes[pid][1]
        for pid, (kind, cpu_s) in after.processes.items()
        if kind == "front" and pid in before.processes
    ]
    return max(used) * len(used) / sum(used) if sum(used) else None


def _threads(before: Glance, after: Glance, requests: int) -> list[dict[str, Any]]:
    """The busiest first; those that take next to nothing together at the end."""
    told = []
    rest = ThreadUsage(0.0, 0)
    for name, now in after.threads.items():
        then = before.threads.get(name, ThreadUsage(0.0, 0))
        used = ThreadUsage(now.cpu_s - then.cpu_s, now.switches - then.switches)
        if used.cpu_s * 1e6 / requests >= _CPU_US_MIN:
            told.append((name, used))
        else:
            rest = ThreadUsage(rest.cpu_s + used.cpu_s, rest.switches + used.switches)
    told.sort(key=lambda line: -line[1].cpu_s)
    return [
        {
            "process": process,
            "thread": thread,
            "cpu_us_per_request": used.cpu_s * 1e6 / requests,
            "switches_per_request": used.switches / requests,
        }
        for (process, thread), used in [*told, (("all", "others"), rest)]
    ]


def _grown(before: Glance, after: Glance, name: str) -> float:
    return sum(
        value - before.metrics.get((found, labels), 0.0)
        for (found, labels), value in after.metrics.items()
        if found == name
    )


def _labelled(before: Glance, after: Glance, name: str) -> list[tuple[dict[str, str], float]]:
    return [
        (dict(_LABEL.findall(labels)), value - before.metrics.get((found, labels), 0.0))
        for (found, labels), value in after.metrics.items()
        if found == name
    ]
