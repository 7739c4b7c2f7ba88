"""
What the law wants known of a transfer, by kind and worth.

Travel rule, 31 CFR 1010.410(e) and (f): of a transmittal of funds of $3,000 or more, the transmittor's name, address
and account, the amount, the date, and the recipient's bank, name, address and account as far as they are received.
Identification at the counter, 31 CFR 1010.312, for the currency reports of 1010.311: of more than $10,000 in cash, the
name, address, and document of who stands there, and the date of birth that the form asks for.
"""

from typing import Final

from server.banking.refusals import BadField
from server.store.transfers import Details

TRAVEL_RULE_USD_MINOR: Final = 300_000
"""At or above it."""

CURRENCY_REPORT_USD_MINOR: Final = 1_000_000
"""Above it."""

TRANSMITTALS: Final = frozenset({"wire", "swift", "rtp"})
"""Kinds that are transmittals of funds; those governed by the Electronic Fund Transfer Act are none (1010.100(ddd))."""

CASH: Final = frozenset({"cash_deposit", "cash_withdrawal"})
_CONDUCTOR: Final = ("name", "address", "birth_date", "id_type", "id_number", "id_country")


def missing(kind: str, usd_minor: int | None, details: Details) -> list[BadField]:
    """The fields that must be there and are not. A worth that nobody knows may be any."""
    if kind in TRANSMITTALS and (usd_minor is None or usd_minor >= TRAVEL_RULE_USD_MINOR):
        wanted = [("holder_address", details.holder_address)]
        wanted += [
            (f"counterparty.{name}", details.counterparty.get(name, "")) for name in ("name", "address")
        ]
        rule = "must be given from $3,000 on (31 CFR 1010.410(f))"
    elif kind in CASH and (usd_minor is None or usd_minor > CURRENCY_REPORT_USD_MINOR):
        wanted = [(f"conductor.{name}", details.conductor.get(name, "")) for name in _CONDUCTOR]
        rule = "must be given above $10,000 in cash (31 CFR 1010.312)"
    else:
        return []
    return [BadField(name, rule) for name, value in wanted if not value]
