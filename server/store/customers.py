"""Customers one at a time: added, shown with everything masked, and what is known of them changed."""

from dataclasses import dataclass
from datetime import date
from typing import Any, Final

import asyncpg

from server.keys import Keys
from server.store.database import Database
from server.store.masking import mask_name, mask_number
from server.store.postgres import StoreError
from server.store.queries import query

KYC_STATES: Final = ("pending", "verified", "failed")
RISK_RATINGS: Final = ("low", "medium", "high")
NAME_SIZE_MAX: Final = 100


@dataclass(frozen=True, slots=True)
class NewCustomer:
    """A person to be added. What is not known is None."""

    given_name: str
    family_name: str
    birth_date: date | None = None
    ssn: str | None = None  # nine digits, dashes allowed
    kyc_state: str = "pending"
    risk_rating: str = "low"
    politically_exposed: bool = False
    home_latitude_deg: float | None = None
    home_longitude_deg: float | None = None


@dataclass(frozen=True, slots=True)
class CustomerView:
    """A customer as it is shown."""

    number: int
    given_name: str  # masked
    family_name: str  # masked
    birth_year: int | None
    ssn: str | None  # masked
    kyc_state: str
    risk_rating: str
    politically_exposed: bool
    compliance_block: bool
    accounts: tuple[int, ...]  # their numbers


class Customers:
    """Reads and changes customers; the server hears of each change through its feed."""

    def __init__(self, database: Database, keys: Keys) -> None:
        self._database = database
        self._keys = keys

    async def add(self, customer: NewCustomer) -> int:
        """
        Adds a customer and returns its number.

        Raises StoreError for text that can't be a name or an SSN, an unknown state, or an SSN that a customer has.
        """
        given_name, family_name = _name(customer.given_name), _name(customer.family_name)
        ssn = None if customer.ssn is None else _ssn(customer.ssn)
        _known("KYC state", customer.kyc_state, KYC_STATES)
        _known("risk rating", customer.risk_rating, RISK_RATINGS)
        seal = self._keys.seal
        try:
            async with self._database.acquire() as connection, connection.transaction():
                await connection.execute(query("lock_numbers"))
                return await connection.fetchval(
                    query("add_customer"),
                    seal("customers.given_name", given_name),
                    seal("customers.family_name", family_name),
                    customer.birth_date and seal("customers.birth_date", customer.birth_date.isoformat()),
                    ssn and self._keys.ssn_hash(ssn),
                    ssn and seal("customers.ssn_last_four", ssn[-4:]),
                    customer.kyc_state,
                    customer.risk_rating,
                    customer.politically_exposed,
                    customer.home_latitude_deg,
                    customer.home_longitude_deg,
                )
        except asyncpg.UniqueViolationError as error:
            raise StoreError("A customer with this SSN exists already: find it with its SSN.") from error
        except asyncpg.CheckViolationError as error:
            raise StoreError(
                "Home coordinates are degrees: latitude -90 to 90, longitude -180 to 180."
            ) from error

    async def show(self, number: int) -> CustomerView:
        """The customer of that number. Raises StoreError where there is none."""
        async with self._database.acquire() as connection:
            row = await connection.fetchrow(query("show_customer"), number)
        return self._view(row, f"There is no customer {number}.")

    async def find(self, ssn: str) -> CustomerView:
        """The customer of that SSN. Raises StoreError where there is none."""
        hashed = self._keys.ssn_hash(_ssn(ssn))
        async with self._database.acquire() as connection:
            number = await connection.fetchval(query("find_customer"), hashed)
        if number is None:
            raise StoreError("No customer has this SSN.")
        return await self.show(number)

    async def change(
        self,
        number: int,
        *,
        kyc_state: str | None = None,
        risk_rating: str | None = None,
        politically_exposed: bool | None = None,
        compliance_block: bool | None = None,
    ) -> CustomerView:
        """
        Changes what is given, leaves what is None, and returns the customer as it stands.

        Raises StoreError for an unknown customer, state or rating.
        """
        if kyc_state is not None:
            _known("KYC state", kyc_state, KYC_STATES)
        if risk_rating is not None:
            _known("risk rating", risk_rating, RISK_RATINGS)
        async with self._database.acquire() as connection:
            await connection.execute(
                query("change_customer"),
                number,
                kyc_state,
                risk_rating,
                politically_exposed,
                compliance_block,
            )
        return await self.show(number)

    def _view(self, row: Any, absent: str) -> CustomerView:
        if row is None:
            raise StoreError(absent)
        unseal = self._keys.unseal
        birth_date = row["birth_date"] and unseal("customers.birth_date", row["birth_date"])
        last_four = row["ssn_last_four"] and unseal("customers.ssn_last_four", row["ssn_last_four"])
        return CustomerView(
            number=row["number"],
            given_name=mask_name(unseal("customers.given_name", row["given_name"])),
            family_name=mask_name(unseal("customers.family_name", row["family_name"])),
            birth_year=int(birth_date[:4]) if birth_date else None,
            ssn=mask_number(last_four) if last_four else None,
            kyc_state=row["kyc_state"],
            risk_rating=row["risk_rating"],
            politically_exposed=row["politically_exposed"],
            compliance_block=row["compliance_block"],
            accounts=tuple(row["accounts"]),
        )


def _name(text: str) -> str:
    name = text.strip()
    if not name or len(name) > NAME_SIZE_MAX or not name.isprintable():
        raise StoreError(f"A name has 1 to {NAME_SIZE_MAX} printable characters.")
    return name


def _ssn(text: str) -> str:
    digits = text.replace("-", "").replace(" ", "")
    if len(digits) != 9 or not digits.isascii() or not digits.isdigit():
        raise StoreError("An SSN has nine digits, such as 912-34-5678.")
    return digits


def _known(what: str, value: str, values: tuple[str, ...]) -> None:
    if value not in values:
        raise StoreError(f"{value!r} is no {what}: use one of {', '.join(values)}.")
