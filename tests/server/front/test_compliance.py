"""ComplianceService through its own door: every call, every role, every bad field."""

import asyncio
from contextlib import asynccontextmanager
from datetime import UTC, date, datetime
from uuid import uuid4

import grpc
import pytest
from google.rpc import error_details_pb2
from grpc_status import rpc_status

from compliance.cases.opening import NewCase, open_cases
from compliance.facts import Source
from compliance.results import (
    Analysis,
    Assessment,
    Duty,
    DutyKind,
    Finding,
    Origin,
    ReviewResult,
    Severity,
    Tier,
)
from compliance.roles import Role
from holdfast.v1 import compliance_pb2 as pb
from server.office.door import OfficeDoor
from server.office.settings import OfficeSettings
from tests.compliance.cases.office import OLAF, PEOPLE, deciding

TIMEOUT_S = 60
CALL_S = 20
SERVICE = "/holdfast.v1.ComplianceService/"
NOWHERE = "0" * 32


def _run(work):
    return asyncio.run(asyncio.wait_for(work, TIMEOUT_S))


class Refusal(Exception):  # noqa: N818 - an answer, told as what it is
    """What a call was answered instead."""

    def __init__(self, error):
        super().__init__(error.details())
        self.code = error.code()
        self.fields, self.reason = [], ""
        status = rpc_status.from_call(error)
        for detail in status.details if status else ():
            bad, info = error_details_pb2.BadRequest(), error_details_pb2.ErrorInfo()
            if detail.Unpack(bad):
                self.fields = [violation.field for violation in bad.field_violations]
            elif detail.Unpack(info):
                self.reason = info.reason


class Client:
    """Calls as one caller."""

    def __init__(self, channel):
        self._channel = channel

    async def __call__(self, method, request, kind=pb.Case, metadata=()):
        raw = request if isinstance(request, bytes) else request.SerializeToString()
        try:
            answer = await self._channel.unary_unary(SERVICE + method)(raw, timeout=CALL_S, metadata=metadata)
        except grpc.aio.AioRpcError as error:
            raise Refusal(error) from None
        return answer if kind is None else kind.FromString(answer)

    def watch(self, request):
        """The stream of what is new."""
        return self._channel.unary_stream(
            SERVICE + "WatchCases", response_deserializer=pb.WatchCasesResponse.FromString
        )(request.SerializeToString(), timeout=CALL_S)


@asynccontextmanager
async def serving(database_url, keys, role=Role.OFFICER, **options):
    """A scene, its door, and a client that has this role."""
    async with deciding(database_url, keys, people={}) as scene:
        settings = OfficeSettings(port=0, local_role=role, **options)
        door = await OfficeDoor.open(scene.database, keys, settings, clock=scene.clock, analyse=_analyse)
        try:
            async with grpc.aio.insecure_channel(f"127.0.0.1:{door.port}") as channel:
                yield scene, Client(channel)
        finally:
            await door.close(1)


async def _analyse(_source, source_id, _actor, *, force_refresh):
    if source_id.int == 0:
        raise LookupError("there is no such transfer")
    finding = Finding("structuring", Severity.HIGH, "31 CFR 1010.314", "3 deposits", {"count": 3})
    sar = Duty(DutyKind.SAR, "31 CFR 1020.320", "structured", "FinCEN 111", date(2026, 12, 20))
    return ReviewResult(
        source_id,
        datetime(2026, 11, 20, 15, tzinfo=UTC),
        Assessment(71.5, (), Tier.HIGH, (), ("amount",), (finding,), (sar,)),
        (),
        (),
        Analysis(
            Origin.RULES,
            Tier.HIGH,
            (),
            (),
            (sar,),
            (),
            1.0,
            "Ada Byron deposits",
            note="forced" if force_refresh else "",
        ),
    )


