"""
Amounts of card transactions in another currency, converted by a kernel: whole numbers, exact, rounded half up.

A table of rates is an array, sorted by `pair`, that is replaced whole: the kernel never sees one half changed.
"""

from typing import Any, Final

import numpy as np
from numba import njit
from numpy.typing import NDArray

from ledger.exchange import Exchange, fitted

RATE: Final = np.dtype(
    [
        ("pair", "<u4"),  # source << 16 | target, ISO 4217 numbers
        ("padding", "<u4"),
        ("numerator", "<i8"),  # what the cardholder pays for one minor unit of the source, spread and all:
        ("denominator", "<i8"),  # numerator / denominator minor units of the target
        ("valid_until_s", "<i8"),  # Unix time; the last second at which it is good
    ]
)

NO_RATE: Final = -1
"""No rate, one that is too old, or a result that no amount can hold."""

_HALF: Final = np.uint64(0xFFFF_FFFF)
_BITS_32: Final = np.uint64(32)
_ONE: Final = np.uint64(1)
_ZERO: Final = np.uint64(0)
_TOP: Final = np.uint64(63)
_AMOUNT_MAX: Final = np.uint64((1 << 63) - 1)


def table_of(exchange: Exchange) -> NDArray[Any]:
    """RATE[n] of all pairs that can be converted, sorted by `pair`."""
    pairs = sorted(exchange.pairs().items())
    table = np.zeros(len(pairs), RATE)
    for place, ((source, target), quote) in enumerate(pairs):
        numerator, denominator = fitted(quote.buy_ratio())
        table[place] = (source << 16 | target, 0, numerator, denominator, quote.valid_until_s)
    return table


@njit(cache=True, nogil=True)
def _multiply(a: Any, b: Any) -> tuple[Any, Any]:
    """The 128 bits of a product of two u64 below 2**63, low and high."""
    a_low, a_high = a & _HALF, a >> _BITS_32
    b_low, b_high = b & _HALF, b >> _BITS_32
    low = a_low * b_low
    middle = a_high * b_low + (low >> _BITS_32)
    other = a_low * b_high + (middle & _HALF)
    return (other << _BITS_32) | (low & _HALF), a_high * b_high + (middle >> _BITS_32) + (other >> _BITS_32)


@njit(cache=True, nogil=True)
def _divide(low: Any, high: Any, divisor: Any) -> Any:
    """The quotient of 128 bits by a divisor in 2**62, rounded half up; needs high < divisor."""
    quotient = _ZERO
    rest = high
    for k in range(64):
        bit = (low >> (_TOP - np.uint64(k))) & _ONE
        rest = (rest << _ONE) | bit  # below 2**63: the divisor is
        quotient = quotient << _ONE
        if rest >= divisor:
            rest -= divisor
            quotient |= _ONE
    if rest << _ONE >= divisor and quotient <= _AMOUNT_MAX:
        quotient += _ONE
    return quotient


@njit(cache=True, nogil=True)
def convert(amount_minor: int, source: int, target: int, now_s: int, table: Any) -> int:
    """
    What a cardholder pays in `target` for an amount >= 0 in `source` (ISO 4217 numbers), by RATE[n]; else NO_RATE.

    More than nothing never costs nothing.
    """
    if source == target or amount_minor == 0:
        return amount_minor
    wanted = np.uint32(source << 16 | target)
    first, last = 0, len(table)
    while first < last:
        middle = (first + last) >> 1
        if table[middle]["pair"] < wanted:
            first = middle + 1
        else:
            last = middle
    if first == len(table) or table[first]["pair"] != wanted or now_s > table[first]["valid_until_s"]:
        return NO_RATE
    divisor = np.uint64(table[first]["denominator"])
    low, high = _multiply(np.uint64(amount_minor), np.uint64(table[first]["numerator"]))
    if high >= divisor:
        return NO_RATE
    quotient = _divide(low, high, divisor)
    if quotient > _AMOUNT_MAX:
        return NO_RATE
    # Not max(): of a signed and an unsigned number it would be a float.
    paid = np.int64(quotient)
    if paid == 0:
        return 1
    return int(paid)


def warm_up() -> None:
    """Compile, or load from the cache."""
    convert(1, 840, 978, 0, np.zeros(0, RATE))
    convert(1, 840, 978, 0, np.array([(840 << 16 | 978, 0, 1, 1, 0)], RATE))
