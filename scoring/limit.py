"""
What a limit is: one ceiling on what a subject does within a window, and what a judged request is told of it.

A *limit set* is what applies to one card: its programme's limits, its account's and its own, resolved by the caller.
Set 0 is empty. The numbers here are journalled and stored: they only grow.
"""

from enum import IntEnum, IntFlag
from typing import Final, NamedTuple

import numpy as np

from scoring.windows import LEVELS


class Subject(IntEnum):
    """Whose windows a limit reads."""

    CARD = 0
    ACCOUNT = 1
    MERCHANT = 2
    DEVICE = 3
    IP = 4


class Measure(IntEnum):
    """What is measured: how many, how much, or how many different ones."""

    COUNT = 0
    AMOUNT = 1
    MERCHANTS = 2
    COUNTRIES = 3
    CATEGORIES = 4
    CARDS = 5


class Of(IntEnum):
    """What counts: what is reserved or confirmed, every attempt, or declines. Distinct measures are of attempts."""

    APPROVALS = 0
    ATTEMPTS = 1
    DECLINES = 2


class Passed(IntFlag):
    """What sort of live limits a request would pass: AMOUNT answers 61, FREQUENCY 65."""

    AMOUNT = 1
    FREQUENCY = 2


AMOUNT: Final = int(Passed.AMOUNT)
FREQUENCY: Final = int(Passed.FREQUENCY)
# Windows of a limit: 0..LEVELS-1 are `windows.WINDOWS`; then the request itself and the programme's calendar. Those three
# measure AMOUNT of APPROVALS: TRANSACTION of a card, DAY and MONTH of a card or an account.
TRANSACTION: Final = LEVELS
DAY: Final = LEVELS + 1
MONTH: Final = LEVELS + 2

# One limit. `ceiling` > 0, in minor units or a count. It is passed where what the request would bring it to is above the
# ceiling; declines, which a request doesn't bring, where there were as many already. `shadow`: told, never declining.
LIMIT: Final = np.dtype(
    [
        ("number", np.uint32),
        ("name", np.uint16),
        ("subject", np.uint8),
        ("measure", np.uint8),
        ("of", np.uint8),
        ("window", np.uint8),
        ("shadow", np.uint8),
        ("padding", np.uint8, 5),
        ("ceiling", np.int64),
    ],
    align=True,
)

# What was compared. number 0 = nothing stands here.
CONSULTED_MAX: Final = 8
CONSULTED: Final = np.dtype(
    [
        ("number", np.uint32),
        ("name", np.uint16),
        ("passed", np.uint8),
        ("shadow", np.uint8),
        ("used", np.int64),
        ("ceiling", np.int64),
    ],
    align=True,
)
assert CONSULTED.itemsize == 24


class LimitTable(NamedTuple):
    """Limits LIMIT[m] by set: set k is those from sets[k] to sets[k + 1]; sets u4[s + 1]."""

    limits: np.ndarray
    sets: np.ndarray


def no_limits() -> LimitTable:
    """A table of the empty set alone."""
    return LimitTable(np.zeros(0, LIMIT), np.zeros(2, np.uint32))
