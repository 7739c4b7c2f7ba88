"""What people do with cases, on real PostgreSQL."""

import asyncio
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest

from compliance.cases.desk import ByHand
from compliance.cases.filed import mark_filed
from compliance.cases.records import Wanted
from compliance.cases.refusals import Refused, Unfit
from compliance.cases.states import ARROWS, Action, Disposition, State
from compliance.facts import Source
from compliance.results import (
    Analysis,
    Assessment,
    Duty,
    DutyKind,
    Finding,
    Hit,
    Origin,
    ReviewResult,
    Severity,
    Tier,
    TokenMatch,
    document,
)
from compliance.roles import Denied
from tests.compliance.cases.office import ADAM, ANNA, BLOCK, CTR, OLAF, OTTO, SAR, VERA, deciding

CLEARED, SUSPICIOUS, TRUE_MATCH = Disposition
NOW = datetime(2026, 11, 20, 15, 0, tzinfo=UTC)


def test_the_table_of_moves_in_postgresql_is_the_codes(database_url, keys, run):
    """Both say the same, so that neither can be gone around."""

    async def work():
        async with deciding(database_url, keys) as scene:
            rows = await scene.rows("SELECT before, after FROM case_moves")
            await scene.case()
            with pytest.raises(Exception, match="does not go from open to closed"):
                await scene.value("UPDATE cases SET state = 'closed'")
            return rows

    assert set(run(work())) == {(before, after) for before, all_ in ARROWS.items() for after in all_}


def test_a_case_goes_its_way_and_every_step_is_an_event_and_an_audit_row(database_url, keys, run):
    """Assigned, looked at, escalated, decided, closed, reopened."""

    async def work():
        async with deciding(database_url, keys) as scene:
            desk, case = scene.desk, await scene.case()
            assert (await desk.assign(OLAF, case, "anna")).assignee == "anna"
            assert (await desk.comment(ANNA, case, "asked the customer")).state == State.IN_REVIEW
            assert (await desk.escalate(ANNA, case, "he does not say what for")).state == State.ESCALATED
            decided = await desk.decide(
                OLAF, case, CLEARED, [Action.RELEASE_TRANSFER], "an invoice was shown"
            )
            assert (decided.state, decided.decided_by) == (State.CLOSED, "olaf")
            again = await desk.decide(OLAF, case, CLEARED, [Action.RELEASE_TRANSFER], "an invoice was shown")
            assert again.state == State.CLOSED
            reopened = await desk.reopen(OTTO, case, "the invoice is forged")
            assert (reopened.state, reopened.disposition, reopened.due_at > decided.due_at) == (
                State.OPEN, None, False,
            )  # fmt: skip
            return (
                await scene.events(case),
                await scene.rows("SELECT action, correlation_id FROM audit ORDER BY number"),
                await scene.rows("SELECT state, decision, decided_by, decision_reason FROM transfers"),
                case,
            )

    events, audit, transfers, case = run(work())
    assert [event for event, _ in events] == [
        "opened", "assigned", "commented", "escalated", "decided", "closed", "reopened",
    ]  # fmt: skip
    assert [action for action, _ in audit] == [
        "case.opened", "case.assigned", "case.commented", "case.escalated", "case.decided", "transfer.decide",
        "case.closed", "case.reopened",
    ]  # fmt: skip
    assert {who for _, who in audit[4:7]} == {"call-olaf"}
    assert transfers == [("deciding", "approve", "olaf", f"case {case.hex}")]


def test_the_first_decision_counts_and_the_other_is_told_when_two_come_at_once(database_url, keys, run):
    """One acts, one is refused by name; the transfer follows the first."""

    async def work():
        async with deciding(database_url, keys) as scene:
            case = await scene.case()
            both = await asyncio.gather(
                scene.desk.decide(OLAF, case, CLEARED, [Action.RELEASE_TRANSFER], "fine"),
                scene.desk.decide(OTTO, case, SUSPICIOUS, [Action.REJECT_TRANSFER], "not fine"),
                return_exceptions=True,
            )
            return both, await scene.value("SELECT decision FROM transfers")

    both, decision = run(work())
    lost = [answer for answer in both if isinstance(answer, Refused)]
    assert len(lost) == 1
    assert lost[0].reason == "ALREADY_DECIDED"
    winner = "olaf" if decision == "approve" else "otto"
    assert winner in str(lost[0])


