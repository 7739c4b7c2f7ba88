"""The server killed in the middle of a replay: what it had said stays said, and the books balance."""

import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from server.cli import app


@pytest.fixture
def history_file(tmp_path):
    """Twelve thousand made-up rows in the Sparkov layout, over fifty cards that can't pay for all of it."""
    draw = np.random.default_rng(23)
    count = 12_000
    cards = [f"400000{index:09d}" for index in range(50)]
    columns = {
        "unix_time": 1_704_067_200 + np.cumsum(draw.integers(1, 300, count)),
        "cc_num": draw.choice([card + _luhn_digit(card) for card in cards], count),
        "category": draw.choice(["grocery_pos", "misc_net", "travel", "shopping_net"], count),
        "merchant": draw.choice(["Kirlin and Sons", "Jewess LLC", "Corner Grocer"], count),
        "merch_lat": draw.uniform(25, 48, count).astype(np.float32),
        "merch_long": draw.uniform(-120, -70, count).astype(np.float32),
        "amount_minor": draw.integers(100, 20_000, count).astype(np.int32),
        "is_fraud": (draw.random(count) < 0.01).astype(np.int8),
    }
    file = tmp_path / "transactions.parquet"
    pq.write_table(pa.table(columns), file)
    return file


def _luhn_digit(digits):
    doubled = (int(digit) * (2 - place % 2) for place, digit in enumerate(reversed(digits)))
    return str(-sum(value // 10 + value % 10 for value in doubled) % 10)


@pytest.mark.usefixtures("patient")
def test_a_server_killed_twice_in_a_replay_loses_no_answer_and_holds_nothing_twice(history_file):
    """Every row is answered once, repeats get their first answers, every approval has its one hold."""
    command = ["replay", str(history_file), "--funding", "5000", "--kills", "2", "--json"]
    result = CliRunner().invoke(app, command)
    assert result.exit_code == 0, result.output
    seen = json.loads(result.stdout)
    books = seen["books"]
    assert seen["answered"] == seen["rows"] == books["authorizations"] == 12_000
    # A death that comes before the link is back breaks none.
    assert seen["server"]["kills"] == 2 and seen["breaks"] >= 1
    assert seen["rechecked"] > 0 and seen["mismatched"] == 0
    assert books["sound"] and books["answers_lost"] == 0 and not any(books["faults"].values())
    # Where the machine was slow some were told 91 by time, and what they held was let go.
    assert books["holds"] + books["expired"] + books["taken_back"] >= books["approvals"] > 1_000
    assert "51" in seen["codes"] and "96" not in seen["codes"]
