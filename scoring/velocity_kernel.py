"""
Velocity's kernels: what came before a request, whether it passes a limit, what it leaves behind (Numba).

Each request is first only read: its rows are laid open, its past told, its limits judged. What it leaves is written after that, and only
where there is room; where there is none, the kernel stops before the request and says what must grow.
"""

from typing import Any, Final

import numpy as np
from numba import njit

from scoring.calendar_sums import add_period, period_total, take_period
from scoring.cells import (
    APPROVALS,
    ATTEMPTED,
    ATTEMPTS,
    CONSUMED,
    DECLINES,
    add_to,
    find_cell,
    take_from,
    window_totals,
)
from scoring.limit import AMOUNT, CONSULTED_MAX, DAY, FREQUENCY, TRANSACTION, Measure, Of
from scoring.seen import (
    CARDS,
    CATEGORIES,
    COUNTRIES,
    DEVICES,
    IPS,
    MERCHANTS,
    count_distinct,
    distinct_since,
    last_seen_s,
)
from scoring.velocity_rows import (
    ACCOUNT,
    CARD,
    DEVICE,
    IP,
    MERCHANT,
    MISSING,
    NEED_NOTHING,
    NEW,
    NO_ROW,
    OWN,
    OWN_ROW,
    SEEN_AT,
    SHARED,
    SPLIT,
    SUBJECTS,
    claim,
    close_page,
    enter_page,
    fetch,
    key_of,
    lacks,
    lacks_chunks,
    open_pages,
    store,
    tag_for,
)
from scoring.windows import LEVELS, SPANS_S, TIME_END_S, WINDOWS, add_capped, opening_s

# What a journal says happened: an attempt alone, an attempt and its reservation, a reservation alone (an increment, an
# advice), its release, a part given back, a decline.
STEP_ATTEMPT, STEP_RESERVE, STEP_ADD, STEP_RELEASE, STEP_REDUCE, STEP_DECLINE = range(6)
OK, BAD_ROW, BAD_ACCOUNT, BAD_AMOUNT, BAD_SET, BAD_STEP = range(6)

