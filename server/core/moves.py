"""
Messages about authorizations, in kernels: what each finds, which move of the ledger it asks for, and its answer.

    message    finds a hold                                    finds none
    INCREMENT  one more part, or 51: the others stay            25 unknown, 12 ended
    REVERSE    parts void, what remains is held again           nothing to do: 00
    ADVISE     approved: it stands; declined: parts void        approved: held, beyond the balance too
    CLEAR      parts post, the rest void or held again,         posted all the same: from the balance, the rest is owed
               what goes beyond them as without a hold
    EXPIRE     parts void                                       (does not come here)
    DISOWN     parts void; the front's answer stands            the front's answer stands
    BOOK       (does not come here)                             what stood in is held, beyond the balance too

What stand-in approved and nobody has booked needs no ledger to be let go: REVERSE and ADVISE only lessen what is to be
booked. CLEAR posts it as without a hold, and what it leaves is booked; INCREMENT waits for the booking.

A refund is booked in its own direction, and first repays what is owed.
"""

from typing import Any, Final

import numpy as np
from numba import njit

from ledger.chains import PARTS_MAX, Kind, MoveOutcome, rest_of, sums_of
from server.core import policy
from server.core.names import note_names
from server.core.parts import unbooked, unbooked_after
from server.core.policy import Check, number_of, response_code
from server.core.record import CREDITING, HOLDING, NO_ROW, CardReference, Chain, Operation
from server.core.repeats import Original

NOTHING: Final = 0
MOVES: Final = 1
HOLDS: Final = 2
"""What a message asks of the ledger: a Kind of `ledger.holds` on its parts, or a hold of its own."""

_REVERSE: Final = int(Operation.REVERSE)
_INCREMENT: Final = int(Operation.INCREMENT)
_ADVISE: Final = int(Operation.ADVISE)
_CLEAR: Final = int(Operation.CLEAR)
_EXPIRE: Final = int(Operation.EXPIRE)
_DISOWN: Final = int(Operation.DISOWN)
_BOOK: Final = int(Operation.BOOK)
_UNKNOWN: Final = int(Original.UNKNOWN)
_HELD: Final = int(Original.HELD)
_DECLINED: Final = int(Original.DECLINED)
_STOOD_IN: Final = int(Original.STOOD_IN)
_APPROVED: Final = number_of(policy.APPROVED)
_APPROVED_IN_PART: Final = number_of(policy.APPROVED_IN_PART)
_AMOUNT_SENSELESS: Final = np.uint64(1 << Check.AMOUNT_SENSELESS)
_TRANSACTION_SENSELESS: Final = np.uint64(1 << Check.TRANSACTION_SENSELESS)
_CARD_UNKNOWN: Final = np.uint64(1 << Check.CARD_UNKNOWN)
_NOT_CONVERTED: Final = np.uint64(1 << Check.CURRENCY_NOT_CONVERTED)
_FUNDS: Final = np.uint64(1 << Check.FUNDS)
_REFUSED_BIT: Final = np.uint64(1 << Check.LEDGER_REFUSED)
_AUTHORIZATION_UNKNOWN: Final = np.uint64(1 << Check.AUTHORIZATION_UNKNOWN)
_AUTHORIZATION_ENDED: Final = np.uint64(1 << Check.AUTHORIZATION_ENDED)
_NO_CARD: Final = int(CardReference.NONE)
_RELEASE: Final = int(Kind.RELEASE)
_CAPTURE: Final = int(Kind.CAPTURE)
_FORCE: Final = int(Kind.FORCE)
_CREDIT: Final = int(Kind.CREDIT)
_REGROW: Final = int(Kind.REGROW)
_MOVED: Final = int(MoveOutcome.DONE)
_MOVED_BEFORE: Final = int(MoveOutcome.DONE_BEFORE)
_SHORT: Final = int(MoveOutcome.INSUFFICIENT)

