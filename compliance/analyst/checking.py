"""An answer beside the record and the rules: what stands, what is struck, and whether enough is left."""

import dataclasses
import re
from collections.abc import Iterable, Sequence
from datetime import date, timedelta
from typing import Final, TypeVar

from compliance.analyst.aliases import Aliases
from compliance.analyst.answer import Answer, ClaimedDuty
from compliance.analyst.claims import faults_of
from compliance.analyst.prompt import Prompt
from compliance.analyst.record import Record, bare, dates_in, numbers_in, record_of
from compliance.analyst.sections import passages_about
from compliance.analyst.wording import day, plain
from compliance.calendar import business_days_after
from compliance.facts import CASH, Dossier, Kind
from compliance.results import (
    Analysis,
    Assessment,
    Duty,
    DutyKind,
    Hit,
    Issue,
    Origin,
    Passage,
    Severity,
    Struck,
    Tier,
)
from compliance.roles import Role

_T = TypeVar("_T")
_SENTENCE: Final = re.compile(r"(?<=[.!?])\s+(?=[A-Z\d])|\n+")
_CLAIM_LENGTH_MAX: Final = 400
_TIERS: Final = (Tier.LOW, Tier.MEDIUM, Tier.HIGH)
_TIER_OF: Final = {Severity.MEDIUM: Tier.MEDIUM, Severity.HIGH: Tier.HIGH, Severity.CRITICAL: Tier.HIGH}
_FORMS: Final = {DutyKind.SAR: "FinCEN 111", DutyKind.CTR: "FinCEN 112"}
_OF_RULES_ALONE: Final = frozenset((DutyKind.ERROR_RESOLUTION,))
_TRAVEL_FROM_USD_MINOR: Final = 300_000


def checked(
    answer: Answer,
    by_rules: Analysis,
    prompt: Prompt,
    dossier: Dossier,
    assessment: Assessment,
    hits: Sequence[Hit],
    passages: Sequence[Passage],
    aliases: Aliases,
) -> tuple[Analysis, float]:
    """
    The analysis that stands, with what was struck, and the share of claims that was.

    The rules' issues, duties, approvals and recommendations come first and whole, whatever the answer says; the tier
    is raised only by an issue that stands.
    """
    record = record_of(prompt, dossier, assessment, hits, passages, aliases)
    review = _Review(record, aliases, may_lower=_nothing_is_due(assessment, hits))
    issues = [
        issue for claim in answer.issues if (issue := _issue(claim.text, claim.severity, claim.cited, review))
    ]
    duties = _duties(answer.duties, assessment, hits, passages, dossier, review)
    recommendations = [text for text in answer.recommendations if review.stands(text)]
    narrative = _narrative(answer.narrative, by_rules.narrative, dossier, review)
    share = len(review.struck) / review.claims if review.claims else 0.0
    worst = max((issue.severity for issue in issues), default=Severity.INFO)
    raised = min(_TIERS.index(answer.tier), _TIERS.index(_TIER_OF.get(worst, Tier.LOW)))
    added = {Role.OFFICER.value} if any(duty.kind is not DutyKind.REVIEW for duty in duties) else set[str]()
    approvals = {*by_rules.approvals, *answer.approvals, *added}
    analysis = Analysis(
        origin=Origin.MODEL,
        tier=_TIERS[max(raised, _TIERS.index(assessment.tier))],
        issues=_once((*by_rules.issues, *issues)),
        approvals=tuple(role.value for role in (Role.ANALYST, Role.OFFICER) if role.value in approvals),
        duties=(*by_rules.duties, *duties),
        recommendations=_once((*by_rules.recommendations, *map(aliases.restore, recommendations))),
        confidence=round(answer.confidence * (1 - share), 3),
        narrative=narrative,
        struck=tuple(review.struck),
    )
    return analysis, share


class _Review:
    """Counts claims and keeps what is struck."""

    def __init__(self, record: Record, aliases: Aliases, *, may_lower: bool) -> None:
        self.record = record
        self.aliases = aliases
        self.struck: list[Struck] = []
        self.claims = 0
        self._may_lower = may_lower

    def stands(self, text: str) -> bool:
        """Whether a text is borne out; it is struck where not."""
        return self.judge(text, faults_of(text, self.record, may_lower=self._may_lower))

    def judge(self, claim: str, fault: str) -> bool:
        """Counts a claim; strikes it where there is a fault."""
        self.claims += 1
        if fault:
            self.struck.append(Struck(self.aliases.restore(plain(claim, _CLAIM_LENGTH_MAX)), fault))
        return not fault

    def fault(self, text: str) -> str:
        """Why a text doesn't stand, or ""."""
        return faults_of(text, self.record, may_lower=self._may_lower)


def _issue(text: str, severity: Severity, cited: tuple[str, ...], review: _Review) -> Issue | None:
    foreign = [passage for passage in cited if passage not in review.record.passages]
    fault = (
        f"passage {plain(foreign[0], 20)} was not given"
        if foreign
        else "it cites no passage"
        if not cited
        else "it says nothing"
        if not text.strip()
        else review.fault(text)
    )
    if not review.judge(text, fault):
        return None
    return Issue(review.aliases.restore(plain(text, 1_000)), severity, tuple(dict.fromkeys(cited)))


