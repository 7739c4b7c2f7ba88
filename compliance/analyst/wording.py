"""Amounts, dates and words as an analysis writes them; text that strangers wrote made harmless to show."""

import re
import unicodedata
from datetime import date, datetime
from typing import Final

from compliance.facts import Kind

_CENTS: Final = 100
_NO_MINOR_UNIT: Final = frozenset(
    "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX VND VUV XAF XOF XPF".split()  # noqa: SIM905 - a list of words
)
_THOUSANDTHS: Final = frozenset(("BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND"))
_LONG: Final = re.compile(r"\d(?:[ .-]?\d){8,}")

KIND_TEXT: Final = {
    Kind.CARD: "card payment",
    Kind.INTERNAL: "internal transfer",
    Kind.ACH: "ACH transfer",
    Kind.WIRE: "wire",
    Kind.RTP: "instant payment",
    Kind.SWIFT: "SWIFT wire",
    Kind.CASH_DEPOSIT: "cash deposit",
    Kind.CASH_WITHDRAWAL: "cash withdrawal",
}


def money(amount_minor: int, currency: str = "USD") -> str:
    """An amount of minor units for people, such as `12,500.00 USD`."""
    places = 0 if currency in _NO_MINOR_UNIT else 3 if currency in _THOUSANDTHS else 2
    whole, part = divmod(abs(amount_minor), 10**places)
    sign = "-" if amount_minor < 0 else ""
    return f"{sign}{whole:,}" + (f".{part:0{places}d}" if places else "") + f" {currency}"


def day(at: datetime | date) -> str:
    """A date in ISO 8601."""
    return (at.date() if isinstance(at, datetime) else at).isoformat()


def masked(text: str) -> str:
    """A text with all but the last four digits of each long number (a card's, an account's, an SSN) gone."""
    return _LONG.sub(lambda match: "*" * 4 + re.sub(r"\D", "", match[0])[-4:], text)


def plain(text: str, length_max: int) -> str:
    """
    A stranger's text on one line, cut to `length_max`: compatibility forms folded, without control, formatting (zero
    width, bidirectional) and private characters, which show as something else than what they are.
    """
    folded = unicodedata.normalize("NFKC", text[: length_max * 8])
    kept = "".join(
        " " if unicodedata.category(c) in {"Cc", "Zl", "Zp"} else c
        for c in folded
        if unicodedata.category(c) not in {"Cf", "Co", "Cs", "Cn"}
    )
    line = re.sub(r"\s+", " ", kept).strip()
    return line if len(line) <= length_max else line[: length_max - 1] + "…"
