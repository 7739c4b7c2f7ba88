"""
The demo's stories for compliance: a bank that files, two customers whom filings can name, and the cash that makes a SAR
and a CTR. All of it is made up.
"""

import json
import os
import shlex
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
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
ANALYST: Final = "ann"
OFFICER: Final = "olaf"
_BRANCHES: Final = {
    "north": ("12 North Street", "Springfield", "62702"),
    "south": ("9 South Street", "Chicago", "60601"),
    "west": ("3 West Street", "Springfield", "62704"),
}
_BANK: Final = {
    "PEOPLE": json.dumps({ANALYST: "analyst", OFFICER: "officer", "otto": "officer"}),
    "USER": ANALYST,
    "FILER_NAME": "First Demo Bank of Springfield",
    "FILER_EIN": "370000000",
    "FILER_REGULATOR": "fdic",
    "FILER_STREET": "100 Bank Plaza",
    "FILER_CITY": "Springfield",
    "FILER_STATE": "IL",
    "FILER_POSTAL_CODE": "62701",
    "FILER_CONTACT_OFFICE": "BSA Compliance Office",
    "FILER_CONTACT_PHONE": "2175550100",
    "FILER_CONTACT_EMAIL": "bsa@bank.example",
    "FILER_BRANCHES": json.dumps(
        {
            code: {"street": street, "city": city, "state": "IL", "postal_code": postal_code, "country": "US"}
            for code, (street, city, postal_code) in _BRANCHES.items()
        }
    ),
    "TRANSMITTER_CODE": "PDEMO000",
    "TRANSMITTER_CONTACT": "Jane Filer",
}


def put_bank(home: Path) -> Path:
    """
    Writes `demo_bank.sh` into this home, unless it is there, and returns where it is.

    A shell that reads it (`. FILE`) has the settings of a made-up bank and its people: an analyst and two officers. No
    batch made with them may be sent to anybody.
    """
    path = home / "demo_bank.sh"
    lines = [f"export HOLDFAST_HOME={shlex.quote(str(home.resolve()))}"]
    lines += [f"export HOLDFAST_COMPLIANCE_{name}={shlex.quote(value)}" for name, value in _BANK.items()]
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return path
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(
            "# The settings of a bank that is made up: for the demo alone.\n" + "\n".join(lines) + "\n"
        )
    return path


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
