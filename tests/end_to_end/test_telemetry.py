"""What operators see of a running server: metrics, health, traces, and the dashboard and alerts that read them."""

import json
import re
import shutil
import subprocess
import urllib.error
import urllib.request
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import yaml
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from loadtest.processes import free_port
from server.core.record import DECISION, INTENT, id_hex
from server.core.timing import STAGES, Timing
from server.dock.dock import Standing
from server.telemetry import serve_metrics
from server.tracing import TURN_MAX, Tracer
from tests.end_to_end.callers import purchase

DEPLOY = Path(__file__).parents[2] / "deploy"
METRIC = re.compile(r"\b(?:holdfast|process)_[a-z_]+")
PART = re.compile(r"_(bucket|sum|count)$")


def page(server, path):
    """Status and text of one of the metrics port's pages."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{server.metrics_port}{path}", timeout=10) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def shown(server):
    """Every family that a scrape names, and its samples."""
    _, text = page(server, "/metrics")
    families = set(re.findall(r"^# TYPE (\S+)", text, re.MULTILINE))
    samples = dict(line.rsplit(" ", 1) for line in text.splitlines() if not line.startswith("#"))
    return families, {name: float(value) for name, value in samples.items()}


def read_by(expressions):
    """The families that expressions of Prometheus's language read."""
    return {PART.sub("", name) for text in expressions for name in METRIC.findall(text)}


def dashboard():
    return json.loads((DEPLOY / "grafana" / "holdfast.json").read_text())


def alerts():
    groups = yaml.safe_load((DEPLOY / "prometheus" / "alerts.yml").read_text())["groups"]
    return [rule for group in groups for rule in group["rules"]]


def test_a_scrape_tells_rates_times_queues_and_neighbours_after_an_authorization(server, caller, card):
    """Each answer is counted by code and timed whole; each stage of its batch is timed."""
    _, before = shown(server)
    assert caller.authorize(purchase(card, 100)).response_code == "00"
    _, after = shown(server)

    def grown(name):
        return after[name] - before.get(name, 0)

    assert grown('holdfast_decisions_total{response_code="00"}') == 1
    assert grown("holdfast_answer_seconds_count") == 1
    assert 0 < grown("holdfast_answer_seconds_sum") < 5
    for stage in STAGES:
        assert grown(f'holdfast_stage_seconds_count{{stage="{stage}"}}') == 1
    assert after["holdfast_ledger_away"] == 0
    assert 0 < after['holdfast_velocity_occupancy{of="chunks"}'] <= 1
    assert after["holdfast_journal_depth"] >= 0


def test_health_and_readiness_answer_on_the_metrics_port_while_requests_are_welcome(server):
    """200 on both; what is not there is told what is."""
    assert page(server, "/healthz") == (200, "alive\n")
    assert page(server, "/readyz") == (200, "ready\n")
    assert page(server, "/nothing")[0] == 404


def test_who_is_not_ready_says_why_and_lives():
    """503, whatever else the port answers."""
    port = free_port()
    stop = serve_metrics("127.0.0.1", port, ready=lambda: "the server is starting or draining")
    try:
        asked = SimpleNamespace(metrics_port=port)
        assert page(asked, "/readyz") == (503, "the server is starting or draining\n")
        assert page(asked, "/healthz") == (200, "alive\n")
    finally:
        stop()


def families_of_fronts():
    """The names that only a server with fronts shows."""
    return {family.name for family in Standing(None).families()}


def test_every_panel_of_the_dashboard_reads_what_a_server_shows(server):
    """A renamed metric leaves no empty panel behind; panels have ids and places of their own."""
    families, _ = shown(server)
    panels = dashboard()["panels"]
    expressions = [target["expr"] for panel in panels for target in panel.get("targets", ())]
    assert len(expressions) > 20
    assert read_by(expressions) - {PART.sub("", name) for name in families | families_of_fronts()} == set()
    assert len({panel["id"] for panel in panels}) == len(panels)
    assert len({(panel["gridPos"]["x"], panel["gridPos"]["y"]) for panel in panels}) == len(panels)


