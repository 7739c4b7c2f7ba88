"""Reads what a report is drafted from: the case, its review, transfers, cash of the day, people. SQL in queries.sql."""

import json
import re
from collections.abc import Container, Iterable, Mapping
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, Final
from uuid import UUID
from zoneinfo import ZoneInfo

from compliance.calendar import business_day_of
from compliance.facts import CASH, Direction, Kind
from compliance.filings.content import Address, Document, Person
from compliance.filings.material import Material, Money
from compliance.filings.profiles import DETAILS
from compliance.filings.states import FilingError
from compliance.ports import Seals, queries

CASH_MAX: Final = 50_000
"""Cash transactions around one business day that are looked through."""

_ROOM: Final = "compliance.filings"
_DAYS_BEFORE: Final = timedelta(days=5)  # cash of a long weekend belongs to the business day after it
_POSTED: Final = frozenset({"posted", "reversing"})
_ADDRESS: Final = re.compile(
    r"(?P<street>.+), (?P<city>[^,]+), (?P<state>[A-Z]{2}) (?P<postal_code>\d{5}(?:-\d{4})?)(?:, (?P<country>[A-Z]{2}))?"
)
_DOCUMENTS: Final = {
    "passport": "passport",
    "drivers license": "drivers_license",
    "driver license": "drivers_license",
    "state id": "drivers_license",
    "alien registration": "alien_registration",
    "foreign": "foreign",
}


