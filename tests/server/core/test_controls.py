"""What a card, its programme and the block lists allow: one line for each check."""

from datetime import UTC, datetime
from types import SimpleNamespace

import numpy as np
import pytest

from server.core.block_lists import BlockEntry, BlockKind
from server.core.controls import Controls
from server.core.directory import AccountState, CardFlag, CardState, Channel, ControlSet
from server.core.limit_sets import LimitSets
from server.core.policy import Check
from server.core.rates import RATE
from server.core.record import INTENT, NO_ROW, CheckResult, EntryMode, TransactionType
from tests.server.core.scene import NOON_S, block_lists, cards, programme, purchase, records

kernel = pytest.mark.kernel
EVERYWHERE = Channel.CONTACTLESS | Channel.ECOMMERCE | Channel.CASH | Channel.INTERNATIONAL
KIND = TransactionType


def checks_of(request, card=None, control=None, blocks=(), blocks_shadow=(), row=0, rates=(), **fields):
    """The checks that fail for one request, and its INTENT."""
    made = cards(2)
    for name, value in (card or {}).items():
        made[name][0] = value
    made["controls"][0] = 1
    lists = block_lists(
        *(BlockEntry(kind, value) for kind, value in blocks),
        *(BlockEntry(kind, value, shadow=True) for kind, value in blocks_shadow),
    )
    shelf = SimpleNamespace(
        cards=records(made),
        programmes={0: programme(**fields)},
        control_sets=[ControlSet(), control or ControlSet()],
        limit_sets=LimitSets(),
        blocks=lists,
        rules={},
        limit_names={},
        rule_names={},
        shared_revision=0,
    )
    controls = Controls(shelf)
    controls.compile()
    controls.programmes = records(controls.programmes)
    controls._controls = records(controls._controls)
    controls.rates = np.array([*rates], RATE)
    intents = np.zeros(1, INTENT)
    intents["request"] = request
    controls.check(records(intents), np.array([row], np.uint32))
    failed = int(intents["checks_failed"][0])
    return {check for check in Check if failed >> check & 1}, intents[0]


def asked(**fields):
    """The fields of a purchase."""
    return {"request": fields}