_COUNT, _SUM, _MERCHANTS = int(Measure.COUNT), int(Measure.AMOUNT), int(Measure.MERCHANTS)
_APPROVALS, _ATTEMPTS, _DECLINES = int(Of.APPROVALS), int(Of.ATTEMPTS), int(Of.DECLINES)
_WINDOW: Final = {window.name: number for number, window in enumerate(WINDOWS)}
_TOTAL, _DISTINCT, _SINCE = 0, 1, 2
_ONE: Final = np.int64(1)
# Columns of the past in order: name; total, distinct or since; subject; field or kind; window.
_PAST: Final = (
    *((f"attempts_{name}", _TOTAL, CARD, ATTEMPTS, _WINDOW[name]) for name in ("10s", "1m", "10m", "1h", "24h", "7d", "30d")),
    *((f"amount_{name}", _TOTAL, CARD, ATTEMPTED, _WINDOW[name]) for name in ("10s", "1m", "10m", "1h", "24h", "7d", "30d")),
    ("merchants_24h", _DISTINCT, CARD, MERCHANTS, _WINDOW["24h"]),
    ("countries_24h", _DISTINCT, CARD, COUNTRIES, _WINDOW["24h"]),
    ("categories_24h", _DISTINCT, CARD, CATEGORIES, _WINDOW["24h"]),
    ("merchants_31d", _DISTINCT, CARD, MERCHANTS, _WINDOW["31d"]),
    ("countries_31d", _DISTINCT, CARD, COUNTRIES, _WINDOW["31d"]),
    ("devices_31d", _DISTINCT, CARD, DEVICES, _WINDOW["31d"]),
    ("merchant_since_s", _SINCE, CARD, MERCHANTS, 0),
    ("country_since_s", _SINCE, CARD, COUNTRIES, 0),
    ("category_since_s", _SINCE, CARD, CATEGORIES, 0),
    ("device_since_s", _SINCE, CARD, DEVICES, 0),
    ("ip_since_s", _SINCE, CARD, IPS, 0),
    ("account_attempts_1h", _TOTAL, ACCOUNT, ATTEMPTS, _WINDOW["1h"]),
    ("account_attempts_24h", _TOTAL, ACCOUNT, ATTEMPTS, _WINDOW["24h"]),
    ("account_amount_24h", _TOTAL, ACCOUNT, ATTEMPTED, _WINDOW["24h"]),
    ("account_cards_24h", _DISTINCT, ACCOUNT, CARDS, _WINDOW["24h"]),
    ("merchant_attempts_1h", _TOTAL, MERCHANT, ATTEMPTS, _WINDOW["1h"]),
    ("merchant_attempts_24h", _TOTAL, MERCHANT, ATTEMPTS, _WINDOW["24h"]),
    ("merchant_cards_24h", _DISTINCT, MERCHANT, CARDS, _WINDOW["24h"]),
    ("device_attempts_24h", _TOTAL, DEVICE, ATTEMPTS, _WINDOW["24h"]),
    ("device_cards_24h", _DISTINCT, DEVICE, CARDS, _WINDOW["24h"]),
    ("device_cards_31d", _DISTINCT, DEVICE, CARDS, _WINDOW["31d"]),
    ("ip_attempts_1h", _TOTAL, IP, ATTEMPTS, _WINDOW["1h"]),
    ("ip_attempts_24h", _TOTAL, IP, ATTEMPTS, _WINDOW["24h"]),
    ("ip_cards_24h", _DISTINCT, IP, CARDS, _WINDOW["24h"]),
    ("ip_cards_31d", _DISTINCT, IP, CARDS, _WINDOW["31d"]),
)  # fmt: skip
PAST_NAMES: Final = tuple(column[0] for column in _PAST)
_COLUMNS: Final = np.array([column[1:] for column in _PAST], np.int64)
# The windows whose distinct values the desk counts.
_SHORTER, _LONGER = _WINDOW["24h"], _WINDOW["31d"]
assert {column[4] for column in _PAST if column[1] == _DISTINCT} == {_SHORTER, _LONGER}


@njit(cache=True)
def check_steps(steps: np.ndarray, cards: Any, accounts: Any) -> Any:
    """Whether each of STEP[n] can be done: OK or BAD_*."""
    for index in range(len(steps)):
        step = steps[index]
        if step["card_row"] >= cards and step["card_row"] != NO_ROW:
            return BAD_ROW
        if step["account"] >= accounts and step["account"] != 0:
            return BAD_ACCOUNT
        if step["amount_minor"] < 0:
            return BAD_AMOUNT
        if step["step"] > STEP_DECLINE:
            return BAD_STEP
    return OK


@njit(cache=True)
def fill_steps(
    attempts: np.ndarray,
    day_ids: np.ndarray,
    month_ids: np.ndarray,
    limit_sets: np.ndarray,
    sets: np.ndarray,
    cards: Any,
    accounts: Any,
    steps: np.ndarray,
) -> Any:
    """Makes the STEP[n] of ATTEMPT[n]; OK, or BAD_* where one can't be done or names a set that isn't in the table."""
    for index in range(len(attempts)):
        attempt, step = attempts[index], steps[index]
        step["time_s"] = attempt["time_s"]
        step["amount_minor"] = attempt["amount_minor"]
        step["merchant"] = attempt["merchant"]
        step["device"] = attempt["device"]
        step["ip"] = attempt["ip"]
        step["card_row"] = attempt["card_row"]
        step["account"] = attempt["account"]
        step["category"] = attempt["category"]
        step["country"] = attempt["country"]
        step["day_id"] = day_ids[index]
        step["month_id"] = month_ids[index]
        step["step"] = STEP_ATTEMPT
        if limit_sets[index] >= len(sets) - 1:
            return BAD_SET
    return check_steps(steps, cards, accounts)


