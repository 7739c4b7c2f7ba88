"""
What operators see: structured logs on stderr, and Prometheus metrics read when they are asked for.

Nothing here costs the answer path: the core counts for itself, and a scrape reads its counters.
"""

import logging
import re
import sys
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, MutableMapping, Sequence
from itertools import accumulate
from typing import Any, Final, NamedTuple
from wsgiref.simple_server import WSGIRequestHandler, make_server

import structlog
from prometheus_client import CollectorRegistry
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.exposition import ThreadingWSGIServer, make_wsgi_app
from prometheus_client.process_collector import ProcessCollector
from prometheus_client.registry import Collector


def configure_logs(*, verbose: bool = False) -> None:
    """Structured logs: readable on a terminal, JSON elsewhere."""
    level = logging.DEBUG if verbose else logging.INFO
    terminal = sys.stderr.isatty()
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            without_card_numbers,
            structlog.dev.ConsoleRenderer() if terminal else structlog.processors.JSONRenderer(),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.WriteLoggerFactory(file=sys.stderr),
        cache_logger_on_first_use=False,
    )


_LONG_NUMBER: Final = re.compile(r"(?<!\d)\d{12,19}(?!\d)")


def without_card_numbers(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> Mapping[str, Any]:
    """The last net under the logs: in any text, what passes for a card number (ISO 7812's Luhn digit) is masked."""
    for name, value in event.items():
        if isinstance(value, str):
            event[name] = _LONG_NUMBER.sub(_masked, value)
        elif isinstance(value, list | tuple | dict):
            shown = repr(value)
            if (masked := _LONG_NUMBER.sub(_masked, shown)) != shown:
                event[name] = masked
    return event


def _masked(found: re.Match[str]) -> str:
    digits = found[0]
    total = 0
    for place, digit in enumerate(reversed(digits)):
        value = int(digit) * (1 + place % 2)
        total += value - 9 * (value > 9)
    return digits if total % 10 else "*" * len(digits)


class CoreMetrics(Collector):
    """The core's counters and gauges, under the names that dashboards use."""

    def __init__(
        self, counters: Any, timing: Any, gauges: dict[str, tuple[str, Callable[[], float]]]
    ) -> None:
        self._counters = counters
        self._timing = timing
        self._gauges = gauges

    def collect(self) -> Iterator[Metric]:
        """One scrape."""
        decisions = CounterMetricFamily(
            "holdfast_decisions", "Decisions written, by response code (DE39).", labels=["response_code"]
        )
        for code, count in sorted(self._counters.decisions.items()):
            decisions.add_metric([code.decode()], count)
        yield decisions
        yield CounterMetricFamily("holdfast_requests", "Requests the core took.", self._counters.requests)
        yield CounterMetricFamily("holdfast_repeats", "Repeats answered again.", self._counters.repeats)
        yield CounterMetricFamily(
            "holdfast_key_conflicts", "Keys reused for other content.", self._counters.conflicts
        )
        yield CounterMetricFamily("holdfast_turns", "Batches the core decided.", self._counters.turns)
        yield from self._durations()
        for name, (text, read) in self._gauges.items():
            yield GaugeMetricFamily(name, text, read())

    def _durations(self) -> Iterator[Metric]:
        stages = HistogramMetricFamily(
            "holdfast_stage_seconds", "Time of each stage of a batch.", labels=["stage"]
        )
        for stage, histogram in self._timing.stages.items():
            stages.add_metric([stage], _buckets(histogram), histogram.sum_s)
        yield stages
        answers = self._timing.answers
        yield HistogramMetricFamily(
            "holdfast_answer_seconds",
            "Authorizations, from their arrival at the front to their answer.",
            _buckets(answers),
            answers.sum_s,
        )


def _buckets(histogram: Any) -> list[tuple[str, float]]:
    """As Prometheus takes them: how many are no longer than each bound."""
    bounds = [*(f"{bound:g}" for bound in histogram.bounds_s), "+Inf"]
    return list(zip(bounds, accumulate(histogram.counts), strict=True))


class Family(NamedTuple):
    """A metric with labels: `read` gives each value by its labels; a name that ends in _total counts."""

    name: str
    text: str
    labels: tuple[str, ...]
    read: Callable[[], Mapping[tuple[str, ...], float]]


class Families(Collector):
    """Metrics of other rooms, read when they are asked for."""

    def __init__(self, families: Sequence[Family]) -> None:
        self._families = families

    def collect(self) -> Iterator[Metric]:
        """One scrape."""
        for name, text, labels, read in self._families:
            kind = CounterMetricFamily if name.endswith("_total") else GaugeMetricFamily
            metric = kind(name, text, labels=labels)
            for values, value in read().items():
                metric.add_metric(values, value)
            yield metric


def serve_metrics(
    address: str, port: int, *collectors: Collector, ready: Callable[[], str] = lambda: ""
) -> Callable[[], None]:
    """
    Serve `/metrics`, `/healthz` and `/readyz` from a thread; returns how to stop it. Raises OSError where the port is taken.

    `ready` says why requests are not welcome now; nothing where they are. A process that answers `/healthz` lives.
    """
    registry = CollectorRegistry()
    for collector in collectors:
        registry.register(collector)
    ProcessCollector(registry=registry)
    metrics = make_wsgi_app(registry)

    def answer(environ: dict[str, Any], start: Any) -> Iterable[bytes]:
        path = environ.get("PATH_INFO", "")
        if path in ("", "/", "/metrics"):
            shown: Iterable[bytes] = metrics(environ, start)
            return shown
        if path == "/healthz":
            status, text = "200 OK", "alive"
        elif path == "/readyz":
            reason = ready()
            status, text = ("503 Service Unavailable", reason) if reason else ("200 OK", "ready")
        else:
            status, text = "404 Not Found", "/metrics, /healthz and /readyz are here"
        start(status, [("Content-Type", "text/plain; charset=utf-8")])
        return [text.encode() + b"\n"]

    server = make_server(address, port, answer, ThreadingWSGIServer, handler_class=_Quiet)
    thread = threading.Thread(target=server.serve_forever, name="metrics", daemon=True)
    thread.start()

    def stop() -> None:
        server.shutdown()
        server.server_close()
        thread.join()

    return stop


class _Quiet(WSGIRequestHandler):
    """Scrapes are nothing to log."""

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class's name for it
        """Log nothing."""
