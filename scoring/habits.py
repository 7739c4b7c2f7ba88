"""
What a card usually does: amounts, hours, categories, places. One record a card, of fixed size (Numba).

Habits follow the last hundred attempts, in one category group the last twenty. Amounts are compared in the
logarithm of major units: a card that mostly pays 5 and sometimes 500 is not "normal" in plain money. The
*typical* amount is a mean in plain money in which no single attempt counts for more than 2.2 times the mean
so far, so that a thief's amounts hardly move what they are measured by.
"""

import math
from typing import Any, Final

import numpy as np
from numba import njit

from scoring.attempt import TIME_MISSING
from scoring.category import GROUP_MISSING, GROUPS
from scoring.columns import (
    F_AMOUNT_GROUP_Z,
    F_AMOUNT_RATIO,
    F_AMOUNT_Z,
    F_ATTEMPTS_KNOWN,
    F_CARD_FRAUD_DAYS,
    F_CATEGORY_GROUP,
    F_CATEGORY_SHARE,
    F_DISTANCE_HOME_KM,
    F_DISTANCE_LAST_KM,
    F_DISTANCE_USUAL_KM,
    F_HOUR,
    F_HOUR_SHARE,
    F_IS_NIGHT,
    F_IS_WEEKEND,
    F_NIGHT_SHARE,
    F_NIGHT_SPEND,
    F_PEAK_RATIO_14D,
    F_SECONDS_SINCE_LAST,
    F_SPEED_KMH,
    F_SUSPICION,
    F_SUSPICION_1D,
    F_TODAY_ATTEMPTS,
    F_TODAY_TOP,
    F_TODAY_Z_HIGH,
    F_TODAY_Z_LOW,
    F_WEEKDAY,
    F_YESTERDAY_ATTEMPTS,
    F_YESTERDAY_TOP,
    F_YESTERDAY_Z_HIGH,
)

HOUR_BANDS: Final = 12
"""Bands of two hours."""
PEAKS: Final = 2
"""How many unusually high amounts a card remembers."""

# What a card did on one day: attempts; the largest log amount, the highest and the lowest deviation, in
# hundredths.
DAY: Final = np.dtype([("top", np.int16), ("z_high", np.int16), ("z_low", np.int16), ("attempts", np.uint16)])

# A card's habits; 200 bytes. All zero: a card of which nothing is known.
#   last_s, placed_s     of the newest attempt, and of the newest one with a place; seconds UTC, 0 = none
#   fraud_s              of the newest attempt that was confirmed to be fraud, 0 = none
#   known, timed, placed attempts, those with a local time, and those with a place
#   log_mean, ...        mean and variance of log amounts; group_variance is within category groups
#   typical              the typical amount, major units
#   latitude_deg, ...    the place of the newest attempt that had one; usual_* the usual place
#   night_share          share of night
#   night_spend          asked for at night, a factor of e less with each day since
#   suspicion_1d         what `patterns` held against the card, a factor of e less with each day since
#   day, ...             the newest day of the merchant's calendar, what it saw, and the day before it
#   peaks_s, peak_ratios the newest amounts far above the typical one
#   group_means          mean log amount by category group; group_counts, hour_counts: of the last few hundred
HABITS: Final = np.dtype(
    [
        ("last_s", np.int64),
        ("placed_s", np.int64),
        ("fraud_s", np.uint32),
        ("known", np.uint32),
        ("timed", np.uint16),
        ("placed", np.uint16),
        ("log_mean", np.float32),
        ("log_variance", np.float32),
        ("group_variance", np.float32),
        ("typical", np.float32),
        ("latitude_deg", np.float32),
        ("longitude_deg", np.float32),
        ("usual_latitude_deg", np.float32),
        ("usual_longitude_deg", np.float32),
        ("night_share", np.float32),
        ("night_spend", np.float32),
        ("suspicion_1d", np.float32),
        ("day", np.int32),
        ("today", DAY),
        ("yesterday", DAY),
        ("peaks_s", np.uint32, PEAKS),
        ("peak_ratios", np.float32, PEAKS),
        ("group_means", np.float32, GROUPS),
        ("group_counts", np.uint8, GROUPS),
        ("hour_counts", np.uint8, HOUR_BANDS),
    ]
)

