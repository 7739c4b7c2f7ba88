"""
The features of each attempt, from what its card did before; then the attempt joins that history.

One loop in order of arrival, so that features don't depend on how attempts fell into batches.
"""

import math
from typing import Any, Final

import numpy as np
from numba import njit

from scoring.attempt import TIME_MISSING
from scoring.category import GROUP_MISSING
from scoring.windows import window_add, window_total

# Columns of a row of features; `features` asserts that its list has the same names.
(
    F_AMOUNT,
    F_LOG_AMOUNT,
    F_AMOUNT_Z,
    F_AMOUNT_RATIO,
    F_AMOUNT_GROUP_RATIO,
    F_HOUR,
    F_WEEKDAY,
    F_IS_WEEKEND,
    F_IS_NIGHT,
    F_SECONDS_SINCE_LAST,
    F_ATTEMPTS_1M,
    F_ATTEMPTS_1H,
    F_ATTEMPTS_24H,
    F_ATTEMPTS_7D,
    F_AMOUNT_1M,
    F_AMOUNT_1H,
    F_AMOUNT_24H,
    F_AMOUNT_7D,
    F_CATEGORY_GROUP,
    F_IS_FIRST_IN_GROUP,
    F_IS_FIRST_AT_MERCHANT,
    F_IS_DOMESTIC,
    F_DISTANCE_HOME_KM,
    F_DISTANCE_LAST_KM,
    F_SPEED_KMH,
    F_ENTRY_MODE,
    F_CARD_PRESENT,
    F_ATTEMPTS_KNOWN,
    F_NIGHT_SHARE,
    F_NIGHT_SPEND,
    F_RECENT_PEAK,
    F_AMOUNT_GROUP_Z,
) = range(32)
# Columns of a card's `moments`, f4. Amounts are in the logarithm of major units: a card that mostly pays
# 5 and sometimes 500 is not "normal" in plain money.
(
    LOG_AMOUNT_MEAN,
    LOG_AMOUNT_VARIANCE,
    LATITUDE_DEG,
    LONGITUDE_DEG,
    NIGHT_SHARE,
    NIGHT_SPEND,
    RECENT_PEAK,
) = range(7)
MOMENTS: Final = 7
# Columns of `times_s`, i8: of the newest attempt, and of the newest one with a place (0 = none yet).
LAST, LAST_PLACED = range(2)
# Columns of `seen`, u4: all attempts, and those with a local time.
ALL, TIMED = range(2)

# A card's habits follow its last hundred attempts, in one category group the last twenty.
HABIT_ATTEMPTS: Final = 100
HABIT_GROUP_ATTEMPTS: Final = 20
# A spread is told from three attempts on. Below this one (a factor of about 1.3) amounts are a habit, and a
# small step off it means nothing.
SPREAD_ATTEMPTS: Final = 3
SPREAD_MIN: Final = 0.25
# What is said of "lately" loses a factor of e in a day.
LATELY_S: Final = 86_400.0
# Merchants remembered by card: a slot and a 16-bit tag of the hash; a newer one takes the slot over.
MERCHANT_SLOTS: Final = 32
SPEED_SECONDS_MIN: Final = 60.0
EARTH_RADIUS_KM: Final = 6371.0

_ATTEMPTS_MAX = int(np.iinfo(np.uint16).max)
_SEEN_MAX = 1_000_000
_SLOT_SHIFT, _SLOT_MASK = np.uint64(16), np.uint64(MERCHANT_SLOTS - 1)
_TAG_MASK = np.uint64(0xFFFF)
_OK, _BAD_ROW, _BAD_AMOUNT = 0, 1, 2


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
def _deviation(log_amount: float, mean: Any, variance: Any) -> float:
    return (log_amount - mean) / max(math.sqrt(np.float64(variance)), SPREAD_MIN)


