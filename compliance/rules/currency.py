"""Currency reports: cash by person and business day, over accounts and branches, in and out apart."""

from collections.abc import Sequence
from datetime import date, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from compliance.calendar import business_day_of
from compliance.facts import CASH, Direction, Dossier, Movement, Source
from compliance.results import Finding, Severity
from compliance.rules.policy import RulesPolicy, is_called_off, worth
from compliance.rules.wording import dollars

_CITATION: Final = "31 CFR 1010.311"
_AGGREGATED: Final = "31 CFR 1010.313"
_NEAR: Final = timedelta(days=6)
"""Longer than any run of days on which banks are closed, and a time zone."""


def currency_report(
    dossier: Dossier, cash: Sequence[Movement], policy: RulesPolicy, zone: ZoneInfo
) -> list[Finding]:
    """
    More than 10,000 in currency by or on behalf of one person on one business day: 31 CFR 1010.311, 1010.313(b).

    Cash in is never set off against cash out. Of a customer count the accounts, whoever stands at the counter; of who
    stands there, what he moves on anybody's accounts. Both are looked at; one set of movements is told once.
    """
    subject = dossier.subject
    if subject.kind not in CASH or is_called_off(subject):
        return []
    today = business_day_of(subject.at, zone)
    movements = [m for m in cash if m.direction == subject.direction and is_booked_on(today, m, zone)]
    own = next((m for m in movements if m.id == subject.source_id), None)
    conductor = own.conductor if own else ""
    holders = [m for m in movements if m.customer_number == subject.customer_number]
    others = [m for m in movements if m.customer_number != subject.customer_number]
    groups = [("customer", holders + others)]
    if conductor:
        # On strangers' accounts: what the one who stands here carried, or holds himself, and what our holder carried.
        carried = [m for m in others if m.conductor in {conductor, ""}]
        groups = [
            ("customer", holders + [m for m in others if m not in carried]),
            ("conductor", [m for m in holders if m.conductor == conductor] + carried),
        ]
    found: list[Finding] = []
    for person, group in groups:
        ids = {movement.id for movement in group}
        if any(set(finding.movements) == ids for finding in found):
            continue
        total = sum(movement.usd_minor for movement in group)
        if total <= policy.currency_over_usd_minor:
            continue
        word = "in" if subject.direction == Direction.IN else "out"
        found.append(
            Finding(
                "currency_report",
                Severity.MEDIUM,
                _CITATION if len(group) == 1 else _AGGREGATED,
                f"Cash {word} of {dollars(total)} in {len(group)} transaction{'s' * (len(group) > 1)}"
                f" by or for one person on the business day {today.isoformat()},"
                f" over {dollars(policy.currency_over_usd_minor)}.",
                {
                    "total_usd_minor": total,
                    "count": len(group),
                    "business_day": today.isoformat(),
                    "direction": subject.direction.value,
                    "person": person,
                    "accounts": len({m.account_number for m in group}),
                    "branches": len({m.branch for m in group if m.branch}),
                },
                tuple(movement.id for movement in group),
            )
        )
    return found


def is_booked_on(business_day: date, movement: Movement, zone: ZoneInfo) -> bool:
    """Whether a movement belongs to that business day."""
    # Most are far from it: the calendar is asked about those that are near.
    is_near = abs(movement.at.date() - business_day) <= _NEAR
    return is_near and business_day_of(movement.at, zone) == business_day


def cash_of(dossier: Dossier) -> Sequence[Movement]:
    """Every cash movement that is known, each once, oldest first; the subject with its own worth."""
    subject = dossier.subject
    known = {m.id: m for m in (*dossier.history, *dossier.cash_today) if m.kind in CASH}
    if subject.kind in CASH and subject.source != Source.AUTHORIZATION and subject.source_id not in known:
        known[subject.source_id] = Movement(
            subject.source_id,
            subject.at,
            subject.kind,
            subject.direction,
            worth(subject) or 0,
            subject.customer_number,
            subject.account_number,
            "",
            subject.country,
            subject.branch,
        )
    return sorted(known.values(), key=lambda m: m.at)
