"""
What a review starts from: plain values, put together by intake from PostgreSQL. Nothing here reads or writes.

Amounts are minor units; `usd_minor` is the worth in US cents, None where no rate was known. Countries are ISO 3166-1
alpha-2, "" unknown. Times are aware and in UTC. Text that strangers wrote (names, purposes, merchants) is data, never
trusted.
"""

from dataclasses import dataclass, field
from datetime import date, datetime
from enum import StrEnum
from typing import Final, NamedTuple
from uuid import UUID, uuid5


class Source(StrEnum):
    """Where a flagged transfer comes from."""

    AUTHORIZATION = "authorization"  # `authorizations.authorization_id`
    TRANSFER = "transfer"  # `transfers.id`
    CUSTOMER = "customer"  # a list was met: the customer's number as a UUID


_FLAGGED: Final = UUID("b4b3d1b0-90d5-5d3b-8a4f-2c0f4a1f7e11")


def flagged_id_of(source: Source, source_id: UUID) -> UUID:
    """The id of the row of `flagged`: the same transfer is always the same row."""
    return uuid5(_FLAGGED, f"{source.value}:{source_id.hex}")


class Kind(StrEnum):
    """How the money moves. The first is a card payment; the rest are `transfers.kind`."""

    CARD = "card"
    INTERNAL = "internal"
    ACH = "ach"
    WIRE = "wire"
    RTP = "rtp"
    SWIFT = "swift"
    CASH_DEPOSIT = "cash_deposit"
    CASH_WITHDRAWAL = "cash_withdrawal"


CASH = frozenset({Kind.CASH_DEPOSIT, Kind.CASH_WITHDRAWAL})
WIRES = frozenset({Kind.WIRE, Kind.SWIFT})


class Direction(StrEnum):
    """As the customer sees it."""

    IN = "in"
    OUT = "out"


class Flag(StrEnum):
    """Why a transfer is reviewed; which of them count is policy, in settings."""

    AMOUNT = "amount"
    SCORE = "score"
    POLITICALLY_EXPOSED = "politically_exposed"
    KYC_INCOMPLETE = "kyc_incomplete"
    HIGH_RISK_COUNTRY = "high_risk_country"
    SANCTIONS = "sanctions"
    STRUCTURING = "structuring"
    VELOCITY = "velocity"
    RULE = "rule"  # an issuer's own rule, or a limit, marked it
    KIND = "kind"  # wire, cash
    CROSS_BORDER = "cross_border"
    WAITING = "waiting"  # the transfer is pending until somebody decides
    BY_HAND = "by_hand"


class PartyRole(StrEnum):
    """What somebody is in a transfer."""

    CUSTOMER = "customer"
    COUNTERPARTY = "counterparty"
    BANK = "bank"
    CONDUCTOR = "conductor"
    MERCHANT = "merchant"
    PAYEE = "payee"


@dataclass(frozen=True, slots=True)
class Party:
    """Somebody in a transfer, to be screened."""

    role: PartyRole
    name: str
    country: str = ""
    birth_date: date | None = None
    address: str = ""
    account: str = ""  # as it stands in the record, unmasked: never shown, never sent
    bank_id: str = ""  # ABA routing number or BIC


class Movement(NamedTuple):
    """A transfer of the past, or of a neighbour, as rules over time see it."""

    id: UUID
    at: datetime
    kind: Kind
    direction: Direction
    usd_minor: int
    customer_number: int
    account_number: int
    other: str  # the other side, one text for one party: "account:17", "merchant:…", "party:<32 hex>"; "" unknown
    country: str = ""  # of the other side
    branch: str = ""  # where cash changed hands
    conductor: str = ""  # who stood at the counter where not the holder: "party:<32 hex>"; "" the holder


@dataclass(frozen=True, slots=True)
class Customer:
    """A customer as PostgreSQL knows it."""

    number: int
    name: str
    birth_date: date | None
    country: str
    industry: str  # NAICS code, or ""
    risk_rating: str  # low, medium, high
    kyc_state: str  # pending, verified, failed
    politically_exposed: bool
    compliance_block: bool
    since: datetime
    accounts: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Usual:
    """A customer's usual pattern: the 365 days before the subject, without it."""

    months: float = 0.0  # of history, at most 12; 0 = none
    month_usd_minor: int = 0  # mean per month, in and out together
    largest_usd_minor: int = 0
    count: int = 0
    last_at: datetime | None = None  # of the last movement before the subject, however long ago
    countries: tuple[str, ...] = ()
    last_30_days_usd_minor: int = 0  # the subject included


@dataclass(frozen=True, slots=True)
class Subject:
    """The flagged transfer."""

    id: UUID  # of the row of `flagged`: made from source and source_id, so that the same transfer is the same row
    source: Source
    source_id: UUID
    at: datetime
    kind: Kind
    direction: Direction
    amount_minor: int
    currency: str  # ISO 4217 alpha-3
    usd_minor: int | None
    account_number: int
    customer_number: int
    country: str  # of the other side: counterparty or merchant
    parties: tuple[Party, ...]  # the customer first
    purpose: str = ""
    flags: tuple[Flag, ...] = ()
    card_number: int | None = None
    merchant_category: int = 0
    score: float | None = None
    response_code: str = ""  # of an authorization
    limits_passed: tuple[str, ...] = ()
    state: str = ""  # of a transfer: pending_review and so on
    holder_address: str = ""
    branch: str = ""
    has_conductor: bool = False

    @property
    def is_cross_border(self) -> bool:
        """Whether the other side is outside the United States."""
        return self.country not in {"", "US"}


@dataclass(frozen=True, slots=True)
class Dossier:
    """Everything a review of one subject may look at."""

    subject: Subject
    customer: Customer
    history: tuple[Movement, ...] = ()  # of the customer, 90 days, the subject among them, oldest first
    cash_today: tuple[
        Movement, ...
    ] = ()  # cash of this business day by the same persons, on any account, the subject too
    network: tuple[
        Movement, ...
    ] = ()  # internal movements of the customer's neighbours, 30 days, two steps far
    usual: Usual = field(default_factory=Usual)
    as_of: datetime | None = None  # when it was put together
