"""`holdfast train`, `replay` and `bench`, as typed."""

import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from scoring import registry
from server.cli import app


def run(*words):
    """What a command line gives: status, what it printed, and its errors."""
    return CliRunner().invoke(app, [str(word) for word in words])


@pytest.fixture
def history_file(tmp_path):
    """Four thousand payments in the Handbook's layout, over ninety days, of which the expensive are mostly fraud."""
    draw = np.random.default_rng(3)
    count = 4_000
    is_fraud = draw.random(count) < 0.05
    times_s = 1_522_540_800 + np.sort(draw.integers(0, 90 * 86_400, count))
    columns = {
        "datetime": times_s.astype("datetime64[s]").astype("datetime64[us]"),
        "customer_id": draw.integers(0, 30, count),
        "terminal_id": draw.integers(0, 20, count),
        "amount_minor": np.where(is_fraud, 60_000, 1) + draw.integers(0, 5_000, count),
        "is_fraud": is_fraud.astype(np.int8),
    }
    file = tmp_path / "handbook.parquet"
    pq.write_table(pa.table(columns), file)
    return file


def test_a_model_is_trained_and_can_be_opened(history_file, tmp_path):
    """One JSON document: the manifest, and the folder to serve it from."""
    result = run("train", "--data", history_file, "--out", tmp_path / "models", "--json")
    assert result.exit_code == 0, result.output
    document = json.loads(result.stdout)
    model = registry.open(tmp_path / "models" / document["version"])
    assert document["folder"].endswith(model.manifest.version)
    assert set(document["metrics"]) == {"cards_unseen", "cards_known"}


@pytest.mark.parametrize(
    ("words", "hint"),
    [
        (["train", "--data", "nowhere.parquet"], "nowhere.parquet"),
        (["replay", "nowhere.parquet"], "nowhere.parquet"),
        (["replay", "nowhere.parquet", "--target", "localhost:1", "--kills", "2"], "leave --target out"),
        (["replay", "nowhere.parquet", "--funding", "much"], "is no amount"),
    ],
)
def test_an_error_says_what_to_do_and_ends_with_one(words, hint, tmp_path, monkeypatch):
    """No traceback, nothing on stdout."""
    monkeypatch.chdir(tmp_path)
    result = run(*words)
    assert result.exit_code == 1 and result.stdout == ""
    assert hint in " ".join(result.stderr.split())


def test_a_replay_against_a_server_that_is_not_there_says_so(history_file, monkeypatch):
    """How far it came, and why it ended."""
    monkeypatch.setattr("server.cli.replay.RECONNECT_TIMEOUT_S", 0.0)
    monkeypatch.setattr("server.cli.replay.CONNECT_TIMEOUT_S", 0.2)
    result = run("replay", history_file, "--target", "127.0.0.1:9")
    assert result.exit_code == 1 and result.stdout == ""
    assert "after 0 of 4,000 rows" in " ".join(result.stderr.split())


def test_a_result_that_is_not_valid_ends_a_bench_with_one(monkeypatch):
    """Its table and its document are printed all the same."""
    case = {"case": "unary", "valid": False, "reasons": ["the client was the limit"]}
    monkeypatch.setattr("loadtest.bench.run", lambda _options, _told: {"cases": [case]})
    result = run("bench", "--cards", 10, "--json")
    assert result.exit_code == 1 and json.loads(result.stdout)["cases"] == [case]


def test_a_bench_that_loses_a_server_says_which(monkeypatch):
    """Its last words, and no traceback."""

    def lost(_options, _told):
        raise RuntimeError("the empty server ended with 1")

    monkeypatch.setattr("loadtest.bench.run", lost)
    result = run("bench", "--cards", 10)
    assert result.exit_code == 1 and "the empty server ended with 1" in result.stderr
