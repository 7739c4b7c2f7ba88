"""
The features of each attempt, from what came before it; then the attempt joins that history (Numba).

One loop in order of arrival, so that features don't depend on how attempts fell into batches. Where a table
of places must grow, the loop stops, says at which attempt, and goes on from there with the larger one.
"""

import math
from typing import Any

import numpy as np
from numba import njit

from scoring.attempt import TIME_MISSING, Verdict
from scoring.columns import (
    F_AMOUNT,
    F_ANOMALY,
    F_CARD_PRESENT,
    F_COUNTRY_RISK,
    F_ENTRY_MODE,
    F_IS_DOMESTIC,
    F_IS_FIRST_AT_MERCHANT,
    F_IS_FIRST_IN_CATEGORY,
    F_IS_FIRST_IN_COUNTRY,
    F_IS_NEW_DEVICE,
    F_IS_NEW_IP,
    F_LOG_AMOUNT,
    F_MERCHANT_FRAUD_DAYS,
    F_MERCHANT_FRAUD_RATE,
    F_SUSPICION,
    F_TERMINAL_FRAUD_DAYS,
    F_TERMINAL_FRAUD_RATE,
    F_TERMINAL_GENUINE_SINCE,
    F_TERMINAL_SPELL_DAYS,
    F_TERMINAL_SPELL_SHARE,
)
from scoring.habits import (
    PEAK_RATIO_MIN,
    amount_ratio,
    describe_amount,
    describe_place,
    describe_time,
    remember,
)
from scoring.patterns import (
    ALL,
    FRAUD,
    amount_bin,
    anomaly,
    count,
    delay_s,
    follow,
    gives_itself_away,
    hour_bin,
    kind_of,
    kind_z,
    note_delay,
    ratio_bin,
    suspicion,
)
from scoring.places import PLACES_MAX, count_attempt, count_fraud, describe, find, take

OK, BAD_ROW, BAD_AMOUNT, BAD_VERDICT, GROW_MERCHANTS, GROW_TERMINALS = range(6)
NO_ROW = 0xFFFFFFFF
"""The card row of a label whose card is unknown."""

_FRAUD, _DISPUTE, _LEGITIMATE = (
    int(verdict) for verdict in (Verdict.FRAUD, Verdict.DISPUTE, Verdict.LEGITIMATE)
)
_SAID = 5
# Which of `taken`; typed, so that `_place_of` isn't compiled for each.
_MERCHANTS, _TERMINALS = map(np.int64, range(2))


@njit(cache=True)
def _is_full(keys: np.ndarray, taken: int) -> bool:
    return 2 * taken >= len(keys) and len(keys) < PLACES_MAX


@njit(cache=True)
def _place_of(keys: np.ndarray, places: np.ndarray, taken: np.ndarray, which: int, key: Any) -> int:
    """The row of a place, which is made where it is new."""
    row = int(find(keys, key))
    if row < 0:
        row = int(take(keys, places, key))
        # Where the longest unused makes room the number stays, and no table that evicts may grow any more.
        taken[which] = min(taken[which] + 1, len(keys))
    return row


@njit(cache=True)
def _note_place(place: Any, kind: int, time_s: int, local_time_s: int) -> None:
    count_attempt(place, time_s)
    place["kind"] = kind
    if local_time_s != TIME_MISSING:
        place["offset_s"] = min(max(local_time_s - time_s, -86_400), 86_400)


@njit(cache=True)
def _describe_request(
    attempt: Any, past: np.ndarray, columns: np.ndarray, risks: np.ndarray, out: Any
) -> None:
    """What needs no memory of our own: columns i8[2, m] says which column of past goes where."""
    for k in range(columns.shape[1]):
        out[columns[1, k]] = past[columns[0, k]]
    for column in (
        F_IS_FIRST_AT_MERCHANT,
        F_IS_FIRST_IN_CATEGORY,
        F_IS_FIRST_IN_COUNTRY,
        F_IS_NEW_DEVICE,
        F_IS_NEW_IP,
    ):
        # There stand the seconds since the card's last attempt with the same one, -1 for none.
        if not math.isnan(out[column]):
            out[column] = 1.0 if out[column] < 0.0 else 0.0
    out[F_CARD_PRESENT] = attempt["card_present"]
    if attempt["entry_mode"] != 0:
        out[F_ENTRY_MODE] = attempt["entry_mode"]
    out[F_COUNTRY_RISK] = risks[attempt["country"]]
    if attempt["country"] != 0 and attempt["home_country"] != 0:
        out[F_IS_DOMESTIC] = 1.0 if attempt["country"] == attempt["home_country"] else 0.0


