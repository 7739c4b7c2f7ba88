"""What is flagged, and why: policy alone, from the transfer and its customer."""

from compliance.facts import CASH, Customer, Flag, Kind, Subject
from compliance.rules.countries import CountryTable
from compliance.rules.policy import RulesPolicy, passes, reaches, worth


def flags(
    subject: Subject, customer: Customer, policy: RulesPolicy, countries: CountryTable
) -> tuple[Flag, ...]:
    """
    Every reason why this is reviewed, in the order of `Flag`; empty = it is not.

    What the subject carries already (a rule's mark, a list's hit, somebody's hand) stays. Politically exposed, not
    verified: at any amount, for transfers; card payments of such customers come in by their other reasons, or at the
    amount at which suspicious activity is reported. Of unknown worth counts as over the amount.
    """
    usd_minor = worth(subject)
    counts = subject.kind != Kind.CARD or usd_minor is None or usd_minor >= policy.suspicious_from_usd_minor
    tests = {
        Flag.AMOUNT: usd_minor is None or usd_minor > policy.flag_over_usd_minor,
        Flag.SCORE: subject.score is not None and subject.score > policy.flag_over_score,
        Flag.POLITICALLY_EXPOSED: customer.politically_exposed and counts,
        Flag.KYC_INCOMPLETE: customer.kyc_state != "verified" and counts,
        Flag.HIGH_RISK_COUNTRY: countries.is_high_risk(subject.country)
        or (countries.is_high_risk(customer.country) and counts),
        Flag.SANCTIONS: customer.compliance_block or countries.is_sanctioned(subject.country),
        Flag.STRUCTURING: subject.kind in CASH
        and reaches(usd_minor, policy.structuring_near_from_usd_minor)
        and not passes(usd_minor, policy.currency_over_usd_minor),
        Flag.VELOCITY: bool(subject.limits_passed),
        Flag.KIND: subject.kind in policy.flag_kinds,
        Flag.CROSS_BORDER: subject.is_cross_border,
        Flag.WAITING: subject.state == "pending_review",
    }
    wanted = set(policy.flag_reasons)
    return tuple(
        flag for flag in Flag if flag in subject.flags or (flag in wanted and tests.get(flag, False))
    )