HABIT_ATTEMPTS: Final = 100
HABIT_GROUP_ATTEMPTS: Final = 20
# A spread is told from three attempts on. Below this one (a factor of about 1.3) amounts are a habit, and a
# small step off it means nothing.
SPREAD_ATTEMPTS: Final = 3
SPREAD_MIN: Final = 0.25
TYPICAL_CLIP: Final = 2.2
# An amount is unusually high from so many times the typical one on, and remembered for so long.
PEAK_RATIO_MIN: Final = 2.5
PEAK_S: Final = 14 * 86_400
# What is said of "lately" loses a factor of e in a day.
DAY_S: Final = 86_400
SPEED_SECONDS_MIN: Final = 60.0
EARTH_RADIUS_KM: Final = 6371.0
_KNOWN_MAX: Final = 1_000_000
_SHORT_MAX: Final = 65_535
_COUNT_MAX: Final = 255


@njit(cache=True)
def distance_km(
    latitude_deg: float, longitude_deg: float, other_latitude_deg: float, other_longitude_deg: float
) -> float:
    """Great-circle distance by the haversine formula; NaN where a coordinate is NaN."""
    phi, other_phi = math.radians(latitude_deg), math.radians(other_latitude_deg)
    half_phi = math.sin((other_phi - phi) / 2)
    half_lambda = math.sin(math.radians(other_longitude_deg - longitude_deg) / 2)
    chord = half_phi * half_phi + math.cos(phi) * math.cos(other_phi) * half_lambda * half_lambda
    return 2 * EARTH_RADIUS_KM * math.asin(math.sqrt(min(chord, 1.0)))


@njit(cache=True)
def is_night_hour(hour: int) -> bool:
    """22:00 to 06:00."""
    return hour >= 22 or hour < 6


@njit(cache=True)
def amount_ratio(habits: Any, amount: float) -> float:
    """The amount by the card's typical one; NaN before its third attempt."""
    if habits["known"] < SPREAD_ATTEMPTS:
        return math.nan
    return amount / max(float(habits["typical"]), 1.0)


@njit(cache=True)
def describe_amount(habits: Any, amount: float, log_amount: float, group: int, time_s: int, out: Any) -> None:
    """The amount beside the card's own, and its category beside the card's."""
    known = int(habits["known"])
    out[F_ATTEMPTS_KNOWN] = known
    out[F_AMOUNT_RATIO] = amount_ratio(habits, amount)
    if known >= SPREAD_ATTEMPTS:
        spread = max(math.sqrt(float(habits["log_variance"])), SPREAD_MIN)
        out[F_AMOUNT_Z] = (log_amount - float(habits["log_mean"])) / spread
        highest = 0.0
        for k in range(PEAKS):
            if habits["peaks_s"][k] > 0 and time_s - int(habits["peaks_s"][k]) <= PEAK_S:
                highest = max(highest, float(habits["peak_ratios"][k]))
        out[F_PEAK_RATIO_14D] = highest
    if group == GROUP_MISSING:
        return
    out[F_CATEGORY_GROUP] = group
    of_group = int(habits["group_counts"][group])
    total = 0
    for k in range(GROUPS):
        total += int(habits["group_counts"][k])
    if total > 0:
        out[F_CATEGORY_SHARE] = of_group / total
    if of_group >= SPREAD_ATTEMPTS:
        spread = max(math.sqrt(float(habits["group_variance"])), SPREAD_MIN)
        out[F_AMOUNT_GROUP_Z] = (log_amount - float(habits["group_means"][group])) / spread


