"""ComplianceService over gRPC: who calls, whether he may, fields checked, the desk asked, answers of the contract."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Any, Final, Protocol
from uuid import UUID

import grpc
from google.rpc import code_pb2, status_pb2
from grpc_status import rpc_status

from compliance.audit.log import Entry, append
from compliance.cases import refusals
from compliance.cases.desk import EVIDENCE_BYTES_MAX, ByHand, CaseDesk
from compliance.cases.reading import NEEDS
from compliance.cases.records import By, Case
from compliance.cases.reviewed import review_as_seen_by
from compliance.cases.trail import Trails
from compliance.facts import Source
from compliance.ports import Database
from compliance.results import ReviewResult, document
from compliance.roles import Actor, Denied, require
from holdfast.v1 import compliance_pb2 as pb
from server.front.callers import Callers, Stranger
from server.front.compliance_asking import (
    ACTIONS,
    DISPOSITIONS,
    SOURCES,
    TIERS,
    about,
    identifier,
    position,
    prose,
    wanted,
    word,
    words,
)
from server.front.compliance_watch import Watches
from server.front.compliance_writing import case_message, evidence_message, review_message, trail_message
from server.front.counter import (
    DEADLINE_S,
    check_key,
    check_number,
    check_page_size,
    check_text,
    fault,
    refusal,
    refuse_bad,
    seal_token,
    too_late,
)
from server.front.fields import BadRequest, Violation, parse
from server.front.service import status_of

SERVICE: Final = "holdfast.v1.ComplianceService"
ANALYSIS_DEADLINE_S: Final = 60.0
NAME_SIZE_MAX: Final = 200
PERSON_SIZE_MAX: Final = 100
SUMMARY_SIZE_MAX: Final = 300
QUERY_SIZE_MAX: Final = 200

Handle = Callable[[Any, By], Awaitable[Any]]


class Analyse(Protocol):
    """Reviews a transaction now."""

    async def __call__(
        self, source: Source, source_id: UUID, actor: Actor, *, force_refresh: bool = False
    ) -> ReviewResult:
        """The review. Raises LookupError where there is no such transaction."""
        ...


class ComplianceService:
    """The handlers."""

    name: Final = SERVICE

    def __init__(
        self,
        database: Database,
        desk: CaseDesk,
        callers: Callers,
        watches: Watches,
        now: Callable[[], datetime],
        *,
        analyse: Analyse | None = None,
    ) -> None:
        self._database = database
        self._desk = desk
        self._trails = Trails(database)
        self._callers = callers
        self._watches = watches
        self._now = now
        self._analyse = analyse

    def handler(self) -> Any:
        """The generic handler to register with a server."""
        calls: dict[str, tuple[Any, str, Handle]] = {
            "ListCases": (pb.ListCasesRequest, "list", self.list_cases),
            "SearchCases": (pb.SearchCasesRequest, "search", self.search_cases),
            "GetCase": (pb.GetCaseRequest, "show", self.get_case),
            "OpenCase": (pb.OpenCaseRequest, "open", self.open_case),
            "AssignCase": (pb.AssignCaseRequest, "assign", self.assign_case),
            "CommentCase": (pb.CommentCaseRequest, "comment", self.comment_case),
            "AddEvidence": (pb.AddEvidenceRequest, "add_evidence", self.add_evidence),
            "GetEvidence": (pb.GetEvidenceRequest, "evidence", self.get_evidence),
            "EscalateCase": (pb.EscalateCaseRequest, "escalate", self.escalate_case),
            "DecideCase": (pb.DecideCaseRequest, "decide", self.decide_case),
            "ApproveCase": (pb.ApproveCaseRequest, "approve", self.approve_case),
            "ReopenCase": (pb.ReopenCaseRequest, "reopen", self.reopen_case),
            "AnalyseTransaction": (pb.AnalyseTransactionRequest, "analyse", self.analyse_transaction),
            "GetTrail": (pb.GetTrailRequest, "trail", self.get_trail),
        }
        handlers = {
            name: self._unary(name, kind, needs, handle) for name, (kind, needs, handle) in calls.items()
        }
        handlers["WatchCases"] = grpc.unary_stream_rpc_method_handler(self._watch)
        return grpc.method_handlers_generic_handler(SERVICE, handlers)

    def end_links(self) -> None:
        """End every watch."""
        self._watches.end()

    async def list_cases(self, request: Any, by: By) -> Any:
        """See the contract."""
        bad: list[Violation] = []
        size = check_page_size(request.page_size, bad)
        asked = wanted(request, bad)
        refuse_bad(bad)
        found = await self._desk.page(by, asked, size + 1)
        return self._page(found, size, lambda case: case.due_at)

    async def search_cases(self, request: Any, by: By) -> Any:
        """See the contract."""
        bad: list[Violation] = []
        text = check_text("query", request.query, QUERY_SIZE_MAX, bad, required=True)
        size = check_page_size(request.page_size, bad)
        older = position(request.page_token, bad)
        refuse_bad(bad)
        found = await self._desk.search(by, text, older, size + 1)
        return self._page(found, size, lambda case: case.opened_at)

    async def get_case(self, request: Any, by: By) -> Any:
        """See the contract."""
        bad: list[Violation] = []
        case_id = identifier("case_id", request.case_id, bad)
        refuse_bad(bad)
        found = await self._desk.show(by, case_id, unmasked=request.unmasked)
        return case_message(found.case, self._now(), whole=found)

    async def open_case(self, request: Any, by: By) -> Any:
        """See the contract."""
        bad: list[Violation] = []
        key = check_key(request.idempotency_key, bad)
        summary = check_text("summary", request.summary, SUMMARY_SIZE_MAX, bad, required=True)
        tier = word("tier", request.tier, TIERS, bad)
        reason = prose("reason", request.reason, bad)
        source, source_id = about(request, bad)
        number = None
        if request.HasField("customer_number"):
            number = check_number("customer_number", request.customer_number, bad)
        refuse_bad(bad)
        asked = ByHand(key, summary, tier, reason, source, source_id, number)
        return self._shown(await self._desk.open(by, asked))

    async def assign_case(self, request: Any, by: By) -> Any:
        """See the contract."""
        bad: list[Violation] = []
        case_id = identifier("case_id", request.case_id, bad)
        assignee = check_text("assignee", request.assignee, PERSON_SIZE_MAX, bad)
        refuse_bad(bad)
        return self._shown(await self._desk.assign(by, case_id, assignee))

    async def comment_case(self, request: Any, by: By) -> Any:
        """See the contract."""
        bad: list[Violation] = []
        case_id, text = identifier("case_id", request.case_id, bad), prose("text", request.text, bad)
        refuse_bad(bad)
        return self._shown(await self._desk.comment(by, case_id, text))

    async def add_evidence(self, request: Any, by: By) -> Any:
        """See the contract."""
        bad: list[Violation] = []
        case_id = identifier("case_id", request.case_id, bad)
        name = check_text("name", request.name, NAME_SIZE_MAX, bad, required=True)
        if not 0 < len(request.content) <= EVIDENCE_BYTES_MAX:
            bad.append(
                Violation("content", f"must be 1 to {EVIDENCE_BYTES_MAX} bytes, got {len(request.content)}")
            )
        refuse_bad(bad)
        _, piece = await self._desk.add_evidence(by, case_id, name, request.content)
        return evidence_message(piece)

    async def get_evidence(self, request: Any, by: By) -> Any:
        """See the contract."""
        bad: list[Violation] = []
        case_id = identifier("case_id", request.case_id, bad)
        evidence_id = identifier("evidence_id", request.evidence_id, bad)
        refuse_bad(bad)
        piece, content = await self._desk.evidence(by, case_id, evidence_id)
        return evidence_message(piece, content)

    async def escalate_case(self, request: Any, by: By) -> Any:
        """See the contract."""
        case_id, reason = self._case_and_reason(request)
        return self._shown(await self._desk.escalate(by, case_id, reason))

    async def decide_case(self, request: Any, by: By) -> Any:
        """See the contract."""
        bad: list[Violation] = []
        case_id = identifier("case_id", request.case_id, bad)
        disposition = word("disposition", request.disposition, DISPOSITIONS, bad)
        actions = words("actions", request.actions, ACTIONS, bad)
        reason = prose("reason", request.reason, bad)
        refuse_bad(bad)
        return self._shown(await self._desk.decide(by, case_id, disposition, actions, reason))

    async def approve_case(self, request: Any, by: By) -> Any:
        """See the contract."""
        case_id, reason = self._case_and_reason(request)
        return self._shown(await self._desk.approve(by, case_id, reason, agrees=not request.returned))

    async def reopen_case(self, request: Any, by: By) -> Any:
        """See the contract."""
        case_id, reason = self._case_and_reason(request)
        return self._shown(await self._desk.reopen(by, case_id, reason))

    async def analyse_transaction(self, request: Any, by: By) -> Any:
        """See the contract."""
        bad: list[Violation] = []
        source = word("source", request.source, SOURCES, bad)
        source_id = identifier("source_id", request.source_id, bad)
        refuse_bad(bad)
        if self._analyse is None:
            raise refusals.Refused("NO_ANALYST", "this office analyses nothing")
        result = await self._analyse(source, source_id, by.actor, force_refresh=request.force_refresh)
        return review_message(review_as_seen_by(json.loads(document(result)), by.actor))

    async def get_trail(self, request: Any, by: By) -> Any:
        """See the contract."""
        bad: list[Violation] = []
        if request.case_id:
            case_id = identifier("case_id", request.case_id, bad)
            if request.source or request.source_id:
                bad.append(Violation("case_id", "must be absent where a transaction is named"))
            refuse_bad(bad)
            return trail_message(await self._trails.of_case(by, case_id))
        source = word("source", request.source, SOURCES, bad)
        source_id = identifier("source_id", request.source_id, bad)
        refuse_bad(bad)
        return trail_message(await self._trails.of(by, source, source_id))

    def _shown(self, case: Case) -> Any:
        return case_message(case, self._now())

    def _case_and_reason(self, request: Any) -> tuple[UUID, str]:
        bad: list[Violation] = []
        case_id, reason = identifier("case_id", request.case_id, bad), prose("reason", request.reason, bad)
        refuse_bad(bad)
        return case_id, reason

    def _page(self, found: list[Case], size: int, at: Callable[[Case], datetime]) -> Any:
        answer = pb.ListCasesResponse(cases=[self._shown(case) for case in found[:size]])
        if len(found) > size:
            last = found[size - 1]
            answer.next_page_token = seal_token(int(at(last).timestamp() * 1_000_000), last.id.int)
        return answer

    def _unary(self, name: str, kind: Any, needs: str, handle: Handle) -> Any:
        """The handler of one call: who asks is known and may; what he did, or was denied, is on record."""
        deadline_s = ANALYSIS_DEADLINE_S if needs == "analyse" else DEADLINE_S

        async def answer(raw: bytes, context: Any) -> bytes:
            deadline = asyncio.timeout(deadline_s)
            try:
                async with deadline:
                    by = self._callers.by(context)
                    require(by.actor, NEEDS[needs])
                    reply = await handle(parse(kind, raw), by)
            except Exception as error:
                status = too_late() if deadline.expired() else await self._status(name, error, context)
                if status is not None:
                    await context.abort_with_status(rpc_status.to_status(status))
                raise
            return bytes(reply.SerializeToString())

        return grpc.unary_unary_rpc_method_handler(answer)

    async def _watch(self, raw: bytes, context: Any) -> None:
        try:
            by = self._callers.by(context)
            require(by.actor, NEEDS["watch"])
            await self._watches.run(parse(pb.WatchCasesRequest, raw), by, context.write)
        except Exception as error:
            status = await self._status("WatchCases", error, context)
            if status is not None:
                await context.abort_with_status(rpc_status.to_status(status))
            raise

    async def _status(self, name: str, error: Exception, context: Any) -> Any | None:
        """The status that tells of an error; a denial is an audit row first."""
        if isinstance(error, Denied | Stranger):
            try:
                await self._note(name, error, self._callers.correlation_id(context))
            except Exception as unwritten:
                return fault(unwritten)
            return status_pb2.Status(code=code_pb2.PERMISSION_DENIED, message=str(error))
        if isinstance(error, refusals.Refused):
            return refusal(error.reason, str(error))
        if isinstance(error, refusals.Unfit):
            return status_of(BadRequest([Violation(error.field, error.description)]))
        return fault(error)

    async def _note(self, name: str, error: Denied | Stranger, correlation_id: str) -> None:
        if isinstance(error, Denied):
            who, role, what = error.actor.name, error.actor.role.value, f"denied.{error.permission}"
        else:
            who, role, what = error.name, "", "denied.stranger"
        async with self._database.acquire() as connection, connection.transaction():
            await append(connection, [Entry(who, role, what, f"rpc:{name}", correlation_id=correlation_id)])
