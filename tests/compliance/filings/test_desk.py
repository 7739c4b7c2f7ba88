"""From a case to a file that validates, and back from FinCEN, with four eyes and nothing lost."""

import dataclasses
import json
import stat
from datetime import date, timedelta
from uuid import UUID

import pytest

from compliance.facts import Source
from compliance.filings.content import CashRole, Form, Report, text_of
from compliance.filings.documents import DocumentError
from compliance.filings.profiles import ProfileError
from compliance.filings.schemas import SchemaError
from compliance.filings.states import FilingError, State
from compliance.filings.validation import validate
from compliance.roles import Denied
from tests.compliance.filings.house import (
    ADA,
    ANNA,
    CONDUCTOR,
    MONDAY,
    OLAF,
    OTTO,
    VERA,
    finding,
    house,
)
from tests.compliance.filings.samples import schema_path

ACCEPTED = b"""<?xml version="1.0"?>
<EFilingBatchXML StatusCode="A" SeqNum="1"><EFilingSubmissionXML StatusCode="A" SeqNum="2">
<EFilingActivityXML SeqNum="3"><BSAID>31000000000001</BSAID><EFilingActivityErrorXML SeqNum="4">
<ErrorContextText>EFilingBatchXML/Activity[1]/Party[20]/Address[22]/RawZIPCode</ErrorContextText>
<ErrorElementNameText>RawZIPCode</ErrorElementNameText><ErrorLevelText>WARN</ErrorLevelText>
<ErrorText>The value recorded is in an invalid format.</ErrorText><ErrorTypeCode>F18</ErrorTypeCode>
</EFilingActivityErrorXML></EFilingActivityXML></EFilingSubmissionXML></EFilingBatchXML>"""
REJECTED = (
    ACCEPTED.replace(b'StatusCode="A"', b'StatusCode="R"')
    .replace(b"<BSAID>31000000000001</BSAID>", b"")
    .replace(b"WARN", b"FATAL")
)

HIT = {
    "list_name": "ofac_sdn",
    "entry_id": "36",
    "entry_name": "AEROCARIBBEAN AIRLINES",
    "programme": "CUBA",
    "score": 1.0,
    "is_match": True,
    "list_date": "2026-01-02",
}


async def _structuring(scene, **fields):
    """A case of four deposits under the limit, one of which was flagged."""
    deposits = [
        await scene.cash(900_000 + place, at=MONDAY + timedelta(days=place), branch=branch)
        for place, branch in enumerate(("north", "south", "north", "north"))
    ]
    return await scene.case(
        deposits[-1], duties=("sar",), findings=[finding("structuring", deposits)], **fields
    )


async def _approved(scene, form=Form.SAR):
    if form is Form.SAR:
        case = await _structuring(scene)
    else:
        case = await scene.case(await scene.cash(1_200_050, conductor=CONDUCTOR), duties=("ctr",))
    filing = await scene.desk.prepare(case, form, ANNA)
    return await scene.desk.approve(filing.id, OLAF, accept_unknown=True)


def _install(scene, form):
    scene.schemas.install(schema_path(form))


def test_a_sar_is_drafted_from_the_findings_of_a_case(database_url, keys, tmp_path, run):
    """Subject, amount, days, branches, class, and a narrative of who, what, when, where, why and how."""

    async def scenario():
        async with house(database_url, keys, tmp_path) as scene:
            filing = await scene.desk.prepare(await _structuring(scene), Form.SAR, ANNA)
            return filing, scene.desk.missing(filing)

    filing, lacking = run(scenario())
    sar = filing.content
    assert (sar.amount_minor, sar.classes, sar.instruments) == (3_600_006, (114,), (39,))
    assert (sar.first_day, sar.last_day, sar.branches) == (
        date(2026, 1, 5),
        date(2026, 1, 8),
        ("north", "south"),
    )
    assert (sar.subjects[0].person.last_name, sar.subjects[0].accounts) == ("Byron", ("000123456780",))
    assert all(f"{word}:" in sar.narrative for word in ("WHO", "WHAT", "WHEN", "WHERE", "WHY", "HOW"))
    assert "The deposits lack a business reason." in sar.narrative
    assert (filing.state, filing.due_on, lacking) == (State.DRAFT, date(2026, 2, 4), [])


