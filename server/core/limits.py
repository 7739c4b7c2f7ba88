"""
Limits: everything that an approval consumes is reserved here, in the order of arrival.

The scoring room's `Velocity` keeps windows, days and months; this stage feeds it, and adds what only a card itself
remembers: that it was single-use and has been used, and how many wrong PINs its day has seen.

What an intent reserved stands in its `reserved_limits` (LIMITS_RESERVED, SINGLE_USE_RESERVED), so that the journal
alone tells what a decline, a reversal or an expiry gives back.
"""

from collections.abc import Mapping
from typing import Any, Final

import numpy as np
from numba import njit
from numpy.typing import NDArray

from scoring.velocity import (
    AMOUNT_FLAGS,
    COUNT_FLAGS,
    STEP_REDUCE,
    STEP_RELEASE,
    STEP_RESERVE,
    Velocity,
)
from server.core.directory import CardFlag
from server.core.policy import DECLINING, Check
from server.core.record import (
    HOLDING,
    LIMITS_RESERVED,
    NO_ROW,
    SINGLE_USE_RESERVED,
    CheckResult,
    Operation,
)

PIN_TRIES_MAX: Final = 3
"""Wrong PINs in a row, within a day of the programme, before the card answers 75 for the rest of that day."""

MEMORY: Final = np.dtype([("pin_day", "<i4"), ("pin_misses", "u1"), ("used", "u1")])

_ABSENT: Final = int(CheckResult.ABSENT)
_RESERVING: Final = np.int64(
    sum(1 << kind for kind in (Operation.AUTHORIZE, Operation.INCREMENT, Operation.ADVISE))
)
_ADVISE: Final = int(Operation.ADVISE)
_MATCH: Final = int(CheckResult.MATCH)
_MISMATCH: Final = int(CheckResult.MISMATCH)
_FLAG_PIN_BLOCKED: Final = int(CardFlag.PIN_BLOCKED)
_FLAG_SINGLE_USE: Final = int(CardFlag.SINGLE_USE)
_PIN_TRIES: Final = int(Check.PIN_TRIES)
_PIN_MISMATCH: Final = int(Check.PIN_MISMATCH)
_SINGLE_USE: Final = int(Check.SINGLE_USE)
_LIMIT_AMOUNT: Final = int(Check.LIMIT_AMOUNT)
_LIMIT_FREQUENCY: Final = int(Check.LIMIT_FREQUENCY)
_AMOUNT_FLAGS: Final = int(AMOUNT_FLAGS)
_COUNT_FLAGS: Final = int(COUNT_FLAGS)


@njit(cache=True)
def write_step(
    place: int,
    intent: Any,
    amount_minor: int,
    step: int,
    rows: Any,
    times_s: Any,
    amounts_minor: Any,
    days: Any,
    months: Any,
    steps: Any,
) -> None:
    """One step of `Velocity.retrace`, of an INTENT."""
    rows[place] = intent.card_row
    times_s[place] = intent.request.transmission_s
    amounts_minor[place] = amount_minor
    days[place] = intent.day_id
    months[place] = intent.month_id
    steps[place] = step


@njit(cache=True)
def count_pin(card: Any, intent: Any) -> int:
    """Count an INTENT's PIN verdict to its card's MEMORY; the check that fails, or -1. The network's tries are its own."""
    if intent.request.operation == _ADVISE:
        return -1
    pin = intent.request.pin_verification
    if intent.card_flags & _FLAG_PIN_BLOCKED and pin != _ABSENT:
        return _PIN_TRIES
    if pin not in (_MATCH, _MISMATCH):
        return -1
    # A late message of the day before must not wipe out what today has seen.
    if card.pin_day < intent.day_id:
        card.pin_day = intent.day_id
        card.pin_misses = 0
    if card.pin_misses >= PIN_TRIES_MAX:
        return _PIN_TRIES
    if pin == _MATCH:
        card.pin_misses = 0
        return -1
    card.pin_misses += 1
    return _PIN_MISMATCH


@njit(cache=True)
def consumes(intent: Any) -> bool:
    """Whether an INTENT takes money from its account."""
    return intent.billed_minor > 0 and (HOLDING >> intent.request.transaction_type) & 1 == 1


