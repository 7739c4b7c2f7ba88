"""What the core's stages decided, a backtest decides again; and it foretells what they decide by other limits."""

import numpy as np
import pytest

from ledger.holds import HoldOutcome
from scoring.attempt import Verdict
from scoring.backtest import Outcome, Side, compare, replay
from scoring.velocity import STEP_RELEASE
from server.cli.limits_file import OwnedLimit, compile_limits, names_of
from server.cli.past import past_of_decisions
from server.core.answers import decide_authorizations, prepare_authorizations
from server.core.attempts import attempts_again
from server.core.books import Moved
from server.core.controls import PROGRAMME
from server.core.directory import Posture, Programme, StandInLimits
from server.core.limits import LIMITS_RESERVED
from server.core.parts import GIVEN
from server.core.policy import Check, bit
from server.core.record import (
    DECISION,
    INTENT,
    INTENT_NUMBERS,
    NO_ROW,
    CheckResult,
    EntryMode,
    Operation,
    TransactionType,
)
from server.core.risk import Risk, judge
from server.core.stand_in import stand_in_table
from server.core.state import State
from server.store.limits import NewLimit

CARDS = 6
BEGIN_S = 1_750_161_600
TICK_NS = 1_000_000
PROGRAMMES = {0: {"name": "test", "currency": 840, "step_up_else_decline": False, "unscored_decline": False}}
CODES = {
    b"78": Outcome.REFUSED_BEFORE,
    b"14": Outcome.REFUSED_BEFORE,
    b"61": Outcome.LIMIT_AMOUNT,
    b"65": Outcome.LIMIT_FREQUENCY,
    b"59": Outcome.SCORE,
    b"1A": Outcome.STEP_UP,
    b"51": Outcome.REFUSED_AFTER,
    b"91": Outcome.AWAY,
    b"00": Outcome.APPROVED,
    b"10": Outcome.APPROVED,
}


STANDS_IN = stand_in_table(
    {0: Programme(0, "test", 1, 840, 840, "UTC", stand_in=StandInLimits(10_000, 1_000, 10_000_000))}
)
"""What may be approved without the ledger; beyond it 91."""


def owned(measure, window, ceiling, kind="programme", owner="test", **fields):
    return OwnedLimit(kind, owner, NewLimit(measure=measure, window=window, ceiling=ceiling, **fields))


LIMITS = [
    owned("count", "1h", 6),
    owned("amount", "24h", 90_000),
    owned("amount", "transaction", 19_000),
    owned("count", "1h", 25, subject="merchant", of="attempts"),
    owned("count", "24h", 9, of="declines"),
    owned("count", "1h", 9, "card", "3"),
    owned("amount", "24h", None, "account", "102"),
]


