"""What can be seen of cases: each who asks sees what his role may, and seeing personal data is an audit row."""

import base64
import contextlib
import dataclasses
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from compliance.audit.log import viewed
from compliance.cases.records import (
    SEALED_CONTENT,
    By,
    Case,
    CaseEvent,
    Evidence,
    Mask,
    Wanted,
    as_seen_by,
    case_of,
    event_of,
    evidence_of,
)
from compliance.cases.reviewed import newest_review, review_as_seen_by
from compliance.cases.states import AFTER, TELLING, State
from compliance.ports import Database, Seals, queries
from compliance.roles import Permission, may, require

NEEDS: Final[Mapping[str, Permission]] = {
    "list": Permission.SEE_CASES,
    "search": Permission.SEE_CASES,
    "show": Permission.SEE_CASES,
    "watch": Permission.SEE_CASES,
    "trail": Permission.SEE_CASES,
    "open": Permission.WORK_CASES,
    "assign": Permission.WORK_CASES,
    "comment": Permission.WORK_CASES,
    "add_evidence": Permission.WORK_CASES,
    "evidence": Permission.SEE_PERSONAL_DATA,
    "escalate": Permission.WORK_CASES,
    "decide": Permission.WORK_CASES,  # without DECIDE it is a proposal
    "approve": Permission.DECIDE,
    "reopen": Permission.DECIDE,
    "analyse": Permission.WORK_CASES,
}
"""What each thing that can be asked of the desk, or beside it, needs."""

EVENTS_MAX: Final = 200
"""So many, with the longest texts, still fit into one message of a client that sets no limit (4 MiB)."""


@dataclass(frozen=True, slots=True)
class WholeCase:
    """A case with its newest steps and what was laid to it."""

    case: Case
    events: tuple[CaseEvent, ...]
    evidence: tuple[Evidence, ...]
    review: Mapping[str, Any] | None = None  # compliance.results.ReviewResult, the newest


class CaseReader:
    """
    Reads cases. `mask` is how names are shown.

    Everything raises Denied where the actor may not, and LookupError where there is no such case.
    """

    def __init__(self, database: Database, seals: Seals, now: Callable[[], datetime], *, mask: Mask) -> None:
        self._database = database
        self._seals = seals
        self._now = now
        self._mask = mask
        self._sql = queries("compliance.cases")

    async def page(self, by: By, wanted: Wanted, count_max: int) -> list[Case]:
        """What is due first comes first; where no states are asked for, all that are not closed."""
        require(by.actor, NEEDS["list"])
        states: Collection[State] = wanted.states or set(State) - {State.CLOSED}
        if not may(by.actor, Permission.SEE_FILINGS):
            # To whom filings are not shown, what is decided is closed.
            states = set(states) - AFTER | (AFTER if State.CLOSED in states else set())
        due_at, case_id = wanted.after or (None, None)
        return await self._seen(
            by,
            "list_cases",
            [state.value for state in states],
            [tier.value for tier in wanted.tiers] or None,
            list(wanted.queues) or None,
            wanted.assignee,
            wanted.customer_number,
            wanted.source_id,
            self._now() if wanted.overdue else None,
            wanted.since,
            wanted.until,
            due_at,
            case_id,
            count_max,
        )

    async def search(
        self, by: By, text: str, older_than: tuple[datetime, UUID] | None, count_max: int
    ) -> list[Case]:
        """The newest first: by words of the summary, the id of a case or a transaction, or a customer's number."""
        require(by.actor, NEEDS["search"])
        identifier = number = None
        with contextlib.suppress(ValueError):
            identifier = UUID(hex=text)
        if text.isascii() and text.isdigit() and int(text) < 1 << 31:
            number = int(text)
        opened_at, case_id = older_than or (None, None)
        return await self._seen(by, "search_cases", text, identifier, number, opened_at, case_id, count_max)

    async def show(self, by: By, case_id: UUID, *, unmasked: bool = False) -> WholeCase:
        """A case. Unmasked needs SEE_PERSONAL_DATA, and is an audit row; so is reading what people wrote about it."""
        require(by.actor, NEEDS["show"])
        if unmasked:
            require(by.actor, Permission.SEE_PERSONAL_DATA)
        reads = may(by.actor, Permission.SEE_PERSONAL_DATA)
        async with self._database.acquire() as connection, connection.transaction():
            row = await connection.fetchrow(self._sql["find_case"], case_id)
            if row is None:
                raise LookupError(f"there is no case {case_id.hex}")
            case = case_of(row, self._seals)
            events = [
                event_of(step, self._seals if reads else None)
                for step in await connection.fetch(self._sql["case_events"], case_id, EVENTS_MAX)
            ]
            evidence = [
                evidence_of(piece, self._seals if reads else None)
                for piece in await connection.fetch(self._sql["case_evidence"], case_id)
            ]
            review = await newest_review(connection, self._seals, case.flagged_id)
            if unmasked or (
                reads and (review or case.reason or evidence or any(event.text for event in events))
            ):
                what = "case" if unmasked else "case_texts"
                await viewed(connection, by.actor, what, f"case:{case_id.hex}", by.correlation_id)
        if not may(by.actor, Permission.SEE_FILINGS):
            events = [_without_filings(event) for event in events if event.event not in TELLING]
        return WholeCase(
            as_seen_by(case, by.actor, self._mask, unmasked=unmasked),
            tuple(events),
            tuple(evidence),
            None if review is None else review_as_seen_by(review, by.actor),
        )

    async def see(self, by: By, case_ids: Sequence[UUID]) -> dict[UUID, Case]:
        """These cases as a list shows them."""
        require(by.actor, NEEDS["watch"])
        found = await self._seen(by, "find_cases", list(case_ids))
        return {case.id: case for case in found}

    async def evidence(self, by: By, case_id: UUID, evidence_id: UUID) -> tuple[Evidence, bytes]:
        """What was laid to a case, with its content; an audit row."""
        require(by.actor, NEEDS["evidence"])
        async with self._database.acquire() as connection, connection.transaction():
            row = await connection.fetchrow(self._sql["find_evidence"], case_id, evidence_id)
            if row is None:
                raise LookupError(f"case {case_id.hex} has no evidence {evidence_id.hex}")
            await viewed(connection, by.actor, "evidence", f"evidence:{evidence_id.hex}", by.correlation_id)
        fields = dict(row)
        content = base64.b64decode(self._seals.unseal(SEALED_CONTENT, fields.pop("content")))
        return evidence_of(fields, self._seals), content

    async def _seen(self, by: By, name: str, *arguments: Any) -> list[Case]:
        async with self._database.acquire() as connection:
            rows = await connection.fetch(self._sql[name], *arguments)
        return [self._shown(by, case_of(row, self._seals)) for row in rows]

    def _shown(self, by: By, case: Case) -> Case:
        return as_seen_by(case, by.actor, self._mask, unmasked=False)


def _without_filings(event: CaseEvent) -> CaseEvent:
    """A step as somebody sees it to whom filings are not shown."""

    def shown(state: str) -> str:
        return State.CLOSED.value if state in AFTER else state

    return dataclasses.replace(event, before=shown(event.before), after=shown(event.after))
