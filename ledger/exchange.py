"""
One currency into another: exact fractions, from decimals that people publish. No float, no clock.

A rate is dated with the day on which it was published: one unit of the base is worth `rate` units of the quote. It is
good until that day has ended and `age_max_s` more have passed, counted on weekdays alone (UTC): with 24 hours, a
Monday's rate serves to the end of Tuesday and a Friday's to the end of Monday, as central banks publish.

Between two currencies the pair itself is looked for, then its inverse, then the two pairs that meet in a third
currency; where several do, the newest. The spread of a crossed rate is the larger of the two.

Amounts are rounded half up to the minor unit, as Council Regulation (EC) No 1103/97, article 5, has it. The spread is
always against the customer: who gives a fixed amount gets `1 - spread` of it, who wants a fixed one pays `1 + spread`.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Final

from ledger.money import currency_letters, exponent

AGE_MAX_S: Final = 86_400
DAY_S: Final = 86_400
SPREAD_ONE_BPS: Final = 10_000
AMOUNT_MAX: Final = (1 << 63) - 1
TERM_MAX: Final = (1 << 62) - 1
"""Numerators and denominators of `fitted`."""

_SATURDAY: Final = 5


@dataclass(frozen=True, slots=True)
class Rate:
    """One line of a rate table: on `day`, one `base` was worth `rate` of `quote` (ISO 4217 numbers)."""

    day: date
    base: int
    quote: int
    rate: Decimal
    spread_bps: int


@dataclass(frozen=True, slots=True)
class Quote:
    """What one minor unit of a currency is worth in minor units of another, without the spread."""

    ratio: Fraction
    spread_bps: int
    day: date
    valid_until_s: int

    def sell(self, amount_minor: int) -> int:
        """What the customer gets for an amount that is given."""
        return round_half_up(amount_minor * self.ratio * self._share(-self.spread_bps))

    def buy_ratio(self) -> Fraction:
        """What the customer pays for one minor unit, spread and all."""
        return self.ratio * self._share(self.spread_bps)

    def buy(self, amount_minor: int) -> int:
        """What the customer pays, in the currency that this quote leads to, for an amount that is wanted."""
        return round_half_up(amount_minor * self.buy_ratio())

    def _share(self, spread_bps: int) -> Fraction:
        return Fraction(SPREAD_ONE_BPS + spread_bps, SPREAD_ONE_BPS)


class RateMissing(LookupError):  # noqa: N818 - told as what it is
    """No rate leads from one currency to the other, or only one that is too old; the text says which."""


class Exchange:
    """The rates of one moment: the newest of each pair that is not of a later day."""

    def __init__(self, rates: Iterable[Rate] = (), *, age_max_s: int = AGE_MAX_S) -> None:
        self.age_max_s = age_max_s
        newest: dict[tuple[int, int], Rate] = {}
        for rate in rates:
            pair = (rate.base, rate.quote)
            if pair not in newest or newest[pair].day < rate.day:
                newest[pair] = rate
        self._from: dict[int, dict[int, Quote]] = {}
        for rate in newest.values():
            direct = _of(rate, age_max_s)
            self._from.setdefault(rate.base, {})[rate.quote] = direct
        for rate in newest.values():
            known = self._from.setdefault(rate.quote, {}).get(rate.base)
            if known is None or known.day < rate.day:
                self._from[rate.quote][rate.base] = _turned(self._from[rate.base][rate.quote])

    @property
    def currencies(self) -> list[int]:
        """All currencies that a rate is known of, ISO 4217 numbers in order."""
        return sorted(self._from)

    def pairs(self) -> Mapping[tuple[int, int], Quote]:
        """Every pair that can be converted, crossed ones too."""
        every = self.currencies
        return {
            (a, b): quote for a in every for b in every if a != b and (quote := self._find(a, b)) is not None
        }

    def quote(self, source: int, target: int, now_s: int) -> Quote:
        """From one currency to another at a time. Raises RateMissing."""
        if source == target:
            return Quote(Fraction(1), 0, date.min, AMOUNT_MAX)
        found = self._find(source, target)
        letters = f"{currency_letters(source)} to {currency_letters(target)}"
        if found is None:
            raise RateMissing(f"there is no rate from {letters}: import one with `holdfast rates import`")
        if now_s > found.valid_until_s:
            until = datetime.fromtimestamp(found.valid_until_s, UTC).isoformat()
            raise RateMissing(f"the newest rate from {letters} is of {found.day} and was good until {until}")
        return found

    def _find(self, source: int, target: int) -> Quote | None:
        starting = self._from.get(source, {})
        if target in starting:
            return starting[target]
        crossed = [
            Quote(
                first.ratio * second.ratio,
                max(first.spread_bps, second.spread_bps),
                min(first.day, second.day),
                min(first.valid_until_s, second.valid_until_s),
            )
            for middle, first in starting.items()
            if (second := self._from[middle].get(target)) is not None
        ]
        return max(crossed, key=lambda quote: quote.day, default=None)


def round_half_up(value: Fraction) -> int:
    """The nearest integer to a value >= 0; halves go up."""
    return (2 * value.numerator + value.denominator) // (2 * value.denominator)


def fitted(ratio: Fraction) -> tuple[int, int]:
    """
    Numerator and denominator within TERM_MAX: the ratio itself where it fits, else the nearest fraction that does.

    What is lost is less than one part in 10**15 for ratios of 10**-3 to 10**3, and always less than half a minor unit
    of what anybody can hold.
    """
    if ratio.numerator <= TERM_MAX and ratio.denominator <= TERM_MAX:
        return ratio.numerator, ratio.denominator
    near = ratio.limit_denominator(max(1, TERM_MAX // (2 * max(1, -(-ratio.numerator // ratio.denominator)))))
    return near.numerator, near.denominator


def valid_until_s(day: date, age_max_s: int) -> int:
    """The last second (Unix, UTC) at which a rate of that day is good: see above."""
    left_s = age_max_s
    end = day + timedelta(days=1)
    while True:
        if end.weekday() < _SATURDAY:
            if left_s <= DAY_S:
                break
            left_s -= DAY_S
        end += timedelta(days=1)
    midnight = datetime(end.year, end.month, end.day, tzinfo=UTC)
    return int(midnight.timestamp()) + left_s - 1


def _of(rate: Rate, age_max_s: int) -> Quote:
    digits = exponent(currency_letters(rate.quote)) - exponent(currency_letters(rate.base))
    ratio = Fraction(rate.rate) * Fraction(10) ** digits
    return Quote(ratio, rate.spread_bps, rate.day, valid_until_s(rate.day, age_max_s))


def _turned(quote: Quote) -> Quote:
    return Quote(1 / quote.ratio, quote.spread_bps, quote.day, quote.valid_until_s)
