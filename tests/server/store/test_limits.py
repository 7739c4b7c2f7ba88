"""What a limit, and a line of a block list, may be."""

from dataclasses import replace

import pytest

from server.core.record import digest, ip_pair, merchant_digest
from server.store.blocks import block_value
from server.store.limits import NewLimit, default_name
from server.store.postgres import StoreError

GOOD = NewLimit(measure="count", window="1h", ceiling=1)


@pytest.mark.parametrize(
    ("fields", "fault"),
    [
        ({"measure": "speed"}, "measure: 'speed' is none of count, amount, merchants"),
        ({"window": "2h"}, "window: '2h' is none of 10s, 1m"),
        ({"subject": "shop"}, "subject: 'shop' is none of card, account"),
        ({"of": "refunds"}, "of: 'refunds' is none of approvals, attempts, declines"),
        ({"state": "maybe"}, "state: 'maybe' is none of draft, shadow, live"),
        ({"name": "Big!"}, "name: 'Big!' is not up to 40 small letters"),
        ({"name": "a" * 41}, "is not up to 40 small letters"),
        ({"ceiling": 0}, "ceiling: of count it is 1 to 65534, not 0"),
        ({"ceiling": 65_535}, "ceiling: of count it is 1 to 65534, not 65535"),
        ({"measure": "amount", "ceiling": 1 << 48}, "ceiling: of amount it is 1 to"),
        ({"measure": "countries", "of": "attempts", "ceiling": 16}, "ceiling: of countries it is 1 to 15, not 16"),
        ({"measure": "countries"}, "of: countries are told apart among attempts only"),
        ({"measure": "cards", "of": "attempts"}, "measure: a card has one of its own cards"),
        ({"measure": "merchants", "of": "attempts", "subject": "merchant"}, "a merchant has one of its own merchants"),
        ({"measure": "amount", "of": "declines"}, "measure: of declines only the count is kept"),
        ({"window": "day"}, "window: day is for amounts of approvals only"),
        ({"window": "day", "measure": "amount", "of": "attempts"}, "window: day is for amounts of approvals only"),
        ({"window": "day", "measure": "amount", "subject": "ip"}, "a day and a month are a card's or an account's"),
        ({"window": "transaction", "measure": "amount", "subject": "account"}, "a transaction is a card's"),
    ],
)  # fmt: skip
def test_a_limit_that_cannot_be_says_which_field_and_what_is_allowed(fields, fault):
    """One field is wrong, it is named."""
    assert fault in replace(GOOD, **fields).fault()


@pytest.mark.parametrize(
    ("fields", "name"),
    [
        ({}, "count_1h"),
        ({"measure": "amount", "window": "transaction"}, "amount_transaction"),
        ({"measure": "amount", "window": "month", "subject": "account"}, "account_amount_month"),
        ({"of": "declines", "window": "10s"}, "declines_count_10s"),
        ({"measure": "cards", "of": "attempts", "subject": "ip", "window": "31d"}, "ip_attempts_cards_31d"),
        ({"ceiling": None}, "count_1h"),
    ],
)
def test_a_limit_that_can_be_is_called_by_what_it_measures(fields, name):
    """As limits of cards' approvals were always called."""
    limit = replace(GOOD, **fields)
    assert limit.fault() == "" and default_name(limit) == name


@pytest.mark.parametrize(
    ("kind", "text", "value"),
    [
        ("merchant", "123456/SHOP1", (merchant_digest(b"123456", b"SHOP1"), 0)),
        ("device", "a phone", (digest(b"a phone"), 0)),
        ("device", "0x00ff", (digest(bytes([0, 255])), 0)),
        ("ip", "198.51.100.7", ip_pair("198.51.100.7")),
        ("ip", "2001:db8::7", ip_pair("2001:db8::7")),
        ("country", "826", (826, 0)),
        ("card", "card_0000000000000001000000000000000f", (15, 1)),
    ],
)
def test_a_line_compares_with_what_requests_carry(kind, text, value):
    """Digests, addresses, numbers, the card's id."""
    assert block_value(kind, text) == value


@pytest.mark.parametrize(
    ("kind", "text", "complaint"),
    [
        ("shop", "x", "kind: 'shop' is none of merchant, device, ip, country, card"),
        ("merchant", "SHOP1", "merchant: 'SHOP1' is not ACQUIRER/MERCHANT"),
        ("merchant", "123456/", "merchant: its id has 1 to 15 characters"),
        ("merchant", "123456789012/SHOP1", "is not ACQUIRER/MERCHANT"),
        ("device", "0xzz", "device: after 0x come hexadecimal digits"),
        ("device", "x" * 33, "device: a fingerprint has 1 to 32 bytes, not 33"),
        ("ip", "300.1.1.1", "ip: '300.1.1.1' is no address"),
        ("country", "GB", "country: 'GB' is no ISO 3166-1 country"),
        ("card", "card_1", "card: 'card_1' is no token"),
    ],
)
def test_a_line_that_names_nothing_says_what_is_allowed(kind, text, complaint):
    """Of its kind."""
    with pytest.raises(StoreError, match=complaint):
        block_value(kind, text)
