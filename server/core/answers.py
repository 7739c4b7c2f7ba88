"""
From facts to answers, for authorizations: what policy says, then the ledger's last word.

Pure: arrays in, arrays filled.
"""

from typing import Any, Final

import numpy as np
from numba import njit
from numpy.typing import NDArray

from ledger.holds import HoldOutcome
from server.core import policy
from server.core.books import AWAY, Moved
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
)

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
    """Write an approval: 00, or 10 where less is held than was asked; its code is from the id's keyed hash."""
    decision.held = 1
    decision.chain = _ADDED
    decision.part_minor = held_minor
    decision.approved_minor = held_minor
    decision.response_code = _APPROVED if held_minor >= asked_minor else _APPROVED_IN_PART
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
    """Fill DECISION_NUMBERS[n] of INTENT_NUMBERS[n]: policy's code, or for those `wanted` the ledger's last word."""
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
        if outcomes[i] == _HELD:
            approve(decision, held_minor[i], intent.billed_minor, alphabet)
            continue
        found = _LEDGER_REFUSED
        if outcomes[i] == _INSUFFICIENT:
            found = _FUNDS
        elif outcomes[i] == AWAY:
            found = _LEDGER_AWAY
        decision.reasons |= np.uint64(1) << np.uint64(found)
        decision.response_code = codes[found]


def prepare_authorizations(intents: NDArray[Any]) -> tuple[NDArray[np.bool_], int]:
    """Policy's answers into INTENT[n]; who needs a hold, and how many those are."""
    wanted = np.empty(len(intents), np.bool_)
    return wanted, apply_policy(intents.view(INTENT_NUMBERS), CODES, wanted)


def decide_authorizations(
    intents: NDArray[Any], decisions: NDArray[Any], wanted: NDArray[np.bool_], moved: Moved
) -> None:
    """Fill DECISION[n] of INTENT[n], whose `wanted` ones the ledger was asked to hold."""
    decide(
        intents.view(INTENT_NUMBERS),
        decisions.view(DECISION_NUMBERS),
        wanted,
        moved.outcome,
        moved.status,
        moved.attempt,
        moved.held_minor,
        moved.available_minor,
        CODES,
        _ALPHABET,
    )


def approve_held(decision: NDArray[Any], intent: NDArray[Any], held_minor: int) -> None:
    """Write into DECISION[1] that the ledger holds an amount for INTENT[1]."""
    approve(decision.view(DECISION_NUMBERS)[0], held_minor, int(intent["billed_minor"][0]), _ALPHABET)