_ADDED: Final = int(Chain.ADDED)
_REPLACED: Final = int(Chain.REPLACED)


@njit(cache=True)
def total_of(parts: Any, first: int, last: int) -> int:
    """What the parts hold together."""
    held, owed = sums_of(parts, first, last)
    return held + owed


@njit(cache=True)
def is_approval(code: int) -> bool:
    """Whether the network approved in our stead."""
    return code in (_APPROVED, _APPROVED_IN_PART)


@njit(cache=True)
def find_facts(intents: Any, found: Any) -> None:
    """What INTENT_NUMBERS[n] take from the entries of the authorizations they are about, ENTRY[n]."""
    for i in range(len(intents)):
        intent = intents[i]
        entry = found[i]
        if intent.request.operation == _ADVISE or entry.answer.sequence == 0:
            continue
        intent.account_number = entry.account_number
        if entry.answer.billing_currency != 0:  # one that a front answered in our stead has the card's own
            intent.billing_currency = entry.answer.billing_currency
        if intent.request.operation == _INCREMENT and intent.request.merchant == 0:
            # It doesn't say where: it counts where its authorization did.
            intent.request.merchant = entry.merchant
            intent.request.device = entry.device
        if intent.request.operation == _BOOK:
            intent.billed_minor = unbooked(entry)
            intent.request.credit = entry.credit
        left_s = entry.transmission_s + np.int64(entry.hold_s) - intent.request.transmission_s
        intent.hold_s = max(left_s, 1)


@njit(cache=True)
def judge(intents: Any, finds: Any, found: Any, parts: Any, ends: Any, codes: Any) -> None:
    """Note in each INTENT_NUMBERS[n] its amount and what is wrong; answer those that the ledger is not needed for."""
    for i in range(len(intents)):
        intent = intents[i]
        request = intent.request
        operation = request.operation
        held = finds[i] == _HELD
        stood_in = finds[i] == _STOOD_IN
        total = total_of(parts, ends[i], ends[i + 1])
        failed = np.uint64(0)
        asks = True
        if operation == _INCREMENT:
            intent.billed_minor = request.amount_minor - (total if request.cumulative else 0)
            # A card's single use was taken by the authorization.
            intent.card_flags &= 0xFE
            failed = intent.checks_failed
            if finds[i] == _UNKNOWN:
                failed = _AUTHORIZATION_UNKNOWN
            elif not held:
                failed |= _AUTHORIZATION_ENDED
            elif found[i].credit:
                failed |= _TRANSACTION_SENSELESS
            elif intent.billed_minor < 0:
                failed |= _AMOUNT_SENSELESS
            asks = intent.billed_minor > 0
        elif operation == _ADVISE:
            failed = intent.checks_failed & (_CARD_UNKNOWN | _NOT_CONVERTED)
            approved = is_approval(request.given_code)
            moves = (HOLDING | CREDITING) >> request.transaction_type & 1
            if held or stood_in:
                asks = held and not approved
                failed = np.uint64(0)
            else:
                asks = approved and moves == 1 and (finds[i] == _UNKNOWN or finds[i] == _DECLINED)
            if asks and not held and intent.billed_minor == 0 and failed == 0:
                failed |= _AMOUNT_SENSELESS
        elif operation == _CLEAR:
            intent.billed_minor = request.amount_minor
            if intent.card_row == NO_ROW and found[i].answer.sequence == 0:
                failed = _AUTHORIZATION_UNKNOWN if request.card_reference == _NO_CARD else _CARD_UNKNOWN
            elif intent.billing_currency == 0:
                failed = _CARD_UNKNOWN
        elif operation == _BOOK:
            asks = stood_in
        else:
            asks = held and request.remaining_minor < total
        intent.checks_failed = failed
        intent.response_code = response_code(failed, codes)
        if intent.response_code == 0 and not asks:
            intent.response_code = _APPROVED


