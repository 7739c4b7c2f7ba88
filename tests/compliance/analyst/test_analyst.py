"""The analyst against a server that speaks the real protocol, with a real PostgreSQL for budget and kept answers."""

import asyncio
import itertools
import json
from contextlib import asynccontextmanager
from datetime import UTC, datetime

import asyncpg
import pytest

from compliance.analyst.analyst import Analyst
from compliance.analyst.breaker import BreakerState
from compliance.analyst.by_rules import from_rules
from compliance.analyst.config import PROMPT_VERSION, AnalystConfig
from compliance.analyst.purse import Purse
from compliance.results import DutyKind, Origin, Severity, Tier
from loadtest.chat_stand_in import ChatStandIn, Manner
from server.store.database import Database
from server.store.postgres import DATABASE
from tests.compliance.analyst.scene import CANARIES, HIT, PASSAGES, assessed, dossier_of

_models = itertools.count()  # so that what one test's model said is kept for no other's
NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
GOOD = {
    "issues": [
        {
            "text": "Three cash deposits under the limit went before the wire of 62,500.00 USD.",
            "severity": "high",
            "cited": ["P2"],
        }
    ],
    "approvals": ["officer"],
    "duties": [],
    "recommendations": ["Ask PERSON_1 where the cash deposits came from."],
    "risk": "high",
    "confidence": 0.8,
    "narrative": "On 2026-11-19 PERSON_1 sent 62,500.00 USD by wire from ACCOUNT_1 to COMPANY_1 in AE.",
}


@pytest.fixture(scope="module")
def shared_url(postgres_url):
    """A database for the tests that only look at what an analysis comes to: making one takes a second."""
    name = "analyst_shared"

    async def execute(sql):
        connection = await asyncpg.connect(postgres_url.replace(f"/{DATABASE}?", "/postgres?"))
        try:
            await connection.execute(sql)
        finally:
            await connection.close()

    asyncio.run(execute(f"CREATE DATABASE {name} TEMPLATE {DATABASE}"))
    yield postgres_url.replace(f"/{DATABASE}?", f"/{name}?")
    asyncio.run(execute(f"DROP DATABASE {name} WITH (FORCE)"))


class Room:
    """An analyst, its provider and its database."""

    def __init__(self, stand_in, database):
        self.stand_in = stand_in
        self.database = database
        self.seconds = 0.0
        self.analysts = []

    def analyst(self, **given):
        fields = dict(
            model=f"model {next(_models)}",
            base_url=self.stand_in.base_url,
            pause_s=0.0,
            pause_s_max=0.0,
            timeout_s=5.0,
        )
        config = AnalystConfig(**{**fields, **given})
        self.analysts.append(Analyst(self.database, config, lambda: NOW, seconds=lambda: self.seconds))
        return self.analysts[-1]


@asynccontextmanager
async def opened(url, manner=Manner.INSTANT):
    async with Database(url) as database, ChatStandIn(manner).listening() as stand_in:
        room = Room(stand_in, database)
        try:
            yield room
        finally:
            for analyst in room.analysts:
                await analyst.close()


def analysed(url, *manners, answer=None, dossier=None, hits=(), **given):
    """One analysis, with the first answers as told; the analysis, its analyst and what was sent."""

    async def run():
        async with opened(url) as room:
            room.stand_in.answer = answer
            room.stand_in.tell(*manners)
            analyst = room.analyst(**given)
            case = dossier or dossier_of()
            done = await analyst.analyse(case, assessed(case, hits), hits, PASSAGES)
            return done, analyst, room.stand_in.requests

    return asyncio.run(run())


def test_an_answer_stands_beside_the_rules_own_analysis_where_the_record_bears_it_out(shared_url):
    """The rules' issues, duties and approvals come first and whole; names are put back."""
    case = dossier_of()
    rules = from_rules(case, assessed(case), (), PASSAGES)
    done, analyst, requests = analysed(shared_url, answer=GOOD)
    assert (done.origin, done.struck, done.note) == (Origin.MODEL, (), "")
    assert done.issues[: len(rules.issues)] == rules.issues
    assert done.issues[-1].severity is Severity.HIGH
    assert (done.tier, done.duties) == (Tier.HIGH, rules.duties)
    assert done.narrative == (
        "On 2026-11-19 Zebulon Quartermaine sent 62,500.00 USD by wire from account 70311442"
        " to Oyelaran Brightwater Trading LLC in AE."
    )
    assert done.recommendations[-1] == "Ask Zebulon Quartermaine where the cash deposits came from."
    assert (done.model[:6], done.prompt_version) == ("model ", PROMPT_VERSION)
    assert done.tokens_in > 0 < done.tokens_out
    assert done.cost_micro_usd > 0
    assert analyst.tally.calls == {"answered": 1}
    assert requests[0]["response_format"]["json_schema"]["strict"] is True


