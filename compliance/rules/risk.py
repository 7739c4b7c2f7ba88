"""Risk, on two scales: a composite of weighted factors, and a tier by points. And why a review is mandatory."""

import math
from collections.abc import Sequence
from datetime import timedelta
from typing import Final

from compliance.facts import Dossier, Flag, Kind, PartyRole
from compliance.results import Factor, Hit, Point, Tier
from compliance.rules.countries import CountryTable
from compliance.rules.policy import RulesPolicy, passes, worth
from compliance.rules.wording import dollars

_LOG_FULL: Final = math.log10(1_000_000)  # dollars at which an amount weighs 100
_YEAR: Final = timedelta(days=365)
_CHANNELS: Final = {
    Kind.SWIFT: 100.0,
    Kind.WIRE: 90.0,
    Kind.CASH_DEPOSIT: 80.0,
    Kind.CASH_WITHDRAWAL: 80.0,
    Kind.ACH: 50.0,
    Kind.RTP: 50.0,
    Kind.INTERNAL: 30.0,
    Kind.CARD: 20.0,
}
_RATINGS: Final = {"low": 0.0, "medium": 50.0, "high": 100.0}
_KYC: Final = {"verified": 0.0, "pending": 60.0, "failed": 100.0}
_CASH_INDUSTRIES: Final = {
    "4412": "dealers in boats and vehicles",
    "4483": "jewellers",
    "45831": "jewellers",
    "522": "money services and lending",
    "523": "dealers in securities and commodities",
    "4239": "precious metals and stones",
    "531": "real estate",
    "54119": "notaries, title and settlement",
    "713": "casinos and gambling",
    "7211": "casino hotels",
    "722": "restaurants and bars",
    "8123": "laundries",
    "81293": "parking",
}
"""NAICS prefixes that the FFIEC manual names as cash-intensive or exposed to money laundering."""


def factors(dossier: Dossier, countries: CountryTable) -> tuple[Factor, ...]:
    """
    The parts of the composite; each 0 to 100, weights together 1.

    Transaction 40 % (amount on a logarithmic scale, channel, velocity), customer 35 % (rating, politically exposed,
    industry, geography), relationship 25 % (tenure, history, KYC).
    """
    subject, customer = dossier.subject, dossier.customer
    tenure_years = max(0.0, (subject.at - customer.since) / _YEAR)
    months = dossier.usual.months
    rating = customer.risk_rating
    return (
        _amount(dossier),
        Factor("transaction.channel", _CHANNELS[subject.kind], 0.10, subject.kind.replace("_", " ")),
        _velocity(dossier),
        Factor("customer.rating", _RATINGS.get(rating, 50.0), 0.12, f"rated {rating or 'not'}"),
        Factor(
            "customer.politically_exposed",
            100.0 * customer.politically_exposed,
            0.09,
            "politically exposed" if customer.politically_exposed else "not politically exposed",
        ),
        _industry(customer.industry),
        _geography(dossier, countries),
        Factor(
            "relationship.tenure",
            100.0 * max(0.0, 1 - tenure_years / 5),
            0.10,
            f"customer for {tenure_years:.1f} years; 5 and more weigh nothing",
        ),
        Factor(
            "relationship.history",
            100.0 * max(0.0, 1 - months / 12),
            0.08,
            f"{months:.1f} months of history; 12 weigh nothing",
        ),
        Factor("relationship.kyc", _KYC.get(customer.kyc_state, 100.0), 0.07, f"KYC {customer.kyc_state}"),
    )


def composite(parts: Sequence[Factor]) -> float:
    """0 to 100, one decimal."""
    return round(sum(part.value * part.weight for part in parts), 1)


def points(
    dossier: Dossier, hits: Sequence[Hit], policy: RulesPolicy, countries: CountryTable
) -> tuple[Point, ...]:
    """
    What the tier is counted from.

    Amount over 100,000 two, over 50,000 one; politically exposed two; high-risk (or sanctioned) country one and a half.
    A listed party alone makes HIGH: its property is blocked.
    """
    usd_minor = worth(dossier.subject)
    found = []
    for points_, over in ((2.0, policy.more_points_over_usd_minor), (1.0, policy.points_over_usd_minor)):
        if usd_minor is not None and usd_minor > over:
            found.append(Point("amount", points_, f"{dollars(usd_minor)} is over {dollars(over)}"))
            break
    if dossier.customer.politically_exposed:
        found.append(Point("politically_exposed", 2.0, "the customer is politically exposed"))
    if risky := high_risk(dossier, countries):
        found.append(Point("high_risk_country", 1.5, f"high-risk country {', '.join(risky)}"))
    if any(hit.is_match for hit in hits):
        found.append(Point("listed_party", policy.high_from_points, "a party is on a sanctions list"))
    return tuple(found)


