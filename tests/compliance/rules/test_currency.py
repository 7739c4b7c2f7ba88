"""Currency reports and structuring."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest

from compliance.facts import Direction, Kind, Usual
from compliance.results import DutyKind
from compliance.rules.assess import assess
from compliance.rules.policy import RulesPolicy
from tests.compliance.rules.dossiers import COUNTRIES, NOON, dossier, duties_of, movement, rules_of

POLICY = RulesPolicy()
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
IN, OUT = Kind.CASH_DEPOSIT, Kind.CASH_WITHDRAWAL
NEW = Usual()


def cash(usd, kind=IN, ago=timedelta(), name=None, **others):
    """Cash of the customer, before the subject."""
    direction = Direction.IN if kind == IN else Direction.OUT
    return movement(name or f"{usd}/{kind}/{ago}", usd, kind, direction, ago, **{"other": "", **others})


def assessed(usd, kind=IN, **named):
    """An assessment of cash."""
    direction = Direction.IN if kind == IN else Direction.OUT
    return assess(dossier(usd, kind, direction, **named), (), POLICY, COUNTRIES)


@pytest.mark.parametrize(("usd", "due"), [(10_000.00, False), (10_000.01, True)])
@pytest.mark.parametrize("kind", [IN, OUT])
def test_a_currency_report_is_due_over_10_000_only(kind, usd, due):
    """10,000.00 exactly is none: 31 CFR 1010.311 says more than."""
    found = assessed(usd, kind)
    assert ("ctr" in duties_of(found)) is due


def test_a_currency_report_is_due_in_15_days_after_the_business_day():
    """Saturday's cash is booked on Monday, and its 15 days start there."""
    saturday = datetime(2026, 3, 14, 16, tzinfo=UTC)
    found = assessed(12_000, at=saturday)
    duty = next(duty for duty in found.duties if duty.kind is DutyKind.CTR)
    assert duty.due == date(2026, 3, 31)
    assert (duty.form, duty.citation) == ("FinCEN 112", "31 CFR 1010.311")


def test_currency_is_aggregated_over_accounts_and_branches_of_one_day():
    """6,000 here and 4,000.01 there, on two accounts; 4,000.00 keeps it at the limit."""
    for usd, due in ((4_000.01, True), (4_000.00, False)):
        other = cash(usd, ago=2 * HOUR, account_number=71, branch="uptown")
        found = assessed(6_000, branch="downtown", cash_today=(other,))
        assert ("ctr" in duties_of(found)) is due
    finding = next(f for f in assessed(9_000, cash_today=(cash(8_000, ago=HOUR),)).findings)
    assert finding.citation == "31 CFR 1010.313"
    assert finding.facts["total_usd_minor"] == 17_000_00
    assert finding.facts["count"] == 2


def test_cash_in_and_cash_out_are_never_added_together():
    """Nor are they set off against each other."""
    assert "ctr" not in duties_of(assessed(6_000, IN, cash_today=(cash(6_000, OUT, HOUR),)))
    assert "ctr" in duties_of(assessed(12_000, IN, cash_today=(cash(12_000, OUT, HOUR),)))


def test_cash_of_another_business_day_is_not_counted():
    """Yesterday's is another report's."""
    assert "ctr" not in duties_of(assessed(6_000, before=(cash(6_000, ago=DAY),)))


def test_cash_that_one_person_brings_for_others_is_his_too():
    """A conductor's 6,000 for this customer and 6,000 for another one."""
    other = cash(6_000, ago=HOUR, customer_number=9, account_number=90, conductor="party:x")
    own = dossier(6_000, IN, Direction.IN, conductor="party:x").history[-1]
    found = assessed(6_000, conductor="party:x", cash_today=(other, own))
    finding = next(f for f in found.findings if f.rule == "currency_report")
    assert finding.facts["person"] == "conductor"
    assert finding.facts["total_usd_minor"] == 12_000_00
    stranger = cash(6_000, ago=HOUR, conductor="party:y")
    found = assessed(6_000, conductor="party:x", cash_today=(stranger, own))
    assert next(f for f in found.findings if f.rule == "currency_report").facts["person"] == "customer"


def test_cash_of_one_movement_is_told_once_when_history_has_it_too():
    """A movement in history and among the day's cash is one movement."""
    same = cash(4_000, ago=HOUR)
    assert "ctr" not in duties_of(assessed(6_000, before=(same,), cash_today=(same,)))


@pytest.mark.parametrize(
    ("usd", "before", "found"),
    [
        (9_500, ((9_800, 1),), True),
        (9_500, ((9_800, 10),), True),
        (9_500, ((9_800, 11),), False),
        (8_000, ((8_000, 3),), True),
        (7_999.99, ((7_999.99, 3),), False),
        (10_000, ((10_000, 3),), True),
        (10_000.01, ((9_000, 3), (9_000, 4)), False),
        (4_000, ((4_000, 1), (4_000, 2)), True),
        (3_000, ((3_000, 1), (4_000, 2)), False),
        (3_000, ((3_000, 1), (4_000.01, 2)), True),
        (2_999.99, ((2_999.99, 1), (2_999.99, 2), (2_999.99, 3)), False),
        (9_500, (), False),
    ],
)
@pytest.mark.parametrize("kind", [IN, OUT])
def test_structuring_is_found_over_days_at_each_boundary(kind, usd, before, found):
    """Two just under the limit within ten days, or three parts of one sum; withdrawals as deposits."""
    earlier = [cash(amount, kind, days * DAY) for amount, days in before]
    assert ("structuring" in rules_of(assessed(usd, kind, before=earlier, usual=NEW))) is found