def _calls(case, source_id):
    """A good request for each call, with the least role that may make it."""
    named, why = {"case_id": case}, {"reason": "because"}
    return {
        "ListCases": (Role.VIEWER, pb.ListCasesRequest()),
        "SearchCases": (Role.VIEWER, pb.SearchCasesRequest(query="wire")),
        "GetCase": (Role.VIEWER, pb.GetCaseRequest(**named)),
        "GetTrail": (Role.VIEWER, pb.GetTrailRequest(**named)),
        "OpenCase": (Role.ANALYST, pb.OpenCaseRequest(idempotency_key="k", summary="a tip", tier=1, **why)),
        "AssignCase": (Role.ANALYST, pb.AssignCaseRequest(**named)),
        "CommentCase": (Role.ANALYST, pb.CommentCaseRequest(text="hm", **named)),
        "AddEvidence": (Role.ANALYST, pb.AddEvidenceRequest(name="n", content=b"c", **named)),
        "EscalateCase": (Role.ANALYST, pb.EscalateCaseRequest(**named, **why)),
        "AnalyseTransaction": (Role.ANALYST, pb.AnalyseTransactionRequest(source=2, source_id=source_id)),
        "GetEvidence": (Role.ANALYST, pb.GetEvidenceRequest(evidence_id=NOWHERE, **named)),
        "DecideCase": (Role.ANALYST, pb.DecideCaseRequest(disposition=1, **named, **why)),
        "ApproveCase": (Role.OFFICER, pb.ApproveCaseRequest(**named, **why)),
        "ReopenCase": (Role.OFFICER, pb.ReopenCaseRequest(**named, **why)),
    }


_LADDER = [Role.VIEWER, Role.ANALYST, Role.OFFICER, Role.ADMIN]


@pytest.mark.parametrize("role", _LADDER)
def test_a_call_is_made_by_whom_the_table_lets_and_denied_on_record_to_the_rest(database_url, keys, role):
    """Every call of the service; what a role may is answered, if only by what is in its way."""

    async def work():
        async with serving(database_url, keys, role) as (scene, call):
            case = (await scene.case()).hex
            denied, others, calls = set(), set(), _calls(case, scene.transfer.hex)
            for name, (_, request) in calls.items():
                try:
                    await call(name, request, None)
                except Refusal as refusal:
                    if refusal.code == grpc.StatusCode.PERMISSION_DENIED:
                        denied.add(name)
                    else:
                        others.add(refusal.code)
            rows = await scene.rows("SELECT resource, role, actor FROM audit WHERE action LIKE 'denied.%'")
            return denied, others, calls, rows

    denied, others, calls, rows = _run(work())
    assert others <= {grpc.StatusCode.FAILED_PRECONDITION, grpc.StatusCode.NOT_FOUND}
    assert denied == {
        name for name, (least, _) in calls.items() if _LADDER.index(role) < _LADDER.index(least)
    }
    assert sorted(rows) == sorted((f"rpc:{name}", role.value, "local") for name in denied)


@pytest.mark.parametrize(
    ("method", "request_", "fields"),
    [
        ("GetCase", pb.GetCaseRequest(case_id="x"), ["case_id"]),
        ("ListCases", pb.ListCasesRequest(states=[99], page_size=-1, page_token="?"),
         ["page_size", "states[0]", "page_token"]),
        ("SearchCases", pb.SearchCasesRequest(), ["query"]),
        ("OpenCase", pb.OpenCaseRequest(), ["idempotency_key", "summary", "tier", "reason"]),
        ("OpenCase", pb.OpenCaseRequest(idempotency_key="k", summary="s", tier=1, reason="r", customer_number=9),
         ["customer_number"]),
        ("DecideCase", pb.DecideCaseRequest(actions=[1, 77]), ["case_id", "disposition", "actions[1]", "reason"]),
        ("CommentCase", pb.CommentCaseRequest(case_id=NOWHERE, text="x\x07"), ["text"]),
        ("AddEvidence", pb.AddEvidenceRequest(case_id=NOWHERE, name="n"), ["content"]),
        ("GetTrail", pb.GetTrailRequest(), ["source", "source_id"]),
        ("GetTrail", pb.GetTrailRequest(case_id=NOWHERE, source=1), ["case_id"]),
        ("AnalyseTransaction", pb.AnalyseTransactionRequest(source=9), ["source", "source_id"]),
        ("EscalateCase", b"\xff\xff", [""]),
    ],
)  # fmt: skip
def test_every_bad_field_is_named_when_a_request_can_not_be_taken(
    database_url, keys, method, request_, fields
):
    """As the other services do."""

    async def work():
        async with serving(database_url, keys) as (_, call):
            await call(method, request_)

    with pytest.raises(Refusal) as refused:
        _run(work())
    assert refused.value.code == grpc.StatusCode.INVALID_ARGUMENT
    assert refused.value.fields == fields


