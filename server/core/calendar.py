"""Days and months in a programme's time zone, for kernels: a zone as its table of offsets."""

from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any, Final
from zoneinfo import ZoneInfo

import numpy as np
from numba import njit
from numpy.typing import NDArray

_FIRST: Final = datetime(1990, 1, 1, tzinfo=UTC)
_LAST: Final = datetime(2070, 1, 1, tzinfo=UTC)
_DAY_S: Final = 86_400


@lru_cache(maxsize=64)
def zone_table(name: str) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The zone's offsets from UTC: `offset_s[k]` holds from `from_s[k]` on. Raises KeyError for an unknown zone."""
    zone = ZoneInfo(name)

    def offset_s(instant_s: int) -> int:
        offset = datetime.fromtimestamp(instant_s, zone).utcoffset()
        assert offset is not None
        return int(offset.total_seconds())

    start_s = int(_FIRST.timestamp())
    from_s = [int(np.iinfo(np.int64).min)]
    offsets_s = [offset_s(start_s)]
    for day in range((_LAST - _FIRST) // timedelta(days=1)):
        low = start_s + day * _DAY_S
        high = low + _DAY_S
        if offset_s(high) == offsets_s[-1]:
            continue
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (middle, high) if offset_s(middle) == offsets_s[-1] else (low, middle)
        from_s.append(high)
        offsets_s.append(offset_s(high))
    return np.array(from_s, np.int64), np.array(offsets_s, np.int64)


@njit(cache=True)
def local_s(from_s: Any, offset_s: Any, instant_s: int) -> int:
    """The zone's wall clock at an instant, read as UTC; `from_s` and `offset_s` as `zone_table` gives them."""
    return instant_s + offset_s[np.searchsorted(from_s, instant_s, side="right") - 1]


@njit(cache=True)
def month_of(day: int) -> int:
    """
    Months since January 1970 of a day since 1970-01-01, by the proleptic Gregorian calendar.

    Source: Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms", civil_from_days.
    """
    shifted = day + 719_468
    era = shifted // 146_097
    day_of_era = shifted - era * 146_097
    year_of_era = (day_of_era - day_of_era // 1460 + day_of_era // 36_524 - day_of_era // 146_096) // 365
    day_of_year = day_of_era - (365 * year_of_era + year_of_era // 4 - year_of_era // 100)
    month_from_march = (5 * day_of_year + 2) // 153
    return (era * 400 + year_of_era - 1970) * 12 + month_from_march + 2
