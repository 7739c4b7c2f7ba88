"""Cards, accounts, customers, programmes and block lists as PostgreSQL has them: a running server obeys each change."""

import time

import pytest

from holdfast.v1 import authorization_pb2 as pb
from server.core.record import digest, ip_pair, merchant_digest
from server.store.postgres import EmbeddedPostgres
from tests.end_to_end.callers import funded_minor, purchase, reversal
from tests.end_to_end.serving import execute

EFFECT_TIMEOUT_S = 30.0
_CARD = "UPDATE cards SET {change} WHERE number = {card}"
_ACCOUNT = (
    "UPDATE accounts SET {change} WHERE number = (SELECT account_number FROM cards WHERE number = {card})"
)
_CUSTOMER = (
    "UPDATE customers SET {change} WHERE number = (SELECT customer_number FROM accounts JOIN cards "
    "ON cards.account_number = accounts.number WHERE cards.number = {card})"
)
_CONTROLS = "INSERT INTO card_controls (card_number, {column}) VALUES ({card}, {value})"
_PROGRAMME = """
    INSERT INTO programmes (number, name, currency, country, timezone, decline_threshold)
    SELECT max(number) + 1, 'only {card}', 840, 840, 'America/New_York', 1 FROM programmes;
    INSERT INTO limits (programme, name, measure, period, ceiling)
    SELECT max(number), '{measure}_{period}', '{measure}', '{period}', {ceiling} FROM programmes;
    UPDATE cards SET programme = (SELECT max(number) FROM programmes) WHERE number = {card};
"""


@pytest.fixture
def obeyed(server, caller):
    """Changes PostgreSQL, and returns the first answer that has `reason` among its reasons, or this `code`."""
    url = EmbeddedPostgres(server.home).url

    def change(sql, asked, reason=None, *, code=None):
        execute(url, sql)
        until_s = time.monotonic() + EFFECT_TIMEOUT_S
        while True:
            answer = caller.authorize(asked())
            if reason in answer.reasons or answer.response_code == code:
                return answer
            assert time.monotonic() < until_s, f"{sql} was never obeyed: {answer}"

    return change


@pytest.mark.parametrize(
    ("sql", "changes", "code", "reason"),
    [
        (_CARD.format(change="state = 'frozen'", card="{card}"), {}, "78", "card_frozen"),
        (_CARD.format(change="state = 'inactive'", card="{card}"), {}, "78", "card_inactive"),
        (_CARD.format(change="state = 'lost'", card="{card}"), {}, "41", "card_lost"),
        (_CARD.format(change="state = 'stolen'", card="{card}"), {}, "43", "card_stolen"),
        (_CARD.format(change="state = 'closed'", card="{card}"), {}, "46", "card_closed"),
        (_CARD.format(change="expiry_yymm = 2001", card="{card}"), {"expiry_yymm": 0}, "54", "card_expired"),
        (
            _CARD.format(change="pin_blocked = true", card="{card}"),
            {"pin_verification": pb.CHECK_RESULT_MATCH},
            "75",
            "pin_tries",
        ),
        (_ACCOUNT.format(change="state = 'closed'", card="{card}"), {}, "46", "account_closed"),
        (_CUSTOMER.format(change="compliance_block = true", card="{card}"), {}, "59", "compliance_block"),
        (
            _CUSTOMER.format(change="politically_exposed = true", card="{card}"),
            {},
            "00",
            "politically_exposed",
        ),
        (_CUSTOMER.format(change="kyc_state = 'pending'", card="{card}"), {}, "00", "kyc_incomplete"),
        (
            _CONTROLS.format(column="channels_off", value="'{{contactless}}'", card="{card}"),
            {"entry_mode": pb.ENTRY_MODE_CONTACTLESS},
            "62",
            "channel_contactless",
        ),
        (
            _CONTROLS.format(column="channels_off", value="'{{ecommerce}}'", card="{card}"),
            {"entry_mode": pb.ENTRY_MODE_CREDENTIAL_ON_FILE, "card_present": False},
            "62",
            "channel_ecommerce",
        ),
        (
            _CONTROLS.format(column="channels_off", value="'{{cash}}'", card="{card}"),
            {"transaction_type": pb.TRANSACTION_TYPE_CASH_WITHDRAWAL},
            "62",
            "channel_cash",
        ),
        (
            _CONTROLS.format(column="categories_blocked", value="'{{5411}}'", card="{card}"),
            {},
            "62",
            "category",
        ),
        (
            _CONTROLS.format(column="categories_allowed", value="'{{5812}}'", card="{card}"),
            {},
            "62",
            "category",
        ),
        (_CONTROLS.format(column="countries_blocked", value="'{{840}}'", card="{card}"), {}, "62", "country"),
        (_CONTROLS.format(column="hours_allowed", value="0", card="{card}"), {}, "62", "hour"),
        (
            _CONTROLS.format(column="merchants_allowed", value="'{{1}}'", card="{card}"),
            {},
            "62",
            "merchant_lock",
        ),
    ],
)
def test_change_of_card_account_or_customer_is_obeyed(obeyed, card, sql, changes, code, reason):
    """Each state and switch has its answer, without a restart."""
    answer = obeyed(sql.format(card=card), lambda: purchase(card, 1, **changes), reason)
    assert answer.response_code == code, answer


