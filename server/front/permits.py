"""
What a caller may do: methods, acquirers and card ranges, how often, and how much at once. Pure: no file, clock or socket.

Everything is forbidden that is not permitted. Whoever is permitted a range of cards may name them by number; by token only
where tokens are permitted too, because a token doesn't tell its range. A message about an authorization names it by our
id, which can't be guessed: whoever has it may send the message, where method and acquirer are permitted to him.
"""

from bisect import bisect_right
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
from numba import njit
from numpy.typing import NDArray

AUTHORIZE: Final = "AuthorizationService/Authorize"
BIN_SIZE_MAX: Final = 8
"""Digits of an issuer identification number (ISO/IEC 7812-1)."""

ACQUIRER_SIZE_MAX: Final = 11
_RANGE_SIZE: Final = 2
_LEFT: Final = 0
_FORBIDDEN: Final = -1


class NotPermitted(Exception):  # noqa: N818 - an answer, told as what it is
    """The caller may not do this; the text says what, and names the field. Nothing was touched."""


class OverLimit(RuntimeError):  # noqa: N818 - a state
    """The caller sends more than he may, or has more under way than he may; nothing was touched."""


Ranges = tuple[tuple[int, int], ...]
"""First and last of each, in order, none of which touch."""


def acquirer_number(digits: str) -> int:
    """An acquirer's digits as a number that keeps leading zeros: a 1 is put before them. Raises ValueError."""
    if not _is_number(digits, ACQUIRER_SIZE_MAX):
        raise ValueError(f"{digits!r} must be 1 to {ACQUIRER_SIZE_MAX} digits")
    return int(f"1{digits}")


def bin_range(text: str) -> tuple[int, int]:
    """
    First and last of the cards meant, by their first BIN_SIZE_MAX digits: `4567`, or `456700-456799`.

    Raises ValueError for anything else.
    """
    first, dash, last = text.partition("-")
    last = last if dash else first
    if not (_is_number(first, BIN_SIZE_MAX) and _is_number(last, BIN_SIZE_MAX)):
        raise ValueError(f"{text!r} must be 1 to {BIN_SIZE_MAX} digits, or two such numbers with a dash")
    if len(first) != len(last) or first > last:
        raise ValueError(f"{text!r} must go from a lower to a higher number of the same size")
    return int(first.ljust(BIN_SIZE_MAX, "0")), int(last.ljust(BIN_SIZE_MAX, "9"))


def joined(ranges: Iterable[tuple[int, int]]) -> Ranges:
    """The same ranges in order, those that touch made one."""
    found: list[tuple[int, int]] = []
    for first, last in sorted(ranges):
        if found and first <= found[-1][1] + 1:
            found[-1] = (found[-1][0], max(last, found[-1][1]))
        else:
            found.append((first, last))
    return tuple(found)


EVERY_ACQUIRER: Final[Ranges] = ((0, 2 * 10**ACQUIRER_SIZE_MAX),)
EVERY_BIN: Final[Ranges] = ((0, 10**BIN_SIZE_MAX - 1),)


@dataclass(frozen=True)
class Permits:
    """What is permitted. `methods` are written Service/Method; None permits every one of them."""

    methods: frozenset[str] | None = frozenset()
    acquirers: Ranges = ()
    bins: Ranges = ()
    tokens: bool = False
    is_everything: bool = field(init=False, compare=False)
    """Whether no message needs to be looked at."""
    _acquirers: NDArray[np.int64] = field(init=False, repr=False, compare=False)
    _bins: NDArray[np.int64] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        for name in ("acquirers", "bins"):
            table = np.array(getattr(self, name), np.int64).reshape(-1, _RANGE_SIZE)
            object.__setattr__(self, f"_{name}", table)
        everywhere = self.acquirers == EVERY_ACQUIRER and self.bins == EVERY_BIN
        object.__setattr__(self, "is_everything", self.methods is None and everywhere and self.tokens)

    def allows(self, method: str) -> bool:
        """Whether a method may be called at all."""
        return self.methods is None or method in self.methods

    def forbids(self, method: str, acquirer: str, pan: str, token: str) -> str | None:
        """
        Why a message may not be sent; None where it may.

        Texts are as they came. What can't be an acquirer or a card is left to whoever reads the message.
        """
        if not self.allows(method):
            return f"{method} is not permitted"
        if _is_number(acquirer, ACQUIRER_SIZE_MAX) and not _within(self.acquirers, acquirer_number(acquirer)):
            return f"key.acquirer_id: {acquirer} is not permitted"
        if token and not self.tokens:
            return "card_token: cards by token are not permitted"
        start = pan[:BIN_SIZE_MAX]
        if len(start) == BIN_SIZE_MAX and _is_number(start) and not _within(self.bins, int(start)):
            return "pan: cards of this range are not permitted"
        return None

    def leave_forbidden(
        self, records: Any, states: Any, pans: NDArray[np.uint8], pan_sizes: NDArray[np.int64]
    ) -> None:
        """
        Have the decoder leave what is not permitted: state LEFT, and no card number to hash.

        `records` REQUEST_NUMBERS[n] of authorizations, `states` u1[n], `pans` u1[n, 19] with `pan_sizes` i8[n].
        """
        if self.allows(AUTHORIZE):
            leave_forbidden(records, states, pans, pan_sizes, self._acquirers, self._bins, self.tokens)
        else:
            states[:], pan_sizes[:] = _LEFT, _FORBIDDEN


