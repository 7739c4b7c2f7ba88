"""The rules' own analysis: what stands where no model is asked, or none can be used. Pure, and quick."""

from collections.abc import Sequence
from typing import Final

from compliance.analyst.narrative import narrative_of
from compliance.analyst.sections import passages_for
from compliance.facts import Dossier
from compliance.results import (
    Analysis,
    Assessment,
    DutyKind,
    Hit,
    Issue,
    Origin,
    Passage,
    Severity,
    Tier,
)
from compliance.roles import Role

_ANALYST: Final = (Role.ANALYST.value,)
_OFFICER: Final = (Role.ANALYST.value, Role.OFFICER.value)
_FOR_OFFICERS: Final = frozenset(
    (DutyKind.SAR, DutyKind.CTR, DutyKind.BLOCK, DutyKind.BLOCKED_PROPERTY_REPORT)
)
_TO_DO: Final = {
    DutyKind.BLOCK: "Keep the property blocked; nothing moves without a licence.",
    DutyKind.BLOCKED_PROPERTY_REPORT: "Report the blocked property to OFAC.",
    DutyKind.SANCTIONS_REVIEW: "Settle each possible match before the money moves.",
    DutyKind.SAR: "Decide on a suspicious activity report; tell nobody outside compliance of it.",
    DutyKind.CTR: "File the currency transaction report, with everybody for whom the cash moved.",
    DutyKind.TRAVEL_RULE: "Complete what must travel with the transfer before it is sent on.",
    DutyKind.ENHANCED_DUE_DILIGENCE: "Learn the source of the funds and the purpose, and have it approved.",
    DutyKind.ERROR_RESOLUTION: "Investigate the reported error within its time.",
    DutyKind.REVIEW: "Look at the transfer and at what went before it.",
}


def from_rules(
    dossier: Dossier,
    assessment: Assessment,
    hits: Sequence[Hit],
    passages: Sequence[Passage],
    *,
    origin: Origin = Origin.RULES,
    note: str = "",
) -> Analysis:
    """The analysis as findings, hits and duties give it, with a draft of the narrative."""
    return Analysis(
        origin=origin,
        tier=assessment.tier,
        issues=_issues(assessment, hits, passages),
        approvals=approvals_of(assessment, hits),
        duties=assessment.duties,
        recommendations=_recommendations(assessment),
        confidence=1.0,  # rules say what they say
        narrative=narrative_of(dossier, assessment, hits),
        note=note,
    )


def approvals_of(assessment: Assessment, hits: Sequence[Hit]) -> tuple[str, ...]:
    """The roles that must approve: an officer beside the analyst for a high tier, a match, a block or a filing."""
    if (
        assessment.tier is Tier.HIGH
        or any(hit.is_match for hit in hits)
        or any(duty.kind in _FOR_OFFICERS for duty in assessment.duties)
    ):
        return _OFFICER
    if assessment.tier is Tier.MEDIUM or assessment.review_reasons or assessment.duties or hits:
        return _ANALYST
    return ()


def _issues(assessment: Assessment, hits: Sequence[Hit], passages: Sequence[Passage]) -> tuple[Issue, ...]:
    listed = [
        Issue(
            f"{_role(hit)} {'is' if hit.is_match else 'may be'} {hit.entry_name}, entry {hit.entry_id} of"
            f" {hit.list_name} of {hit.list_date} ({hit.programme}): {hit.score:.0%} alike.",
            Severity.CRITICAL if hit.is_match else Severity.HIGH,
            passages_for("31 CFR 501.603", passages),
        )
        for hit in hits
    ]
    found = [
        Issue(finding.text, finding.severity, passages_for(finding.citation, passages))
        for finding in sorted(assessment.findings, key=lambda finding: -finding.severity)
    ]
    return (*listed, *found)


def _recommendations(assessment: Assessment) -> tuple[str, ...]:
    asked = [
        _TO_DO[duty.kind] + (f" Due {duty.due.isoformat()}." if duty.due else "") + f" ({duty.citation})"
        for duty in assessment.duties
    ]
    if assessment.review_reasons and not any(d.kind is DutyKind.REVIEW for d in assessment.duties):
        asked.append(f"{_TO_DO[DutyKind.REVIEW]} ({'; '.join(assessment.review_reasons)})")
    return tuple(dict.fromkeys(asked))


def _role(hit: Hit) -> str:
    return f"The {hit.role.value}" if hit.role else "A party"