TABLE = {
    Check.AMOUNT_SENSELESS: asked(amount_minor=0),
    Check.TRANSACTION_SENSELESS: asked(transaction_type=KIND.CASH_WITHDRAWAL, entry_mode=EntryMode.ECOMMERCE),
    Check.CARD_UNKNOWN: {"row": NO_ROW},
    Check.CARD_CLOSED: {"card": {"state": CardState.CLOSED}},
    Check.ACCOUNT_CLOSED: {"card": {"account_state": AccountState.CLOSED}},
    Check.CARD_STOLEN: {"card": {"state": CardState.STOLEN}},
    Check.CARD_LOST: {"card": {"state": CardState.LOST}},
    Check.CARD_INACTIVE: {"card": {"state": CardState.INACTIVE}},
    Check.CARD_FROZEN: {"card": {"state": CardState.FROZEN}},
    Check.COMPLIANCE_BLOCK: {"card": {"flags": CardFlag.COMPLIANCE_BLOCK}},
    Check.CARD_EXPIRED: {"card": {"expiry_yymm": 2505}},
    Check.EXPIRY_MISMATCH: asked(expiry_yymm=3011),
    Check.CRYPTOGRAM_MISMATCH: asked(card_verification=CheckResult.MISMATCH),
    Check.CVV2_MISMATCH: asked(card_verification=CheckResult.MISMATCH, entry_mode=EntryMode.ECOMMERCE),
    Check.TYPE_NEVER: {"control": ControlSet(types_never=frozenset({KIND.PURCHASE}))},
    Check.TYPE_NOT_OFFERED: asked(transaction_type=15),
    Check.CURRENCY_NOT_CONVERTED: asked(currency=978),
    Check.CHANNEL_CONTACTLESS: {
        **asked(entry_mode=EntryMode.CONTACTLESS),
        "control": ControlSet(channels_off=Channel.CONTACTLESS),
    },
    Check.CHANNEL_ECOMMERCE: {
        **asked(entry_mode=EntryMode.CREDENTIAL_ON_FILE),
        "control": ControlSet(channels_off=Channel.ECOMMERCE),
    },
    Check.CHANNEL_CASH: {
        **asked(transaction_type=KIND.CASH_WITHDRAWAL),
        "control": ControlSet(channels_off=Channel.CASH),
    },
    Check.CHANNEL_INTERNATIONAL: asked(country=276),
    Check.CATEGORY: {"control": ControlSet(categories_blocked=frozenset({5411}))},
    Check.COUNTRY: {"control": ControlSet(countries_allowed=frozenset({276}))},
    Check.HOUR: {"control": ControlSet(hours_allowed=~(1 << 12) & 0xFF_FFFF)},
    Check.MERCHANT_LOCK: {**asked(merchant=5), "control": ControlSet(merchants_allowed=frozenset({6, 7}))},
    Check.BLOCKED_MERCHANT: {**asked(merchant=5), "blocks": [(BlockKind.MERCHANT, (5, 0))]},
    Check.BLOCKED_DEVICE: {**asked(device=5), "blocks": [(BlockKind.DEVICE, (5, 0))]},
    Check.BLOCKED_IP: {**asked(ip=[[5, 6]]), "blocks": [(BlockKind.IP, (5, 6))]},
    Check.BLOCKED_COUNTRY: {"blocks": [(BlockKind.COUNTRY, (840, 0))]},
    Check.BLOCKED_CARD: {"blocks": [(BlockKind.CARD, (1_000, 7))]},
    Check.KYC_INCOMPLETE: {"card": {"flags": CardFlag.KYC_INCOMPLETE}},
    Check.POLITICALLY_EXPOSED: {"card": {"flags": CardFlag.POLITICALLY_EXPOSED}},
}
ELSEWHERE = {
    Check.REVERSED_BEFORE_ARRIVAL,
    Check.PIN_TRIES,
    Check.PIN_MISMATCH,
    Check.SINGLE_USE,
    Check.LIMIT_AMOUNT,
    Check.LIMIT_FREQUENCY,
    Check.SCORE_DECLINE,
    Check.UNSCORED_DECLINE,
    Check.STEP_UP,
    Check.STEP_UP_IMPOSSIBLE,
    Check.FUNDS,
    Check.LEDGER_AWAY,
    Check.LEDGER_REFUSED,
    Check.SCORE_FLAGGED,
    Check.UNSCORED,
    Check.AUTHORIZATION_UNKNOWN,
    Check.AUTHORIZATION_ENDED,
    Check.RULE_DECLINE,
    Check.RULE_STEP_UP,
    Check.RULE_STEP_UP_IMPOSSIBLE,
    Check.RULE_FLAGGED,
    Check.NETWORK_ASKED,
    Check.STAND_IN_CATEGORY,
    Check.STAND_IN_AMOUNT,
    Check.STAND_IN_COUNT,
    Check.STAND_IN_SUM,
    Check.STOOD_IN,
}
"""Other stages find these: `test_authorizer`, `test_lifecycle`, `test_rules` and `test_stand_in` reach each."""


@kernel
def test_nothing_fails_for_an_ordinary_purchase():
    """By chip, at home, at noon."""
    assert checks_of(purchase())[0] == set()


@kernel
@pytest.mark.parametrize("check", TABLE, ids=lambda check: check.name.lower())
def test_a_check_fails_alone_for_what_it_is_about(check):
    """One fact is changed, one check fails."""
    case = dict(TABLE[check])
    request = purchase(**case.pop("request", {}))
    assert checks_of(request, **case)[0] == {check}


@kernel
@pytest.mark.parametrize(("valid_until_s", "billed_minor"), [(NOON_S, 1_087), (NOON_S - 1, 0)])
def test_an_amount_in_another_currency_is_converted_while_its_rate_is_fresh(valid_until_s, billed_minor):
    """10.00 EUR at 1.0865 dollars, rounded half up; an old rate refuses."""
    rate = (978 << 16 | 840, 0, 10_865, 10_000, valid_until_s)
    failed, intent = checks_of(purchase(currency=978, amount_minor=1_000), rates=[rate])
    assert failed == (set() if billed_minor else {Check.CURRENCY_NOT_CONVERTED})
    assert intent["billed_minor"] == billed_minor


def test_every_check_is_found_by_some_stage():
    """A bit that nobody sets is no check."""
    assert TABLE.keys() | ELSEWHERE == set(Check)
    assert not TABLE.keys() & ELSEWHERE


