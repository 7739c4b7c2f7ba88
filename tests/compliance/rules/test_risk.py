"""Risk on two scales, and why a review is mandatory."""

from datetime import timedelta

import pytest

from compliance.facts import Flag, Kind, Usual
from compliance.results import Tier
from compliance.rules.assess import assess
from compliance.rules.policy import RulesPolicy
from tests.compliance.rules.dossiers import COUNTRIES, NOON, dossier, duties_of

POLICY = RulesPolicy()


def assessed(*args, **named):
    """An assessment without hits."""
    return assess(dossier(*args, **named), (), POLICY, COUNTRIES)


def test_weights_of_the_composite_are_40_35_25_always():
    """Each factor is shown with its value and weight."""
    found = assessed()
    shares = {}
    for factor in found.factors:
        part = factor.name.split(".")[0]
        shares[part] = round(shares.get(part, 0.0) + factor.weight, 6)
        assert 0 <= factor.value <= 100
    assert shares == {"transaction": 0.40, "customer": 0.35, "relationship": 0.25}
    assert found.composite == round(sum(f.value * f.weight for f in found.factors), 1)


def test_composite_grows_with_amount_and_channel_when_all_else_is_equal():
    """On a logarithmic amount; a wire above ACH above a card."""
    assert assessed(100).composite < assessed(10_000).composite < assessed(1_000_000).composite
    card, ach, wire = (assessed(100, kind).composite for kind in (Kind.CARD, Kind.ACH, Kind.WIRE))
    assert card < ach < wire


def test_composite_is_100_at_most_when_everything_is_at_its_worst():
    """And near nothing for a quiet customer's small payment."""
    worst = assessed(
        5_000_000,
        Kind.SWIFT,
        country="IR",
        limits_passed=("per day",),
        usual=Usual(),
        customer={
            "risk_rating": "high",
            "politically_exposed": True,
            "industry": "713210",
            "kyc_state": "failed",
            "since": NOON,
        },
    )
    assert worst.composite == 100.0
    assert assessed(1, Kind.CARD).composite < 10


@pytest.mark.parametrize(
    ("usd", "customer", "country", "points", "tier"),
    [
        (50_000.00, {}, "US", 0, Tier.LOW),
        (50_000.01, {}, "US", 1, Tier.LOW),
        (100_000.00, {}, "US", 1, Tier.LOW),
        (100_000.01, {}, "US", 2, Tier.MEDIUM),
        (1.00, {"politically_exposed": True}, "US", 2, Tier.MEDIUM),
        (1.00, {}, "MM", 1.5, Tier.LOW),
        (50_000.01, {}, "MM", 2.5, Tier.MEDIUM),
        (1.00, {"politically_exposed": True}, "MM", 3.5, Tier.MEDIUM),
        (100_000.01, {}, "MM", 3.5, Tier.MEDIUM),
        (100_000.01, {"politically_exposed": True}, "US", 4, Tier.HIGH),
        (50_000.01, {"politically_exposed": True}, "IR", 4.5, Tier.HIGH),
    ],
)
def test_tier_is_counted_by_points_at_each_boundary(usd, customer, country, points, tier):
    """Over 100,000 two, over 50,000 one; PEP two; high-risk country one and a half; HIGH from 4, MEDIUM from 2."""
    found = assessed(usd, customer=customer, country=country)
    assert sum(point.points for point in found.points) == points
    assert found.tier is tier


@pytest.mark.parametrize(
    ("named", "reason"),
    [
        ({"usd": 50_000.01}, "amount over $50,000.00"),
        ({"usd": 50_000.00}, None),
        ({"score": 0.7}, None),
        ({"score": 0.7000001}, "score over 0.7"),
        ({"customer": {"politically_exposed": True}}, "politically exposed person"),
        ({"country": "MM"}, "high-risk country: MM"),
        ({"customer": {"country": "IR"}}, "high-risk country: IR"),
        ({"country": "DE"}, None),
        ({"customer": {"kyc_state": "pending"}}, "KYC not complete: pending"),
        ({"customer": {"kyc_state": "failed"}}, "KYC not complete: failed"),
        ({"usd": None, "currency": "XAU"}, "worth in US dollars not known: no rate for XAU"),
        ({"flags": (Flag.BY_HAND,)}, "asked for by hand"),
    ],
)
def test_a_review_is_mandatory_for_each_reason_alone(named, reason):
    """And the duty to review goes with it."""
    found = assessed(**named)
    assert found.review_reasons == (() if reason is None else (reason,))
    assert ("review" in duties_of(found)) is (reason is not None)


@pytest.mark.parametrize(
    ("usd", "is_exposed", "due"), [(50_000.00, False, False), (50_000.01, False, True), (1.00, True, True)]
)
def test_enhanced_due_diligence_is_due_over_50_000_or_for_an_exposed_person(usd, is_exposed, due):
    """Both sides of the boundary."""
    found = assessed(usd, customer={"politically_exposed": is_exposed})
    assert ("enhanced_due_diligence" in duties_of(found)) is due


def test_tenure_weighs_less_the_longer_somebody_is_a_customer():
    """Nothing from five years on."""

    def tenure(days):
        found = assessed(customer={"since": NOON - timedelta(days=days)})
        return next(f.value for f in found.factors if f.name == "relationship.tenure")

    assert tenure(0) == 100 > tenure(365) > tenure(1_000) > tenure(5 * 365) == 0
