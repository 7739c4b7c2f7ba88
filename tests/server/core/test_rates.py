"""Conversion by the kernel, against fractions."""

from datetime import date
from decimal import Decimal
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ledger.exchange import AMOUNT_MAX, TERM_MAX, Exchange, Rate, valid_until_s
from server.core.rates import NO_RATE, RATE, convert, table_of

pytestmark = pytest.mark.kernel

USD, EUR, JPY, KWD, GBP = 840, 978, 392, 414, 826
DAY = date(2026, 11, 18)
TERMS = st.integers(1, TERM_MAX)


def plain(amount_minor, numerator, denominator):
    """The same in Python's own integers."""
    if amount_minor == 0:
        return 0
    result = (2 * amount_minor * numerator + denominator) // (2 * denominator)
    return NO_RATE if result > AMOUNT_MAX else max(1, result)


@settings(max_examples=500)
@given(st.integers(0, AMOUNT_MAX), TERMS, TERMS)
def test_convert_is_the_fraction_rounded_half_up_whatever_the_terms(amount_minor, numerator, denominator):
    """128 bits in between; what no amount can hold is no rate."""
    table = np.array([(USD << 16 | EUR, 0, numerator, denominator, 10)], RATE)
    expected = plain(amount_minor, numerator, denominator)
    if expected == NO_RATE or expected < AMOUNT_MAX:
        assert convert(amount_minor, USD, EUR, 10, table) == expected


@settings(max_examples=200)
@given(st.integers(0, 10**12), st.integers(1, 10**9), st.integers(1, 10**9))
def test_convert_agrees_with_the_plain_twin_for_everyday_amounts(amount_minor, numerator, denominator):
    """Small terms divide exactly more often: halves are met."""
    table = np.array([(USD << 16 | EUR, 0, numerator, denominator, 10)], RATE)
    assert convert(amount_minor, USD, EUR, 10, table) == plain(amount_minor, numerator, denominator)


@pytest.mark.parametrize(
    ("amount_minor", "source", "target", "expected"),
    [
        (10_000, EUR, USD, 11_087),  # 1.0870 and two percent: 110.874
        (10_000, EUR, EUR, 10_000),
        (0, JPY, USD, 0),
        (1_000, JPY, USD, 683),  # 1000 yen at 149.325 to the dollar: 6.6968, and two percent
        (1, JPY, USD, 1),
        (12_345, USD, KWD, 38_718),  # three digits: 38.717574
        (10_000, EUR, JPY, 16_556),  # crossed through the dollar
        (10_000, GBP, USD, NO_RATE),
    ],
)
def test_convert_knows_minor_units_spreads_and_crosses(amount_minor, source, target, expected):
    """Worked out by hand."""
    rates = [
        Rate(DAY, EUR, USD, Decimal("1.0870"), 200),
        Rate(DAY, USD, JPY, Decimal("149.325"), 200),
        Rate(DAY, USD, KWD, Decimal("0.30748"), 200),
    ]
    table = table_of(Exchange(rates))
    assert (np.diff(table["pair"].astype(np.int64)) > 0).all()
    assert convert(amount_minor, source, target, valid_until_s(DAY, 86_400), table) == expected


def test_convert_refuses_a_rate_one_second_after_it_was_good():
    """Not silently the last one that was known."""
    table = table_of(Exchange([Rate(DAY, EUR, USD, Decimal(2), 0)]))
    until_s = valid_until_s(DAY, 86_400)
    assert convert(50, EUR, USD, until_s, table) == 100
    assert convert(50, EUR, USD, until_s + 1, table) == NO_RATE
    assert convert(50, EUR, USD, 0, np.zeros(0, RATE)) == NO_RATE


def test_a_table_keeps_ratios_exact_where_they_fit():
    """A published rate of twelve places and its spread do."""
    table = table_of(Exchange([Rate(DAY, EUR, USD, Decimal("1.087654321012"), 125)]))
    row = table[table["pair"] == EUR << 16 | USD][0]
    exact = Fraction("1.087654321012") * Fraction(10_125, 10_000)
    assert Fraction(int(row["numerator"]), int(row["denominator"])) == exact
