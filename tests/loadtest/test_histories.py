"""Recorded histories as requests: each row what a processor would have sent."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from holdfast.v1 import authorization_pb2 as pb
from loadtest.histories import customers_beside, read_history, read_holders
from scoring.history import HistoryError

FRAUD = Path(__file__).parents[2].parent / "shared" / "data" / "fraud"


def request(history, row):
    made = pb.AuthorizeRequest()
    history.fill(made, row)
    return made


def test_sparkov_row_becomes_the_purchase_it_describes(sparkov_file):
    """Card, time, amount, merchant, place and category of a row stand in its request."""
    table = pq.read_table(sparkov_file).to_pylist()
    history = read_history(sparkov_file)
    for row in (0, 77, 199):
        made, wanted = request(history, row), table[row]
        assert made.pan == wanted["cc_num"]
        assert made.key.transmission_time.seconds == made.local_time.seconds == wanted["unix_time"]
        assert made.amount_minor == wanted["amount_minor"]
        assert made.merchant.name == wanted["merchant"][:25]
        assert made.merchant.latitude_deg == pytest.approx(wanted["merch_lat"])
        assert (made.merchant.country, made.currency) == ("US", "USD")
        assert made.card_present != wanted["category"].endswith("_net")
        assert (made.entry_mode == pb.ENTRY_MODE_ECOMMERCE) == wanted["category"].endswith("_net")
        assert len(made.key.terminal_id) == 8
        assert len(made.merchant.merchant_id) <= 15


def test_keys_are_the_rows_own_and_the_same_in_every_run(sparkov_file):
    """No two rows share a key, and reading the file again gives the same ones."""
    keys = [
        [request(history, row).key.SerializeToString() for row in range(len(history))]
        for history in (read_history(sparkov_file), read_history(sparkov_file))
    ]
    assert keys[0] == keys[1]
    assert len(set(keys[0])) == 200


def test_handbook_row_becomes_a_purchase_on_a_made_up_card(tmp_path):
    """A customer is a card, a terminal a merchant without a place; rows are sent in time order."""
    file = tmp_path / "handbook.parquet"
    times = np.array(["2018-04-01T00:02:10", "2018-04-01T00:00:31"], "datetime64[ms]")
    columns = {"datetime": times, "customer_id": [4961, 596], "terminal_id": [3412, 3156]}
    pq.write_table(pa.table({**columns, "amount_minor": [8151, 5716], "is_fraud": [1, 0]}), file)
    history = read_history(file)
    made = request(history, 0)
    assert made.pan == "9999970000005965"
    assert (made.amount_minor, made.merchant.name, made.key.terminal_id) == (
        5716,
        "Terminal 3156",
        "00003156",
    )
    assert (made.merchant.latitude_deg, made.merchant.longitude_deg) == (0.0, 0.0)
    assert made.local_time.ToDatetime().isoformat() == "2018-04-01T00:00:31"
    assert history.is_fraud.tolist() == [False, True]


def test_limit_takes_the_first_rows_and_funds_for_the_whole_file(sparkov_file):
    """A part of a file is its beginning; cards are still opened with all that the file spends."""
    whole, part = read_history(sparkov_file), read_history(sparkov_file, 10)
    assert len(part) == 10
    assert (part.time_s == whole.time_s[:10]).all()
    assert part.spent_minor.sum() == whole.amount_minor.sum()


def test_holders_are_described_where_known_and_made_up_where_not(sparkov_file, customers_file):
    """Customers of the file come with name, SSN and home; a card without a customer still gets a holder."""
    history = read_history(sparkov_file)
    holders = {holder.pan: holder for holder in read_holders(history, customers_file)}
    assert set(history.pans) <= set(holders)
    known = holders["4015928497650512"]
    assert (known.given_name, known.family_name, known.ssn) == ("Donald", "Rose", "640325481")
    assert (known.birth_date, known.home_latitude_deg) == ("1936-11-10", 42.1086)
    spent = history.amount_minor[history.card == history.pans.index(known.pan)].sum()
    assert known.opening_minor == spent
    assert {holder.opening_minor for holder in read_holders(history, customers_file, funding_minor=5)} == {5}


def test_customer_file_is_found_beside_the_transactions(tmp_path):
    """It is looked for by its name in the same folder, and its absence is no error."""
    assert customers_beside(tmp_path / "sparkov.parquet") is None
    (tmp_path / "sparkov_customers.csv").touch()
    assert customers_beside(tmp_path / "sparkov.parquet") == tmp_path / "sparkov_customers.csv"


def test_unknown_layout_is_refused_by_its_columns(tmp_path):
    """A file of neither layout, or no Parquet at all, is said to be so."""
    file = tmp_path / "other.parquet"
    pq.write_table(pa.table({"a": [1]}), file)
    with pytest.raises(HistoryError, match="neither"):
        read_history(file)
    file.write_text("no parquet")
    with pytest.raises(HistoryError, match="can't be read"):
        read_history(file)


@pytest.mark.parametrize("name", ["sparkov", "handbook"])
def test_shared_file_is_read_whole_and_in_time_order(name):
    """The real files give valid PANs, rising times and requests within the contract's lengths."""
    file = FRAUD / f"{name}_transactions.parquet"
    if not file.exists():
        pytest.skip("the shared fraud data is not here")
    history = read_history(file)
    assert len(history) > 1_000_000
    assert (np.diff(history.time_s) >= 0).all()
    assert all(pan.isdigit() and 12 <= len(pan) <= 19 for pan in history.pans)
    assert all(len(shape.merchant.name) <= 25 for shape in history.shapes)
