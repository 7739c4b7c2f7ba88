"""Business days of the Federal Reserve: what clocks of 10 business days and currency reports count by."""

from datetime import date, datetime, timedelta
from functools import cache
from typing import Final
from zoneinfo import ZoneInfo

import holidays

_SATURDAY: Final = 5
_DAY: Final = timedelta(days=1)


@cache
def _closed(year: int) -> frozenset[date]:
    # A holiday on a Saturday is not moved: the Reserve Banks are open on the Friday before.
    return frozenset(day for day in holidays.country_holidays("US", years=year, observed=False)) | frozenset(
        day + _DAY
        for day in holidays.country_holidays("US", years=year, observed=False)
        if day.weekday() == 6
    )


def is_business_day(day: date) -> bool:
    """Whether the Federal Reserve Banks are open."""
    return day.weekday() < _SATURDAY and day not in _closed(day.year)


def business_day_of(at: datetime, zone: ZoneInfo) -> date:
    """The business day on which something at `at` is booked: a weekend's belongs to the next one (31 CFR 1010.100(i))."""
    day = at.astimezone(zone).date()
    while not is_business_day(day):
        day += _DAY
    return day


def business_days_after(day: date, count: int) -> date:
    """The `count`-th business day after `day`, which itself doesn't count."""
    while count:
        day += _DAY
        count -= is_business_day(day)
    return day
