"""All that rules say of a dossier: one visible list."""

from collections.abc import Sequence
from zoneinfo import ZoneInfo

from compliance.facts import Dossier, Source
from compliance.results import Assessment, Finding, Hit
from compliance.rules import (
    activity,
    currency,
    cycles,
    disclosures,
    duties,
    patterns,
    risk,
    sanctions,
    structuring,
    suspicious,
    travel_rule,
)
from compliance.rules.countries import CountryTable
from compliance.rules.policy import RulesPolicy


def assess(dossier: Dossier, hits: Sequence[Hit], policy: RulesPolicy, countries: CountryTable) -> Assessment:
    """Risk, findings and duties. Pure: the same facts make the same assessment."""
    factors = risk.factors(dossier, countries)
    points = risk.points(dossier, hits, policy, countries)
    reasons = risk.review_reasons(dossier, policy, countries)
    findings = find(dossier, hits, policy, countries)
    return Assessment(
        composite=risk.composite(factors),
        factors=factors,
        tier=risk.tier_of(points, policy),
        points=points,
        review_reasons=reasons,
        findings=findings,
        duties=duties.duties(dossier, findings, reasons, policy),
    )


def find(
    dossier: Dossier, hits: Sequence[Hit], policy: RulesPolicy, countries: CountryTable
) -> tuple[Finding, ...]:
    """Every rule in its order. Where no money moves (a customer who is on a list), only sanctions are asked."""
    found = sanctions.sanctions(dossier, hits, countries)
    if not dossier.subject.amount_minor or dossier.subject.source not in {
        Source.AUTHORIZATION,
        Source.TRANSFER,
    }:
        return tuple(found)
    zone = ZoneInfo(policy.business_zone)
    cash = currency.cash_of(dossier)
    moved = patterns.transfers_of(dossier)
    return (
        *found,
        *currency.currency_report(dossier, cash, policy, zone),
        *structuring.structuring(dossier, cash, policy, zone),
        *travel_rule.travel_rule(dossier, policy),
        *suspicious.high_rated(dossier, policy),
        *suspicious.exposed_destination(dossier, policy, countries),
        *patterns.rapid_movement(dossier, moved, policy),
        *patterns.round_trip(dossier, moved, policy),
        *cycles.cycle(dossier, policy),
        *patterns.fan_in(dossier, moved, policy),
        *patterns.fan_out(dossier, moved, policy),
        *activity.dormant(dossier, policy),
        *activity.unusual(dossier, policy),
        *disclosures.remittance(dossier),
    )
