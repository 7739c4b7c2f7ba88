"""Accounts one at a time: what is known of them beside their balances, which are the ledger's."""

from dataclasses import dataclass

from server.keys import Keys
from server.store.database import Database
from server.store.masking import mask_name, mask_number
from server.store.postgres import StoreError
from server.store.queries import query


@dataclass(frozen=True, slots=True)
class AccountView:
    """An account as it is shown."""

    number: int
    written: str  # masked
    currency: int  # ISO 4217 number
    opening_minor: int
    state: str
    customer_number: int
    customer_name: str  # masked
    cards: tuple[int, ...]  # their numbers


class Accounts:
    """Reads accounts."""

    def __init__(self, database: Database, keys: Keys) -> None:
        self._database = database
        self._keys = keys

    async def show(self, number: int) -> AccountView:
        """The account of that number. Raises StoreError where there is none."""
        async with self._database.acquire() as connection:
            row = await connection.fetchrow(query("show_account"), number)
        if row is None:
            raise StoreError(f"There is no account {number}. `holdfast cards list` shows which there are.")
        unseal = self._keys.unseal
        given = mask_name(unseal("customers.given_name", row["given_name"]))
        family = mask_name(unseal("customers.family_name", row["family_name"]))
        return AccountView(
            number=row["number"],
            written=mask_number(unseal("accounts.account_last_four", row["account_last_four"])),
            currency=row["currency"],
            opening_minor=row["opening_minor"],
            state=row["state"],
            customer_number=row["customer_number"],
            customer_name=f"{given} {family}",
            cards=tuple(row["cards"]),
        )
