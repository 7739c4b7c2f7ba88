"""What leaves the payer and what reaches the payee, and what a transfer is worth. Pure arithmetic."""

from dataclasses import dataclass
from datetime import date
from typing import Final

from ledger.exchange import AMOUNT_MAX, Exchange, RateMissing, round_half_up
from ledger.money import currency_letters, exponent
from server.banking.refusals import Refused

USD: Final = 840
_BILLION: Final = 1_000_000_000


@dataclass(frozen=True, slots=True)
class Price:
    """Both sides of a transfer; minor units, and the rate between them where they differ."""

    payer_minor: int
    payee_minor: int
    rate_billionths: int = 0
    spread_bps: int = 0
    rate_day: date | None = None


def price(
    exchange: Exchange, amount_minor: int, currency: int, payer_currency: int, payee_currency: int, now_s: int
) -> Price:
    """
    The price of an amount given in the payer's or the payee's currency.

    The side whose currency it is gives or gets exactly that; the other side bears rate, spread and rounding.
    Raises Refused where no rate is good, or nothing would be left of it.
    """
    assert currency in {payer_currency, payee_currency}
    if payer_currency == payee_currency:
        return Price(amount_minor, amount_minor)
    try:
        there = exchange.quote(payer_currency, payee_currency, now_s)
        back = exchange.quote(payee_currency, payer_currency, now_s)
    except RateMissing as error:
        raise Refused("RATE_MISSING", str(error)) from error
    if currency == payer_currency:
        payer_minor, payee_minor = amount_minor, there.sell(amount_minor)
    else:
        payer_minor, payee_minor = back.buy(amount_minor), amount_minor
    if not (0 < payer_minor <= AMOUNT_MAX and 0 < payee_minor <= AMOUNT_MAX):
        raise Refused("AMOUNT_OUT_OF_RANGE", "the amount is too small or too large to be converted")
    digits = exponent(currency_letters(payer_currency)) - exponent(currency_letters(payee_currency))
    major = there.ratio * (10**digits if digits >= 0 else 1) / (10**-digits if digits < 0 else 1)
    billionths = min(round_half_up(major * _BILLION), AMOUNT_MAX)
    return Price(payer_minor, payee_minor, billionths, there.spread_bps, there.day)


def worth_usd_minor(exchange: Exchange, amount_minor: int, currency: int, now_s: int) -> int | None:
    """An amount in US cents at the middle rate; None where no good rate is known."""
    if currency == USD:
        return amount_minor
    try:
        quote = exchange.quote(currency, USD, now_s)
    except RateMissing:
        return None
    return min(round_half_up(amount_minor * quote.ratio), AMOUNT_MAX)
