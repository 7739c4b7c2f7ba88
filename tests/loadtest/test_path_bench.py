"""The answer path's bench: climbing, judging, comparing, telling; with clients in hand, and once for real."""

import json
from dataclasses import replace

import pytest
from rich.console import Console
from typer.testing import CliRunner

from loadtest import path_bench, path_steps
from loadtest.bench import Client
from loadtest.circumstances import circumstances
from loadtest.path_bench import SCHEMA, _options, beside_cards, beside_rival, finished
from loadtest.path_overload import overloaded
from loadtest.path_plot import write_png
from loadtest.path_report import html, path_tables, write_html
from loadtest.path_steps import WAYS, PathOptions, PathSteps, is_carried, shown
from loadtest.sides import EMPTY, HOLDFAST, RIVAL, Side
from server.cli import app
from tests.end_to_end.serving import PATIENT


def step(**changes):
    """A faultless step."""
    latency = {"p50": 1.0, "p90": 2.0, "p99": 3.0, "p99_9": 4.0, "max": 5.0}
    plain = dict(
        offered_per_s=100.0,
        answered_per_s=100.0,
        sent=1_000,
        answered=1_000,
        refused=0,
        unanswered=0,
        in_time_share=1.0,
        codes={"00": 990, "51": 10},
        latency_ms=latency,
        served_ms_p99=3.0,
        refused_ms_p99=None,
        histogram="",
        late_ms_p99=0.2,
        late_ms_max=1.0,
        held_back=0,
        client_cpu=0.1,
        client_nice=-10,
        server_cpu=0.5,
        other_cpu=0.0,
        server_cpu_s=5.0,
        written_bytes=1_000_000,
        elapsed_s=10.0,
    )
    return {**plain, **changes}


class ClientInHand:
    """Measures what it is told: each target carries so much; latencies grow with the load."""

    def __init__(self, capacity):
        self.capacity = capacity
        self.rates = []

    def ask(self, prepare=None, measure=None):
        if prepare is not None:
            self.rate, self.cards = prepare["rate"], prepare["cards"]
            self.rates.append(self.rate)
            return {"prepared": 1}
        capacity = self.capacity[measure["targets"][0]]
        if self.rate > 4 * capacity:
            return step(
                answered_per_s=0.97 * capacity,
                refused=400,
                served_ms_p99=1.9 * 3.0,
                refused_ms_p99=12.0,
                codes={"00": 1_000, "RESOURCE_EXHAUSTED": 400},
            )
        carried = self.rate <= capacity
        p99 = 5.0 * self.rate / capacity + self.cards / 1e6
        return step(
            answered_per_s=min(self.rate, capacity),
            in_time_share=1.0 if carried else capacity / self.rate,
            latency_ms={"p50": 1.0, "p90": 2.0, "p99": p99, "p99_9": 2 * p99, "max": 99.0},
        )


SIDES = [Side(HOLDFAST, ("h",), ()), Side(EMPTY, ("e",), ())]
RIVAL_SIDE = Side(RIVAL, ("r",), ())
CAPACITY = {"h": 3_000.0, "e": 6_000.0, "r": 400.0}
OPTIONS = PathOptions(cards=1_000, seconds=1.0)


def steps_in_hand(capacity=CAPACITY, options=OPTIONS):
    client = ClientInHand(capacity)
    return PathSteps(client, options, lambda _text: None), client


def document():
    steps, _ = steps_in_hand()
    cases = [steps.case(way, SIDES) for way in WAYS]
    told = {"schema": SCHEMA, **circumstances(), "options": _options(OPTIONS), "cases": cases}
    told["overload"] = overloaded(steps, SIDES[0], cases, lambda _text: None)
    told["rival"] = beside_rival(steps, SIDES[0], RIVAL_SIDE, cases)
    told["cards"] = beside_cards(
        steps, (SIDES[0], replace(SIDES[1], name="many")), (10, 10_000), 100.0, OPTIONS
    )
    told["objects"] = [{"way": "unary", "rate": 100.0, "objects_per_request": 41.5}]
    return finished(told)


