"""
Whole portfolios: customers, accounts and cards by the thousand, copied in, and the demo that is the same everywhere.

The demo: card *i* of N has the PAN `999999`, the nine-digit index and the Luhn digit, expires 3012 and is funded with
1,000.00 + (*i* mod 10,000) times 1.00 USD. Its people are made up from the index, so that a larger N only adds cards.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any, Final

import asyncpg

from server.keys import Keys
from server.store.database import Database
from server.store.postgres import StoreError
from server.store.queries import query

DEMO_PROGRAMME: Final = "demo"
DEMO_BIN: Final = "999999"
DEMO_EXPIRY_YYMM: Final = 3012
DEMO_CARDS_MAX: Final = 1_000_000_000

BATCH_SIZE: Final = 20_000
"""Cards per transaction: what a killed start loses of its work, and what memory holds of it."""

VACUUM_FROM: Final = 1_000
"""
So many new rows change how PostgreSQL should read them, and the feed does so at once, before it notices by itself. Rows
that were not vacuumed are marked as committed by whoever reads them first, and each such page goes into the write-ahead
log: of ten million cards, that read took 35 s instead of 21. Of two million it makes no difference: ANALYZE sees all pages.
"""

VACUUM_TIMEOUT_S: Final = 600.0

_GIVEN_NAMES: Final = (
    *("Amara", "Ben", "Carmen", "Dario", "Elena", "Farid", "Grace", "Hugo", "Ines", "Jonas", "Keiko", "Liam"),
    *(
        "Maya",
        "Noah",
        "Olga",
        "Priya",
        "Quentin",
        "Rosa",
        "Samir",
        "Tessa",
        "Uma",
        "Victor",
        "Wren",
        "Yusuf",
        "Zoe",
    ),
)
_FAMILY_NAMES: Final = (
    *(
        "Abbott",
        "Baker",
        "Castillo",
        "Dubois",
        "Eriksen",
        "Fischer",
        "Garcia",
        "Hughes",
        "Ivanov",
        "Jensen",
        "Khan",
    ),
    *(
        "Lopez",
        "Moreau",
        "Nguyen",
        "Okafor",
        "Patel",
        "Quinn",
        "Rossi",
        "Silva",
        "Tanaka",
        "Usman",
        "Vargas",
        "Weber",
    ),
)
_CITIES_DEG: Final = (
    *((40.71, -74.01), (34.05, -118.24), (41.88, -87.63), (29.76, -95.37), (33.45, -112.07), (39.95, -75.17)),
    *(
        (29.42, -98.49),
        (32.72, -117.16),
        (32.78, -96.80),
        (37.34, -121.89),
        (30.27, -97.74),
        (47.61, -122.33),
    ),
    *((39.74, -104.99), (38.91, -77.04), (42.36, -71.06), (36.16, -86.78), (45.52, -122.68), (25.76, -80.19)),
)


@dataclass(frozen=True, slots=True)
class NewCard:
    """A card to be made, with a customer and an account of its own."""

    pan: str
    given_name: str
    family_name: str
    opening_minor: int = 0
    expiry_yymm: int = DEMO_EXPIRY_YYMM
    birth_date: str | None = None  # YYYY-MM-DD
    ssn: str | None = None  # nine digits
    home_latitude_deg: float | None = None
    home_longitude_deg: float | None = None


def luhn_digit(digits: str) -> str:
    """The check digit that makes `digits` and it Luhn-valid (ISO/IEC 7812-1, annex B)."""
    total = sum(_DOUBLED[digit] for digit in digits[::-2]) + sum(map(int, digits[-2::-2]))
    return str(-total % 10)


_DOUBLED: Final = {str(digit): digit * 2 - 9 * (digit > 4) for digit in range(10)}


def demo_pan(index: int) -> str:
    """The PAN of demo card `index`."""
    digits = f"{DEMO_BIN}{index:09d}"
    return digits + luhn_digit(digits)


def demo_card(index: int) -> NewCard:
    """Demo card `index`, its holder made up from the index alone."""
    mixed = _mix(index)
    latitude_deg, longitude_deg = _CITIES_DEG[mixed % len(_CITIES_DEG)]
    return NewCard(
        pan=demo_pan(index),
        given_name=_GIVEN_NAMES[(mixed >> 8) % len(_GIVEN_NAMES)],
        family_name=_FAMILY_NAMES[(mixed >> 16) % len(_FAMILY_NAMES)],
        opening_minor=100_000 + index % 10_000 * 100,
        birth_date=f"{1940 + (mixed >> 24) % 65}-{(mixed >> 32) % 12 + 1:02d}-{(mixed >> 40) % 28 + 1:02d}",
        # Numbers that begin with 9 are never given to a person.
        ssn=f"9{index:08d}" if index < 100_000_000 else None,
        home_latitude_deg=latitude_deg + ((mixed >> 48) % 256 - 128) / 640,
        home_longitude_deg=longitude_deg + ((mixed >> 56) % 256 - 128) / 640,
    )


def _mix(index: int) -> int:
    """SplitMix64 (Steele, Lea, Flood 2014): 64 well-spread bits of an index."""
    z = (index + 1) * 0x9E3779B97F4A7C15 & 0xFFFF_FFFF_FFFF_FFFF
    z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9 & 0xFFFF_FFFF_FFFF_FFFF
    z = (z ^ z >> 27) * 0x94D049BB133111EB & 0xFFFF_FFFF_FFFF_FFFF
    return z ^ z >> 31


def account_number_of(number: int) -> str:
    """What people write down for account `number`: twelve digits, the last one Luhn's."""
    digits = f"{40_000_000_000 + number}"
    return digits + luhn_digit(digits)