@njit(cache=True)
def _describe_amount(
    log_amount: float,
    group: int,
    known: int,
    moments: np.ndarray,
    group_means: np.ndarray,
    group_variances: np.ndarray,
    group_counts: np.ndarray,
    out: np.ndarray,
) -> None:
    out[F_LOG_AMOUNT] = log_amount
    if known >= 1:
        out[F_AMOUNT_RATIO] = math.exp(log_amount - moments[LOG_AMOUNT_MEAN])
    if known >= SPREAD_ATTEMPTS:
        out[F_AMOUNT_Z] = _deviation(log_amount, moments[LOG_AMOUNT_MEAN], moments[LOG_AMOUNT_VARIANCE])
    if group == GROUP_MISSING:
        return
    out[F_CATEGORY_GROUP] = group
    out[F_IS_FIRST_IN_GROUP] = 1.0 if group_counts[group] == 0 else 0.0
    if group_counts[group] >= 1:
        out[F_AMOUNT_GROUP_RATIO] = math.exp(log_amount - group_means[group])
    if group_counts[group] >= SPREAD_ATTEMPTS:
        out[F_AMOUNT_GROUP_Z] = _deviation(log_amount, group_means[group], group_variances[group])


@njit(cache=True)
def _describe_local_time(local_time_s: int, timed: int, moments: np.ndarray, out: np.ndarray) -> None:
    hour = local_time_s // 3600 % 24
    # The first of January 1970 was a Thursday: 3, where Monday is 0.
    weekday = (local_time_s // 86_400 + 3) % 7
    out[F_HOUR] = hour
    out[F_WEEKDAY] = weekday
    out[F_IS_WEEKEND] = 1.0 if weekday >= 5 else 0.0
    out[F_IS_NIGHT] = 1.0 if is_night_hour(hour) else 0.0
    if timed > 0:
        out[F_NIGHT_SHARE] = moments[NIGHT_SHARE]


@njit(cache=True)
def _describe_place(attempt: Any, moments: np.ndarray, times_s: np.ndarray, out: np.ndarray) -> None:
    latitude_deg, longitude_deg = attempt["latitude_deg"], attempt["longitude_deg"]
    out[F_DISTANCE_HOME_KM] = distance_km(
        latitude_deg,
        longitude_deg,
        np.float64(attempt["home_latitude_deg"]),
        np.float64(attempt["home_longitude_deg"]),
    )
    if times_s[LAST_PLACED] > 0:
        far_km = distance_km(
            latitude_deg, longitude_deg, np.float64(moments[LATITUDE_DEG]), np.float64(moments[LONGITUDE_DEG])
        )
        elapsed_s = max(abs(float(attempt["time_s"] - times_s[LAST_PLACED])), SPEED_SECONDS_MIN)
        out[F_DISTANCE_LAST_KM] = far_km
        out[F_SPEED_KMH] = far_km * 3600.0 / elapsed_s


@njit(cache=True)
def _describe_merchant(attempt: Any, merchants: np.ndarray, out: np.ndarray) -> None:
    """Also remembers the merchant: whether it was there is known only while looking."""
    if attempt["merchant"] != 0:
        slot = int((attempt["merchant"] >> _SLOT_SHIFT) & _SLOT_MASK)
        tag = max(int(attempt["merchant"] & _TAG_MASK), 1)
        out[F_IS_FIRST_AT_MERCHANT] = 0.0 if int(merchants[slot]) == tag else 1.0
        merchants[slot] = tag
    if attempt["country"] != 0 and attempt["home_country"] != 0:
        out[F_IS_DOMESTIC] = 1.0 if attempt["country"] == attempt["home_country"] else 0.0


@njit(cache=True)
def _learn(
    value: float, weight: float, means: np.ndarray, variances: np.ndarray, mean: int, variance: int
) -> None:
    """Moves a running mean and variance towards a value; with weights 1, 1/2, 1/3, ... they are exact."""
    off = value - np.float64(means[mean])
    means[mean] += weight * off
    variances[variance] = (1.0 - weight) * (np.float64(variances[variance]) + weight * off * off)


@njit(cache=True)
def _remember_amount(
    log_amount: float,
    group: int,
    known: int,
    moments: np.ndarray,
    group_means: np.ndarray,
    group_variances: np.ndarray,
    group_counts: np.ndarray,
) -> None:
    weight = 1.0 / min(known + 1, HABIT_ATTEMPTS)
    _learn(log_amount, weight, moments, moments, LOG_AMOUNT_MEAN, LOG_AMOUNT_VARIANCE)
    if group != GROUP_MISSING:
        if group_counts[group] < HABIT_GROUP_ATTEMPTS:
            group_counts[group] += 1
        _learn(log_amount, 1.0 / float(group_counts[group]), group_means, group_variances, group, group)


@njit(cache=True)
def _remember_time_and_place(attempt: Any, moments: np.ndarray, times_s: np.ndarray) -> None:
    """Neither the last time nor the last place moves back for a late attempt."""
    time_s = int(attempt["time_s"])
    placed = not (math.isnan(attempt["latitude_deg"]) or math.isnan(attempt["longitude_deg"]))
    if placed and time_s >= times_s[LAST_PLACED]:
        moments[LATITUDE_DEG] = attempt["latitude_deg"]
        moments[LONGITUDE_DEG] = attempt["longitude_deg"]
        times_s[LAST_PLACED] = time_s
    times_s[LAST] = max(time_s, int(times_s[LAST]))


@njit(cache=True)
def observe_kernel(
    attempts: np.ndarray,
    groups: np.ndarray,
    moments: np.ndarray,
    times_s: np.ndarray,
    seen: np.ndarray,
    group_means: np.ndarray,
    group_variances: np.ndarray,
    group_counts: np.ndarray,
    merchants: np.ndarray,
    heads: np.ndarray,
    counts: np.ndarray,
    sums: np.ndarray,
    out: np.ndarray,
) -> int:
    """
    Fills out f4[n, features] and writes the attempts into the state; see `Features.observe`. Nothing
    is changed unless it returns _OK.
    """
    for index in range(len(attempts)):
        if attempts[index]["card_row"] >= len(seen):
            return _BAD_ROW
        if attempts[index]["amount_minor"] < 0:
            return _BAD_AMOUNT
    for index in range(len(attempts)):
        attempt = attempts[index]
        row = attempt["card_row"]
        time_s = int(attempt["time_s"])
        amount = float(attempt["amount_minor"]) / 100.0
        log_amount = math.log1p(amount)
        group = int(groups[attempt["category"]])
        known, timed = int(seen[row, ALL]), int(seen[row, TIMED])
        features = out[index]
        features[:] = np.nan
        features[F_AMOUNT] = amount
        features[F_ATTEMPTS_KNOWN] = known
        features[F_CARD_PRESENT] = attempt["card_present"]
        if attempt["entry_mode"] != 0:
            features[F_ENTRY_MODE] = attempt["entry_mode"]
        _describe_amount(
            log_amount, group, known, moments[row], group_means[row], group_variances[row], group_counts[row],
            features,
        )  # fmt: skip
        _describe_merchant(attempt, merchants[row], features)
        _describe_place(attempt, moments[row], times_s[row], features)
        for window in range(4):
            count, total = window_total(heads[row], counts[row], sums[row], window, time_s)
            features[F_ATTEMPTS_1M + window] = count
            features[F_AMOUNT_1M + window] = total
        since_s = float(max(time_s - int(times_s[row, LAST]), 0))
        night_spend = np.float64(moments[row, NIGHT_SPEND]) * math.exp(-since_s / LATELY_S)
        peak: float = np.float64(moments[row, RECENT_PEAK]) - since_s / LATELY_S
        features[F_NIGHT_SPEND] = night_spend
        if known > 0:
            features[F_SECONDS_SINCE_LAST] = since_s
            features[F_RECENT_PEAK] = peak
            peak = max(peak, log_amount)
        else:
            peak = log_amount
        if attempt["local_time_s"] != TIME_MISSING:
            _describe_local_time(int(attempt["local_time_s"]), timed, moments[row], features)
            night = np.float64(features[F_IS_NIGHT])
            night_spend += amount * night
            moments[row, NIGHT_SHARE] += (night - moments[row, NIGHT_SHARE]) / min(timed + 1, HABIT_ATTEMPTS)
            seen[row, TIMED] = min(timed + 1, _SEEN_MAX)

        moments[row, NIGHT_SPEND] = night_spend
        moments[row, RECENT_PEAK] = peak
        _remember_amount(
            log_amount, group, known, moments[row], group_means[row], group_variances[row], group_counts[row]
        )
        _remember_time_and_place(attempt, moments[row], times_s[row])
        for window in range(4):
            window_add(heads[row], counts[row], sums[row], window, time_s, amount, _ATTEMPTS_MAX)
        seen[row, ALL] = min(known + 1, _SEEN_MAX)
    return _OK