def test_a_report_is_prepared_once_for_a_case_and_form(database_url, keys, tmp_path, run):
    """Asked again, the same draft, with one audit row."""

    async def scenario():
        async with house(database_url, keys, tmp_path) as scene:
            case = await _structuring(scene)
            first = await scene.desk.prepare(case, Form.SAR, ANNA)
            second = await scene.desk.prepare(case, Form.SAR, OLAF)
            rows = await scene.fetch("SELECT 1 FROM audit WHERE action = 'filing.prepare'")
            return first.id, second.id, len(rows)

    first, second, count = run(scenario())
    assert (first == second, count) == (True, 1)


def test_a_ctr_adds_up_a_day_over_accounts_branches_and_conductors(database_url, keys, tmp_path, run):
    """Charles pays 6,000 into Ada's account and 5,000 into Grace's; Ada's own 7,000 count with what was paid in for her."""

    async def scenario():
        async with house(database_url, keys, tmp_path) as scene:
            flagged = await scene.cash(600_000, conductor=CONDUCTOR)
            await scene.cash(500_000, account=1, conductor=CONDUCTOR, branch="south")
            await scene.cash(700_000)
            await scene.cash(
                900_000, kind="cash_withdrawal"
            )  # cash out is added up apart, and is not over the limit
            await scene.cash(900_000, at=MONDAY + timedelta(days=1))  # another business day
            return await scene.desk.prepare(await scene.case(flagged), Form.CTR, ANNA)

    filing = run(scenario())
    ctr = filing.content
    assert (ctr.in_minor, ctr.out_minor, ctr.is_aggregated, ctr.branches) == (
        1_800_000,
        0,
        True,
        ("north", "south"),
    )
    people = {(each.person.last_name, each.role): each.in_minor for each in ctr.persons}
    assert people == {
        ("Babbage", CashRole.CONDUCTOR): 1_100_000,
        ("Byron", CashRole.BEHALF): 600_000,
        ("Byron", CashRole.OWN): 700_000,
        ("Hopper", CashRole.BEHALF): 500_000,
    }
    conductor = next(each.person for each in ctr.persons if each.role is CashRole.CONDUCTOR)
    assert (conductor.address.city, conductor.document.type) == ("Chicago", "drivers_license")
    assert (filing.begins_on, filing.due_on) == (date(2026, 1, 5), date(2026, 1, 20))


def test_a_ctr_is_refused_where_nobody_is_over_the_limit(database_url, keys, tmp_path, run):
    """10,000 exactly is not more than 10,000."""

    async def scenario():
        async with house(database_url, keys, tmp_path) as scene:
            case = await scene.case(await scene.cash(1_000_000))
            with pytest.raises(FilingError, match="nothing to report"):
                await scene.desk.prepare(case, Form.CTR, ANNA)

    run(scenario())


