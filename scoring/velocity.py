"""
Limits on what an approval consumes: per transaction, sliding window, calendar day and month.

What consumes is *reserved* when a request arrives, in the order of arrival, so that any number of
requests at once can't pass a limit together:

    (request) ── reserve, within every limit ──► reserved ── confirm ──► confirmed
        │                                           │                        │
        └─ reserve, over a limit: nothing counted   └─ release (declined)    └─ release (reversed, expired)
                                                              ▼                        ▼
                                                           released  ◄─────────────────┘

A reservation counts alike before and after its confirmation; confirming gives back only the part that
was not approved. A release gives back the count and the amount that still stands. Both name the card,
the time and the calendar ids of the reservation: the amounts are found again by them, and there is no
object per reservation. The caller sees to it that each is confirmed once at most, and released once.

What a sliding window means, its error and what happens to late times stands in `windows`. The calendar
keeps the current and the previous day and month of each card, so that a late message counts to its own
day; older days are judged by the transaction's own amount, and not counted.

The state is a function of the accepted reservations, confirmations and releases in their order, byte for
byte: a refused request leaves no trace. Rebuilding from a journal is reserving again without limits.

Attempts, which nothing gives back, are kept by `features`, in windows of the same meaning.
"""

from collections.abc import Mapping
from enum import IntFlag
from typing import Final

import numpy as np
from numba import njit

from scoring.windows import CELLS, INT64_MAX, WINDOWS, add_capped, window_add, window_give_back, window_total


class LimitFlag(IntFlag):
    """The limits that a request would pass. Bit k belongs to column k of the limits and of `used`."""

    COUNT_1M = 1 << 0
    COUNT_1H = 1 << 1
    COUNT_24H = 1 << 2
    COUNT_7D = 1 << 3
    AMOUNT_1M = 1 << 4
    AMOUNT_1H = 1 << 5
    AMOUNT_24H = 1 << 6
    AMOUNT_7D = 1 << 7
    AMOUNT_TRANSACTION = 1 << 8
    AMOUNT_DAY = 1 << 9
    AMOUNT_MONTH = 1 << 10


LIMIT_NAMES: Final = tuple(str(flag.name).lower() for flag in LimitFlag)
LIMITS: Final = len(LIMIT_NAMES)
COUNT_FLAGS: Final = LimitFlag.COUNT_1M | LimitFlag.COUNT_1H | LimitFlag.COUNT_24H | LimitFlag.COUNT_7D
AMOUNT_FLAGS: Final = ~COUNT_FLAGS

PAST_NAMES: Final = (
    *(f"attempts_{window}" for window in ("10s", "1m", "10m", "1h", "24h", "7d", "30d")),
    *(f"amount_{window}" for window in ("10s", "1m", "10m", "1h", "24h", "7d", "30d")),
    "merchants_24h", "countries_24h", "categories_24h", "merchants_31d", "countries_31d", "devices_31d",
    "merchant_since_s", "country_since_s", "category_since_s", "device_since_s", "ip_since_s",
    "account_attempts_1h", "account_attempts_24h", "account_amount_24h", "account_cards_24h",
    "merchant_attempts_1h", "merchant_attempts_24h", "merchant_cards_24h",
    "device_attempts_24h", "device_cards_24h", "device_cards_31d",
    "ip_attempts_1h", "ip_attempts_24h", "ip_cards_24h", "ip_cards_31d",
)  # fmt: skip

_TRANSACTION, _DAY, _MONTH = 8, 9, 10
_COUNT_MAX = int(np.iinfo(np.uint32).max)
# What `retrace` does again.
STEP_RESERVE: Final = 0
STEP_RELEASE: Final = 1
STEP_REDUCE: Final = 2
_OK, _BAD_ROW, _BAD_AMOUNT, _BAD_PROGRAMME = 0, 1, 2, 3


def flag_names(flags: int) -> list[str]:
    """The names of the limits in a bit set, as `velocity_flags` shows them, in bit order."""
    return [name for bit, name in enumerate(LIMIT_NAMES) if flags >> bit & 1]


@njit(cache=True)
def _period_total(head: int, sums: np.ndarray, period: int) -> int:
    """The amount of a calendar period of which the current and the previous one are kept."""
    if period > head or period < head - 1:
        return 0
    return int(sums[period % 2])


@njit(cache=True)
def _period_add(heads: np.ndarray, sums: np.ndarray, kind: int, period: int, amount_minor: int) -> None:
    head = int(heads[kind])
    if period > head:
        sums[kind, period % 2] = 0
        if period > head + 1:
            sums[kind, (period + 1) % 2] = 0
        heads[kind] = period
    elif period < head - 1:
        return
    sums[kind, period % 2] = add_capped(int(sums[kind, period % 2]), amount_minor)