def test_a_high_case_is_closed_by_a_second_person_and_by_nobody_else(database_url, keys, run):
    """Who decided can't approve; PostgreSQL itself refuses a HIGH case closed by one."""

    async def work():
        async with deciding(database_url, keys) as scene:
            desk, case = scene.desk, await scene.case(tier=Tier.HIGH)
            decided = await desk.decide(OLAF, case, CLEARED, [], "nothing there")
            with pytest.raises(Refused, match="second pair of eyes") as refused:
                await desk.approve(OLAF, case, "I again")
            with pytest.raises(Exception, match="cases_high_closed_by_two"):
                await scene.value("UPDATE cases SET state = 'closed'")
            closed = await desk.approve(OTTO, case, "seen")
            again = await desk.approve(OTTO, case, "seen")
            return decided.state, refused.value.reason, closed, again

    decided, reason, closed, again = run(work())
    assert (decided, reason) == (State.DECIDED, "SAME_PERSON")
    assert (closed.state, closed.approved_by, again) == (State.CLOSED, "otto", closed)


def test_an_analysts_decision_is_a_proposal_that_an_officer_carries_out(database_url, keys, run):
    """Nothing happens before it is approved; four eyes have seen it then."""

    async def work():
        async with deciding(database_url, keys) as scene:
            desk, case = scene.desk, await scene.case(tier=Tier.HIGH)
            proposed = await desk.decide(ANNA, case, CLEARED, [Action.REJECT_TRANSFER], "no purpose")
            before = await scene.value("SELECT state FROM transfers")
            returned = await desk.approve(OLAF, case, "ask him first", agrees=False)
            await desk.decide(ANNA, case, CLEARED, [Action.REJECT_TRANSFER], "asked: no answer")
            done = await desk.approve(OLAF, case, "agreed")
            return proposed, before, returned, done, await scene.value("SELECT decision FROM transfers")

    proposed, before, returned, done, decision = run(work())
    assert (proposed.state, proposed.proposed_by, before) == (State.ESCALATED, "anna", "pending_review")
    assert (returned.state, returned.disposition) == (State.ESCALATED, None)
    assert (done.state, done.decided_by, done.approved_by, decision) == (
        State.CLOSED, "anna", "olaf", "reject",
    )  # fmt: skip


def test_letting_go_of_what_rules_want_blocked_takes_two_even_of_officers(database_url, keys, run):
    """The money would not come back."""

    async def work():
        async with deciding(database_url, keys) as scene:
            case = await scene.case(tier=Tier.HIGH, duties=[BLOCK], hits=True)
            alone = await scene.desk.decide(OLAF, case, CLEARED, [Action.RELEASE_TRANSFER], "another man")
            before = await scene.value("SELECT state FROM transfers")
            both = await scene.desk.approve(OTTO, case, "born in another year")
            return alone.state, before, both.state, await scene.value("SELECT decision FROM transfers")

    assert run(work()) == (State.ESCALATED, "pending_review", State.CLOSED, "approve")


def test_a_decided_case_waits_for_its_filings_and_closes_with_them(database_url, keys, run):
    """A currency report is due although the case was cleared; the same filing again changes nothing."""

    async def work():
        async with deciding(database_url, keys) as scene:
            case = await scene.case(duties=[CTR, SAR])
            decided = await scene.desk.decide(OLAF, case, SUSPICIOUS, [], "structured")
            states, report = [], uuid4()
            for form, filing in ((DutyKind.CTR, uuid4()), (DutyKind.SAR, report), (DutyKind.SAR, report)):
                async with scene.database.acquire() as connection, connection.transaction():
                    await mark_filed(connection, case, filing, OTTO.actor, scene.clock(), form=form)
                states.append(await scene.value("SELECT state FROM cases"))
            return decided, states, await scene.events(case)

    decided, states, events = run(work())
    assert (decided.state, set(decided.forms_awaited)) == (State.DECIDED, {"ctr", "sar"})
    assert states == ["decided", "closed", "closed"]
    assert events[-3:] == [("filed", "decided"), ("filed", "filed"), ("closed", "closed")]