def test_a_report_names_what_it_lacks_where_a_worth_is_unknown(database_url, keys, tmp_path, run):
    """A part of a sum is never filed as the sum: a SAR's amount is unknown, a CTR asks what the cash is worth."""

    async def scenario():
        async with house(database_url, keys, tmp_path) as scene:
            first, second = await scene.cash(900_000), await scene.cash(1_900_000)
            await scene.without_rate(first)
            case = await scene.case(second, findings=[finding("structuring", [first, second])])
            sar = await scene.desk.prepare(case, Form.SAR, ANNA)
            ctr = await scene.desk.prepare(case, Form.CTR, ANNA)
            only = await scene.cash(900_000, account=1, at=MONDAY + timedelta(days=1))
            await scene.without_rate(only)
            alone = await scene.desk.prepare(await scene.case(only), Form.CTR, ANNA)
            with pytest.raises(FilingError, match="unpriced"):
                await scene.desk.approve(ctr.id, OLAF, accept_unknown=True)
            lacking = [[each.field for each in scene.desk.missing(one)] for one in (sar, ctr)]
            return sar.content, ctr.content, alone.content, lacking

    sar, ctr, alone, lacking = run(scenario())
    assert sar.amount_minor is None
    assert "unknown worth" in sar.narrative
    assert (ctr.in_minor, ctr.unpriced, alone.in_minor, alone.unpriced) == (1_900_000, 1, 0, 1)
    assert lacking == [["amount_minor"], ["unpriced"]]


def test_a_sar_on_money_that_came_in_names_the_payees_account(database_url, keys, tmp_path, run):
    """Grace pays Ada, who is reported: Ada's account is the subject's, and the money came in."""

    async def scenario():
        async with house(database_url, keys, tmp_path) as scene:
            paid = [await scene.internal(600_000 + place) for place in range(2)]
            case = await scene.case(paid[1], findings=[finding("fan_in", paid)])
            return (await scene.desk.prepare(case, Form.SAR, ANNA)).content

    sar = run(scenario())
    assert [(each.person.first_name, each.accounts) for each in sar.subjects] == [("Ada", ("000123456780",))]
    assert "2 internal (in)" in sar.narrative


def test_a_ctr_waits_where_the_cash_has_not_moved(database_url, keys, tmp_path, run):
    """A deposit that somebody must release first."""

    async def scenario():
        async with house(database_url, keys, tmp_path) as scene:
            flagged = await scene.cash(1_200_000)
            await scene.execute("ALTER TABLE transfers DISABLE TRIGGER USER")
            await scene.execute("UPDATE transfers SET state = 'pending_review' WHERE id = $1", flagged)
            with pytest.raises(FilingError, match="release the transfer"):
                await scene.desk.prepare(await scene.case(flagged), Form.CTR, ANNA)

    run(scenario())


@pytest.mark.parametrize(("form", "schema"), [(Form.SAR, "SAR"), (Form.CTR, "CTR")])
def test_an_approved_report_goes_out_in_a_batch_that_validates(
    database_url, keys, tmp_path, run, form, schema
):
    """The file validates, is for its owner alone, and the case, which waited for it alone, is closed."""

    async def scenario():
        async with house(database_url, keys, tmp_path) as scene:
            _install(scene, schema)
            filing = await _approved(scene, form)
            done = await scene.dispatch.export(form, tmp_path / "out", OTTO)
            again = await scene.dispatch.export(form, tmp_path / "out", OTTO)
            case = (await scene.fetch("SELECT state, filings FROM cases"))[0]
            return scene.schemas, filing, done, again, case

    schemas, filing, done, again, case = run(scenario())
    assert done.filings == (filing.id,)
    assert (again.files, again.filings) == ((), ())
    assert validate(done.files[0].read_bytes(), schemas) == (f"{schema}X", [])
    assert stat.S_IMODE(done.files[0].stat().st_mode) == 0o600
    assert (case["state"], case["filings"]) == ("closed", [filing.id])


def test_whoever_wrote_a_filing_does_not_approve_it(database_url, keys, tmp_path, run):
    """Neither who prepared it nor who edited it; and an edit takes an approval back."""

    async def scenario():
        async with house(database_url, keys, tmp_path) as scene:
            filing = await scene.desk.prepare(await _structuring(scene), Form.SAR, OLAF)
            with pytest.raises(FilingError, match="four eyes"):
                await scene.desk.approve(filing.id, OLAF)
            await scene.desk.approve(filing.id, OTTO)
            edited = await scene.desk.edit(filing.id, OTTO, narrative="Told in other words.")
            assert (edited.state, edited.approved_by) == (State.DRAFT, "")
            with pytest.raises(FilingError, match="four eyes"):
                await scene.desk.approve(filing.id, OTTO)
            with pytest.raises(Denied):
                await scene.desk.approve(filing.id, ANNA)

    run(scenario())


