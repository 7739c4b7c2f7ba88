"""
What attempts look like, all cards together: histograms by kind of merchant, of all and of the frauds (Numba).

A *kind* is a category group with the card present or not. Each kind counts amounts (bins of a quarter of an
octave) and local hours (bins of two hours); beside them stand the amounts by the card's typical one. Two things are
read from them. *Suspicion* is the naive Bayes sum of log-likelihood ratios, in nats: how much more often
frauds looked like this than attempts at large; it knows of a fraud when its label came. *Anomaly* is a
histogram-based outlier score (Goldstein and Dengel, 2012), which knows no label: how rare this is.
"""

import math
from typing import Any, Final

import numpy as np
from numba import njit

from scoring.attempt import TIME_MISSING
from scoring.category import GROUP_MISSING, GROUPS

KINDS: Final = 2 * GROUPS
AMOUNT_BINS: Final = 88
HOUR_BINS: Final = 13
RATIO_BINS: Final = 32
HOUR_BIN_MISSING: Final = 12
DAY_S: Final = 86_400
LABEL_DELAY_S: Final = 7.0 * 86_400
"""How long labels take, until one says otherwise."""

# Index 0 of the first axis: all attempts; 1: the frauds. Typed: for plain integers Numba would compile `count` for each.
ALL, FRAUD = map(np.int64, range(2))
PATTERNS: Final = np.dtype(
    [
        ("total", np.float64, 2),
        ("kinds", np.float64, (2, KINDS)),
        ("amounts", np.float64, (2, KINDS, AMOUNT_BINS)),
        ("hours", np.float64, (2, KINDS, HOUR_BINS)),
        ("log_means", np.float64, KINDS),
        ("log_variances", np.float64, KINDS),
        ("ratios", np.float64, (2, RATIO_BINS)),
        ("ratios_total", np.float64, 2),
        ("delay_s", np.float64),
        ("labels", np.float64),
        ("merchants", np.int64),
        ("terminals", np.int64),
    ]
)
# A share among frauds stands on at least so many frauds of the common share.
PRIOR_FRAUDS: Final = 5.0
# Fewer known frauds than this have no pattern.
FRAUDS_MIN: Final = 50.0
# A kind's spread is told from so many attempts on, and follows about so many of the last ones.
SPREAD_ATTEMPTS: Final = 30.0
SPREAD_LAST: Final = 100_000.0
SPREAD_MIN: Final = 0.25
_DELAY_LABELS: Final = 500.0


@njit(cache=True)
def kind_of(group: int, card_present: int) -> int:
    """The kind of an attempt; the last group is for a category that is missing."""
    return 2 * (GROUPS - 1 if group == GROUP_MISSING else group) + card_present


@njit(cache=True)
def amount_bin(log_amount: float) -> int:
    """Quarter octaves of 1 + major units."""
    return min(int(log_amount * (4.0 / math.log(2.0))), AMOUNT_BINS - 1)