@njit(cache=True)
def describe_time(habits: Any, time_s: int, local_time_s: int, out: Any) -> None:
    """The moment, beside the card's last and its usual ones."""
    since_s = float(max(time_s - int(habits["last_s"]), 0))
    out[F_NIGHT_SPEND] = float(habits["night_spend"]) * math.exp(-since_s / DAY_S)
    if habits["known"] > 0:
        out[F_SECONDS_SINCE_LAST] = since_s
        out[F_SUSPICION_1D] = float(habits["suspicion_1d"]) * math.exp(-since_s / DAY_S)
    if habits["fraud_s"] > 0:
        out[F_CARD_FRAUD_DAYS] = max(time_s - int(habits["fraud_s"]), 0) / DAY_S
    if local_time_s == TIME_MISSING:
        return
    hour = local_time_s // 3600 % 24
    # The first of January 1970 was a Thursday: 3, where Monday is 0.
    weekday = (local_time_s // DAY_S + 3) % 7
    out[F_HOUR] = hour
    out[F_WEEKDAY] = weekday
    _describe_days(habits, local_time_s // DAY_S, out)
    out[F_IS_WEEKEND] = 1.0 if weekday >= 5 else 0.0
    out[F_IS_NIGHT] = 1.0 if is_night_hour(hour) else 0.0
    if habits["timed"] > 0:
        out[F_NIGHT_SHARE] = habits["night_share"]
        total, band = 0, hour // 2
        for k in range(HOUR_BANDS):
            total += int(habits["hour_counts"][k])
        near = (
            int(habits["hour_counts"][band])
            + int(habits["hour_counts"][(band + 1) % HOUR_BANDS])
            + int(habits["hour_counts"][(band + HOUR_BANDS - 1) % HOUR_BANDS])
        )
        out[F_HOUR_SHARE] = near / total


@njit(cache=True)
def _describe_days(habits: Any, day: int, out: Any) -> None:
    """What the card did earlier on this day, and on the day before."""
    on = int(habits["day"])
    if habits["timed"] == 0 or day < on:
        return
    out[F_TODAY_ATTEMPTS] = 0.0
    out[F_YESTERDAY_ATTEMPTS] = 0.0
    if day == on:
        _describe_day(habits["today"], F_TODAY_ATTEMPTS, F_TODAY_TOP, F_TODAY_Z_HIGH, out)
        out[F_TODAY_Z_LOW] = float(habits["today"]["z_low"]) / 100.0
        if habits["yesterday"]["attempts"] > 0:
            _describe_day(habits["yesterday"], F_YESTERDAY_ATTEMPTS, F_YESTERDAY_TOP, F_YESTERDAY_Z_HIGH, out)
    elif day == on + 1:
        _describe_day(habits["today"], F_YESTERDAY_ATTEMPTS, F_YESTERDAY_TOP, F_YESTERDAY_Z_HIGH, out)


@njit(cache=True)
def _describe_day(of: Any, attempts: int, top: int, z_high: int, out: Any) -> None:
    out[attempts] = of["attempts"]
    out[top] = float(of["top"]) / 100.0
    out[z_high] = float(of["z_high"]) / 100.0


@njit(cache=True)
def _hundredths(value: float) -> int:
    return round(min(max(100.0 * value, -30_000.0), 30_000.0))


@njit(cache=True)
def _remember_day(habits: Any, day: int, log_amount: float, kind_z: float) -> None:
    """A late attempt of an older day is left out."""
    on = int(habits["day"])
    if habits["timed"] > 0 and day < on:
        return
    top, z = _hundredths(log_amount), _hundredths(kind_z)
    of, before = habits["today"], habits["yesterday"]
    if habits["timed"] == 0 or day > on:
        follows = habits["timed"] > 0 and day == on + 1
        before["attempts"] = of["attempts"] if follows else 0
        before["top"] = of["top"] if follows else 0
        before["z_high"] = of["z_high"] if follows else 0
        before["z_low"] = of["z_low"] if follows else 0
        of["attempts"] = 1
        of["top"], of["z_high"], of["z_low"] = top, z, z
        habits["day"] = day
        return
    of["attempts"] = min(int(of["attempts"]) + 1, _SHORT_MAX)
    of["top"] = max(int(of["top"]), top)
    of["z_high"] = max(int(of["z_high"]), z)
    of["z_low"] = min(int(of["z_low"]), z)


@njit(cache=True)
def describe_place(habits: Any, attempt: Any, out: Any) -> None:
    """How far the merchant is from home, from the last place and from the usual one."""
    latitude_deg, longitude_deg = float(attempt["latitude_deg"]), float(attempt["longitude_deg"])
    if math.isnan(latitude_deg) or math.isnan(longitude_deg):
        return
    out[F_DISTANCE_HOME_KM] = distance_km(
        latitude_deg, longitude_deg, float(attempt["home_latitude_deg"]), float(attempt["home_longitude_deg"])
    )
    if habits["placed"] == 0:
        return
    far_km = distance_km(
        latitude_deg, longitude_deg, float(habits["latitude_deg"]), float(habits["longitude_deg"])
    )
    elapsed_s = max(abs(float(int(attempt["time_s"]) - int(habits["placed_s"]))), SPEED_SECONDS_MIN)
    out[F_DISTANCE_LAST_KM] = far_km
    out[F_SPEED_KMH] = far_km * 3600.0 / elapsed_s
    out[F_DISTANCE_USUAL_KM] = distance_km(
        latitude_deg, longitude_deg, float(habits["usual_latitude_deg"]), float(habits["usual_longitude_deg"])
    )


@njit(cache=True)
def remember(
    habits: Any, attempt: Any, amount: float, log_amount: float, kind_z: float, group: int, row: Any
) -> None:
    """The attempt joins the card's habits; row is what was said of it."""
    time_s = int(attempt["time_s"])
    _remember_lately(habits, amount, time_s, row)
    _remember_amount(habits, amount, log_amount, group)
    if attempt["local_time_s"] != TIME_MISSING:
        _remember_day(habits, int(attempt["local_time_s"]) // DAY_S, log_amount, kind_z)
        _remember_time(habits, int(attempt["local_time_s"]))
    _remember_place(habits, attempt)
    habits["last_s"] = max(time_s, int(habits["last_s"]))
    habits["known"] = min(int(habits["known"]) + 1, _KNOWN_MAX)


@njit(cache=True)
def _remember_lately(habits: Any, amount: float, time_s: int, row: Any) -> None:
    known = habits["known"] > 0
    night = 1.0 if row[F_IS_NIGHT] == 1.0 else 0.0
    suspicion = 0.0 if math.isnan(row[F_SUSPICION]) else max(float(row[F_SUSPICION]), 0.0)
    habits["night_spend"] = float(row[F_NIGHT_SPEND]) + amount * night
    habits["suspicion_1d"] = (float(row[F_SUSPICION_1D]) if known else 0.0) + suspicion
    ratio = float(row[F_AMOUNT_RATIO])
    if ratio >= PEAK_RATIO_MIN:
        oldest = 0
        for k in range(1, PEAKS):
            if habits["peaks_s"][k] < habits["peaks_s"][oldest]:
                oldest = k
        if time_s > int(habits["peaks_s"][oldest]):
            habits["peaks_s"][oldest] = min(time_s, 0xFFFFFFFF)
            habits["peak_ratios"][oldest] = ratio


@njit(cache=True)
def _remember_amount(habits: Any, amount: float, log_amount: float, group: int) -> None:
    known = int(habits["known"])
    weight = 1.0 / min(known + 1, HABIT_ATTEMPTS)
    off = log_amount - float(habits["log_mean"])
    habits["log_mean"] = float(habits["log_mean"]) + weight * off
    # With weights 1, 1/2, 1/3, ... mean and variance are exact.
    habits["log_variance"] = (1.0 - weight) * (float(habits["log_variance"]) + weight * off * off)
    typical = float(habits["typical"])
    clipped = min(amount, TYPICAL_CLIP * typical) if known >= SPREAD_ATTEMPTS else amount
    habits["typical"] = typical + weight * (clipped - typical)
    if group == GROUP_MISSING:
        return
    counts, means = habits["group_counts"], habits["group_means"]
    if int(counts[group]) == _COUNT_MAX:
        for k in range(GROUPS):
            counts[k] = (int(counts[k]) + 1) // 2
    counts[group] += np.uint8(1)
    off = log_amount - float(means[group])
    means[group] = float(means[group]) + off / min(int(counts[group]), HABIT_GROUP_ATTEMPTS)
    if int(counts[group]) > 1:
        spread = float(habits["group_variance"])
        habits["group_variance"] = spread + (off * off - spread) * weight


@njit(cache=True)
def _remember_time(habits: Any, local_time_s: int) -> None:
    hour = local_time_s // 3600 % 24
    timed = int(habits["timed"])
    share = float(habits["night_share"])
    night = 1.0 if is_night_hour(hour) else 0.0
    habits["night_share"] = share + (night - share) / min(timed + 1, HABIT_ATTEMPTS)
    habits["timed"] = min(timed + 1, _SHORT_MAX)
    counts = habits["hour_counts"]
    if int(counts[hour // 2]) == _COUNT_MAX:
        for k in range(HOUR_BANDS):
            counts[k] = (int(counts[k]) + 1) // 2
    counts[hour // 2] += np.uint8(1)


@njit(cache=True)
def _remember_place(habits: Any, attempt: Any) -> None:
    """Neither the last time nor the last place moves back for a late attempt."""
    latitude_deg, longitude_deg = float(attempt["latitude_deg"]), float(attempt["longitude_deg"])
    if math.isnan(latitude_deg) or math.isnan(longitude_deg):
        return
    placed = int(habits["placed"])
    weight = 1.0 / min(placed + 1, HABIT_ATTEMPTS)
    usual_deg = float(habits["usual_longitude_deg"])
    # The shorter way around the globe; and the first place is the usual one.
    east_deg = (longitude_deg - usual_deg + 540.0) % 360.0 - 180.0
    moved_deg = usual_deg + weight * east_deg
    habits["usual_longitude_deg"] = (moved_deg + 540.0) % 360.0 - 180.0
    usual_deg = float(habits["usual_latitude_deg"])
    habits["usual_latitude_deg"] = usual_deg + weight * (latitude_deg - usual_deg)
    if placed == 0 or int(attempt["time_s"]) >= int(habits["placed_s"]):
        habits["latitude_deg"] = latitude_deg
        habits["longitude_deg"] = longitude_deg
        habits["placed_s"] = int(attempt["time_s"])
    habits["placed"] = min(placed + 1, _SHORT_MAX)