def test_what_a_filing_lacks_is_named_by_setting_and_field(database_url, keys, tmp_path, run):
    """A customer without a profile: its fields by name; nobody approves until they are there or said to be unknown."""

    async def scenario():
        async with house(database_url, keys, tmp_path) as scene:
            await scene.profiles.change(0, dict.fromkeys(ADA, ""), ANNA, MONDAY)
            filing = await scene.desk.prepare(await _structuring(scene), Form.SAR, ANNA)
            with pytest.raises(FilingError, match="customer 0: tin: SSN, ITIN or EIN: nine digits"):
                await scene.desk.approve(filing.id, OLAF)
            return (await scene.desk.approve(filing.id, OLAF, accept_unknown=True)).state

    assert run(scenario()) is State.APPROVED


def test_an_export_without_a_schema_is_refused_by_the_command_that_installs_it(
    database_url, keys, tmp_path, run
):
    """Nothing goes out that was not held against its schema."""

    async def scenario():
        async with house(database_url, keys, tmp_path) as scene:
            await _approved(scene)
            with pytest.raises(SchemaError, match="holdfast filings schemas PATH"):
                await scene.dispatch.export(Form.SAR, tmp_path / "out", OTTO)

    run(scenario())


def test_a_filing_waits_for_the_decision_on_its_case(database_url, keys, tmp_path, run):
    """It stays approved, and the export says so."""

    async def scenario():
        async with house(database_url, keys, tmp_path) as scene:
            _install(scene, "SAR")
            filing = await scene.desk.prepare(await _structuring(scene, state="open"), Form.SAR, ANNA)
            await scene.desk.approve(filing.id, OLAF)
            return filing, await scene.dispatch.export(Form.SAR, tmp_path / "out", OTTO)

    filing, done = run(scenario())
    assert (done.files, done.filings, done.undecided) == ((), (), (filing.id,))


def test_a_batch_that_a_crash_kept_from_being_written_is_written_next_time(database_url, keys, tmp_path, run):
    """The folder can't be made at first; the next export writes the same batch, and no second one."""

    async def scenario():
        async with house(database_url, keys, tmp_path) as scene:
            _install(scene, "SAR")
            await _approved(scene)
            (tmp_path / "file").write_text("in the way")
            with pytest.raises(OSError, match="file"):
                await scene.dispatch.export(Form.SAR, tmp_path / "file", OTTO)
            done = await scene.dispatch.export(Form.SAR, tmp_path / "out", OTTO)
            return done, len(await scene.fetch("SELECT 1 FROM filing_batches"))

    done, batches = run(scenario())
    assert (len(done.files), done.filings, batches) == (1, (), 1)


def test_an_acknowledgement_gives_a_filing_its_identifier(database_url, keys, tmp_path, run):
    """Accepted with a warning: the warning is kept with the sequence number that it is about."""

    async def scenario():
        async with house(database_url, keys, tmp_path) as scene:
            _install(scene, "SAR")
            await _approved(scene)
            await scene.dispatch.export(Form.SAR, tmp_path / "out", OTTO)
            done = await scene.dispatch.acknowledge(ACCEPTED, OTTO)
            with pytest.raises(FilingError, match="waiting for an answer: none"):
                await scene.dispatch.acknowledge(ACCEPTED, OTTO)
            with pytest.raises(FilingError, match="acknowledged already"):
                await scene.dispatch.acknowledge(ACCEPTED, OTTO, done.batch_id)
            return done

    done = run(scenario())
    filing = done.filings[0]
    assert (done.is_accepted, filing.state, filing.bsa_id) == (True, State.ACCEPTED, "31000000000001")
    assert (filing.troubles[0]["code"], filing.troubles[0]["sequence_number"]) == ("F18", 22)