class Record:
    """What PostgreSQL knows. `countries` are ISO 3166-1 alpha-2 by number; `zone` is where business days are counted."""

    def __init__(self, seals: Seals, zone: ZoneInfo, countries: Mapping[int, str]) -> None:
        self._seals = seals
        self._zone = zone
        self._countries = countries

    async def material(self, connection: Any, case_id: UUID) -> Material:
        """Everything on that case. Raises FilingError where there is no such case."""
        sql = queries(_ROOM)
        case = await connection.fetchrow(sql["case_to_file"], case_id)
        if case is None:
            raise FilingError(f"there is no case {case_id.hex}")
        review = _review(self._seals, case["document"])
        findings = tuple(review.get("assessment", {}).get("findings", ()))
        named = {UUID(each) for finding in findings for each in finding["movements"]}
        if case["source"] == "transfer":
            named.add(case["source_id"])
        rows = await connection.fetch(sql["transfers_to_file"], list(named))
        _, own = await self._accounts(connection, [], case["customer_number"])
        subject = self._subject(case, rows, own)
        cash = await self._cash_around(connection, subject)
        transfers = [
            self._money(row, own) for row in rows if row["state"] in _POSTED or row["id"] == case["source_id"]
        ]
        if subject is not None and all(each.id != subject.id for each in transfers):
            transfers.append(subject)
        numbers, owners = await self._accounts(connection, [*transfers, *cash], case["customer_number"])
        people = await self._people(connection, {*owners.values(), case["customer_number"]} - {None})
        holders = {number: people[owner] for number, owner in owners.items()}
        return Material(
            case_id=case_id,
            detected=case["opened_at"].astimezone(self._zone).date(),
            customer=people.get(case["customer_number"]),
            subject=subject,
            transfers=tuple(sorted(transfers, key=lambda each: (each.day, each.id))),
            cash=tuple(cash),
            holders=holders,
            numbers=numbers,
            findings=findings,
            hits=tuple(review.get("hits", ())),
            analysis=str(review.get("analysis", {}).get("narrative", "")),
        )

    def _subject(self, case: Any, rows: Iterable[Any], own: Container[int]) -> Money | None:
        """What was flagged: of a transfer its row, of a card payment what the queue keeps of it."""
        if case["source"] == "transfer":
            return next((self._money(row, own) for row in rows if row["id"] == case["source_id"]), None)
        if case["source"] != "authorization" or case["happened_at"] is None:
            return None
        return Money(
            id=case["source_id"],
            day=business_day_of(case["happened_at"], self._zone),
            kind=Kind(case["kind"]),
            direction=Direction(case["direction"]),
            usd_minor=case["usd_minor"],
            account_number=case["account_number"],
        )

    async def _cash_around(self, connection: Any, subject: Money | None) -> list[Money]:
        if subject is None or subject.kind not in CASH:
            return []
        midnight = datetime.combine(subject.day, time(), self._zone).astimezone(UTC)
        rows = await connection.fetch(
            queries(_ROOM)["cash_between"],
            midnight - _DAYS_BEFORE,
            midnight + timedelta(days=1, hours=2),
            CASH_MAX + 1,
        )
        if len(rows) > CASH_MAX:
            raise FilingError(
                f"more than {CASH_MAX:,} cash transactions around {subject.day}: aggregate them by hand"
            )
        found = [self._money(row) for row in rows]
        return [each for each in found if each.day == subject.day]

    async def _accounts(
        self, connection: Any, transfers: Iterable[Money], customer: int | None
    ) -> tuple[dict[int, str], dict[int, int]]:
        """How the accounts of these transfers, and the customer's own, are written, and whose they are."""
        rows = await connection.fetch(
            queries(_ROOM)["holders"],
            list(
                {
                    number
                    for each in transfers
                    for number in (each.account_number, each.payee_account)
                    if number is not None
                }
            ),
            customer,
        )
        unseal = self._seals.unseal
        written = {row["number"]: unseal("accounts.account_number", row["account_number"]) for row in rows}
        return written, {row["number"]: row["customer_number"] for row in rows}

    async def _people(self, connection: Any, numbers: Iterable[int]) -> dict[int, Person]:
        rows = await connection.fetch(queries(_ROOM)["people"], list(numbers))
        return {row["number"]: self._customer(row) for row in rows}

    def _customer(self, row: Any) -> Person:
        unseal = self._seals.unseal
        details = json.loads(unseal(DETAILS, row["details"])) if row["details"] else {}
        born = unseal("customers.birth_date", row["birth_date"]) if row["birth_date"] else ""
        document = None
        if details.get("id_number"):
            document = Document(
                _document_type(details.get("id_type", "")),
                details["id_number"],
                details.get("id_country", ""),
                details.get("id_state", ""),
            )
        return Person(
            last_name=unseal("customers.family_name", row["family_name"]),
            first_name=unseal("customers.given_name", row["given_name"]),
            birth_date=date.fromisoformat(born) if born else None,
            tin=details.get("tin", ""),
            address=Address(
                details.get("street", ""),
                details.get("city", ""),
                details.get("state", ""),
                details.get("postal_code", ""),
                row["country"] or "",
            ),
            phone=details.get("phone", ""),
            occupation=details.get("occupation", ""),
            industry=row["industry"] or "",
            document=document,
            customer_number=row["number"],
        )

    def _money(self, row: Any, own: Container[int] = ()) -> Money:
        """A transfer; one that an account of the customer's `own` was paid by is told from there."""
        account, other = row["account_number"], row["payee_account"]
        is_payee = other in own and account not in own
        if is_payee:
            account, other = other, account
        details = json.loads(self._seals.unseal("transfers.details", row["details"]))
        return Money(
            id=row["id"],
            day=business_day_of(row["created_at"], self._zone),
            kind=Kind(row["kind"]),
            direction=Direction.IN if is_payee else Direction(row["direction"]),
            usd_minor=row["usd_minor"],
            account_number=account,
            payee_account=other,
            country=self._countries.get(row["counterparty_country"], ""),
            branch=details.get("branch", ""),
            counterparty=details.get("counterparty", {}).get("name", ""),
            conductor=conductor_of(details.get("conductor", {})),
            purpose=details.get("purpose", ""),
        )


def conductor_of(given: Mapping[str, str]) -> Person | None:
    """Who stood at the counter, as a transfer keeps it; the last word of the name is taken for the family's."""
    if not given.get("name"):
        return None
    first, _, last = given["name"].strip().rpartition(" ")
    document = None
    if given.get("id_number"):
        document = Document(
            _document_type(given.get("id_type", "")), given["id_number"], given.get("id_country", "")
        )
    return Person(
        last_name=last,
        first_name=first,
        birth_date=date.fromisoformat(given["birth_date"]) if given.get("birth_date") else None,
        address=address_of(given.get("address", "")),
        document=document,
    )


def address_of(text: str) -> Address:
    """An address in parts where it is written as in the US, such as `1 Mill Lane, Springfield, IL 62701`; else one line."""
    found = _ADDRESS.fullmatch(text.strip())
    if found is None:
        return Address(street=text.strip())
    return Address(**{**found.groupdict(), "country": found["country"] or "US"})


def _document_type(text: str) -> str:
    words = " ".join(re.sub(r"[^a-z]+", " ", text.replace("'", "").casefold()).split())
    return _DOCUMENTS.get(words, text.strip())


def _review(seals: Seals, sealed: bytes | None) -> dict[str, Any]:
    if sealed is None:
        return {}
    review: dict[str, Any] = json.loads(seals.unseal("reviews.document", sealed))
    return review
