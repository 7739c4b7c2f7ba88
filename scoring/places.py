"""
Where attempts were made and what became known of them: merchants and terminals, day by day (Numba).

A place keeps 64 days: attempts, confirmed frauds, and those frauds that only the place explains, each on the
day of the attempt (UTC). A fraud counts from when it became known, on the day that it is about. Days are
*ripe* when they lie further back than labels take to arrive, by their mean so far; a rate is the frauds by the
attempts of the 28 ripe days.

A fraud is explained by more than the place where its amount alone gives it away: most of such amounts are
fraud, or it is far above what the card typically pays. What is left points at the terminal: a spell of such
frauds with hardly a genuine attempt between them is a terminal in wrong hands.

Places stand in a table of sets of four, found by their key. It doubles when half of it is full, up to PLACES_MAX;
then the longest unused of a set makes room.
"""

from typing import Any, Final

import numpy as np
from numba import njit

DAYS: Final = 64
RATE_DAYS: Final = 28
SET: Final = 4
PLACES_MIN: Final = 1 << 10
PLACES_MAX: Final = 1 << 19
DAY_S: Final = 86_400
# A rate stands on at least so many attempts of the common rate.
PRIOR_ATTEMPTS: Final = 20.0

# A place's days: a ring by day number. kind is its category's (`patterns`), offset_s its clock against UTC.
PLACE: Final = np.dtype(
    [
        ("used_s", np.int64),
        ("head_day", np.int32),
        ("offset_s", np.int32),
        ("attempts", np.uint32, DAYS),
        ("frauds", np.uint8, DAYS),
        ("unexplained", np.uint8, DAYS),
        ("kind", np.uint8),
        ("padding", np.uint8, 7),  # told, so that a file of it reads back byte for byte
    ]
)


@njit(cache=True)
def find(keys: Any, key: Any) -> int:
    """The row of a key u8, -1 where it has none."""
    first = int(key % np.uint64(len(keys) // SET)) * SET
    for row in range(first, first + SET):
        if keys[row] == key:
            return row
    return -1


@njit(cache=True)
def take(keys: Any, places: Any, key: Any) -> int:
    """A row for a key that has none: an empty one, or the longest unused of its set, emptied."""
    first = int(key % np.uint64(len(keys) // SET)) * SET
    chosen = first
    for row in range(first, first + SET):
        if keys[row] == 0:
            chosen = row
            break
        if places[row]["used_s"] < places[chosen]["used_s"]:
            chosen = row
    keys[chosen] = key
    place = places[chosen]
    place["used_s"] = 0
    place["head_day"] = 0
    place["attempts"][:] = 0
    place["frauds"][:] = 0
    place["unexplained"][:] = 0
    return chosen


@njit(cache=True)
def count_attempt(place: Any, time_s: int) -> None:
    """An attempt on its day; one older than the ring is not counted."""
    day = time_s // DAY_S
    head = int(place["head_day"])
    if day > head:
        for passed in range(max(head + 1, day - DAYS + 1), day + 1):
            slot = passed % DAYS
            place["attempts"][slot] = 0
            place["frauds"][slot] = 0
            place["unexplained"][slot] = 0
        place["head_day"] = day
    elif day <= head - DAYS:
        return
    if place["attempts"][day % DAYS] < np.uint32(0xFFFFFFFF):
        place["attempts"][day % DAYS] += np.uint32(1)
    place["used_s"] = max(time_s, int(place["used_s"]))


@njit(cache=True)
def count_fraud(place: Any, time_s: int, change: int, is_explained: bool) -> None:
    """A fraud became known of an attempt of that time (change 1), or was taken back (-1)."""
    day = time_s // DAY_S
    head = int(place["head_day"])
    if day > head or day <= head - DAYS:
        return
    slot = day % DAYS
    place["frauds"][slot] = min(max(int(place["frauds"][slot]) + change, 0), 255)
    if change < 0 or not is_explained:
        place["unexplained"][slot] = min(max(int(place["unexplained"][slot]) + change, 0), 255)


@njit(cache=True)
def ripe_share(day: int, time_s: int, delay_s: float) -> float:
    """How much of a day lies further back than labels take."""
    return min(max((time_s - day * DAY_S - delay_s) / DAY_S, 0.0), 1.0)


@njit(cache=True)
def describe(place: Any, time_s: int, delay_s: float, common_rate: float, said: Any) -> None:
    """
    Fills said f8[5]: the fraud rate; days since the last known fraud (NaN: none); of the spell of frauds that
    only the place explains: days since its first day, share of fraud in it since, attempts after its last day that were
    ripe and genuine (NaN: there is no such spell).
    """
    today = time_s // DAY_S
    head = int(place["head_day"])
    oldest = max(int(today - RATE_DAYS - delay_s // DAY_S), head - DAYS + 1)
    attempts, frauds, spell_attempts, spell_frauds, genuine = 0.0, 0.0, 0.0, 0.0, 0.0
    last, spell = -1, -1
    for day in range(oldest, min(today, head) + 1):
        slot = day % DAYS
        of_day, fraud = float(place["attempts"][slot]), float(place["frauds"][slot])
        if of_day == 0.0:
            continue
        ripe = max(of_day * ripe_share(day, time_s, delay_s), fraud)
        attempts += ripe
        frauds += fraud
        if fraud > 0.0:
            last = day
        if place["unexplained"][slot] > 0:
            if spell < 0:
                spell = day
            genuine = 0.0
        if spell >= 0:
            spell_attempts += ripe
            spell_frauds += fraud
            if place["unexplained"][slot] == 0:
                genuine += ripe - fraud
    said[:] = np.nan
    said[0] = (frauds + PRIOR_ATTEMPTS * common_rate) / (attempts + PRIOR_ATTEMPTS)
    if last >= 0:
        said[1] = time_s / DAY_S - last
    if spell >= 0:
        said[2] = time_s / DAY_S - spell
        said[3] = spell_frauds / (spell_attempts + 0.2)
        said[4] = genuine


@njit(cache=True)
def rehash_kernel(keys: Any, places: Any, larger_keys: Any, larger_places: Any) -> None:
    """Moves every place into a larger table."""
    for row in range(len(keys)):
        if keys[row] != 0:
            moved = take(larger_keys, larger_places, keys[row])
            larger_places[moved] = places[row]
