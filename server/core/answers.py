"""
From facts to answers, for authorizations: what policy says, then the ledger's last word, or what is said without it.

Pure: arrays in, arrays filled; but for what stand-in approves, which is spent in its table.
"""

from typing import Any, Final

import numpy as np
from numba import njit
from numpy.typing import NDArray

from ledger.holds import HoldOutcome
from server.core import policy
from server.core.books import AWAY, Moved
from server.core.directory import Posture
from server.core.names import note_names
from server.core.policy import CODES, Check, number_of, response_code
from server.core.record import (
    CREDITING,
    DECISION_NUMBERS,
    HOLDING,
    INQUIRING,
    INTENT_NUMBERS,
    Chain,
    TransactionType,
    seen_as,
)
from server.core.stand_in import StandIn, stand_in

_ALPHABET: Final = np.frombuffer(bytearray(b"0123456789ABCDEFGHJKLMNPQRSTUVWX"), np.uint8)
"""32 characters without those that are mistaken for others on a receipt."""

_STATUS: Final = int(TransactionType.ACCOUNT_STATUS)
_NOTHING_AGAINST_IT: Final = number_of(policy.NOTHING_AGAINST_IT)
_APPROVED: Final = number_of(policy.APPROVED)
_APPROVED_IN_PART: Final = number_of(policy.APPROVED_IN_PART)
_HELD: Final = int(HoldOutcome.HELD)
_INSUFFICIENT: Final = int(HoldOutcome.INSUFFICIENT)
_ADDED: Final = int(Chain.ADDED)
_FUNDS: Final = int(Check.FUNDS)
_LEDGER_AWAY: Final = int(Check.LEDGER_AWAY)
_LEDGER_REFUSED: Final = int(Check.LEDGER_REFUSED)
_NETWORK_ASKED: Final = int(Check.NETWORK_ASKED)
_STOOD_IN: Final = int(Check.STOOD_IN)
_POSTURE_NETWORK: Final = int(Posture.NETWORK)
_POSTURE_STAND_IN: Final = int(Posture.STAND_IN)


@njit(cache=True)
def apply_policy(intents: Any, codes: Any, wanted: Any) -> int:
    """
    Write the answers known before the ledger is asked into INTENT_NUMBERS[n]; mark who is `wanted` to be held.

    Returns how many that is.
    """
    count = 0
    for i in range(len(intents)):
        intent = intents[i]
        code = response_code(intent.checks_failed, codes)
        kind = intent.request.transaction_type
        if code == 0 and (INQUIRING >> kind) & 1:
            code = _NOTHING_AGAINST_IT if kind == _STATUS else _APPROVED
        intent.response_code = code
        wanted[i] = code == 0 and ((HOLDING | CREDITING) >> kind) & 1 == 1
        count += wanted[i]
    return count


@njit(cache=True)
def approve(decision: Any, held_minor: int, asked_minor: int, alphabet: Any) -> None:
    """Write an approval that the ledger holds."""
    decision.held = 1
    decision.chain = _ADDED
    decision.part_minor = held_minor
    grant(decision, held_minor, asked_minor, alphabet)


@njit(cache=True)
def grant(decision: Any, approved_minor: int, asked_minor: int, alphabet: Any) -> None:
    """Write what an approval tells: 00, or 10 where it is less than was asked; its code is from the id's keyed hash."""
    decision.approved_minor = approved_minor
    decision.response_code = _APPROVED if approved_minor >= asked_minor else _APPROVED_IN_PART
    rest = decision.authorization_id[0] >> np.uint64(24)
    for k in range(6):
        decision.authorization_code[k] = alphabet[np.int64(rest & np.uint64(31))]
        rest >>= np.uint64(5)