@njit(cache=True)
def recall(intents: Any, memory: Any, declining: Any) -> None:
    """Count PIN verdicts and take single use, in order, over INTENT[n] and MEMORY[cards]; note what fails."""
    for i in range(len(intents)):
        intent = intents[i]
        if intent.card_row == NO_ROW:
            continue
        card = memory[intent.card_row]
        failed = count_pin(card, intent)
        if failed >= 0:
            intent.checks_failed |= np.uint64(1) << np.uint64(failed)
        if intent.card_flags & _FLAG_SINGLE_USE and consumes(intent):
            if card.used and intent.request.operation == _ADVISE:
                continue
            if card.used:
                intent.checks_failed |= np.uint64(1 << _SINGLE_USE)
            elif intent.checks_failed & declining == 0:
                card.used = 1
                intent.reserved_limits |= SINGLE_USE_RESERVED


@njit(cache=True)
def steps_of(
    intents: Any,
    given: Any,
    decisions: Any,
    after: Any,
    memory: Any,
    rows: Any,
    times_s: Any,
    amounts_minor: Any,
    days: Any,
    months: Any,
    steps: Any,
) -> int:
    """Do the memory's part of `Limits.retrace`, and write the steps of the velocity's; return how many those are."""
    used = 0
    back = 0
    for i in range(len(intents) + 1):
        while back < len(given) and after[back] == i:
            intent = given[back]
            held = decisions[back].held != 0
            if intent.reserved_limits & SINGLE_USE_RESERVED and not held:
                memory[intent.card_row].used = 0
            if intent.reserved_limits & LIMITS_RESERVED:
                given_minor = intent.billed_minor - (decisions[back].approved_minor if held else 0)
                step = STEP_REDUCE if held else STEP_RELEASE
                write_step(used, intent, given_minor, step, rows, times_s, amounts_minor, days, months, steps)
                used += 1
            back += 1
        if i == len(intents):
            break
        intent = intents[i]
        if intent.card_row == NO_ROW or not (_RESERVING >> intent.request.operation) & 1:
            continue
        count_pin(memory[intent.card_row], intent)
        if intent.reserved_limits & SINGLE_USE_RESERVED:
            memory[intent.card_row].used = 1
        if intent.reserved_limits & LIMITS_RESERVED:
            write_step(
                used,
                intent,
                intent.billed_minor,
                STEP_RESERVE,
                rows,
                times_s,
                amounts_minor,
                days,
                months,
                steps,
            )
            used += 1
    return used


@njit(cache=True)
def columns_of(
    intents: Any, rows: Any, times_s: Any, amounts_minor: Any, day_ids: Any, month_ids: Any, programmes: Any
) -> None:
    """What `Velocity` asks for, as columns of n; an unknown card goes as row 0, not counted."""
    for i in range(len(intents)):
        intent = intents[i]
        rows[i] = intent.card_row if intent.card_row != NO_ROW else 0
        times_s[i] = intent.request.transmission_s
        amounts_minor[i] = intent.billed_minor
        day_ids[i] = intent.day_id
        month_ids[i] = intent.month_id
        programmes[i] = intent.programme


@njit(cache=True)
def counted_of(intents: Any, declining: Any, counted: Any) -> None:
    """Which INTENTs consume something: those with an amount that nothing declines so far."""
    for i in range(len(intents)):
        counted[i] = intents[i].checks_failed & declining == 0 and consumes(intents[i])


@njit(cache=True)
def note_limits(intents: Any, memory: Any, counted: Any, flags: Any, used: Any, limits: Any) -> None:
    """Write what `Velocity.reserve` answered into the INTENTs; a refusal gives single use back."""
    for i in range(len(intents)):
        intent = intents[i]
        for k in range(used.shape[1]):
            intent.used[k] = used[i, k]
            intent.limits[k] = limits[intent.programme, k]
        intent.velocity_flags = flags[i]
        if flags[i] & _AMOUNT_FLAGS:
            intent.checks_failed |= np.uint64(1) << np.uint64(_LIMIT_AMOUNT)
        if flags[i] & _COUNT_FLAGS:
            intent.checks_failed |= np.uint64(1) << np.uint64(_LIMIT_FREQUENCY)
        if counted[i] and flags[i] == 0:
            intent.reserved_limits |= LIMITS_RESERVED
        elif intent.reserved_limits & SINGLE_USE_RESERVED:
            memory[intent.card_row].used = 0
            intent.reserved_limits = 0