def test_structuring_raises_a_suspicious_activity_report_with_30_days():
    """From the day of detection."""
    found = assessed(9_500, before=(cash(9_800, ago=DAY),))
    duty = next(duty for duty in found.duties if duty.kind is DutyKind.SAR)
    assert duty.due == NOON.date() + timedelta(days=30)
    assert (duty.form, duty.citation) == ("FinCEN 111", "31 CFR 1020.320")


def test_takings_of_a_shop_are_no_structure_when_they_are_usual():
    """Three times 4,000 in ten days, from somebody who brings 50,000 a month."""
    takings = [cash(4_000, ago=days * DAY) for days in (2, 4, 6)]
    shop = Usual(months=12, month_usd_minor=50_000_00, largest_usd_minor=5_000_00, count=300)
    assert "structuring" not in rules_of(assessed(4_000, before=takings, usual=shop))


def test_structuring_is_found_on_one_day_when_several_branches_are_visited():
    """The report is due as well; at one counter, in two parts, it is the report alone."""
    other = cash(6_000, ago=HOUR, branch="uptown")
    found = assessed(6_000, branch="downtown", cash_today=(other,))
    assert {"ctr", "sar"} <= set(duties_of(found))
    found = assessed(6_000, branch="uptown", cash_today=(other,))
    assert "ctr" in duties_of(found)
    assert "sar" not in duties_of(found)


@pytest.mark.parametrize(
    ("usd", "found"), [(7_999.99, False), (8_000, True), (10_000, True), (10_000.01, False)]
)
def test_one_amount_just_under_the_limit_is_remembered_and_no_more(usd, found):
    """Nothing is due for it."""
    assessment = assessed(usd)
    assert ("near_limit" in rules_of(assessment)) is found
    assert "sar" not in duties_of(assessment)


@pytest.mark.parametrize("state", ["failed", "rejected", "blocked"])
def test_no_currency_report_is_due_when_the_cash_did_not_move(state):
    """Attempted structuring stays suspicious: 31 CFR 1020.320(a)(2)."""
    assert "ctr" not in duties_of(assessed(12_000, state=state))
    assert "sar" in duties_of(assessed(9_500, before=(cash(9_800, ago=DAY),), state=state))


def test_cash_that_the_holder_brings_for_another_is_his_when_somebody_else_stands_at_the_counter():
    """A carrier's 6,000 on his account and his own 6,000 on a stranger's: by or on behalf of him, 31 CFR 1010.313(b)."""
    own = dossier(6_000, IN, Direction.IN, conductor="party:carrier").history[-1]
    elsewhere = cash(6_000, ago=HOUR, customer_number=9, account_number=90, conductor="party:holder")
    found = assessed(6_000, conductor="party:carrier", cash_today=(elsewhere, own))
    reports = [f for f in found.findings if f.rule == "currency_report"]
    assert [(f.facts["person"], f.facts["total_usd_minor"]) for f in reports] == [("customer", 12_000_00)]


def test_cash_that_somebody_else_brings_for_a_third_is_not_the_carriers():
    """The carrier's 6,000 here; the holder's own 6,000 elsewhere was not in the carrier's hands."""
    own = dossier(6_000, IN, Direction.IN, conductor="party:carrier").history[-1]
    elsewhere = cash(6_000, ago=HOUR, customer_number=9, account_number=90, conductor="party:holder")
    found = assessed(6_000, conductor="party:carrier", cash_today=(elsewhere, own))
    assert not [f for f in found.findings if f.rule == "currency_report" and f.facts["person"] == "conductor"]


def test_cash_on_the_carriers_own_account_is_added_to_what_he_carries():
    """6,000 for a customer and 6,000 on an account of his own, where he stands as the holder."""
    own = dossier(6_000, IN, Direction.IN, conductor="party:carrier").history[-1]
    his = cash(6_000, ago=HOUR, customer_number=9, account_number=90)
    found = assessed(6_000, conductor="party:carrier", cash_today=(his, own))
    report = next(f for f in found.findings if f.rule == "currency_report")
    assert (report.facts["person"], report.facts["total_usd_minor"]) == ("conductor", 12_000_00)


def test_the_clock_of_suspicion_starts_on_the_banks_own_day_when_it_is_tomorrow_elsewhere():
    """At nine in the evening in New York it is the next day in UTC: the report would be a day late."""
    evening = datetime(2026, 3, 12, 1, tzinfo=UTC)
    parts = dossier(9_500, IN, Direction.IN, before=(cash(9_800, ago=DAY),), at=evening)
    found = assess(replace(parts, as_of=evening), (), POLICY, COUNTRIES)
    duty = next(duty for duty in found.duties if duty.kind is DutyKind.SAR)
    assert duty.due == date(2026, 4, 10)
