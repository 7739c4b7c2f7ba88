"""Regulation E: what an unauthorized transfer costs at most, and by when an error is resolved."""

from datetime import date, timedelta

import pytest

from compliance.rules.regulation_e import (
    Loss,
    account_disclosures,
    clocks,
    credit_notices,
    is_new_account,
    liability,
    notice_due,
    report_due,
    result_notices,
)

FRIDAY = date(2026, 3, 13)
STATEMENT = date(2026, 3, 31)


def test_notice_is_in_time_two_business_days_after_learning():
    """A weekend doesn't count: learned on Friday, told by Tuesday."""
    assert notice_due(FRIDAY) == date(2026, 3, 17)


@pytest.mark.parametrize(
    ("noticed_on", "loss", "most", "section"),
    [
        (date(2026, 3, 17), Loss(200_00), 50_00, "(b)(1)"),
        (date(2026, 3, 17), Loss(30_00), 30_00, "(b)(1)"),
        (date(2026, 3, 18), Loss(200_00, 600_00), 500_00, "(b)(2)"),
        (date(2026, 3, 18), Loss(200_00, 300_00), 350_00, "(b)(2)"),
        (date(2026, 3, 18), Loss(20_00, 300_00), 320_00, "(b)(2)"),
        (date(2026, 3, 18), Loss(200_00), 50_00, "(b)(2)"),
        (date(2026, 5, 30), Loss(200_00, 600_00, 0), 500_00, "(b)(2)"),
        (date(2026, 5, 31), Loss(200_00, 600_00, 700_00), 1_200_00, "(b)(3)"),
    ],
)
def test_liability_follows_the_tiers_by_the_day_of_notice(noticed_on, loss, most, section):
    """At most 50, at most 500, and no limit for what came after the 60 days."""
    found = liability(loss, noticed_on=noticed_on, learned_on=FRIDAY, statement_on=STATEMENT)
    assert found.usd_minor == most
    assert found.citation.endswith(section)
    assert found.is_limited is (section != "(b)(3)")


def test_a_card_number_alone_costs_nothing_until_the_60_days_are_over():
    """No access device was lost."""
    day = report_due(STATEMENT)
    assert day == date(2026, 5, 30)
    for late, most in ((timedelta(), 0), (timedelta(days=1), 700_00)):
        found = liability(
            Loss(500_00, 0, 700_00), noticed_on=day + late, statement_on=STATEMENT, device=False
        )
        assert found.usd_minor == most


def test_liability_is_the_first_tier_when_the_consumer_never_learned_of_the_loss():
    """What he doesn't know of starts no clock of two days."""
    assert liability(Loss(900_00), noticed_on=FRIDAY).usd_minor == 50_00


def test_error_resolution_takes_ten_business_days_or_45_with_provisional_credit():
    """20 and 90 for a new account; 90 at a point of sale or from abroad."""
    plain = clocks(FRIDAY)
    assert plain.investigate_due == plain.resolve_due == date(2026, 3, 27)
    credited = clocks(FRIDAY, credited_on=date(2026, 3, 27))
    assert credited.resolve_due == FRIDAY + timedelta(days=45)
    assert credited.credit_notice_due == date(2026, 3, 31)
    assert clocks(FRIDAY, credited_on=date(2026, 3, 28)).resolve_due == date(2026, 3, 27)
    new = clocks(FRIDAY, new_account=True)
    assert new.investigate_due == date(2026, 4, 10)
    assert clocks(FRIDAY, new_account=True, credited_on=FRIDAY).resolve_due == FRIDAY + timedelta(days=90)
    abroad = clocks(FRIDAY, extended=True, credited_on=FRIDAY)
    assert (abroad.investigate_due, abroad.resolve_due) == (date(2026, 3, 27), FRIDAY + timedelta(days=90))


def test_an_error_is_told_in_time_until_60_days_after_the_statement():
    """Later, the procedure is not owed."""
    assert clocks(date(2026, 5, 30), statement_on=STATEMENT).is_timely
    assert not clocks(date(2026, 5, 31), statement_on=STATEMENT).is_timely


def test_notices_are_due_in_business_days():
    """Correction in one, a credit's notice in two, the result in three; taking a credit back is told too."""
    monday, tuesday, wednesday = (date(2026, 3, day) for day in (16, 17, 18))
    found = result_notices(FRIDAY, error_found=True, credited=True)
    assert [notice.due for notice in found] == [monday, wednesday]
    assert [notice.due for notice in credit_notices(FRIDAY)] == [tuesday]
    refused = result_notices(FRIDAY, error_found=False, credited=True)
    assert [notice.citation for notice in refused] == ["12 CFR 1005.11(d)(1)", "12 CFR 1005.11(d)(2)"]
    assert len(result_notices(FRIDAY, error_found=False, credited=False)) == 1


def test_an_account_owes_its_disclosures_and_a_yearly_notice():
    """By the end of the calendar year after the last one."""
    found = account_disclosures(date(2024, 5, 1), None)
    assert [notice.citation for notice in found] == ["12 CFR 1005.7", "12 CFR 1005.9(b)", "12 CFR 1005.8(b)"]
    assert found[2].due == date(2025, 12, 31)
    assert account_disclosures(date(2024, 5, 1), date(2025, 3, 1))[2].due == date(2026, 12, 31)


def test_an_account_is_new_for_30_days_after_the_first_deposit():
    """By the day of the transfer."""
    assert is_new_account(FRIDAY, FRIDAY + timedelta(days=30))
    assert not is_new_account(FRIDAY, FRIDAY + timedelta(days=31))
