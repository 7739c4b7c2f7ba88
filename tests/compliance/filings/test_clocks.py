"""Last days, arrows, lacks: pure pieces of filings."""

import dataclasses
from datetime import date

import pytest

from compliance.filings.bank import Bank
from compliance.filings.clocks import continuing, due
from compliance.filings.content import Form, Report
from compliance.filings.lacks import lacks
from compliance.filings.outbox import write_new
from compliance.filings.record import address_of, conductor_of
from compliance.filings.states import MOVES, FilingError, State, Step, after
from tests.compliance.filings.samples import ADA, BANK, BLOCKED, CTR, SAR

DAY = date(2026, 1, 5)


@pytest.mark.parametrize(
    ("form", "has_suspect", "last_day"),
    [
        (Form.SAR, True, date(2026, 2, 4)),
        (Form.SAR, False, date(2026, 3, 6)),
        (Form.CTR, True, date(2026, 1, 20)),
        (Form.BLOCKED_PROPERTY, True, date(2026, 1, 20)),
    ],
)
def test_a_report_is_due_by_its_rule(form, has_suspect, last_day):
    """30 or 60 days, 15 days, ten business days with a holiday between."""
    assert due(form, DAY, has_suspect=has_suspect) == last_day


def test_continuing_activity_is_looked_at_after_90_days_and_filed_by_120():
    """From the day the report before was filed."""
    assert continuing(DAY) == (date(2026, 4, 5), date(2026, 5, 5))


def test_a_filing_moves_only_along_its_arrows():
    """Every pair that is not drawn is refused, with what is allowed."""
    for state in State:
        for step in Step:
            if (state, step) in MOVES:
                assert after(state, step) is MOVES[state, step]
            else:
                with pytest.raises(FilingError, match=f"it is {state}"):
                    after(state, step)


def test_a_whole_report_lacks_nothing():
    """SAR, CTR and blocked property of a bank that is set and a customer who is known."""
    ctr = dataclasses.replace(CTR, persons=CTR.persons[1:])
    assert [lacks(content, BANK) for content in (SAR, ctr, BLOCKED)] == [[], [], []]


def test_a_bank_that_is_not_set_is_named_setting_by_setting():
    """What the environment must give, and what is allowed there."""
    named = {each.field: each.allowed for each in lacks(SAR, Bank())}
    assert named["HOLDFAST_COMPLIANCE_FILER_EIN"] == "the bank's EIN, nine digits"
    assert "HOLDFAST_COMPLIANCE_TRANSMITTER_CODE" in named
    assert "HOLDFAST_COMPLIANCE_FILER_BRANCHES[north]" in named
    assert not any(each.may_be_unknown for each in lacks(SAR, Bank()))


@pytest.mark.parametrize(
    ("content", "field"),
    [
        (dataclasses.replace(SAR, narrative=" "), "narrative"),
        (dataclasses.replace(SAR, narrative="x" * 17_001), "narrative"),
        (dataclasses.replace(SAR, classes=()), "classes"),
        (dataclasses.replace(SAR, classes=(1,)), "classes"),
        (dataclasses.replace(SAR, instruments=(99,)), "instruments"),
        (dataclasses.replace(SAR, last_day=date(2025, 1, 1)), "last_day"),
        (dataclasses.replace(SAR, amount_minor=0), "amount_minor"),
        (dataclasses.replace(SAR, report=Report.CORRECTS), "prior_bsa_id"),
        (dataclasses.replace(SAR, note="x" * 51), "note"),
        (dataclasses.replace(CTR, persons=()), "persons"),
        (dataclasses.replace(CTR, in_minor=1_000_000), "in_minor"),
        (dataclasses.replace(BLOCKED, authority=""), "authority"),
        (
            dataclasses.replace(BLOCKED, owner=dataclasses.replace(ADA, first_name="")),
            "customer 17: first_name",
        ),
    ],
)
def test_what_can_not_stand_in_a_report_is_named(content, field):
    """Each by its field."""
    assert field in [each.field for each in lacks(content, BANK)]


def test_a_file_is_never_written_over_another(tmp_path):
    """The same bytes are as good; others are refused and stay; nothing else is left in the folder."""
    path = tmp_path / "out" / "batch.xml"
    write_new(path, b"one")
    write_new(path, b"one")
    with pytest.raises(FilingError, match="not written over"):
        write_new(path, b"two")
    assert (path.read_bytes(), [each.name for each in path.parent.iterdir()]) == (b"one", ["batch.xml"])


def test_an_address_is_parted_only_where_it_is_written_as_in_the_us():
    """Else it stands in one line, and its parts are unknown."""
    assert address_of("1 Mill Lane, Springfield, IL 62701").state == "IL"
    assert address_of("5 Devonshire Street, London").street == "5 Devonshire Street, London"


def test_nobody_stood_at_the_counter_where_nobody_is_named():
    """A transfer without a conductor is the holder's own."""
    assert conductor_of({}) is None
    assert conductor_of({"name": "Plato"}).last_name == "Plato"