def _duties(
    claimed: Sequence[ClaimedDuty],
    assessment: Assessment,
    hits: Sequence[Hit],
    passages: Sequence[Passage],
    dossier: Dossier,
    review: _Review,
) -> list[Duty]:
    """Duties that the rules did not ask for, each once, with the law's own time where the answer's would be later."""
    known = {duty.kind for duty in assessment.duties}
    by_id = {passage.id: passage for passage in passages}
    today = (dossier.as_of or dossier.subject.at).date()
    added: list[Duty] = []
    for claim in claimed:
        kind = next((kind for kind in DutyKind if kind.value == claim.kind), None)
        fault = _duty_fault(claim, kind, hits, by_id, dossier) or review.fault(claim.reason)
        latest = _latest(kind, today) if kind else None
        late = claim.due is not None and latest is not None and claim.due > latest
        if not fault and late:
            fault = f"it would be due later than {latest}"
        if not review.judge(f"duty {claim.kind}: {claim.reason}", fault):
            continue
        assert kind is not None
        if kind in known:
            continue
        known.add(kind)
        due = claim.due if claim.due is not None and claim.due >= today else latest
        added.append(
            Duty(
                kind,
                by_id[claim.cited].citation,
                review.aliases.restore(plain(claim.reason, 1_000)),
                _FORMS.get(kind, ""),
                due,
                by_rule=False,
            )
        )
    return added


def _duty_fault(
    claim: ClaimedDuty,
    kind: DutyKind | None,
    hits: Sequence[Hit],
    passages: dict[str, Passage],
    dossier: Dossier,
) -> str:
    if kind is None:
        return "nobody knows such a duty"
    if claim.cited not in passages:
        return f"passage {plain(claim.cited, 20)} was not given"
    if not passages_about(kind, [passages[claim.cited]]):
        return f"passage {claim.cited} asks for no such thing"
    subject = dossier.subject
    if kind in _OF_RULES_ALONE:
        return "only the rules know of it"
    if kind in {DutyKind.BLOCK, DutyKind.BLOCKED_PROPERTY_REPORT} and not any(hit.is_match for hit in hits):
        return "no party matches a list"
    if kind is DutyKind.SANCTIONS_REVIEW and not hits and not subject.is_cross_border:
        return "no name is near a list's, and nothing crosses a border"
    if kind is DutyKind.CTR and (
        subject.kind not in CASH or sum(m.usd_minor for m in dossier.cash_today) <= 1_000_000
    ):
        return "the record has no cash over 10,000 USD on that day"
    if kind is DutyKind.TRAVEL_RULE and (
        subject.kind in CASH | {Kind.CARD} or (subject.usd_minor or 0) < _TRAVEL_FROM_USD_MINOR
    ):
        return "it is no transfer of 3,000 USD and more"
    return ""


def _latest(kind: DutyKind, today: date) -> date | None:
    """The day by which the law wants it: 31 CFR 1020.320(b)(3), 1010.306(a)(1), 501.603(b)(1)(i)."""
    match kind:
        case DutyKind.SAR:
            return today + timedelta(days=30)
        case DutyKind.CTR:
            return today + timedelta(days=15)
        case DutyKind.BLOCKED_PROPERTY_REPORT:
            return business_days_after(today, 10)
        case DutyKind.BLOCK:
            return today
    return None


def _narrative(text: str, by_rules: str, dossier: Dossier, review: _Review) -> str:
    """The answer's sentences that stand; the rules' own draft where more than a third falls, or what or when is missing."""
    sentences = [sentence.strip() for sentence in _SENTENCE.split(text) if sentence.strip()]
    kept = [sentence for sentence in sentences if review.stands(sentence)]
    whole = " ".join(kept)
    dates, rest = dates_in(bare(whole))
    subject = dossier.subject
    amounts = {int(number.value.scaleb(2)) for number in numbers_in(rest)}
    tells = day(subject.at) in dates and bool(amounts & {subject.amount_minor, subject.usd_minor})
    if not sentences or not tells or len(kept) * 3 < len(sentences) * 2:
        return by_rules
    return review.aliases.restore(plain(whole, 12_000))


def _nothing_is_due(assessment: Assessment, hits: Sequence[Hit]) -> bool:
    return not (
        assessment.duties
        or assessment.findings
        or assessment.review_reasons
        or hits
        or assessment.tier is not Tier.LOW
    )


def _once(values: Iterable[_T]) -> tuple[_T, ...]:
    return tuple(dict.fromkeys(values))


def fallen_back(by_rules: Analysis, note: str, struck: Sequence[Struck] = ()) -> Analysis:
    """The rules' own analysis, marked: why, and what was struck before."""
    return dataclasses.replace(by_rules, origin=Origin.FALLBACK, note=note, struck=tuple(struck))
