"""Holdfast's own layout: everything arrives as it was given; what is wrong is named by column and row."""

from datetime import UTC, datetime

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from scoring.attempt import TIME_MISSING, Verdict, hash_merchant
from scoring.history import HistoryError, read_history

DAY_S = 86_400
T = 1_735_689_600
GOOD = {"time_s": [T, T + 10, T + 20], "card": ["a", "b", "a"], "amount_minor": [100, 0, 300]}


def read(folder, **columns):
    """The history of three good rows with these columns instead or besides; None takes one out."""
    table = {name: cells for name, cells in {**GOOD, **columns}.items() if cells is not None}
    pq.write_table(pa.table(table), folder / "own.parquet")
    return read_history(folder / "own.parquet")


def test_every_column_arrives_in_its_field(tmp_path):
    """Whole numbers, text, coordinates, timestamps, flags: each where scoring looks for it."""
    history = read(
        tmp_path,
        account=["x", "x", "x"],
        local_time_s=[T - 18_000, None, T],
        acquirer=["999001"] * 3,
        merchant=["shop", None, "shop"],
        terminal=["T1", "T1", "T2"],
        device=[7, None, 9],
        ip=["10.1.2.3", "::ffff:10.1.2.3", "2001:db8::1"],
        latitude_deg=[40.5, None, float("nan")],
        longitude_deg=[-75.5, None, float("nan")],
        home_latitude_deg=[1.0, 2.0, 3.0],
        home_longitude_deg=[4.0, 5.0, 6.0],
        category=["5411", None, "742"],
        country=[840, None, 276],
        home_country=[840, 840, 840],
        entry_mode=[3, None, 5],
        card_present=[True, None, False],
        verdict=["fraud", None, "false_positive"],
        known_s=pa.array([datetime(2025, 1, 2, tzinfo=UTC), None, datetime(2025, 1, 3, tzinfo=UTC)]),
        born=["1980-01-02", None, None],
        region=[None, "NY", "TX"],
        scenario=["stolen", "", None],
        remark=["not", "for", "us"],
    )
    attempts = history.attempts
    assert history.cards == ["a", "b"]
    assert attempts["card_row"].tolist() == [0, 1, 0]
    assert attempts["account"].tolist() == [1, 1, 1]
    assert attempts["local_time_s"].tolist() == [T - 18_000, TIME_MISSING, T]
    shop = hash_merchant(b"999001", b"shop")
    assert attempts["merchant"].tolist() == [shop, 0, shop]
    assert attempts["terminal"][1] == 0
    assert attempts["terminal"][0] != attempts["terminal"][2]
    assert attempts["device"].tolist() == [7, 0, 9]
    assert attempts["ip"][0] == attempts["ip"][1] != attempts["ip"][2]
    assert attempts["latitude_deg"][0] == 40.5
    assert np.isnan(attempts["longitude_deg"][1:]).all()
    assert attempts["category"].tolist() == [5411, 0, 742]
    assert attempts["country"].tolist() == [840, 0, 276]
    assert attempts["entry_mode"].tolist() == [3, 0, 5]
    assert attempts["card_present"].tolist() == [1, 0, 0]
    assert attempts["transaction_type"].tolist() == [1, 1, 1]
    assert history.verdicts.tolist() == [Verdict.FRAUD, 0, Verdict.LEGITIMATE]
    assert history.known_s.tolist() == [T + DAY_S, T + 10 + 7 * DAY_S, T + 2 * DAY_S]
    assert history.is_fraud.tolist() == [True, False, False]
    assert (history.born, history.regions) == (["1980-01-02", ""], ["TX", "NY"])
    assert history.scenarios.tolist() == ["stolen", "", ""]
    assert list(history.unread) == ["remark"]


def test_rows_out_of_order_are_put_in_order_of_time_and_keep_their_places(tmp_path):
    """Rows of one second keep the file's order."""
    history = read(tmp_path, time_s=[T + 5, T, T + 5], is_fraud=[1, 0, 0])
    assert history.rows.tolist() == [1, 0, 2]
    assert history.is_fraud.tolist() == [False, True, False]


def test_a_label_is_known_after_its_transaction_at_the_earliest(tmp_path):
    """Known in the same second means in the next one: nothing is learnt before it happened."""
    history = read(tmp_path, is_fraud=[1, 1, 1], known_s=GOOD["time_s"])
    assert history.known_s.tolist() == [T + 1, T + 11, T + 21]