@njit(cache=True)
def refuse_again(intents: Any, codes: Any) -> None:
    """After the limits: those that pass one are declined."""
    for i in range(len(intents)):
        if intents[i].response_code == 0:
            intents[i].response_code = response_code(intents[i].checks_failed, codes)


@njit(cache=True)
def plan(
    intents: Any, finds: Any, found: Any, parts: Any, ends: Any, backstop_s: int, wants: Any, moves: Any
) -> int:
    """
    What each INTENT_NUMBERS[n] that has no answer yet asks of the ledger.

    `wants` u1[n] says NOTHING, MOVES or HOLDS; the MOVEs are written in order, and how many they are is returned. A
    function of the intent and of what the table holds: a restart plans the same again.
    """
    count = 0
    for i in range(len(intents)):
        intent = intents[i]
        request = intent.request
        wants[i] = NOTHING
        if intent.response_code != 0:
            continue
        operation = request.operation
        held = finds[i] == _HELD
        first, last = ends[i], ends[i + 1]
        total = total_of(parts, first, last)
        grows = operation == _INCREMENT and last - first < PARTS_MAX
        if grows or (operation == _ADVISE and not held) or operation == _BOOK:
            wants[i] = HOLDS
            continue
        wants[i] = MOVES
        move = moves[count]
        count += 1
        for word in range(2):
            move.message_id[word] = request.authorization_id[word]
            move.authorization_id[word] = request.original_id[word]
            if request.original_id[0] == 0 and request.original_id[1] == 0:
                move.authorization_id[word] = request.authorization_id[word]
        move.account_number = intent.account_number
        move.currency = intent.billing_currency
        move.timeout_s = intent.hold_s + backstop_s
        move.kind = _RELEASE
        if held and not (operation == _CLEAR and request.credit and not found[i].credit):
            move.first_part = first
            move.parts = last - first
        if operation == _REVERSE:
            move.rest_minor = request.remaining_minor
        elif operation == _INCREMENT:
            move.kind = _REGROW
            move.rest_minor = total + intent.billed_minor
        elif operation == _CLEAR:
            move.amount_minor = request.amount_minor
            if move.parts:
                move.kind = _CAPTURE
                move.rest_minor = 0 if request.final else max(0, total - request.amount_minor)
            else:
                standing = held or finds[i] == _STOOD_IN
                move.kind = _CREDIT if request.credit or (standing and found[i].credit) else _FORCE
    return count


