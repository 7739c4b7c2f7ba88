"""From what failed to one answer: the table's order, and its promises."""

import numpy as np
import pytest

from server.core.policy import CHECKS, CODES, DECLINING, Check, bit, names, number_of, response_code

kernel = pytest.mark.kernel
NEVER_RETRY = {"12", "14", "15", "41", "43", "46", "57"}
PASSING = {
    Check.REVERSED_BEFORE_ARRIVAL,
    Check.CARD_INACTIVE,
    Check.CARD_FROZEN,
    Check.COMPLIANCE_BLOCK,
    Check.EXPIRY_MISMATCH,
    Check.CRYPTOGRAM_MISMATCH,
    Check.CVV2_MISMATCH,
    Check.PIN_TRIES,
    Check.PIN_MISMATCH,
    Check.CHANNEL_CONTACTLESS,
    Check.CHANNEL_ECOMMERCE,
    Check.CHANNEL_CASH,
    Check.CHANNEL_INTERNATIONAL,
    Check.CATEGORY,
    Check.COUNTRY,
    Check.HOUR,
    Check.MERCHANT_LOCK,
    Check.BLOCKED_MERCHANT,
    Check.BLOCKED_DEVICE,
    Check.BLOCKED_IP,
    Check.BLOCKED_COUNTRY,
    Check.SINGLE_USE,
    Check.LIMIT_AMOUNT,
    Check.LIMIT_FREQUENCY,
    Check.SCORE_DECLINE,
    Check.UNSCORED_DECLINE,
    Check.STEP_UP,
    Check.STEP_UP_IMPOSSIBLE,
    Check.FUNDS,
    Check.NETWORK_ASKED,
    Check.STAND_IN_CATEGORY,
    Check.STAND_IN_AMOUNT,
    Check.STAND_IN_COUNT,
    Check.STAND_IN_SUM,
    Check.LEDGER_AWAY,
    Check.LEDGER_REFUSED,
}
"""What may be otherwise tomorrow, or with another amount, place or person."""


def naive_code(failed):
    """The answer of the first declining check, in the table's order."""
    return next(
        (rule.response_code for check, rule in CHECKS.items() if failed >> check & 1 and rule.response_code),
        "",
    )


@kernel
def test_the_answer_is_the_first_declining_checks_whatever_else_failed():
    """Against the table read in order, for random sets of failed checks."""
    rng = np.random.default_rng(1)
    for _ in range(400):
        chosen = rng.random(len(Check)) < rng.choice([0.02, 0.1, 0.5])
        failed = sum(1 << check for check in Check if chosen[check])
        assert response_code(np.uint64(failed), CODES) == number_of(naive_code(failed).encode())


@kernel
def test_every_check_alone_answers_its_own_code():
    """Those without a code decline nothing."""
    for check, rule in CHECKS.items():
        assert response_code(bit(check), CODES) == number_of(rule.response_code.encode())
        assert bool(DECLINING & bit(check)) == bool(rule.response_code)
    assert response_code(np.uint64(0), CODES) == 0


def test_a_code_that_forbids_a_retry_never_comes_from_a_reason_that_passes():
    """12, 14, 15, 41, 43, 46 and 57 tell a merchant to give up for good."""
    assert not {CHECKS[check].response_code for check in PASSING} & NEVER_RETRY


def test_message_card_controls_limits_score_and_ledger_follow_one_another():
    """Only the ledger's word is a hold, so it comes last of those that decline."""
    stages = [
        Check.AMOUNT_SENSELESS,
        Check.CARD_UNKNOWN,
        Check.CARD_EXPIRED,
        Check.CHANNEL_CONTACTLESS,
        Check.BLOCKED_CARD,
        Check.LIMIT_AMOUNT,
        Check.SCORE_DECLINE,
        Check.RULE_DECLINE,
        Check.STEP_UP,
        Check.RULE_STEP_UP,
        Check.FUNDS,
    ]
    order = list(CHECKS)
    assert stages == sorted(stages, key=order.index)
    without_ledger = (
        Check.NETWORK_ASKED,
        Check.STAND_IN_CATEGORY,
        Check.STAND_IN_AMOUNT,
        Check.STAND_IN_COUNT,
        Check.STAND_IN_SUM,
    )
    ledger = (Check.FUNDS, *without_ledger, Check.LEDGER_AWAY, Check.LEDGER_REFUSED)
    of_messages = (Check.AUTHORIZATION_UNKNOWN, Check.AUTHORIZATION_ENDED)
    declining = [check for check in CHECKS if CHECKS[check].response_code]
    assert tuple(declining[-10:]) == ledger + of_messages


def test_names_are_told_in_order_and_are_each_others_only():
    """For machines: lower case, no spaces."""
    assert names((1 << Check.FUNDS) | (1 << Check.CARD_LOST)) == ["card_lost", "funds"]
    all_names = [rule.name for rule in CHECKS.values()]
    assert len(set(all_names)) == len(all_names)
    assert [check.name.lower() for check in CHECKS] == all_names