def test_portfolios_are_kept_beside_the_home_that_is_kept(monkeypatch, tmp_path):
    """Ten million cards take long to make; without a home each is made anew, and thrown away."""
    homes = []
    monkeypatch.setattr(path_bench, "start_holdfast", lambda *_args, home, **_named: homes.append(home))
    for home in (None, tmp_path / "kept"):
        path_bench._portfolio(None, tmp_path, replace(OPTIONS, home=home), 10_000, lambda _text: None)
    assert homes == [None, tmp_path / "kept_10_000_cards"]


@pytest.mark.parametrize("capacity", [30.0, 399.0, 400.0, 12_345.0])
def test_climb_comes_near_what_is_carried_from_below(capacity):
    """Upwards or downwards from where it starts, within a tenth or so; 99 % in time is enough."""
    steps, _ = steps_in_hand({"h": capacity})
    assert capacity * 0.89 <= steps.climb(WAYS[0], SIDES[0]) <= capacity / 0.99


def test_climb_where_nothing_is_carried_says_so():
    """A machine on which not even a trickle is answered in time measures nothing."""
    steps, _ = steps_in_hand({"h": 1.0})
    with pytest.raises(RuntimeError, match="does not even carry"):
        steps.climb(WAYS[0], SIDES[0])


def test_a_case_judges_half_of_what_was_carried():
    """The largest carried rate of the steps is the saturation; both sides get every step's messages."""
    steps, _ = steps_in_hand()
    case = steps.case(WAYS[0], SIDES)
    saturation = case["saturation_per_s"]
    assert 2_700 <= saturation[HOLDFAST] <= 3_000 / 0.99
    assert case["saturation_is_found"]
    assert case["half"]["rate"] == saturation[HOLDFAST] / 2
    assert all(set(each["sides"]) == {HOLDFAST, EMPTY} for each in case["steps"])
    assert case["half"]["cost"]["cpu_us"] == 5_000


def test_rates_that_are_given_are_the_steps():
    """No climb: the client sends what was asked for, and the judged step."""
    options = replace(OPTIONS, rates=(100.0, 5_000.0))
    steps, client = steps_in_hand(options=options)
    case = steps.case(WAYS[0], SIDES)
    assert client.rates == [100.0, 5_000.0, 50.0, 50.0]
    assert [each["sides"][HOLDFAST]["carried"] for each in case["steps"]] == [True, False]


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"client_cpu": 0.96}, "the client was the limit"),
        ({"late_ms_p99": 3.0}, "the client sent late"),
        ({"codes": {"00": 94, "51": 6}}, "only 94.0% of the answers are 00"),
        ({"codes": {}}, "only 0.0%"),
    ],
)
def test_a_step_is_invalid_with_the_reason(changes, reason):
    """What would make a figure worthless is named beside it."""
    told = shown(step(**changes))
    assert not told["valid"] and reason in told["reasons"][0]


@pytest.mark.parametrize(
    ("changes", "carried"),
    [
        ({}, True),
        ({"in_time_share": 0.989}, False),
        ({"codes": {"00": 90, "91": 10}}, False),
        ({"codes": {}}, False),
    ],
)
def test_a_rate_is_carried_where_it_is_answered_in_time_and_approved(changes, carried):
    """Late answers and declines for want of time are no capacity."""
    assert is_carried(step(**changes)) == carried


def test_figures_stand_beside_their_bars():
    """Latency, cost, cards and rival, each with whether it passes; one miss fails the whole."""
    told = document()
    figures = {(figure["part"], figure["name"]): figure for figure in told["figures"]}
    assert figures["unary", "p99 at half of saturation"]["bar"] == "≤ 12"
    assert figures["unary", "p99.9 at half of saturation"]["passes"]
    assert figures["rival", "best throughput"]["value"] == pytest.approx(7, rel=0.15)
    assert figures["rival", "p99 at equal load"]["passes"]
    assert figures["cards", "p99 with 10,000 cards"]["passes"]
    for name in ("goodput", "p99 of what is accepted", "p99 of a refusal", "memory that nothing explains"):
        assert figures["overload: unary", name]["passes"]
    assert told["passes"]
    told["overload"][0]["goodput"] = 0.89
    assert not finished(told)["passes"]
    told["overload"][0]["goodput"] = 1.0
    told["overload"][0]["reason"] = "the client sent late: p99 9.0 ms"
    assert not finished(told)["passes"]
    told["overload"][0] = {"way": "unary", "reason": "no step was carried"}
    assert not finished(told)["passes"]
    assert "no step was carried" in html(finished(told))
    told["overload"] = []
    told["cards"]["ratio"] = 1.3
    assert not finished(told)["passes"]


