"""What is flagged is policy."""

import pytest

from compliance.facts import Direction, Flag, Kind
from compliance.rules.flags import flags
from compliance.rules.policy import RulesPolicy
from tests.compliance.rules.dossiers import COUNTRIES, dossier

POLICY = RulesPolicy()


def flagged(*args, policy=POLICY, **named):
    """Why this is flagged."""
    found = dossier(*args, **named)
    return flags(found.subject, found.customer, policy, COUNTRIES)


@pytest.mark.parametrize(
    ("named", "expected"),
    [
        ({"usd": 10_000.00}, ()),
        ({"usd": 10_000.01}, (Flag.AMOUNT,)),
        ({"usd": None, "currency": "XAU"}, (Flag.AMOUNT,)),
        ({"kind": Kind.CARD, "score": 0.7}, ()),
        ({"kind": Kind.CARD, "score": 0.71}, (Flag.SCORE,)),
        ({"kind": Kind.CARD}, ()),
        ({"kind": Kind.CARD, "country": "DE"}, (Flag.CROSS_BORDER,)),
        ({"kind": Kind.CARD, "country": "MM"}, (Flag.HIGH_RISK_COUNTRY, Flag.CROSS_BORDER)),
        ({"country": "IR"}, (Flag.HIGH_RISK_COUNTRY, Flag.SANCTIONS, Flag.CROSS_BORDER)),
        ({"kind": Kind.CARD, "limits_passed": ("a day",)}, (Flag.VELOCITY,)),
        ({"customer": {"politically_exposed": True}}, (Flag.POLITICALLY_EXPOSED,)),
        ({"kind": Kind.CARD, "customer": {"politically_exposed": True}}, ()),
        (
            {"usd": 5_000, "kind": Kind.CARD, "customer": {"politically_exposed": True}},
            (Flag.POLITICALLY_EXPOSED,),
        ),
        ({"customer": {"kyc_state": "pending"}}, (Flag.KYC_INCOMPLETE,)),
        ({"customer": {"compliance_block": True}}, (Flag.SANCTIONS,)),
        ({"state": "pending_review"}, (Flag.WAITING,)),
        ({"flags": (Flag.RULE,)}, (Flag.RULE,)),
        ({"usd": 8_000, "kind": Kind.CASH_DEPOSIT, "direction": Direction.IN}, (Flag.STRUCTURING, Flag.KIND)),
        ({"usd": 7_999.99, "kind": Kind.CASH_DEPOSIT, "direction": Direction.IN}, (Flag.KIND,)),
        ({"usd": 1, "kind": Kind.WIRE}, (Flag.KIND,)),
        ({"usd": 1, "kind": Kind.SWIFT, "country": "DE"}, (Flag.KIND, Flag.CROSS_BORDER)),
        ({"usd": 1, "kind": Kind.CASH_WITHDRAWAL}, (Flag.KIND,)),
    ],
)
def test_flags_name_every_reason_in_their_order(named, expected):
    """Wires, cash and what crosses a border always; the rest by its threshold."""
    assert flagged(**named) == expected


def test_flags_leave_out_what_policy_does_not_ask_for():
    """What a rule or a person marked stays."""
    policy = RulesPolicy(flag_reasons=(Flag.AMOUNT,))
    assert flagged(20_000, Kind.WIRE, flags=(Flag.RULE,), policy=policy) == (Flag.AMOUNT, Flag.RULE)


@pytest.mark.parametrize(
    "looser",
    [
        {"currency_over_usd_minor": 10_000_01},
        {"travel_from_usd_minor": 3_000_01},
        {"suspicious_from_usd_minor": 0},
        {"high_from_points": 2.0},
        {"rapid_share": 0.0},
        {"structuring_near_from_usd_minor": 10_000_00},
        {"points_over_usd_minor": 100_000_00},
        {"flag_kinds": ("wires",)},
        {"flag_reasons": ("amounts",)},
        {"business_zone": "New York"},
    ],
)
def test_a_policy_is_refused_by_name_when_it_is_looser_than_the_law(looser):
    """Or contradicts itself."""
    name = next(iter(looser))
    with pytest.raises(ValueError, match="points|" + name):
        RulesPolicy(**looser)
