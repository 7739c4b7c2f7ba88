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
    F_AMOUNT_GROUP_RATIO,
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
    F_PEAKS_14D,
    F_RECENT_PEAK,
    F_SECONDS_SINCE_LAST,
    F_SPEED_KMH,
    F_SUSPICION,
    F_SUSPICION_1D,
    F_SUSPICION_7D,
    F_SUSPICION_PEAK,
    F_WEEKDAY,
)

HOUR_BANDS: Final = 12
"""Bands of two hours."""
PEAKS: Final = 3
"""How many unusually high amounts a card remembers."""

# A card's habits; 200 bytes. All zero: a card of which nothing is known.
#   last_s, placed_s     of the newest attempt, and of the newest one with a place; seconds UTC, 0 = none
#   fraud_s              of the newest attempt that was confirmed to be fraud, 0 = none
#   known, timed, placed attempts, those with a local time, and those with a place
#   log_mean, ...        mean and variance of log amounts; group_variance is within category groups
#   typical              the typical amount, major units
#   latitude_deg, ...    the place of the newest attempt that had one; usual_* the usual place
#   night_share          share of night
#   night_spend          asked for at night, a factor of e less with each day since
#   recent_peak          the largest log amount, 1 less with each day since
#   suspicion_*          what `patterns` held against the card lately, with its decay
#   peaks_s, peak_ratios the newest amounts far above the typical one
#   group_means          mean log amount by category group; group_counts, hour_counts: of the last few hundred
HABITS: Final = np.dtype(
    [
        ("last_s", np.int64),
        ("placed_s", np.int64),
        ("fraud_s", np.uint32),
        ("known", np.uint32),
        ("timed", np.uint32),
        ("placed", np.uint32),
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
        ("recent_peak", np.float32),
        ("suspicion_1d", np.float32),
        ("suspicion_7d", np.float32),
        ("suspicion_peak", np.float32),
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
        highest, peaks = 0.0, 0
        for k in range(PEAKS):
            if habits["peaks_s"][k] > 0 and time_s - int(habits["peaks_s"][k]) <= PEAK_S:
                peaks += 1
                highest = max(highest, float(habits["peak_ratios"][k]))
        out[F_PEAKS_14D] = peaks
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
    if of_group >= 1:
        off = log_amount - float(habits["group_means"][group])
        out[F_AMOUNT_GROUP_RATIO] = math.exp(off)
        if of_group >= SPREAD_ATTEMPTS:
            out[F_AMOUNT_GROUP_Z] = off / max(math.sqrt(float(habits["group_variance"])), SPREAD_MIN)


@njit(cache=True)
def describe_time(habits: Any, time_s: int, local_time_s: int, out: Any) -> None:
    """The moment, beside the card's last and its usual ones."""
    since_s = float(max(time_s - int(habits["last_s"]), 0))
    out[F_NIGHT_SPEND] = float(habits["night_spend"]) * math.exp(-since_s / DAY_S)
    if habits["known"] > 0:
        out[F_SECONDS_SINCE_LAST] = since_s
        out[F_RECENT_PEAK] = float(habits["recent_peak"]) - since_s / DAY_S
        out[F_SUSPICION_1D] = float(habits["suspicion_1d"]) * math.exp(-since_s / DAY_S)
        out[F_SUSPICION_7D] = float(habits["suspicion_7d"]) * math.exp(-since_s / (7 * DAY_S))
        out[F_SUSPICION_PEAK] = float(habits["suspicion_peak"]) - since_s / DAY_S
    if habits["fraud_s"] > 0:
        out[F_CARD_FRAUD_DAYS] = max(time_s - int(habits["fraud_s"]), 0) / DAY_S
    if local_time_s == TIME_MISSING:
        return
    hour = local_time_s // 3600 % 24
    # The first of January 1970 was a Thursday: 3, where Monday is 0.
    weekday = (local_time_s // DAY_S + 3) % 7
    out[F_HOUR] = hour
    out[F_WEEKDAY] = weekday
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
def remember(habits: Any, attempt: Any, amount: float, log_amount: float, group: int, row: Any) -> None:
    """The attempt joins the card's habits; row is what was said of it."""
    time_s = int(attempt["time_s"])
    _remember_lately(habits, amount, log_amount, time_s, row)
    _remember_amount(habits, amount, log_amount, group)
    _remember_time(habits, int(attempt["local_time_s"]))
    _remember_place(habits, attempt)
    habits["last_s"] = max(time_s, int(habits["last_s"]))
    habits["known"] = min(int(habits["known"]) + 1, _KNOWN_MAX)


@njit(cache=True)
def _remember_lately(habits: Any, amount: float, log_amount: float, time_s: int, row: Any) -> None:
    known = habits["known"] > 0
    night = 1.0 if row[F_IS_NIGHT] == 1.0 else 0.0
    suspicion = max(float(row[F_SUSPICION]), 0.0)
    habits["night_spend"] = float(row[F_NIGHT_SPEND]) + amount * night
    habits["recent_peak"] = max(float(row[F_RECENT_PEAK]), log_amount) if known else log_amount
    habits["suspicion_1d"] = (float(row[F_SUSPICION_1D]) if known else 0.0) + suspicion
    habits["suspicion_7d"] = (float(row[F_SUSPICION_7D]) if known else 0.0) + suspicion
    habits["suspicion_peak"] = max(float(row[F_SUSPICION_PEAK]), suspicion) if known else suspicion
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
    if local_time_s == TIME_MISSING:
        return
    hour = local_time_s // 3600 % 24
    timed = int(habits["timed"])
    share = float(habits["night_share"])
    night = 1.0 if is_night_hour(hour) else 0.0
    habits["night_share"] = share + (night - share) / min(timed + 1, HABIT_ATTEMPTS)
    habits["timed"] = min(timed + 1, _KNOWN_MAX)
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
    habits["placed"] = min(placed + 1, _KNOWN_MAX)
