"""
What a history of one country's habits doesn't show a model: plain traffic, and missing fields.

A history like Sparkov's has no card without a past, no ten payments in a minute, no request without
coordinates; a model trained on it alone takes any of these for fraud, because only fraud came near them.
Two seeded additions tell it otherwise. *Plain* cards pay ordinary amounts anywhere, at any hour, at any
pace, with any field missing, and none of it is fraud. *Masked* cards repeat cards of the history, labels
included, with some of their fields missing, so that fraud is still seen through the gaps.
"""

from typing import Final

import numpy as np

from scoring.attempt import TIME_MISSING, empty_attempts
from scoring.category import GROUPS, group_table

# One plain card makes at most this many attempts.
PLAIN_ATTEMPTS_MAX: Final = 240
_PAUSE_MIN_S, _PAUSE_MAX_S = 0.05, 5 * 86_400.0


def plain_cards(rng: np.random.Generator, cards: int, first_row: int, begin_s: int, end_s: int) -> np.ndarray:
    """Attempts (ATTEMPT, in time order by card) of plain cards, rows from `first_row`, in a span of time."""
    codes = _codes_by_group()
    return np.concatenate(
        [_plain_card(rng, first_row + card, codes, begin_s, end_s) for card in range(cards)]
    )


def masked_cards(rng: np.random.Generator, attempts: np.ndarray) -> np.ndarray:
    """A copy of attempts in which each card lacks some fields, all of the time."""
    masked = attempts.copy()
    rows = attempts["card_row"]
    cards = int(rows.max(initial=0)) + 1

    def lacking(share: float) -> np.ndarray:
        return (rng.random(cards) < share)[rows]

    masked["local_time_s"][lacking(0.4)] = TIME_MISSING
    placeless, homeless = lacking(0.5), lacking(0.5)
    for axis in ("latitude_deg", "longitude_deg"):
        masked[axis][placeless] = np.nan
        masked[f"home_{axis}"][homeless] = np.nan
    masked["merchant"][lacking(0.3)] = 0
    masked["country"][lacking(0.3)] = 0
    masked["category"][lacking(0.2)] = 0
    masked["entry_mode"][lacking(0.5)] = 0
    return masked


def _codes_by_group() -> list[np.ndarray]:
    table = group_table()
    return [np.flatnonzero(table == group) for group in range(GROUPS) if (table == group).any()]


def _plain_card(
    rng: np.random.Generator, row: int, codes: list[np.ndarray], begin_s: int, end_s: int
) -> np.ndarray:
    count = int(rng.integers(1, PLAIN_ATTEMPTS_MAX))
    attempts = empty_attempts(count)
    attempts["card_row"] = row
    attempts["time_s"] = begin_s + rng.integers(0, end_s - begin_s) + np.cumsum(_pauses_s(rng, count))
    attempts["amount_minor"] = _amounts_minor(rng, count)
    attempts["category"] = _categories(rng, count, codes)
    attempts["merchant"] = _merchants(rng, count)
    _set_local_time(rng, attempts)
    _set_places(rng, attempts)
    attempts["home_country"] = 840
    attempts["country"] = rng.choice([0, 840, 840, 840, 276])
    modes = rng.integers(0, 7, count) if rng.random() < 0.5 else np.full(count, rng.integers(0, 7))
    attempts["entry_mode"] = modes
    attempts["card_present"] = np.isin(modes, (2, 3, 4)) if rng.random() < 0.7 else rng.integers(0, 2)
    attempts["transaction_type"] = 1
    return attempts


def _pauses_s(rng: np.random.Generator, count: int) -> np.ndarray:
    """Whole seconds between attempts; a card has up to three paces, one after the other."""
    paces_s = np.exp(rng.uniform(np.log(_PAUSE_MIN_S), np.log(_PAUSE_MAX_S), 3))
    paced = paces_s[np.sort(rng.integers(0, rng.integers(1, 4), count))]
    return rng.exponential(paced).astype(np.int64)


def _amounts_minor(rng: np.random.Generator, count: int) -> np.ndarray:
    style = rng.integers(0, 5)
    if style == 0:
        return np.full(count, rng.integers(500, 15_000))
    if style == 4:
        return rng.integers(500, 3_001, count)
    if style == 1:
        return rng.integers(1_000, 10_001, count)
    if style == 2:
        return rng.integers(5, 150, count) * 100
    return np.clip(np.exp(rng.normal(np.log(3_500), 0.9, count)), 100, 25_000).astype(np.int64)


def _categories(rng: np.random.Generator, count: int, codes: list[np.ndarray]) -> np.ndarray:
    style = rng.integers(0, 4)
    if style == 0:
        return np.full(count, rng.choice(codes[rng.integers(len(codes))]))
    if style == 1:
        return np.full(count, 0)
    few = np.array([rng.choice(group) for group in codes for _ in range(3)])
    return rng.choice(few, count)


def _merchants(rng: np.random.Generator, count: int) -> np.ndarray:
    identities = rng.integers(1, 1 << 63, count, dtype=np.uint64)
    kinds = (0, 1, 5, 40, count)
    return (
        np.zeros(count, np.uint64) if (few := rng.choice(kinds)) == 0 else rng.choice(identities[:few], count)
    )


def _set_local_time(rng: np.random.Generator, attempts: np.ndarray) -> None:
    style = rng.integers(0, 3)
    if style > 0:
        attempts["local_time_s"] = attempts["time_s"] + 3600 * rng.integers(-12, 13)
    if style == 2:
        attempts["local_time_s"] += rng.integers(0, 7 * 86_400, len(attempts))


def _set_places(rng: np.random.Generator, attempts: np.ndarray) -> None:
    home = rng.uniform((25.0, -120.0), (48.0, -70.0))
    if rng.random() < 0.5:
        attempts["home_latitude_deg"], attempts["home_longitude_deg"] = home
    style = rng.integers(0, 4)
    if style >= 2:
        return
    spread_deg = np.exp(rng.uniform(np.log(0.01), np.log(20.0)))
    count = 1 if style == 0 else len(attempts)
    attempts["latitude_deg"] = np.clip(home[0] + rng.normal(0, spread_deg, count), -90, 90)
    attempts["longitude_deg"] = home[1] + rng.normal(0, spread_deg, count)
