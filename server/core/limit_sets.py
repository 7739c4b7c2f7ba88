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

assert LIMIT.names == ("number", "name", "subject", "measure", "of", "window", "shadow", "padding", "ceiling")

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
    fields = [
        (
            *(limit.number, limit.name, limit.subject, limit.measure, limit.of, limit.window, limit.shadow),
            (0,) * 5,
            0 if limit.ceiling is None else min(limit.ceiling, CEILINGS_MAX[limit.measure]),
        )
        for limit in limits
    ]
    return np.array(fields, LIMIT)


@njit(cache=True)
def merge_sets(near: Any, sets: Any, far: Any, far_ends: Any, merged: Any, starts: Any) -> int:
    """
    Lay the limits of every set one after another into `merged` (LIMIT, with room for all of them).

    Set i is sets[i] (SET): its overrides lie in `near`, and its programme's limits are far[far_ends[p]:far_ends[p + 1]],
    where it has one there. It is then merged[starts[i]:starts[i + 1]]; the number of all is returned.
    """
    count = 0
    for i in range(len(sets)):
        starts[i] = count
        line = sets[i]
        if 0 <= line["programme"] < len(far_ends) - 1:
            for k in range(far_ends[line["programme"]], far_ends[line["programme"] + 1]):
                overridden = False
                for own in range(line["first"], line["last"]):
                    overridden = overridden or (
                        near[own]["subject"] == far[k]["subject"]
                        and near[own]["measure"] == far[k]["measure"]
                        and near[own]["of"] == far[k]["of"]
                        and near[own]["window"] == far[k]["window"]
                        and near[own]["shadow"] == far[k]["shadow"]
                    )
                if not overridden and far[k]["ceiling"] > 0:
                    merged[count] = far[k]
                    count += 1
        for own in range(line["first"], line["last"]):
            if near[own]["ceiling"] > 0:
                merged[count] = near[own]
                count += 1
    starts[len(sets)] = count
    return count


SET: Final = np.dtype([("first", "<i8"), ("last", "<i8"), ("programme", "<i4"), ("cards", "<u4")])
"""A set: its overrides' rows, its programme (-1: none), and how many cards have it."""


class LimitSets:
    """The sets there are, each counted by the cards that have it. One that no card has is used again."""

    def __init__(self) -> None:
        self.revision = 0
        """Counts changes of what any set says."""
        self._sets = np.zeros(16, SET)
        self._sets["programme"] = -1
        self._used = 1  # set 0 is no programme's
        self._near = np.zeros(16, LIMIT)
        self._rows = 0
        self._wasted = 0  # rows of sets that no card has any more
        self._keys: dict[int, tuple[int, Overrides]] = {}
        self._numbers: dict[tuple[int, Overrides], int] = {}
        self._free: list[int] = []

    def own(self, programme: int) -> int:
        """The set of a programme's cards without overrides; it stays."""
        number = self._numbers.get((programme, ()))
        return self.take(programme, ()) if number is None else number

    def take(self, programme: int, found: Overrides) -> int:
        """The set of a card of this programme with these overrides; one card more has it."""
        key = (programme, found)
        number = self._numbers.get(key)
        if number is None:
            number = self._numbers[key] = self._place(programme, found)
            self._keys[number] = key
            self.revision += 1
        self._sets["cards"][number] += 1
        return number

    def give_back(self, numbers: Iterable[int]) -> None:
        """One card less has each of these."""
        for number in numbers:
            line = self._sets[number]
            line["cards"] -= 1
            if line["cards"] == 0:
                del self._numbers[self._keys.pop(number)]
                self._wasted += int(line["last"] - line["first"])
                line["first"] = line["last"] = 0
                line["programme"] = -1
                self._free.append(number)

    def overrides(self) -> dict[int, Overrides]:
        """The overrides of each set in use that has any."""
        return {number: found for number, (_, found) in self._keys.items() if found}

    def compile(self, limits: Mapping[int, Sequence[Limit]]) -> LimitTable:
        """All sets, of each slot the limit nearest to the card; `limits` are the programmes' own."""
        far = [limit_rows(limits.get(number, ())) for number in range(max(limits, default=-1) + 1)]
        far_ends = np.concatenate([[0], np.cumsum([len(rows) for rows in far])]).astype(np.int64)
        sets = self._sets[: self._used]
        sizes = np.append(np.diff(far_ends), 0)
        programmes = np.where(sets["programme"] < len(far), sets["programme"], -1)
        room = self._rows - self._wasted + int(sizes[programmes].sum())
        merged, starts = np.zeros(room, LIMIT), np.zeros(len(sets) + 1, np.uint32)
        joined = np.concatenate([np.zeros(0, LIMIT), *far])
        count = merge_sets(self._near, sets, joined, far_ends, merged, starts)
        return LimitTable(merged[:count], starts)

    def _place(self, programme: int, found: Overrides) -> int:
        if self._free:
            number = self._free.pop()
        else:
            number, self._used = self._used, self._used + 1
            if number == len(self._sets):
                self._sets = np.concatenate([self._sets, np.zeros(number, SET)])
        rows = limit_rows(found)
        if self._rows + len(rows) > len(self._near):
            self._make_room(len(rows))
        line = self._sets[number]
        line["first"], line["last"] = self._rows, self._rows + len(rows)
        line["programme"] = programme
        self._near[self._rows : self._rows + len(rows)] = rows
        self._rows += len(rows)
        return number

    def _make_room(self, rows: int) -> None:
        """Moves the rows that are used to the front of an array that has room for as many again, and for `rows` more."""
        sets = self._sets[: self._used]
        lengths = sets["last"] - sets["first"]
        lasts = np.cumsum(lengths)
        kept = np.repeat(sets["first"] - (lasts - lengths), lengths) + np.arange(int(lasts[-1]))
        near = np.zeros(2 * (len(kept) + rows), LIMIT)
        near[: len(kept)] = self._near[kept]
        sets["first"], sets["last"] = lasts - lengths, lasts
        self._near, self._rows, self._wasted = near, len(kept), 0
