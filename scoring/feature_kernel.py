"""
The features of each attempt, from what its card did before; then the attempt joins that history.

One loop in order of arrival, so that features don't depend on how attempts fell into batches. A column's
number here is its place in `features.FEATURES`.
"""

import math
from typing import Any, Final

import numpy as np
from numba import njit

from scoring.attempt import TIME_MISSING
from scoring.category import GROUP_MISSING
from scoring.windows import window_add, window_total

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


@njit(cache=True, nogil=True)
def distance_km(
    latitude_deg: float, longitude_deg: float, other_latitude_deg: float, other_longitude_deg: float
) -> float:
    """Great-circle distance by the haversine formula; NaN where a coordinate is NaN."""
    phi, other_phi = math.radians(latitude_deg), math.radians(other_latitude_deg)
    half_phi = math.sin((other_phi - phi) / 2)
    half_lambda = math.sin(math.radians(other_longitude_deg - longitude_deg) / 2)
    chord = half_phi * half_phi + math.cos(phi) * math.cos(other_phi) * half_lambda * half_lambda
    return 2 * EARTH_RADIUS_KM * math.asin(math.sqrt(min(chord, 1.0)))


@njit(cache=True, nogil=True)
def is_night_hour(hour: int) -> bool:
    """22:00 to 06:00."""
    return hour >= 22 or hour < 6


@njit(cache=True, nogil=True)
def _amount_features(
    log_amount: float,
    group: int,
    moments: np.ndarray,
    seen: int,
    group_means: np.ndarray,
    group_variances: np.ndarray,
    group_counts: np.ndarray,
    out: np.ndarray,
) -> None:
    if seen >= 1:
        out[3] = math.exp(log_amount - moments[LOG_AMOUNT_MEAN])
    if seen >= SPREAD_ATTEMPTS:
        spread = max(math.sqrt(np.float64(moments[LOG_AMOUNT_VARIANCE])), SPREAD_MIN)
        out[2] = (log_amount - moments[LOG_AMOUNT_MEAN]) / spread
    if group != GROUP_MISSING:
        out[18] = group
        out[19] = 1.0 if group_counts[group] == 0 else 0.0
        if group_counts[group] > 0:
            out[4] = math.exp(log_amount - group_means[group])
        if group_counts[group] >= SPREAD_ATTEMPTS:
            spread = max(math.sqrt(np.float64(group_variances[group])), SPREAD_MIN)
            out[31] = (log_amount - group_means[group]) / spread


@njit(cache=True, nogil=True)
def _time_features(local_time_s: int, out: np.ndarray) -> None:
    hour = local_time_s // 3600 % 24
    # The first of January 1970 was a Thursday: 3, where Monday is 0.
    weekday = (local_time_s // 86_400 + 3) % 7
    out[5] = hour
    out[6] = weekday
    out[7] = 1.0 if weekday >= 5 else 0.0
    out[8] = 1.0 if is_night_hour(hour) else 0.0


@njit(cache=True, nogil=True)
def _place_features(attempt: Any, moments: np.ndarray, times_s: np.ndarray, out: np.ndarray) -> None:
    latitude_deg, longitude_deg = attempt["latitude_deg"], attempt["longitude_deg"]
    out[22] = distance_km(
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
        out[23] = far_km
        out[24] = far_km * 3600.0 / elapsed_s


@njit(cache=True, nogil=True)
def _learn(
    value: float, weight: float, means: np.ndarray, variances: np.ndarray, mean: int, variance: int
) -> None:
    """Moves a running mean and variance towards a value; with weights 1, 1/2, 1/3, ... they are exact."""
    off = value - np.float64(means[mean])
    means[mean] += weight * off
    variances[variance] = (1.0 - weight) * (np.float64(variances[variance]) + weight * off * off)


@njit(cache=True, nogil=True)
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
        known = int(seen[row, ALL])
        features = out[index]
        features[:] = np.nan

        features[0] = amount
        features[1] = log_amount
        _amount_features(
            log_amount,
            group,
            moments[row],
            known,
            group_means[row],
            group_variances[row],
            group_counts[row],
            features,
        )
        since_s = float(max(time_s - int(times_s[row, LAST]), 0))
        if known > 0:
            features[9] = since_s
        for window in range(4):
            count, total = window_total(heads[row], counts[row], sums[row], window, time_s)
            features[10 + window] = count
            features[14 + window] = total
        if attempt["merchant"] != 0:
            slot = int((attempt["merchant"] >> _SLOT_SHIFT) & _SLOT_MASK)
            tag = max(int(attempt["merchant"] & _TAG_MASK), 1)
            features[20] = 0.0 if int(merchants[row, slot]) == tag else 1.0
            merchants[row, slot] = tag
        if attempt["country"] != 0 and attempt["home_country"] != 0:
            features[21] = 1.0 if attempt["country"] == attempt["home_country"] else 0.0
        _place_features(attempt, moments[row], times_s[row], features)
        if attempt["entry_mode"] != 0:
            features[25] = attempt["entry_mode"]
        features[26] = attempt["card_present"]
        features[27] = known
        night_spend = np.float64(moments[row, NIGHT_SPEND]) * math.exp(-since_s / LATELY_S)
        features[29] = night_spend
        peak = np.float64(moments[row, RECENT_PEAK]) - since_s / LATELY_S
        if known > 0:
            features[30] = peak

        if attempt["local_time_s"] != TIME_MISSING:
            _time_features(int(attempt["local_time_s"]), features)
            timed = int(seen[row, TIMED])
            if timed > 0:
                features[28] = moments[row, NIGHT_SHARE]
            weight = 1.0 / min(timed + 1, HABIT_ATTEMPTS)
            moments[row, NIGHT_SHARE] += weight * (np.float64(features[8]) - moments[row, NIGHT_SHARE])
            seen[row, TIMED] = min(timed + 1, _SEEN_MAX)
            night_spend += amount * np.float64(features[8])

        moments[row, NIGHT_SPEND] = night_spend
        moments[row, RECENT_PEAK] = max(peak, log_amount) if known > 0 else log_amount
        _learn(
            log_amount,
            1.0 / min(known + 1, HABIT_ATTEMPTS),
            moments[row],
            moments[row],
            LOG_AMOUNT_MEAN,
            LOG_AMOUNT_VARIANCE,
        )
        if group != GROUP_MISSING:
            if group_counts[row, group] < HABIT_GROUP_ATTEMPTS:
                group_counts[row, group] += 1
            weight = 1.0 / float(group_counts[row, group])
            _learn(log_amount, weight, group_means[row], group_variances[row], group, group)
        for window in range(4):
            window_add(heads[row], counts[row], sums[row], window, time_s, amount, _ATTEMPTS_MAX)
        placed = not (math.isnan(attempt["latitude_deg"]) or math.isnan(attempt["longitude_deg"]))
        if placed and time_s >= times_s[row, LAST_PLACED]:
            moments[row, LATITUDE_DEG] = attempt["latitude_deg"]
            moments[row, LONGITUDE_DEG] = attempt["longitude_deg"]
            times_s[row, LAST_PLACED] = time_s
        times_s[row, LAST] = max(time_s, int(times_s[row, LAST]))
        seen[row, ALL] = min(known + 1, _SEEN_MAX)
    return _OK
