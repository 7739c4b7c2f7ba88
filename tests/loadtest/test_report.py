"""Reports: tables hold the figures, and Locust's users really pay."""

import json

import numpy as np
import pytest
from rich.console import Console

from loadtest.histories import read_history
from loadtest.replay import Answers, summarize
from loadtest.report import bench_table, locust_table, main, read_locust, replay_table


def text_of(table):
    console = Console(width=200, record=True, file=None, quiet=False)
    with console.capture() as capture:
        console.print(table)
    return capture.get()


def test_bench_table_shows_rates_ratio_codes_and_why_a_case_is_invalid():
    """Everything that the issue asks to be printed stands in the table or below it."""
    case = {
        "case": "unary",
        "holdfast_per_s": 2_345.6,
        "empty_per_s": 5_000.0,
        "ratio": 0.469,
        "bar": 0.55,
        "passes": False,
        "empties_per_s": 10_000.0,
        "ratio_to_empties": 0.2346,
        "codes": {"00": 90, "51": 10},
        "approved_share": 0.9,
        "client_cpu": {"holdfast": 0.25},
        "server_cpu": {"holdfast": None},
        "valid": False,
        "reasons": ["only 90.0% of Holdfast's answers are 00"],
        "warnings": [],
    }  # fmt: skip - rows read best
    result = {
        "options": {"cards": 200_000, "ledger": "embedded", "fronts": 2},
        "cases": [case],
        "commit": "abc",
        "date": "2026-01-01",
        "machine": {"processor": "A", "cores": 2, "system": "Linux"},
        "versions": {"python": "3.11", "grpcio": "1"},
    }  # fmt: skip - rows read best
    shown = text_of(bench_table(result))
    for part in (
        "2,346",
        "5,000",
        "46.9%",
        "< 55%",
        "10,000/s: 23.5% of them",
        "00 90, 51 10",
        "only 90.0%",
        "no",
        "200,000 cards",
        "commit abc",
    ):
        assert part in shown


def test_replay_table_shows_money_in_major_units(sparkov_file):
    """Amounts are told as people write them, counts beside them."""
    history = read_history(sparkov_file)
    answers = Answers.empty(len(history))
    answers.answered[:] = True
    answers.code[:] = b"00"
    answers.latency_ns[:] = 2_500_000
    answers.elapsed_s, answers.breaks, answers.rechecked = 4.0, 1, 7
    history.is_fraud[:] = np.arange(200) == 3
    history.amount_minor[3] = 1_234_567
    shown = text_of(replay_table(summarize(history, answers)))
    for part in (
        "200 in 4.0 s",
        "1 for 12,345.67 USD",
        "0 for 0.00 USD",
        "p99 2.5",
        "1; 7 answers asked for again",
    ):
        assert part in shown


def test_locust_statistics_become_percentiles_by_answer_and_over_all(tmp_path):
    """Histograms of two kinds of answers add up; each has its own percentiles."""

    def kind(name, response_times):
        count = sum(response_times.values())
        times = {"start_time": 10.0, "last_request_timestamp": 12.0, "response_times": response_times}
        return {"name": name, "num_requests": count, "num_failures": 0, **times}

    file = tmp_path / "stats.json"
    file.write_text(json.dumps([kind("Authorize 00", {"2": 98}), kind("Authorize 51", {"9": 1, "30.0": 1})]))
    approved, _, overall = read_locust(file)
    assert approved["latency_ms_p99"] == 2.0
    assert (overall["latency_ms_p95"], overall["latency_ms_max"]) == (2.0, 30.0)
    assert (overall["requests"], overall["requests_per_s"]) == (100, 50.0)
    assert "Authorize 51" in text_of(locust_table(read_locust(file)))


def test_locust_statistics_of_nothing_have_no_latency(tmp_path):
    """A run in which nobody was answered is null, not a crash."""
    file = tmp_path / "stats.json"
    file.write_text("[]")
    (entry,) = read_locust(file)
    assert (entry["requests"], entry["latency_ms_p99"]) == (0, None)
    assert "all" in text_of(locust_table([entry]))


def test_locust_users_pay_over_grpc(empty_server, capsys):
    """A second of headless Locust against a running server: answers by code, percentiles, exit code 0."""
    code = main(["locust", "--host", empty_server.target, "--users", "2", "--seconds", "1", "--json"])
    *by_code, overall = json.loads(capsys.readouterr().out)
    assert code == 0
    assert [entry["name"] for entry in by_code] == ["Authorize 00"]
    assert overall["requests"] > 0
    assert overall["latency_ms_p50"] is not None


@pytest.mark.parametrize(
    ("shape", "users_most", "codes"),
    [("spike,hot_card", 4, {"Authorize 00"}), ("ramp,hot_merchant,repeats", 4, {"Authorize 00"})],
)
def test_locust_shapes_say_how_many_pay_and_who(shape, users_most, codes, empty_server, capsys):
    """Shapes of load and of traffic together; the run ends when the shape does."""
    command = [
        "locust",
        "--host",
        empty_server.target,
        "--users",
        str(users_most),
        "--seconds",
        "2",
        "--json",
    ]
    assert main([*command, "--shape", shape]) == 0
    *by_code, overall = json.loads(capsys.readouterr().out)
    assert {entry["name"] for entry in by_code} == codes
    assert 0 < overall["requests"] <= users_most * 10 * 3


def test_locust_names_the_shapes_it_knows(empty_server, capsys):
    """A shape that is none ends the run with what there is."""
    assert main(["locust", "--host", empty_server.target, "--seconds", "1", "--shape", "zigzag"]) == 1
    assert "hot_merchant, ramp, repeats, spike, steady, not zigzag" in capsys.readouterr().err