def test_a_filing_is_not_noted_before_somebody_has_decided(database_url, keys, run):
    """The case says so."""

    async def work():
        async with deciding(database_url, keys) as scene:
            case = await scene.case()
            async with scene.database.acquire() as connection:
                await mark_filed(connection, case, uuid4(), OTTO.actor, scene.clock())

    with pytest.raises(Refused, match="decide it before"):
        run(work())


def test_decisions_act_on_cards_customers_and_labels(database_url, keys, run):
    """Each on its table, with an audit row of its own; what is so already is no refusal."""

    async def work():
        async with deciding(database_url, keys) as scene:
            case = await scene.case(Source.AUTHORIZATION)
            actions = [Action.BLOCK_CARD, Action.BLOCK_CUSTOMER, Action.LABEL_FRAUD]
            await scene.desk.decide(OLAF, case, SUSPICIOUS, actions, "not his")
            blocked = await scene.rows(
                "SELECT cards.state, compliance_block, verdict, labels.source, reported_by FROM cards, customers, labels"
            )
            await scene.desk.reopen(OLAF, case, "it was him")
            scene.clock.forward(hours=1)
            undo = [Action.UNBLOCK_CARD, Action.UNBLOCK_CUSTOMER, Action.LABEL_FALSE_POSITIVE]
            await scene.desk.decide(OLAF, case, CLEARED, undo, "he called")
            freed = await scene.rows(
                "SELECT cards.state, compliance_block, verdict FROM cards, customers, standing_labels"
            )
            return blocked, freed, await scene.rows("SELECT action, old::text, new::text FROM audit")

    blocked, freed, audit = run(work())
    assert blocked == [("frozen", True, 1, "compliance", "olaf")]
    assert freed == [("active", False, 3)]
    assert {action for action, _, _ in audit} >= {
        "card.block", "card.unblock", "customer.block", "customer.unblock", "label.add",
    }  # fmt: skip


def test_nothing_is_done_when_one_of_several_actions_can_not_be(database_url, keys, run):
    """A lost card is not frozen, and then its customer is not blocked either."""

    async def work():
        async with deciding(database_url, keys) as scene:
            case = await scene.case(Source.AUTHORIZATION)
            await scene.value("UPDATE cards SET state = 'lost'")
            with pytest.raises(Refused) as refused:
                await scene.desk.decide(
                    OLAF, case, SUSPICIOUS, [Action.BLOCK_CUSTOMER, Action.BLOCK_CARD], "x"
                )
            state = await scene.value("SELECT state FROM cases")
            return refused.value.reason, state, await scene.value("SELECT compliance_block FROM customers")

    assert run(work()) == ("CARD_STATE", "open", False)


@pytest.mark.parametrize(
    ("disposition", "actions"),
    [
        (CLEARED, [Action.RELEASE_TRANSFER, Action.BLOCK_TRANSFER]),
        (CLEARED, [Action.LABEL_FRAUD]),
        (TRUE_MATCH, [Action.RELEASE_TRANSFER]),
        (SUSPICIOUS, [Action.LABEL_FRAUD, Action.LABEL_FALSE_POSITIVE]),
    ],
)
def test_a_decision_that_contradicts_itself_is_refused_by_its_field(
    database_url, keys, run, disposition, actions
):
    """With what excludes what."""

    async def work():
        async with deciding(database_url, keys) as scene:
            await scene.desk.decide(OLAF, await scene.case(), disposition, actions, "x")

    with pytest.raises(Unfit, match="actions: "):
        run(work())


def test_a_transfer_that_somebody_decided_elsewhere_is_told_with_his_name(database_url, keys, run):
    """The case stays undecided."""

    async def work():
        async with deciding(database_url, keys) as scene:
            case = await scene.case()
            await scene.value(
                "UPDATE transfers SET state = 'deciding', decision = 'reject', decided_by = 'teller 4'"
            )
            with pytest.raises(Refused, match="teller 4"):
                await scene.desk.decide(OLAF, case, CLEARED, [Action.RELEASE_TRANSFER], "fine")
            return await scene.value("SELECT state FROM cases")

    assert run(work()) == "open"


