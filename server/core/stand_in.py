"""
Stand-in: what may be approved while the ledger is away, and what has been, by card and day.

A programme says what it answers without the ledger (`directory.Posture`); where it stands in, within which limits. What
was approved so counts for the card's day in the programme's time zone, and is given back only by what is let go before
it was booked. How it gets into the ledger stands in `booking`.
"""

from collections.abc import Iterable, Mapping
from typing import Any, Final

import numpy as np
from numba import njit
from numpy.typing import NDArray

from server.core.directory import Programme
from server.core.policy import Check
from server.core.record import HOLDING, Operation

CATEGORY_WORDS: Final = 157  # 10,000 bits
KEPT_DAYS: Final = 2
"""A day is over everywhere so many days after it began somewhere: what is older is neither kept nor approved."""

STAND_IN: Final = np.dtype(
    [
        ("categories", "<u8", (CATEGORY_WORDS,)),
        ("amount_max_minor", "<i8"),
        ("count_max", "<i8"),
        ("sum_max_minor", "<i8"),
    ]
)
"""The limits of one programme, at its number."""

SPENT: Final = np.dtype(
    [
        ("sum_minor", "<i8"),
        ("count", "<i4"),
        ("card", "<u4"),  # its row and one; 0 = free
        ("day_id", "<i4"),
        ("padding", "<u4"),
    ]
)
"""What stand-in has approved to a card in a day."""

_SLOTS_MIN: Final = 64
_NEVER: Final = -(1 << 31)
_SPREAD: Final = (
    0x4F1B_BCDD  # 2**31 by the golden ratio, odd: spreads neighbours, and no product passes 2**63
)
_CATEGORY: Final = int(Check.STAND_IN_CATEGORY)
_AMOUNT: Final = int(Check.STAND_IN_AMOUNT)
_COUNT: Final = int(Check.STAND_IN_COUNT)
_SUM: Final = int(Check.STAND_IN_SUM)
_STOOD_IN: Final = int(Check.STOOD_IN)


@njit(cache=True)
def slot_of(slots: Any, card: int, day_id: int) -> int:
    """The slot of a card's day, or the free one where it belongs. One must be free."""
    mask = np.int64(len(slots) - 1)
    slot = ((np.int64(card) + np.int64(day_id & 0xFF)) * _SPREAD >> 15) & mask
    while slots[slot].card != 0 and (slots[slot].card != card or slots[slot].day_id != day_id):
        slot = (slot + 1) & mask
    found: Any = slot
    return found


@njit(cache=True)
def spend(slots: Any, heads: Any, row: int, day_id: int, amount_minor: int, count: int) -> None:
    """Add to what a card has had on a day. `heads` (i8[2]) are the slots taken, and the newest day."""
    spent = slots[slot_of(slots, row + 1, day_id)]
    if spent.card == 0:
        spent.card = row + 1
        spent.day_id = day_id
        heads[0] += 1
    spent.count += count
    spent.sum_minor += amount_minor
    heads[1] = max(heads[1], day_id)


@njit(cache=True)
def stand_in(intent: Any, limits: Any, slots: Any, heads: Any) -> int:
    """
    Whether an INTENT_NUMBERS that the ledger alone still stood against is approved without it, by its STAND_IN.

    Returns the check that refuses it; STOOD_IN where none does, and then its amount is spent. Money that comes in takes
    nothing from the account, and is within every limit.
    """
    if not (HOLDING >> intent.request.transaction_type) & 1:
        return _STOOD_IN
    category = np.uint64(intent.request.category)
    if not limits.categories[category >> np.uint64(6)] >> (category & np.uint64(63)) & np.uint64(1):
        return _CATEGORY
    if intent.billed_minor > limits.amount_max_minor:
        return _AMOUNT
    if intent.day_id < heads[1] - KEPT_DAYS:
        return _COUNT
    spent = slots[slot_of(slots, np.int64(intent.card_row) + 1, intent.day_id)]
    if spent.count >= limits.count_max:
        return _COUNT
    if spent.sum_minor + intent.billed_minor > limits.sum_max_minor:
        return _SUM
    spend(slots, heads, intent.card_row, intent.day_id, intent.billed_minor, 1)
    return _STOOD_IN


@njit(cache=True)
def spend_again(intents: Any, decisions: Any, slots: Any, heads: Any) -> None:
    """What journalled DECISION[n] of INTENT[n] approved without the ledger."""
    for i in range(len(intents)):
        intent = intents[i]
        if decisions[i].stand_in != 0 and (HOLDING >> intent.request.transaction_type) & 1:
            spend(slots, heads, intent.card_row, intent.day_id, intent.billed_minor, 1)


