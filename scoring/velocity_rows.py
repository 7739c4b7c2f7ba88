"""
The rows of the five subjects: found, laid open, claimed and written back (Numba).

A row is two u32 words: the first chunk of its list in the pool, and how many cells, wide cells and distinct values the list holds. Cards' rows
are the directory's. An account with one card so far shares that card's row; its own, a copy, is made when a second card comes.
Merchants, devices and IPs have their rows by rosters.

A request's rows are fetched on a *desk*, where everything else is done, and stored again: the tables themselves are passed no deeper than
that. Laid open, a row is a *page* of words: cells, and from SEEN_AT on what was seen.
"""

from typing import Any, Final

import numpy as np
from numba import njit

from scoring.cells import (
    APPROVALS,
    ATTEMPTED,
    ATTEMPTS,
    CELL_WORDS,
    CELLS_MAX,
    CONSUMED,
    FIELDS,
    PLAIN_WORDS,
    add_to,
    make_cell,
    newest_s,
    pack_cells,
    unpack_cells,
)
from scoring.limit import Subject
from scoring.pool import PAYLOAD_WORDS, TOP, free_list, read_list, write_list
from scoring.roster import WAYS, find_slot, first_slot, free_slot
from scoring.seen import (
    CARDS,
    CATEGORIES,
    COUNTRIES,
    DEVICES,
    IPS,
    KINDS,
    MERCHANTS,
    SEEN_MAX,
    SEEN_WORDS,
    folded_tag_of,
    forget,
    note,
    tag_of,
)
from scoring.windows import LEVELS, TIME_END_S