class Limits:
    """The stage, and the state behind it."""

    def __init__(self) -> None:
        self.velocity = Velocity()
        self.memory: NDArray[Any] = np.zeros(0, MEMORY)

    def grow(self, cards: int) -> None:
        """Make room for at least so many card rows."""
        self.velocity.grow(cards)
        if cards > len(self.memory):
            self.memory = np.concatenate([self.memory, np.zeros(cards - len(self.memory), MEMORY)])

    def reserve(self, intents: NDArray[Any], limits: NDArray[np.int64]) -> None:
        """
        Reserve for every INTENT of the batch that nothing declines so far; note the limits it would pass.

        `limits` is i8[programmes, LIMITS].
        """
        recall(intents, self.memory, DECLINING)
        counted = np.empty(len(intents), np.bool_)
        counted_of(intents, DECLINING, counted)
        flags, used = self._reserve(intents, counted, limits)
        note_limits(intents, self.memory, counted, flags, used, limits)

    def retrace(
        self,
        intents: NDArray[Any],
        given: NDArray[Any],
        decisions: NDArray[Any],
        after: NDArray[np.int64],
    ) -> None:
        """
        Reserve again what journalled INTENT[n] reserved, and give back what DECISION[m] did of INTENT[m] `given`.

        Each was given back after the first `after` (i8[m], ascending) of the n.
        """
        count, more = len(intents), len(given)
        rows, steps = np.empty(count + more, np.uint32), np.empty(count + more, np.uint8)
        times_s, amounts_minor = np.empty(count + more, np.int64), np.empty(count + more, np.int64)
        days, months = np.empty(count + more, np.int32), np.empty(count + more, np.int32)
        used = steps_of(
            intents, given, decisions, after, self.memory, rows, times_s, amounts_minor, days, months, steps
        )
        some = slice(0, used)
        self.velocity.retrace(
            rows[some],
            times_s[some],
            amounts_minor[some],
            day_ids=days[some],
            month_ids=months[some],
            steps=steps[some],
        )

    def give_back(
        self,
        card_rows: NDArray[np.uint32],
        times_s: NDArray[np.int64],
        amounts_minor: NDArray[np.int64],
        reserved: NDArray[np.uint8],
        day_ids: NDArray[np.int32],
        month_ids: NDArray[np.int32],
    ) -> None:
        """Give back reservations (`reserved` as in the intent), with the amounts that still stand."""
        single = card_rows[reserved & SINGLE_USE_RESERVED != 0]
        if len(single):
            self.memory["used"][single] = 0
        some = reserved & LIMITS_RESERVED != 0
        if some.any():
            self.velocity.release(
                card_rows[some],
                times_s[some],
                amounts_minor[some],
                day_ids=day_ids[some],
                month_ids=month_ids[some],
            )

    def take_back(self, given: NDArray[Any]) -> None:
        """Give back what messages about authorizations let go: GIVEN[m], in order."""
        single = given["card_row"][given["reserved"] & SINGLE_USE_RESERVED != 0]
        if len(single):
            self.memory["used"][single] = 0
        some = given[given["reserved"] & LIMITS_RESERVED != 0]
        if len(some):
            self.velocity.retrace(
                some["card_row"],
                some["reserved_s"],
                some["amount_minor"],
                day_ids=some["day_id"],
                month_ids=some["month_id"],
                steps=some["step"],
            )

    def arrays(self) -> dict[str, NDArray[Any]]:
        """The state as arrays, for a snapshot."""
        return {"memory": self.memory} | {f"velocity_{k}": v for k, v in self.velocity.arrays().items()}

    def load(self, arrays: Mapping[str, NDArray[Any]]) -> None:
        """Take over what `arrays` gave. Raises ValueError where the layout differs."""
        if arrays["memory"].dtype != MEMORY:
            raise ValueError("what cards remember has another layout")
        prefix = "velocity_"
        self.velocity.load({k.removeprefix(prefix): v for k, v in arrays.items() if k.startswith(prefix)})
        self.memory = np.array(arrays["memory"])

    def _reserve(
        self, intents: NDArray[Any], counted: NDArray[np.bool_], limits: NDArray[np.int64]
    ) -> tuple[NDArray[np.uint16], NDArray[np.int64]]:
        count = len(intents)
        rows = np.empty(count, np.uint32)
        times_s, amounts_minor = np.empty(count, np.int64), np.empty(count, np.int64)
        day_ids, month_ids = np.empty(count, np.int32), np.empty(count, np.int32)
        programmes = np.empty(count, np.uint16)
        columns_of(intents, rows, times_s, amounts_minor, day_ids, month_ids, programmes)
        return self.velocity.reserve(
            rows,
            times_s,
            amounts_minor,
            day_ids=day_ids,
            month_ids=month_ids,
            programmes=programmes,
            counted=counted,
            limits=limits,
        )