@njit(cache=True)
def view_of(subject: Any, places: np.ndarray) -> Any:
    """The page that shows a subject: its own, or its card's; MISSING where there is no such subject."""
    if places[subject] == MISSING:
        return MISSING
    return CARD if places[subject] == SHARED else subject


@njit(cache=True)
def read_windows(step: Any, desk: Any) -> None:
    """Tells what the windows of the pages hold at a step's time."""
    time_s = step["time_s"]
    for window in range(LEVELS):
        desk["openings_s"][window] = opening_s(window, time_s)
    after_s, longer_after_s = time_s - SPANS_S[_SHORTER], time_s - SPANS_S[_LONGER]
    for subject in range(SUBJECTS):
        if view_of(subject, desk["places"]) == subject:
            page, cells, seen = (
                desk["pages"][subject],
                desk["lengths"][subject, 0],
                desk["lengths"][subject, 1],
            )
            window_totals(page, cells, time_s, desk["openings_s"], desk["totals"][subject])
            count_distinct(page[SEEN_AT:], seen, after_s, longer_after_s, desk["distinct"][subject])


@njit(cache=True)
def tell_past(step: Any, desk: Any, past: np.ndarray) -> None:
    """Writes what came before, f4[len(PAST_NAMES)]."""
    time_s = step["time_s"]
    for column in range(len(_COLUMNS)):
        what, subject = _COLUMNS[column, 0], _COLUMNS[column, 1]
        detail, window = _COLUMNS[column, 2], _COLUMNS[column, 3]
        view = view_of(subject, desk["places"])
        if view == MISSING:
            continue
        if what == _TOTAL:
            past[column] = desk["totals"][view, window, detail]
        elif what == _DISTINCT:
            past[column] = desk["distinct"][view, np.int64(window == _LONGER), detail]
        else:
            tag = tag_for(step, detail)
            if tag >= 0:
                last_s = last_seen_s(desk["pages"][view, SEEN_AT:], desk["lengths"][view, 1], tag)
                past[column] = max(time_s - last_s, 0) if last_s >= 0 else -1


@njit(cache=True)
def measure(line: Any, step: Any, entering: bool, desk: Any) -> Any:
    """What a step would bring a limit (LIMIT) to; -1 where the limit doesn't concern it."""
    subject, window = np.int64(line["subject"]), np.int64(line["window"])
    of, kind = np.int64(line["of"]), np.int64(line["measure"])
    amount_minor = step["amount_minor"]
    view = view_of(subject, desk["places"])
    if view == MISSING or (of != _APPROVALS and not entering):
        return -1
    if window >= TRANSACTION:
        if kind != _SUM or of != _APPROVALS or subject > ACCOUNT:
            return -1
        if window == TRANSACTION:
            return amount_minor
        period = np.int64(step["day_id"]) if window == DAY else np.int64(step["month_id"])
        spent = period_total(desk["heads"][subject], desk["sums"][subject], window - DAY, period)
        return add_capped(spent, amount_minor)
    totals = desk["totals"][view, window]
    if kind == _SUM:
        if of == _DECLINES:
            return -1
        return add_capped(totals[CONSUMED if of == _APPROVALS else ATTEMPTED], amount_minor)
    if kind == _COUNT:
        if of == _DECLINES:
            return totals[DECLINES]
        return totals[APPROVALS if of == _APPROVALS else ATTEMPTS] + 1
    if of != _ATTEMPTS:
        return -1
    after_s = step["time_s"] - SPANS_S[window]
    seen, seen_words = desk["lengths"][view, 1], desk["pages"][view, SEEN_AT:]
    used = distinct_since(seen_words, seen, kind - _MERCHANTS, after_s)
    tag = tag_for(step, kind - _MERCHANTS)
    if tag >= 0 and last_seen_s(seen_words, seen, tag) <= after_s:
        used += 1
    return used


