"""The demo's stories for compliance: two customers whom filings can name, and the cash that makes a SAR and a CTR."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from compliance.filings.profiles import Profile, Profiles
from compliance.ports import Database, Seals
from compliance.roles import Actor, Role

DEMO: Final = Actor("demo", Role.ADMIN)
_PEOPLE: Final = {
    0: {
        "country": "US",
        "industry": "441227",
        "street": "1 Mill Lane",
        "city": "Springfield",
        "state": "IL",
        "postal_code": "62701",
        "occupation": "Sells motorcycles",
        "tin": "900000001",  # no SSN begins with 9
        "id_type": "drivers_license",
        "id_number": "B000-0000-0001",
        "id_country": "US",
        "id_state": "IL",
    },
    1: {
        "country": "US",
        "industry": "722511",
        "street": "5 Market Street",
        "city": "Chicago",
        "state": "IL",
        "postal_code": "60601",
        "occupation": "Keeps a restaurant",
        "tin": "900000002",
        "id_type": "passport",
        "id_number": "000000002",
        "id_country": "US",
    },
}
_PARTS_MINOR: Final = ((940_000, "north"), (960_000, "south"), (930_000, "west"), (950_000, "north"))
_LARGE_MINOR: Final = 1_520_000
_CARRIER: Final = {
    "name": "Robin Carrier",
    "address": "12 Lake Street, Chicago, IL 60601",
    "birth_date": "1979-03-14",
    "id_type": "driver's license",
    "id_number": "C000-0000-0003",
    "id_country": "US",
}


async def ensure_profiles(database: Database, seals: Seals, now: datetime) -> None:
    """Gives the demo's first two customers a profile where they have none. Raises ProfileError where they aren't there."""
    profiles = Profiles(database, seals)
    for number, profile in _PEOPLE.items():
        if not any((await profiles.show(number, DEMO)).values()):
            assert set(profile) <= set(Profile.__dataclass_fields__), "a profile's own fields"
            await profiles.change(number, profile, DEMO, now)


def stories() -> Sequence[Mapping[str, Any]]:
    """
    The fields of the CreateTransferRequests that tell them, each with a key of its own, so that telling twice is telling once.

    Account 0: four deposits under 10,000 dollars at three branches (31 CFR 1010.314). Account 1: one of 15,200 that
    somebody else brings (31 CFR 1010.311).
    """
    parts = [
        _deposit(f"demo-structuring-{place}", 0, amount_minor, branch)
        for place, (amount_minor, branch) in enumerate(_PARTS_MINOR)
    ]
    return [*parts, {**_deposit("demo-large-deposit", 1, _LARGE_MINOR, "north"), "conductor": _CARRIER}]


def _deposit(key: str, account: int, amount_minor: int, branch: str) -> dict[str, Any]:
    return {
        "idempotency_key": key,
        "kind": "TRANSFER_KIND_CASH_DEPOSIT",
        "account_number": account,
        "amount_minor": amount_minor,
        "currency": "USD",
        "branch": branch,
    }
