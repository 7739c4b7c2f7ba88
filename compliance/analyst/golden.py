"""Golden cases: dossiers with the duties that the law asks for, written down; and how well an analysis meets them."""

import re
import tomllib
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from importlib.resources import files
from typing import Any, Final
from uuid import UUID

from compliance.analyst.sections import sections_in
from compliance.facts import (
    CASH,
    Customer,
    Direction,
    Dossier,
    Flag,
    Kind,
    Movement,
    Party,
    PartyRole,
    Source,
    Subject,
    Usual,
)
from compliance.results import Analysis, Assessment, Duty, DutyKind, Hit, Passage, Tier
from compliance.rules.assess import assess
from compliance.rules.countries import CountryStatus, CountryTable, Listed
from compliance.rules.policy import RulesPolicy

RIGHT_MIN: Final = 0.85
FALSE_MAX: Final = 0.15
FILES: Final = ("currency", "transfers", "suspicion")
_AT: Final = "2026-11-17T15:00:00Z"
_ACCOUNT: Final = 1001
_CUSTOMER: Final = 17
_COUNTRIES: Final = CountryTable.of(
    Listed(country, status, "golden cases", date(2026, 10, 24), "")
    for status, countries in (
        (CountryStatus.HIGH_RISK, ("IR", "KP", "MM")),
        (CountryStatus.SANCTIONED, ("CU", "IR", "KP")),
    )
    for country in countries
)

Analyse = Callable[[Dossier, Assessment, Sequence[Hit], Sequence[Passage]], Awaitable[Analysis]]


@dataclass(frozen=True, slots=True)
class Expected:
    """A duty that the law asks for: by one of these sections, due on that day where one is written."""

    kind: DutyKind
    sections: tuple[str, ...] = ()
    due: date | None = None

    def is_met_by(self, duty: Duty) -> bool:
        """Whether a duty is this one."""
        return (
            duty.kind is self.kind
            and (not self.sections or bool(set(self.sections) & set(sections_in(duty.citation))))
            and (self.due is None or duty.due == self.due)
        )


@dataclass(frozen=True, slots=True)
class GoldenCase:
    """A written case. Kinds in `may` count neither way: the law leaves them to judgement; a review always is."""

    name: str
    about: str
    dossier: Dossier
    hits: tuple[Hit, ...]
    expected: tuple[Expected, ...]
    may: frozenset[DutyKind]
    tier: Tier | None


@dataclass(slots=True)
class Score:
    """How well the cases were met; by kind of duty as well."""

    cases: int = 0
    expected: Counter[str] = field(default_factory=Counter)
    right: Counter[str] = field(default_factory=Counter)
    raised: Counter[str] = field(default_factory=Counter)
    false: Counter[str] = field(default_factory=Counter)
    tiers_wrong: int = 0
    origins: Counter[str] = field(default_factory=Counter)
    struck: int = 0
    cost_micro_usd: int = 0
    differences: list[str] = field(default_factory=list)

    @property
    def right_share(self) -> float:
        """Of the duties that are due, those that were raised, with their section and day."""
        return self.right.total() / max(self.expected.total(), 1)

    @property
    def false_share(self) -> float:
        """Of the duties that were raised, those that are not due."""
        return self.false.total() / max(self.raised.total(), 1)

    @property
    def holds(self) -> bool:
        """Whether the floor holds: 85 % right, under 15 % raised falsely."""
        return self.right_share >= RIGHT_MIN and self.false_share < FALSE_MAX


def golden_cases() -> list[GoldenCase]:
    """Every written case."""
    return [_case(written) for name in FILES for written in _file(name)["case"]]


def golden_passages() -> tuple[Passage, ...]:
    """The sections that every case is given."""
    return tuple(
        Passage(
            f"P{number}",
            **written,
            document="31 CFR",
            effective=date(2025, 1, 1),
            jurisdiction="US",
            mandatory=True,
        )
        for number, written in enumerate(_file("passages")["passage"], 1)
    )


