"""
What operators see: structured logs on stderr, and Prometheus metrics read when they are asked for.

Nothing here costs the answer path: the core counts for itself, and a scrape reads its counters.
"""

import logging
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import structlog
from prometheus_client import CollectorRegistry, start_http_server
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
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
            structlog.dev.ConsoleRenderer() if terminal else structlog.processors.JSONRenderer(),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.WriteLoggerFactory(file=sys.stderr),
        cache_logger_on_first_use=False,
    )


class CoreMetrics(Collector):
    """The core's counters and gauges, under the names that dashboards use."""

    def __init__(self, counters: Any, gauges: dict[str, tuple[str, Callable[[], float]]]) -> None:
        self._counters = counters
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
        stages = CounterMetricFamily(
            "holdfast_stage_seconds", "Time in each stage, summed over batches.", labels=["stage"]
        )
        for stage, seconds in self._counters.stage_s.items():
            stages.add_metric([stage], seconds)
        yield stages
        for name, (text, read) in self._gauges.items():
            yield GaugeMetricFamily(name, text, read())


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


def serve_metrics(address: str, port: int, *collectors: Collector) -> Callable[[], None]:
    """Serve `/metrics` from a thread; returns how to stop it. Raises OSError where the port is taken."""
    registry = CollectorRegistry()
    for collector in collectors:
        registry.register(collector)
    ProcessCollector(registry=registry)
    server, thread = start_http_server(port, addr=address, registry=registry)

    def stop() -> None:
        server.shutdown()
        server.server_close()
        thread.join()

    return stop