@njit(cache=True)
def hour_bin(local_time_s: int) -> int:
    """Bands of two hours; the last bin is for no local time."""
    return HOUR_BIN_MISSING if local_time_s == TIME_MISSING else int(local_time_s // 7200 % 12)


@njit(cache=True)
def ratio_bin(ratio: float) -> int:
    """Thirds of an octave, 1 in the middle of bin 12; -1 for NaN."""
    if math.isnan(ratio):
        return -1
    return min(max(math.floor(3.0 * math.log2(max(ratio, 1e-9)) + 12.5), 0), RATIO_BINS - 1)


@njit(cache=True)
def _evidence(frauds: float, frauds_all: float, attempts: float, attempts_all: float) -> float:
    if attempts <= 0.0:
        return 0.0
    share = attempts / attempts_all
    return math.log((frauds + PRIOR_FRAUDS * share) / (frauds_all + PRIOR_FRAUDS) / share)


@njit(cache=True)
def suspicion(patterns: Any, kind: int, amount: int, hour: int, ratio: int) -> float:
    """How much more often frauds looked like this than attempts at large, nats; NaN while too few are known."""
    if patterns["total"][1] < FRAUDS_MIN:
        return math.nan
    kinds, amounts, hours, ratios = (
        patterns["kinds"],
        patterns["amounts"],
        patterns["hours"],
        patterns["ratios"],
    )
    found = _evidence(kinds[1, kind], patterns["total"][1], kinds[0, kind], patterns["total"][0])
    found += _evidence(amounts[1, kind, amount], kinds[1, kind], amounts[0, kind, amount], kinds[0, kind])
    if hour != HOUR_BIN_MISSING:
        found += _evidence(hours[1, kind, hour], kinds[1, kind], hours[0, kind, hour], kinds[0, kind])
    if ratio >= 0:
        total = patterns["ratios_total"]
        found += _evidence(ratios[1, ratio], total[1], ratios[0, ratio], total[0])
    return found


@njit(cache=True)
def anomaly(patterns: Any, kind: int, amount: int, hour: int, ratio: int) -> float:
    """How rare this is, nats: the sum of minus the logarithms of its shares."""
    of_kind = patterns["kinds"][0, kind]
    found = -math.log((of_kind + 1.0) / (patterns["total"][0] + KINDS))
    found -= math.log((patterns["amounts"][0, kind, amount] + 1.0) / (of_kind + AMOUNT_BINS))
    if hour != HOUR_BIN_MISSING:
        found -= math.log((patterns["hours"][0, kind, hour] + 1.0) / (of_kind + HOUR_BINS))
    if ratio >= 0:
        found -= math.log((patterns["ratios"][0, ratio] + 1.0) / (patterns["ratios_total"][0] + RATIO_BINS))
    return found


@njit(cache=True)
def kind_z(patterns: Any, kind: int, log_amount: float) -> float:
    """Standard deviations of log_amount against the attempts of its kind; 0 for the first ones."""
    if patterns["kinds"][0, kind] < SPREAD_ATTEMPTS:
        return 0.0
    spread = max(math.sqrt(patterns["log_variances"][kind]), SPREAD_MIN)
    return float((log_amount - patterns["log_means"][kind]) / spread)


@njit(cache=True)
def follow(patterns: Any, kind: int, log_amount: float) -> None:
    """The amount joins mean and variance of its kind; call it before `count`."""
    weight = 1.0 / min(patterns["kinds"][0, kind] + 1.0, SPREAD_LAST)
    off = log_amount - patterns["log_means"][kind]
    patterns["log_means"][kind] += weight * off
    spread = patterns["log_variances"][kind]
    patterns["log_variances"][kind] = (1.0 - weight) * (spread + weight * off * off)


@njit(cache=True)
def count(patterns: Any, which: int, kind: int, amount: int, hour: int, ratio: int, change: float) -> None:
    """An attempt (ALL), or a fraud that became known or was taken back (FRAUD)."""
    patterns["total"][which] = max(patterns["total"][which] + change, 0.0)
    for_kinds, for_amounts, for_hours = patterns["kinds"], patterns["amounts"], patterns["hours"]
    for_kinds[which, kind] = max(for_kinds[which, kind] + change, 0.0)
    for_amounts[which, kind, amount] = max(for_amounts[which, kind, amount] + change, 0.0)
    for_hours[which, kind, hour] = max(for_hours[which, kind, hour] + change, 0.0)
    if ratio >= 0:
        patterns["ratios"][which, ratio] = max(patterns["ratios"][which, ratio] + change, 0.0)
        patterns["ratios_total"][which] = max(patterns["ratios_total"][which] + change, 0.0)


@njit(cache=True)
def gives_itself_away(patterns: Any, kind: int, amount: int) -> bool:
    """Whether most attempts of this kind and amount turn out to be fraud."""
    return bool(patterns["amounts"][1, kind, amount] > 0.5 * patterns["amounts"][0, kind, amount])


@njit(cache=True)
def delay_s(patterns: Any) -> float:
    """How long labels take, the mean of the last few hundred; at most 30 days."""
    return min(patterns["delay_s"], 30.0 * DAY_S) if patterns["labels"] > 0 else LABEL_DELAY_S


@njit(cache=True)
def note_delay(patterns: Any, taken_s: float) -> None:
    """A label came so long after its attempt."""
    patterns["labels"] = min(patterns["labels"] + 1.0, _DELAY_LABELS)
    patterns["delay_s"] += (max(taken_s, 0.0) - patterns["delay_s"]) / patterns["labels"]