def test_a_rejected_filing_is_edited_and_goes_out_again(database_url, keys, tmp_path, run):
    """The reason is kept until it goes out again; the case has the filing once."""

    async def scenario():
        async with house(database_url, keys, tmp_path) as scene:
            _install(scene, "SAR")
            filing = await _approved(scene)
            await scene.dispatch.export(Form.SAR, tmp_path / "out", OTTO)
            rejected = (await scene.dispatch.acknowledge(REJECTED, OTTO)).filings[0]
            assert (rejected.state, rejected.troubles[0]["level"]) == (State.REJECTED, "FATAL")
            await scene.desk.edit(filing.id, ANNA, narrative="With the ZIP code mended.")
            await scene.desk.approve(filing.id, OLAF)
            done = await scene.dispatch.export(Form.SAR, tmp_path / "out", OTTO)
            return done, (await scene.fetch("SELECT filings FROM cases"))[0]["filings"]

    done, filings = run(scenario())
    assert filings == list(done.filings)


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"<EFilingBatchXML", "not well-formed"),
        (b"<Other/>", "no acknowledgement"),
        (ACCEPTED.replace(b"31000000000001", b"not a number"), "BSAID"),
    ],
)
def test_what_is_no_acknowledgement_changes_nothing(database_url, keys, tmp_path, run, data, says):
    """It is refused by name, and the batch waits on."""

    async def scenario():
        async with house(database_url, keys, tmp_path) as scene:
            with pytest.raises(DocumentError, match=says):
                await scene.dispatch.acknowledge(data, OTTO)

    run(scenario())


def test_another_batchs_acknowledgement_is_refused(database_url, keys, tmp_path, run):
    """It answers two reports, the batch has one."""
    part = ACCEPTED[ACCEPTED.index(b"<EFilingActivityXML") : ACCEPTED.index(b"</EFilingSubmissionXML>")]

    async def scenario():
        async with house(database_url, keys, tmp_path) as scene:
            _install(scene, "SAR")
            await _approved(scene)
            await scene.dispatch.export(Form.SAR, tmp_path / "out", OTTO)
            with pytest.raises(FilingError, match="another batch"):
                await scene.dispatch.acknowledge(ACCEPTED.replace(part, part * 2), OTTO)

    run(scenario())


def test_activity_that_goes_on_is_reviewed_after_90_days_and_filed_by_120(database_url, keys, tmp_path, run):
    """The clock list says so; the continuing report names the prior one and adds up the amounts."""

    async def scenario():
        async with house(database_url, keys, tmp_path) as scene:
            _install(scene, "SAR")
            first = await _approved(scene)
            await scene.dispatch.export(Form.SAR, tmp_path / "out", OTTO)
            await scene.dispatch.acknowledge(ACCEPTED, OTTO)
            due = await scene.desk.due(ANNA)
            second = await scene.desk.prepare(
                first.case_id, Form.SAR, ANNA, follows=first.id, report=Report.CONTINUES
            )
            return due, second, await scene.desk.due(ANNA)

    before, second, after = run(scenario())
    filed = date(2026, 1, 7)
    assert [(each.what, each.review_on, each.due_on) for each in before] == [
        ("continuing_review", filed + timedelta(90), filed + timedelta(120))
    ]
    assert (second.content.prior_bsa_id, second.content.cumulative_minor) == ("31000000000001", 7_200_012)
    assert [(each.what, each.due_on) for each in after] == [("filing", filed + timedelta(120))]


