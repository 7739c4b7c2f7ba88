"""Numbers as people read them: shares, counts, money, times."""

import math
from datetime import UTC, datetime

from scoring.report.scored import Currency

MISSING = "–"  # noqa: RUF001 - an en dash is what stands in an empty cell
MINUS = "−"  # noqa: RUF001 - the sign of a number, not a hyphen
_TIGHT = "\N{NO-BREAK SPACE}"
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def share(value: float | None) -> str:
    """A share in per cent, with as many digits as say something: 97.3 %, 0.012 %."""
    if value is None or math.isnan(value):
        return MISSING
    percent = 100 * value
    if percent == 0 or percent == 100:
        return f"{percent:.0f}{_TIGHT}%"
    near_end = min(percent, 100 - percent)
    if percent >= 10:
        digits = 1 if near_end >= 0.1 else 2 if near_end >= 0.01 else 4
    else:
        digits = 2 if percent >= 1 else min(6, 1 - math.floor(math.log10(percent)))
    return f"{percent:.{digits}f}{_TIGHT}%"


def between(ends: tuple[float, float]) -> str:
    """An interval of shares."""
    return f"{share(ends[0])} to {share(ends[1])}"


def count(value: int) -> str:
    """A whole number with its thousands apart."""
    return f"{value:,}"


def of(value: int, noun: str) -> str:
    """A count with its noun: no fraud, 1 fraud, 2 frauds."""
    return f"{value:,} {noun}{'' if value == 1 else 's'}" if value else f"no {noun}"


def number(value: float | None, digits: int = 3) -> str:
    """A figure between 0 and 1, say, to a number of digits."""
    return MISSING if value is None or math.isnan(value) else f"{value:.{digits}f}"


def round_share(value: float) -> str:
    """A share that was chosen, without more digits than it has: 0.1 %."""
    digits = f"{100 * value:.8f}".rstrip("0").rstrip(".")
    return f"{digits}{_TIGHT}%"


def threshold(value: float) -> str:
    """A score: three digits in the middle, more near the ends, where thresholds lie close."""
    return f"{value:.3f}" if 0.01 <= value <= 0.99 else f"{value:.5f}"


def money(amount_minor: int, currency: Currency) -> str:
    """An amount with its currency, exact: USD 1,234.50."""
    whole, rest = divmod(abs(amount_minor), 10**currency.digits)
    fraction = f".{rest:0{currency.digits}}" if currency.digits else ""
    return f"{_sign(amount_minor)}{_coded(currency)}{whole:,}{fraction}"


def round_money(amount_minor: int, currency: Currency) -> str:
    """An amount to whole major units, half away from zero: what a headline shows."""
    unit = 10**currency.digits
    whole = (2 * abs(amount_minor) + unit) // (2 * unit)
    return f"{_sign(amount_minor if whole else 0)}{_coded(currency)}{whole:,}"


def one_in(hits: int, total: int) -> str:
    """How seldom something happens, of a few hits at least: one in 4,200."""
    return f"one in {round(total / hits):,}"


def moment(time_s: int) -> str:
    """A time, UTC, to the second."""
    return datetime.fromtimestamp(time_s, UTC).strftime("%Y-%m-%d %H:%M:%S")


def day(time_s: int) -> str:
    """A day, UTC: 5 Nov 2024."""
    return f"{short_day(time_s)}{_TIGHT}{datetime.fromtimestamp(time_s, UTC).year}"


def short_day(time_s: int) -> str:
    """A day without its year: 5 Nov."""
    at = datetime.fromtimestamp(time_s, UTC)
    return f"{at.day}{_TIGHT}{_MONTHS[at.month - 1]}"


def masked(identity: str) -> str:
    """A card by its last four characters."""
    return f"•••• {identity[-4:]}"


def _sign(amount_minor: int) -> str:
    return MINUS if amount_minor < 0 else ""


def _coded(currency: Currency) -> str:
    return f"{currency.code}{_TIGHT}" if currency.code else ""
