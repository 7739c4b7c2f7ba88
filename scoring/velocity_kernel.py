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
    FIELDS,
    add_to,
    find_cell,
    take_from,
    window_totals,
)
from scoring.limit import AMOUNT, CONSULTED_MAX, DAY, FREQUENCY, TRANSACTION, Measure, Of
from scoring.seen import CARDS, CATEGORIES, COUNTRIES, DEVICES, IPS, MERCHANTS, distinct_since, last_seen_s
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
    PAGE_WORDS,
    SEEN_AT,
    SHARED,
    SPLIT,
    SUBJECTS,
    claim,
    close_page,
    enter_page,
    key_of,
    lacks,
    look_up,
    open_pages,
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
_COLUMNS: Final = tuple(column[1:] for column in _PAST)


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
def check_sets(limit_sets: np.ndarray, sets: np.ndarray) -> Any:
    """Whether each set named is in the table: OK or BAD_SET."""
    for index in range(len(limit_sets)):
        if limit_sets[index] >= len(sets) - 1:
            return BAD_SET
    return OK


@njit(cache=True)
def fill_steps(attempts: np.ndarray, day_ids: np.ndarray, month_ids: np.ndarray, steps: np.ndarray) -> None:
    """The STEP[n] of ATTEMPT[n]."""
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


@njit(cache=True)
def view_of(subject: Any, places: np.ndarray) -> Any:
    """The page that shows a subject: its own, or its card's; MISSING where there is no such subject."""
    if places[subject] == MISSING:
        return MISSING
    return CARD if places[subject] == SHARED else subject


@njit(cache=True)
def tell_past(
    step: Any,
    places: np.ndarray,
    pages: np.ndarray,
    lengths: np.ndarray,
    totals: np.ndarray,
    past: np.ndarray,
) -> None:
    """Writes what came before, f4[len(PAST_NAMES)]."""
    time_s = np.int64(step["time_s"])
    for column in range(len(_COLUMNS)):
        what, subject, detail, window = _COLUMNS[column]
        view = view_of(subject, places)
        past[column] = np.nan
        if view == MISSING:
            continue
        if what == _TOTAL:
            past[column] = totals[view, window, detail]
            continue
        seen, seen_words = np.int64(lengths[view, 1]), pages[view, SEEN_AT:]
        if what == _DISTINCT:
            past[column] = distinct_since(seen_words, seen, detail, time_s - SPANS_S[window])
            continue
        tag = tag_for(step, detail)
        if tag >= 0:
            last_s = last_seen_s(seen_words, seen, tag)
            past[column] = max(time_s - last_s, 0) if last_s >= 0 else -1


@njit(cache=True)
def measure(
    line: Any,
    step: Any,
    entering: bool,
    places: np.ndarray,
    pages: np.ndarray,
    lengths: np.ndarray,
    totals: np.ndarray,
    account_heads: Any,
    account_sums: Any,
) -> Any:
    """What a step would bring a limit (LIMIT) to; -1 where the limit doesn't concern it. Calendar rows are [card's, account's]."""
    subject, window, of, kind = (
        np.int64(line["subject"]),
        np.int64(line["window"]),
        np.int64(line["of"]),
        np.int64(line["measure"]),
    )
    amount_minor = np.int64(step["amount_minor"])
    view = view_of(subject, places)
    if view == MISSING or (of != _APPROVALS and not entering):
        return -1
    if window >= TRANSACTION:
        if kind != _SUM or of != _APPROVALS or subject > ACCOUNT:
            return -1
        if window == TRANSACTION:
            return amount_minor
        period = window - DAY
        day_or_month = np.int64(step["day_id"]) if window == DAY else np.int64(step["month_id"])
        return add_capped(
            period_total(account_heads[subject], account_sums[subject], period, day_or_month), amount_minor
        )
    if kind == _SUM:
        if of == _DECLINES:
            return -1
        return add_capped(
            np.int64(totals[view, window, CONSUMED if of == _APPROVALS else ATTEMPTED]), amount_minor
        )
    if kind == _COUNT:
        if of == _DECLINES:
            return np.int64(totals[view, window, DECLINES])
        return np.int64(totals[view, window, APPROVALS if of == _APPROVALS else ATTEMPTS]) + 1
    if of != _ATTEMPTS:
        return -1
    after_s = np.int64(step["time_s"]) - SPANS_S[window]
    seen, seen_words = np.int64(lengths[view, 1]), pages[view, SEEN_AT:]
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
def calendar_row(subject: Any, step: Any, places: np.ndarray, account_rows: np.ndarray) -> tuple[Any, Any]:
    """Which calendar (0 = cards', 1 = accounts' own) and which row of it shows a card or an account; (0, -1): none."""
    place = np.int64(places[subject])
    if place == MISSING:
        return 0, -1
    if subject == CARD or place == SHARED:
        return 0, np.int64(step["card_row"])
    if place == SPLIT:
        return 0, np.int64(account_rows[step["account"]]) - 1
    return 1, place


