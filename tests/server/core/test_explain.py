"""Every check of an intent, rebuilt from what the journal keeps."""

import numpy as np

from server.core.explain import outcomes
from server.core.names import Names
from server.core.policy import CHECKS, Check
from server.core.record import DECISION, INTENT, NO_ROW, CheckResult
from tests.server.core.scene import purchase

DAILY, TOO_FAR = 7, 3
NAMES = Names()
NAMES.take({DAILY: "amount_day"}, {TOO_FAR: "too_far"})


def intent_of(**fields):
    """One INTENT with every stage's time its own."""
    made = np.zeros(1, INTENT)
    made["request"] = purchase(pin_verification=CheckResult.MISMATCH)
    made["stage_us"] = np.arange(10, 18)
    consulted = made["consulted"][0, 0]
    consulted["name"], consulted["used"], consulted["ceiling"] = DAILY, 1_000, 500_000
    made["rules_hit"][0, 0] = TOO_FAR
    for name, value in fields.items():
        made[name] = value
    return made[0]


def test_every_check_is_shown_in_order_of_precedence_with_what_it_would_have_answered():
    """Failed are those of the intent and those that the ledger's word added."""
    intent = intent_of(checks_failed=1 << Check.PIN_MISMATCH | 1 << Check.UNSCORED)
    decision = np.zeros(1, DECISION)[0]
    decision["reasons"] = 1 << Check.FUNDS
    shown = outcomes(intent, decision, NAMES)
    rules = [rule for rule in CHECKS.values() if not rule.name.startswith("authorization_")]
    assert [outcome.name for outcome in shown] == [rule.name for rule in rules]
    assert [outcome.response_code for outcome in shown] == [rule.response_code for rule in rules]
    failed = {outcome.name for outcome in shown if not outcome.passed}
    assert failed == {"pin_mismatch", "funds", "unscored"}


def test_a_check_shows_what_it_read_and_its_stages_time():
    """Amounts, card, limits, score, ledger."""
    decision = np.zeros(1, DECISION)[0]
    decision["ledger_us"], decision["approved_minor"] = 321, 1_000
    shown = {outcome.name: outcome for outcome in outcomes(intent_of(score=0.5), decision, NAMES)}
    assert shown["amount_senseless"].inputs["amount_minor"] == "1000"
    assert shown["pin_mismatch"].inputs["pin_verification"] == "MISMATCH"
    assert shown["card_frozen"].inputs["card_state"] == "ACTIVE"
    assert shown["limit_amount"].inputs["amount_day"] == "1000 of 500000"
    assert shown["rule_decline"].inputs == {"hit": "too_far", "on_paper": "none"}
    assert shown["score_decline"].inputs["score"] == "0.500000"
    assert shown["funds"].inputs["held_minor"] == "1000"
    times = [
        shown[name].elapsed_us
        for name in ("card_unknown", "category", "limit_amount", "score_decline", "funds")
    ]
    assert times == [10, 11, 12, 13, 321]


def test_what_was_not_read_is_not_shown():
    """Nothing but the message, where the card is unknown."""
    intent = intent_of(card_row=NO_ROW, checks_failed=1 << Check.CARD_UNKNOWN)
    shown = outcomes(intent, np.zeros(1, DECISION)[0], NAMES)
    assert [outcome.name for outcome in shown][-1] == "card_unknown"
    assert shown[-1].inputs == {"card": "not in the directory"}
    assert all(outcome.inputs for outcome in shown if outcome.name != "reversed_before_arrival")