@njit(cache=True)
def observe_kernel(
    attempts: np.ndarray,
    past: np.ndarray,
    columns: np.ndarray,
    groups: np.ndarray,
    risks: np.ndarray,
    first: int,
    habits: np.ndarray,
    merchant_keys: np.ndarray,
    merchants: np.ndarray,
    terminal_keys: np.ndarray,
    terminals: np.ndarray,
    taken: np.ndarray,
    knowledge: np.ndarray,
    out: np.ndarray,
) -> tuple[int, int]:
    """
    Fills out f4[n, features] from attempt `first` on and writes the attempts into the state; see
    `Features.observe`. Gives a code and the attempt at which it stopped; nothing is changed by a bad one.
    """
    if first == 0:
        for index in range(len(attempts)):
            if attempts[index]["card_row"] >= len(habits):
                return BAD_ROW, index
            if attempts[index]["amount_minor"] < 0:
                return BAD_AMOUNT, index
    patterns = knowledge[0]
    said = np.empty(_SAID)
    for index in range(first, len(attempts)):
        if _is_full(merchant_keys, taken[0]):
            return GROW_MERCHANTS, index
        if _is_full(terminal_keys, taken[1]):
            return GROW_TERMINALS, index
        attempt = attempts[index]
        card = habits[attempt["card_row"]]
        time_s, local_time_s = int(attempt["time_s"]), int(attempt["local_time_s"])
        amount = float(attempt["amount_minor"]) / 100.0
        log_amount = math.log1p(amount)
        group = int(groups[attempt["category"]])
        row = out[index]
        row[:] = np.nan
        row[F_AMOUNT] = amount
        row[F_LOG_AMOUNT] = log_amount
        _describe_request(attempt, past[index], columns, risks, row)
        describe_amount(card, amount, log_amount, group, time_s, row)
        describe_time(card, time_s, local_time_s, row)
        describe_place(card, attempt, row)

        kind = kind_of(group, int(attempt["card_present"] != 0))
        delay = delay_s(patterns)
        rate = (patterns["total"][FRAUD] + 1.0) / (patterns["total"][ALL] + 1000.0)
        if attempt["merchant"] != 0:
            place = merchants[_place_of(merchant_keys, merchants, taken, _MERCHANTS, attempt["merchant"])]
            describe(place, time_s, delay, rate, said)
            row[F_MERCHANT_FRAUD_RATE] = said[0]
            row[F_MERCHANT_FRAUD_DAYS] = said[1]
            _note_place(place, kind, time_s, local_time_s)
        if attempt["terminal"] != 0:
            place = terminals[_place_of(terminal_keys, terminals, taken, _TERMINALS, attempt["terminal"])]
            describe(place, time_s, delay, rate, said)
            row[F_TERMINAL_FRAUD_RATE] = said[0]
            row[F_TERMINAL_FRAUD_DAYS] = said[1]
            row[F_TERMINAL_SPELL_DAYS] = said[2]
            row[F_TERMINAL_SPELL_SHARE] = said[3]
            row[F_TERMINAL_GENUINE_SINCE] = said[4]
            _note_place(place, kind, time_s, local_time_s)

        amount_at, hour_at = amount_bin(log_amount), hour_bin(local_time_s)
        ratio_at = ratio_bin(amount_ratio(card, amount))
        row[F_SUSPICION] = suspicion(patterns, kind, amount_at, hour_at, ratio_at)
        row[F_ANOMALY] = anomaly(patterns, kind, amount_at, hour_at, ratio_at)
        deviation = kind_z(patterns, kind, log_amount)
        follow(patterns, kind, log_amount)
        count(patterns, ALL, kind, amount_at, hour_at, ratio_at, 1.0)
        remember(card, attempt, amount, log_amount, deviation, group, row)
    return OK, len(attempts)


@njit(cache=True)
def learn_kernel(
    labels: np.ndarray,
    habits: np.ndarray,
    merchant_keys: np.ndarray,
    merchants: np.ndarray,
    terminal_keys: np.ndarray,
    terminals: np.ndarray,
    knowledge: np.ndarray,
) -> int:
    """What became known, in order; see `Features.learn`. Nothing is changed unless it returns OK."""
    for index in range(len(labels)):
        label = labels[index]
        if label["verdict"] < _FRAUD or label["verdict"] > _LEGITIMATE or label["superseded"] > _LEGITIMATE:
            return BAD_VERDICT
        if label["card_row"] >= len(habits) and label["card_row"] != NO_ROW:
            return BAD_ROW
        if label["amount_minor"] < 0:
            return BAD_AMOUNT
    patterns = knowledge[0]
    for index in range(len(labels)):
        label = labels[index]
        was = label["superseded"] == _FRAUD or label["superseded"] == _DISPUTE
        change = int(label["verdict"] != _LEGITIMATE) - int(was)
        if change == 0:
            continue
        time_s = int(label["time_s"])
        amount = float(label["amount_minor"]) / 100.0
        amount_at = amount_bin(math.log1p(amount))
        ratio, ratio_at = math.nan, -1
        if label["card_row"] != NO_ROW:
            card = habits[label["card_row"]]
            ratio = amount_ratio(card, amount)
            ratio_at = ratio_bin(ratio)
            if change > 0:
                card["fraud_s"] = max(int(card["fraud_s"]), min(max(time_s, 0), NO_ROW))
            elif int(card["fraud_s"]) == time_s:
                card["fraud_s"] = 0
        if change > 0:
            note_delay(patterns, float(int(label["known_s"]) - time_s))
        explained = ratio >= PEAK_RATIO_MIN
        merchant = find(merchant_keys, label["merchant"]) if label["merchant"] != 0 else -1
        if merchant >= 0:
            place = merchants[merchant]
            kind = np.int64(place["kind"])
            explained = explained or gives_itself_away(patterns, kind, amount_at)
            hour_at = hour_bin(time_s + int(place["offset_s"]))
            count(patterns, FRAUD, kind, amount_at, hour_at, ratio_at, float(change))
            count_fraud(place, time_s, change, explained)
        terminal = find(terminal_keys, label["terminal"]) if label["terminal"] != 0 else -1
        if terminal >= 0:
            count_fraud(terminals[terminal], time_s, change, explained)
    return OK