def tier_of(found: Sequence[Point], policy: RulesPolicy) -> Tier:
    """HIGH from four points, MEDIUM from two."""
    total = sum(point.points for point in found)
    if total >= policy.high_from_points:
        return Tier.HIGH
    return Tier.MEDIUM if total >= policy.medium_from_points else Tier.LOW


def review_reasons(dossier: Dossier, policy: RulesPolicy, countries: CountryTable) -> tuple[str, ...]:
    """
    Why somebody must look; empty = nobody must.

    Amounts over 50,000, a score over 0.7, politically exposed, high-risk country, KYC not complete; and what can't be
    left to a rule: an amount whose worth is not known, a transfer that waits, somebody's wish.
    Hits and blocked customers have a duty of their own: SANCTIONS_REVIEW.
    """
    subject, customer = dossier.subject, dossier.customer
    usd_minor = worth(subject)
    reasons = []
    if passes(usd_minor, policy.review_over_usd_minor):
        reasons.append(f"amount over {dollars(policy.review_over_usd_minor)}")
    if usd_minor is None:
        reasons.append(f"worth in US dollars not known: no rate for {subject.currency}")
    if subject.score is not None and subject.score > policy.review_over_score:
        reasons.append(f"score over {policy.review_over_score:g}")
    if customer.politically_exposed:
        reasons.append("politically exposed person")
    if risky := high_risk(dossier, countries):
        reasons.append(f"high-risk country: {', '.join(risky)}")
    if customer.kyc_state != "verified":
        reasons.append(f"KYC not complete: {customer.kyc_state}")
    if Flag.WAITING in subject.flags or subject.state == "pending_review":
        reasons.append("waits for a decision")
    if Flag.BY_HAND in subject.flags:
        reasons.append("asked for by hand")
    return tuple(reasons)


def high_risk(dossier: Dossier, countries: CountryTable) -> tuple[str, ...]:
    """High-risk and sanctioned countries of the other side, its bank and the customer, each once."""
    subject = dossier.subject
    of_parties = (p.country for p in subject.parties if p.role != PartyRole.CONDUCTOR)
    named = dict.fromkeys((subject.country, dossier.customer.country, *of_parties))
    return tuple(country for country in named if countries.is_high_risk(country))


def _amount(dossier: Dossier) -> Factor:
    usd_minor = worth(dossier.subject)
    if usd_minor is None:
        return Factor("transaction.amount", 100.0, 0.20, "worth in US dollars not known")
    value = 100.0 * math.log10(max(1.0, usd_minor / 100)) / _LOG_FULL
    return Factor(
        "transaction.amount",
        round(min(100.0, value), 2),
        0.20,
        f"{dollars(usd_minor)}, on a logarithmic scale",
    )


def _velocity(dossier: Dossier) -> Factor:
    at = dossier.subject.at
    since = at - timedelta(days=1)
    count = sum(since < movement.at <= at for movement in dossier.history)
    if dossier.subject.limits_passed or Flag.VELOCITY in dossier.subject.flags:
        return Factor("transaction.velocity", 100.0, 0.10, "a velocity limit was passed")
    return Factor(
        "transaction.velocity", min(100.0, 10.0 * count), 0.10, f"{count} movements within 24 hours"
    )


def _industry(code: str) -> Factor:
    for prefix, name in _CASH_INDUSTRIES.items():
        if code.startswith(prefix):
            return Factor("customer.industry", 100.0, 0.06, f"NAICS {code}: {name}")
    return Factor("customer.industry", 0.0, 0.06, f"NAICS {code}" if code else "no industry on record")


def _geography(dossier: Dossier, countries: CountryTable) -> Factor:
    risky = high_risk(dossier, countries)
    if any(countries.is_sanctioned(country) for country in risky):
        return Factor("customer.geography", 100.0, 0.08, f"sanctioned country among {', '.join(risky)}")
    if risky:
        return Factor("customer.geography", 80.0, 0.08, f"high-risk country {', '.join(risky)}")
    if dossier.subject.is_cross_border or dossier.customer.country not in {"", "US"}:
        return Factor("customer.geography", 40.0, 0.08, "across the border")
    return Factor("customer.geography", 0.0, 0.08, "domestic")
