"""Activity against the customer's own past: a dormant account that wakes, amounts far over what is usual."""

from datetime import datetime, timedelta
from typing import Final

from compliance.facts import Dossier
from compliance.results import Finding, Severity
from compliance.rules.policy import RulesPolicy, reaches, worth
from compliance.rules.wording import day, dollars

_CITATION: Final = "31 CFR 1020.320"
_USUAL_SPAN: Final = timedelta(days=365)
"""How far back what is usual looks."""


def dormant(dossier: Dossier, policy: RulesPolicy) -> list[Finding]:
    """An account that slept for 180 days moves 1,000 and more: 31 CFR 1020.320(a)(2)(iii)."""
    subject = dossier.subject
    usd_minor = worth(subject)
    last_at = _last_before(dossier)
    if last_at is None or usd_minor is None or not reaches(usd_minor, policy.dormant_from_usd_minor):
        return []
    days = (subject.at - last_at).days
    if days < policy.dormant_days:
        return []
    return [
        Finding(
            "dormant",
            Severity.MEDIUM,
            _CITATION,
            f"{dollars(usd_minor)} after {days} days without a movement, since {day(last_at)}.",
            {"total_usd_minor": usd_minor, "days": days, "last_day": day(last_at)},
            (subject.source_id,),
        )
    ]


def _last_before(dossier: Dossier) -> datetime | None:
    subject = dossier.subject
    earlier = next((m.at for m in reversed(dossier.history) if m.at < subject.at), None)
    return earlier or dossier.usual.last_at


def unusual(dossier: Dossier, policy: RulesPolicy) -> list[Finding]:
    """
    More than three times what is usual: 31 CFR 1020.320(a)(2)(iii).

    The last 30 days against the mean month, or this amount against the largest; from 5,000 on, and only where two
    months and more are known. A month is told by the movement that takes it over, and by those of 5,000 and more after.
    """
    subject, usual = dossier.subject, dossier.usual
    if usual.months < policy.unusual_months_min or usual.count == 0:
        return []
    usd_minor = worth(subject)
    found = []
    month = usual.last_30_days_usd_minor
    limit = max(policy.unusual_times * usual.month_usd_minor, policy.unusual_from_usd_minor - 1)
    is_told_here = usd_minor is not None and (
        month - usd_minor <= limit or usd_minor >= policy.unusual_from_usd_minor
    )
    if month > limit and is_told_here and usual.month_usd_minor:
        found.append(
            (
                month,
                usual.month_usd_minor,
                f"{dollars(month)} in 30 days against {dollars(usual.month_usd_minor)} a month",
            )
        )
    largest = usual.largest_usd_minor
    if (
        usd_minor is not None
        and usd_minor > policy.unusual_times * largest
        and usd_minor >= policy.unusual_from_usd_minor
        and largest
    ):
        found.append((usd_minor, largest, f"{dollars(usd_minor)} at once against {dollars(largest)} at most"))
    if not found or not usd_minor:
        return []
    return [
        Finding(
            "unusual",
            Severity.MEDIUM,
            _CITATION,
            f"Over {policy.unusual_times:g} times what is usual: {'; '.join(text for _, _, text in found)}.",
            {
                "total_usd_minor": max(total for total, _, _ in found),
                "times": round(max(total / mean for total, mean, _ in found), 1),
                "months": round(usual.months, 1),
            },
            (subject.source_id,),
        )
    ]