def test_a_case_opened_by_hand_is_one_case_when_it_is_asked_for_again(database_url, keys, run):
    """By its key; and where its transaction has a case, that one."""

    async def work():
        async with deciding(database_url, keys) as scene:
            wanted = ByHand("k1", "a tip", Tier.LOW, "somebody called", customer_number=0)
            first, again = [await scene.desk.open(ANNA, wanted) for _ in range(2)]
            about = await scene.case()
            same = await scene.desk.open(
                ANNA, ByHand("k2", "the wire", Tier.LOW, "", Source.TRANSFER, scene.transfer)
            )
            with pytest.raises(Unfit, match="source_id"):
                await scene.desk.open(ANNA, ByHand("k3", "none", Tier.LOW, "", Source.TRANSFER, uuid4()))
            return first, again, about, same, await scene.events(first.id)

    first, again, about, same, events = run(work())
    assert (first.id, first.queue, first.customer_number) == (again.id, "by_hand", 0)
    assert about == same.id
    assert events == [("opened", "open"), ("commented", "open")]


def test_evidence_is_kept_sealed_and_given_back_with_an_audit_row(database_url, keys, run):
    """The same content again changes nothing; too much is refused."""

    async def work():
        async with deciding(database_url, keys) as scene:
            case = await scene.case()
            content = b"an invoice of Ada Byron\x00\xff"
            _, piece = await scene.desk.add_evidence(ANNA, case, "invoice.pdf", content)
            _, again = await scene.desk.add_evidence(ANNA, case, "copy.pdf", content)
            found, back = await scene.desk.evidence(OLAF, case, piece.id)
            with pytest.raises(Unfit, match="content"):
                await scene.desk.add_evidence(ANNA, case, "big", b"x" * (512 * 1024 + 1))
            kept = await scene.value("SELECT content FROM case_evidence")
            return (
                piece,
                again,
                found.name,
                back == content,
                kept,
                await scene.rows("SELECT action FROM audit"),
            )

    piece, again, name, same, kept, audit = run(work())
    assert (piece.id, name, same) == (again.id, "invoice.pdf", True)
    assert b"Byron" not in kept
    assert audit[-1] == ("view.evidence",)


def test_a_case_is_overdue_when_nobody_has_decided_in_time(database_url, keys, run):
    """By tier; what is due first is listed first."""

    async def work():
        async with deciding(database_url, keys) as scene:
            low = await scene.case(None, Tier.LOW)
            high = await scene.case(None, Tier.HIGH)
            met = await scene.case(None, Tier.LOW, hits=True)
            listed = [case.id for case in await scene.desk.page(VERA, Wanted(), 10)]
            scene.clock.forward(hours=5)
            late = [case.id for case in await scene.desk.page(VERA, Wanted(overdue=True), 10)]
            return (
                listed == [met, high, low],
                late == [met],
                await scene.value("SELECT min(due_at) FROM cases"),
            )

    in_order, only, due = run(work())
    assert in_order
    assert only
    assert due.utcoffset() == timedelta(0)


def test_what_may_not_be_seen_is_masked_left_out_or_an_audit_row(database_url, keys, run):
    """A viewer sees no name, no words and no sign of a report; an unmasked view is on record."""

    async def work():
        async with deciding(database_url, keys) as scene:
            case = await scene.case(duties=[SAR, (DutyKind.REVIEW, "")])
            await scene.desk.decide(OLAF, case, SUSPICIOUS, [], "Ada Byron structures")
            async with scene.database.acquire() as connection, connection.transaction():
                await mark_filed(connection, case, uuid4(), OLAF.actor, scene.clock())
            viewed = await scene.desk.show(VERA, case)
            listed = await scene.desk.page(VERA, Wanted(states=(State.FILED,)), 10)
            before = await scene.value("SELECT count(*) FROM audit")
            full = await scene.desk.show(ANNA, case, unmasked=True)
            after = await scene.rows("SELECT actor, action, resource FROM audit ORDER BY number DESC LIMIT 1")
            with pytest.raises(Denied):
                await scene.desk.show(VERA, case, unmasked=True)
            return viewed, listed, full, after, await scene.value("SELECT count(*) FROM audit") - before, case

    viewed, listed, full, after, rows, case = run(work())
    shown = viewed.case
    assert (shown.customer_name, shown.reason, shown.disposition) == ("A*** B***", "", None)
    assert (shown.forms_filed, shown.filings, listed) == ((), (), [])
    assert [duty["kind"] for duty in shown.duties] == ["review"]
    assert all(not event.text and event.event != "filed" for event in viewed.events)
    assert (full.case.customer_name, full.case.reason) == ("Ada Byron", "Ada Byron structures")
    assert (rows, after) == (1, [("anna", "view.case", f"case:{case.hex}")])