@njit(cache=True)
def tell_limit(consulted: np.ndarray, filled: Any, line: Any, used: Any, passed: bool) -> Any:
    """Puts a limit among CONSULTED[8]: passed ones first, live before shadow, then those nearest to their ceilings."""
    rank = 3 - np.int64(line["shadow"] != 0) if passed else 0
    ratio = used / np.int64(line["ceiling"])
    place = filled
    while place > 0:
        other = consulted[place - 1]
        other_rank = 3 - np.int64(other["shadow"] != 0) if other["passed"] else 0
        other_ratio = np.int64(other["used"]) / np.int64(other["ceiling"])
        if other_rank > rank or (other_rank == rank and other_ratio >= ratio):
            break
        place -= 1
    if place == CONSULTED_MAX:
        return filled
    for below in range(min(filled, CONSULTED_MAX - 1), place, -1):
        consulted[below] = consulted[below - 1]
    told = consulted[place]
    told["number"] = line["number"]
    told["name"] = line["name"]
    told["passed"] = passed
    told["shadow"] = line["shadow"]
    told["used"] = used
    told["ceiling"] = line["ceiling"]
    return min(filled + 1, CONSULTED_MAX)


@njit(cache=True)
def judge(step: Any, entering: bool, limits: np.ndarray, desk: Any, consulted: np.ndarray) -> Any:
    """Compares a step with its limits LIMIT[m], fills CONSULTED[8]; the flags of the live ones passed."""
    flags = 0
    filled = np.int64(0)
    for index in range(len(limits)):
        line = limits[index]
        used = measure(line, step, entering, desk)
        if used < 0:
            continue
        ceiling = line["ceiling"]
        passed = used >= ceiling if line["of"] == _DECLINES else used > ceiling
        if passed and line["shadow"] == 0:
            flags |= AMOUNT if line["measure"] == _SUM else FREQUENCY
        filled = tell_limit(consulted, filled, line, used, passed)
    return flags


@njit(cache=True)
def enter(
    step: Any,
    attempting: bool,
    reserving: bool,
    rows: Any,
    keys: Any,
    account_rows: np.ndarray,
    chunks: np.ndarray,
    control: np.ndarray,
    desk: Any,
) -> None:
    """Leaves an attempt, a reservation or both in the rows on the desk, with a row of its own for whom it takes one. There is room."""
    places = desk["places"]
    if places[ACCOUNT] == SPLIT:
        places[ACCOUNT] = control[OWN]
        control[OWN] += 1
        account_rows[step["account"]] = OWN_ROW | places[ACCOUNT]
        desk["lists"][ACCOUNT, 0] = 0
    elif places[ACCOUNT] == SHARED:
        account_rows[step["account"]] = places[CARD] + 1
    for subject in range(SUBJECTS):
        if places[subject] == NEW:
            roster = subject - MERCHANT
            places[subject] = claim(keys[roster], rows[subject], key_of(step, subject), chunks, control)
        if places[subject] >= 0:
            enter_page(desk["pages"][subject], desk["lengths"][subject], step, subject, attempting, reserving)
            close_page(subject, chunks, control, desk)
            if reserving and subject <= ACCOUNT:
                add_periods(desk["heads"][subject], desk["sums"][subject], step)


@njit(cache=True)
def add_periods(heads: np.ndarray, sums: np.ndarray, step: Any) -> None:
    """Adds a step's amount to its day and month."""
    for kind in range(2):
        add_period(heads, sums, kind, period_of(step, kind), step["amount_minor"])


@njit(cache=True)
def period_of(step: Any, kind: Any) -> Any:
    """A step's day (kind 0) or month (1)."""
    return np.int64(step["month_id"] if kind else step["day_id"])


