"""Dossiers of a quiet customer, changed where a test says so."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from uuid import UUID, uuid5

from compliance.facts import (
    Customer,
    Direction,
    Dossier,
    Kind,
    Movement,
    Party,
    PartyRole,
    Source,
    Subject,
    Usual,
)
from compliance.rules.countries import CountryStatus, CountryTable, Listed

NAMESPACE = UUID(int=5)
NOON = datetime(2026, 3, 11, 16, tzinfo=UTC)
"""A Wednesday, noon in New York."""

COUNTRIES = CountryTable.of(
    [
        Listed("MM", CountryStatus.HIGH_RISK, "FATF: call for action", date(2025, 10, 24)),
        Listed("IR", CountryStatus.HIGH_RISK, "FATF: call for action", date(2025, 10, 24)),
        Listed("IR", CountryStatus.SANCTIONED, "OFAC", date(2025, 10, 24)),
    ]
)
CUSTOMER = Customer(
    number=7,
    name="Ada Quiet",
    birth_date=date(1980, 5, 1),
    country="US",
    industry="",
    risk_rating="low",
    kyc_state="verified",
    politically_exposed=False,
    compliance_block=False,
    since=NOON - timedelta(days=2_000),
    accounts=(70, 71),
)
QUIET = Usual(
    months=12.0,
    month_usd_minor=900_000_00,
    largest_usd_minor=500_000_00,
    count=300,
    last_at=NOON - timedelta(days=2),
    last_30_days_usd_minor=900_000_00,
)
"""So much is usual that nothing is unusual."""

SUBJECT = UUID(int=1)


def movement(name, usd, kind=Kind.ACH, direction=Direction.IN, ago=timedelta(), **others):
    """A movement of the customer, `ago` before the subject."""
    given = {"customer_number": 7, "account_number": 70, "other": f"party:{name}", **others}
    return Movement(uuid5(NAMESPACE, str(name)), NOON - ago, kind, direction, round(usd * 100), **given)


def dossier(
    usd=100.0,
    kind=Kind.ACH,
    direction=Direction.OUT,
    *,
    before=(),
    cash_today=(),
    network=(),
    usual=QUIET,
    customer=None,
    other="party:other",
    branch="",
    conductor="",
    **subject,
):
    """A dossier whose subject moves `usd` dollars; `customer` and `subject` change their fields."""
    who = replace(CUSTOMER, **(customer or {}))
    cents = None if usd is None else round(usd * 100)
    fields = {
        "id": UUID(int=2),
        "source": Source.AUTHORIZATION if kind == Kind.CARD else Source.TRANSFER,
        "source_id": SUBJECT,
        "at": NOON,
        "kind": kind,
        "direction": direction,
        "amount_minor": 1 if cents is None else cents,
        "currency": "USD",
        "usd_minor": cents,
        "account_number": 70,
        "customer_number": 7,
        "country": "US",
        "parties": (Party(PartyRole.CUSTOMER, who.name, who.country, who.birth_date),),
        "branch": branch,
    }
    own = Movement(
        SUBJECT,
        subject.get("at", NOON),
        kind,
        direction,
        cents or 0,
        7,
        70,
        other,
        subject.get("country", "US"),
        branch,
        conductor,
    )
    history = tuple(sorted((*before, own), key=lambda m: m.at))
    return Dossier(
        Subject(**{**fields, **subject}), who, history, tuple(cash_today), tuple(network), usual, NOON
    )


def rules_of(assessment):
    """Names of the findings."""
    return [finding.rule for finding in assessment.findings]


def duties_of(assessment):
    """Names of the duties."""
    return [duty.kind.value for duty in assessment.duties]
