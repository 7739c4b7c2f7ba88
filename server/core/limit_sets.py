"""
The limits that cards are judged by: those of a programme, and what its accounts and cards have instead.

A *slot* is what a limit measures: subject, measure, of what, in which window, and whether it only decides on paper. Of a
slot the limit nearest to the card counts: its own, or else its account's, or else its programme's. One without a ceiling
lifts what stands further away.

A *limit set* is a programme with such overrides; cards that have the same share it, and most cards have their programme's
own. Set 0 is empty. `LimitSets.compile` makes flat arrays of all of them for the kernel that judges.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Any, Final

import numpy as np
from numba import njit
from numpy.typing import NDArray

from scoring.limit import DAY, LIMIT, MONTH, TRANSACTION, LimitTable, Measure, Of, Subject
from scoring.seen import CAPS, CARDS, CATEGORIES, COUNTRIES, MERCHANTS
from scoring.windows import AMOUNT_CEILING_MAX_MINOR, COUNT_CEILING_MAX, WINDOWS


class Window(IntEnum):
    """In which time: sliding windows, one transaction, or the calendar's day or month."""

    SECONDS_10 = 0
    MINUTE_1 = 1
    MINUTES_10 = 2
    HOUR_1 = 3
    HOURS_24 = 4
    DAYS_7 = 5
    DAYS_30 = 6
    DAYS_31 = 7
    TRANSACTION = 8
    DAY = 9
    MONTH = 10


WINDOW_NAMES: Final = ("10s", "1m", "10m", "1h", "24h", "7d", "30d", "31d", "transaction", "day", "month")
"""As people write them, by number."""

assert WINDOW_NAMES[: Window.TRANSACTION] == tuple(window.name for window in WINDOWS)
assert (Window.TRANSACTION, Window.DAY, Window.MONTH) == (TRANSACTION, DAY, MONTH)

NO_LIMITS: Final = 0
"""The set that is empty: of messages that nothing limits."""

CEILINGS_MAX: Final[Mapping[Measure, int]] = {
    Measure.COUNT: COUNT_CEILING_MAX,
    Measure.AMOUNT: AMOUNT_CEILING_MAX_MINOR,
    Measure.MERCHANTS: CAPS[MERCHANTS] - 1,
    Measure.COUNTRIES: CAPS[COUNTRIES] - 1,
    Measure.CATEGORIES: CAPS[CATEGORIES] - 1,
    Measure.CARDS: CAPS[CARDS] - 1,
}
"""The highest ceiling that can be passed: what a row remembers is bounded."""


@dataclass(frozen=True, slots=True)
class Limit:
    """One limit that decides, or decides on paper."""

    number: int
    name: int
    subject: Subject
    measure: Measure
    of: Of
    window: Window
    ceiling: int | None  # minor units of the programme's currency where it is an amount; None = lifted
    shadow: bool = False

    @property
    def slot(self) -> tuple[int, ...]:
        """What it measures: of two limits of one slot the nearer one counts."""
        return (self.subject, self.measure, self.of, self.window, self.shadow)


Overrides = tuple[Limit, ...]
"""What an account and its card have instead of their programme's limits: a limit a slot at the most."""


def overrides(of_account: Iterable[Limit], of_card: Iterable[Limit]) -> Overrides:
    """The account's limits and the card's, of a slot the card's alone; in the order of their slots."""
    nearest = {limit.slot: limit for limit in (*of_account, *of_card)}
    return tuple(nearest[slot] for slot in sorted(nearest))


def limit_rows(limits: Sequence[Limit]) -> NDArray[Any]:
    """LIMIT[n]; a ceiling of 0 says lifted. A ceiling beyond what can be told apart is taken down to it."""
    rows = np.zeros(len(limits), LIMIT)
    for row, limit in zip(rows, limits, strict=True):
        ceiling = 0 if limit.ceiling is None else min(limit.ceiling, CEILINGS_MAX[limit.measure])
        row["number"], row["name"], row["ceiling"] = limit.number, limit.name, ceiling
        row["subject"], row["measure"], row["of"] = limit.subject, limit.measure, limit.of
        row["window"], row["shadow"] = limit.window, limit.shadow
    return rows


