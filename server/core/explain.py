"""
Why a request was answered as it was, rebuilt from its intent and decision alone.

Nothing is kept for it on the path but what the journal keeps anyway: the facts each check read.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from server.core.directory import AccountState, CardFlag, CardState, Posture
from server.core.names import Names
from server.core.policy import CHECKS, Check
from server.core.record import NO_ROW, CheckResult, EntryMode, TransactionType

Inputs = dict[str, str]

_OF_MESSAGES: Final = (Check.AUTHORIZATION_UNKNOWN, Check.AUTHORIZATION_ENDED)
"""What only messages about authorizations run into."""

_STAGES: Final = ("find and admit", "controls", "limits", "score", "policy")


@dataclass(frozen=True, slots=True)
class CheckOutcome:
    """One check as it ran: what it read, whether it passed, and what it would have answered."""

    name: str
    passed: bool
    response_code: str
    inputs: Inputs
    elapsed_us: int  # of its stage, for the batch it ran in


def outcomes(intent: Any, decision: Any, names: Names) -> list[CheckOutcome]:
    """Every check of one INTENT, with its DECISION's last word, in the order of precedence."""
    failed = int(intent["checks_failed"]) | int(decision["reasons"])
    known = intent["card_row"] != NO_ROW
    shown = [
        check for check in CHECKS if check not in _OF_MESSAGES and (known or check <= Check.CARD_UNKNOWN)
    ]
    return [
        CheckOutcome(
            name=CHECKS[check].name,
            passed=not failed >> check & 1,
            response_code=CHECKS[check].response_code,
            inputs=_inputs_of(check, intent, decision, names),
            elapsed_us=_elapsed_us(check, intent, decision),
        )
        for check in shown
    ]


def _elapsed_us(check: Check, intent: Any, decision: Any) -> int:
    if check in (Check.FUNDS, Check.LEDGER_AWAY, Check.LEDGER_REFUSED) or check >= Check.NETWORK_ASKED:
        return int(decision["ledger_us"])
    stage = 1
    if check in (
        Check.PIN_TRIES,
        Check.PIN_MISMATCH,
        Check.SINGLE_USE,
        Check.LIMIT_AMOUNT,
        Check.LIMIT_FREQUENCY,
    ):
        stage = _STAGES.index("limits")
    elif Check.SCORE_DECLINE <= check <= Check.STEP_UP_IMPOSSIBLE or check in (
        Check.SCORE_FLAGGED,
        Check.UNSCORED,
        Check.RULE_DECLINE,
        Check.RULE_STEP_UP,
        Check.RULE_STEP_UP_IMPOSSIBLE,
        Check.RULE_FLAGGED,
    ):
        stage = _STAGES.index("score")
    elif check in (Check.REVERSED_BEFORE_ARRIVAL, Check.CARD_UNKNOWN):
        stage = _STAGES.index("find and admit")
    return int(intent["stage_us"][stage])


def _inputs_of(check: Check, intent: Any, decision: Any, names: Names) -> Inputs:
    if Check.SINGLE_USE <= check <= Check.LIMIT_FREQUENCY:
        return _limits(intent, names)
    if Check.RULE_DECLINE <= check <= Check.RULE_FLAGGED:
        return _rules(intent, names)
    for first, last, inputs in _INPUTS:
        if first <= check <= last:
            return inputs(intent, decision)
    return {}


def _amounts(intent: Any, _decision: Any) -> Inputs:
    request = intent["request"]
    return {
        "transaction_type": TransactionType(request["transaction_type"]).name,
        "amount_minor": str(request["amount_minor"]),
        "billing_amount_minor": str(request["billing_amount_minor"]),
        "cashback_amount_minor": str(request["cashback_amount_minor"]),
        "currency": f"{request['currency']:03d}",
        "billing_currency": f"{intent['billing_currency']:03d}",
    }


def _card(intent: Any, _decision: Any) -> Inputs:
    if intent["card_row"] == NO_ROW:
        return {"card": "not in the directory"}
    return {
        "card_state": CardState(intent["card_state"]).name,
        "account_state": AccountState(intent["account_state"]).name,
        "card_flags": _flags(intent["card_flags"]),
        "directory_version": str(intent["directory_version"]),
    }