@kernel
@pytest.mark.parametrize(
    ("fields", "case"),
    [
        ({"country": 276}, {"control": ControlSet(channels_on=Channel.INTERNATIONAL)}),
        ({"merchant": 6}, {"control": ControlSet(merchants_allowed=frozenset({6, 7}))}),
        ({"currency": 978, "billing_amount_minor": 1_100}, {}),
        ({"expiry_yymm": 3012}, {}),
        ({}, {"card": {"expiry_yymm": 2506}}),
        ({}, {"control": ControlSet(categories_allowed=frozenset({5411}))}),
        ({"merchant": 5}, {"blocks": [(BlockKind.MERCHANT, (6, 0)), (BlockKind.DEVICE, (5, 0))]}),
        ({"card_verification": CheckResult.UNAVAILABLE}, {}),
        ({"transaction_type": KIND.ACCOUNT_STATUS, "amount_minor": 0}, {}),
        ({"transaction_type": KIND.PURCHASE_CASHBACK, "cashback_amount_minor": 1_000}, {}),
        ({"transaction_type": KIND.CASH_WITHDRAWAL, "country": 276}, {"channels": EVERYWHERE}),
    ],
)
def test_a_check_passes_where_its_fact_is_as_it_should_be(fields, case):
    """The other side of the table."""
    assert checks_of(purchase(**fields), **case)[0] == set()


@kernel
@pytest.mark.parametrize(
    "fields",
    [
        {"transaction_type": KIND.ACCOUNT_STATUS, "amount_minor": 1},
        {"cashback_amount_minor": 1},
        {"transaction_type": KIND.PURCHASE_CASHBACK, "cashback_amount_minor": 1_001},
    ],
)
def test_an_amount_is_senseless_when_it_does_not_fit_the_transaction(fields):
    """A status check for money, cash back that was not asked for, or more of it than the whole."""
    assert checks_of(purchase(**fields))[0] == {Check.AMOUNT_SENSELESS}


@kernel
def test_an_intent_holds_every_fact_its_checks_read():
    """So that the journal alone can explain the answer."""
    instant_s = int(datetime(2025, 7, 1, 3, 30, tzinfo=UTC).timestamp())
    request = purchase(transmission_s=instant_s, currency=978, billing_amount_minor=1_234, category=7011)
    failed, intent = checks_of(request, card={"flags": CardFlag.SINGLE_USE}, timezone="America/New_York")
    assert failed == set()
    assert (intent["card_row"], intent["account_number"], intent["controls"]) == (0, 100, 1)
    assert (intent["billed_minor"], intent["billing_currency"]) == (1_234, 840)
    assert intent["day_id"] == (datetime(2025, 6, 30, tzinfo=UTC).timestamp()) // 86_400
    assert intent["month_id"] == (2025 - 1970) * 12 + 5
    assert intent["hold_s"] == 30 * 86_400
    assert intent["card_flags"] == CardFlag.SINGLE_USE
    assert checks_of(purchase())[1]["hold_s"] == 7 * 86_400


@kernel
def test_a_line_in_shadow_is_noted_by_its_list_and_blocks_nothing():
    """Beside one that is live: each list has its name's number, and counts for itself."""
    failed, intent = checks_of(
        purchase(merchant=5, device=6, ip=[[7, 8]]),
        blocks=[(BlockKind.DEVICE, (6, 0)), (BlockKind.MERCHANT, (4, 0))],
        blocks_shadow=[(BlockKind.MERCHANT, (5, 0)), (BlockKind.CARD, (1_000, 7)), (BlockKind.IP, (8, 7))],
    )
    assert failed == {Check.BLOCKED_DEVICE}
    assert intent["rules_shadowed"].tolist() == [BlockKind.MERCHANT, BlockKind.CARD, 0, 0]


@kernel
def test_an_intent_names_the_limit_set_of_its_card_or_else_of_its_programme():
    """The number by which the limits are looked up, and explained later."""
    assert checks_of(purchase())[1]["limit_set"] == 1
    assert checks_of(purchase(), card={"limits": 9})[1]["limit_set"] == 9


@kernel
def test_a_card_expires_with_the_end_of_its_month_where_it_is_used():
    """In the programme's time zone."""
    last_s = int(datetime(2025, 6, 30, 23, 59, 59, tzinfo=UTC).timestamp())
    good = {"card": {"expiry_yymm": 2506}}
    assert checks_of(purchase(transmission_s=last_s), **good)[0] == set()
    assert checks_of(purchase(transmission_s=last_s + 1), **good)[0] == {Check.CARD_EXPIRED}
    later = checks_of(purchase(transmission_s=last_s + 1), timezone="America/New_York", **good)
    assert later[0] == set()