def test_every_alert_reads_what_a_server_shows_and_says_what_to_do(server):
    """Each has a severity, a sentence for whoever it wakes, and one on where to look."""
    families, _ = shown(server)
    rules = alerts()
    known = {PART.sub("", name) for name in families | families_of_fronts()}
    assert read_by(rule["expr"] for rule in rules) - known == set()
    assert {rule["labels"]["severity"] for rule in rules} == {"page", "ticket"}
    assert all(rule["annotations"]["summary"] and rule["annotations"]["action"] for rule in rules)
    assert len({rule["alert"] for rule in rules}) == len(rules)


def test_prometheus_itself_takes_rules_and_configuration():
    """promtool, of Prometheus's own release or Debian's package, finds nothing wrong."""
    promtool = shutil.which("promtool")
    if promtool is None:
        pytest.skip("promtool is not on the PATH")
    for command in (["check", "rules", "alerts.yml"], ["check", "config", "prometheus.yml"]):
        subprocess.run([promtool, *command], cwd=DEPLOY / "prometheus", check=True, capture_output=True)


def a_turn(count):
    """INTENT[n] and DECISION[n] of authorizations, and a turn's marks."""
    intents, decisions = np.zeros(count, INTENT), np.zeros(count, DECISION)
    intents["request"]["authorization_id"][:, 0] = np.arange(1, count + 1, dtype=np.uint64) << np.uint64(40)
    intents["request"]["merchant_name"], intents["request"]["card_key"] = b"A SHOP", (7, 8)
    decisions["authorization_id"] = intents["request"]["authorization_id"]
    decisions["response_code"] = b"00"
    return [1_000_000 * mark for mark in range(len(STAGES) + 1)], intents, decisions


def test_traces_show_each_stage_and_no_card_when_all_are_drawn():
    """One trace an authorization, as many as a turn may draw; its stages lie within it, one after the other."""
    exporter = InMemorySpanExporter()
    tracer = Tracer(1.0, exporter)
    tracer.saw(*a_turn(TURN_MAX + 5))
    tracer.close()
    spans = exporter.get_finished_spans()
    roots = [span for span in spans if span.parent is None]
    assert len(roots) == TURN_MAX
    of_first = [span for span in spans if span.parent and span.parent.span_id == roots[0].context.span_id]
    assert [span.name for span in of_first] == ["wait", *STAGES]
    assert all(span.end_time - span.start_time == 1_000_000 for span in of_first[1:])
    assert roots[0].attributes["holdfast.authorization_id"] == id_hex(np.array([1 << 40, 0], np.uint64))
    said = {key for span in spans for key in span.attributes}
    assert said == {
        f"holdfast.{key}" for key in ("authorization_id", "response_code", "programme", "model", "batch")
    }


def test_no_trace_is_drawn_when_the_share_is_small_and_ids_are_above_it():
    """Which are drawn follows from the ids alone."""
    exporter = InMemorySpanExporter()
    tracer = Tracer(2.0**-30, exporter)
    tracer.saw(*a_turn(50))
    tracer.close()
    assert exporter.get_finished_spans() == ()


def test_histograms_put_durations_into_their_buckets():
    """At a bound, just above it, beyond the last; a turn's stages each into their own."""
    timing = Timing()
    intents = np.zeros(3, INTENT)
    intents["request"]["arrival_ns"] = [10**9 - 100_000, 10**9 - 100_001, 10**9 - 6 * 10**9]
    timing.answered(intents, 10**9)
    assert timing.answers.counts[0] == 1
    assert timing.answers.counts[1] == 1
    assert timing.answers.counts[-1] == 1
    assert timing.answers.sum_s == pytest.approx(6.000200001)
    timing.turn([0, 100, 200, 300, 400, 500, 600, 10**10])
    assert timing.stages["find and admit"].counts[0] == 1
    assert timing.stages["decide"].counts[-1] == 1