def _expiry(intent: Any, _decision: Any) -> Inputs:
    return {
        "card_expiry_yymm": f"{intent['card_expiry_yymm']:04d}",
        "given_expiry_yymm": f"{intent['request']['expiry_yymm']:04d}",
        "day": str(intent["day_id"]),
    }


def _verification(intent: Any, _decision: Any) -> Inputs:
    request = intent["request"]
    return {
        "card_verification": CheckResult(request["card_verification"]).name,
        "pin_verification": CheckResult(request["pin_verification"]).name,
        "entry_mode": EntryMode(request["entry_mode"]).name,
    }


def _use(intent: Any, _decision: Any) -> Inputs:
    request = intent["request"]
    return {
        "entry_mode": EntryMode(request["entry_mode"]).name,
        "category": f"{request['category']:04d}",
        "country": f"{request['country']:03d}",
        "merchant": f"{int(request['merchant']):016x}",
        "transmission_s": str(request["transmission_s"]),
        "controls": str(intent["controls"]),
        "programme": str(intent["programme"]),
        "programme_version": str(intent["programme_version"]),
    }


def _limits(intent: Any, names: Names) -> Inputs:
    inputs = {"billed_minor": str(intent["billed_minor"]), "limit_set": str(intent["limit_set"])}
    for line in intent["consulted"][intent["consulted"]["name"] != 0]:
        (name,) = names.limits(line["name"].reshape(1))
        inputs[name] = f"{line['used']} of {line['ceiling']}" + (", on paper" if line["shadow"] else "")
    return inputs


def _rules(intent: Any, names: Names) -> Inputs:
    return {
        "hit": ", ".join(names.rules(intent["rules_hit"])) or "none",
        "on_paper": ", ".join(names.rules(intent["rules_shadowed"])) or "none",
    }


def _score(intent: Any, _decision: Any) -> Inputs:
    request = intent["request"]
    return {
        "score": f"{intent['score']:.6f}",
        "model": intent["model"].decode(),
        "decline_threshold": f"{intent['decline_threshold']:.6f}",
        "step_up_threshold": f"{intent['step_up_threshold']:.6f}",
        "cardholder_authentication": CheckResult(request["cardholder_authentication"]).name,
        "entry_mode": EntryMode(request["entry_mode"]).name,
    }


def _ledger(intent: Any, decision: Any) -> Inputs:
    return {
        "asked_minor": str(intent["billed_minor"]),
        "held_minor": str(decision["approved_minor"]),
        "available_minor": str(decision["available_minor"]),
        "ledger_status": str(decision["ledger_status"]),
    }


def _without_ledger(intent: Any, decision: Any) -> Inputs:
    """The limits themselves stand in the programme's history, under its version."""
    return {
        "posture": Posture(intent["posture"]).name,
        "programme": str(intent["programme"]),
        "programme_version": str(intent["programme_version"]),
        "category": f"{intent['request']['category']:04d}",
        "billed_minor": str(intent["billed_minor"]),
        "day": str(intent["day_id"]),
        "stand_in": "yes" if decision["stand_in"] else "no",
    }


def _flags(value: int) -> str:
    return "|".join(flag.name for flag in CardFlag if value & flag and flag.name) or "none"


_INPUTS: Final[tuple[tuple[Check, Check, Callable[[Any, Any], Inputs]], ...]] = (
    (Check.AMOUNT_SENSELESS, Check.TRANSACTION_SENSELESS, _amounts),
    (Check.CARD_UNKNOWN, Check.COMPLIANCE_BLOCK, _card),
    (Check.CARD_EXPIRED, Check.EXPIRY_MISMATCH, _expiry),
    (Check.CRYPTOGRAM_MISMATCH, Check.PIN_MISMATCH, _verification),
    (Check.TYPE_NEVER, Check.CURRENCY_NOT_CONVERTED, _amounts),
    (Check.CHANNEL_CONTACTLESS, Check.BLOCKED_COUNTRY, _use),
    (Check.SCORE_DECLINE, Check.STEP_UP_IMPOSSIBLE, _score),
    (Check.FUNDS, Check.LEDGER_REFUSED, _ledger),
    (Check.SCORE_FLAGGED, Check.UNSCORED, _score),
    (Check.KYC_INCOMPLETE, Check.POLITICALLY_EXPOSED, _card),
    (Check.BLOCKED_CARD, Check.BLOCKED_CARD, _card),
    (Check.NETWORK_ASKED, Check.STOOD_IN, _without_ledger),
)
