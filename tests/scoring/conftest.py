"""A small labelled history, and a model trained on it once for all tests."""

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from scoring.features import Features
from scoring.model import Model
from scoring.public_layouts import SPARKOV_CATEGORIES
from scoring.train import train
from scoring.velocity import Velocity

CARDS = 40


@pytest.fixture(autouse=True, scope="session")
def _warm():
    """The kernels are compiled once, from the sources as they stand."""
    Velocity().warm_up()
    Features().warm_up()


@pytest.fixture(scope="session")
def small_history(tmp_path_factory):
    """
    A folder with a history in the Sparkov layout, `transactions.parquet` and `customers.csv`: 8,000 payments
    of forty cards over ninety days, of which the expensive ones by night are mostly fraud.
    """
    folder = tmp_path_factory.mktemp("history")
    rng = np.random.default_rng(11)
    count = 8_000
    cards = rng.integers(0, CARDS, count)
    times_s = 1_704_067_200 + np.sort(rng.integers(0, 90 * 86_400, count))
    is_fraud = rng.random(count) < 0.04
    times_s = np.where(is_fraud, times_s // 86_400 * 86_400 + rng.integers(0, 4 * 3600, count), times_s)
    amounts = np.where(is_fraud, rng.normal(80_000, 15_000, count), np.exp(rng.normal(8.3, 0.8, count)))
    table = pa.table(
        {
            "unix_time": times_s,
            "cc_num": [f"400000000000{card:04}" for card in cards],
            "category": rng.choice(list(SPARKOV_CATEGORIES), count),
            "merchant": [f"Shop {number}" for number in rng.integers(0, 50, count)],
            "merch_lat": (40 + rng.normal(0, 1, count)).astype(np.float32),
            "merch_long": (-75 + rng.normal(0, 1, count)).astype(np.float32),
            "amount_minor": np.maximum(amounts, 100).astype(np.int32),
            "is_fraud": is_fraud.astype(np.int8),
        }
    )
    pq.write_table(table, folder / "transactions.parquet")
    homes = "".join(f"400000000000{card:04}|40.5|-75.5\n" for card in range(CARDS - 1))
    (folder / "customers.csv").write_text(f"cc_num|lat|long\n{homes}", encoding="utf-8")
    return folder


@pytest.fixture(scope="session")
def small_model_folder(small_history, tmp_path_factory):
    """The folder of a small model trained on the small history."""
    root = tmp_path_factory.mktemp("models")
    manifest = train(
        small_history / "transactions.parquet",
        root,
        customers=small_history / "customers.csv",
        rounds_max=40,
    )
    return root / manifest.version


@pytest.fixture
def small_model(small_model_folder):
    """The small model, loaded."""
    model = Model.load(small_model_folder)
    model.warm_up()
    return model
