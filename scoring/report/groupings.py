"""Which part of the traffic a transaction belongs to, as its files tell: scenarios, age bands, regions."""

from collections.abc import Sequence
from datetime import date
from typing import Final

import numpy as np

from scoring.report.scored import Grouping

_BANDS: Final = ("under 25", "25 to 34", "35 to 44", "45 to 54", "55 to 64", "65 and over")
_BAND_FROM: Final = (25, 35, 45, 55, 65)
_REGIONS_MAX: Final = 12

# The regions of the US Census Bureau.
_US_REGIONS: Final = {
    "Northeast": "CT MA ME NH NJ NY PA RI VT",
    "Midwest": "IA IL IN KS MI MN MO ND NE OH SD WI",
    "South": "AL AR DC DE FL GA KY LA MD MS NC OK SC TN TX VA WV",
    "West": "AK AZ CA CO HI ID MT NM NV OR UT WA WY",
}
_REGION_OF: Final = {state: region for region, states in _US_REGIONS.items() for state in states.split()}


def scenarios(names: np.ndarray) -> Grouping:
    """Kinds of fraud by the name of each transaction's, str[n]; an empty name is none that is known."""
    labels = sorted({str(name) for name in np.unique(names)} - {""})
    return Grouping("Scenario", tuple(labels), _codes(labels, names))


def age_bands(born: Sequence[str], card_rows: np.ndarray, times_s: np.ndarray) -> Grouping:
    """
    The cardholder's age on the day of each transaction: of birth dates by card row (YYYY-MM-DD, empty where
    unknown), card rows u4[n] and times i8[n]. A date that is none counts as unknown.
    """
    bands = np.full(len(card_rows), -1, np.int64)
    birthdays = np.array([_whole_day(text) for text in born], np.int64).reshape(-1, 3)
    days = times_s.astype("datetime64[s]")
    years = days.astype("datetime64[Y]").astype(np.int64) + 1970
    months = days.astype("datetime64[M]").astype(np.int64) % 12 + 1
    in_month = (days.astype("datetime64[D]") - days.astype("datetime64[M]")).astype(np.int64) + 1
    year, month, day = birthdays[card_rows].T
    ages = years - year - ((months < month) | ((months == month) & (in_month < day)))
    known = (year > 0) & (ages >= 0)
    bands[known] = np.searchsorted(_BAND_FROM, ages[known], side="right")
    return Grouping("Age band", _BANDS, bands)


def regions(names: Sequence[str], card_rows: np.ndarray) -> Grouping:
    """
    The cardholder's region: of names by card row (empty where unknown) and card rows u4[n]. States of the USA
    are put together as its Census Bureau does; of other names beyond twelve the rarest are one group.
    """
    told = {name for name in names if name}
    if told and told <= _REGION_OF.keys():
        labels = list(_US_REGIONS)
        of_card = np.array([labels.index(_REGION_OF[name]) if name else -1 for name in names], np.int64)
        return Grouping("Region", tuple(labels), of_card[card_rows])
    per_card = np.bincount(card_rows, minlength=len(names))
    counts: dict[str, int] = {}
    for name, count in zip(names, per_card.tolist(), strict=True):
        counts[name] = counts.get(name, 0) + count
    often = sorted(told, key=lambda name: (-counts[name], name))[
        : _REGIONS_MAX - 1 if len(told) > _REGIONS_MAX else None
    ]
    labels = [*sorted(often), *(["other"] if len(told) > len(often) else [])]
    places = {name: labels.index(name) if name in often else len(labels) - 1 for name in told} | {"": -1}
    return Grouping("Region", tuple(labels), np.array([places[name] for name in names], np.int64)[card_rows])


def cards_met(met: np.ndarray, card_rows: np.ndarray) -> Grouping:
    """Cards by row that the model learnt from, bool[cards], against those that it never met."""
    return Grouping("Cards", ("known from training", "never seen"), np.where(met, 0, 1)[card_rows])


def _codes(labels: Sequence[str], names: np.ndarray) -> np.ndarray:
    distinct, places = np.unique(names, return_inverse=True)
    of = np.array([labels.index(str(name)) if str(name) else -1 for name in distinct], np.int64)
    return of[places]


def _whole_day(text: str) -> tuple[int, int, int]:
    try:
        born = date.fromisoformat(text)
    except ValueError:
        return 0, 0, 0
    return born.year, born.month, born.day
