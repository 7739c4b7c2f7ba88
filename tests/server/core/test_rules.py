"""Rules beside the score, against a plain twin."""

import math
from types import SimpleNamespace

import numpy as np
import pytest

from scoring.features import FEATURE_NAMES
from server.core.block_lists import BlockKind
from server.core.controls import Controls
from server.core.directory import Action, Condition, Directory, DirectoryChange, Operator, Rule
from server.core.policy import Check
from server.core.record import INTENT, CheckResult, EntryMode, TransactionType
from server.core.rules import FIELDS, Rules, field_value, holds
from tests.server.core.scene import cards, programme, purchase, records

kernel = pytest.mark.kernel
SPEED = FEATURE_NAMES.index("speed_kmh")
DOMESTIC = FEATURE_NAMES.index("is_domestic")
NAMES = 9


def rule(*conditions, number=1, name=6, action=Action.DECLINE, **fields):
    """A rule of all programmes; a condition is a field, an operator and its values."""
    made = tuple(Condition(field, operator, tuple(values)) for field, operator, *values in conditions)
    return Rule(number, name, fields.pop("programme", None), made, action, **fields)


def programmes(**fields):
    """The controls' table of two programmes."""
    directory = Directory()
    second = SimpleNamespace(**{name: getattr(programme(), name) for name in programme().__slots__})
    second.number = 1
    directory.programmes = {0: programme(**fields), 1: second}
    controls = Controls(directory)
    controls.compile()
    return records(controls.programmes)


def judged(rules, requests, features=None, **fields):
    """The rules after they judged these requests, and the INTENTs."""
    stage = Rules()
    stage.compile(rules, NAMES, programmes(**fields))
    stage._rules, stage._conditions = records(stage._rules), records(stage._conditions)
    intents = np.zeros(len(requests), INTENT)
    intents["request"] = np.concatenate(requests)
    intents["billed_minor"] = intents["request"]["amount_minor"]
    if features is None:
        features = np.full((len(requests), len(FEATURE_NAMES)), np.nan, np.float32)
    stage.judge(features, records(intents))
    return stage, intents


def checks(intent):
    """The checks whose bits are set."""
    return {check for check in Check if int(intent["checks_failed"]) >> check & 1}


@kernel
@pytest.mark.parametrize(
    ("operator", "values", "fulfilled"),
    [
        (Operator.ABOVE, (5,), (6, 5.5)),
        (Operator.AT_LEAST, (5,), (5, 5.5, 6)),
        (Operator.BELOW, (5,), (4,)),
        (Operator.AT_MOST, (5,), (4, 5)),
        (Operator.EQUALS, (5,), (5,)),
        (Operator.IN, (4, 6), (4, 6)),
        (Operator.NOT_IN, (4, 6), (5, 5.5)),
        (Operator.MISSING, (1,), (math.nan,)),
        (Operator.MISSING, (0,), (4, 5, 5.5, 6)),
    ],
)
def test_a_condition_holds_for_what_it_says_and_never_for_what_is_missing(operator, values, fulfilled):
    """Unless it asks whether it is missing."""
    given = np.array(values, np.float64)
    for value in (4.0, 5.0, 5.5, 6.0, math.nan):
        wanted = any(value == one or (math.isnan(value) and math.isnan(one)) for one in fulfilled)
        assert holds(value, int(operator), given) == wanted


@kernel
def test_every_field_of_a_request_is_read_as_itself():
    """And is missing where the request lacks it; a feature of the same name stands behind it."""
    intents = np.zeros(2, INTENT)
    intents["request"][0] = purchase(
        amount_minor=12,
        cashback_amount_minor=3,
        currency=978,
        country=276,
        category=6011,
        card_present=1,
        recurring=1,
        card_verification=1,
        pin_verification=2,
        address_verification=3,
        cardholder_authentication=1,
    )
    intents["billed_minor"], intents["score"] = (13, 0), (0.5, np.nan)
    full = [float(field_value(records(intents)[0], place)) for place in range(len(FIELDS))]
    assert full == [
        12,
        13,
        3,
        978,
        276,
        6011,
        EntryMode.CHIP,
        TransactionType.PURCHASE,
        1,
        1,
        1,
        2,
        3,
        1,
        0.5,
    ]
    empty = [field_value(records(intents)[1], place) for place in range(len(FIELDS))]
    there = {"amount_minor", "billed_minor", "cashback_amount_minor", "card_present", "recurring"}
    assert {name for name, value in zip(FIELDS, empty, strict=True) if not math.isnan(value)} == there


def plain(rules, intent, features):
    """What the rules say of one request: names of live hits, of shadows, and the live actions."""
    live, shadow, actions = [], [], set()
    for one in sorted(rules, key=lambda rule: (rule.action, rule.name, rule.number)):
        if one.programme not in (None, int(intent["programme"])):
            continue
        for condition in one.conditions:
            if condition.field in FIELDS:
                value = float(intent["request"][condition.field])
            else:
                value = float(features[FEATURE_NAMES.index(condition.field)])
            compare = {
                Operator.ABOVE: lambda a, b: a > b[0],
                Operator.AT_MOST: lambda a, b: a <= b[0],
                Operator.IN: lambda a, b: a in b,
                Operator.MISSING: lambda a, b: math.isnan(a) == bool(b[0]),
            }[condition.operator]
            if not compare(value, condition.values):
                break
        else:
            (shadow if one.shadow else live).append(one.name)
            actions |= set() if one.shadow else {one.action}
    return live, shadow, actions


