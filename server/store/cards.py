"""
Cards one at a time: issued, listed, shown, frozen.

The life of a card, each arrow with its cause:

    inactive ──activate──> active ──freeze──> frozen ──unfreeze──> active
    any but closed ──report lost──> lost, ──report stolen──> stolen, ──close──> closed

Nothing leaves `lost`, `stolen` but to `closed`, and nothing leaves `closed`.
"""

import re
import secrets
from dataclasses import dataclass
from enum import Enum
from typing import Any, Final
from uuid import UUID

from server.keys import Keys
from server.store.database import Database
from server.store.masking import mask_name, mask_pan
from server.store.portfolio import account_number_of, luhn_digit
from server.store.postgres import StoreError
from server.store.queries import query

ISSUED_BIN: Final = "999998"
"""Begins with 9: national use, given to no network (ISO/IEC 7812-1, table 1)."""

STANDARD_PROGRAMME: Final = "standard"
LIST_MAX: Final = 1_000
_TOKEN: Final = re.compile(r"card_([0-9a-f]{32})")
_DRAWS_MAX: Final = 20


class CardChange(Enum):
    """What may be done to a card: from which states, to which."""

    ACTIVATE = (("inactive",), "active")
    FREEZE = (("active",), "frozen")
    UNFREEZE = (("frozen",), "active")
    REPORT_LOST = (("inactive", "active", "frozen"), "lost")
    REPORT_STOLEN = (("inactive", "active", "frozen"), "stolen")
    CLOSE = (("inactive", "active", "frozen", "lost", "stolen"), "closed")


@dataclass(frozen=True, slots=True)
class NewPlastic:
    """A card to be issued to a customer, on a new account unless one is named."""

    customer_number: int
    expiry_yymm: int
    programme: str = STANDARD_PROGRAMME
    account_number: int | None = None
    opening_minor: int = 0  # of a new account
    single_use: bool = False
    active: bool = True


@dataclass(frozen=True, slots=True)
class CardView:
    """A card as it is shown."""

    number: int
    token: str
    pan: str  # masked
    expiry_yymm: int
    state: str
    single_use: bool
    programme: str
    account_number: int
    customer_number: int
    customer_name: str  # masked


@dataclass(frozen=True, slots=True)
class Issued:
    """A card just issued. Its PAN is told here and never again: only its keyed hash is kept."""

    pan: str
    card: CardView


