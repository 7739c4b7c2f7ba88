"""From facts and the ledger's word to whole answers."""

import numpy as np
import pytest

from ledger.holds import HoldOutcome
from server.core.answers import decide_authorizations, prepare_authorizations
from server.core.books import AWAY, Moved
from server.core.policy import Check
from server.core.record import DECISION, INTENT, TransactionType
from server.core.stand_in import STAND_IN, StandIn
from tests.server.core.scene import purchase

CODES = {
    HoldOutcome.HELD: b"00",
    HoldOutcome.INSUFFICIENT: b"51",
    HoldOutcome.ALREADY_HELD: b"96",
    HoldOutcome.BURNT: b"96",
    HoldOutcome.REFUSED: b"96",
    AWAY: b"91",
}


def asked(outcome, held_minor=1_000, **fields):
    """The DECISION on one purchase of 10.00."""
    intents, decisions = np.zeros(1, INTENT), np.zeros(1, DECISION)
    intents["request"] = purchase()
    intents["billed_minor"], intents["billing_currency"] = 1_000, 840
    for name, value in fields.items():
        if name in (intents["request"].dtype.names or ()):
            intents["request"][name] = value
        else:
            intents[name] = value
    wanted, count = prepare_authorizations(intents)
    moved = Moved(1)
    moved.outcome[:], moved.held_minor[:], moved.available_minor[:] = outcome, held_minor, 77
    decisions["authorization_id"] = intents["request"]["authorization_id"]
    decide_authorizations(intents, decisions, wanted, moved, np.zeros(1, STAND_IN), StandIn())
    return decisions[0], count


@pytest.mark.parametrize("outcome", CODES)
def test_the_ledger_has_the_last_word(outcome):
    """Its outcome is the answer of whatever nothing else declined; only a hold approves."""
    decision, wanted = asked(outcome)
    assert (wanted, decision["response_code"]) == (1, CODES[outcome])
    assert decision["held"] == (outcome == HoldOutcome.HELD)
    assert decision["approved_minor"] == (1_000 if outcome == HoldOutcome.HELD else 0)
    assert len(decision["authorization_code"]) == (6 if outcome == HoldOutcome.HELD else 0)
    assert decision["available_minor"] == 77


def test_the_ledger_is_not_asked_where_the_answer_is_known():
    """A decline, or nothing to hold."""
    decision, wanted = asked(HoldOutcome.HELD, checks_failed=1 << Check.CARD_LOST)
    assert (wanted, decision["response_code"], decision["held"]) == (0, b"41", 0)
    decision, wanted = asked(HoldOutcome.HELD, transaction_type=TransactionType.ACCOUNT_STATUS)
    assert (wanted, decision["response_code"]) == (0, b"85")
    decision, wanted = asked(HoldOutcome.HELD, checks_failed=1 << Check.UNSCORED)
    assert (wanted, decision["response_code"]) == (1, b"00")


def test_less_than_was_asked_is_an_approval_in_part():
    """10, with what is held."""
    decision, _ = asked(HoldOutcome.HELD, held_minor=999)
    assert (decision["response_code"], decision["approved_minor"]) == (b"10", 999)