def test_a_file_without_labels_is_read_and_says_so(tmp_path):
    """It can be scored, and not learnt from."""
    history = read(tmp_path)
    assert not history.is_labelled
    assert not history.is_fraud.any()


@pytest.mark.parametrize(
    ("columns", "words"),
    [
        ({"amount_minor": [100, -1, 300]}, r"amount_minor is -1 in row 1 \(1 of 3 rows\); allowed are whole"),
        ({"amount_minor": [1.0, 2.5, 3.0]}, r"amount_minor is 2.5 in row 1"),
        (
            {"amount_minor": [1.0, float("nan"), float("nan")]},
            r"amount_minor is nan in row 1 \(2 of 3 rows\)",
        ),
        ({"amount_minor": [1, None, 3]}, r"amount_minor is empty in row 1"),
        ({"amount_minor": ["1", "2", "3"]}, r"amount_minor is of type string; wanted are whole numbers"),
        ({"time_s": [T, -5, T]}, r"time_s is -5 in row 1"),
        ({"time_s": [T, 1 << 40, T]}, r"time_s is 1099511627776 in row 1"),
        ({"card": ["a", None, "b"]}, r"card is empty in row 1"),
        ({"card": ["a", "b", ""]}, r"card is empty in row 2"),
        ({"card": [1.5, 2.5, 3.5]}, r"card is of type double; wanted are names"),
        ({"latitude_deg": [0.0, 91.0, 0.0]}, r"latitude_deg is 91.0 in row 1"),
        ({"latitude_deg": [0.0, float("inf"), 0.0]}, r"latitude_deg is inf in row 1"),
        ({"category": [5411, 10_000, 1]}, r"category is 10000 in row 1"),
        (
            {"category": ["5411", "food", "1"]},
            r"category is 'food' in row 1; allowed are codes of four digits",
        ),
        ({"entry_mode": [0, 7, 0]}, r"entry_mode is 7 in row 1"),
        ({"ip": ["10.0.0.1", "10.0.0", None]}, r"ip is '10.0.0' in row 1; allowed are IP addresses"),
        ({"is_fraud": [0, 2, 0]}, r"is_fraud is 2 in row 1"),
        ({"is_fraud": [0, None, 0]}, r"is_fraud is empty in row 1"),
        ({"verdict": ["fraud", "maybe", None]}, r"verdict is 'maybe' in row 1; allowed are \['dispute'"),
        ({"is_fraud": [0, 1, 0], "verdict": [None] * 3}, r"has both is_fraud and verdict"),
        ({"known_s": [T, T, T + 99]}, r"known_s lies before time_s in row 1"),
        ({"id": ["x", "y", "x"]}, r"id is 'x' in rows 0 and 2"),
        ({"amount_minor": None}, r"has neither Holdfast's columns"),
        ({"time_s": [T, T, T], "card": ["a"] * 3, "amount_minor": [5, 6, 5]}, r"rows 0 and 2 are equal"),
    ],
)
def test_a_bad_cell_is_refused_by_column_and_row(tmp_path, columns, words):
    """Nothing is guessed over, and nothing is cut."""
    with pytest.raises(HistoryError, match=words):
        read(tmp_path, **columns)


def test_equal_rows_with_ids_of_their_own_are_two_transactions(tmp_path):
    """Whoever can tell them apart may have both."""
    history = read(tmp_path, time_s=[T] * 3, card=["a"] * 3, amount_minor=[5] * 3, id=["x", "y", "z"])
    assert len(history.attempts) == 3


def test_a_column_of_empty_cells_is_a_column_of_missing_values(tmp_path):
    """Whatever may be missing may be missing everywhere."""
    empty = [None] * 3
    history = read(tmp_path, device=empty, ip=empty, category=empty, latitude_deg=empty, verdict=empty)
    assert history.is_labelled
    assert not history.attempts["device"].any()
    assert not history.attempts["category"].any()


def test_a_file_without_rows_is_refused(tmp_path):
    """There is nothing in it."""
    with pytest.raises(HistoryError, match=r"own.parquet holds no rows"):
        read(tmp_path, **{name: pa.array([], pa.int64()) for name in GOOD})