@njit(cache=True)
def merge_sets(
    near: Any, near_ends: Any, programmes: Any, far: Any, far_ends: Any, merged: Any, starts: Any
) -> int:
    """
    Lay the limits of every set one after another into `merged` (LIMIT, with room for all of them).

    Set i has the overrides near[near_ends[i]:near_ends[i + 1]] and programme programmes[i] (i8; -1: none), whose limits
    are far[far_ends[p]:far_ends[p + 1]]. Set i is then merged[starts[i]:starts[i + 1]]; the number of all is returned.
    """
    count = 0
    for i in range(len(programmes)):
        starts[i] = count
        programme = programmes[i]
        first = near_ends[i]
        last = near_ends[i + 1]
        if programme >= 0:
            for k in range(far_ends[programme], far_ends[programme + 1]):
                overridden = False
                for own in range(first, last):
                    overridden = overridden or (
                        near[own].subject == far[k].subject
                        and near[own].measure == far[k].measure
                        and near[own].of == far[k].of
                        and near[own].window == far[k].window
                        and near[own].shadow == far[k].shadow
                    )
                if not overridden and far[k].ceiling > 0:
                    merged[count] = far[k]
                    count += 1
        for own in range(first, last):
            if near[own].ceiling > 0:
                merged[count] = near[own]
                count += 1
    starts[len(programmes)] = count
    return count


class LimitSets:
    """The sets there are, each counted by the cards that have it. One that no card has is used again."""

    def __init__(self) -> None:
        self.revision = 0
        """Counts changes of what any set says."""
        self._programmes: list[int] = [-1]
        self._overrides: list[NDArray[Any]] = [np.zeros(0, LIMIT)]
        self._keys: list[tuple[int, Overrides] | None] = [None]
        self._cards: list[int] = [0]
        self._free: list[int] = []
        self._numbers: dict[tuple[int, Overrides], int] = {}

    def own(self, programme: int) -> int:
        """The set of a programme's cards without overrides; it stays."""
        number = self._numbers.get((programme, ()))
        return self.take(programme, ()) if number is None else number

    def take(self, programme: int, found: Overrides) -> int:
        """The set of a card of this programme with these overrides; one card more has it."""
        key = (programme, found)
        number = self._numbers.get(key)
        if number is None:
            number = self._numbers[key] = self._place(programme, found, key)
            self.revision += 1
        self._cards[number] += 1
        return number

    def give_back(self, numbers: Iterable[int]) -> None:
        """One card less has each of these."""
        for number in numbers:
            self._cards[number] -= 1
            key = self._keys[number]
            if self._cards[number] == 0 and key is not None:
                del self._numbers[key]
                self._programmes[number], self._overrides[number] = -1, self._overrides[0]
                self._keys[number] = None
                self._free.append(number)

    def overrides_of(self, number: int) -> Overrides:
        """The overrides of a set in use."""
        key = self._keys[number]
        return () if key is None else key[1]

    def compile(self, limits: Mapping[int, Sequence[Limit]]) -> LimitTable:
        """All sets, of each slot the limit nearest to the card; `limits` are the programmes' own."""
        far = [limit_rows(limits.get(number, ())) for number in range(max(limits, default=-1) + 1)]
        far_ends = _ends(far)
        programmes = np.array(self._programmes, np.int64)
        programmes[programmes >= len(far)] = -1
        near_ends = _ends(self._overrides)
        sizes = np.diff(far_ends, append=far_ends[-1])
        room = int(near_ends[-1]) + int(sizes[programmes].sum())
        merged = np.zeros(room, LIMIT)
        starts = np.zeros(len(programmes) + 1, np.uint32)
        count = merge_sets(
            np.concatenate(self._overrides),
            near_ends,
            programmes,
            np.concatenate([np.zeros(0, LIMIT), *far]),
            far_ends,
            merged,
            starts,
        )
        return LimitTable(merged[:count], starts)

    def _place(self, programme: int, found: Overrides, key: tuple[int, Overrides]) -> int:
        rows = limit_rows(found)
        if self._free:
            number = self._free.pop()
            self._programmes[number], self._overrides[number], self._keys[number] = programme, rows, key
            return number
        self._programmes.append(programme)
        self._overrides.append(rows)
        self._keys.append(key)
        self._cards.append(0)
        return len(self._keys) - 1


def _ends(parts: Sequence[NDArray[Any]]) -> NDArray[np.int64]:
    """Where each part begins once they are joined, and where the last one ends."""
    return np.concatenate([[0], np.cumsum([len(part) for part in parts])]).astype(np.int64)
