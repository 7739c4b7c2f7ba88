"""Transfers of mixed kinds over the demo portfolio, written as the server writes them: what a worker is measured on."""

import json
import uuid
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from itertools import islice
from random import Random
from typing import Any, Final

from server.keys import Keys
from server.store.database import Database
from server.store.queries import query

BATCH: Final = 1_000
DAYS: Final = 30
_KINDS: Final = (
    ("wire", "out", 25), ("swift", "out", 15), ("wire", "in", 10), ("cash_deposit", "in", 20),
    ("cash_withdrawal", "out", 10), ("ach", "out", 10), ("internal", "out", 10),
)  # fmt: skip
_COUNTRIES: Final = (840, 840, 276, 826, 484, 156, 792, 784, 364, 408)
_GIVEN: Final = ("Erika", "Ivan", "Mei", "Omar", "Lucia", "Pierre", "Anna", "Hassan", "Yuki", "Carlos")
_FAMILY: Final = (
    "Muster",
    "Petrov",
    "Chen",
    "Haddad",
    "Rossi",
    "Dupont",
    "Kowalska",
    "Rahman",
    "Sato",
    "Lopez",
)
_FIRMS: Final = ("Trading GmbH", "Shipping Ltd", "Holdings SA", "Import Export LLC", "Metals Co")


async def write_flagged_past(
    database: Database,
    keys: Keys,
    count: int,
    accounts: int,
    told: Callable[[int], None] = lambda _done: None,
    *,
    seed: int = 5,
    run: str = "bench",
) -> None:
    """
    `count` transfers that policy flags, all but a few of them posted, over `accounts` accounts and 30 days.

    The ledger knows nothing of them: they are for compliance alone.
    """
    rows = _rows(keys, count, accounts, Random(seed), run)
    done = 0
    while batch := list(islice(rows, BATCH)):
        async with database.acquire() as connection, connection.transaction():
            columns = list(zip(*batch, strict=True))
            await connection.execute(query("write_past_transfers"), *map(list, columns))
            await connection.execute(query("settle_past_transfers"), list(columns[0]), list(columns[10]))
        done += len(batch)
        told(done)


def _rows(keys: Keys, count: int, accounts: int, draw: Random, run: str) -> Iterator[tuple[Any, ...]]:
    now = datetime.now(UTC)
    weights = [weight for *_, weight in _KINDS]
    for number in range(count):
        kind, direction, _ = draw.choices(_KINDS, weights)[0]
        account = draw.randrange(accounts)
        is_cash, is_internal = kind.startswith("cash"), kind == "internal"
        # Money between one's own customers, and small ACH, is flagged by its amount.
        least = 1_100_000 if kind in {"internal", "ach"} else 50_000
        amount_minor = least + int(draw.paretovariate(1.2) * 100_000)
        yield (
            uuid.UUID(int=draw.getrandbits(120) << 8),
            f"{run} {number}",
            kind,
            direction,
            account,
            (account + 1 + draw.randrange(accounts - 1)) % accounts if is_internal else None,
            min(amount_minor, 1_000_000_000),
            0 if is_cash or is_internal else draw.choice(_COUNTRIES),
            "" if is_cash or is_internal else f"BANK{number % 50:02d}XX",
            keys.seal(
                "transfers.details", json.dumps(_details(draw, is_cash=is_cash, is_internal=is_internal))
            ),
            "pending_review" if draw.random() < 0.05 else "posted",
            now - timedelta(seconds=draw.random() * DAYS * 86_400),
        )


def _details(draw: Random, *, is_cash: bool, is_internal: bool) -> dict[str, Any]:
    name = f"{draw.choice(_GIVEN)} {draw.choice(_FAMILY)}"
    if draw.random() < 0.4:
        name = f"{draw.choice(_FAMILY)} {draw.choice(_FIRMS)}"
    conductor = {}
    if is_cash and draw.random() < 0.3:
        conductor = {"name": name, "address": "1 Main St", "birth_date": f"19{draw.randrange(50, 99)}-02-03"}
    outside = {"name": name, "account": str(draw.randrange(10**9, 10**9 + 5_000)), "bank_name": "Some Bank"}
    return {
        "counterparty": {} if is_cash or is_internal else {**outside, "address": "1 High Street"},
        "holder_address": "5 Oak Avenue",
        "conductor": conductor,
        "purpose": draw.choice(("invoice", "rent", "goods", "family support", "loan")),
    }