class Stages:
    """The core's stages behind the controls, with a ledger that says what a seed says, and answers as late as it says."""

    def __init__(self, seed, limits, *, kind_ledger=False):
        self.draw = np.random.default_rng(seed)
        self.kind_ledger = kind_ledger
        self.state = State(Risk())
        self.state.grow(8, 256)
        self.programmes = np.zeros(1, PROGRAMME)
        self.programmes["decline_threshold"], self.programmes["step_up_threshold"] = 0.85, 0.65
        self.limits = limits
        self.table = None
        self.clock_ns = BEGIN_S * 1_000_000_000
        self.late, self.records = [], []

    def run(self, batches):
        for number in range(batches):
            self.arrive(number)
            while len(self.late) > self.draw.integers(0, 3):
                self.settle()
        while self.late:
            self.settle()
        order = np.argsort([intent["sequence"][0] for intent, _ in self.records], kind="stable")
        intents, decisions = (
            np.concatenate([self.records[place][side] for place in order]) for side in range(2)
        )
        return intents, decisions

    def requests(self, number):
        """INTENT[n] as the controls leave them, whatever the limits are."""
        count = int(self.draw.integers(1, 6))
        intents = np.zeros(count, INTENT)
        request = intents["request"]
        intents["sequence"] = 10 * number + np.arange(count)
        intents["card_row"] = self.draw.integers(0, CARDS, count)
        intents["account_number"] = 100 + intents["card_row"] // 2
        intents["billed_minor"] = self.draw.integers(1, 20_000, count)
        request["authorization_id"][:, 0] = 1 + intents["sequence"]
        request["operation"], request["transaction_type"] = Operation.AUTHORIZE, TransactionType.PURCHASE
        request["transmission_s"] = BEGIN_S + 300 * number + np.arange(count)
        request["merchant"] = self.draw.integers(1, 4, count)
        request["entry_mode"] = self.draw.choice([EntryMode.CHIP, EntryMode.ECOMMERCE], count)
        request["cardholder_authentication"] = self.draw.choice(
            [CheckResult.ABSENT, CheckResult.MATCH], count
        )
        intents["day_id"] = request["transmission_s"] // 86_400
        intents["month_id"] = 665
        intents["billing_currency"] = 840
        intents["posture"] = Posture.STAND_IN
        intents["checks_failed"][self.draw.random(count) < 0.1] = bit(Check.CARD_FROZEN)
        intents["score"] = self.draw.random(count).astype(np.float32)
        intents["score"][self.draw.random(count) < 0.1] = np.nan
        unknown = self.draw.random(count) < 0.05
        intents["card_row"][unknown], intents["account_number"][unknown] = NO_ROW, 0
        intents["checks_failed"][unknown] = bit(Check.CARD_UNKNOWN)
        return intents

    def arrive(self, number):
        intents = self.requests(number)
        self.clock_ns += TICK_NS
        intents["limit_set"] = self.sets(intents)
        self.state.limits.reserve(intents, attempts_again(intents), self.table)
        judge(intents.view(INTENT_NUMBERS), self.programmes)
        wanted, _ = prepare_authorizations(intents)
        moved = Moved(len(intents))
        said = (
            [HoldOutcome.HELD]
            if self.kind_ledger
            else [HoldOutcome.HELD] * 8 + [HoldOutcome.INSUFFICIENT, 255]
        )
        moved.outcome[:] = self.draw.choice(said, len(intents))
        halves = self.draw.random(len(intents)) < (0.0 if self.kind_ledger else 0.1)
        moved.held_minor[:] = np.maximum(intents["billed_minor"] // np.where(halves, 2, 1), 1)
        self.late.append((intents, wanted, moved, self.clock_ns))

    def sets(self, intents):
        """Each card's limit set; all owners are known from the start."""
        everyone, nothing = np.zeros(CARDS, INTENT), np.zeros(CARDS, DECISION)
        everyone["request"]["operation"] = Operation.AUTHORIZE
        everyone["card_row"] = np.arange(CARDS)
        everyone["account_number"] = 100 + everyone["card_row"] // 2
        owners = past_of(everyone, nothing).owners
        self.table, sets = compile_limits(
            self.limits, names_of(self.limits), owners, np.zeros(CARDS, np.bool_)
        )
        return np.append(sets, 0)[np.minimum(intents["card_row"], CARDS)]

    def settle(self):
        intents, wanted, moved, reserved_ns = self.late.pop(0)
        self.clock_ns += TICK_NS
        decisions = np.zeros(len(intents), DECISION)
        decisions["operation"] = Operation.AUTHORIZE
        decisions["decision_ns"] = self.clock_ns
        decisions["ledger_us"] = (self.clock_ns - reserved_ns) // 1_000
        decide_authorizations(intents, decisions, wanted, moved, STANDS_IN, self.state.stand_in)
        self.state.settle(intents, decisions)
        self.records += [
            (intents[place : place + 1], decisions[place : place + 1]) for place in range(len(intents))
        ]
        reversing = self.draw.random(len(intents)) < (0.0 if self.kind_ledger else 0.15)
        approved = (decisions["held"] != 0) | (decisions["stand_in"] != 0)
        for place in np.flatnonzero(reversing & approved).tolist():
            self.reverse(intents[place : place + 1], decisions[place : place + 1])

    def reverse(self, intent, decision):
        """A reversal of the whole, right behind."""
        self.clock_ns += TICK_NS
        message, answer = np.zeros(1, INTENT), np.zeros(1, DECISION)
        message["request"]["operation"] = answer["operation"] = Operation.REVERSE
        message["request"]["original_id"] = intent["request"]["authorization_id"]
        message["card_row"], message["sequence"] = intent["card_row"], 10**6 + len(self.records)
        answer["approved_minor"], answer["decision_ns"] = decision["approved_minor"], self.clock_ns
        self.records.append((message, answer))
        given = np.zeros(1, GIVEN)
        for name in ("card_row", "account_number", "day_id", "month_id"):
            given[name] = intent[name]
        given["reserved_s"], given["merchant"] = (
            intent["request"]["transmission_s"],
            intent["request"]["merchant"],
        )
        given["amount_minor"], given["step"] = decision["approved_minor"], STEP_RELEASE
        given["reserved"] = LIMITS_RESERVED
        self.state.limits.take_back(given)


def past_of(intents, decisions, verdicts=None):
    told = np.zeros(len(intents), np.uint8) if verdicts is None else verdicts
    halves = [slice(None, len(intents) // 2), slice(len(intents) // 2, None)]
    return past_of_decisions([(intents[some], decisions[some], told[some]) for some in halves], PROGRAMMES)


def side_of(past, limits):
    table, sets = compile_limits(limits, names_of(limits), past.owners, past.unlimited)
    return Side(table, sets, past.scores, past.step_up, past.decline, past.unscored_declines)


def outcomes(intents, decisions):
    authorizing = intents["request"]["operation"] == Operation.AUTHORIZE
    return [CODES[code] for code in decisions["response_code"][authorizing].tolist()]


@pytest.mark.parametrize("seed", [1, 2])
def test_a_backtest_decides_as_the_core_s_stages_did(seed):
    """Late answers, refusals of every kind, parts, stand-in, reversals, unknown cards: each answer is what it was."""
    intents, decisions = Stages(seed, LIMITS).run(200)
    past = past_of(intents, decisions)
    decided = replay(past.cases, side_of(past, LIMITS))
    assert decided.outcomes.tolist() == outcomes(intents, decisions)
    assert set(decided.outcomes.tolist()) == set(Outcome)
    assert len(past.cases.given) > 5


def test_a_backtest_foretells_what_the_stages_decide_by_other_limits():
    """From what was decided by some limits it tells what the same requests get by others."""
    other = [*LIMITS[3:], owned("count", "1h", 4), owned("count", "10m", 2, subject="account")]
    told = past_of(*Stages(3, LIMITS, kind_ledger=True).run(200))
    met = outcomes(*Stages(3, other, kind_ledger=True).run(200))
    before, decided = replay(told.cases, side_of(told, LIMITS)), replay(told.cases, side_of(told, other))
    assert decided.outcomes.tolist() == met
    found = compare(told.cases, before, decided, np.ones(len(met), np.bool_), None)
    assert found["gained"]["count"] > 0
    assert found["lost"]["count"] > 0


def test_labels_of_a_home_split_the_figures():
    """Confirmed fraud and disputes are fraud; without any label there is nothing to split."""
    intents, decisions = Stages(4, []).run(30)
    verdicts = np.zeros(len(intents), np.uint8)
    assert past_of(intents, decisions, verdicts).is_fraud is None
    verdicts[0], verdicts[1], verdicts[2] = Verdict.FRAUD, Verdict.DISPUTE, Verdict.LEGITIMATE
    assert past_of(intents, decisions, verdicts).is_fraud[:4].tolist() == [True, True, False, False]