def test_a_correlation_id_is_written_to_every_row_of_a_call(database_url, keys):
    """The caller's own; one that can't be one is refused by name."""

    async def work():
        async with serving(database_url, keys) as (scene, call):
            case = await scene.case()
            request = pb.DecideCaseRequest(case_id=case.hex, disposition=1, actions=[1], reason="fine")
            answer = await call("DecideCase", request, metadata=[("x-correlation-id", "ticket-7")])
            with pytest.raises(Refusal) as refused:
                await call("DecideCase", request, metadata=[("x-correlation-id", "a b")])
            rows = await scene.rows(
                "SELECT action FROM audit WHERE correlation_id = 'ticket-7' ORDER BY number"
            )
            return answer, refused.value.fields, rows

    answer, fields, rows = _run(work())
    assert (answer.state, answer.decided_by) == (pb.CASE_STATE_CLOSED, "local")
    assert fields == ["x-correlation-id"]
    assert rows == [("case.decided",), ("transfer.decide",), ("case.closed",)]


def test_a_refusal_tells_programs_its_reason(database_url, keys):
    """FAILED_PRECONDITION with an ErrorInfo; NOT_FOUND where there is nothing."""

    async def work():
        async with serving(database_url, keys) as (scene, call):
            case = await scene.case(Source.AUTHORIZATION)
            request = pb.DecideCaseRequest(case_id=case.hex, disposition=1, actions=[1], reason="fine")
            with pytest.raises(Refusal) as refused:
                await call("DecideCase", request)
            with pytest.raises(Refusal) as absent:
                await call("GetCase", pb.GetCaseRequest(case_id=NOWHERE))
            return refused.value, absent.value.code

    refused, absent = _run(work())
    assert (refused.code, refused.reason) == (grpc.StatusCode.FAILED_PRECONDITION, "NO_TRANSFER")
    assert absent == grpc.StatusCode.NOT_FOUND


def test_pages_go_through_all_cases_once(database_url, keys):
    """By the next page's token, what is due first before the rest."""

    async def work():
        async with serving(database_url, keys) as (scene, call):
            async with scene.database.acquire() as connection, connection.transaction():
                new = [NewCase(uuid4(), 0, Tier.LOW, "transfer", "one of many", None) for _ in range(7)]
                made = await open_cases(connection, new, scene.clock())
            pages, tokens = {"ListCases": [], "SearchCases": []}, {"ListCases": "", "SearchCases": ""}
            for _ in range(3):
                listing = pb.ListCasesRequest(page_size=3, page_token=tokens["ListCases"])
                search = pb.SearchCasesRequest(query="many", page_size=3, page_token=tokens["SearchCases"])
                for name, request in (("ListCases", listing), ("SearchCases", search)):
                    answer = await call(name, request, pb.ListCasesResponse)
                    pages[name] += [case.case_id for case in answer.cases]
                    tokens[name] = answer.next_page_token
            return pages, tokens, sorted(case.hex for case in made)

    pages, tokens, made = _run(work())
    assert all(sorted(found) == made for found in pages.values())
    assert set(tokens.values()) == {""}


def test_a_watch_hears_of_every_step_and_resumes_without_a_gap(database_url, keys):
    """From now on; then, after a break, from the token on."""

    async def work():
        async with serving(database_url, keys) as (scene, call):
            stream = call.watch(pb.WatchCasesRequest())
            first = await stream.read()
            case = await scene.case()
            opened = await stream.read()
            stream.cancel()
            await call("CommentCase", pb.CommentCaseRequest(case_id=case.hex, text="while nobody watched"))
            await call("DecideCase", pb.DecideCaseRequest(case_id=case.hex, disposition=1, reason="fine"))
            stream = call.watch(pb.WatchCasesRequest(resume_token=opened.resume_token))
            heard = [await stream.read() for _ in range(4)]
            return first, opened, heard, case

    first, opened, heard, case = _run(work())
    assert not first.HasField("case")
    assert (opened.event, opened.case.case_id) == ("opened", case.hex)
    assert [answer.event for answer in heard[1:]] == ["commented", "decided", "closed"]
    assert heard[-1].case.state == pb.CASE_STATE_CLOSED


