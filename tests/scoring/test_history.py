"""Histories are read as the server would have seen them; what isn't one is named."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from scoring.attempt import TIME_MISSING, hash_merchant
from scoring.history import HistoryError, read_history
from scoring.outlet import outlet
from scoring.table import write_table

FRAUD = Path(__file__).parents[3] / "shared" / "data" / "fraud"


def needs(path):
    return pytest.mark.skipif(not path.exists(), reason=f"{path.name} is not in ../shared/data/fraud")


def test_a_sparkov_history_becomes_attempts_in_time_order(small_history):
    """Categories become codes, merchants hashes, homes coordinates; unknown homes stay missing."""
    history = read_history(small_history / "transactions.parquet", small_history / "customers.csv")
    attempts = history.attempts
    assert (np.diff(attempts["time_s"]) >= 0).all()
    assert (attempts["local_time_s"] == attempts["time_s"]).all()
    assert set(attempts["category"][attempts["entry_mode"] == 5]) == {5411, 5969, 5999}
    assert hash_merchant(b"999001", outlet("Shop 7").merchant_id.encode()) in attempts["merchant"]
    homeless = attempts["card_row"] == len(history.cards) - 1
    assert np.isnan(attempts["home_latitude_deg"][homeless]).all()
    assert (attempts["home_latitude_deg"][~homeless] == np.float32(40.5)).all()
    assert 0 < history.is_fraud.sum() < len(attempts)


def test_a_file_of_other_columns_is_refused_by_name(tmp_path):
    """A table that is no known history says what it has."""
    pq.write_table(pa.table({"what": [1]}), tmp_path / "other.parquet")
    with pytest.raises(HistoryError, match=r"other.parquet has neither .* \['what'\]"):
        read_history(tmp_path / "other.parquet")


def test_a_file_that_is_no_parquet_is_refused_by_name(tmp_path):
    """Garbage is named, not guessed over."""
    (tmp_path / "garbage.parquet").write_bytes(b"not a table")
    with pytest.raises(HistoryError, match=r"garbage.parquet can't be read as Parquet"):
        read_history(tmp_path / "garbage.parquet")


def test_a_folder_is_refused_by_name_where_a_file_is_wanted(tmp_path):
    """Also a folder of Parquet files, which Arrow would read as one table."""
    pq.write_table(pa.table({"time_s": [1], "card": [1], "amount_minor": [1]}), tmp_path / "one.parquet")
    with pytest.raises(HistoryError, match=f"{tmp_path.name} is a folder: name one Parquet file"):
        read_history(tmp_path)


def test_a_table_that_can_not_be_written_leaves_the_one_before(tmp_path):
    """What stands in the way is told with the file's name, and nothing half is left."""
    path = tmp_path / "scores.parquet"
    write_table(path, {"row": [1, 2]})
    before = path.read_bytes()
    (tmp_path / "scores.parquet.new").mkdir()
    with pytest.raises(OSError, match=r"scores.parquet can't be written"):
        write_table(path, {"row": [3]})
    assert path.read_bytes() == before


@needs(FRAUD / "sparkov_transactions.parquet")
def test_the_sparkov_file_is_read_whole():
    """Every row, every card's home, and the fraud rate that its description gives."""
    history = read_history(FRAUD / "sparkov_transactions.parquet", FRAUD / "sparkov_customers.csv")
    assert len(history.attempts) == 1_049_465
    assert round(100 * history.is_fraud.mean(), 3) == 0.722
    assert not np.isnan(history.attempts["home_latitude_deg"]).any()


@needs(FRAUD / "handbook_transactions.parquet")
def test_the_handbook_file_is_read_whole_and_lacks_what_it_lacks():
    """Places are missing, not zero; each terminal is a merchant of its own, as in a replay."""
    history = read_history(FRAUD / "handbook_transactions.parquet")
    assert len(history.attempts) == 1_754_155
    assert round(100 * history.is_fraud.mean(), 3) == 0.837
    assert (history.attempts["terminal"] != history.attempts["merchant"]).all()
    assert set(history.scenarios) == {"", "amount", "terminal compromised", "card leaked"}
    assert np.isnan(history.attempts["latitude_deg"]).all()
    assert (history.attempts["local_time_s"] != TIME_MISSING).all()
