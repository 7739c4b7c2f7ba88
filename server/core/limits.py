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

from scoring.attempt import network_digest
from scoring.room import Room
from scoring.velocity import (
    AMOUNT,
    FREQUENCY,
    STEP,
    STEP_ADD,
    STEP_ATTEMPT,
    STEP_DECLINE,
    STEP_REDUCE,
    STEP_RELEASE,
    STEP_RESERVE,
    Admitted,
    LimitTable,
    Velocity,
)
from server.core.attempts import account_of
from server.core.directory import CardFlag
from server.core.formats import velocity_of
from server.core.policy import (
    APPROVED,
    APPROVED_IN_PART,
    DECLINING,
    LEDGER_AWAY,
    NETWORK_ASKED,
    NOTHING_AGAINST_IT,
    Check,
    number_of,
)
from server.core.record import (
    DECISION_NUMBERS,
    HOLDING,
    INTENT_NUMBERS,
    LIMITS_RESERVED,
    NO_ROW,
    SINGLE_USE_RESERVED,
    CheckResult,
    Operation,
    seen_as,
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
_AMOUNT: Final = int(AMOUNT)
_FREQUENCY: Final = int(FREQUENCY)
_ATTEMPT: Final = int(STEP_ATTEMPT)
_RESERVE: Final = int(STEP_RESERVE)
_ADD: Final = int(STEP_ADD)
_RELEASE: Final = int(STEP_RELEASE)
_REDUCE: Final = int(STEP_REDUCE)
_DECLINE: Final = int(STEP_DECLINE)
_AUTHORIZE: Final = int(Operation.AUTHORIZE)
_APPROVED: Final = number_of(APPROVED)
_APPROVED_IN_PART: Final = number_of(APPROVED_IN_PART)
_NOTHING_AGAINST_IT: Final = number_of(NOTHING_AGAINST_IT)
_STEP_UP: Final = number_of(b"1A")
_LEDGER_AWAY: Final = number_of(LEDGER_AWAY)
_NETWORK_ASKED: Final = number_of(NETWORK_ASKED)


@njit(cache=True)
def write_step(step: Any, intent: Any, amount_minor: int, kind: int) -> None:
    """One STEP of `Velocity.retrace`, of an INTENT."""
    request = intent.request
    step.time_s = request.transmission_s
    step.amount_minor = amount_minor
    step.merchant = request.merchant
    step.device = request.device
    step.ip = network_digest(request.ip[0], request.ip[1])
    step.card_row = intent.card_row
    step.account = account_of(intent)
    step.day_id = intent.day_id
    step.month_id = intent.month_id
    step.category = request.category
    step.country = request.country
    step.step = kind


@njit(cache=True)
def is_decline(decision: Any) -> bool:
    """Whether an authorization's DECISION_NUMBERS turns the cardholder down for good: what the decline windows count."""
    code = decision.response_code
    if code in (_APPROVED, _APPROVED_IN_PART, _NOTHING_AGAINST_IT, _STEP_UP, _LEDGER_AWAY, _NETWORK_ASKED):
        return False
    return decision.operation == _AUTHORIZE


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
def comes_again(intents: Any) -> int:
    """Where among INTENT[n] a single-use card comes for the second time; n where none does."""
    for i in range(1, len(intents)):
        if intents[i].card_row == NO_ROW or intents[i].card_flags & _FLAG_SINGLE_USE == 0:
            continue
        for k in range(i):
            if intents[k].card_row == intents[i].card_row:
                return i
    return len(intents)


@njit(cache=True)
def give_back(intent: Any, decision: Any, memory: Any, steps: Any, used: int) -> int:
    """The steps of an authorization's DECISION_NUMBERS, and what it gives back of the memory; how many steps there are then."""
    held = decision.held != 0
    if intent.reserved_limits & SINGLE_USE_RESERVED and not held:
        memory[intent.card_row].used = 0
    if intent.reserved_limits & LIMITS_RESERVED:
        rest_minor = intent.billed_minor - (decision.approved_minor if held else 0)
        if rest_minor > 0:
            write_step(steps[used], intent, rest_minor, _REDUCE if held else _RELEASE)
            used += 1
    if is_decline(decision):
        write_step(steps[used], intent, intent.billed_minor, _DECLINE)
        used += 1
    return used


@njit(cache=True)
def steps_of(intents: Any, given: Any, decisions: Any, after: Any, memory: Any, steps: Any) -> int:
    """Do the memory's part of `Limits.retrace`, and write the STEPs of the velocity's; return how many those are."""
    used = 0
    back = 0
    for i in range(len(intents) + 1):
        while back < len(given) and after[back] == i:
            used = give_back(given[back], decisions[back], memory, steps, used)
            back += 1
        if i == len(intents):
            break
        intent = intents[i]
        operation = intent.request.operation
        if not (_RESERVING >> operation) & 1:
            continue
        if intent.card_row != NO_ROW:
            count_pin(memory[intent.card_row], intent)
        if intent.reserved_limits & SINGLE_USE_RESERVED:
            memory[intent.card_row].used = 1
        reserved = intent.reserved_limits & LIMITS_RESERVED
        if operation == _AUTHORIZE:
            write_step(steps[used], intent, intent.billed_minor, _RESERVE if reserved else _ATTEMPT)
            used += 1
        elif reserved:
            write_step(steps[used], intent, intent.billed_minor, _ADD)
            used += 1
    return used


@njit(cache=True)
def steps_back(given: Any, memory: Any, steps: Any) -> int:
    """Likewise of GIVEN[n], which messages about authorizations let go."""
    used = 0
    for i in range(len(given)):
        line = given[i]
        if line.reserved & SINGLE_USE_RESERVED:
            memory[line.card_row].used = 0
        if line.reserved & LIMITS_RESERVED:
            step = steps[used]
            step.time_s = line.reserved_s
            step.amount_minor = line.amount_minor
            step.merchant = line.merchant
            step.device = line.device
            step.ip = line.network
            step.card_row = line.card_row
            step.account = account_of(line)
            step.day_id = line.day_id
            step.month_id = line.month_id
            step.category = 0
            step.country = 0
            step.step = line.step
            used += 1
    return used


@njit(cache=True)
def ask(intents: Any, declining: Any, day_ids: Any, month_ids: Any, sets: Any, counted: Any) -> None:
    """What `Velocity.admit` asks for, of INTENT[n]: what consumes something is what has an amount that nothing declines so far."""
    for i in range(len(intents)):
        intent = intents[i]
        day_ids[i] = intent.day_id
        month_ids[i] = intent.month_id
        sets[i] = intent.limit_set
        counted[i] = intent.checks_failed & declining == 0 and consumes(intent)


@njit(cache=True)
def note_limits(intents: Any, memory: Any, flags: Any, reserved: Any, consulted: Any) -> None:
    """Write what `Velocity.admit` answered into the INTENTs; a refusal gives single use back."""
    for i in range(len(intents)):
        intent = intents[i]
        named = 0
        for k in range(len(intent.consulted)):
            line, told = consulted[i, k], intent.consulted[k]
            told.number = line.number
            told.name = line.name
            told.passed = line.passed
            told.shadow = line.shadow
            told.used = line.used
            told.ceiling = line.ceiling
            if line.passed and not line.shadow and named < len(intent.limits_passed):
                intent.limits_passed[named] = line.name
                named += 1
        if flags[i] & _AMOUNT:
            intent.checks_failed |= np.uint64(1) << np.uint64(_LIMIT_AMOUNT)
        if flags[i] & _FREQUENCY:
            intent.checks_failed |= np.uint64(1) << np.uint64(_LIMIT_FREQUENCY)
        if reserved[i]:
            intent.reserved_limits |= LIMITS_RESERVED
        elif intent.reserved_limits & SINGLE_USE_RESERVED:
            memory[intent.card_row].used = 0
            intent.reserved_limits = 0


class Limits:
    """The stage, and the state behind it."""

    def __init__(self) -> None:
        self.velocity = Velocity()
        self._memory = Room(MEMORY)

    @property
    def memory(self) -> NDArray[Any]:
        """MEMORY[n] by card row. Good until it grows: don't keep it."""
        return self._memory.array

    def grow(self, cards: int, accounts: int) -> None:
        """Make room for at least so many card rows, and account numbers below `accounts`."""
        self.velocity.grow(cards, accounts + 1)
        self._memory.make(cards)

    def reserve(
        self, intents: NDArray[Any], attempts: NDArray[Any], limits: LimitTable
    ) -> NDArray[np.float32]:
        """
        Enter the attempts ATTEMPT[n] of INTENT[n], and reserve for each that nothing declines so far.

        Notes the limits that each would pass; returns what came before each (see `PAST_NAMES`).
        """
        return self._reserve(intents, attempts, limits, entering=True)

    def add(self, intents: NDArray[Any], attempts: NDArray[Any], limits: LimitTable) -> None:
        """Likewise for INTENT[n] that add to what was authorized: they are no attempts of their own."""
        self._reserve(intents, attempts, limits, entering=False)

    def _reserve(
        self, intents: NDArray[Any], attempts: NDArray[Any], limits: LimitTable, *, entering: bool
    ) -> NDArray[np.float32]:
        again = comes_again(intents)
        if again < len(intents):
            # Whether its use is taken is known once the limits have judged who came before.
            first = self._reserve(intents[:again], attempts[:again], limits, entering=entering)
            rest = self._reserve(intents[again:], attempts[again:], limits, entering=entering)
            return np.concatenate([first, rest])
        recall(intents, self.memory, DECLINING)
        count = len(intents)
        day_ids, month_ids = np.empty(count, np.int32), np.empty(count, np.int32)
        sets, counted = np.empty(count, np.uint32), np.empty(count, np.bool_)
        ask(intents, DECLINING, day_ids, month_ids, sets, counted)
        admitted: Admitted = self.velocity.admit(
            attempts,
            day_ids=day_ids,
            month_ids=month_ids,
            counted=counted,
            entering=np.full(count, entering),
            limit_sets=sets,
            limits=limits,
        )
        note_limits(intents, self.memory, admitted.flags, admitted.reserved, admitted.consulted)
        return admitted.past

    def retrace(
        self,
        intents: NDArray[Any],
        given: NDArray[Any],
        decisions: NDArray[Any],
        after: NDArray[np.int64],
    ) -> None:
        """
        Do again what journalled INTENT[n] did, and what authorizations' DECISION[m] of INTENT[m] `given` gave back.

        Each was given back after the first `after` (i8[m], ascending) of the n.
        """
        steps = np.empty(len(intents) + 2 * len(given), STEP)
        numbers = (
            seen_as(intents, INTENT_NUMBERS),
            seen_as(given, INTENT_NUMBERS),
            seen_as(decisions, DECISION_NUMBERS),
        )
        self.velocity.retrace(steps[: steps_of(*numbers, after, self.memory, steps)])

    def take_back(self, given: NDArray[Any]) -> None:
        """Give back what messages about authorizations let go: GIVEN[m], in order."""
        steps = np.empty(len(given), STEP)
        self.velocity.retrace(steps[: steps_back(given, self.memory, steps)])

    def arrays(self) -> dict[str, NDArray[Any]]:
        """The state as arrays, for a snapshot."""
        return {"memory": self.memory} | {f"velocity_{k}": v for k, v in self.velocity.arrays().items()}

    def load(self, arrays: Mapping[str, NDArray[Any]]) -> None:
        """Take over what `arrays` gave. Raises ValueError where the layout differs."""
        if arrays["memory"].dtype != MEMORY:
            raise ValueError("what cards remember has another layout")
        prefix = "velocity_"
        self.velocity = velocity_of(
            {k.removeprefix(prefix): v for k, v in arrays.items() if k.startswith(prefix)}
        )
        self._memory = Room(MEMORY)
        self._memory.take(arrays["memory"])