def test_card_switched_on_for_abroad_is_approved_abroad(obeyed, caller, card):
    """A card's own switch goes before its programme's."""

    def abroad():
        request = purchase(card, 100)
        request.merchant.country = "GB"
        return request

    assert caller.authorize(abroad()).response_code == "62"
    sql = _CONTROLS.format(column="channels_on", value="'{international}'", card=card)
    assert obeyed(sql, abroad, code="00").response_code == "00"


def sixteen(low, high=0):
    """A block list's value as SQL."""
    return f"'\\x{low.to_bytes(8, 'little').hex()}{high.to_bytes(8, 'little').hex()}'::bytea"


def test_block_lists_are_obeyed_and_lifted(obeyed, card):
    """A merchant, a device and an address that are blocked answer 62, until they are lifted."""
    insert = "INSERT INTO block_entries (kind, value) VALUES ('{kind}', {value})"
    lift = "UPDATE block_entries SET state = 'lifted' WHERE kind = '{kind}'"

    def suspicious():
        request = purchase(
            card,
            1,
            entry_mode=pb.ENTRY_MODE_ECOMMERCE,
            card_present=False,
            device_fingerprint=b"bad device",
            ip_address="198.51.100.66",
            cardholder_authentication=pb.CHECK_RESULT_MATCH,
        )
        request.merchant.merchant_id = "BADMERCHANT"
        return request

    blocked = {
        "merchant": sixteen(merchant_digest(b"123456", b"BADMERCHANT")),
        "device": sixteen(digest(b"bad device")),
        "ip": sixteen(*ip_pair("198.51.100.66")),
    }
    for kind, value in blocked.items():
        answer = obeyed(insert.format(kind=kind, value=value), suspicious, f"blocked_{kind}")
        assert answer.response_code == "62"
    for kind in blocked:
        obeyed(lift.format(kind=kind), lambda: purchase(card, 1), code="00")
    assert obeyed("SELECT 1", suspicious, code="00").response_code == "00"


def test_single_use_card_is_good_for_one_approval(obeyed, caller, link, card):
    """Declines don't use it; of purchases at once one is approved; its reversal gives the use back."""
    frozen = _CARD.format(change="single_use = true, state = 'frozen'", card=card)
    obeyed(frozen, lambda: purchase(card, 1), "card_frozen")
    thaw(obeyed, card)
    requests = {k: purchase(card, 100) for k in range(1, 21)}
    link.send_all(requests)
    codes = {k: answer.authorize.response_code for k, answer in link.answers(20).items()}
    assert sorted(codes.values()) == ["00"] + ["65"] * 19
    used = next(requests[k] for k, code in codes.items() if code == "00")
    assert caller.reverse(reversal(used)).released_minor == 100
    assert [caller.authorize(purchase(card, 100)).response_code for _ in range(2)] == ["00", "65"]


def thaw(obeyed, card):
    """Waits for a thaw by requests with a wrong expiry: what the card is frozen for goes first (78), so 54 says it."""
    active = _CARD.format(change="state = 'active'", card=card)
    obeyed(active, lambda: purchase(card, 100, expiry_yymm=3011), code="54")


@pytest.mark.parametrize(
    ("measure", "period", "ceiling", "code", "reason", "approved"),
    [
        ("count", "1m", 3, "65", "limit_frequency", 3),
        ("amount", "1h", 350, "61", "limit_amount", 3),
        ("amount", "day", 500, "61", "limit_amount", 5),
        ("amount", "month", 499, "61", "limit_amount", 4),
        ("amount", "transaction", 99, "61", "limit_amount", 0),
    ],
)
def test_limit_is_never_passed_by_purchases_at_once(
    obeyed, caller, link, card, measure, period, ceiling, code, reason, approved
):
    """As many purchases of 1.00 are approved as the limit allows, however many race; a reversal gives one back."""
    sql = _PROGRAMME.format(measure=measure, period=period, ceiling=ceiling, card=card)
    obeyed(
        sql + "; " + _CARD.format(change="state = 'frozen'", card=card),
        lambda: purchase(card, 100, expiry_yymm=3011),
        "card_frozen",
    )
    thaw(obeyed, card)
    requests = {k: purchase(card, 100) for k in range(1, 31)}
    link.send_all(requests)
    answers = {k: answer.authorize for k, answer in link.answers(30).items()}
    good = [k for k, answer in answers.items() if answer.response_code == "00"]
    assert len(good) == approved
    refused = [answer for k, answer in answers.items() if k not in good]
    assert {answer.response_code for answer in refused} == {code}
    assert all(reason in answer.reasons for answer in refused)
    assert caller.available_minor(card) == funded_minor(card) - 100 * approved
    if good:
        assert caller.reverse(reversal(requests[good[0]])).released_minor == 100
        assert caller.authorize(purchase(card, 100)).response_code == "00"
        assert caller.authorize(purchase(card, 100)).response_code == code