def golden_assessment(case: GoldenCase) -> Assessment:
    """What the rules say of a case, by their defaults and a list of countries of the cases' own."""
    return assess(case.dossier, case.hits, RulesPolicy(), _COUNTRIES)


async def score(cases: Sequence[GoldenCase], analyse: Analyse) -> Score:
    """Each case analysed and compared."""
    total = Score()
    passages = golden_passages()
    for case in cases:
        analysis = await analyse(case.dossier, golden_assessment(case), case.hits, passages)
        _compare(case, analysis, total)
    return total


def _compare(case: GoldenCase, analysis: Analysis, total: Score) -> None:
    total.cases += 1
    total.origins[analysis.origin] += 1
    total.struck += len(analysis.struck)
    total.cost_micro_usd += analysis.cost_micro_usd
    for expected in case.expected:
        total.expected[expected.kind] += 1
        met = any(expected.is_met_by(duty) for duty in analysis.duties)
        total.right[expected.kind] += met
        if not met:
            near = [f"{d.citation} {d.due}" for d in analysis.duties if d.kind is expected.kind]
            total.differences.append(
                f"{case.name}: lacks {expected.kind}" + (f", has {near[0]}" if near else "")
            )
    due = {expected.kind for expected in case.expected}
    for duty in analysis.duties:
        if duty.kind not in due and duty.kind in case.may:
            continue
        total.raised[duty.kind] += 1
        if duty.kind not in due:
            total.false[duty.kind] += 1
            total.differences.append(f"{case.name}: {duty.kind} is not due ({duty.reason[:80]})")
    if case.tier is not None and analysis.tier is not case.tier:
        total.tiers_wrong += 1
        total.differences.append(f"{case.name}: tier {analysis.tier}, not {case.tier}")


def _file(name: str) -> dict[str, Any]:
    return tomllib.loads((files("compliance.analyst") / "golden_cases" / f"{name}.toml").read_text("utf-8"))


def _case(written: Mapping[str, Any]) -> GoldenCase:
    at = datetime.fromisoformat(written.get("at", _AT))
    kind = Kind(written["kind"])
    usd_minor = written["amount_minor"]
    direction = Direction(written.get("direction", "in" if kind is Kind.CASH_DEPOSIT else "out"))
    number = UUID(int=10_000)
    own = _movement(
        {
            **{
                name: written[name] for name in ("other", "branch", "conductor", "country") if name in written
            },
            "days": 0,
            "kind": kind,
            "direction": direction,
            "usd_minor": usd_minor,
        },
        at,
        number,
    )
    past = {
        name: tuple(
            _movement(row, at, UUID(int=base + place)) for place, row in enumerate(written.get(name, ()))
        )
        for name, base in (("history", 100), ("cash_today", 200), ("network", 300))
    }
    today_own = tuple(m for m in past["cash_today"] if m.customer_number == _CUSTOMER)
    history = sorted((*past["history"], *today_own, own), key=lambda m: m.at)
    customer = _customer(written.get("customer", {}), at)
    subject = _subject(written, at, kind, direction, number, customer)
    expect = written["expect"]
    return GoldenCase(
        written["name"],
        written["about"],
        Dossier(
            subject,
            customer,
            tuple(history),
            tuple(sorted((*past["cash_today"], own), key=lambda m: m.at)) if kind in CASH else (),
            past["network"],
            _usual(written.get("usual", {}), usd_minor, at),
            at,
        ),
        tuple(_hit(row) for row in written.get("hits", ())),
        tuple(_expected(text) for text in expect["duties"]),
        frozenset({DutyKind.REVIEW, *(DutyKind(name) for name in expect.get("may", ()))}),
        Tier(expect["tier"]) if "tier" in expect else None,
    )


