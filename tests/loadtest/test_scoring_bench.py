"""The scorer's figures in short; the long run is `holdfast bench scoring`."""

import json

import pytest
from typer.testing import CliRunner

from loadtest import scoring_bench, scoring_speed
from loadtest.scoring_bench import ScoringOptions
from scoring import registry
from server.cli import app


def test_parts_that_there_are_not_are_refused_by_name():
    """As are none at all."""
    with pytest.raises(ValueError, match="not handbok"):
        ScoringOptions(parts=("handbok",))
    with pytest.raises(ValueError, match="not none"):
        ScoringOptions(parts=())


def test_a_made_up_request_stream_is_the_same_for_the_same_seed():
    """Cards in range, times in order."""
    attempts = scoring_speed.made_up(500)
    assert attempts.tobytes() == scoring_speed.made_up(500).tobytes()
    assert attempts["card_row"].max() < scoring_speed.CARDS
    assert (attempts["time_s"][1:] >= attempts["time_s"][:-1]).all()


def test_speed_is_measured_in_batches_and_alone(monkeypatch):
    """Three figures above zero, of which the last is a high percentile."""
    monkeypatch.setattr(scoring_speed, "_REQUESTS", 3_200)
    monkeypatch.setattr(scoring_speed, "_ALONE", 200)
    found = scoring_speed.speed(registry.shipped())
    assert found.batch_us > 0
    assert 0 < found.single_us_p50 <= found.single_us_p99


def test_the_command_refuses_a_part_that_there_is_not_and_data_that_is_not_there(tmp_path):
    """One line each, status 1."""
    wrong = CliRunner().invoke(app, ["bench", "scoring", "--part", "speeed"])
    assert (wrong.exit_code, "not speeed" in wrong.output) == (1, True)
    nothing = CliRunner().invoke(
        app, ["bench", "scoring", "--part", "handbook", "--data", str(tmp_path), "--json"]
    )
    assert nothing.exit_code == 1
    assert "handbook_transactions.parquet" in nothing.output


def test_the_command_prints_each_figure_beside_its_bar(monkeypatch):
    """As one JSON document; what it says of passing is what the exit status says."""
    monkeypatch.setattr(scoring_speed, "_REQUESTS", 3_200)
    monkeypatch.setattr(scoring_speed, "_ALONE", 200)
    monkeypatch.setattr(scoring_bench, "_REDIS_REQUESTS", 320)
    done = CliRunner().invoke(app, ["bench", "scoring", "--part", "speed", "--json"])
    document = json.loads(done.stdout)
    assert done.exit_code == (0 if document["passes"] else 1)
    names = [figure["name"] for figure in document["figures"]]
    assert names == ["in batches of 32", "alone, p99", "counters in Redis, by ours"]
    assert all({"value", "bar", "passes", "unit"} <= set(figure) for figure in document["figures"])