@njit(cache=True)
def _period_give_back(heads: np.ndarray, sums: np.ndarray, kind: int, period: int, amount_minor: int) -> None:
    head = int(heads[kind])
    if period > head or period < head - 1 or sums[kind, period % 2] == INT64_MAX:
        return
    sums[kind, period % 2] -= min(int(sums[kind, period % 2]), amount_minor)


@njit(cache=True)
def reserve_kernel(
    card_rows: np.ndarray,
    times_s: np.ndarray,
    amounts_minor: np.ndarray,
    day_ids: np.ndarray,
    month_ids: np.ndarray,
    programmes: np.ndarray,
    counted: np.ndarray,
    limits: np.ndarray,
    heads: np.ndarray,
    counts: np.ndarray,
    sums: np.ndarray,
    period_heads: np.ndarray,
    period_sums: np.ndarray,
    flags: np.ndarray,
    used: np.ndarray,
) -> int:
    """Judges and reserves in order; see `Velocity.reserve`. Nothing is changed unless it returns _OK."""
    for index in range(len(card_rows)):
        if card_rows[index] >= len(heads):
            return _BAD_ROW
        if amounts_minor[index] < 0:
            return _BAD_AMOUNT
        if programmes[index] >= len(limits):
            return _BAD_PROGRAMME
    for index in range(len(card_rows)):
        flags[index] = 0
        used[index, :] = 0
        if not counted[index]:
            continue
        row = card_rows[index]
        time_s = int(times_s[index])
        amount_minor = int(amounts_minor[index])
        day = int(day_ids[index])
        month = int(month_ids[index])
        for window in range(4):
            count, total = window_total(heads[row], counts[row], sums[row], window, time_s)
            used[index, window] = count + 1
            used[index, 4 + window] = add_capped(int(total), amount_minor)
        used[index, _TRANSACTION] = amount_minor
        for kind, period in ((0, day), (1, month)):
            total = _period_total(int(period_heads[row, kind]), period_sums[row, kind], period)
            used[index, _DAY + kind] = add_capped(total, amount_minor)
        passed = 0
        for limit in range(LIMITS):
            ceiling = limits[programmes[index], limit]
            if ceiling > 0 and used[index, limit] > ceiling:
                passed |= 1 << limit
        flags[index] = passed
        if passed == 0:
            for window in range(4):
                window_add(heads[row], counts[row], sums[row], window, time_s, amount_minor, _COUNT_MAX)
            _period_add(period_heads[row], period_sums[row], 0, day, amount_minor)
            _period_add(period_heads[row], period_sums[row], 1, month, amount_minor)
    return _OK


@njit(cache=True)
def give_back_kernel(
    card_rows: np.ndarray,
    times_s: np.ndarray,
    amounts_minor: np.ndarray,
    day_ids: np.ndarray,
    month_ids: np.ndarray,
    count: int,
    heads: np.ndarray,
    counts: np.ndarray,
    sums: np.ndarray,
    period_heads: np.ndarray,
    period_sums: np.ndarray,
) -> int:
    """Takes amounts, and `count` events each (0 or 1), out again. Nothing is changed unless it returns _OK."""
    for index in range(len(card_rows)):
        if card_rows[index] >= len(heads):
            return _BAD_ROW
        if amounts_minor[index] < 0:
            return _BAD_AMOUNT
    for index in range(len(card_rows)):
        row = card_rows[index]
        time_s = int(times_s[index])
        amount_minor = int(amounts_minor[index])
        for window in range(4):
            window_give_back(
                heads[row], counts[row], sums[row], window, time_s, count, amount_minor, _COUNT_MAX
            )
        _period_give_back(period_heads[row], period_sums[row], 0, int(day_ids[index]), amount_minor)
        _period_give_back(period_heads[row], period_sums[row], 1, int(month_ids[index]), amount_minor)
    return _OK


