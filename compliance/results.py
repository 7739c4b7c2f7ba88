"""
What a review comes to: plain values. Each piece is made in one room (named beside it) and read in the others.

As stored, a `ReviewResult` is one JSON document (`document`), its dataclasses as objects, dates in ISO 8601.
"""

import dataclasses
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from enum import IntEnum, StrEnum
from functools import cache
from typing import Any
from uuid import UUID

from compliance.facts import PartyRole


class Tier(StrEnum):
    """Risk by points."""

    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"


class Severity(IntEnum):
    """How much a finding weighs."""

    INFO = 0
    LOW = 1
    MEDIUM = 2
    HIGH = 3
    CRITICAL = 4


class DutyKind(StrEnum):
    """What the law asks for."""

    CTR = "ctr"  # FinCEN form 112, 31 CFR 1010.311
    SAR = "sar"  # FinCEN form 111, 31 CFR 1020.320
    TRAVEL_RULE = "travel_rule"  # 31 CFR 1010.410(f)
    ENHANCED_DUE_DILIGENCE = "enhanced_due_diligence"  # 31 CFR 1010.610, 1020.210
    BLOCK = "block"  # 31 CFR 501.603
    BLOCKED_PROPERTY_REPORT = "blocked_property_report"  # 31 CFR 501.603, 10 business days
    SANCTIONS_REVIEW = "sanctions_review"
    REVIEW = "review"  # somebody must look
    ERROR_RESOLUTION = "error_resolution"  # 12 CFR 1005.11


@dataclass(frozen=True, slots=True)
class Factor:
    """A part of the composite risk: its value 0 to 100, its share of the whole."""

    name: str
    value: float
    weight: float
    text: str  # what it was made of


@dataclass(frozen=True, slots=True)
class Point:
    """A part of the tier."""

    name: str
    points: float
    text: str


@dataclass(frozen=True, slots=True)
class Finding:
    """A rule that was met. Made in `rules`."""

    rule: str  # such as structuring
    severity: Severity
    citation: str  # such as 31 CFR 1010.314
    text: str  # for people: amounts, dates and counts, no names
    facts: Mapping[str, Any] = field(default_factory=dict)  # the numbers behind it
    movements: tuple[UUID, ...] = ()  # the transfers it is about


@dataclass(frozen=True, slots=True)
class Duty:
    """What must be done, by when, and by which section."""

    kind: DutyKind
    citation: str
    reason: str
    form: str = ""  # such as FinCEN 111
    due: date | None = None
    by_rule: bool = True  # False: the analyst's, which rules did not ask for


@dataclass(frozen=True, slots=True)
class Assessment:
    """What rules say of a dossier. Made in `rules`."""

    composite: float  # 0 to 100
    factors: tuple[Factor, ...]
    tier: Tier
    points: tuple[Point, ...]
    review_reasons: tuple[str, ...]  # why a review is mandatory; empty = it is not
    findings: tuple[Finding, ...]
    duties: tuple[Duty, ...]


@dataclass(frozen=True, slots=True)
class TokenMatch:
    """One token of the name asked for beside one of the list's."""

    asked: str
    listed: str
    similarity: float  # 0 to 1
    how: str  # equal, spelling, sound, initial, joined, dropped


@dataclass(frozen=True, slots=True)
class Hit:
    """A name beside an entry of a list, explained. Made in `screening`."""

    role: PartyRole | None
    list_name: str  # ofac_sdn, ofac_consolidated, un
    entry_id: str  # as the list numbers it
    entry_name: str
    matched_name: str  # the name or alias that was met
    programme: str
    score: float  # 0 to 1
    is_match: bool  # strong enough to block: the name, and what else is known agrees
    tokens: tuple[TokenMatch, ...]
    notes: tuple[str, ...]  # date of birth, country, and how each moved the score
    list_date: str


@dataclass(frozen=True, slots=True)
class Passage:
    """A section of a policy that was given. Made in `policies`."""

    id: str  # as the analyst cites it, such as P3
    citation: str  # such as 31 CFR 1010.314
    title: str
    text: str
    document: str
    effective: date | None
    jurisdiction: str
    mandatory: bool  # not left to search
    score: float = 0.0


class Origin(StrEnum):
    """Who wrote an analysis."""

    RULES = "rules"  # no model is set, or a rule says none is asked
    MODEL = "model"
    FALLBACK = "fallback"  # a model was asked, and could not be used: see `note`


@dataclass(frozen=True, slots=True)
class Issue:
    """What an analysis sees."""

    text: str
    severity: Severity
    cited: tuple[str, ...]  # ids of passages


@dataclass(frozen=True, slots=True)
class Struck:
    """A claim that the record does not bear out: never acted on, shown as struck."""

    claim: str
    why: str


@dataclass(frozen=True, slots=True)
class Analysis:
    """An analysis after code has checked it. Made in `analyst`."""

    origin: Origin
    tier: Tier  # never below the rules'
    issues: tuple[Issue, ...]
    approvals: tuple[str, ...]  # roles that must approve
    duties: tuple[Duty, ...]  # the rules' and what was added
    recommendations: tuple[str, ...]
    confidence: float  # 0 to 1
    narrative: str
    struck: tuple[Struck, ...] = ()
    note: str = ""  # why it fell back
    model: str = ""
    prompt_version: str = ""
    tokens_in: int = 0
    tokens_out: int = 0
    cost_micro_usd: int = 0
    cached: bool = False


@dataclass(frozen=True, slots=True)
class ReviewResult:
    """All of it, as it is kept and shown."""

    flagged_id: UUID
    reviewed_at: datetime
    assessment: Assessment
    hits: tuple[Hit, ...]
    passages: tuple[Passage, ...]
    analysis: Analysis
    lists: Mapping[str, str] = field(default_factory=dict)  # which lists were asked, with their dates
    cleared: tuple[
        Hit, ...
    ] = ()  # hits that somebody has written down to be somebody else: shown, not acted on


def document(value: Any) -> str:
    """A dataclass as JSON, keys in order."""
    return json.dumps(value, sort_keys=True, default=_plain)


def _plain(value: Any) -> Any:
    if dataclasses.is_dataclass(value):
        # Not `asdict`: that copies every value as deep as it goes, which took half of a review's time (seen).
        return {name: getattr(value, name) for name in _fields(value.__class__)}
    if isinstance(value, datetime | date):
        return value.isoformat()
    if isinstance(value, UUID):
        return value.hex
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError(f"{type(value).__name__} has no place in a document")


@cache
def _fields(kind: type[Any]) -> tuple[str, ...]:
    return tuple(field.name for field in dataclasses.fields(kind))
