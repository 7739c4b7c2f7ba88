"""Business days are those of the Federal Reserve Banks."""

from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

import pytest

from compliance.calendar import business_day_of, business_days_after, is_business_day

NEW_YORK = ZoneInfo("America/New_York")


@pytest.mark.parametrize(
    ("day", "is_open"),
    [
        (date(2026, 6, 19), False),  # Juneteenth, a Friday
        (date(2021, 6, 18), True),  # Juneteenth on a Saturday is not moved
        (date(2022, 6, 19), False),
        (date(2022, 6, 20), False),  # Juneteenth on a Sunday is Monday's
        (date(2026, 7, 3), True),  # Independence Day on a Saturday: the Friday before is open
        (date(2026, 7, 4), False),
        (date(2027, 7, 5), False),  # Independence Day on a Sunday
        (date(2023, 1, 2), False),  # New Year on a Sunday
        (date(2027, 12, 24), True),  # Christmas on a Saturday
        (date(2026, 11, 26), False),
        (date(2026, 10, 12), False),
        (date(2026, 3, 11), True),
        (date(2025, 1, 9), True),  # a day of mourning: federal offices closed, the Reserve Banks open
    ],
)
def test_is_business_day_follows_the_reserve_banks_when_a_holiday_is_near(day, is_open):
    """Sunday's holiday is Monday's, Saturday's is nobody's."""
    assert is_business_day(day) is is_open


def test_business_day_of_is_the_next_one_when_it_is_a_weekend():
    """Saturday's and Sunday's cash is Monday's; midnight is the bank's own."""
    assert business_day_of(datetime(2026, 3, 14, 16, tzinfo=UTC), NEW_YORK) == date(2026, 3, 16)
    assert business_day_of(datetime(2026, 3, 11, 3, tzinfo=UTC), NEW_YORK) == date(2026, 3, 10)
    assert business_day_of(datetime(2026, 3, 11, 4, tzinfo=UTC), NEW_YORK) == date(2026, 3, 11)


def test_business_days_after_counts_none_of_what_is_closed_when_it_passes_holidays():
    """Ten business days from the Monday before Thanksgiving."""
    assert business_days_after(date(2026, 11, 23), 10) == date(2026, 12, 8)
    assert business_days_after(date(2026, 3, 13), 1) == date(2026, 3, 16)
    assert business_days_after(date(2026, 3, 14), 0) == date(2026, 3, 14)
