"""The Handbook's protocol: who teaches, who is measured, against counting by hand."""

from pathlib import Path

import numpy as np
import pytest

from loadtest import handbook
from scoring.attempt import Verdict, empty_attempts
from scoring.history import History, read_history

FILE = Path(__file__).parents[3] / "shared" / "data" / "fraud" / "handbook_transactions.parquet"
FIRST = handbook.FIRST_DAY_S


def history_of(rows):
    """A history of (day since the first of training, card, is fraud)."""
    attempts = empty_attempts(len(rows))
    attempts["time_s"] = [FIRST + day * 86_400 for day, _, _ in rows]
    attempts["card_row"] = [card for _, card, _ in rows]
    verdicts = np.array([Verdict.FRAUD if fraud else 0 for *_, fraud in rows], np.uint8)
    cards = [str(card) for card in range(1 + max(card for _, card, _ in rows))]
    return History(attempts, verdicts, attempts["time_s"] + 1, cards, "", np.arange(len(rows)))


def test_cards_are_left_out_once_a_fraud_on_them_is_known():
    """Of the training days at once; of later days when they are the delay and one more back."""
    rows = [
        (-1, 4, True),  # before training: forgotten
        (0, 0, True),  # known in the test
        (6, 1, False),
        (7, 2, True),  # in the delay: known from the second day of the test on
        (14, 0, False),
        (14, 2, False),
        (14, 4, False),
        (15, 2, False),
        (15, 3, True),
        (20, 3, False),
        (21, 1, False),
    ]
    split = handbook.fold(history_of(rows))
    assert np.flatnonzero(split.teaches).tolist() == [1, 2]
    assert np.flatnonzero(split.measures).tolist() == [5, 6, 8, 9]
    whole = handbook.fold(history_of(rows), all_before=True)
    assert np.flatnonzero(whole.teaches).tolist() == [0, 1, 2]
    assert (whole.measures == split.measures).all()


@pytest.mark.skipif(not FILE.exists(), reason=f"{FILE.name} is not in ../shared/data/fraud")
def test_the_fold_of_the_book_has_its_sizes():
    """As printed in chapter 3: 67,240 transactions of training, 58,264 of test, 385 of them fraud."""
    history = read_history(FILE)
    split = handbook.fold(history)
    assert split.teaches.sum() == 67_240
    assert split.measures.sum() == 58_264
    assert (split.measures & history.is_fraud).sum() == 385
