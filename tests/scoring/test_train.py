"""Training is reproducible, measures what it never saw, and says what it can't learn from."""

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from scoring.features import FEATURE_NAMES
from scoring.history import HistoryError
from scoring.manifest import MANIFEST_FILE, MODEL_FILE
from scoring.train import REPORT_FILE, train


def test_training_gives_the_same_bytes_when_repeated(small_history, small_model_folder, tmp_path):
    """The same files and seed make the same model, the same manifest and the same report."""
    manifest = train(
        small_history / "transactions.parquet",
        tmp_path,
        customers=small_history / "customers.csv",
        rounds_max=40,
    )
    for name in (MODEL_FILE, MANIFEST_FILE, REPORT_FILE):
        assert (tmp_path / manifest.version / name).read_bytes() == (small_model_folder / name).read_bytes()


def test_training_finds_the_fraud_of_a_plain_history(small_model):
    """On cards and weeks that it never saw, the small model ranks most fraud first."""
    for part in ("cards_unseen", "cards_known"):
        assert small_model.manifest.metrics[part]["frauds"] > 0
        assert small_model.manifest.metrics[part]["average_precision"] > 0.8
    assert small_model.manifest.features == FEATURE_NAMES


def test_training_reports_its_progress_to_the_end(small_history, tmp_path):
    """Progress never goes back, and ends at its total."""
    heard = []
    train(
        small_history / "transactions.parquet",
        tmp_path,
        rounds_max=3,
        progress=lambda done, total: heard.append((done, total)),
    )
    assert [done for done, _ in heard] == sorted(done for done, _ in heard)
    assert heard[-1][0] == heard[-1][1] == heard[0][1]


def test_training_refuses_a_history_without_fraud(small_history, tmp_path):
    """Nothing can be learnt where nothing happened."""
    table = pq.read_table(small_history / "transactions.parquet")
    column = table.column_names.index("is_fraud")
    honest = table.set_column(column, "is_fraud", pa.array([0] * table.num_rows))
    pq.write_table(honest, tmp_path / "honest.parquet")
    with pytest.raises(HistoryError, match="holds no fraud"):
        train(tmp_path / "honest.parquet", tmp_path)
