"""
What velocity and features take in memory for ten million cards, each with an account of its own.

Two measurements: every card has made one attempt, for real; and what a card takes that pays on ten days a month, by a
tenth of a million of them, times ten million. What stands in memory is what a snapshot of it is on disk.
"""

from typing import Final, NamedTuple

import numpy as np

from scoring.attempt import empty_attempts
from scoring.features import Features
from scoring.velocity import Velocity, no_limits

CARDS: Final = 10_000_000
_SAMPLE: Final = 100_000
_DAYS: Final = 30
_ACTIVE_DAYS: Final = 10
_MERCHANTS: Final = 100_000
_AT_ONCE: Final = 100_000
_DAY_S: Final = 86_400
_FIRST_S: Final = 1_750_032_000


class Memory(NamedTuple):
    """Bytes that the state of CARDS takes: after an attempt each, and at ten days a month (computed of a sample)."""

    once_bytes: int
    habitual_bytes: int


def ten_million() -> Memory:
    """Takes about a minute, and four gigabytes."""
    of_cards, shared = _lived(_SAMPLE, [*range(_DAYS)])
    return Memory(sum(_lived(CARDS, [1])), of_cards * (CARDS // _SAMPLE) + shared)


def _lived(cards: int, days: list[int]) -> tuple[int, int]:
    """
    Bytes of the state of so many cards, one attempt each on a day, or on a third of the days: their own, with their
    accounts, and those of merchants and terminals, whose tables don't grow with the cards.
    """
    rng = np.random.default_rng(1)
    velocity, features = Velocity(cards, cards + 1), Features(cards)
    for day in days:
        rows = np.arange(cards, dtype=np.uint32)
        if len(days) > 1:
            rows = rows[rng.random(cards) < _ACTIVE_DAYS / len(days)]
        for first in range(0, len(rows), _AT_ONCE):
            attempts = _attempts(rng, rows[first : first + _AT_ONCE], _FIRST_S + day * _DAY_S)
            count = len(attempts)
            ones, nobody = np.ones(count, np.int32), np.zeros(count, np.bool_)
            admitted = velocity.admit(
                attempts, day_ids=ones + day, month_ids=ones, counted=~nobody, entering=~nobody,
                limit_sets=np.zeros(count, np.uint32), limits=no_limits(),
            )  # fmt: skip
            features.observe(attempts, admitted.past)
    known = {name: array.nbytes for name, array in features.arrays().items()}
    of_cards = velocity.card_bytes + known["habits"]
    return of_cards, velocity.used_bytes - velocity.card_bytes + sum(known.values()) - known["habits"]


def _attempts(rng: np.random.Generator, rows: np.ndarray, day_s: int) -> np.ndarray:
    """Purchases of these cards on one day, at merchants of which some are much visited."""
    attempts = empty_attempts(len(rows))
    attempts["card_row"], attempts["account"] = rows, rows + 1
    attempts["time_s"] = day_s + np.sort(rng.integers(0, _DAY_S, len(rows)))
    attempts["local_time_s"] = attempts["time_s"]
    attempts["amount_minor"] = rng.integers(100, 20_000, len(rows))
    attempts["merchant"] = rng.zipf(1.5, len(rows)) % _MERCHANTS + 1
    attempts["terminal"] = attempts["merchant"]
    attempts["category"] = 5_000 + attempts["merchant"] % 30
    attempts["country"] = attempts["home_country"] = 840
    attempts["entry_mode"], attempts["transaction_type"], attempts["card_present"] = 3, 1, 1
    return attempts
