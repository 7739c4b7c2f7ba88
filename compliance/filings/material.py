"""What a report is drafted from: a case, its transfers, the cash of that day, and the people in them. Plain values."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any
from uuid import UUID

from compliance.facts import Direction, Kind
from compliance.filings.content import Person


@dataclass(frozen=True, slots=True)
class Money:
    """A transfer, or the card payment that a case is about."""

    id: UUID
    day: date  # the business day
    kind: Kind
    direction: Direction
    usd_minor: int | None  # None = no rate was known
    account_number: int
    country: str = ""  # of the other side
    branch: str = ""
    counterparty: str = ""
    conductor: Person | None = None  # None = the holder
    purpose: str = ""
    payee_account: int | None = None  # of a transfer between accounts of this bank


def worth_of(transfers: Iterable[Money]) -> int | None:
    """US cents in all; None where one of them has no known worth, for part of a sum is not the sum."""
    total = 0
    for each in transfers:
        if each.usd_minor is None:
            return None
        total += each.usd_minor
    return total


@dataclass(frozen=True, slots=True)
class Material:
    """All that is known for a report."""

    case_id: UUID
    detected: date  # when the case was opened
    customer: Person | None
    subject: Money | None  # None where the case is about no transfer
    transfers: tuple[Money, ...]  # of the findings and the subject, oldest first
    cash: tuple[Money, ...]  # of the subject's business day, all over the bank, oldest first
    holders: Mapping[int, Person]  # by account
    numbers: Mapping[int, str]  # how accounts are written
    findings: tuple[Mapping[str, Any], ...] = ()  # as the review keeps them
    hits: tuple[Mapping[str, Any], ...] = ()
    analysis: str = ""  # its narrative