@njit(cache=True)
def give_back(given: Any, slots: Any, heads: Any) -> None:
    """What was let go before it was booked: those GIVEN[n] that are of stand-in."""
    for i in range(len(given)):
        line = given[i]
        if line.stood_in:
            spend(
                slots, heads, line.card_row, line.day_id, -line.amount_minor, -1 if line.stood_in == 2 else 0
            )


@njit(cache=True)
def keep(old: Any, slots: Any, newest_day: int) -> int:
    """Move into empty `slots` what has been spent and may still count; how many that is."""
    kept = 0
    for i in range(len(old)):
        line = old[i]
        if line.card == 0 or line.day_id < newest_day - KEPT_DAYS or line.count == 0:
            continue
        slots[slot_of(slots, line.card, line.day_id)] = line
        kept += 1
    return kept


class StandIn:
    """What stand-in has approved: a function of the journal."""

    def __init__(self) -> None:
        self.slots: NDArray[Any] = np.zeros(_SLOTS_MIN, SPENT)
        self.heads = np.array([0, _NEVER], np.int64)
        self.fresh: list[NDArray[np.uint64]] = []
        """Ids u8[n, 2] of what was approved since somebody last took them from here; not state, as the next."""
        self.approvals = 0
        """How many this process has approved."""

    def make_room(self, more: int) -> None:
        """For so many cards and days more."""
        if 2 * (int(self.heads[0]) + more) <= len(self.slots):
            return
        self._rebuild(self.slots, max(_SLOTS_MIN, 4 << (int(self.heads[0]) + more).bit_length()))

    def settle(self, intents: NDArray[Any], decisions: NDArray[Any]) -> None:
        """Do again what DECISION[n] of INTENT[n] did that a journal has."""
        stood = (decisions["stand_in"] != 0) & (decisions["operation"] == Operation.AUTHORIZE)
        if stood.any():
            self.make_room(int(stood.sum()))
            spend_again(intents[stood], decisions[stood], self.slots, self.heads)

    def take_back(self, given: NDArray[Any]) -> None:
        """Give back what messages about authorizations let go: GIVEN[m]."""
        if (given["stood_in"] != 0).any():
            self.make_room(len(given))
            give_back(given, self.slots, self.heads)

    def arrays(self) -> dict[str, NDArray[Any]]:
        """The state as arrays, for a snapshot: in one order, whatever order it came in."""
        kept = np.zeros(len(self.slots), SPENT)
        keep(self.slots, kept, int(self.heads[1]))
        return {
            "spent": np.sort(kept[kept["card"] != 0], order=("card", "day_id")),
            "newest_day": self.heads[1:].copy(),
        }

    def load(self, arrays: Mapping[str, NDArray[Any]]) -> None:
        """Take over what `arrays` gave; nothing, of a format that had none. Raises ValueError where the layout differs."""
        if not arrays:
            return
        if arrays["spent"].dtype != SPENT:
            raise ValueError("what stand-in has approved has another layout")
        self.heads[1] = arrays["newest_day"][0]
        self._rebuild(arrays["spent"], max(_SLOTS_MIN, 4 << len(arrays["spent"]).bit_length()))

    def _rebuild(self, old: NDArray[Any], size: int) -> None:
        slots = np.zeros(size, SPENT)
        self.heads[0] = keep(old, slots, int(self.heads[1]))
        self.slots = slots


def stand_in_table(programmes: Mapping[int, Programme]) -> NDArray[Any]:
    """STAND_IN[n] of programmes by their numbers."""
    table = np.zeros(max(programmes, default=-1) + 1, STAND_IN)
    for number, programme in programmes.items():
        limits, row = programme.stand_in, table[number]
        everything = ~np.uint64(0)
        row["categories"] = bits_of(limits.categories, CATEGORY_WORDS) if limits.categories else everything
        row["amount_max_minor"] = limits.amount_max_minor
        row["count_max"] = limits.count_max
        row["sum_max_minor"] = limits.sum_max_minor
    return table


def bits_of(values: Iterable[int], words: int) -> NDArray[np.uint64]:
    """A set of small numbers as bits, u8[words]: bit k of word w is the number 64 w + k."""
    bits = np.zeros(words, np.uint64)
    for value in values:
        bits[value >> 6] |= np.uint64(1) << np.uint64(value & 63)
    return bits
