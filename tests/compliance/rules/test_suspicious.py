"""The travel rule, suspicion by who and where, sanctions."""

from datetime import date

import pytest

from compliance.facts import Direction, Kind, Party, PartyRole
from compliance.results import DutyKind, Hit, Severity, Tier
from compliance.rules.assess import assess
from compliance.rules.policy import RulesPolicy
from tests.compliance.rules.dossiers import COUNTRIES, CUSTOMER, dossier, duties_of, rules_of

POLICY = RulesPolicy()
PAYEE = Party(
    PartyRole.COUNTERPARTY, "Bo Other", "US", address="1 Elm St", account="123", bank_id="021000021"
)
HOLDER = Party(PartyRole.CUSTOMER, CUSTOMER.name, "US", CUSTOMER.birth_date)
HIT = Hit(
    PartyRole.COUNTERPARTY, "ofac_sdn", "42", "SOMEBODY", "SOMEBODY", "SDGT", 0.97, True, (), (), "2026-01-01"
)


def wire(usd, kind=Kind.WIRE, direction=Direction.OUT, **named):
    """A wire with every field."""
    given = {"parties": (HOLDER, PAYEE), "holder_address": "2 Oak St", **named}
    return assess(dossier(usd, kind, direction, **given), (), POLICY, COUNTRIES)


@pytest.mark.parametrize(("usd", "found"), [(2_999.99, False), (3_000.00, True)])
@pytest.mark.parametrize("kind", [Kind.WIRE, Kind.SWIFT])
def test_the_travel_rule_holds_from_3_000_on(kind, usd, found):
    """At the amount itself too: 31 CFR 1010.410(f) says or more."""
    assert ("travel_rule" in duties_of(wire(usd, kind))) is found


@pytest.mark.parametrize("kind", [Kind.ACH, Kind.RTP, Kind.CARD, Kind.CASH_DEPOSIT, Kind.INTERNAL])
def test_the_travel_rule_asks_nothing_of_what_is_no_wire(kind):
    """ACH and cards are no transmittals of funds."""
    assert "travel_rule" not in duties_of(wire(5_000, kind))


def test_the_travel_rule_names_what_is_missing():
    """Complete, it is for information."""
    complete = wire(3_000).findings[0]
    assert (complete.facts["missing"], complete.severity) == ([], Severity.INFO)
    bare = Party(PartyRole.COUNTERPARTY, "Bo Other")
    finding = wire(3_000, parties=(HOLDER, bare), holder_address=" ").findings[0]
    assert finding.facts["missing"] == [
        "holder address",
        "counterparty account",
        "counterparty bank",
        "counterparty address",
    ]
    assert finding.severity is Severity.MEDIUM
    received = wire(3_000, direction=Direction.IN, holder_address="").findings[0]
    assert received.facts["missing"] == []


@pytest.mark.parametrize(
    ("usd", "rating", "due"),
    [(100_000.00, "high", False), (100_000.01, "high", True), (100_000.01, "medium", False)],
)
def test_more_than_100_000_is_suspicious_when_the_customer_is_rated_high(usd, rating, due):
    """Only over it, and only then."""
    found = wire(usd, customer={"risk_rating": rating})
    assert ("sar" in duties_of(found)) is due


@pytest.mark.parametrize(
    ("usd", "country", "is_exposed", "due"),
    [
        (4_999.99, "MM", True, False),
        (5_000.00, "MM", True, True),
        (5_000.00, "IR", True, True),
        (5_000.00, "DE", True, False),
        (5_000.00, "MM", False, False),
    ],
)
def test_5_000_by_an_exposed_person_is_suspicious_when_it_goes_to_a_high_risk_country(
    usd, country, is_exposed, due
):
    """At the amount itself too."""
    found = wire(usd, country=country, customer={"politically_exposed": is_exposed})
    assert ("sar" in duties_of(found)) is due


def test_nothing_is_due_for_a_plain_5_000():
    """An amount alone is not suspicious."""
    assert duties_of(assess(dossier(5_000), (), POLICY, COUNTRIES)) == []


def test_a_true_match_blocks_and_starts_the_clock_of_ten_business_days():
    """The tier is HIGH; no name is told."""
    found = assess(dossier(10), [HIT], POLICY, COUNTRIES)
    assert duties_of(found)[:2] == ["block", "blocked_property_report"]
    assert next(d.due for d in found.duties if d.kind is DutyKind.BLOCKED_PROPERTY_REPORT) == date(
        2026, 3, 25
    )
    assert found.tier is Tier.HIGH
    assert "SOMEBODY" not in repr(found)


def test_a_possible_match_and_a_sanctioned_country_are_reviewed_not_blocked():
    """Somebody looks."""
    possible = Hit(
        *(False if name == "is_match" else getattr(HIT, name) for name in Hit.__dataclass_fields__)
    )
    assert duties_of(assess(dossier(10), [possible], POLICY, COUNTRIES)) == ["sanctions_review"]
    found = assess(dossier(10, Kind.CARD, country="IR"), (), POLICY, COUNTRIES)
    assert duties_of(found) == ["sanctions_review", "review"]
    assert rules_of(found) == ["sanctioned_country"]


def test_a_consumers_transfer_abroad_is_a_remittance_over_15_dollars():
    """For information: 12 CFR 1005.30(e)."""
    assert "remittance_transfer" in rules_of(wire(15.01, country="DE"))
    assert "remittance_transfer" not in rules_of(wire(15.00, country="DE"))
    assert "remittance_transfer" not in rules_of(wire(500, country="US"))
