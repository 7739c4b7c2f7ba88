"""Disclosures of Regulation E that a transfer itself asks for."""

from typing import Final

from compliance.facts import CASH, Direction, Dossier, Kind
from compliance.results import Finding, Severity
from compliance.rules.policy import worth
from compliance.rules.wording import dollars

_REMITTANCE_OVER_USD_MINOR: Final = 15_00


def remittance(dossier: Dossier) -> list[Finding]:
    """
    A consumer's transfer abroad over $15 is a remittance transfer: 12 CFR 1005.30(e), (c)(2)(i).

    Prepayment disclosure and receipt are owed before it is paid (1005.31), it may be cancelled within 30 minutes
    (1005.34), an error be told within 180 days (1005.33). A customer with a date of birth is a consumer.
    """
    subject = dossier.subject
    usd_minor = worth(subject)
    if (
        not subject.is_cross_border
        or subject.direction != Direction.OUT
        or subject.kind in CASH | {Kind.CARD}
        or dossier.customer.birth_date is None
        or usd_minor is None
        or usd_minor <= _REMITTANCE_OVER_USD_MINOR
    ):
        return []
    return [
        Finding(
            "remittance_transfer",
            Severity.INFO,
            "12 CFR 1005.31",
            f"A consumer's transfer of {dollars(usd_minor)} to {subject.country}: prepayment disclosure and receipt;"
            " 30 minutes to cancel it, 180 days to tell an error.",
            {
                "total_usd_minor": usd_minor,
                "country": subject.country,
                "cancel_minutes": 30,
                "error_days": 180,
            },
            (subject.source_id,),
        )
    ]