class Portfolio:
    """Makes customers, accounts and cards in bulk."""

    def __init__(self, database: Database, keys: Keys) -> None:
        self._database = database
        self._keys = keys

    async def ensure_demo(self, cards: int, progress: Callable[[int, int], None] | None = None) -> int:
        """
        Brings the demo portfolio up to `cards` cards and returns how many it added; it never shrinks.

        `progress` is told how many of them stand, and how many are wanted.
        """
        if not 0 < cards <= DEMO_CARDS_MAX:
            raise StoreError(f"The demo portfolio holds 1 to {DEMO_CARDS_MAX:,} cards, not {cards:,}.")
        async with self._database.acquire() as connection:
            await connection.execute(query("create_demo_programme"))
            standing = await connection.fetchval(query("count_demo_cards"), DEMO_PROGRAMME, DEMO_BIN)
        wanted = (demo_card(index) for index in range(standing, cards))

        def told(added: int) -> None:
            if progress is not None:
                progress(standing + added, cards)

        return await self.create(wanted, DEMO_PROGRAMME, told)

    async def create(
        self, cards: Iterable[NewCard], programme: str, progress: Callable[[int], None] | None = None
    ) -> int:
        """
        Makes these cards, each with its customer and account, and returns how many; known PANs are passed over.

        Each batch is one transaction. Raises StoreError for an unknown programme or an SSN that a customer has.
        """
        remaining, made = iter(cards), 0
        async with self._database.acquire() as connection:
            found = await connection.fetchrow(query("find_programme"), programme)
            if found is None:
                raise StoreError(f"There is no programme {programme!r}.")
            while batch := list(islice(remaining, BATCH_SIZE)):
                try:
                    async with connection.transaction():
                        made += await self._create_batch(
                            connection, batch, found["number"], found["currency"]
                        )
                except asyncpg.UniqueViolationError as error:
                    raise StoreError(
                        "A card to be made repeats an SSN or a PAN: each customer has one of his own."
                    ) from error
                if progress is not None:
                    progress(made)
            if made >= VACUUM_FROM:
                await connection.execute(
                    "VACUUM (ANALYZE) customers, accounts, cards", timeout=VACUUM_TIMEOUT_S
                )
        return made

    async def _create_batch(
        self, connection: Any, batch: list[NewCard], programme: int, currency: int
    ) -> int:
        await connection.execute(query("lock_numbers"))
        hashes = [self._keys.pan_hashes(card.pan) for card in batch]
        rows = await connection.fetch(query("known_pans"), [one for all_of in hashes for one in all_of])
        known = {row["pan_hash"] for row in rows}
        if known:
            kept = [index for index, all_of in enumerate(hashes) if known.isdisjoint(all_of)]
            batch, hashes = [batch[index] for index in kept], [hashes[index] for index in kept]
        next_number = await connection.fetchrow(query("next_numbers"))
        customers = range(next_number["customer"], next_number["customer"] + len(batch))
        accounts = range(next_number["account"], next_number["account"] + len(batch))
        numbers = range(next_number["card"], next_number["card"] + len(batch))
        await connection.copy_records_to_table(
            "customers", columns=_CUSTOMER_COLUMNS, records=self._customers(customers, batch)
        )
        await connection.copy_records_to_table(
            "accounts", columns=_ACCOUNT_COLUMNS, records=self._accounts(accounts, customers, batch, currency)
        )
        await connection.copy_records_to_table(
            "cards",
            columns=_CARD_COLUMNS,
            records=self._cards(numbers, accounts, batch, [first for first, *_ in hashes], programme),
        )
        return len(batch)

    def _customers(self, numbers: range, batch: list[NewCard]) -> Iterator[tuple[Any, ...]]:
        seal_many = self._keys.seal_many
        return zip(
            numbers,
            seal_many("customers.given_name", [card.given_name for card in batch]),
            seal_many("customers.family_name", [card.family_name for card in batch]),
            self._seal_given("customers.birth_date", [card.birth_date for card in batch]),
            [self._keys.ssn_hash(card.ssn) if card.ssn else None for card in batch],
            self._seal_given("customers.ssn_last_four", [card.ssn and card.ssn[-4:] for card in batch]),
            ["verified"] * len(batch),
            [card.home_latitude_deg for card in batch],
            [card.home_longitude_deg for card in batch],
            strict=True,
        )

    def _accounts(
        self, numbers: range, customers: range, batch: list[NewCard], currency: int
    ) -> Iterator[tuple[Any, ...]]:
        written = [account_number_of(number) for number in numbers]
        return zip(
            numbers,
            customers,
            self._keys.seal_many("accounts.account_number", written),
            self._keys.seal_many("accounts.account_last_four", [text[-4:] for text in written]),
            [currency] * len(batch),
            [card.opening_minor for card in batch],
            strict=True,
        )

    def _cards(
        self, numbers: range, accounts: range, batch: list[NewCard], hashes: list[bytes], programme: int
    ) -> Iterator[tuple[Any, ...]]:
        return zip(
            numbers,
            accounts,
            [programme] * len(batch),
            hashes,
            [self._keys.fingerprint] * len(batch),
            [card.pan[:6] for card in batch],
            self._keys.seal_many("cards.last_four", [card.pan[-4:] for card in batch]),
            [card.expiry_yymm for card in batch],
            strict=True,
        )

    def _seal_given(self, name: str, texts: list[str | None]) -> list[bytes | None]:
        """Seals what is there and leaves the rest null."""
        sealed = iter(self._keys.seal_many(name, [text for text in texts if text]))
        return [next(sealed) if text else None for text in texts]


_CUSTOMER_COLUMNS: Final = (
    *("number", "given_name", "family_name", "birth_date", "ssn_hash", "ssn_last_four"),
    *("kyc_state", "home_latitude_deg", "home_longitude_deg"),
)
_ACCOUNT_COLUMNS: Final = (
    *("number", "customer_number", "account_number", "account_last_four", "currency", "opening_minor"),
)
_CARD_COLUMNS: Final = (
    *("number", "account_number", "programme", "pan_hash", "pan_key", "bin", "last_four", "expiry_yymm"),
)
