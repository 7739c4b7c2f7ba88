"""A score's reasons come largest first, as sentences and as codes."""

import numpy as np
import pytest

from scoring.explain import explain, reason_codes, reason_numbers, reasons_kernel
from scoring.features import FEATURE_NAMES, FEATURES
from scoring.reason_codes import REASON_TEXTS, ReasonCode
from scoring.sentences import code, sentence
from tests.scoring.test_model import random_rows


def naive_codes(added, most):
    """The plain twin: families by the sum of their features' parts, those above zero, largest first."""
    parts = dict.fromkeys(ReasonCode, 0.0)
    for index, part in enumerate(added):
        parts[code(index)] += part
    pushing = [family for family in ReasonCode if parts[family] > 0]
    return sorted(pushing, key=lambda family: (-parts[family], family))[:most]


def test_explain_names_the_largest_parts_first_each_with_a_sentence(small_model):
    """Reasons are ordered by size, at most as many as asked for, and read as sentences."""
    row = random_rows(5, 1)[0]
    reasons = explain(small_model, row, most=4)
    sizes = [abs(reason.contribution) for reason in reasons]
    assert len(reasons) == 4
    assert sizes == sorted(sizes, reverse=True)
    for reason in reasons:
        assert reason.feature in FEATURE_NAMES
        assert reason.text.endswith(".")


def test_reason_codes_are_the_families_that_push_a_score_up_most(small_model):
    """They are what a plain sum over each family gives, for one row and for many."""
    rows = random_rows(7, 60)
    numbers = np.full((60, 4), 99, np.uint8)
    reason_numbers(small_model, rows, numbers)
    for row, added, told in zip(rows, small_model.contributions(rows)[:, :-1], numbers.tolist(), strict=True):
        expected = naive_codes(added, 4)
        assert [number for number in told if number] == expected
        assert reason_codes(small_model, row) == [family.name for family in expected]


@pytest.mark.kernel
def test_the_reasons_kernel_leaves_zero_where_nothing_pushes_up():
    """Only families above zero are named, each once, equal ones in the order of their numbers."""
    families = np.array([2, 1, 2, 3, 1], np.uint8)
    added = np.array([[0.5, 0.25, -0.25, 0.25, 0.0, 9.0], [-1.0, -1.0, 0.5, 0.0, 0.5, 9.0]])
    out = np.empty((2, 4), np.uint8)
    reasons_kernel(added, families, 4, out)
    assert out.tolist() == [[1, 2, 3, 0], [0, 0, 0, 0]]


def test_reasons_of_a_batch_fit_a_column_of_records(small_model):
    """The core writes them into its intents: a strided column is filled as an array is."""
    records = np.zeros(5, [("before", np.int64), ("reasons", np.uint8, 4), ("after", np.uint8)])
    rows, plain = random_rows(8, 5), np.empty((5, 4), np.uint8)
    reason_numbers(small_model, rows, records["reasons"])
    reason_numbers(small_model, rows, plain)
    assert np.array_equal(records["reasons"], plain)
    assert not records["after"].any()


def test_reason_codes_keep_their_numbers_and_have_a_text():
    """Journals hold the numbers: they fit a byte, none is zero, and each code reads as a sentence."""
    assert ReasonCode.AMOUNT_UNUSUAL == 1
    assert ReasonCode.ANOMALY == 23
    assert set(REASON_TEXTS) == set(ReasonCode)
    assert all(0 < number < 256 for number in ReasonCode)
    assert all(text.endswith(".") for text in REASON_TEXTS.values())


@pytest.mark.parametrize("index", range(len(FEATURES)), ids=FEATURE_NAMES)
def test_every_feature_has_a_sentence_for_any_value(index):
    """Zero, one, something large and a missing value each make one sentence."""
    for value in (0.0, 1.0, 1234567.0, np.nan):
        text = sentence(index, value)
        assert text.endswith(".")
        assert "nan" not in text
