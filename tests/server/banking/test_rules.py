"""The rules beside the money: identifiers, records, review, states."""

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.banking.identifiers import is_bic, is_iban, is_routing_number
from server.banking.records import missing
from server.banking.review import Question, RuleTable
from server.banking.states import ARROWS, UNDER_WAY, State
from server.store.transfers import Details


@pytest.mark.parametrize(
    ("check", "good", "bad"),
    [
        (
            is_routing_number,
            ["021000021", "011401533", "091000019"],
            ["021000022", "000000000", "02100002", "", "02100002a"],
        ),
        (
            is_bic,
            ["DEUTDEFF", "DEUTDEFF500", "NEDSZAJJXXX"],
            ["DEUTDEF", "deutdeff", "DEUTDEFF5", "D3UTDEFF", ""],
        ),
        (
            is_iban,
            [
                "DE89370400440532013000",
                "GB29NWBK60161331926819",
                "NO9386011117947",
                "MT84MALT011000012345MTLCAST001S",
            ],
            [
                "DE89370400440532013001",
                "DE8937040044053201300",
                "de89370400440532013000",
                "US12345678",
                "XX00",
                "",
            ],
        ),
    ],
)
def test_identifiers_are_told_from_slips_of_the_pen(check, good, bad):
    """Examples of their standards, and what is near them."""
    assert [text for text in good if not check(text)] == []
    assert [text for text in bad if check(text)] == []


@given(st.integers(2, 21), st.sampled_from(string.digits))
def test_an_iban_with_one_changed_digit_is_none(place, other):
    """What MOD 97-10 promises; a letter in a digit's place is two digits to it."""
    good = "DE89370400440532013000"
    changed = good[:place] + other + good[place + 1 :]
    assert changed == good or not is_iban(changed)


def test_records_are_wanted_from_the_thresholds_of_the_rules_on():
    """$3,000 is within the travel rule; $10,000 in cash is not yet above; what nobody can price may be anything."""
    nothing = Details(purpose="x")
    assert missing("wire", 299_999, nothing) == []
    assert [bad.field for bad in missing("wire", 300_000, nothing)] == [
        "holder_address",
        "counterparty.name",
        "counterparty.address",
    ]
    assert missing("ach", 10**9, nothing) == []
    assert missing("cash_deposit", 1_000_000, nothing) == []
    assert len(missing("cash_withdrawal", 1_000_001, nothing)) == 6
    assert missing("swift", None, nothing) != []


@pytest.mark.parametrize(
    ("kind", "usd_minor", "country", "reasons"),
    [
        ("wire", 1_000_000, 840, ()),
        ("wire", 1_000_001, 840, ("amount_above_1000000_usd_minor",)),
        ("internal", None, 0, ("worth_unknown",)),
        ("swift", 1, 364, ("country_364",)),
        ("swift", 2_000_000, 408, ("country_408", "amount_above_1000000_usd_minor")),
    ],
)
def test_the_rule_table_says_why_a_transfer_waits(kind, usd_minor, country, reasons):
    """Every reason, not only the first."""
    assert RuleTable().reasons(Question(kind, "out", 1, None, usd_minor, country, "")) == reasons


def test_the_states_that_are_under_way_are_those_that_the_ledger_moves():
    """Whoever rests is moved by a person; the ends by nobody."""
    assert {state for state, after in ARROWS.items() if len(after) > 1 or state in UNDER_WAY} == UNDER_WAY
    assert set(ARROWS) == set(State)