@njit(cache=True)
def judge(
    step: Any,
    entering: bool,
    limits: np.ndarray,
    places: np.ndarray,
    pages: np.ndarray,
    lengths: np.ndarray,
    totals: np.ndarray,
    account_rows: np.ndarray,
    heads: Any,
    sums: Any,
    consulted: np.ndarray,
) -> Any:
    """Compares a step with its limits LIMIT[m], fills CONSULTED[8]; the flags of the live ones passed."""
    no_heads, no_sums = np.zeros(2, np.int32), np.zeros((2, 2), np.int64)
    book, row = calendar_row(CARD, step, places, account_rows)
    card_heads, card_sums = (heads[book][row], sums[book][row]) if row >= 0 else (no_heads, no_sums)
    book, row = calendar_row(ACCOUNT, step, places, account_rows)
    own_heads, own_sums = (heads[book][row], sums[book][row]) if row >= 0 else (no_heads, no_sums)
    flags = 0
    filled = 0
    for index in range(len(limits)):
        line = limits[index]
        used = measure(
            line,
            step,
            entering,
            places,
            pages,
            lengths,
            totals,
            (card_heads, own_heads),
            (card_sums, own_sums),
        )
        if used < 0:
            continue
        ceiling = np.int64(line["ceiling"])
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
    places: np.ndarray,
    packed: np.ndarray,
    pages: np.ndarray,
    lengths: np.ndarray,
    rows: Any,
    keys: Any,
    account_rows: np.ndarray,
    chunks: np.ndarray,
    control: np.ndarray,
    heads: Any,
    sums: Any,
) -> None:
    """Leaves an attempt, a reservation or both in the rows that were laid open. There is room."""
    account = np.int64(step["account"])
    if places[ACCOUNT] == SPLIT:
        own, other = np.int64(control[OWN]), np.int64(account_rows[account]) - 1
        control[OWN] = own + 1
        account_rows[account] = OWN_ROW | own
        heads[1][own, :] = heads[0][other]
        sums[1][own, :] = sums[0][other]
        places[ACCOUNT] = own
    elif places[ACCOUNT] == SHARED:
        account_rows[account] = np.int64(step["card_row"]) + 1
    for subject in range(SUBJECTS):
        if places[subject] == NEW:
            roster = subject - MERCHANT
            places[subject] = claim(keys[roster], rows[subject], key_of(step, subject), chunks, control)
        place = np.int64(places[subject])
        if place >= 0:
            enter_page(pages[subject], lengths[subject], step, subject, attempting, reserving)
            close_page(pages[subject], lengths[subject], packed, rows[subject], place, chunks, control)
    if reserving:
        for subject in range(MERCHANT):
            if places[subject] >= 0:
                row, amount_minor = np.int64(places[subject]), np.int64(step["amount_minor"])
                add_period(heads[subject][row], sums[subject][row], 0, np.int64(step["day_id"]), amount_minor)
                add_period(
                    heads[subject][row], sums[subject][row], 1, np.int64(step["month_id"]), amount_minor
                )