@njit(cache=True)
def decide(
    intents: Any,
    decisions: Any,
    finds: Any,
    found: Any,
    parts: Any,
    ends: Any,
    wants: Any,
    moves: Any,
    outcomes: Any,
    overdrawn_minor: Any,
    held_minor: Any,
    attempts: Any,
    available_minor: Any,
    codes: Any,
) -> None:
    """
    Fill DECISION_NUMBERS[n] of INTENT_NUMBERS[n], whose authorizations are `found`, ENTRY_NUMBERS[n].

    `outcomes` (u1) and `overdrawn_minor` (i8) go with the MOVEs; `held_minor` (i8[n]) is what a hold of its own took,
    -1 for nothing, and `attempts` the attempt it took it with. What of `parts` was stale is zero by now.
    """
    next_move = 0
    for i in range(len(intents)):
        intent = intents[i]
        decision = decisions[i]
        request = intent.request
        operation = request.operation
        for word in range(2):
            decision.original_id[word] = request.original_id[word]
        decision.claims = finds[i] in (_HELD, _DECLINED, _STOOD_IN) or (
            operation in (_ADVISE, _DISOWN) and finds[i] == _UNKNOWN
        )
        decision.response_code = intent.response_code
        decision.reasons = intent.checks_failed
        decision.billing_currency = intent.billing_currency
        note_names(intent, decision)
        decision.available_minor = available_minor[i]
        if finds[i] in (_HELD, _STOOD_IN) and operation != _DISOWN:
            for k in range(6):
                decision.authorization_code[k] = found[i].answer.authorization_code[k]
        total = total_of(parts, ends[i], ends[i + 1])
        if wants[i] == NOTHING:
            decision.held = finds[i] == _HELD
            if finds[i] == _STOOD_IN:
                promised = unbooked(found[i])
                left = unbooked_after(intent, found[i].credit, promised)
                if operation == _ADVISE and is_approval(request.given_code):
                    left = promised
                note_let_go(decision, operation, promised, left)
            if operation == _INCREMENT and intent.response_code == _APPROVED:
                decision.approved_minor = total
            continue
        if wants[i] == HOLDS:
            if operation == _INCREMENT:
                if held_minor[i] < 0:
                    decision.held = 1
                    refuse(decision, codes, _FUNDS)
                    continue
                approve(decision, total + intent.billed_minor, attempts[i])
                decision.part_minor = intent.billed_minor
            elif held_minor[i] < 0:
                refuse(decision, codes, _REFUSED_BIT)
            else:
                approve(decision, intent.billed_minor, attempts[i])
                decision.part_minor = held_minor[i]
                decision.owed_minor = intent.billed_minor - held_minor[i]
                if operation == _ADVISE:
                    for k in range(6):
                        decision.authorization_code[k] = request.given_authorization_code[k]
            continue
        move = moves[next_move]
        outcome = outcomes[next_move]
        overdrawn = overdrawn_minor[next_move]
        next_move += 1
        if outcome != _MOVED and outcome != _MOVED_BEFORE:
            decision.held = finds[i] == _HELD
            refuse(decision, codes, _FUNDS if outcome == _SHORT else _REFUSED_BIT)
            continue
        decision.response_code = _APPROVED
        decision.hold_attempt = move.attempt
        rest = 0
        if finds[i] == _HELD and move.parts:
            decision.chain = _REPLACED
            held, owed = sums_of(parts, ends[i], ends[i + 1])
            decision.part_minor, decision.owed_minor = rest_of(
                move.kind, move.amount_minor, move.rest_minor, held, owed
            )
            # Less than was asked for, where a part was gone.
            rest = decision.part_minor + decision.owed_minor
            decision.held = rest > 0
        elif finds[i] == _STOOD_IN:
            promised = unbooked(found[i])
            left = unbooked_after(intent, found[i].credit, promised)
            note_let_go(decision, operation, promised, left)
            decision.released_minor = max(0, promised - left - move.amount_minor)
        if operation == _CLEAR:
            decision.approved_minor = move.amount_minor
            decision.credit = move.kind == _CREDIT or (finds[i] == _HELD and found[i].credit != 0)
            decision.overdrawn_minor = overdrawn
            if move.parts:
                decision.released_minor = max(0, total - move.amount_minor) - rest
        elif operation == _INCREMENT:
            decision.approved_minor = rest
        else:
            decision.approved_minor = total - rest
            if operation == _ADVISE:
                decision.released_minor = total
                decision.approved_minor = 0


@njit(cache=True)
def note_let_go(decision: Any, operation: int, promised_minor: int, left_minor: int) -> None:
    """Of what stood in, so much is left to be booked."""
    decision.held = left_minor > 0
    if left_minor == promised_minor:
        return
    decision.chain = _REPLACED
    if operation == _REVERSE:
        decision.approved_minor = promised_minor - left_minor
    elif operation == _ADVISE:
        decision.released_minor = promised_minor - left_minor


@njit(cache=True)
def approve(decision: Any, approved_minor: int, attempt: int) -> None:
    """A part of the message's own was added."""
    decision.response_code = _APPROVED
    decision.held = 1
    decision.chain = _ADDED
    decision.approved_minor = approved_minor
    decision.hold_attempt = attempt


@njit(cache=True)
def refuse(decision: Any, codes: Any, bit: Any) -> None:
    """The ledger did not do it."""
    decision.reasons |= bit
    decision.response_code = response_code(bit, codes)
