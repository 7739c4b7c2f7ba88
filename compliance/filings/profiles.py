"""What filings ask of a customer beyond the directory: address, number for taxes, document, occupation."""

import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from datetime import datetime
from typing import Any, Final

from compliance.audit.log import Entry, append
from compliance.ports import Database, Seals, queries
from compliance.roles import Actor, Permission, require

DETAILS: Final = "customer_profiles.details"
_OPEN: Final = ("country", "industry")
_MASK: Final = "****"


class ProfileError(ValueError):
    """A field that can't be so, or a customer that there isn't; the message says what is allowed."""


@dataclass(frozen=True, slots=True)
class Profile:
    """A customer's profile; what is not known is empty."""

    country: str = ""
    industry: str = ""
    street: str = ""
    city: str = ""
    state: str = ""
    postal_code: str = ""
    phone: str = ""
    occupation: str = ""
    tin: str = ""
    id_type: str = ""
    id_number: str = ""
    id_country: str = ""
    id_state: str = ""

    @property
    def masked(self) -> dict[str, str]:
        """As it is shown: country, industry, state and kinds as they are, of the rest only that it is there."""
        shown = {*_OPEN, "state", "id_type", "id_country", "id_state"}
        return {
            name: text if name in shown or not text else _MASK + (text[-4:] if name == "tin" else "")
            for name, text in asdict(self).items()
        }


_ALLOWED: Final[Mapping[str, tuple[str, str]]] = {
    "country": (r"[A-Z]{2}", "ISO 3166-1 alpha-2, such as US"),
    "industry": (r"\d{2,6}", "a NAICS code: 2 to 6 digits"),
    "street": (r".{1,100}", "up to 100 characters"),
    "city": (r".{1,50}", "up to 50 characters"),
    "state": (r"[A-Z]{2,3}", "two or three capital letters"),
    "postal_code": (r"[A-Z0-9][A-Z0-9 -]{1,8}", "2 to 9 letters and digits"),
    "phone": (r"\d{7,16}", "7 to 16 digits"),
    "occupation": (r".{1,50}", "up to 50 characters"),
    "tin": (r"\d{9}", "SSN, ITIN or EIN: nine digits"),
    "id_type": (r".{1,50}", "drivers_license, passport, alien_registration, foreign, or another in words"),
    "id_number": (r".{1,25}", "up to 25 characters"),
    "id_country": (r"[A-Z]{2}", "ISO 3166-1 alpha-2, such as US"),
    "id_state": (r"[A-Z]{2,3}", "two or three capital letters"),
}
NAMES: Final = tuple(each.name for each in fields(Profile))


class Profiles:
    """Reads and changes profiles: every change, and every view in full, is an audit row."""

    def __init__(self, database: Database, seals: Seals) -> None:
        self._database = database
        self._seals = seals

    async def change(self, number: int, given: Mapping[str, str], actor: Actor, now: datetime) -> Profile:
        """
        Sets the fields that are given, "" empties one, and returns the whole. Raises ProfileError, Denied.

        The audit row names the fields that changed, not what they hold.
        """
        require(actor, Permission.PREPARE_FILINGS)
        _check(given)
        sql = queries("compliance.filings")
        async with self._database.acquire() as connection, connection.transaction():
            if not await connection.fetchval(sql["customer_lock"], number):
                raise ProfileError(f"there is no customer {number}")
            before = await read_profile(connection, self._seals, number)
            after = Profile(**{**asdict(before), **{name: text.strip() for name, text in given.items()}})
            changed = [name for name in NAMES if getattr(before, name) != getattr(after, name)]
            if changed:
                sealed = self._seals.seal(DETAILS, _details(after))
                await connection.execute(
                    sql["set_profile"], number, after.country, after.industry, sealed, actor.name, now
                )
                entry = Entry(
                    actor.name, actor.role, "profile.change", f"customer:{number}", new={"fields": changed}
                )
                await append(connection, [entry])
        return after

    async def show(self, number: int, actor: Actor, *, in_full: bool = False) -> dict[str, str]:
        """A profile, masked unless it is asked for in full. Raises ProfileError, Denied."""
        require(actor, Permission.SEE_PERSONAL_DATA if in_full else Permission.SEE_CASES)
        sql = queries("compliance.filings")
        async with self._database.acquire() as connection, connection.transaction():
            if not await connection.fetchval(sql["customer_lock"], number):
                raise ProfileError(f"there is no customer {number}")
            profile = await read_profile(connection, self._seals, number)
            if in_full:
                entry = Entry(actor.name, actor.role, "view.profile", f"customer:{number}")
                await append(connection, [entry])
        return asdict(profile) if in_full else profile.masked


async def read_profile(connection: Any, seals: Seals, number: int) -> Profile:
    """The profile of a customer; an empty one where nothing was set."""
    row = await connection.fetchrow(queries("compliance.filings")["profile"], number)
    if row is None:
        return Profile()
    details = json.loads(seals.unseal(DETAILS, row["details"])) if row["details"] else {}
    return Profile(country=row["country"], industry=row["industry"], **details)


def _details(profile: Profile) -> str:
    values = asdict(profile)
    return json.dumps({name: values[name] for name in NAMES if name not in _OPEN}, sort_keys=True)


def _check(given: Mapping[str, str]) -> None:
    for name, text in given.items():
        if name not in _ALLOWED:
            raise ProfileError(f"a profile has no {name}: it has {', '.join(NAMES)}")
        pattern, allowed = _ALLOWED[name]
        value = text.strip()
        if value and not (value.isprintable() and re.fullmatch(pattern, value)):
            raise ProfileError(f"{name} must be {allowed}, or empty")