def test_an_invalid_judged_step_is_a_miss_with_its_reason():
    """A client that sent late can't pass for a quick server."""
    told = document()
    own = told["cases"][0]["half"]["sides"][HOLDFAST]
    own |= {"valid": False, "reasons": ["the client sent late: p99 9.0 ms"]}
    figure = finished(told)["figures"][0]
    assert (figure["value"], figure["passes"], figure["reason"]) == (None, False, own["reasons"][0])


def test_tables_and_page_tell_the_same(tmp_path):
    """Rates, percentiles, bars, prices and circumstances, on a terminal and on a page that needs nothing beside it."""
    told = json.loads(json.dumps(document()))
    console = Console(width=250)
    with console.capture() as capture:
        console.print(path_tables(told))
    shown_text, page = capture.get(), html(told)
    for part in ("p99.9", "link, frames of 32", "41.5", "held back", "best throughput", "USD", "commit"):
        assert part in shown_text and part in page
    assert "<svg" in page and "http-equiv" not in page and "<script" not in page
    write_html(told, tmp_path / "new" / "page.html")
    write_png(told, tmp_path / "new" / "plot.png")
    assert (tmp_path / "new" / "plot.png").read_bytes().startswith(b"\x89PNG")


def test_a_case_against_real_servers_is_whole(empty_server, monkeypatch):
    """One way, two rates, a judged step: everything that JSON promises, from processes."""
    monkeypatch.setattr(path_steps, "JUDGED_S_MIN", 0.2)
    monkeypatch.setattr(path_steps, "DRAIN_S", 30.0)
    options = PathOptions(cards=100, seconds=0.2, rates=(50.0, 100.0))
    sides = [Side(name, (empty_server.target,), (empty_server.pid,)) for name in (HOLDFAST, EMPTY)]
    with Client.running("loadtest.open_loop") as client:
        steps = PathSteps(client, options, lambda _text: None)
        case = json.loads(json.dumps(steps.case(WAYS[2], sides)))
    assert [each["sides"][EMPTY]["answered"] for each in case["steps"]] == [10, 20]
    assert case["steps"][0]["sides"][HOLDFAST]["codes"] == {"00": 10}


def test_the_command_measures_a_server_and_writes_all_that_it_was_asked_for(tmp_path, monkeypatch):
    """A document, a picture, a page; its status is what the document says of passing."""
    monkeypatch.setattr(path_steps, "JUDGED_S_MIN", 0.5)
    for name, value in PATIENT.items():
        monkeypatch.setenv(name, value)
    files = {kind: tmp_path / f"path.{kind}" for kind in ("json", "png", "html")}
    command = ["bench", "path", "--cards", "200", "--seconds", "0.5", "--way", "unary", "--rates", "40,80"]
    written = ["--json", str(files["json"]), "--plot", str(files["png"]), "--html", str(files["html"])]
    done = CliRunner().invoke(app, [*command, *written])
    document = json.loads(files["json"].read_text())
    assert done.exit_code == (0 if document["passes"] else 1), done.output
    sides = [side for step in document["cases"][0]["steps"] for side in step["sides"].values()]
    assert [side["answered"] for side in sides] == [20, 20, 40, 40]
    assert all(0 < side["latency_ms"]["p50"] <= side["latency_ms"]["max"] for side in sides)
    assert {"machine", "versions", "commit", "date"} <= document.keys()
    assert files["png"].read_bytes().startswith(b"\x89PNG")
    assert "<svg" in files["html"].read_text()


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"ways": ("pigeon",)}, "one of unary"),
        ({"arrivals": "never"}, "poisson"),
        ({"rates": (0.0,)}, "above 0"),
        ({"cards": 0}, "at least one card"),
        ({"objects": True, "fronts": 1}, "in one process"),
    ],
)
def test_options_refuse_what_measures_nothing(changes, said):
    """With what is allowed."""
    with pytest.raises(ValueError, match=said):
        replace(OPTIONS, **changes)