def _movement(row: Mapping[str, Any], at: datetime, number: UUID) -> Movement:
    kind = Kind(row["kind"])
    return Movement(
        number,
        at - timedelta(days=row["days"]),
        kind,
        Direction(row.get("direction", "in" if kind is Kind.CASH_DEPOSIT else "out")),
        row["usd_minor"],
        row.get("customer", _CUSTOMER),
        row.get("account", _ACCOUNT),
        row.get("other", ""),
        row.get("country", ""),
        row.get("branch", ""),
        row.get("conductor", ""),
    )


def _customer(written: Mapping[str, Any], at: datetime) -> Customer:
    return Customer(
        number=_CUSTOMER,
        name="Customer of a golden case",
        birth_date=date(1980, 5, 17),
        country="US",
        industry=written.get("industry", ""),
        risk_rating=written.get("risk_rating", "low"),
        kyc_state=written.get("kyc_state", "verified"),
        politically_exposed=written.get("politically_exposed", False),
        compliance_block=False,
        since=at - timedelta(days=6 * 365),
        accounts=(_ACCOUNT, 1002),
    )


def _usual(written: Mapping[str, Any], usd_minor: int, at: datetime) -> Usual:
    month = written.get("month_usd_minor", max(usd_minor, 500_000))
    return Usual(
        months=written.get("months", 12.0),
        month_usd_minor=month,
        largest_usd_minor=written.get("largest_usd_minor", max(usd_minor, 200_000)),
        count=written.get("count", 120),
        last_at=at - timedelta(days=written.get("last_days", 3)),
        countries=("US",),
        last_30_days_usd_minor=written.get("last_30_days_usd_minor", max(month, usd_minor)),
    )


def _subject(
    written: Mapping[str, Any],
    at: datetime,
    kind: Kind,
    direction: Direction,
    number: UUID,
    customer: Customer,
) -> Subject:
    country = written.get("country", "US")
    missing = set(written.get("missing", ()))
    given = {
        "name": "Other side of a golden case",
        "address": "1 Main Street",
        "account": "DE02120300000000202051",
    }
    given = {name: "" if name in missing else text for name, text in given.items()}
    parties = [Party(PartyRole.CUSTOMER, customer.name, "US", customer.birth_date)]
    if kind is Kind.CARD:
        parties.append(Party(PartyRole.MERCHANT, "Merchant of a golden case", country))
    elif kind not in CASH:
        parties.append(
            Party(
                PartyRole.COUNTERPARTY,
                given["name"],
                country,
                address=given["address"],
                account=given["account"],
                bank_id="021000021",
            )
        )
    return Subject(
        id=UUID(int=20_000),
        source=Source.AUTHORIZATION if kind is Kind.CARD else Source.TRANSFER,
        source_id=number,
        at=at,
        kind=kind,
        direction=direction,
        amount_minor=written["amount_minor"],
        currency="USD",
        usd_minor=written["amount_minor"],
        account_number=_ACCOUNT,
        customer_number=_CUSTOMER,
        country=country,
        parties=tuple(parties),
        purpose=written.get("purpose", ""),
        flags=(Flag.KIND,),
        card_number=1 if kind is Kind.CARD else None,
        merchant_category=5411 if kind is Kind.CARD else 0,
        score=written.get("score"),
        response_code="00" if kind is Kind.CARD else "",
        state="" if kind is Kind.CARD else "posted",
        holder_address="2 Main Street",
        branch=written.get("branch", ""),
        has_conductor="conductor" in written,
    )


def _hit(row: Mapping[str, Any]) -> Hit:
    name = "Entry of a golden case"
    return Hit(
        PartyRole(row["role"]),
        "ofac_sdn",
        "1",
        name,
        name,
        "SDGT",
        row["score"],
        row["is_match"],
        (),
        (),
        "2026-11-01",
    )


def _expected(text: str) -> Expected:
    parts = [part.strip() for part in text.split("|")]
    sections = tuple(sections_in(parts[1])) if len(parts) > 1 else ()
    due = date.fromisoformat(parts[2]) if len(parts) > 2 else None
    return Expected(DutyKind(re.sub(r"\s", "", parts[0])), sections, due)
