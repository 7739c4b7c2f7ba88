"""Birth dates and countries: what they add to a name's score or take from it, and whether they bear it out."""

from collections.abc import Sequence
from datetime import date
from typing import Final, NamedTuple

from compliance.screening.entries import Birth, ListEntry

_YEARS_NEAR: Final = 1
_YEARS_CIRCA: Final = 3


class Agreement(NamedTuple):
    """What is known beside the name."""

    moved: float = 0.0  # added to the score
    bears_out: bool = False
    contradicts: bool = False
    is_day: bool = False  # the very day of birth
    note: str = ""


def by_birth(asked: date | None, births: Sequence[Birth]) -> Agreement:
    """A date of birth beside those listed; the most favourable counts."""
    if asked is None:
        return Agreement()
    if not births:
        return Agreement(note="no date of birth is listed")
    if any(birth.day in {asked.isoformat(), _swapped(asked)} for birth in births):
        return Agreement(0.05, bears_out=True, is_day=True, note="date of birth agrees: +0.05")
    apart = min(
        max(birth.first_year - asked.year, asked.year - birth.last_year, 0)
        - (_YEARS_CIRCA if birth.is_circa else 0)
        for birth in births
    )
    listed = ", ".join(birth.day or str(birth.first_year) for birth in births[:3])
    if apart <= 0:
        only_year = any(not birth.day for birth in births)
        return Agreement(0.03, bears_out=only_year, note=f"year of birth agrees (listed {listed}): +0.03")
    if apart <= _YEARS_NEAR:
        return Agreement(note=f"year of birth is near (listed {listed})")
    return Agreement(-0.12, contradicts=True, note=f"date of birth differs (listed {listed}): -0.12")


def by_country(asked: Sequence[str], entry: ListEntry) -> Agreement:
    """Countries beside those listed. Few contradict by them: people move."""
    given = {country.upper() for country in asked if country}
    if not given or not entry.countries:
        return Agreement()
    shared = given & set(entry.countries)
    if shared:
        return Agreement(
            0.02, bears_out="US" not in shared, note=f"country agrees ({', '.join(sorted(shared))}): +0.02"
        )
    return Agreement(-0.03, note=f"country differs (listed {', '.join(entry.countries[:4])}): -0.03")


def _swapped(day: date) -> str:
    try:
        return day.replace(month=day.day, day=day.month).isoformat()
    except ValueError:
        return ""