EVERYTHING: Final = Permits(None, EVERY_ACQUIRER, EVERY_BIN, tokens=True)
NOTHING: Final = Permits()


class Meter:
    """
    How much a caller sends and has under way: a bucket of `rate` messages a second, and at most `concurrency` at once.

    The bucket holds one second's messages, at least one. Times are seconds of any clock that only goes forward.
    """

    def __init__(self, rate: float, concurrency: int, now_s: float) -> None:
        self.under_way = 0
        self.refused = 0
        """Messages that were too many."""
        self._tokens = max(rate, 1.0)
        self._filled_s = now_s
        self.set(rate, concurrency)

    def set(self, rate: float, concurrency: int) -> None:
        """Other limits from now on."""
        self._rate = rate
        self._capacity = max(rate, 1.0)
        self._concurrency = concurrency
        self._tokens = min(self._tokens, self._capacity)

    def take(self, count: int, now_s: float) -> int:
        """How many of `count` messages may come in now, the first ones; each is under way until it is `done`."""
        self._tokens = min(self._capacity, self._tokens + (now_s - self._filled_s) * self._rate)
        self._filled_s = now_s
        taken = max(0, min(count, int(self._tokens), self._concurrency - self.under_way))
        self._tokens -= taken
        self.under_way += taken
        self.refused += count - taken
        return taken

    def done(self, count: int) -> None:
        """So many are under way no more."""
        self.under_way -= count

    def wait_s(self, count: int) -> float:
        """How long until `count` messages, or as many as the bucket holds, may come in; as of the last `take`."""
        return max(0.0, (min(count, self._capacity) - self._tokens) / self._rate)


class Caller:
    """Who calls: the digest of his name that keys are the sender's by, and what he may. Permits may change at any time."""

    def __init__(
        self,
        sender: int,
        name: str,
        permits: Permits,
        meter: Meter | None = None,
        clock_s: Callable[[], float] = lambda: 0.0,
    ) -> None:
        """Without a `meter` nothing is counted."""
        self.sender = sender
        self.name = name
        self.permits = permits
        self.meter = meter
        self._clock_s = clock_s

    def require(self, method: str) -> None:
        """Raises NotPermitted where he may not call this method."""
        if not self.permits.allows(method):
            raise NotPermitted(f"{method} is not permitted to {self.name}")

    def check(self, method: str, acquirer: str, pan: str, token: str) -> None:
        """Raises NotPermitted where he may not send this message."""
        why = self.permits.forbids(method, acquirer, pan, token)
        if why is not None:
            raise NotPermitted(f"{why} to {self.name}" if why.endswith("permitted") else why)

    def take(self, count: int) -> int:
        """How many of `count` messages that came together may come in, the first ones; each must be `done` later."""
        return count if self.meter is None else self.meter.take(count, self._clock_s())

    def enter(self) -> None:
        """One message comes in; it must be `done` later. Raises OverLimit."""
        if self.meter is not None and not self.meter.take(1, self._clock_s()):
            raise OverLimit(f"{self.name} sends more than it may")

    def done(self, count: int = 1) -> None:
        """So many messages are answered, or were refused later on."""
        if self.meter is not None:
            self.meter.done(count)

    def pause_s(self, count: int) -> float:
        """For how long to read nothing more of him, after `count` messages of which some were too many."""
        return 0.0 if self.meter is None else self.meter.wait_s(count)


def _is_number(text: str, size_max: int = BIN_SIZE_MAX) -> bool:
    return 0 < len(text) <= size_max and text.isascii() and text.isdigit()


def _within(ranges: Ranges, number: int) -> bool:
    place = bisect_right(ranges, (number, EVERY_ACQUIRER[0][1])) - 1
    return place >= 0 and number <= ranges[place][1]


@njit(cache=True)
def within(ranges: Any, number: int) -> bool:
    """Whether a number lies in one of the ranges i8[n, 2], which are in order."""
    low = 0
    high = len(ranges)
    while low < high:
        middle = (low + high) // 2
        if ranges[middle, 1] < number:
            low = middle + 1
        else:
            high = middle
    return low < len(ranges) and ranges[low, 0] <= number


@njit(cache=True)
def leave_forbidden(
    records: Any, states: Any, pans: Any, pan_sizes: Any, acquirers: Any, bins: Any, tokens: bool
) -> None:
    """As Permits.leave_forbidden, over ranges i8[n, 2] of acquirers' numbers and of cards' first eight digits."""
    for i in range(len(records)):
        if states[i] == _LEFT:
            continue
        acquirer = 1
        digits = records[i].acquirer_id
        for k in range(len(digits)):
            if digits[k] == 0:
                break
            acquirer = acquirer * 10 + int(digits[k]) - 48
        is_permitted = within(acquirers, acquirer)
        if is_permitted and pan_sizes[i] > 0:
            start = 0
            for k in range(BIN_SIZE_MAX):
                start = start * 10 + int(pans[i, k]) - 48
            is_permitted = within(bins, start)
        elif is_permitted:
            is_permitted = tokens
        if not is_permitted:
            states[i] = _LEFT
            pan_sizes[i] = _FORBIDDEN
