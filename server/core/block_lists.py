"""
Block lists: merchants, devices, addresses, countries and cards that are blocked, or counted as if they were.

All lines stand in one table with open addressing, probed linearly: a line is entered or changed where it is, so that a
change costs the same whether there are ten lines or a million. A lifted line keeps its place.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Any, Final

import numpy as np
from numba import njit
from numpy.typing import NDArray

from server.core.policy import Check


class BlockKind(IntEnum):
    """What a block list names. The number is also that of the list's name among the names of rules."""

    MERCHANT = 1
    DEVICE = 2
    IP = 3
    COUNTRY = 4
    CARD = 5


@dataclass(frozen=True, slots=True)
class BlockEntry:
    """One line of a block list. `value` is the record's digest or number of what it names."""

    kind: BlockKind
    value: tuple[int, int]  # u128 as (low, high); a country or a 64-bit digest stands in `low`
    active: bool = True
    shadow: bool = False  # only counted


LINE: Final = np.dtype([("low", "<u8"), ("high", "<u8"), ("kind", "u1"), ("state", "u1")])

_FREE: Final = 0
_LIVE: Final = 1
_SHADOW: Final = 2
_LIFTED: Final = 3
_SLOTS_MIN: Final = 64
_MERCHANT: Final = int(BlockKind.MERCHANT)
_DEVICE: Final = int(BlockKind.DEVICE)
_IP: Final = int(BlockKind.IP)
_COUNTRY: Final = int(BlockKind.COUNTRY)
_KINDS: Final = max(BlockKind) + 1
_CHECKS: Final = np.zeros(_KINDS, np.int64)
for _kind in BlockKind:
    _CHECKS[_kind] = Check[f"BLOCKED_{_kind.name}"]


@njit(cache=True)
def place_of(lines: Any, kind: int, low: Any, high: Any) -> int:
    """Where a line stands among LINE[n], n a power of two and never full; or the free place where it would."""
    mask = np.uint64(len(lines) - 1)
    # Countries are small numbers, the others are spread: shifts and xor do for both (no product: it would wrap).
    slot = (low ^ (low >> np.uint64(29)) ^ high ^ (high >> np.uint64(31)) ^ np.uint64(kind << 4)) & mask
    while lines[slot]["state"] != _FREE and not (
        lines[slot]["kind"] == kind and lines[slot]["low"] == low and lines[slot]["high"] == high
    ):
        slot = (slot + np.uint64(1)) & mask
    return int(np.int64(slot))


@njit(cache=True)
def move_lines(lines: Any, larger: Any) -> None:
    """Enter every line into a larger table."""
    for i in range(len(lines)):
        if lines[i]["state"] != _FREE:
            larger[place_of(larger, np.int64(lines[i]["kind"]), lines[i]["low"], lines[i]["high"])] = lines[i]


@njit(cache=True)
def put_lines(lines: Any, entries: Any, counts: Any) -> None:
    """Enter LINE[n] into a table with room for all of them, and count those that are new by list (i8[kinds])."""
    for i in range(len(entries)):
        entry = entries[i]
        place = place_of(lines, np.int64(entry["kind"]), entry["low"], entry["high"])
        if lines[place]["state"] == _FREE:
            if entry["state"] == _LIFTED:
                continue
            counts[entry["kind"]] += 1
        lines[place] = entry


@njit(cache=True)
def list_checks(intent: Any, card: Any, lines: Any, counts: Any) -> int:
    """
    Bits of the lists that an INTENT stands on; a line in shadow is noted among its rules, by its list's name.

    `counts` (i8[kinds]) says how many lines each list has.
    """
    failed = 0
    request = intent.request
    for kind in range(1, _KINDS):
        if counts[kind] == 0:
            continue
        high = np.uint64(0)
        if kind == _MERCHANT:
            low = np.uint64(request.merchant)
        elif kind == _DEVICE:
            low = np.uint64(request.device)
        elif kind == _IP:
            low = np.uint64(request.ip[0])
            high = np.uint64(request.ip[1])
        elif kind == _COUNTRY:
            low = np.uint64(request.country)
        else:
            low = np.uint64(card.card_id[0])
            high = np.uint64(card.card_id[1])
        if (low | high) == 0:
            continue
        state = lines[place_of(lines, kind, low, high)]["state"]
        if state == _LIVE:
            failed |= 1 << _CHECKS[kind]
        elif state == _SHADOW:
            note_name(intent.rules_shadowed, kind)
    return failed


@njit(cache=True)
def note_name(names: Any, name: int) -> None:
    """Enter a name's number into a record's list of them; a full list stays as it is."""
    for k in range(len(names)):
        if names[k] == 0:
            names[k] = name
            return


class BlockLists:
    """All lines, as they stand."""

    def __init__(self) -> None:
        self.lines: NDArray[Any] = np.zeros(_SLOTS_MIN, LINE)
        self.counts = np.zeros(_KINDS, np.int64)
        """i8[kinds]: lines that were ever entered, by list."""

    def put(self, entries: Sequence[BlockEntry]) -> None:
        """Enter lines, or change those that name the same."""
        fields = [(*entry.value, entry.kind, _state_of(entry)) for entry in entries]
        slots = len(self.lines)
        while 2 * (int(self.counts.sum()) + len(fields)) > slots:
            slots *= 2
        if slots > len(self.lines):
            larger = np.zeros(slots, LINE)
            move_lines(self.lines, larger)
            self.lines = larger
        put_lines(self.lines, np.array(fields, LINE), self.counts)

    def __iter__(self) -> Iterator[BlockEntry]:
        """The lines that block, or are counted as if; sorted."""
        standing = self.lines[np.isin(self.lines["state"], (_LIVE, _SHADOW))]
        for line in np.sort(standing, order=["kind", "high", "low"]).tolist():
            low, high, kind, state = line
            yield BlockEntry(BlockKind(kind), (low, high), shadow=state == _SHADOW)


def _state_of(entry: BlockEntry) -> int:
    if not entry.active:
        return _LIFTED
    return _SHADOW if entry.shadow else _LIVE
