"""Structuring: currency broken into amounts under the report's limit, on one day or over several."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Final
from zoneinfo import ZoneInfo

from compliance.calendar import business_day_of
from compliance.facts import CASH, Direction, Dossier, Movement
from compliance.results import Finding, Severity
from compliance.rules.currency import is_booked_on
from compliance.rules.policy import RulesPolicy
from compliance.rules.wording import day, dollars

_CITATION: Final = "31 CFR 1010.314"
_PART_FROM_USD_MINOR: Final = 3_000_00
"""Smaller amounts are not parts of anything, unless there are many on one day."""

_PARTS_MIN: Final = 3


def structuring(
    dossier: Dossier, cash: Sequence[Movement], policy: RulesPolicy, zone: ZoneInfo
) -> list[Finding]:
    """
    Amounts at or under 10,000 that together are over it, deposits and withdrawals apart: 31 CFR 1010.100(xx), 1010.314.

    Three ways, the subject being one of the amounts in `cash` (all
    that is known, oldest first): two and more just under the limit within 10 days; three and more
    of 3,000 and more within 10 days, where that is not what the customer usually does; on one business day, over
    branches or in three parts and more. One amount just under the limit alone is `near_limit`.
    """
    subject = dossier.subject
    if subject.kind not in CASH:
        return []
    since = subject.at - timedelta(days=policy.structuring_days)
    parts = [
        m
        for m in cash
        if m.direction == subject.direction
        and since <= m.at <= subject.at
        and 0 < m.usd_minor <= policy.currency_over_usd_minor
    ]
    own = next((m for m in parts if m.id == subject.source_id), None)
    if own is None:
        return []
    today = business_day_of(subject.at, zone)
    ways = (
        ("near the limit", _near(parts, policy), policy.structuring_count),
        ("over days", _over_days(dossier, parts), _PARTS_MIN),
        ("on one day", _on_one_day([m for m in parts if is_booked_on(today, m, zone)]), 2),
    )
    for how, chosen, count_min in ways:
        total = sum(m.usd_minor for m in chosen)
        if own in chosen and len(chosen) >= count_min and total > policy.currency_over_usd_minor:
            return [_finding(how, chosen, total, subject.direction, policy)]
    return _near_limit(own, policy)


def _near_limit(own: Movement, policy: RulesPolicy) -> list[Finding]:
    """One amount just under the limit: worth remembering, no more."""
    if own.usd_minor < policy.structuring_near_from_usd_minor:
        return []
    return [
        Finding(
            "near_limit",
            Severity.LOW,
            _CITATION,
            f"Cash of {dollars(own.usd_minor)}, just under {dollars(policy.currency_over_usd_minor)}.",
            {"total_usd_minor": own.usd_minor, "count": 1},
            (own.id,),
        )
    ]


def _near(parts: list[Movement], policy: RulesPolicy) -> list[Movement]:
    return [m for m in parts if m.usd_minor >= policy.structuring_near_from_usd_minor]


def _over_days(dossier: Dossier, parts: list[Movement]) -> list[Movement]:
    chosen = [m for m in parts if m.usd_minor >= _PART_FROM_USD_MINOR]
    # Takings that a shop always brings are what is usual, not parts of one sum.
    is_usual = sum(m.usd_minor for m in chosen) <= dossier.usual.month_usd_minor
    return [] if is_usual else chosen


def _on_one_day(parts: list[Movement]) -> list[Movement]:
    branches = {m.branch for m in parts if m.branch}
    return parts if len(branches) > 1 or len(parts) >= _PARTS_MIN else []


def _finding(
    how: str, chosen: list[Movement], total: int, direction: Direction, policy: RulesPolicy
) -> Finding:
    word = "deposits" if direction == Direction.IN else "withdrawals"
    return Finding(
        "structuring",
        Severity.HIGH,
        _CITATION,
        f"{len(chosen)} cash {word} {how}, {day(chosen[0].at)} to {day(chosen[-1].at)}, none over"
        f" {dollars(policy.currency_over_usd_minor)}, together {dollars(total)}.",
        {
            "total_usd_minor": total,
            "count": len(chosen),
            "largest_usd_minor": max(m.usd_minor for m in chosen),
            "first_day": day(chosen[0].at),
            "last_day": day(chosen[-1].at),
            "direction": direction.value,
            "how": how,
        },
        tuple(m.id for m in chosen),
    )