def test_a_correction_begins_from_what_was_filed(database_url, keys, tmp_path, run):
    """Its content, the prior identifier, and its own clock."""

    async def scenario():
        async with house(database_url, keys, tmp_path) as scene:
            _install(scene, "CTR")
            first = await _approved(scene, Form.CTR)
            await scene.dispatch.export(Form.CTR, tmp_path / "out", OTTO)
            await scene.dispatch.acknowledge(ACCEPTED, OTTO)
            second = await scene.desk.prepare(
                first.case_id, Form.CTR, ANNA, follows=first.id, report=Report.CORRECTS
            )
            await scene.desk.approve(second.id, OLAF, accept_unknown=True)
            done = await scene.dispatch.export(Form.CTR, tmp_path / "out", OTTO)
            return scene.schemas, first, second, done

    schemas, first, second, done = run(scenario())
    assert second.content == dataclasses.replace(
        first.content, report=Report.CORRECTS, prior_bsa_id="31000000000001"
    )
    assert validate(done.files[0].read_bytes(), schemas) == ("CTRX", [])


def test_reports_that_nobody_prepared_are_due_by_what_the_review_says(database_url, keys, tmp_path, run):
    """Until one is prepared; then its own clock runs."""

    async def scenario():
        async with house(database_url, keys, tmp_path) as scene:
            case = await _structuring(scene)
            before = await scene.desk.due(ANNA)
            filing = await scene.desk.prepare(case, Form.SAR, ANNA)
            return case, before, filing, await scene.desk.due(ANNA)

    case, before, filing, after = run(scenario())
    assert [(each.what, each.case_id, each.due_on) for each in before] == [
        ("to_prepare", case, date(2026, 2, 4))
    ]
    assert [(each.what, each.filing_id) for each in after] == [("filing", filing.id)]
    assert after[0].days_left(date(2026, 2, 6)) == -2


def test_a_blocked_property_report_is_a_text_in_the_order_of_the_rule(database_url, keys, tmp_path, run):
    """Ten business days; every letter of 31 CFR 501.603(b)(1)(ii)."""

    async def scenario():
        async with house(database_url, keys, tmp_path) as scene:
            case = await scene.case(
                await scene.cash(2_000_000), duties=("blocked_property_report",), hits=[HIT]
            )
            filing = await scene.desk.prepare(case, Form.BLOCKED_PROPERTY, ANNA)
            await scene.desk.approve(filing.id, OLAF, accept_unknown=True)
            done = await scene.dispatch.export(Form.BLOCKED_PROPERTY, tmp_path / "out", OTTO)
            return filing, done

    filing, done = run(scenario())
    text = done.files[0].read_text()
    assert filing.due_on == date(2026, 1, 20)  # Martin Luther King Day between
    assert all(f"({letter})" in text for letter in "ABCDEFGHI")
    assert "programme" not in text
    assert "(H) Legal authority: CUBA" in text
    assert "USD 20,000.00" in text


def test_a_customer_on_a_list_is_reported_with_all_accounts(database_url, keys, tmp_path, run):
    """The case is about no transfer: what is held is what is on the accounts, and its value is asked for."""

    async def scenario():
        async with house(database_url, keys, tmp_path) as scene:
            case = await scene.case(
                UUID(int=0), duties=("blocked_property_report",), hits=[HIT], source=Source.CUSTOMER
            )
            filing = await scene.desk.prepare(case, Form.BLOCKED_PROPERTY, ANNA)
            return filing, scene.desk.missing(filing)

    filing, lacking = run(scenario())
    assert (filing.content.accounts, filing.content.transaction) == (("000123456780",), "")
    assert [each.field for each in lacking] == ["value_minor"]


def test_a_withdrawn_filing_can_be_prepared_anew(database_url, keys, tmp_path, run):
    """With a reason; what was withdrawn stays as it was."""

    async def scenario():
        async with house(database_url, keys, tmp_path) as scene:
            case = await _structuring(scene)
            first = await scene.desk.prepare(case, Form.SAR, ANNA)
            with pytest.raises(FilingError, match="reason"):
                await scene.desk.withdraw(first.id, OLAF, " ")
            await scene.desk.withdraw(first.id, OLAF, "explained by the customer")
            second = await scene.desk.prepare(case, Form.SAR, ANNA)
            with pytest.raises(FilingError, match="withdrawn"):
                await scene.desk.edit(first.id, ANNA, narrative="again")
            return first.id, second.id

    first, second = run(scenario())
    assert first != second


