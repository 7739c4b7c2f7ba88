"""Plain traffic as strangers make it: ordinary purchases that no model should stop."""

import itertools
from typing import NamedTuple

import numpy as np

from scoring.attempt import TIME_MISSING, empty_attempts, hash_merchant

MERCHANTS = np.array([hash_merchant(b"", b"merchant %d" % number) for number in range(300)], np.uint64)


class Scenario(NamedTuple):
    """How a load generator was set up: cards, requests a second, codes, what it fills in."""

    name: str
    cards: int
    requests_per_s: float
    categories: tuple[int, ...]
    entry_modes: tuple[int, ...]
    fields: tuple[str, ...] = ()
    amounts_minor: tuple[int, int] = (1_000, 10_000)


EVERYWHERE = (
    5411,
    5541,
    5812,
    5732,
    5999,
    4111,
    7011,
    5912,
    5311,
    6011,
    7995,
    5942,
    4829,
    5816,
    5964,
    742,
    9399,
)
SCENARIOS = (
    Scenario("burst over all cards", 10_000, 5_000, EVERYWHERE, (3, 4, 5)),
    Scenario("one hot card", 1, 2, (5411,), (3,), ("local_time",)),
    Scenario("a card tens of times an hour", 200, 3, EVERYWHERE, (3, 5), ("local_time", "place")),
    Scenario("days of calm", 300, 0.01, EVERYWHERE, (2, 3, 4, 5, 6), ("local_time", "place", "home")),
    Scenario("online only", 2_000, 40, (5969, 5999, 5815), (5,), ("local_time", "home")),
    Scenario("fuel only", 2_000, 400, (5541,), (3,), ("local_time", "home")),
    Scenario("supermarket only", 2_000, 400, (5411,), (4,), ("local_time", "place", "home")),
    Scenario("always 25.00", 500, 20, (5812,), (0,), (), (2_500, 2_500)),
    Scenario("nothing but an amount", 1_000, 100, (0,), (0,)),
)
HOURS = (2, 14, 23)


def traffic(scenario, hour, count, seed):
    """`count` attempts (ATTEMPT) of a scenario that begins at an hour of the day, UTC and local."""
    rng = np.random.default_rng(seed)
    attempts = empty_attempts(count)
    attempts["card_row"] = rng.integers(0, scenario.cards, count)
    attempts["time_s"] = 1_790_000_000 // 86_400 * 86_400 + hour * 3600
    attempts["time_s"] += (np.arange(count) / scenario.requests_per_s).astype(np.int64)
    attempts["amount_minor"] = rng.integers(*scenario.amounts_minor, count, endpoint=True)
    attempts["category"] = rng.choice(scenario.categories, count)
    attempts["merchant"] = rng.choice(MERCHANTS, count)
    attempts["country"] = attempts["home_country"] = 840
    attempts["transaction_type"] = 1
    attempts["entry_mode"] = rng.choice(scenario.entry_modes, count)
    attempts["card_present"] = np.isin(attempts["entry_mode"], (2, 3, 4))
    attempts["local_time_s"] = attempts["time_s"] if "local_time" in scenario.fields else TIME_MISSING
    if "place" in scenario.fields:
        attempts["latitude_deg"], attempts["longitude_deg"] = rng.uniform((26, -120), (48, -72), (count, 2)).T
    if "home" in scenario.fields:
        attempts["home_latitude_deg"], attempts["home_longitude_deg"] = 40.7, -74.0
    return attempts


def all_traffic():
    """Each scenario at each hour, with a seed of its own."""
    return list(enumerate(itertools.product(SCENARIOS, HOURS)))
