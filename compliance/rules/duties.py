"""
Which finding raises which duty, and by when.

currency_report                    → CTR, 15 days after the business day
structuring, rapid_movement, round_trip, cycle, fan_in, fan_out, dormant, unusual, high_rated, exposed_destination
                                   → SAR where 5,000 and more are involved, 30 days after detection
travel_rule                        → TRAVEL_RULE: the fields go with the order and are kept
sanctions_match                    → BLOCK now, BLOCKED_PROPERTY_REPORT in 10 business days
sanctions_possible, sanctioned_country, customer_blocked
                                   → SANCTIONS_REVIEW
amount over 50,000, or politically exposed
                                   → ENHANCED_DUE_DILIGENCE
any reason why a review is mandatory
                                   → REVIEW
"""

from collections.abc import Callable, Sequence
from datetime import date, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from compliance.calendar import business_days_after
from compliance.facts import Dossier
from compliance.results import Duty, DutyKind, Finding
from compliance.rules.policy import RulesPolicy, passes, worth
from compliance.rules.wording import dollars

SAR_RULES: Final = frozenset(
    {
        "structuring",
        "rapid_movement",
        "round_trip",
        "cycle",
        "fan_in",
        "fan_out",
        "dormant",
        "unusual",
        "high_rated",
        "exposed_destination",
    }
)
_SANCTIONS_REVIEW: Final = frozenset({"sanctions_possible", "sanctioned_country", "customer_blocked"})

CTR_DAYS: Final = 15
SAR_DAYS: Final = 30
SAR_DAYS_WITHOUT_SUSPECT: Final = 60
BLOCKED_PROPERTY_BUSINESS_DAYS: Final = 10


def ctr_due(business_day: date) -> date:
    """31 CFR 1010.306(a)(1): within 15 days following the day of the transaction."""
    return business_day + timedelta(days=CTR_DAYS)


def sar_due(detected: date, *, has_suspect: bool) -> date:
    """31 CFR 1020.320(b)(3): 30 calendar days after detection, 60 where no suspect is known."""
    return detected + timedelta(days=SAR_DAYS if has_suspect else SAR_DAYS_WITHOUT_SUSPECT)


def blocked_property_due(blocked: date) -> date:
    """31 CFR 501.603(b)(1)(i): within 10 business days from the day the property became blocked."""
    return business_days_after(blocked, BLOCKED_PROPERTY_BUSINESS_DAYS)


def duties(
    dossier: Dossier, findings: Sequence[Finding], reasons: Sequence[str], policy: RulesPolicy
) -> tuple[Duty, ...]:
    """What the findings ask for, each kind once, in the order in which it is due."""
    today = (dossier.as_of or dossier.subject.at).astimezone(ZoneInfo(policy.business_zone)).date()
    parts: tuple[Callable[[], Duty | None], ...] = (
        lambda: _block(findings, today),
        lambda: _blocked_property(findings, today),
        lambda: _travel(findings),
        lambda: _sanctions(findings),
        lambda: _currency(findings),
        lambda: _suspicious(findings, today, policy),
        lambda: _due_diligence(dossier, policy),
        lambda: _review(reasons),
    )
    return tuple(duty for part in parts if (duty := part()) is not None)


def _named(findings: Sequence[Finding], rules: frozenset[str]) -> list[Finding]:
    return [finding for finding in findings if finding.rule in rules]


def _text(findings: Sequence[Finding]) -> str:
    return " ".join(finding.text for finding in findings)


def _block(findings: Sequence[Finding], today: date) -> Duty | None:
    found = _named(findings, frozenset({"sanctions_match"}))
    if not found:
        return None
    return Duty(DutyKind.BLOCK, "31 CFR 501.603", _text(found), due=today)


def _blocked_property(findings: Sequence[Finding], today: date) -> Duty | None:
    found = _named(findings, frozenset({"sanctions_match"}))
    if not found:
        return None
    return Duty(
        DutyKind.BLOCKED_PROPERTY_REPORT,
        "31 CFR 501.603",
        "Blocked property is reported to OFAC within 10 business days, and once a year by 30 September.",
        "OFAC blocked property report",
        blocked_property_due(today),
    )


def _travel(findings: Sequence[Finding]) -> Duty | None:
    found = _named(findings, frozenset({"travel_rule"}))
    return Duty(DutyKind.TRAVEL_RULE, "31 CFR 1010.410(f)", _text(found)) if found else None


def _sanctions(findings: Sequence[Finding]) -> Duty | None:
    found = _named(findings, _SANCTIONS_REVIEW)
    return Duty(DutyKind.SANCTIONS_REVIEW, found[0].citation, _text(found)) if found else None


def _currency(findings: Sequence[Finding]) -> Duty | None:
    found = _named(findings, frozenset({"currency_report"}))
    if not found:
        return None
    due = min(ctr_due(date.fromisoformat(finding.facts["business_day"])) for finding in found)
    return Duty(DutyKind.CTR, "31 CFR 1010.311", _text(found), "FinCEN 112", due)


def _suspicious(findings: Sequence[Finding], today: date, policy: RulesPolicy) -> Duty | None:
    found = [f for f in _named(findings, SAR_RULES) if _is_reportable(f, policy)]
    if not found:
        return None
    due = sar_due(today, has_suspect=True)  # the customer is known
    return Duty(DutyKind.SAR, "31 CFR 1020.320", _text(found), "FinCEN 111", due)


def _is_reportable(finding: Finding, policy: RulesPolicy) -> bool:
    return bool(finding.facts["total_usd_minor"] >= policy.suspicious_from_usd_minor)


def _due_diligence(dossier: Dossier, policy: RulesPolicy) -> Duty | None:
    reasons = []
    usd_minor = worth(dossier.subject)
    if usd_minor is not None and passes(usd_minor, policy.due_diligence_over_usd_minor):
        reasons.append(f"{dollars(usd_minor)} is over {dollars(policy.due_diligence_over_usd_minor)}.")
    if dossier.customer.politically_exposed:
        reasons.append("The customer is politically exposed.")
    if not reasons:
        return None
    return Duty(DutyKind.ENHANCED_DUE_DILIGENCE, "31 CFR 1020.210", " ".join(reasons))


def _review(reasons: Sequence[str]) -> Duty | None:
    return Duty(DutyKind.REVIEW, "31 CFR 1020.210", "; ".join(reasons)) if reasons else None
