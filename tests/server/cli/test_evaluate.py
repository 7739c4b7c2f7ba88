"""`holdfast train` and `holdfast evaluate` from the command line, on a small history."""

import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from server.cli import app

T = 1_735_689_600
COUNT = 3_000


@pytest.fixture(scope="module")
def own(tmp_path_factory):
    """A folder with a labelled history in Holdfast's own layout, its rows not in order of time."""
    folder = tmp_path_factory.mktemp("own")
    draw = np.random.default_rng(8)
    is_fraud = draw.random(COUNT) < 0.1
    amounts = np.where(is_fraud, 90_000, 2_000) + draw.integers(0, 1_000, COUNT)
    table = {
        "time_s": T + draw.permutation(COUNT) * 2_000,
        "card": [f"card {number}" for number in draw.integers(0, 30, COUNT)],
        "amount_minor": amounts,
        "is_fraud": is_fraud,
    }
    pq.write_table(pa.table(table), folder / "own.parquet")
    pq.write_table(pa.table(table).drop(["is_fraud"]), folder / "unlabelled.parquet")
    pq.write_table(pa.table({**table, "is_fraud": np.zeros(COUNT, np.bool_)}), folder / "honest.parquet")
    return folder


def asked(*arguments):
    """The JSON document of a command that succeeds."""
    done = CliRunner().invoke(app, [*map(str, arguments), "--json"])
    assert done.exit_code == 0, done.output
    return json.loads(done.stdout)


@pytest.fixture(scope="module")
def model(own):
    """The folder of a model that the command trained on it."""
    return asked("train", "--data", own / "own.parquet", "--out", own / "models")["folder"]


def test_evaluate_measures_a_labelled_history_and_writes_its_scores_in_the_files_order(own, model, tmp_path):
    """One row a transaction, told apart by its row; the figures say that the model knows the file."""
    found = asked(
        "evaluate", "--data", own / "own.parquet", "--model", model, "--scores", tmp_path / "s.parquet"
    )
    assert found["is_training_data"] is True
    assert found["figures"]["transactions"] == COUNT
    assert found["figures"]["average_precision"] > 0.95
    assert set(found["figures"]) >= {
        "roc_auc",
        "recall_at_fpr_0.001",
        "recall_at_fpr_0.01",
        "card_precision_at_100",
    }
    scores, table = pq.read_table(tmp_path / "s.parquet"), pq.read_table(own / "own.parquet")
    assert scores["row"].to_pylist() == list(range(COUNT))
    assert scores["card"].to_pylist() == table["card"].to_pylist()
    assert scores["is_fraud"].to_pylist() == table["is_fraud"].to_pylist()
    values = scores["score"].to_numpy()
    assert values[table["is_fraud"].to_numpy()].min() > values[~table["is_fraud"].to_numpy()].mean()


def test_evaluate_scores_a_history_without_labels_and_measures_nothing(own, model, tmp_path):
    """The scores are the same, and there are no figures."""
    labelled, unlabelled = tmp_path / "a.parquet", tmp_path / "b.parquet"
    asked("evaluate", "--data", own / "own.parquet", "--model", model, "--scores", labelled)
    found = asked("evaluate", "--data", own / "unlabelled.parquet", "--model", model, "--scores", unlabelled)
    assert found["figures"] is None
    assert "is_fraud" not in pq.read_table(unlabelled).column_names


def test_evaluate_gives_no_figure_that_needs_both_classes_where_there_is_one(own, model):
    """Counts there are; what has no meaning is empty."""
    figures = asked("evaluate", "--data", own / "honest.parquet", "--model", model)["figures"]
    assert figures["frauds"] == 0
    assert figures["average_precision"] is None
    assert figures["card_precision_at_100"] is None


def test_evaluate_measures_from_a_day_on_and_lets_the_time_before_be_history(own, model):
    """Fewer are measured; as many are scored."""
    found = asked("evaluate", "--data", own / "own.parquet", "--model", model, "--since", "2025-02-10")
    assert found["scored"] == COUNT
    assert 0 < found["figures"]["transactions"] < COUNT


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("evaluate", "--data", "none.parquet"), "none.parquet can't be read"),
        (("evaluate", "--data", "honest.parquet", "--model", "no-such"), "there is no model no-such"),
        (("evaluate", "--data", "honest.parquet", "--since", "2031-01-01"), "nothing to measure"),
        (("train", "--data", "honest.parquet"), "holds no fraud"),
        (("train", "--data", "unlabelled.parquet"), "has no labels"),
        (("train", "--out", "models"), "--customers and --out go with --data"),
    ],
)
def test_a_command_says_what_is_wrong_in_one_line(own, model, monkeypatch, arguments, words):
    """No traceback, status 1."""
    monkeypatch.setenv("HOLDFAST_MODEL", model)
    monkeypatch.chdir(own)
    done = CliRunner().invoke(app, list(arguments))
    assert done.exit_code == 1
    assert words in " ".join(done.output.split())
    assert "Traceback" not in done.output