@njit(cache=True)
def retrace_kernel(
    card_rows: np.ndarray,
    times_s: np.ndarray,
    amounts_minor: np.ndarray,
    day_ids: np.ndarray,
    month_ids: np.ndarray,
    steps: np.ndarray,
    heads: np.ndarray,
    counts: np.ndarray,
    sums: np.ndarray,
    period_heads: np.ndarray,
    period_sums: np.ndarray,
) -> int:
    """Reserves and gives back again in order; see `Velocity.retrace`. Nothing is changed unless it returns _OK."""
    for index in range(len(card_rows)):
        if card_rows[index] >= len(heads):
            return _BAD_ROW
        if amounts_minor[index] < 0:
            return _BAD_AMOUNT
    for index in range(len(card_rows)):
        row = card_rows[index]
        time_s = int(times_s[index])
        amount_minor = int(amounts_minor[index])
        day = int(day_ids[index])
        month = int(month_ids[index])
        if steps[index] == STEP_RESERVE:
            for window in range(4):
                window_add(heads[row], counts[row], sums[row], window, time_s, amount_minor, _COUNT_MAX)
            _period_add(period_heads[row], period_sums[row], 0, day, amount_minor)
            _period_add(period_heads[row], period_sums[row], 1, month, amount_minor)
        else:
            count = 1 if steps[index] == STEP_RELEASE else 0
            for window in range(4):
                window_give_back(
                    heads[row], counts[row], sums[row], window, time_s, count, amount_minor, _COUNT_MAX
                )
            _period_give_back(period_heads[row], period_sums[row], 0, day, amount_minor)
            _period_give_back(period_heads[row], period_sums[row], 1, month, amount_minor)
    return _OK


def _check(code: int) -> None:
    if code == _BAD_ROW:
        raise IndexError("a card row lies beyond the velocity state: grow() comes first")
    if code == _BAD_AMOUNT:
        raise ValueError("an amount below zero can't be reserved or given back")
    if code == _BAD_PROGRAMME:
        raise IndexError("a programme lies beyond the table of limits")


