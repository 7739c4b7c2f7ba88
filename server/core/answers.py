"""From what the ledger said to the whole answer, for authorizations and reversals. Pure: arrays in, arrays filled."""

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from ledger.holds import HoldOutcome, ReleaseOutcome
from server.core import policy
from server.core.books import AWAY, Moved
from server.core.policy import Check, bit

_ALPHABET: Final = np.frombuffer(b"0123456789ABCDEFGHJKLMNPQRSTUVWX", np.uint8)
"""32 characters without those that are mistaken for others on a receipt."""

_NOTHING_STANDS: Final = (
    ReleaseOutcome.RELEASED,
    ReleaseOutcome.ALREADY_RELEASED,
    ReleaseOutcome.CAPTURED,
    ReleaseOutcome.EXPIRED,
    ReleaseOutcome.NOT_FOUND,
)


def decide_authorizations(
    intents: NDArray[Any], decisions: NDArray[Any], wanted: NDArray[np.bool_], moved: Moved
) -> None:
    """Fill DECISION[n] of INTENT[n]: the code that policy found, or for those `wanted` the ledger's last word."""
    outcome = moved.outcome
    held = wanted & (outcome == HoldOutcome.HELD)
    found = np.zeros(len(intents), np.uint64)
    found[wanted & (outcome == HoldOutcome.INSUFFICIENT)] = bit(Check.FUNDS)
    found[wanted & (outcome != AWAY) & (outcome > HoldOutcome.INSUFFICIENT)] = bit(Check.LEDGER_REFUSED)
    found[wanted & (outcome == AWAY)] = bit(Check.LEDGER_AWAY)
    approve(decisions, intents, held, moved.held_minor)
    refused = found != 0
    decisions["response_code"] = np.where(held, decisions["response_code"], intents["response_code"])
    decisions["response_code"][refused] = policy.response_codes(found[refused])
    decisions["reasons"] = intents["checks_failed"] | found
    decisions["available_minor"] = moved.available_minor
    decisions["billing_currency"] = intents["billing_currency"]
    decisions["velocity_flags"] = intents["velocity_flags"]
    decisions["risk_score"] = np.nan_to_num(intents["score"], nan=0.0)
    decisions["ledger_status"] = moved.status
    decisions["hold_attempt"] = moved.attempt


def approve(
    decisions: NDArray[Any], intents: NDArray[Any], held: NDArray[np.bool_], held_minor: NDArray[np.int64]
) -> None:
    """Write the approval of those whose amount is `held`: 00, or 10 where it is less than what was asked."""
    decisions["held"] = held
    decisions["approved_minor"] = np.where(held, held_minor, 0)
    part = held & (held_minor < intents["billed_minor"])
    decisions["response_code"][held] = policy.APPROVED
    decisions["response_code"][part] = policy.APPROVED_IN_PART
    decisions["authorization_code"][held] = authorization_codes(decisions["authorization_id"][held])


def decide_reversals(
    decisions: NDArray[Any],
    originals: NDArray[Any],
    releasing: NDArray[np.bool_],
    released: NDArray[np.uint8],
) -> None:
    """
    Fill DECISION[m] of reversals, whose originals are ENTRY[m]; `released` has an outcome for each `releasing`.

    A reversal is accepted whatever it finds (00), and says what it released. Only where the ledger could not be
    asked does the hold still stand: 91, and the reversal may come again under a new key.
    """
    decisions["response_code"] = policy.APPROVED
    decisions["billing_currency"] = originals["answer"]["billing_currency"]
    outcome = np.full(len(decisions), ReleaseOutcome.NOT_FOUND, np.uint8)
    outcome[releasing] = released
    freed = outcome == ReleaseOutcome.RELEASED
    decisions["approved_minor"][freed] = originals["answer"]["approved_minor"][freed]
    standing = ~np.isin(outcome, _NOTHING_STANDS)
    decisions["response_code"][standing] = policy.LEDGER_AWAY
    decisions["reasons"][standing] = bit(Check.LEDGER_AWAY)
    decisions["held"] = standing


def authorization_codes(authorization_ids: NDArray[np.uint64]) -> NDArray[np.bytes_]:
    """DE38, S6[n]: six characters from each id's keyed hash."""
    high = authorization_ids[:, 0] >> np.uint64(24)
    digits = (high[:, None] >> (np.uint64(5) * np.arange(6, dtype=np.uint64))) & np.uint64(31)
    return np.ascontiguousarray(_ALPHABET[digits.astype(np.intp)]).view("S6")[:, 0]