class Cards:
    """Reads and changes cards; the server hears of each change through its feed."""

    def __init__(self, database: Database, keys: Keys) -> None:
        self._database = database
        self._keys = keys

    async def issue(self, wanted: NewPlastic) -> Issued:
        """
        Issues a card with a PAN drawn at random.

        Raises StoreError where the customer, account or programme does not exist or they don't go together.
        """
        if wanted.opening_minor < 0 or (wanted.opening_minor and wanted.account_number is not None):
            raise StoreError("An opening deposit is not negative, and made on a new account only.")
        async with self._database.acquire() as connection, connection.transaction():
            await connection.execute(query("lock_numbers"))
            programme = await connection.fetchrow(query("find_programme"), wanted.programme)
            if programme is None:
                raise StoreError(f"There is no programme {wanted.programme!r}.")
            if not await connection.fetchval(query("has_customer"), wanted.customer_number):
                raise StoreError(
                    f"There is no customer {wanted.customer_number}. `holdfast customers add` makes one."
                )
            account = await self._account(connection, wanted, programme["currency"])
            pan = await self._free_pan(connection)
            number = await connection.fetchval(
                query("add_card"),
                account,
                programme["number"],
                self._keys.pan_hash(pan),
                self._keys.fingerprint,
                ISSUED_BIN,
                self._keys.seal("cards.last_four", pan[-4:]),
                wanted.expiry_yymm,
                "active" if wanted.active else "inactive",
                wanted.single_use,
            )
        return Issued(pan, await self.show(str(number)))

    async def list(self, *, after: int = -1, count_max: int = 50, state: str | None = None) -> list[CardView]:
        """Cards after that number, in order, at most `count_max` (LIST_MAX at the most), of one state or of any."""
        async with self._database.acquire() as connection:
            rows = await connection.fetch(query("list_cards"), after, min(count_max, LIST_MAX), state)
        return [self._view(row) for row in rows]

    async def show(self, reference: str) -> CardView:
        """
        The card of a number, a token or a PAN.

        Raises StoreError where there is none, or the reference is none of these.
        """
        column, value = self._reference(reference)
        async with self._database.acquire() as connection:
            row = await connection.fetchrow(query(f"show_card_by_{column}"), value)
        if row is None:
            raise StoreError("There is no such card. `holdfast cards list` shows which there are.")
        return self._view(row)

    async def masked_pan(self, number: int) -> str:
        """The masked PAN of card `number`; stars where there is no such card."""
        async with self._database.acquire() as connection:
            row = await connection.fetchrow(query("find_pan_ends"), number)
        if row is None:
            return mask_pan("*" * 6, "*" * 4)
        return mask_pan(row["bin"], self._keys.unseal("cards.last_four", row["last_four"]))

    async def change(self, reference: str, change: CardChange) -> CardView:
        """
        Changes a card's state and returns it as it stands; changing it to what it is changes nothing.

        Raises StoreError where there is no such card, or its state does not allow it.
        """
        card = await self.show(reference)
        allowed, wanted = change.value
        if card.state == wanted:
            return card
        async with self._database.acquire() as connection:
            changed = await connection.fetchval(query("change_card"), card.number, wanted, list(allowed))
        if changed is None:
            raise StoreError(
                f"Card {card.number} is {card.state}; it can only become {wanted} from {' or '.join(allowed)}."
            )
        return await self.show(str(card.number))

    async def _account(self, connection: Any, wanted: NewPlastic, currency: int) -> int:
        if wanted.account_number is None:
            number = (await connection.fetchrow(query("next_numbers")))["account"]
            written = account_number_of(number)
            await connection.execute(
                query("add_account"),
                number,
                wanted.customer_number,
                self._keys.seal("accounts.account_number", written),
                self._keys.seal("accounts.account_last_four", written[-4:]),
                currency,
                wanted.opening_minor,
            )
            return number
        account = await connection.fetchrow(query("show_account"), wanted.account_number)
        if account is None or account["customer_number"] != wanted.customer_number:
            raise StoreError(f"Customer {wanted.customer_number} has no account {wanted.account_number}.")
        if account["state"] != "open":
            raise StoreError(f"Account {wanted.account_number} is closed.")
        if account["currency"] != currency:
            raise StoreError(f"Account {wanted.account_number} is in another currency than its programme.")
        return wanted.account_number

    async def _free_pan(self, connection: Any) -> str:
        for _ in range(_DRAWS_MAX):
            digits = f"{ISSUED_BIN}{secrets.randbelow(10**9):09d}"
            pan = digits + luhn_digit(digits)
            if not await connection.fetch(query("known_pans"), self._keys.pan_hashes(pan)):
                return pan
        raise StoreError(f"The BIN {ISSUED_BIN} is nearly used up.")

    def _reference(self, text: str) -> tuple[str, Any]:
        """Which column finds a card, and by what."""
        text = text.strip()
        if match := _TOKEN.fullmatch(text):
            return "id", UUID(hex=match[1])
        if text.isascii() and text.isdigit():
            if 12 <= len(text) <= 19 and luhn_digit(text[:-1]) == text[-1]:
                return "pan", self._keys.pan_hashes(text)
            if len(text) <= 10 and int(text) < 2**31:
                return "number", int(text)
        raise StoreError(
            "A card is named by its number, its token (card_ and 32 hex digits) or its whole PAN."
        )

    def _view(self, row: Any) -> CardView:
        unseal = self._keys.unseal
        given = mask_name(unseal("customers.given_name", row["given_name"]))
        family = mask_name(unseal("customers.family_name", row["family_name"]))
        return CardView(
            number=row["number"],
            token=f"card_{row['id'].hex}",
            pan=mask_pan(row["bin"], unseal("cards.last_four", row["last_four"])),
            expiry_yymm=row["expiry_yymm"],
            state=row["state"],
            single_use=row["single_use"],
            programme=row["programme_name"],
            account_number=row["account_number"],
            customer_number=row["customer_number"],
            customer_name=f"{given} {family}",
        )