def test_a_case_is_given_only_to_somebody_who_works_cases(database_url, keys, run):
    """The others are named."""

    async def work():
        async with deciding(database_url, keys) as scene:
            await scene.desk.assign(ADAM, await scene.case(), "vera")

    with pytest.raises(Unfit, match="assignee: must be one of adam, anna, olaf, otto"):
        run(work())


def test_search_finds_by_words_ids_and_customers(database_url, keys, run):
    """And nothing where nothing fits."""

    async def work():
        async with deciding(database_url, keys) as scene:
            case = await scene.case()
            texts = ["large WIRE", case.hex, scene.transfer.hex, "0", "unheard of", "17"]
            return [len(await scene.desk.search(VERA, text, None, 10)) for text in texts]

    assert run(work()) == [1, 1, 1, 1, 0, 0]


def test_a_review_is_shown_without_names_and_signs_of_a_report_to_whom_it_may_not(database_url, keys, run):
    """The newest one; its words to those who may see personal data, which is an audit row."""
    sar = Duty(DutyKind.SAR, "31 CFR 1020.320", "structured", "FinCEN 111")
    hit = Hit(None, "un", "1", "LISTED, MAN", "LISTED", "p", 0.9, False, (TokenMatch("byron", "byrom", 0.9, "spelling"),), ("born 1815",), "d")  # fmt: skip
    findings = tuple(
        Finding("a rule", Severity.LOW, cited, "x") for cited in ("31 CFR 1020.320(a)", "31 CFR 1010.314")
    )

    def review(narrative):
        return ReviewResult(
            uuid4(),
            NOW,
            Assessment(10.0, (), Tier.LOW, (), (), findings, (sar,)),
            (hit,),
            (),
            Analysis(Origin.RULES, Tier.LOW, (), (), (sar,), ("ask Ada",), 1.0, narrative),
        )

    async def work():
        async with deciding(database_url, keys) as scene:
            case = await scene.case()
            for narrative, at in (("an older one", NOW), ("Ada Byron deposits", NOW + timedelta(hours=1))):
                await scene.value(
                    "INSERT INTO reviews (flagged_id, source, source_id, tier, composite, origin, hits, matched, document,"
                    " reviewed_by, reviewed_at) SELECT flagged_id, source, source_id, 'low', 10, 'rules', 1, false, $1, 'w', $2"
                    " FROM cases",
                    keys.seal("reviews.document", document(review(narrative))),
                    at,
                )
            viewer, analyst = [(await scene.desk.show(by, case)).review for by in (VERA, ANNA)]
            return (
                viewer,
                analyst,
                await scene.rows("SELECT actor, action FROM audit WHERE action LIKE 'view.%'"),
            )

    viewer, analyst, audit = run(work())
    assert analyst["analysis"]["narrative"] == "Ada Byron deposits"
    assert (len(analyst["assessment"]["findings"]), len(analyst["analysis"]["duties"])) == (2, 1)
    for trace in ("Ada", "byron", "1815", "1020.320", "FinCEN 111"):
        assert trace not in str(viewer)
        assert trace in str(analyst)
    assert [found["citation"] for found in viewer["assessment"]["findings"]] == ["31 CFR 1010.314"]
    assert audit == [("anna", "view.case_texts")]