def test_nothing_that_is_sent_names_anybody_or_any_account(shared_url):
    """Canaries: names, accounts, cards, addresses, branches, also inside the purpose, over whole requests."""
    _, _, requests = analysed(shared_url, Manner.FAILING, answer=GOOD, hits=(HIT,))
    assert len(requests) == 2
    sent = json.dumps(requests, ensure_ascii=False).lower()
    assert [canary for canary in CANARIES if canary.lower() in sent] == []
    assert "person_1" in sent


@pytest.mark.parametrize(
    ("manner", "why"),
    [
        (Manner.FAILING, "failed"),
        (Manner.LIMITING, "limited"),
        (Manner.CUT, "unreachable"),
        (Manner.HANGING, "timeout"),
        (Manner.DENYING, "denied"),
        (Manner.MALFORMED, "another shape"),
        (Manner.FOREIGN, "another shape"),
        (Manner.HUGE, "too large"),
        (Manner.SHORT, "cut short"),
        (Manner.EMPTY, "malformed"),
        (Manner.REFUSING, "refused"),
        (Manner.TOOLS, "malformed"),
        (Manner.LYING, "not borne out"),
        (Manner.OBEYING, "not borne out"),
    ],
)
def test_the_rules_own_analysis_stands_and_says_why_when_the_provider_misbehaves(shared_url, manner, why):
    """Each way to fail, on every try: marked as fallen back, nothing lost of what rules say."""
    case = dossier_of()
    rules = from_rules(case, assessed(case), (), PASSAGES)
    done, analyst, _ = analysed(shared_url, *[manner] * 3, timeout_s=0.5)
    assert done.origin is Origin.FALLBACK
    assert why in done.note
    assert (done.tier, done.duties, done.approvals) == (rules.tier, rules.duties, rules.approvals)
    assert (done.issues, done.narrative) == (rules.issues, rules.narrative)
    assert sum(analyst.tally.fallbacks.values()) == 1


def test_a_request_is_made_again_when_a_first_one_fails(shared_url):
    """Failures that may pass are tried again; the third answer counts."""
    done, analyst, requests = analysed(shared_url, Manner.FAILING, Manner.LIMITING, answer=GOOD)
    assert done.origin is Origin.MODEL
    assert len(requests) == 3
    assert analyst.tally.calls == {"failed": 1, "limited": 1, "answered": 1}


def test_a_request_is_not_made_again_when_that_changes_nothing(shared_url):
    """A denied key stays denied."""
    _, _, requests = analysed(shared_url, Manner.DENYING)
    assert len(requests) == 1


def test_the_same_dossier_is_asked_about_once_until_forced(shared_url):
    """Kept by content, shared through PostgreSQL, at no cost; force asks again."""

    async def run():
        async with opened(shared_url) as room:
            room.stand_in.answer = GOOD
            case = dossier_of()
            given = (case, assessed(case), (), PASSAGES)
            first = await room.analyst(model="one").analyse(*given)
            again = await room.analyst(model="one").analyse(*given)
            forced = await room.analyst(model="one").analyse(*given, force=True)
            other = await room.analyst(model="another").analyse(*given)
            return (first, again, forced, other), len(room.stand_in.requests)

    (first, again, forced, other), requests = asyncio.run(run())
    assert requests == 3
    assert [one.cached for one in (first, again, forced, other)] == [False, True, False, False]
    assert (again.issues, again.narrative, again.cost_micro_usd) == (first.issues, first.narrative, 0)


def test_nothing_is_asked_when_no_model_is_set(shared_url):
    """Rules alone, and it says so by its origin."""
    done, _, requests = analysed(shared_url, model="")
    assert (done.origin, requests) == (Origin.RULES, [])


