"""
Traces of a share of the authorizations, through OpenTelemetry.

A trace is drawn after the answer has left: the request's time in the core, and its batch's stages within. Which requests
are drawn follows from their ids, so that nothing is decided, and nothing carried along, on the way. No card, no
amount and no merchant is in a span. Where spans go is OpenTelemetry's own to say (OTEL_EXPORTER_OTLP_ENDPOINT, …).
"""

import time
from itertools import pairwise
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter
from opentelemetry.sdk.trace.sampling import ALWAYS_ON
from opentelemetry.trace import set_span_in_context

from server.core.record import id_hex
from server.core.timing import STAGES

TURN_MAX: Final = 8
"""Traces of one turn at most: a span costs about as much as the rest of a request."""


class Tracer:
    """Draws traces of turns. `saw` on the core's thread; a thread of the library's own sends them."""

    def __init__(self, share: float, exporter: SpanExporter | None = None) -> None:
        """`share` of the authorizations, 0 to 1. Without an exporter, OTLP over HTTP."""
        self._below = np.uint64(min(int(share * 2**64), 2**64 - 1))
        self._provider = TracerProvider(
            sampler=ALWAYS_ON,  # who is drawn is decided here
            resource=Resource.create({"service.name": "holdfast"}),
            shutdown_on_exit=False,
        )
        self._provider.add_span_processor(BatchSpanProcessor(exporter or OTLPSpanExporter()))
        self._tracer = self._provider.get_tracer("holdfast")

    def saw(self, marks_ns: list[int], intents: NDArray[Any], decisions: NDArray[Any]) -> None:
        """A turn is over: its marks (perf_counter_ns), INTENT[n], and DECISION[n] that have left."""
        chosen = np.flatnonzero(intents["request"]["authorization_id"][:, 0] < self._below)
        if not len(chosen):
            return
        offset_ns = time.time_ns() - time.perf_counter_ns()
        stages = [(stage, *ends) for stage, ends in zip(STAGES, pairwise(marks_ns), strict=True)]
        for place in chosen[:TURN_MAX].tolist():
            intent, decision = intents[place], decisions[place]
            arrival_ns = int(intent["request"]["arrival_ns"])
            span = self._tracer.start_span(
                "authorize",
                start_time=arrival_ns,
                attributes={
                    "holdfast.authorization_id": id_hex(decision["authorization_id"]),
                    "holdfast.response_code": decision["response_code"].decode(),
                    "holdfast.programme": int(intent["programme"]),
                    "holdfast.model": intent["model"].decode(),
                    "holdfast.batch": len(intents),
                },
            )
            inside = set_span_in_context(span)
            began_ns = marks_ns[0] + offset_ns
            self._draw("wait", min(arrival_ns, began_ns), began_ns, inside)
            for stage, start_ns, end_ns in stages:
                self._draw(stage, start_ns + offset_ns, end_ns + offset_ns, inside)
            span.end(marks_ns[-1] + offset_ns)

    def close(self) -> None:
        """Send what is drawn, and end the thread."""
        self._provider.shutdown()

    def _draw(self, name: str, start_ns: int, end_ns: int, inside: Any) -> None:
        self._tracer.start_span(name, context=inside, start_time=start_ns).end(end_ns)