def test_a_decided_case_opens_again_when_a_later_review_has_a_duty_it_did_not_know_of(
    database_url, keys, run
):
    """Nobody has decided about the block; a review that sees nothing new leaves the decision alone."""

    async def work():
        async with deciding(database_url, keys) as scene:
            case = await scene.case()
            closed = await scene.desk.decide(OLAF, case, CLEARED, [Action.RELEASE_TRANSFER], "rent")
            await scene.case()
            same = await scene.value("SELECT state FROM cases")
            await scene.case(tier=Tier.HIGH, duties=[BLOCK], hits=True)
            again = (await scene.desk.show(OLAF, case)).case
            return closed, same, again, await scene.events(case)

    closed, same, again, events = run(work())
    assert (closed.state, same) == (State.CLOSED, "closed")
    assert (again.state, again.tier, again.queue, again.decided_by) == (
        State.OPEN, Tier.HIGH, "sanctions", "",
    )  # fmt: skip
    assert [event for event, _ in events] == ["opened", "decided", "closed", "reopened"]


def test_a_customers_case_opens_again_when_he_is_met_on_one_more_list(database_url, keys, run):
    """Somebody cleared him of another entry."""

    async def work():
        async with deciding(database_url, keys) as scene:
            case = await scene.case(Source.CUSTOMER, hits=True)
            await scene.desk.decide(OLAF, case, CLEARED, [], "born in another year")
            await scene.case(Source.CUSTOMER, hits=True, is_news=True)
            return (await scene.desk.show(OLAF, case)).case

    case = run(work())
    assert (case.state, case.disposition, case.reason, case.reopened_at) == (State.OPEN, None, "", NOW)


@pytest.mark.parametrize("known_by", ["a list", "another case"])
def test_unblocking_a_listed_customer_takes_two_in_whichever_case_it_is_asked_for(
    known_by, database_url, keys, run
):
    """One officer's case opened by hand does not let go of whom a list, or another case, wants blocked."""

    async def work():
        async with deciding(database_url, keys) as scene:
            async with scene.database.acquire() as connection:
                await connection.execute("UPDATE customers SET compliance_block = true WHERE number = 0")
                if known_by == "a list":
                    await connection.execute(
                        """INSERT INTO sanctions_matches (customer_number, list_name, entry_id, score, state, list_date,
                               report_due, changed_by)
                           VALUES (0, 'un', 'QDi.1', 1, 'true', '2026-01-01', '2026-02-01', 'worker')"""
                    )
            if known_by == "another case":
                await scene.case(Source.CUSTOMER, tier=Tier.HIGH, duties=[BLOCK], hits=True)
            by_hand = ByHand("1", "a customer calls", Tier.LOW, customer_number=0)
            case = await scene.desk.open(OLAF, by_hand)
            alone = await scene.desk.decide(OLAF, case.id, CLEARED, [Action.UNBLOCK_CUSTOMER], "a friend")
            blocked = await scene.value("SELECT compliance_block FROM customers WHERE number = 0")
            await scene.desk.approve(OTTO, case.id, "born in another year")
            return alone.state, blocked, await scene.value("SELECT compliance_block FROM customers")

    assert run(work()) == (State.ESCALATED, True, False)


def test_a_viewer_can_not_tell_a_case_that_waits_for_a_report_from_one_that_is_closed(
    database_url, keys, run
):
    """Nor when something was filed: what is decided is closed to him, from the decision on."""

    def seen(whole, listed):
        case = whole.case
        steps = [(event.event, event.before, event.after) for event in whole.events]
        return case.state, case.changed_at, case.forms_awaited, steps, [each.state for each in listed]

    async def work():
        async with deciding(database_url, keys) as scene:
            found = []
            for source, disposition in ((Source.TRANSFER, SUSPICIOUS), (Source.AUTHORIZATION, CLEARED)):
                case = await scene.case(source, duties=[SAR])
                await scene.desk.decide(OLAF, case, disposition, [], "looked at")
                wanted = Wanted(states=(State.CLOSED,), source_id=scene.transfer)
                found.append(seen(await scene.desk.show(VERA, case), await scene.desk.page(VERA, wanted, 9)))
            open_ones = await scene.desk.page(VERA, Wanted(), 9)
            awaiting = await scene.desk.page(VERA, Wanted(states=(State.DECIDED, State.FILED)), 9)
            return found, open_ones, awaiting

    (waiting, closed), open_ones, awaiting = run(work())
    assert waiting == closed
    assert waiting[0] == State.CLOSED
    assert waiting[3] == [("opened", "", "open"), ("decided", "open", "closed")]
    assert (open_ones, awaiting) == ([], [])
