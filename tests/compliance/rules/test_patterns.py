"""Patterns over time: rapid movement, round trips, fans, cycles, dormant accounts, what is unusual."""

from datetime import timedelta

import pytest

from compliance.facts import Direction, Kind, Usual
from compliance.rules.assess import assess
from compliance.rules.policy import RulesPolicy
from tests.compliance.rules.dossiers import COUNTRIES, NOON, QUIET, dossier, duties_of, movement, rules_of

POLICY = RulesPolicy()
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
NEW = Usual()


def assessed(*args, **named):
    """An assessment without hits."""
    return assess(dossier(*args, **named), (), POLICY, COUNTRIES)


@pytest.mark.parametrize(
    ("came", "left", "hours", "found"),
    [
        (10_000, 8_000.00, 48, True),
        (10_000, 7_999.99, 48, False),
        (10_000, 9_000, 49, False),
        (5_000, 5_000, 5, True),
        (4_999.99, 4_999.99, 5, False),
    ],
)
def test_money_moves_rapidly_when_four_fifths_leave_within_48_hours(came, left, hours, found):
    """From 5,000 on; it raises a report."""
    assessment = assessed(left, before=(movement("a", came, ago=hours * HOUR),), usual=NEW)
    assert ("rapid_movement" in rules_of(assessment)) is found
    assert ("sar" in duties_of(assessment)) is found


def test_a_salary_that_pays_the_rent_is_not_rapid_movement():
    """As much has come in before; and moves between one's own accounts are none."""
    salary = movement("employer", 6_000, ago=5 * HOUR)
    usual = Usual(months=12, month_usd_minor=12_000_00, largest_usd_minor=6_000_00, count=50)
    assert rules_of(assessed(5_500, before=(salary,), usual=usual)) == []
    assert rules_of(assessed(5_500, Kind.INTERNAL, before=(salary,), other="account:71", usual=NEW)) == []


@pytest.mark.parametrize(
    ("usd", "days", "found"),
    [
        (9_000.00, 30, True),
        (8_999.99, 30, False),
        (11_000, 3, True),
        (11_000.01, 3, False),
        (10_000, 31, False),
    ],
)
def test_a_round_trip_is_found_when_a_like_amount_comes_back_within_30_days(usd, days, found):
    """A tenth more or less, from the same party; either way."""
    for direction, other in ((Direction.IN, Direction.OUT), (Direction.OUT, Direction.IN)):
        own = assessed(
            10_000,
            direction=direction,
            before=(movement("b", usd, Kind.WIRE, other, days * DAY),),
            other="party:b",
        )
        low, high = 0.9 * 10_000, 1.1 * 10_000
        assert ("round_trip" in rules_of(own)) is (found and low <= usd <= high)
    stranger = movement("b", 10_000, Kind.WIRE, Direction.OUT, DAY)
    assert "round_trip" not in rules_of(assessed(10_000, direction=Direction.IN, before=(stranger,)))


def fan(count, direction, usd=1_500, ago=DAY):
    """Movements with so many parties."""
    return [movement(f"{direction}{number}", usd, Kind.RTP, direction, ago) for number in range(count)]


@pytest.mark.parametrize(("direction", "name"), [(Direction.IN, "fan_in"), (Direction.OUT, "fan_out")])
def test_a_fan_is_found_from_five_new_parties_within_7_days(direction, name):
    """The subject's is one of them; four are none; nor are they below 5,000 together."""
    assert name in rules_of(assessed(1_500, direction=direction, before=fan(4, direction)))
    assert name not in rules_of(assessed(1_500, direction=direction, before=fan(3, direction)))
    assert name not in rules_of(assessed(1_500, direction=direction, before=fan(4, direction, ago=8 * DAY)))
    assert name not in rules_of(assessed(999.99, direction=direction, before=fan(4, direction, 1_000)))
    assert name in rules_of(assessed(1_000, direction=direction, before=fan(4, direction, 1_000)))


def test_tenants_who_always_pay_are_no_fan():
    """Who is known is not new; who always meets new people, meets no more than usual."""
    rents = fan(8, Direction.IN) + fan(8, Direction.IN, ago=31 * DAY)
    assert "fan_in" not in rules_of(assessed(1_500, direction=Direction.IN, before=rents, other="party:in1"))
    guests = [
        movement(f"guest {week} {number}", 1_500, Kind.RTP, Direction.IN, week * 7 * DAY + HOUR)
        for week in range(12)
        for number in range(5)
    ]
    assert "fan_in" not in rules_of(assessed(1_500, direction=Direction.IN, before=guests))


def hop(name, payer, payee, usd, ago):
    """A movement of a neighbour."""
    return movement(
        name,
        usd,
        Kind.INTERNAL,
        Direction.OUT,
        ago,
        account_number=payer,
        customer_number=payer,
        other=f"account:{payee}",
    )


