"""The machine of a case without a database: what goes together, what is left to be filed, where a case rests."""

import itertools
import random
from datetime import UTC, datetime

import pytest

from compliance.cases.clocks import ServiceLevels
from compliance.cases.refusals import Refused
from compliance.cases.states import ARROWS, Action, Disposition, State, contradictions, forms, rest
from compliance.results import DutyKind, Tier
from compliance.roles import Denied
from tests.compliance.cases.office import ADAM, ANNA, OLAF, OTTO, SAR, VERA, deciding

CLEARED, SUSPICIOUS, TRUE_MATCH = Disposition


def test_every_state_can_be_reached_and_left():
    """From open, all others; from all others, open again."""
    for start in State:
        seen, ahead = set(), [start]
        while ahead:
            state = ahead.pop()
            ahead += ARROWS[state] - seen
            seen |= ARROWS[state]
        assert seen == set(State)


@pytest.mark.parametrize("tier", Tier)
@pytest.mark.parametrize("approved", [False, True])
def test_a_case_rests_where_something_is_still_owed(tier, approved):
    """A filing before all, then the second pair of eyes of a HIGH case; each step is an arrow."""
    for awaited, filed in itertools.product([(), ("ctr",), ("ctr", "sar")], repeat=2):
        for state in (State.DECIDED, State.FILED):
            steps = rest(state, tier, awaited=awaited, filed=filed, approved=approved)
            assert all(after in ARROWS[before] for before, after in itertools.pairwise((state, *steps)))
            is_filed = state == State.FILED or set(awaited) <= set(filed)
            closes = is_filed and (approved or tier != Tier.HIGH)
            assert (bool(steps) and steps[-1] == State.CLOSED) == closes


@pytest.mark.parametrize(
    ("disposition", "duties", "awaited"),
    [
        (CLEARED, {DutyKind.SAR, DutyKind.REVIEW}, set()),
        (CLEARED, {DutyKind.CTR, DutyKind.SAR}, {DutyKind.CTR}),
        (SUSPICIOUS, set(), {DutyKind.SAR}),
        (SUSPICIOUS, {DutyKind.CTR}, {DutyKind.CTR, DutyKind.SAR}),
        (TRUE_MATCH, {DutyKind.BLOCK}, {DutyKind.BLOCKED_PROPERTY_REPORT}),
        (TRUE_MATCH, {DutyKind.SAR}, {DutyKind.BLOCKED_PROPERTY_REPORT, DutyKind.SAR}),
    ],
)
def test_a_decision_leaves_to_be_filed_what_the_law_says(disposition, duties, awaited):
    """Currency reports always, activity where it is suspicious, blocked property where the match is true."""
    assert set(forms(disposition, duties)) == awaited


def test_no_decision_both_does_a_thing_and_undoes_it():
    """Of every pair of actions that exclude one another, each is told."""
    for first, second in itertools.combinations(Action, 2):
        opposite = {first, second} in (
            {Action.BLOCK_CARD, Action.UNBLOCK_CARD},
            {Action.BLOCK_CUSTOMER, Action.UNBLOCK_CUSTOMER},
            {Action.LABEL_FRAUD, Action.LABEL_FALSE_POSITIVE},
            {Action.RELEASE_TRANSFER, Action.REJECT_TRANSFER},
            {Action.RELEASE_TRANSFER, Action.BLOCK_TRANSFER},
            {Action.REJECT_TRANSFER, Action.BLOCK_TRANSFER},
        )
        assert bool(contradictions(SUSPICIOUS, [first, second])) == opposite


@pytest.mark.parametrize(
    ("tier", "hits", "due"),
    [
        (Tier.LOW, True, datetime(2026, 11, 25, 20, tzinfo=UTC)),
        (Tier.HIGH, False, datetime(2026, 11, 26, 16, tzinfo=UTC)),
        # Thanksgiving and a weekend lie between; the day ends in New York.
        (Tier.MEDIUM, False, datetime(2026, 12, 2, 4, 59, 59, tzinfo=UTC)),
        (Tier.LOW, False, datetime(2026, 12, 11, 4, 59, 59, tzinfo=UTC)),
    ],
)
def test_a_clock_counts_hours_or_business_days_of_the_federal_reserve(tier, hits, due):
    """From the Wednesday before Thanksgiving, eleven in the morning in New York."""
    since = datetime(2026, 11, 25, 16, tzinfo=UTC)
    assert ServiceLevels().due(tier, hits=hits, since=since) == due


def test_random_lives_of_cases_keep_the_rules_whatever_people_try(database_url, keys, run):
    """Every step follows an arrow and starts where the last one ended; a HIGH case is closed by two; one seed."""
    random_ = random.Random(5)

    async def work():
        async with deciding(database_url, keys) as scene:
            desk = scene.desk
            cases = [await scene.case(None, tier, duties=duties) for tier in Tier for duties in ((), (SAR,))]
            moves = [
                lambda by, case: desk.assign(by, case, ""),
                lambda by, case: desk.comment(by, case, "words"),
                lambda by, case: desk.escalate(by, case, "why"),
                lambda by, case: desk.decide(by, case, random_.choice([CLEARED, SUSPICIOUS]), [], "why"),
                lambda by, case: desk.approve(by, case, "why", agrees=random_.random() < 0.7),
                lambda by, case: desk.reopen(by, case, "why"),
            ]
            refusals = 0
            for _ in range(300):
                scene.clock.forward(minutes=1)
                by = random_.choice([VERA, ANNA, OLAF, OTTO, ADAM])
                try:
                    await random_.choice(moves)(by, random_.choice(cases))
                except (Denied, Refused):
                    refusals += 1
            return (
                refusals,
                await scene.rows(
                    "SELECT case_id, before, after, event, actor FROM case_events ORDER BY number"
                ),
                await scene.rows("SELECT id, state, tier, decided_by, approved_by FROM cases"),
                await scene.value("SELECT count(*) FROM audit"),
            )

    refusals, events, cases, audited = run(work())
    assert 0 < refusals < 300
    assert audited == len(events)
    last = {}
    for case, before, after, event, actor in events:
        assert before == last.get(case, "")
        assert event == "opened" or before == after or State(after) in ARROWS[State(before)]
        assert actor != "vera"
        last[case] = after
    assert last == {case: state for case, state, *_ in cases}
    closed = [
        (decided, approved)
        for _, state, tier, decided, approved in cases
        if (state, tier) == ("closed", "high")
    ]
    assert all(decided and approved and decided != approved for decided, approved in closed)
