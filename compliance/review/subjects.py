"""Rows of PostgreSQL as the subjects of a review: one that intake can flag, and one with all that is known."""

import json
from collections.abc import Mapping
from datetime import date
from typing import Any, Final, NamedTuple
from uuid import UUID

from compliance.facts import (
    CASH,
    Customer,
    Direction,
    Flag,
    Kind,
    Party,
    PartyRole,
    Source,
    Subject,
    flagged_id_of,
)
from compliance.ports import Seals
from compliance.review import parties
from compliance.review.tables import Tables

USD: Final = 840
_CREDITS: Final = frozenset({5, 9})  # refund, original credit: transaction types of the contract


class Identity(NamedTuple):
    """Who a customer is, unsealed."""

    name: str
    birth_date: date | None


class PartyKeys(NamedTuple):
    """Who takes part in a transfer, as `transfer_parties` keeps it."""

    counterparty: bytes | None
    person: bytes | None  # of cash: who stood at the counter
    has_conductor: bool


def identity_of(row: Any, seals: Seals) -> Identity:
    """From a row of `customers`."""
    given = seals.unseal("customers.given_name", row["given_name"])
    family = seals.unseal("customers.family_name", row["family_name"])
    sealed = row["birth_date"]
    birth_date = date.fromisoformat(seals.unseal("customers.birth_date", sealed)) if sealed else None
    return Identity(f"{given} {family}".strip(), birth_date)


def own_key(identity: Identity, seals: Seals) -> bytes:
    """The key of a customer as somebody who stands at a counter."""
    return parties.person_key(seals, identity.name, _iso(identity.birth_date))


def customer_of(row: Any, identity: Identity) -> Customer:
    """From a row of the query `customers`, or of intake's, which names no accounts."""
    return Customer(
        number=row["customer_number"],
        name=identity.name,
        birth_date=identity.birth_date,
        country=row["country"] or "",
        industry=row["industry"] or "",
        risk_rating=row["risk_rating"],
        kyc_state=row["kyc_state"],
        politically_exposed=row["politically_exposed"],
        compliance_block=row["compliance_block"],
        since=row["customer_since"],
        accounts=tuple(row["accounts"]) if row["accounts"] else (),
    )


def details_of(row: Any, seals: Seals) -> Mapping[str, Any]:
    """The sealed part of a transfer."""
    found: Mapping[str, Any] = json.loads(seals.unseal("transfers.details", row["details"]))
    return found


def keys_of(row: Any, details: Mapping[str, Any], identity: Identity, seals: Seals) -> PartyKeys:
    """Who takes part in a transfer."""
    conductor = parties.conductor_key(seals, details.get("conductor") or {})
    person = None
    if row["kind"] in CASH:
        person = conductor or own_key(identity, seals)
    other = parties.counterparty_key(seals, details.get("counterparty") or {}, row["counterparty_bank"])
    return PartyKeys(other, person, has_conductor=conductor is not None)


def transfer_subject(
    row: Any, details: Mapping[str, Any], identity: Identity, tables: Tables, flags: tuple[Flag, ...] = ()
) -> Subject:
    """A transfer, joined to its account's customer."""
    counterparty = details.get("counterparty") or {}
    conductor = details.get("conductor") or {}
    country = tables.country(row["counterparty_country"])
    found = [Party(PartyRole.CUSTOMER, identity.name, row["country"] or "", identity.birth_date)]
    if counterparty.get("name"):
        found.append(
            Party(
                PartyRole.COUNTERPARTY,
                counterparty["name"],
                country,
                address=counterparty.get("address", ""),
                account=counterparty.get("account", ""),
                bank_id=row["counterparty_bank"],
            )
        )
    if counterparty.get("bank_name"):
        found.append(
            Party(PartyRole.BANK, counterparty["bank_name"], country, bank_id=row["counterparty_bank"])
        )
    if conductor.get("name"):
        found.append(
            Party(
                PartyRole.CONDUCTOR,
                conductor["name"],
                conductor.get("id_country", ""),
                _date(conductor.get("birth_date", "")),
                conductor.get("address", ""),
            )
        )
    return Subject(
        id=flagged_id_of(Source.TRANSFER, row["id"]),
        source=Source.TRANSFER,
        source_id=row["id"],
        at=row["created_at"],
        kind=Kind(row["kind"]),
        direction=Direction(row["direction"]),
        amount_minor=row["amount_minor"],
        currency=tables.currency(row["currency"]),
        usd_minor=row["usd_minor"],
        account_number=row["account_number"],
        customer_number=row["customer_number"],
        country=country,
        parties=tuple(found),
        purpose=details.get("purpose", ""),
        flags=flags,
        state=row["state"],
        holder_address=details.get("holder_address", ""),
        branch=details.get("branch", ""),
        has_conductor=bool(conductor.get("name")),
    )


def authorization_subject(
    row: Any,
    identity: Identity,
    tables: Tables,
    names: Mapping[int, str],
    flags: tuple[Flag, ...] = (),
) -> Subject:
    """An authorization, joined to its account's customer; `names` are those of limits, by number."""
    country = tables.country(row["merchant_country"])
    amount_minor = row["approved_minor"] or row["billed_minor"] or row["amount_minor"]
    currency = row["billing_currency"] or row["currency"]
    found = [Party(PartyRole.CUSTOMER, identity.name, row["country"] or "", identity.birth_date)]
    if row["merchant_name"]:
        found.append(Party(PartyRole.MERCHANT, row["merchant_name"], country, address=row["merchant_city"]))
    return Subject(
        id=flagged_id_of(Source.AUTHORIZATION, row["authorization_id"]),
        source=Source.AUTHORIZATION,
        source_id=row["authorization_id"],
        at=row["transmission_time"],
        kind=Kind.CARD,
        direction=Direction.IN if row["transaction_type"] in _CREDITS else Direction.OUT,
        amount_minor=amount_minor,
        currency=tables.currency(currency),
        usd_minor=tables.worth_usd_minor(amount_minor, currency),
        account_number=row["account_number"],
        customer_number=row["customer_number"],
        country=country,
        parties=tuple(found),
        flags=flags,
        card_number=row["card_number"],
        merchant_category=row["merchant_category"],
        score=row["score"],
        response_code=row["response_code"],
        limits_passed=tuple(names.get(number, str(number)) for number in row["limits_passed"] if number),
    )


def customer_subject(customer: Customer, at: Any, flags: tuple[Flag, ...] = ()) -> Subject:
    """A customer whose own name was met on a list: no money moves."""
    source_id = UUID(int=customer.number)
    return Subject(
        id=flagged_id_of(Source.CUSTOMER, source_id),
        source=Source.CUSTOMER,
        source_id=source_id,
        at=at,
        kind=Kind.INTERNAL,
        direction=Direction.OUT,
        amount_minor=0,
        currency="USD",
        usd_minor=0,
        account_number=customer.accounts[0] if customer.accounts else 0,
        customer_number=customer.number,
        country="",
        parties=(Party(PartyRole.CUSTOMER, customer.name, customer.country, customer.birth_date),),
        flags=flags,
    )


def _iso(day: date | None) -> str:
    return "" if day is None else day.isoformat()


def _date(text: str) -> date | None:
    try:
        return date.fromisoformat(text)
    except ValueError:
        return None