class Velocity:
    """What each card has consumed. One thread owns it; rows are the directory's card rows."""

    def __init__(self, cards: int = 0) -> None:
        self._heads = np.zeros((cards, len(WINDOWS)), np.int64)
        self._counts = np.zeros((cards, CELLS), np.uint32)
        self._sums = np.zeros((cards, CELLS), np.int64)
        self._period_heads = np.zeros((cards, 2), np.int32)
        self._period_sums = np.zeros((cards, 2, 2), np.int64)

    @property
    def cards(self) -> int:
        """How many card rows there is room for."""
        return len(self._heads)

    def grow(self, cards: int) -> None:
        """Makes room for at least `cards` rows; what is known stays."""
        if cards > self.cards:
            self.load({name: _enlarged(array, cards) for name, array in self.arrays().items()})

    def reserve(
        self,
        card_rows: np.ndarray,
        times_s: np.ndarray,
        amounts_minor: np.ndarray,
        *,
        day_ids: np.ndarray,
        month_ids: np.ndarray,
        programmes: np.ndarray,
        counted: np.ndarray,
        limits: np.ndarray,
    ) -> tuple[np.ndarray, np.ndarray]:
        """
        Judges n requests in order and reserves each that passes no limit, with one kernel call.

        card_rows u4[n]; times_s i8[n]; amounts_minor i8[n] >= 0; day_ids, month_ids i4[n], consecutive
        numbers >= 1 of the calendar day and month in the programme's time zone; programmes u2[n], rows of
        `limits`; counted bool[n], False where an earlier check already declined: such a request is
        neither judged nor counted; limits i8[programmes, LIMITS], columns as LIMIT_NAMES, 0 = no limit.

        Returns flags u2[n] (LimitFlag bits, 0 = reserved) and used i8[n, LIMITS]: what was compared, this
        request included, for the journal. A limit is passed when used > limit. Raises IndexError for an
        unknown row or programme and ValueError for an amount below zero, with nothing changed.
        """
        assert limits.shape[1] == LIMITS
        flags = np.empty(len(card_rows), np.uint16)
        used = np.empty((len(card_rows), LIMITS), np.int64)
        # Columns of a structured array are strided: as they are, Numba would compile the kernel for them again.
        _check(
            reserve_kernel(
                np.ascontiguousarray(card_rows, np.uint32),
                np.ascontiguousarray(times_s, np.int64),
                np.ascontiguousarray(amounts_minor, np.int64),
                np.ascontiguousarray(day_ids, np.int32),
                np.ascontiguousarray(month_ids, np.int32),
                np.ascontiguousarray(programmes, np.uint16),
                np.ascontiguousarray(counted, np.bool_),
                np.ascontiguousarray(limits, np.int64),
                self._heads,
                self._counts,
                self._sums,
                self._period_heads,
                self._period_sums,
                flags,
                used,
            )
        )
        return flags, used

    def confirm(
        self,
        card_rows: np.ndarray,
        times_s: np.ndarray,
        reserved_minor: np.ndarray,
        approved_minor: np.ndarray,
        *,
        day_ids: np.ndarray,
        month_ids: np.ndarray,
    ) -> None:
        """
        Confirms n reservations: what was reserved beyond the approved amount (i8[n]) is given back, the
        count stays. A full approval changes nothing, and needs no call. Errors as for `release`.
        """
        self._give_back(card_rows, times_s, reserved_minor - approved_minor, day_ids, month_ids, count=0)

    def release(
        self,
        card_rows: np.ndarray,
        times_s: np.ndarray,
        amounts_minor: np.ndarray,
        *,
        day_ids: np.ndarray,
        month_ids: np.ndarray,
    ) -> None:
        """
        Gives back n reservations, with the amounts that still stand (i8[n]). Dtypes and errors as for
        `reserve`; what has left its window meanwhile is forgotten, not an error.
        """
        self._give_back(card_rows, times_s, amounts_minor, day_ids, month_ids, count=1)

    def retrace(
        self,
        card_rows: np.ndarray,
        times_s: np.ndarray,
        amounts_minor: np.ndarray,
        *,
        day_ids: np.ndarray,
        month_ids: np.ndarray,
        steps: np.ndarray,
    ) -> None:
        """
        What a journal says was accepted, n steps in order: steps u1[n] are STEP_RESERVE, STEP_RELEASE, or
        STEP_REDUCE for a confirmation, with the amount that it gave back. Else as `reserve` and `release`.
        """
        _check(
            retrace_kernel(
                np.ascontiguousarray(card_rows, np.uint32),
                np.ascontiguousarray(times_s, np.int64),
                np.ascontiguousarray(amounts_minor, np.int64),
                np.ascontiguousarray(day_ids, np.int32),
                np.ascontiguousarray(month_ids, np.int32),
                np.ascontiguousarray(steps, np.uint8),
                self._heads,
                self._counts,
                self._sums,
                self._period_heads,
                self._period_sums,
            )
        )

    def _give_back(
        self,
        card_rows: np.ndarray,
        times_s: np.ndarray,
        amounts_minor: np.ndarray,
        day_ids: np.ndarray,
        month_ids: np.ndarray,
        *,
        count: int,
    ) -> None:
        _check(
            give_back_kernel(
                np.ascontiguousarray(card_rows, np.uint32),
                np.ascontiguousarray(times_s, np.int64),
                np.ascontiguousarray(amounts_minor, np.int64),
                np.ascontiguousarray(day_ids, np.int32),
                np.ascontiguousarray(month_ids, np.int32),
                count,
                self._heads,
                self._counts,
                self._sums,
                self._period_heads,
                self._period_sums,
            )
        )

    def arrays(self) -> dict[str, np.ndarray]:
        """The whole state by name, for a snapshot: the arrays themselves, not copies."""
        return {
            "heads": self._heads,
            "counts": self._counts,
            "sums": self._sums,
            "period_heads": self._period_heads,
            "period_sums": self._period_sums,
        }

    def load(self, arrays: Mapping[str, np.ndarray]) -> None:
        """Takes over a state that `arrays` gave. Raises ValueError where names, dtypes or shapes differ."""
        adopted = {}
        for name, own in self.arrays().items():
            array = arrays.get(name)
            if array is None or array.dtype != own.dtype or array.shape[1:] != own.shape[1:]:
                raise ValueError(f"velocity state {name!r} is missing or has another layout")
            adopted[name] = np.require(array, requirements=["C", "A", "W"])
        if len({len(array) for array in adopted.values()}) != 1:
            raise ValueError("velocity state arrays differ in their number of cards")
        self._heads = adopted["heads"]
        self._counts = adopted["counts"]
        self._sums = adopted["sums"]
        self._period_heads = adopted["period_heads"]
        self._period_sums = adopted["period_sums"]

    def warm_up(self) -> None:
        """Compiles the kernels, or loads them from Numba's cache, without touching this state."""
        throwaway = Velocity(1)
        row, one = np.zeros(1, np.uint32), np.ones(1, np.int64)
        calendar = np.ones(1, np.int32)
        throwaway.reserve(
            row,
            one,
            one,
            day_ids=calendar,
            month_ids=calendar,
            programmes=np.zeros(1, np.uint16),
            counted=np.ones(1, np.bool_),
            limits=np.zeros((1, LIMITS), np.int64),
        )
        throwaway.release(row, one, one, day_ids=calendar, month_ids=calendar)
        throwaway.retrace(row, one, one, day_ids=calendar, month_ids=calendar, steps=np.zeros(1, np.uint8))


def _enlarged(array: np.ndarray, rows: int) -> np.ndarray:
    larger = np.zeros((rows, *array.shape[1:]), array.dtype)
    larger[: len(array)] = array
    return larger