@njit(cache=True)
def give_back(step: Any, chunks: np.ndarray, control: np.ndarray, desk: Any) -> None:
    """Takes back what a STEP_RELEASE or STEP_REDUCE names, or counts a decline, where its cell is still known."""
    what, amount_minor = step["step"], step["amount_minor"]
    for subject in range(SUBJECTS):
        if desk["places"][subject] < 0:
            continue
        page = desk["pages"][subject]
        cell = find_cell(page, desk["lengths"][subject, 0], step["time_s"])
        if cell >= 0:
            if what == STEP_DECLINE:
                add_to(page, cell, DECLINES, _ONE)
            else:
                take_from(page, cell, APPROVALS, np.int64(what == STEP_RELEASE))
                take_from(page, cell, CONSUMED, amount_minor)
            close_page(subject, chunks, control, desk)
        if subject <= ACCOUNT and what != STEP_DECLINE:
            for kind in range(2):
                heads, sums = desk["heads"][subject], desk["sums"][subject]
                take_period(heads, sums, kind, period_of(step, kind), amount_minor)


@njit(cache=True)
def admit_kernel(
    first: Any,
    steps: np.ndarray,
    counted: np.ndarray,
    entering: np.ndarray,
    limit_sets: np.ndarray,
    limits: np.ndarray,
    sets: np.ndarray,
    rows: Any,
    keys: Any,
    account_rows: np.ndarray,
    chunks: np.ndarray,
    control: np.ndarray,
    heads: Any,
    sums: Any,
    desks: np.ndarray,
    flags: np.ndarray,
    consulted: np.ndarray,
    past: np.ndarray,
    reserved: np.ndarray,
) -> tuple[Any, Any]:
    """Admits STEP[n] from the first on; see `Velocity.admit`. Returns how far it came, and what it needs to go on."""
    desk = desks[0]
    for index in range(first, len(steps)):
        step = steps[index]
        fetch(step, rows, keys, account_rows, heads, sums, desk)
        open_pages(chunks, desk)
        read_windows(step, desk)
        flags[index], reserved[index] = 0, False
        past[index, :] = np.nan
        if entering[index]:
            tell_past(step, desk, past[index])
        if counted[index]:
            lines = limits[sets[limit_sets[index]] : sets[limit_sets[index] + 1]]
            flags[index] = judge(step, entering[index], lines, desk, consulted[index])
            reserved[index] = flags[index] == 0
        if not (entering[index] or reserved[index]) or not 0 <= step["time_s"] < TIME_END_S:
            continue
        need = lacks(desk["places"], step, rows, keys, chunks, control)
        if need != NEED_NOTHING:
            return index, need
        enter(step, entering[index], reserved[index], rows, keys, account_rows, chunks, control, desk)
        store(desk, rows, heads, sums)
    return len(steps), NEED_NOTHING


@njit(cache=True)
def retrace_kernel(
    first: Any,
    steps: np.ndarray,
    rows: Any,
    keys: Any,
    account_rows: np.ndarray,
    chunks: np.ndarray,
    control: np.ndarray,
    heads: Any,
    sums: Any,
    desks: np.ndarray,
) -> tuple[Any, Any]:
    """Does STEP[n] from the first on; see `Velocity.retrace`. Returns how far it came, and what it needs to go on."""
    desk = desks[0]
    for index in range(first, len(steps)):
        step = steps[index]
        what = step["step"]
        if not 0 <= step["time_s"] < TIME_END_S:
            continue
        fetch(step, rows, keys, account_rows, heads, sums, desk)
        if what <= STEP_ADD:
            need = lacks(desk["places"], step, rows, keys, chunks, control)
        else:
            need = lacks_chunks(chunks, control)
        if need != NEED_NOTHING:
            return index, need
        open_pages(chunks, desk)
        if what <= STEP_ADD:
            attempting, reserving = what != STEP_ADD, what != STEP_ATTEMPT
            enter(step, attempting, reserving, rows, keys, account_rows, chunks, control, desk)
        else:
            give_back(step, chunks, control, desk)
        store(desk, rows, heads, sums)
    return len(steps), NEED_NOTHING
