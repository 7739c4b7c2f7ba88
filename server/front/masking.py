"""
Card numbers where none belongs: masked in the texts that merchants and clerks write, found in what senders name things by.

A text with 13 digits or more in a row, single spaces or hyphens between them, loses all its digits: a track goes whole. An
identifier stays as it is, for it would no longer name anything; one that holds its own message's card number is refused.
"""

from typing import Any, Final

import numpy as np
from numba import njit

DIGITS_MIN: Final = 13
"""So many digits in a row may be a card number (ISO/IEC 7812-1: up to 19); telephone numbers have fewer."""

_ZERO: Final = ord("0")
_NINE: Final = ord("9")
_SPACE: Final = ord(" ")
_HYPHEN: Final = ord("-")
_STAR: Final = ord("*")


@njit(cache=True)
def mask_text(text: Any) -> None:
    """Star out the digits of a text, u1[n], where so many stand in a row."""
    run = longest = 0
    is_gap = False
    for i in range(len(text)):
        if _ZERO <= text[i] <= _NINE:
            run += 1
            is_gap = False
            longest = max(longest, run)
        elif run and not is_gap and (text[i] == _SPACE or text[i] == _HYPHEN):
            is_gap = True
        else:
            run = 0
    if longest >= DIGITS_MIN:
        for i in range(len(text)):
            if _ZERO <= text[i] <= _NINE:
                text[i] = _STAR


@njit(cache=True)
def holds(text: Any, number: Any, size: int) -> bool:
    """Whether the first `size` of `number` (u1) stand in a text, u1[n]."""
    for first in range(len(text) - size + 1):
        same = 0
        while same < size and text[first + same] == number[same]:
            same += 1
        if same == size:
            return True
    return False


@njit(cache=True)
def leave_named(records: Any, states: Any, pans: Any, sizes: Any) -> None:
    """Leave REQUEST_NUMBERS[n] to the reader (state 0) whose own card number, u1[n, 19], stands in an identifier."""
    for i in range(len(records)):
        size = sizes[i]
        if size >= DIGITS_MIN and (
            holds(records[i].merchant_id, pans[i], size)
            or holds(records[i].device_fingerprint, pans[i], size)
        ):
            states[i] = 0


@njit(cache=True)
def mask_texts(records: Any) -> None:
    """`mask_text` of the merchant's name and city of each of REQUEST_NUMBERS[n]."""
    for i in range(len(records)):
        mask_text(records[i].merchant_name)
        mask_text(records[i].merchant_city)


@njit(cache=True)
def mask_all(records: Any, states: Any, pans: Any, sizes: Any) -> None:
    """`mask_texts` and `leave_named`."""
    mask_texts(records)
    leave_named(records, states, pans, sizes)


def masked(text: str) -> bytes:
    """`mask_text` of one text, as UTF-8."""
    characters = np.frombuffer(bytearray(text.encode()), np.uint8)
    mask_text(characters)
    return characters.tobytes()