def closing(network, usd=9_000, **named):
    """The subject pays account 90; the money started at its own account 70."""
    return assessed(usd, Kind.INTERNAL, other="account:90", network=network, **named)


@pytest.mark.parametrize(
    ("hops", "found"),
    [
        ([(90, 80, 9_500, 3), (80, 70, 9_200, 2)], True),
        ([(90, 80, 9_500, 2), (80, 70, 9_200, 3)], False),  # against time
        ([(90, 80, 9_500, 31), (80, 70, 9_200, 2)], False),  # too long ago
        ([(90, 80, 20_000, 3), (80, 70, 9_999, 2)], False),  # less than half goes on
        ([(90, 80, 18_000, 3), (80, 70, 9_000, 2)], True),
        ([(90, 70, 9_200, 2)], False),  # there and back is a round trip
        ([(90, 1, 9_500, 9), (1, 2, 9_400, 8), (2, 3, 9_300, 7), (3, 4, 9_200, 6), (4, 70, 9_100, 5)], True),
        (
            [
                (90, 1, 9_500, 9),
                (1, 2, 9_400, 8),
                (2, 3, 9_300, 7),
                (3, 4, 9_200, 6),
                (4, 5, 9_100, 5),
                (5, 70, 9_050, 4),
            ],
            False,  # seven hops
        ),
    ],
)
def test_a_cycle_is_found_when_money_comes_back_in_the_order_of_time(hops, found):
    """Three to six hops within 30 days."""
    network = [hop(f"{a}-{b}", a, b, usd, days * DAY) for a, b, usd, days in hops]
    assert ("cycle" in rules_of(closing(network))) is found


def test_a_cycle_is_told_once_when_a_hub_has_thousands_of_hops():
    """The search is bounded."""
    network = [hop(f"n{n}", 90, 1_000 + n, 9_500, 9 * DAY) for n in range(3_000)]
    network += [hop(f"m{n}", 1_000 + n, 5_000 + n, 9_400, 8 * DAY) for n in range(3_000)]
    assert "cycle" not in rules_of(closing(network))


@pytest.mark.parametrize(
    ("days", "usd", "found"),
    [(179, 6_000, False), (180, 6_000, True), (180, 999.99, False), (180, 1_000, True)],
)
def test_a_dormant_account_wakes_after_180_days(days, usd, found):
    """From 1,000 on it is a finding, from 5,000 on a report is due."""
    usual = Usual(last_at=NOON - days * DAY)
    assessment = assessed(usd, usual=usual)
    assert ("dormant" in rules_of(assessment)) is found
    assert ("sar" in duties_of(assessment)) is (found and usd >= 5_000)


def test_an_account_is_not_dormant_when_a_movement_was_near():
    """History of 90 days counts before what is older."""
    usual = Usual(last_at=NOON - 200 * DAY)
    assert "dormant" not in rules_of(assessed(6_000, usual=usual, before=(movement("c", 5, ago=DAY),)))
    assert "dormant" not in rules_of(assessed(6_000, usual=NEW))


@pytest.mark.parametrize(
    ("month", "last_30", "largest", "usd", "months", "found"),
    [
        (10_000, 30_000.00, 50_000, 100, 12, False),
        (10_000, 30_000.01, 50_000, 100, 12, True),
        (10_000, 30_000.01, 50_000, 100, 1.9, False),
        (1_000, 4_999.99, 50_000, 100, 12, False),
        (1_000, 5_000.00, 50_000, 100, 12, True),
        (90_000, 9_000, 3_000, 9_000.00, 12, False),
        (90_000, 9_000, 3_000, 9_000.01, 12, True),
    ],
)
def test_activity_is_unusual_over_three_times_the_pattern_only(month, last_30, largest, usd, months, found):
    """The month or the amount, where two months are known."""
    usual = Usual(
        months=months,
        month_usd_minor=round(month * 100),
        largest_usd_minor=round(largest * 100),
        count=20,
        last_at=NOON - DAY,
        last_30_days_usd_minor=round(last_30 * 100),
    )
    assert ("unusual" in rules_of(assessed(usd, usual=usual))) is found


def test_an_unusual_month_is_told_by_the_movement_that_takes_it_over():
    """And by large ones after it: not by every small payment until the month is over."""
    usual = Usual(
        months=12,
        month_usd_minor=10_000_00,
        largest_usd_minor=50_000_00,
        count=20,
        last_30_days_usd_minor=40_000_00,
    )
    told = {usd: "unusual" in rules_of(assessed(usd, usual=usual)) for usd in (10, 4_999.99, 5_000, 10_000)}
    assert told == {10: False, 4_999.99: False, 5_000: True, 10_000: True}


def test_a_quiet_payment_finds_nothing():
    """No finding, no duty."""
    found = assessed(250, usual=QUIET, before=[movement(n, 100, ago=n * DAY) for n in range(1, 20)])
    assert (found.findings, found.duties, found.review_reasons) == ((), (), ())
