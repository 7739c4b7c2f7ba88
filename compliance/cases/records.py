"""A case as it is kept and shown, its steps and what was laid to it."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final, NamedTuple
from uuid import UUID

from compliance.cases.states import AFTER, UNDECIDED, Action, Disposition, State
from compliance.facts import Source
from compliance.ports import Seals
from compliance.results import DutyKind, Tier
from compliance.roles import Actor, Permission, may

Mask = Callable[[str], str]
"""How a name is shown to those who need not know it: handed in."""

SEALED_REASON: Final = "cases.reason"
SEALED_TEXT: Final = "case_events.text"
SEALED_NAME: Final = "case_evidence.name"
SEALED_CONTENT: Final = "case_evidence.content"


class By(NamedTuple):
    """Who asks, and what everything that this one call does has in common."""

    actor: Actor
    correlation_id: str = ""


@dataclass(frozen=True, slots=True)
class Case:
    """A case. Times are aware; of what is not known or not shown, None or empty."""

    id: UUID
    flagged_id: UUID | None
    review_id: UUID | None
    kind: str
    queue: str
    tier: Tier
    state: State
    source: Source | None
    source_id: UUID | None
    customer_number: int | None
    customer_name: str
    summary: str
    duties: tuple[Mapping[str, Any], ...]
    assignee: str
    due_at: datetime
    disposition: Disposition | None
    actions: tuple[Action, ...]
    reason: str
    proposed_by: str
    decided_by: str
    decided_at: datetime | None
    approved_by: str
    approved_at: datetime | None
    forms_awaited: tuple[str, ...]
    forms_filed: tuple[str, ...]
    filings: tuple[UUID, ...]
    opened_at: datetime
    reopened_at: datetime | None
    changed_by: str
    changed_at: datetime

    @property
    def duty_kinds(self) -> frozenset[DutyKind]:
        """What must be done, by kind."""
        return frozenset(DutyKind(duty["kind"]) for duty in self.duties)

    def overdue(self, now: datetime) -> bool:
        """Whether nobody has decided in time."""
        return self.state in UNDECIDED and self.due_at < now


@dataclass(frozen=True, slots=True)
class CaseEvent:
    """A step of a case."""

    number: int
    event: str
    before: str
    after: str
    actor: str
    role: str
    details: Mapping[str, Any]
    text: str
    correlation_id: str
    happened_at: datetime


@dataclass(frozen=True, slots=True)
class Evidence:
    """What was laid to a case, without its content."""

    id: UUID
    name: str
    sha256: bytes
    size: int
    added_by: str
    added_at: datetime


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which cases to list; what is empty or None does not filter."""

    states: tuple[State, ...] = ()
    tiers: tuple[Tier, ...] = ()
    queues: tuple[str, ...] = ()
    assignee: str | None = None
    customer_number: int | None = None
    source_id: UUID | None = None
    overdue: bool = False
    since: datetime | None = None  # opened from then on
    until: datetime | None = None  # and before then
    after: tuple[datetime, UUID] | None = None  # the last one's due time and id


def case_of(row: Any, seals: Seals | None) -> Case:
    """A row of `cases` with its customer's sealed names; without seals, names and reason are left out."""
    fields = dict(row)
    given, family = fields.pop("given_name"), fields.pop("family_name")
    name = ""
    reason = ""
    if seals is not None and given is not None:
        name = (
            f"{seals.unseal('customers.given_name', given)} {seals.unseal('customers.family_name', family)}"
        )
    if seals is not None and fields["reason"]:
        reason = seals.unseal(SEALED_REASON, fields["reason"])
    return Case(
        **{
            **fields,
            "tier": Tier(fields["tier"]),
            "state": State(fields["state"]),
            "source": Source(fields["source"]) if fields["source"] else None,
            "customer_name": name,
            "duties": tuple(json.loads(fields["duties"])),
            "disposition": Disposition(fields["disposition"]) if fields["disposition"] else None,
            "actions": tuple(Action(action) for action in fields["actions"]),
            "reason": reason,
            "forms_awaited": tuple(fields["forms_awaited"]),
            "forms_filed": tuple(fields["forms_filed"]),
            "filings": tuple(fields["filings"]),
        }
    )


def event_of(row: Any, seals: Seals | None) -> CaseEvent:
    """A row of `case_events`, its text unsealed, or without seals left out."""
    fields = dict(row)
    text = seals.unseal(SEALED_TEXT, fields["text"]) if seals is not None and fields["text"] else ""
    return CaseEvent(**{**fields, "details": json.loads(fields["details"]), "text": text})


def evidence_of(row: Any, seals: Seals | None) -> Evidence:
    """A row of `case_evidence`, its name unsealed, or without seals left out."""
    name = "" if seals is None else seals.unseal(SEALED_NAME, row["name"])
    return Evidence(**{**dict(row), "name": name})


def as_seen_by(case: Case, actor: Actor, mask: Mask, *, unmasked: bool) -> Case:
    """
    What this actor may see of a case.

    Names are masked unless asked for; without SEE_PERSONAL_DATA what people wrote is left out; without SEE_FILINGS
    nothing tells that something was or will be reported (31 CFR 1020.320(e)).
    """
    if case.customer_name and not unmasked:
        case = replace(case, customer_name=" ".join(map(mask, case.customer_name.split(" ", 1))))
    if not may(actor, Permission.SEE_PERSONAL_DATA):
        case = replace(case, reason="")
    if not may(actor, Permission.SEE_FILINGS):
        case = replace(
            case,
            state=State.CLOSED if case.state in AFTER else case.state,
            changed_at=(case.approved_at or case.decided_at or case.changed_at)
            if case.state in AFTER
            else case.changed_at,
            duties=tuple(duty for duty in case.duties if not duty.get("form")),
            disposition=None,
            forms_awaited=(),
            forms_filed=(),
            filings=(),
        )
    return case
