"""The shape of an answer: a strict JSON schema for the model, and the same bounds again when its text is read."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any, Final
from unicodedata import category

from compliance.results import DutyKind, Severity, Tier
from compliance.roles import Role

ISSUES_MAX: Final = 20
LIST_MAX: Final = 20
TEXT_LENGTH_MAX: Final = 1_000
NARRATIVE_LENGTH_MAX: Final = 12_000
_APPROVERS: Final = (Role.ANALYST.value, Role.OFFICER.value)
_SEVERITIES: Final = {severity.name.lower(): severity for severity in Severity}

_UNSEEN: Final = frozenset(("Cc", "Cf", "Cs", "Co", "Cn"))


def _text(about: str) -> dict[str, Any]:
    return {"type": "string", "description": about}


def _object(**properties: Any) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


def _list(item: Any) -> dict[str, Any]:
    return {"type": "array", "items": item}


SCHEMA: Final[Mapping[str, Any]] = _object(
    issues=_list(
        _object(
            text=_text("one or two sentences, from the record alone"),
            severity={"type": "string", "enum": list(_SEVERITIES)},
            cited=_list(_text("id of a passage that was given, such as P1")),
        )
    ),
    approvals=_list({"type": "string", "enum": list(_APPROVERS)}),
    duties=_list(
        _object(
            kind={"type": "string", "enum": [kind.value for kind in DutyKind]},
            cited=_text("id of the passage that asks for it"),
            reason=_text("one sentence, from the record alone"),
            due={"type": ["string", "null"], "description": "a date, as 2026-11-21"},
        )
    ),
    recommendations=_list(_text("one sentence")),
    risk={"type": "string", "enum": [tier.value for tier in Tier]},
    confidence={"type": "number", "description": "from 0 to 1"},
    narrative=_text("who, what, when, where, why and how, in plain sentences"),
)
"""What the model's answer must be, as `response_format` takes it: only keywords that strict mode knows."""


@dataclass(frozen=True, slots=True)
class ClaimedIssue:
    """An issue as it was written."""

    text: str
    severity: Severity
    cited: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ClaimedDuty:
    """A duty as it was written: its kind may be none that we know, its date none at all."""

    kind: str
    cited: str
    reason: str
    due: date | None


@dataclass(frozen=True, slots=True)
class Answer:
    """What a model wrote: of the right shape and size, and not yet believed."""

    issues: tuple[ClaimedIssue, ...]
    approvals: tuple[str, ...]
    duties: tuple[ClaimedDuty, ...]
    recommendations: tuple[str, ...]
    tier: Tier
    confidence: float
    narrative: str


class ShapeError(ValueError):
    """An answer of another shape; the message names the field and what it must be."""


def parse(text: str) -> Answer:
    """Reads an answer. Raises ShapeError; nothing else, whatever the text."""
    try:
        whole = json.loads(text)
    except (ValueError, RecursionError):
        raise ShapeError("the answer is no JSON document") from None
    fields = _fields(whole, "the answer", SCHEMA)
    return Answer(
        issues=tuple(_issue(item) for item in _items(fields["issues"], "issues", ISSUES_MAX)),
        approvals=tuple(
            _one_of(item, "approvals", _APPROVERS)
            for item in _items(fields["approvals"], "approvals", LIST_MAX)
        ),
        duties=tuple(_duty(item) for item in _items(fields["duties"], "duties", LIST_MAX)),
        recommendations=tuple(
            _string(item, "recommendations", TEXT_LENGTH_MAX)
            for item in _items(fields["recommendations"], "recommendations", LIST_MAX)
        ),
        tier=Tier(_one_of(fields["risk"], "risk", [tier.value for tier in Tier])),
        confidence=_share(fields["confidence"]),
        narrative=_string(fields["narrative"], "narrative", NARRATIVE_LENGTH_MAX),
    )


def _issue(item: Any) -> ClaimedIssue:
    fields = _fields(item, "issues", SCHEMA["properties"]["issues"]["items"])
    return ClaimedIssue(
        _string(fields["text"], "issues.text", TEXT_LENGTH_MAX),
        _SEVERITIES[_one_of(fields["severity"], "issues.severity", list(_SEVERITIES))],
        tuple(
            _string(cited, "issues.cited", 20) for cited in _items(fields["cited"], "issues.cited", LIST_MAX)
        ),
    )


def _duty(item: Any) -> ClaimedDuty:
    fields = _fields(item, "duties", SCHEMA["properties"]["duties"]["items"])
    due = fields["due"]
    try:
        day = None if due is None else date.fromisoformat(_string(due, "duties.due", 10))
    except ValueError as error:
        raise ShapeError(f"duties.due must be a date, such as 2026-11-21: {error}") from None
    return ClaimedDuty(
        _string(
            fields["kind"], "duties.kind", 40
        ),  # a foreign kind is a claim to strike, not a broken answer
        _string(fields["cited"], "duties.cited", 20),
        _string(fields["reason"], "duties.reason", TEXT_LENGTH_MAX),
        day,
    )


def _fields(value: Any, name: str, schema: Mapping[str, Any]) -> dict[str, Any]:
    wanted = schema["required"]
    if not isinstance(value, dict) or set(value) != set(wanted):
        raise ShapeError(f"{name} must be an object of {', '.join(wanted)}")
    return value


def _items(value: Any, name: str, count_max: int) -> list[Any]:
    if not isinstance(value, list) or len(value) > count_max:
        raise ShapeError(f"{name} must be a list of at most {count_max}")
    return value


def _string(value: Any, name: str, length_max: int) -> str:
    if not isinstance(value, str) or len(value) > length_max:
        raise ShapeError(f"{name} must be a text of at most {length_max} characters")
    # What PostgreSQL and Protocol Buffers don't take (NUL, half a surrogate pair), or what turns a line on a screen.
    return "".join(each for each in value if each in "\n\t" or category(each) not in _UNSEEN)


def _one_of(value: Any, name: str, allowed: Any) -> str:
    if not isinstance(value, str) or value not in allowed:
        raise ShapeError(f"{name} must be one of {', '.join(allowed)}")
    return value


def _share(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 1:
        raise ShapeError("confidence must be a number from 0 to 1")
    return float(value)