@kernel
def test_rules_judge_as_their_plain_twin_over_random_rules_and_requests():
    """Names in order of severity, the first four of them; the bits of every live action; every hit counted."""
    rng = np.random.default_rng(7)
    for _ in range(40):
        rules = [
            rule(
                *(
                    [
                        ("speed_kmh", Operator.ABOVE, float(rng.integers(0, 9))),
                        ("amount_minor", Operator.AT_MOST, float(rng.integers(0, 9))),
                        ("category", Operator.IN, *map(float, rng.integers(1, 9, 3))),
                        ("is_domestic", Operator.MISSING, float(rng.integers(0, 2))),
                    ][place]
                    for place in rng.choice(4, rng.integers(1, 4), replace=False)
                ),
                number=number,
                name=int(rng.integers(1, NAMES)),
                action=Action(int(rng.integers(1, 4))),
                shadow=bool(rng.integers(0, 2)),
                programme=(None, 0, 1)[rng.integers(0, 3)],
            )
            for number in range(8)
        ]
        requests = [
            purchase(amount_minor=int(rng.integers(0, 9)), category=int(rng.integers(1, 9))) for _ in range(6)
        ]
        features = np.full((6, len(FEATURE_NAMES)), np.nan, np.float32)
        features[:, SPEED] = rng.integers(0, 9, 6)
        features[::2, DOMESTIC] = 1
        stage, intents = judged(rules, requests, features)
        hits = np.zeros((NAMES + 1, 2), int)
        for intent, line in zip(intents, features, strict=True):
            live, shadow, actions = plain(rules, intent, line)
            assert intent["rules_hit"].tolist() == [*live, 0, 0, 0, 0][:4]
            assert intent["rules_shadowed"].tolist() == [*shadow, 0, 0, 0, 0][:4]
            assert (Check.RULE_DECLINE in checks(intent)) == (Action.DECLINE in actions)
            assert (Check.RULE_FLAGGED in checks(intent)) == bool(actions - {Action.DECLINE})
            for name in live:
                hits[name, 0] += 1
            for name in shadow:
                hits[name, 1] += 1
        assert stage.hits.tolist() == hits.tolist()


@kernel
@pytest.mark.parametrize(
    ("request_fields", "strict", "check"),
    [
        ({"entry_mode": EntryMode.ECOMMERCE}, False, Check.RULE_STEP_UP),
        ({"entry_mode": EntryMode.ECOMMERCE, "recurring": 1}, False, Check.RULE_FLAGGED),
        ({"entry_mode": EntryMode.CHIP}, False, Check.RULE_FLAGGED),
        ({"entry_mode": EntryMode.CHIP}, True, Check.RULE_STEP_UP_IMPOSSIBLE),
        (
            {"entry_mode": EntryMode.ECOMMERCE, "cardholder_authentication": CheckResult.MATCH},
            True,
            Check.RULE_FLAGGED,
        ),
    ],
)
def test_more_authentication_is_asked_for_where_the_channel_can_give_it(request_fields, strict, check):
    """As for the score: once authenticated it is only flagged."""
    asking = rule(("amount_minor", Operator.ABOVE, 0.0), action=Action.STEP_UP)
    _, intents = judged([asking], [purchase(**request_fields)], step_up_else_decline=strict)
    assert checks(intents[0]) == {check}


@kernel
def test_money_that_comes_in_is_not_judged():
    """A refund from afar is welcome."""
    always = rule(("amount_minor", Operator.ABOVE, 0.0))
    _, intents = judged([always], [purchase(transaction_type=TransactionType.REFUND), purchase()])
    assert [checks(intent) for intent in intents] == [set(), {Check.RULE_DECLINE}]


@kernel
def test_a_feature_equals_a_number_as_its_four_bytes_hold_it():
    """0.1 is 0.1, although four bytes make another number of it than eight."""
    features = np.zeros((1, len(FEATURE_NAMES)), np.float32)
    features[0, SPEED] = 0.1
    _, intents = judged([rule(("speed_kmh", Operator.EQUALS, 0.1))], [purchase()], features)
    assert checks(intents[0]) == {Check.RULE_DECLINE}


@kernel
def test_a_rule_on_a_field_that_is_not_known_never_fits_and_is_told():
    """The others go on."""
    rules = [
        rule(("of_another_version", Operator.MISSING, 1.0)),
        rule(("amount_minor", Operator.ABOVE, 1.0), name=7, number=2),
    ]
    stage, intents = judged(rules, [purchase()])
    assert stage.unknown == ["of_another_version"]
    assert intents["rules_hit"].tolist() == [[7, 0, 0, 0]]


@kernel
def test_lines_of_block_lists_in_shadow_are_counted_with_the_rules():
    """Under the number of their list's name."""
    stage = Rules()
    stage.compile((), NAMES, programmes())
    intents = np.zeros(1, INTENT)
    intents["rules_shadowed"] = [BlockKind.COUNTRY, BlockKind.CARD, 0, 0]
    stage.judge(np.zeros((1, len(FEATURE_NAMES)), np.float32), records(intents))
    assert np.flatnonzero(stage.hits[:, 1]).tolist() == [BlockKind.COUNTRY, BlockKind.CARD]


def test_hits_are_counted_on_when_the_rules_change():
    """By the number of a name, which outlives a revision."""
    directory = Directory()
    one = rule(("amount_minor", Operator.ABOVE, 1.0))
    change = DirectoryChange(cards=cards(), programmes=[programme()], rules=[one], rule_names={6: "big"})
    directory.apply(change)
    controls = Controls(directory)
    intents = np.zeros(1, INTENT)
    intents["request"] = purchase()
    features = np.zeros((1, len(FEATURE_NAMES)), np.float32)
    for _ in range(2):
        controls.check(intents, np.zeros(1, np.uint32))
        controls.rules.judge(features, intents)
        directory.apply(DirectoryChange(rule_names={40: "another"}))
    assert controls.rules.hits[6].tolist() == [2, 0]
    assert len(controls.rules.hits) == 41