@njit(cache=True)
def decide(
    intents: Any,
    decisions: Any,
    wanted: Any,
    outcomes: Any,
    statuses: Any,
    attempts: Any,
    held_minor: Any,
    available_minor: Any,
    codes: Any,
    alphabet: Any,
) -> None:
    """
    Fill DECISION_NUMBERS[n] of INTENT_NUMBERS[n]: policy's code, or for those `wanted` the ledger's last word.

    Those whose outcome is AWAY get all but their answer.
    """
    for i in range(len(intents)):
        intent = intents[i]
        decision = decisions[i]
        decision.response_code = intent.response_code
        decision.reasons = intent.checks_failed
        decision.available_minor = available_minor[i]
        decision.billing_currency = intent.billing_currency
        note_names(intent, decision)
        decision.risk_score = 0.0 if np.isnan(intent.score) else intent.score
        if not wanted[i]:
            continue
        decision.ledger_status = statuses[i]
        decision.hold_attempt = attempts[i]
        if outcomes[i] == AWAY:
            continue
        if outcomes[i] == _HELD:
            approve(decision, held_minor[i], intent.billed_minor, alphabet)
            continue
        found = _FUNDS if outcomes[i] == _INSUFFICIENT else _LEDGER_REFUSED
        decision.reasons |= np.uint64(1) << np.uint64(found)
        decision.response_code = codes[found]


@njit(cache=True)
def decide_without_ledger(
    intents: Any,
    decisions: Any,
    which: Any,
    limits: Any,
    spent: Any,
    heads: Any,
    codes: Any,
    alphabet: Any,
) -> None:
    """Answer those of INTENT_NUMBERS[n] that are `which` (bool[n]) by their postures: 91, N0, or approved in stand-in."""
    for i in range(len(intents)):
        if not which[i]:
            continue
        intent = intents[i]
        decision = decisions[i]
        found = _LEDGER_AWAY
        if intent.posture == _POSTURE_NETWORK:
            found = _NETWORK_ASKED
        elif intent.posture == _POSTURE_STAND_IN:
            found = stand_in(intent, limits[intent.programme], spent, heads)
        decision.reasons |= np.uint64(1) << np.uint64(found)
        if found == _STOOD_IN:
            decision.stand_in = 1
            grant(decision, intent.billed_minor, intent.billed_minor, alphabet)
        else:
            decision.reasons |= np.uint64(1 << _LEDGER_AWAY)
            decision.response_code = codes[found]


def prepare_authorizations(intents: NDArray[Any]) -> tuple[NDArray[np.bool_], int]:
    """Policy's answers into INTENT[n]; who needs a hold, and how many those are."""
    wanted = np.empty(len(intents), np.bool_)
    return wanted, apply_policy(seen_as(intents, INTENT_NUMBERS), CODES, wanted)


def decide_authorizations(
    intents: NDArray[Any],
    decisions: NDArray[Any],
    wanted: NDArray[np.bool_],
    moved: Moved,
    limits: NDArray[Any],
    stood_in: StandIn,
) -> None:
    """
    Fill DECISION[n] of INTENT[n], whose `wanted` ones the ledger was asked to hold.

    What it could not be asked is answered by the postures of the programmes: see `without_ledger`.
    """
    decide(
        seen_as(intents, INTENT_NUMBERS),
        seen_as(decisions, DECISION_NUMBERS),
        wanted,
        moved.outcome,
        moved.status,
        moved.attempt,
        moved.held_minor,
        moved.available_minor,
        CODES,
        _ALPHABET,
    )

    away = wanted & (moved.outcome == AWAY)
    if away.any():
        without_ledger(intents, decisions, away, limits, stood_in)


def without_ledger(
    intents: NDArray[Any],
    decisions: NDArray[Any],
    which: NDArray[np.bool_],
    limits: NDArray[Any],
    stood_in: StandIn,
) -> None:
    """
    Answer those of INTENT[n] that are `which` and that only the ledger's word was missing for, into DECISION[n].

    `limits` are STAND_IN by programmes; what is approved is spent in `stood_in`, which also has its ids to be booked.
    """
    stood_in.make_room(int(which.sum()))
    decide_without_ledger(
        seen_as(intents, INTENT_NUMBERS),
        seen_as(decisions, DECISION_NUMBERS),
        which,
        limits,
        stood_in.slots,
        stood_in.heads,
        CODES,
        _ALPHABET,
    )
    approved = decisions["stand_in"] != 0
    if approved.any():
        stood_in.approvals += int(approved.sum())
        stood_in.fresh.append(intents["request"]["authorization_id"][approved].copy())


def approve_held(decision: NDArray[Any], intent: NDArray[Any], held_minor: int) -> None:
    """Write into DECISION[1] that the ledger holds an amount for INTENT[1]."""
    approve(seen_as(decision, DECISION_NUMBERS)[0], held_minor, int(intent["billed_minor"][0]), _ALPHABET)