def test_a_watch_has_no_gap_when_an_older_transaction_commits_late(database_url, keys):
    """What it wrote is told, though younger steps were there before."""

    async def work():
        async with serving(database_url, keys) as (scene, call):
            stream = call.watch(pb.WatchCasesRequest())
            await stream.read()
            made = []
            async with scene.database.acquire() as late:
                transaction = late.transaction()
                await transaction.start()
                new = NewCase(uuid4(), 0, Tier.LOW, "transfer", "late", None)
                sql = "INSERT INTO case_moves VALUES ('late', 'late')"
                await late.execute(sql)  # it has its number now
                made += [await scene.case()]
                made += await open_cases(late, [new], scene.clock())
                await transaction.commit()
            return [(await stream.read()).case.case_id for _ in range(2)], [case.hex for case in made]

    told, made = _run(work())
    assert sorted(told) == sorted(made)


def test_a_watch_is_narrowed_to_tiers_and_queues(database_url, keys):
    """The rest is not told."""

    async def work():
        async with serving(database_url, keys) as (scene, call):
            stream = call.watch(
                pb.WatchCasesRequest(tiers=[pb.CASE_TIER_HIGH], queues=[pb.CASE_QUEUE_SANCTIONS])
            )
            await stream.read()
            await scene.case(None, Tier.LOW, hits=True)
            await scene.case(None, Tier.HIGH)
            wanted = await scene.case(None, Tier.HIGH, hits=True)
            return (await stream.read()).case.case_id == wanted.hex

    assert _run(work())


def test_a_review_is_given_with_every_part_that_its_reader_may_see(database_url, keys):
    """What rules found, and the words of the analysis; a forced one is asked for."""

    async def work():
        async with serving(database_url, keys, Role.ANALYST) as (scene, call):
            request = pb.AnalyseTransactionRequest(source=2, source_id=scene.transfer.hex, force_refresh=True)
            answer = await call("AnalyseTransaction", request, pb.Review)
            with pytest.raises(Refusal) as absent:
                await call("AnalyseTransaction", pb.AnalyseTransactionRequest(source=2, source_id=NOWHERE))
            return answer, absent.value.code

    answer, absent = _run(work())
    assert (answer.assessment.composite, answer.assessment.findings[0].facts["count"]) == (71.5, 3)
    assert (answer.analysis.narrative, answer.analysis.note) == ("Ada Byron deposits", "forced")
    assert absent == grpc.StatusCode.NOT_FOUND


def test_a_trail_tells_everything_in_order_and_audit_rows_to_officers_alone(database_url, keys):
    """The transfer, its case, what was done; no name in it."""

    async def work(role):
        async with serving(database_url, keys, role) as (scene, call):
            case = await scene.case()
            if role == Role.OFFICER:
                await call(
                    "DecideCase",
                    pb.DecideCaseRequest(
                        case_id=case.hex, disposition=2, actions=[2], reason="Ada Byron again"
                    ),
                )
            request = pb.GetTrailRequest(source=2, source_id=scene.transfer.hex)
            return await call("GetTrail", request, pb.Trail)

    trail = _run(work(Role.OFFICER))
    kinds = {(entry.kind, entry.what) for entry in trail.entries}
    assert kinds >= {
        ("transaction", "transfer"), ("transfer", "pending_review"), ("transfer", "deciding"), ("case", "opened"),
        ("case", "decided"), ("audit", "transfer.decide"), ("audit", "case.decided"),
    }  # fmt: skip
    assert "Byron" not in str(trail)


def test_a_viewers_trail_has_no_audit_row(database_url, keys):
    """He may not see the log."""

    async def work():
        async with serving(database_url, keys, Role.VIEWER) as (scene, call):
            await scene.case()
            return await call(
                "GetTrail", pb.GetTrailRequest(source=2, source_id=scene.transfer.hex), pb.Trail
            )

    assert {entry.kind for entry in _run(work()).entries} == {"transaction", "transfer", "case"}


def test_the_people_of_the_tests_have_every_role():
    """Or a role would go untested."""
    assert set(PEOPLE.values()) == set(Role)


def test_a_case_with_as_many_words_as_it_may_have_fits_into_one_message(database_url, keys):
    """The newest steps; a client that sets no limit of its own gets them."""

    async def work():
        async with serving(database_url, keys) as (scene, call):
            case = await scene.case()
            text = "\N{GREEK SMALL LETTER OMEGA}" * 4_000
            for _ in range(205):
                await scene.desk.comment(OLAF, case, text)
            return await call("GetCase", pb.GetCaseRequest(case_id=case.hex))

    assert len(_run(work()).events) == 200
