"""ISO 4217: a currency's number, letters and minor units. pycountry is read at the first question."""

from collections.abc import Mapping
from functools import cache
from types import MappingProxyType

# Minor units of the currencies that don't have two (ISO 4217, list one). Metals, units of account and codes
# for tests have none at all, so no amount can be kept in them.
_DIGITS_0 = frozenset("BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF".split())  # noqa: SIM905 - a list to read
_DIGITS_3 = frozenset("BHD IQD JOD KWD LYD OMR TND".split())  # noqa: SIM905 - a list to read
_DIGITS_4 = frozenset("CLF UYW".split())  # noqa: SIM905 - a list to read
_NO_MINOR_UNIT = frozenset("XAG XAU XBA XBB XBC XBD XDR XPD XPT XSU XTS XUA XXX".split())  # noqa: SIM905 - a list to read
_EXPONENTS: Mapping[str, int] = MappingProxyType(
    dict.fromkeys(_DIGITS_0, 0) | dict.fromkeys(_DIGITS_3, 3) | dict.fromkeys(_DIGITS_4, 4)
)


class UnknownCurrency(ValueError):  # noqa: N818 - reads as what it is
    """Not a currency of ISO 4217 that amounts can be kept in."""


@cache
def _numbers() -> Mapping[str, int]:
    import pycountry

    return MappingProxyType(
        {
            entry.alpha_3: int(entry.numeric)
            for entry in pycountry.currencies
            if entry.alpha_3 not in _NO_MINOR_UNIT
        }
    )


@cache
def _letters() -> Mapping[int, str]:
    return MappingProxyType({number: alpha for alpha, number in _numbers().items()})


def is_currency(currency: str) -> bool:
    """Whether these three letters name a currency that amounts can be kept in."""
    return currency in _numbers()


def currency_number(currency: str) -> int:
    """The ISO 4217 number of a currency's three letters: USD is 840."""
    try:
        return _numbers()[currency]
    except KeyError:
        raise UnknownCurrency(f"{currency!r} is not a currency of ISO 4217") from None


def currency_letters(number: int) -> str:
    """The three letters of an ISO 4217 number: 840 is USD."""
    try:
        return _letters()[number]
    except KeyError:
        raise UnknownCurrency(f"{number} is not a currency number of ISO 4217") from None


def exponent(currency: str) -> int:
    """How many digits a currency's minor unit takes: USD 2, JPY 0, KWD 3."""
    currency_number(currency)
    return _EXPONENTS.get(currency, 2)


def format_minor(amount_minor: int, currency: str) -> str:
    """An amount as people read it, without the currency: 100000 in USD is "1,000.00"."""
    digits = exponent(currency)
    sign = "-" if amount_minor < 0 else ""
    whole, part = divmod(abs(amount_minor), 10**digits)
    return f"{sign}{whole:,}" + (f".{part:0{digits}d}" if digits else "")
