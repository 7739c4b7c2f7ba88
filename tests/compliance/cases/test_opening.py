"""Cases are opened once, and only ever raised."""

import asyncio
import json
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

from compliance.cases.opening import NewCase, open_cases
from compliance.facts import Kind
from compliance.results import Duty, DutyKind, Tier
from server.store.database import Database

NOW = datetime(2026, 11, 20, 15, 0, tzinfo=UTC)  # a Friday
REVIEW = UUID(int=7)


def _case(flagged, tier=Tier.MEDIUM, **fields):
    return NewCase(flagged, None, tier, "transfer", "a wire over 50,000", REVIEW, **fields)


async def _open(database, cases, now=NOW):
    async with database.acquire() as connection, connection.transaction():
        return await open_cases(connection, cases, now)


def test_a_flagged_transfer_has_one_case_when_it_is_asked_for_again_and_at_once(database_url, run):
    """Twice in a call, in two calls at the same time, and later."""

    async def work():
        async with Database(database_url) as database:
            flagged = [uuid4() for _ in range(30)]
            cases = [_case(identifier) for identifier in flagged]
            both = await asyncio.gather(_open(database, cases), _open(database, cases[::-1]))
            again = await _open(database, [*cases, *cases])
            async with database.acquire() as connection:
                rows = await connection.fetch("SELECT id, flagged_id FROM cases")
                events = await connection.fetchval("SELECT count(*) FROM case_events")
                audited = await connection.fetchval("SELECT count(*) FROM audit")
            return flagged, both, again, rows, events, audited

    flagged, (first, second), again, rows, events, audited = run(work())
    assert first == second[::-1] == again[:30] == again[30:]
    assert {row["flagged_id"]: row["id"] for row in rows} == dict(zip(flagged, first, strict=True))
    assert events == audited == 30


def test_a_case_is_raised_and_never_lowered_when_a_later_review_says_otherwise(database_url, run):
    """The due time comes nearer with the tier; an audit row tells from where to where."""

    async def work():
        async with Database(database_url) as database:
            flagged = uuid4()
            for tier in (Tier.MEDIUM, Tier.HIGH, Tier.LOW):
                await _open(database, [_case(flagged, tier)])
            async with database.acquire() as connection:
                case = await connection.fetchrow("SELECT tier, queue, due_at FROM cases")
                events = await connection.fetch(
                    "SELECT event, before, after FROM case_events ORDER BY number"
                )
                audit = await connection.fetch("SELECT * FROM audit ORDER BY number")
            return case, events, audit

    case, events, audit = run(work())
    assert (case["tier"], case["queue"], case["due_at"]) == ("high", "high", NOW + timedelta(hours=24))
    assert [tuple(event) for event in events] == [("opened", "", "open"), ("raised", "open", "open")]
    assert len(audit) == 2


def test_a_case_waits_in_the_queue_and_for_the_time_that_its_kind_has():
    """Lists before tiers, tiers before kinds of money."""
    queues = {
        _case(None, Tier.LOW, hits=True).queue: "sanctions",
        _case(None, Tier.HIGH, money=Kind.WIRE).queue: "high",
        _case(None, money=Kind.SWIFT).queue: "wires",
        _case(None, money=Kind.CASH_DEPOSIT).queue: "cash",
        _case(None, money=Kind.CARD).queue: "cards",
        _case(None, money=Kind.ACH).queue: "transfers",
    }
    assert all(found == wanted for found, wanted in queues.items())


def test_an_opened_case_keeps_its_duties(database_url, run):
    """As the review named them, dates and all."""

    async def work():
        async with Database(database_url) as database:
            duty = Duty(DutyKind.CTR, "31 CFR 1010.311", "cash", "FinCEN 112", NOW.date())
            await _open(database, [_case(uuid4(), duties=(duty,)), _case(None)])
            async with database.acquire() as connection:
                return await connection.fetchval("SELECT duties FROM cases WHERE flagged_id IS NOT NULL")

    assert '"due": "2026-11-20"' in run(work())


def test_a_duty_that_a_later_review_sees_is_added_when_the_tier_stays(database_url, run):
    """A case opened by hand gets the rules' duties; what an earlier review saw stays."""

    async def work():
        async with Database(database_url) as database:
            flagged = uuid4()
            report = Duty(DutyKind.CTR, "31 CFR 1010.311", "cash over 10,000", "FinCEN 112")
            block = Duty(DutyKind.BLOCK, "31 CFR 501.603", "on a list")
            for duties in ((), (report,), (block,), (block,)):
                await _open(database, [_case(flagged, Tier.HIGH, duties=duties, hits=block in duties)])
            async with database.acquire() as connection:
                case = await connection.fetchrow("SELECT tier, queue, duties FROM cases")
                events = await connection.fetch("SELECT event FROM case_events ORDER BY number")
            return case, [event["event"] for event in events]

    case, events = run(work())
    assert (case["tier"], case["queue"]) == ("high", "sanctions")
    assert {duty["kind"] for duty in json.loads(case["duties"])} == {"ctr", "block"}
    assert events == ["opened", "raised", "raised"]