def test_nothing_is_asked_below_the_tier_that_the_settings_name(shared_url):
    """A low risk is left to the rules where the settings say so."""
    done, _, requests = analysed(shared_url, tier_min=Tier.HIGH)
    assert (done.origin, requests) == (Origin.RULES, [])


@pytest.mark.parametrize("given", [{"tokens_day_max": 100}, {"micro_usd_day_max": 1}])
def test_nothing_is_asked_when_the_days_budget_is_spent(shared_url, given):
    """In tokens, and in money."""
    done, _, requests = analysed(shared_url, **given)
    assert (done.origin, done.note, requests) == (Origin.FALLBACK, "the day's budget is spent", [])


def test_a_budget_is_never_passed_when_many_ask_at_once(database_url):
    """Reserved before, settled after: what is spent is what the answers cost."""

    async def run():
        async with opened(database_url) as room:
            analyst = room.analyst(tokens_day_max=20_000)
            cases = [dossier_of(amount_minor=6_250_000 + number) for number in range(12)]
            done = await asyncio.gather(
                *(analyst.analyse(case, assessed(case), (), PASSAGES) for case in cases)
            )
            return done, await Purse(room.database, 0, 0).spent(NOW), analyst.tally

    done, (tokens, micro_usd, _), tally = asyncio.run(run())
    assert tokens == tally.tokens_in + tally.tokens_out <= 20_000
    assert micro_usd == tally.cost_micro_usd
    assert {one.origin for one in done} == {Origin.MODEL, Origin.FALLBACK}


def test_a_provider_is_left_alone_when_it_has_failed_too_often(shared_url):
    """The circuit opens, nothing is sent, and closes with the first answer after its pause."""

    async def run():
        async with opened(shared_url, Manner.FAILING) as room:
            analyst = room.analyst(failures_max=3, open_s=30.0)
            case = dossier_of()
            given = (case, assessed(case), (), PASSAGES)
            await analyst.analyse(*given)
            opened_with = len(room.stand_in.requests)
            left = await analyst.analyse(*given)
            sent = len(room.stand_in.requests)
            room.seconds, room.stand_in.manner = 31.0, Manner.INSTANT
            back = await analyst.analyse(*given)
            return opened_with, sent, left, back, analyst.breaker_state

    opened_with, sent, left, back, state = asyncio.run(run())
    assert (opened_with, sent) == (3, 3)
    assert "left alone" in left.note
    assert (back.origin, state) == (Origin.MODEL, BreakerState.CLOSED)


def test_no_more_requests_are_under_way_than_the_settings_allow(shared_url):
    """Six slow answers, two at once: the third waits for the first."""

    async def run():
        async with opened(shared_url, Manner.HANGING) as room:
            analyst = room.analyst(concurrency=2, timeout_s=2.0, tries=1, failures_max=100)
            cases = [dossier_of(amount_minor=6_250_000 + number) for number in range(4)]
            work = [
                asyncio.create_task(analyst.analyse(case, assessed(case), (), PASSAGES)) for case in cases
            ]
            async with asyncio.timeout(10):
                while len(room.stand_in.requests) < 2:
                    await asyncio.wait(work, timeout=0.01)
            await asyncio.wait(work, timeout=0.2)
            at_once = len(room.stand_in.requests)
            await asyncio.gather(*work)
            return at_once, len(room.stand_in.requests)

    assert asyncio.run(run()) == (2, 4)


def test_a_duty_is_added_and_never_taken_away(shared_url):
    """A known kind, with a section that was given and asks for it, by the law's own day at the latest."""
    case = dossier_of(amount_minor=400_000, purpose="")
    rules = assessed(case)
    assert DutyKind.ENHANCED_DUE_DILIGENCE not in {duty.kind for duty in rules.duties}
    duty = {
        "kind": "enhanced_due_diligence",
        "cited": "P4",
        "reason": "The cash deposits came shortly before.",
    }
    answer = {**GOOD, "issues": [], "narrative": "", "duties": [{**duty, "due": None}]}
    done, _, _ = analysed(shared_url, answer=answer, dossier=case)
    assert done.duties[: len(rules.duties)] == rules.duties
    (added,) = done.duties[len(rules.duties) :]
    assert (added.kind, added.citation, added.by_rule) == (
        DutyKind.ENHANCED_DUE_DILIGENCE,
        "31 CFR 1010.610",
        False,
    )