def test_an_edit_that_does_not_fit_is_refused_by_field(database_url, keys, tmp_path, run):
    """All of the content as JSON, or a narrative; not both, and not another kind of report."""

    async def scenario():
        async with house(database_url, keys, tmp_path) as scene:
            filing = await scene.desk.prepare(await _structuring(scene), Form.SAR, ANNA)
            good = json.loads(text_of(filing.content))
            for change, says in (
                ({"amount_minor": "much"}, "amount_minor"),
                ({"report": "corrects"}, "must stay"),
            ):
                with pytest.raises(FilingError, match=says):
                    await scene.desk.edit(filing.id, ANNA, text=json.dumps({**good, **change}))
            return await scene.desk.edit(filing.id, ANNA, text=json.dumps({**good, "subjects": []}))

    assert run(scenario()).due_on == date(2026, 3, 6)  # 60 days: no suspect is known


def test_only_who_may_see_filings_learns_that_there_is_one(database_url, keys, tmp_path, run):
    """A viewer is denied every way in; a full view is an audit row; no audit row holds a name or a number."""

    async def scenario():
        async with house(database_url, keys, tmp_path) as scene:
            filing = await scene.desk.prepare(await _structuring(scene), Form.SAR, ANNA)
            for call in (
                scene.desk.show(filing.id, VERA),
                scene.desk.filings(VERA),
                scene.desk.due(VERA),
                scene.desk.prepare(filing.case_id, Form.SAR, VERA),
                scene.dispatch.export(Form.SAR, tmp_path, VERA),
                scene.dispatch.acknowledge(ACCEPTED, VERA),
            ):
                with pytest.raises(Denied):
                    await call
            await scene.desk.show(filing.id, ANNA, in_full=True)
            rows = await scene.fetch("SELECT action, row_to_json(audit)::text AS text FROM audit")
            kept = await scene.fetch("SELECT row_to_json(filings)::text AS text FROM filings")
            return rows, kept

    rows, kept = run(scenario())
    assert "view.filing" in {row["action"] for row in rows}
    for row in (*rows, *kept):
        assert not any(secret in row["text"] for secret in ("Byron", "912345678", "P1234567", "000123456780"))


def test_a_profile_is_sealed_masked_and_its_views_are_on_record(database_url, keys, tmp_path, run):
    """Shown masked to a viewer; in full only to who may, with an audit row; what does not fit is refused by field."""

    async def scenario():
        async with house(database_url, keys, tmp_path) as scene:
            masked = await scene.profiles.show(0, VERA)
            with pytest.raises(Denied):
                await scene.profiles.show(0, VERA, in_full=True)
            full = await scene.profiles.show(0, ANNA, in_full=True)
            for changes, says in (({"tin": "12"}, "tin must be SSN"), ({"shoe": "9"}, "no shoe")):
                with pytest.raises(ProfileError, match=says):
                    await scene.profiles.change(0, changes, ANNA, MONDAY)
            with pytest.raises(ProfileError, match="no customer 99"):
                await scene.profiles.change(99, {"tin": "912345678"}, ANNA, MONDAY)
            stored = await scene.fetch("SELECT row_to_json(p)::text AS text FROM customer_profiles p")
            views = await scene.fetch("SELECT 1 FROM audit WHERE action = 'view.profile'")
            return masked, full, stored[0]["text"], len(views)

    masked, full, stored, views = run(scenario())
    assert (masked["tin"], masked["street"], masked["country"], views) == ("****5678", "****", "US", 1)
    assert (full["tin"], full["street"]) == ("912345678", "1 Mill Lane")
    assert "Mill" not in stored
