"""`holdfast bench rules`: how many dossiers with a history of sixty movements are assessed a second, on one core."""

import random
import time
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any, Final
from uuid import UUID

from compliance.facts import CASH, Customer, Direction, Dossier, Kind, Movement, Source, Subject, Usual
from compliance.rules.assess import assess
from compliance.rules.countries import CountryStatus, CountryTable, Listed
from compliance.rules.policy import RulesPolicy
from loadtest.figure import Figure

HISTORY: Final = 60
NETWORK: Final = 100
FLOOR: Final = 2_000
_DOSSIERS: Final = 500
_NOON: Final = datetime(2026, 3, 11, 16, tzinfo=UTC)
_COUNTRIES: Final = CountryTable.of([Listed("IR", CountryStatus.HIGH_RISK, "FATF", date(2025, 10, 24))])


def rule_figures(seconds: float, seed: int, told: Callable[[str], None]) -> dict[str, Any]:
    """The figures: each dossier in turn until the time is over, in three runs, the slowest told."""
    chance = random.Random(seed)
    dossiers = [_dossier(chance, number) for number in range(_DOSSIERS)]
    policy = RulesPolicy()
    found = sum(len(assess(one, (), policy, _COUNTRIES).findings) for one in dossiers)
    speeds = []
    for run in range(3):
        told(f"run {run + 1} of 3")
        count, began = 0, time.perf_counter()
        while (took_s := time.perf_counter() - began) < seconds / 3:
            for one in dossiers[:50]:
                assess(one, (), policy, _COUNTRIES)
            dossiers = dossiers[50:] + dossiers[:50]
            count += 50
        speeds.append(count / took_s)
    figure = Figure(
        f"{HISTORY} movements, {NETWORK} of neighbours", "assessed/s", min(speeds), FLOOR, True, 0
    )
    return {
        "figures": [{"part": "rules", **figure.document()}],
        "details": {
            "runs": [round(speed) for speed in speeds],
            "findings_per_dossier": round(found / _DOSSIERS, 2),
        },
        "passes": figure.passes,
    }


def _dossier(chance: random.Random, number: int) -> Dossier:
    customer = Customer(
        number, "", date(1980, 5, 1), "US", "", chance.choice(("low", "medium", "high")), "verified",
        chance.random() < 0.02, False, _NOON - timedelta(days=900), (number, 10_000 + number),
    )  # fmt: skip
    history = sorted(
        (_movement(chance, number, timedelta(days=90 * chance.random())) for _ in range(HISTORY - 1)),
        key=lambda movement: movement.at,
    )
    own = _movement(chance, number, timedelta())
    network = tuple(
        _movement(chance, chance.randrange(20), timedelta(days=30 * chance.random()))._replace(
            kind=Kind.INTERNAL, other=f"account:{chance.randrange(20)}"
        )
        for _ in range(NETWORK)
    )
    subject = Subject(
        UUID(int=number), Source.TRANSFER, own.id, own.at, own.kind, own.direction, own.usd_minor, "USD",
        own.usd_minor, number, number, own.country, (),
    )  # fmt: skip
    cash = tuple(each for each in (*history, own) if each.kind in CASH and each.at.date() == _NOON.date())
    usual = Usual(12.0, 20_000_00, 9_000_00, 200, _NOON - timedelta(days=1), ("US",), 25_000_00)
    return Dossier(subject, customer, (*history, own), cash, network, usual, _NOON)


def _movement(chance: random.Random, number: int, ago: timedelta) -> Movement:
    kind = chance.choice(tuple(Kind))
    direction = chance.choice(tuple(Direction))
    if kind in CASH:
        direction = Direction.IN if kind is Kind.CASH_DEPOSIT else Direction.OUT
    return Movement(
        UUID(int=chance.getrandbits(128)), _NOON - ago, kind, direction, round(chance.lognormvariate(13, 1.2)), number,
        number, f"account:{chance.randrange(20)}" if kind is Kind.INTERNAL else f"party:{chance.randrange(30)}",
        chance.choice(("US", "US", "US", "DE", "IR")),
    )  # fmt: skip
