"""Wall clocks and months, against Python's own."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from server.core.calendar import local_s, month_of, zone_table

kernel = pytest.mark.kernel
ZONES = ("UTC", "America/New_York", "Europe/Berlin", "Asia/Kolkata", "Australia/Lord_Howe", "Pacific/Apia")
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def offset_s(zone, instant_s):
    """The zone's offset at an instant, as zoneinfo has it."""
    return int((EPOCH + timedelta(seconds=instant_s)).astimezone(ZoneInfo(zone)).utcoffset().total_seconds())


@kernel
@pytest.mark.parametrize("zone", ZONES)
def test_the_wall_clock_is_zoneinfos_when_clocks_change(zone):
    """A second before, at and after every change from 2015 to 2035, and at random instants."""
    from_s, offsets_s = zone_table(zone)
    start_s, end_s = (int(datetime(year, 1, 1, tzinfo=UTC).timestamp()) for year in (2015, 2035))
    changes = from_s[(from_s >= start_s) & (from_s < end_s)]
    instants = np.concatenate([changes - 1, changes, changes + 1])
    instants = np.append(instants, np.random.default_rng(2).integers(start_s, end_s, 200))
    for instant_s in instants.tolist():
        assert local_s(from_s, offsets_s, instant_s) == instant_s + offset_s(zone, instant_s)
    if zone not in {"UTC", "Asia/Kolkata", "Pacific/Apia"}:
        assert len(changes) == 40


@kernel
def test_a_day_has_23_or_25_hours_when_clocks_change_in_new_york():
    """2025-03-09 and 2025-11-02."""
    from_s, offsets_s = zone_table("America/New_York")
    for day, hours in ((date(2025, 3, 9), 23), (date(2025, 11, 2), 25), (date(2025, 6, 1), 24)):
        noon_s = int(datetime(day.year, day.month, day.day, 17, tzinfo=UTC).timestamp())
        around = range(noon_s - 26 * 3600, noon_s + 26 * 3600, 1800)
        wanted = (day - date(1970, 1, 1)).days
        found = sum(local_s(from_s, offsets_s, instant_s) // 86_400 == wanted for instant_s in around)
        assert found == 2 * hours


@kernel
def test_months_are_the_gregorian_calendars():
    """Every first and last day of a month from 1600 to 2400, leap years included."""
    for year in range(1600, 2400):
        for month in range(1, 13):
            first = (date(year, month, 1) - date(1970, 1, 1)).days
            assert month_of(first) == (year - 1970) * 12 + month - 1
            assert month_of(first - 1) == (year - 1970) * 12 + month - 2


def test_an_unknown_zone_is_refused():
    """By zoneinfo's own error."""
    with pytest.raises(KeyError):
        zone_table("Mars/Olympus_Mons")
