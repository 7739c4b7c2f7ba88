"""Rates, their age and their rounding, by examples worked out by hand."""

from datetime import UTC, date, datetime
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.exchange import TERM_MAX, Exchange, Rate, RateMissing, fitted, round_half_up, valid_until_s

USD, EUR, JPY, KWD, GBP = 840, 978, 392, 414, 826
WEDNESDAY = date(2026, 11, 18)


@pytest.mark.parametrize(
    ("day", "age_max_h", "last"),
    [
        (date(2026, 11, 18), 24, datetime(2026, 11, 19, 23, 59, 59, tzinfo=UTC)),
        (date(2026, 11, 20), 24, datetime(2026, 11, 23, 23, 59, 59, tzinfo=UTC)),
        (date(2026, 11, 21), 24, datetime(2026, 11, 23, 23, 59, 59, tzinfo=UTC)),
        (date(2026, 11, 20), 1, datetime(2026, 11, 23, 0, 59, 59, tzinfo=UTC)),
        (date(2026, 11, 19), 48, datetime(2026, 11, 23, 23, 59, 59, tzinfo=UTC)),
    ],
)
def test_a_rate_is_good_to_the_end_of_its_age_and_weekends_do_not_count(day, age_max_h, last):
    """A Friday's serves on Monday, as its successor comes only then."""
    assert valid_until_s(day, age_max_h * 3600) == int(last.timestamp())


@pytest.mark.parametrize(
    ("value", "rounded"), [("0", 0), ("0.49999", 0), ("0.5", 1), ("1.5", 2), ("2.5", 3), ("2.4999", 2)]
)
def test_halves_go_up(value, rounded):
    """Regulation (EC) No 1103/97, article 5."""
    assert round_half_up(Fraction(value)) == rounded


def test_a_quote_is_the_pair_its_inverse_or_a_cross():
    """The newest rate of a pair; the inverse exactly; the larger spread and the older day of a cross."""
    exchange = Exchange(
        [
            Rate(date(2026, 11, 17), EUR, USD, Decimal("9.99"), 0),
            Rate(WEDNESDAY, EUR, USD, Decimal("1.25"), 100),
            Rate(date(2026, 11, 17), USD, KWD, Decimal("0.30"), 250),
        ]
    )
    now_s = valid_until_s(date(2026, 11, 17), 86_400)
    assert exchange.quote(EUR, USD, now_s).ratio == Fraction(5, 4)
    assert exchange.quote(USD, EUR, now_s).ratio == Fraction(4, 5)
    crossed = exchange.quote(EUR, KWD, now_s)
    assert (crossed.ratio, crossed.spread_bps) == (Fraction(5, 4) * 3, 250)  # a cent is ten fils
    assert (crossed.sell(100), crossed.buy(100)) == (366, 384)
    assert exchange.quote(GBP, GBP, now_s).sell(77) == 77
    with pytest.raises(RateMissing, match="no rate from GBP to USD"):
        exchange.quote(GBP, USD, now_s)
    with pytest.raises(RateMissing, match="of 2026-11-17 and was good until"):
        exchange.quote(KWD, EUR, now_s + 1)


@given(st.fractions(min_value=Fraction(1, 10**9), max_value=10**9))
def test_terms_fit_and_lose_next_to_nothing(ratio):
    """62 bits each."""
    numerator, denominator = fitted(ratio)
    assert 0 < numerator <= TERM_MAX and 0 < denominator <= TERM_MAX
    assert abs(Fraction(numerator, denominator) / ratio - 1) < Fraction(1, 10**8)
    assert abs(ratio - Fraction(numerator, denominator)) < Fraction(1, 10**8)


@given(st.integers(1, 10**12), st.integers(1, 10**12), st.integers(0, 5_000))
def test_a_conversion_there_and_back_never_gains(amount_minor, digits, spread_bps):
    """But for the rounding of one unit on either side."""
    exchange = Exchange([Rate(WEDNESDAY, EUR, USD, Decimal(digits) / 10**9, spread_bps)])
    there, back = exchange.quote(EUR, USD, 0), exchange.quote(USD, EUR, 0)
    got = there.sell(amount_minor)
    assert back.sell(got) <= amount_minor + round_half_up(back.ratio / 2) + 1
