"""What the desk found, as messages of the contract."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from google.protobuf.json_format import ParseDict

from compliance.cases.reading import WholeCase
from compliance.cases.records import Case, CaseEvent, Evidence
from compliance.cases.trail import Trail
from holdfast.v1 import compliance_pb2 as pb
from server.front.compliance_asking import ACTIONS, DISPOSITIONS, QUEUES, SOURCES, STATES, TIERS
from server.front.counter import stamp_of


def case_message(case: Case, now: datetime, *, whole: WholeCase | None = None) -> Any:
    """A case; with its steps, evidence and review where they are given."""
    answer = pb.Case(
        case_id=case.id.hex,
        kind=case.kind,
        queue=QUEUES.number(case.queue),
        tier=TIERS.number(case.tier),
        state=STATES.number(case.state),
        source=SOURCES.number(case.source),
        source_id="" if case.source_id is None else case.source_id.hex,
        customer_number=case.customer_number,
        customer_name=case.customer_name,
        summary=case.summary,
        assignee=case.assignee,
        due_time=_stamp(case.due_at),
        overdue=case.overdue(now),
        disposition=DISPOSITIONS.number(case.disposition),
        actions=[ACTIONS.number(action) for action in case.actions],
        reason=case.reason,
        proposed_by=case.proposed_by,
        decided_by=case.decided_by,
        decision_time=_stamp(case.decided_at),
        approved_by=case.approved_by,
        approval_time=_stamp(case.approved_at),
        duties=[ParseDict(duty, pb.Duty(), ignore_unknown_fields=True) for duty in case.duties],
        forms_awaited=case.forms_awaited,
        forms_filed=case.forms_filed,
        filing_ids=[filing.hex for filing in case.filings],
        open_time=_stamp(case.opened_at),
        change_time=_stamp(case.changed_at),
    )
    if whole is not None:
        answer.events.extend(map(_event_message, whole.events))
        answer.evidence.extend(map(evidence_message, whole.evidence))
        if whole.review is not None:
            answer.review.CopyFrom(review_message(whole.review))
    return answer


def evidence_message(piece: Evidence, content: bytes = b"") -> Any:
    """What was laid to a case."""
    return pb.Evidence(
        evidence_id=piece.id.hex,
        name=piece.name,
        sha256=piece.sha256.hex(),
        size=piece.size,
        added_by=piece.added_by,
        add_time=_stamp(piece.added_at),
        content=content,
    )


def review_message(document: Mapping[str, Any]) -> Any:
    """A review: the contract's fields are named as the document's."""
    return ParseDict(document, pb.Review(), ignore_unknown_fields=True)


def trail_message(trail: Trail) -> Any:
    """Everything on record about a transaction."""
    return pb.Trail(
        source=SOURCES.number(trail.source),
        source_id=trail.source_id.hex,
        case_id="" if trail.case_id is None else trail.case_id.hex,
        entries=[
            pb.TrailEntry(
                time=_stamp(trace.at),
                kind=trace.kind,
                what=trace.what,
                actor=trace.actor,
                id=trace.id,
                details=trace.details,
            )
            for trace in trail.traces
        ],
    )


def _event_message(event: CaseEvent) -> Any:
    return pb.CaseEvent(
        number=event.number,
        event=event.event,
        before=STATES.number(event.before),
        after=STATES.number(event.after),
        actor=event.actor,
        role=event.role,
        details={
            name: value if isinstance(value, str) else json.dumps(value)
            for name, value in event.details.items()
        },
        text=event.text,
        correlation_id=event.correlation_id,
        time=_stamp(event.happened_at),
    )


def _stamp(when: datetime | None) -> Any:
    return None if when is None else stamp_of(when.astimezone(UTC))