# One thing that happened to the five subjects; a missing one is 0, a missing card NO_ROW.
STEP: Final = np.dtype(
    [
        ("time_s", np.int64),
        ("amount_minor", np.int64),
        ("merchant", np.uint64),
        ("device", np.uint64),
        ("ip", np.uint64),
        ("card_row", np.uint32),
        ("account", np.uint32),
        ("day_id", np.int32),
        ("month_id", np.int32),
        ("category", np.uint16),
        ("country", np.uint16),
        ("step", np.uint8),
    ],
    align=True,
)
NO_ROW: Final = (1 << 32) - 1
SUBJECTS: Final = len(Subject)
CARD, ACCOUNT, MERCHANT, DEVICE, IP = (int(subject) for subject in Subject)
# How many rows the rosters of merchants, devices and IPs may have.
SLOTS_MAX: Final = (1 << 20, 1 << 20, 1 << 20)
SEEN_AT: Final = CELLS_MAX * CELL_WORDS
PAGE_WORDS: Final = SEEN_AT + SEEN_MAX * SEEN_WORDS
# A pool's control has a third word here: how many accounts have rows of their own.
OWN: Final = 2
OWN_ROW: Final = 1 << 31
# Places of a subject without a row of its own: none is named, none made yet, the card's, another card's.
MISSING, NEW, SHARED, SPLIT = -1, -2, -3, -4
# What a step may lack before anything is changed; rosters are NEED_ROSTER + 0..2.
NEED_NOTHING, NEED_CHUNKS, NEED_ACCOUNT, NEED_ROSTER = 0, 1, 2, 3
# Where one request at a time is worked on; a record, which Numba passes as one pointer.
#   places               where each subject's row is, or MISSING, NEW, SHARED, SPLIT
#   lists                the two words of its row, lengths how many cells and seen values its page has
#   totals, distinct     what its windows hold at the request's time; the distinct values of 24 hours and of 31 days
#   heads, sums          calendar sums of the card and of the account
#   openings_s, packed   scratch
DESK: Final = np.dtype(
    [
        ("places", np.int64, SUBJECTS),
        ("lengths", np.int64, (SUBJECTS, 2)),
        ("openings_s", np.int64, LEVELS),
        ("totals", np.int64, (SUBJECTS, LEVELS, FIELDS)),
        ("distinct", np.int64, (SUBJECTS, 2, KINDS)),
        ("sums", np.int64, (MERCHANT, 2, 2)),
        ("heads", np.int32, (MERCHANT, 2)),
        ("lists", np.uint32, (SUBJECTS, 2)),
        ("packed", np.uint32, SEEN_AT),
        ("pages", np.uint32, (SUBJECTS, PAGE_WORDS)),
    ],
    align=True,
)
_ZERO, _ONE = np.int64(0), np.int64(1)
_STEP_CHUNKS: Final = SUBJECTS * (PAGE_WORDS // PAYLOAD_WORDS + 1)
_ROSTER_KINDS: Final = 4


def list_words(cells: np.ndarray, wide: np.ndarray, seen: np.ndarray) -> np.ndarray:
    """How many words lists have."""
    return cells * PLAIN_WORDS + wide * (CELL_WORDS - PLAIN_WORDS) + seen * SEEN_WORDS


@njit(cache=True)
def key_of(step: Any, subject: Any) -> Any:
    """The key (u8) of a subject that has its row by a roster; 0 = missing."""
    if subject == MERCHANT:
        return step["merchant"]
    if subject == DEVICE:
        return step["device"]
    return step["ip"]


@njit(cache=True)
def tag_for(step: Any, kind: Any) -> Any:
    """The tag of a step's value of a kind; -1 where it's missing."""
    if kind == MERCHANTS and step["merchant"] != 0:
        return folded_tag_of(kind, step["merchant"])
    if kind == COUNTRIES and step["country"] != 0:
        return tag_of(kind, np.int64(step["country"]))
    if kind == CATEGORIES and step["category"] != 0:
        return tag_of(kind, np.int64(step["category"]))
    if kind == CARDS and step["card_row"] != NO_ROW:
        return tag_of(kind, np.int64(step["card_row"]))
    if kind == DEVICES and step["device"] != 0:
        return folded_tag_of(kind, step["device"])
    if kind == IPS and step["ip"] != 0:
        return folded_tag_of(kind, step["ip"])
    return -1


@njit(cache=True)
def look_up(step: Any, keys: Any, account_rows: np.ndarray, places: np.ndarray) -> None:
    """Writes where each subject's row is: a row, or MISSING, NEW, SHARED, SPLIT."""
    card_row, account = np.int64(step["card_row"]), np.int64(step["account"])
    places[CARD] = MISSING if card_row == NO_ROW else card_row
    places[ACCOUNT] = MISSING
    if card_row != NO_ROW and account != 0:
        known = np.int64(account_rows[account])
        if known >= OWN_ROW:
            places[ACCOUNT] = known - OWN_ROW
        else:
            places[ACCOUNT] = SHARED if known in (0, card_row + 1) else SPLIT
    for subject in range(MERCHANT, SUBJECTS):
        key = key_of(step, subject)
        if key == 0:
            places[subject] = MISSING
        else:
            slot = find_slot(keys[subject - MERCHANT], key)
            places[subject] = NEW if slot < 0 else slot


@njit(cache=True)
def fetch(
    step: Any, rows: Any, keys: Any, account_rows: np.ndarray, heads: Any, sums: Any, desk: Any
) -> None:
    """Finds a step's rows and calendar sums, and copies them on the desk; what isn't there is zero. A SHARED account's sums are the card's."""
    places, lists = desk["places"], desk["lists"]
    look_up(step, keys, account_rows, places)
    for subject in range(SUBJECTS):
        table, place = subject, places[subject]
        if place == SPLIT:
            table, place = CARD, np.int64(account_rows[step["account"]]) - 1
        lists[subject, 0] = rows[table][place, 0] if place >= 0 else 0
        lists[subject, 1] = rows[table][place, 1] if place >= 0 else 0
        if subject > ACCOUNT:
            continue
        if place == SHARED:
            table, place = CARD, places[CARD]
        for kind in range(2):
            desk["heads"][subject, kind] = heads[table][place, kind] if place >= 0 else 0
            for parity in range(2):
                desk["sums"][subject, kind, parity] = sums[table][place, kind, parity] if place >= 0 else 0


@njit(cache=True)
def store(desk: Any, rows: Any, heads: Any, sums: Any) -> None:
    """Copies what `fetch` laid on the desk back to where it has its place now."""
    places, lists = desk["places"], desk["lists"]
    for subject in range(SUBJECTS):
        place = places[subject]
        if place < 0:
            continue
        rows[subject][place, 0] = lists[subject, 0]
        rows[subject][place, 1] = lists[subject, 1]
        if subject > ACCOUNT:
            continue
        for kind in range(2):
            heads[subject][place, kind] = desk["heads"][subject, kind]
            for parity in range(2):
                sums[subject][place, kind, parity] = desk["sums"][subject, kind, parity]


@njit(cache=True)
def open_pages(chunks: np.ndarray, desk: Any) -> None:
    """Lays open the lists that were fetched: a SHARED account has no page but the card's."""
    packed = desk["packed"]
    for subject in range(SUBJECTS):
        first, counts = np.int64(desk["lists"][subject, 0]), np.int64(desk["lists"][subject, 1])
        cells, wide, seen = counts & 0xFF, counts >> 8 & 0xFF, counts >> 16
        desk["lengths"][subject, 0], desk["lengths"][subject, 1] = cells, seen
        if counts == 0:
            continue
        page = desk["pages"][subject]
        cell_words = cells * PLAIN_WORDS + wide * (CELL_WORDS - PLAIN_WORDS)
        read_list(chunks, first, _ZERO, packed[:cell_words])
        unpack_cells(packed, cells, page)
        read_list(chunks, first, cell_words, page[SEEN_AT : SEEN_AT + seen * SEEN_WORDS])


@njit(cache=True)
def lacks_chunks(chunks: np.ndarray, control: np.ndarray) -> Any:
    """Whether the pool must grow before any step: one that gives back makes lists longer too, where it counts a decline."""
    return NEED_CHUNKS if control[TOP] + _STEP_CHUNKS > len(chunks) else NEED_NOTHING


@njit(cache=True)
def lacks(
    places: np.ndarray, step: Any, rows: Any, keys: Any, chunks: np.ndarray, control: np.ndarray
) -> Any:
    """What must grow before a step can be entered: NEED_*."""
    if lacks_chunks(chunks, control) != NEED_NOTHING:
        return NEED_CHUNKS
    if places[ACCOUNT] == SPLIT and control[OWN] == len(rows[ACCOUNT]):
        return NEED_ACCOUNT
    for subject in range(MERCHANT, SUBJECTS):
        roster = subject - MERCHANT
        if (
            places[subject] == NEW
            and len(keys[roster]) < SLOTS_MAX[roster]
            and free_slot(keys[roster], key_of(step, subject)) < 0
        ):
            return NEED_ROSTER + roster
    return NEED_NOTHING


@njit(cache=True)
def claim(keys: np.ndarray, rows: np.ndarray, key: Any, chunks: np.ndarray, control: np.ndarray) -> Any:
    """A slot for a new key: a free one, or the one of its set that was unused for longest."""
    slot = free_slot(keys, key)
    if slot < 0:
        first = first_slot(len(keys), key)
        oldest_s: Any = TIME_END_S
        for candidate in range(first, first + WAYS):
            # The first word of a list is its newest cell's start.
            newest = np.int64(chunks[rows[candidate, 0], 0])
            if newest < oldest_s:
                slot, oldest_s = candidate, newest
        free_list(chunks, control, np.int64(rows[slot, 0]))
        rows[slot, 0], rows[slot, 1] = 0, 0
    keys[slot] = key
    return slot


@njit(cache=True)
def enter_page(
    page: np.ndarray, length: np.ndarray, step: Any, subject: Any, attempting: bool, reserving: bool
) -> None:
    """Counts an attempt, a reservation or both on a page, unless they are too old."""
    time_s, amount_minor = np.int64(step["time_s"]), np.int64(step["amount_minor"])
    length[0], cell = make_cell(page, np.int64(length[0]), time_s)
    if cell < 0:
        return
    if reserving:
        add_to(page, cell, APPROVALS, _ONE)
        add_to(page, cell, CONSUMED, amount_minor)
    seen_words = page[SEEN_AT:]
    length[1] = forget(seen_words, np.int64(length[1]), newest_s(page, np.int64(length[0])))
    if attempting:
        add_to(page, cell, ATTEMPTS, _ONE)
        add_to(page, cell, ATTEMPTED, amount_minor)
        for kind in range(KINDS if subject <= ACCOUNT else _ROSTER_KINDS):
            tag = tag_for(step, kind)
            if tag >= 0:
                length[1] = note(seen_words, np.int64(length[1]), tag, time_s)


@njit(cache=True)
def close_page(subject: Any, chunks: np.ndarray, control: np.ndarray, desk: Any) -> None:
    """Writes a subject's page back to its list."""
    page, packed = desk["pages"][subject], desk["packed"]
    cells, seen = desk["lengths"][subject, 0], desk["lengths"][subject, 1]
    wide = pack_cells(page, cells, packed)
    cell_words = cells * PLAIN_WORDS + wide * (CELL_WORDS - PLAIN_WORDS)
    desk["lists"][subject, 0] = write_list(
        chunks,
        control,
        np.int64(desk["lists"][subject, 0]),
        packed[:cell_words],
        page[SEEN_AT : SEEN_AT + seen * SEEN_WORDS],
    )
    desk["lists"][subject, 1] = cells | wide << 8 | seen << 16