@njit(cache=True)
def give_back(
    step: Any,
    places: np.ndarray,
    packed: np.ndarray,
    pages: np.ndarray,
    lengths: np.ndarray,
    rows: Any,
    chunks: np.ndarray,
    control: np.ndarray,
    heads: Any,
    sums: Any,
) -> None:
    """Takes back what a STEP_RELEASE or STEP_REDUCE names, or counts a decline, where its cell is still known."""
    kind, amount_minor = np.int64(step["step"]), np.int64(step["amount_minor"])
    for subject in range(SUBJECTS):
        row = np.int64(places[subject])
        if row < 0:
            continue
        page, cells = pages[subject], np.int64(lengths[subject, 0])
        cell = find_cell(page, cells, np.int64(step["time_s"]))
        if cell >= 0:
            if kind == STEP_DECLINE:
                add_to(page, cell, DECLINES, 1)
            else:
                take_from(page, cell, APPROVALS, np.int64(kind == STEP_RELEASE))
                take_from(page, cell, CONSUMED, amount_minor)
            close_page(page, lengths[subject], packed, rows[subject], row, chunks, control)
        if subject <= ACCOUNT and kind != STEP_DECLINE:
            take_period(heads[subject][row], sums[subject][row], 0, np.int64(step["day_id"]), amount_minor)
            take_period(heads[subject][row], sums[subject][row], 1, np.int64(step["month_id"]), amount_minor)


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
    flags: np.ndarray,
    consulted: np.ndarray,
    past: np.ndarray,
    reserved: np.ndarray,
) -> tuple[Any, Any]:
    """Admits STEP[n] from the first on; see `Velocity.admit`. Returns how far it came, and what it needs to go on."""
    places, lengths = np.empty(SUBJECTS, np.int64), np.empty((SUBJECTS, 2), np.int64)
    pages, packed = np.empty((SUBJECTS, PAGE_WORDS), np.uint32), np.empty(SEEN_AT, np.uint32)
    totals, openings_s = np.empty((SUBJECTS, LEVELS, FIELDS), np.int64), np.empty(LEVELS, np.int64)
    for index in range(first, len(steps)):
        step = steps[index]
        time_s = np.int64(step["time_s"])
        look_up(step, keys, account_rows, places)
        open_pages(step, places, rows, account_rows, chunks, packed, pages, lengths)
        for window in range(LEVELS):
            openings_s[window] = opening_s(window, time_s)
        for subject in range(SUBJECTS):
            if view_of(subject, places) == subject:
                window_totals(pages[subject], lengths[subject, 0], time_s, openings_s, totals[subject])
        flags[index], reserved[index] = 0, False
        past[index, :] = np.nan
        if entering[index]:
            tell_past(step, places, pages, lengths, totals, past[index])
        if counted[index]:
            lines = limits[sets[limit_sets[index]] : sets[limit_sets[index] + 1]]
            flags[index] = judge(
                step, entering[index], lines, places, pages, lengths, totals,
                account_rows, heads, sums, consulted[index],
            )  # fmt: skip
            reserved[index] = flags[index] == 0
        if not (entering[index] or reserved[index]) or not 0 <= time_s < TIME_END_S:
            continue
        need = lacks(places, step, rows, keys, chunks, control)
        if need != NEED_NOTHING:
            return index, need
        enter(
            step, entering[index], reserved[index], places, packed, pages, lengths,
            rows, keys, account_rows, chunks, control, heads, sums,
        )  # fmt: skip
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
) -> tuple[Any, Any]:
    """Does STEP[n] from the first on; see `Velocity.retrace`. Returns how far it came, and what it needs to go on."""
    places, lengths = np.empty(SUBJECTS, np.int64), np.empty((SUBJECTS, 2), np.int64)
    pages, packed = np.empty((SUBJECTS, PAGE_WORDS), np.uint32), np.empty(SEEN_AT, np.uint32)
    for index in range(first, len(steps)):
        step = steps[index]
        kind = np.int64(step["step"])
        if not 0 <= step["time_s"] < TIME_END_S:
            continue
        look_up(step, keys, account_rows, places)
        if kind <= STEP_ADD:
            need = lacks(places, step, rows, keys, chunks, control)
            if need != NEED_NOTHING:
                return index, need
        open_pages(step, places, rows, account_rows, chunks, packed, pages, lengths)
        if kind <= STEP_ADD:
            enter(
                step, kind != STEP_ADD, kind != STEP_ATTEMPT, places, packed, pages, lengths,
                rows, keys, account_rows, chunks, control, heads, sums,
            )  # fmt: skip
        else:
            give_back(step, places, packed, pages, lengths, rows, chunks, control, heads, sums)
    return len(steps), NEED_NOTHING
