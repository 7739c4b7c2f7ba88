"""Suspicious by who and where: a high-rated customer's large amount, an exposed person's risky destination."""

from typing import Final

from compliance.facts import Direction, Dossier
from compliance.results import Finding, Severity
from compliance.rules.countries import CountryTable
from compliance.rules.policy import RulesPolicy, reaches, worth
from compliance.rules.wording import dollars

_CITATION: Final = "31 CFR 1020.320"


def high_rated(dossier: Dossier, policy: RulesPolicy) -> list[Finding]:
    """More than 100,000 by a customer who is rated high: 31 CFR 1020.320(a)(2)."""
    usd_minor = worth(dossier.subject)
    if (
        dossier.customer.risk_rating != "high"
        or usd_minor is None
        or usd_minor <= policy.high_rated_over_usd_minor
    ):
        return []
    return [
        Finding(
            "high_rated",
            Severity.HIGH,
            _CITATION,
            f"{dollars(usd_minor)} by a customer rated high, over {dollars(policy.high_rated_over_usd_minor)}.",
            {"total_usd_minor": usd_minor, "risk_rating": "high"},
            (dossier.subject.source_id,),
        )
    ]


def exposed_destination(dossier: Dossier, policy: RulesPolicy, countries: CountryTable) -> list[Finding]:
    """5,000 and more from a politically exposed person to a high-risk country: 31 CFR 1020.320(a)(2)."""
    subject = dossier.subject
    usd_minor = worth(subject)
    if (
        not dossier.customer.politically_exposed
        or subject.direction != Direction.OUT
        or usd_minor is None
        or not reaches(usd_minor, policy.suspicious_from_usd_minor)
    ):
        return []
    listed = countries.listed(subject.country)
    if listed is None:
        return []
    return [
        Finding(
            "exposed_destination",
            Severity.HIGH,
            _CITATION,
            f"{dollars(usd_minor)} by a politically exposed person to {listed.country},"
            f" {listed.status.replace('_', ' ')} by {listed.source} of {listed.as_of.isoformat()}.",
            {"total_usd_minor": usd_minor, "country": listed.country, "source": listed.source},
            (subject.source_id,),
        )
    ]
