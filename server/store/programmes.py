"""
What programmes answer while the ledger is away: set, listed, and what stand-in approved so.

A change is noted with who made it and when; a running server follows within 1 s.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from server.store.database import Database
from server.store.lifecycle import changing, programme_number
from server.store.postgres import StoreError
from server.store.queries import query

POSTURES: Final = ("decline", "network", "stand_in")
STATES: Final = ("waiting", "booked", "overdrawn", "refused", "let_go", "cleared")
"""What becomes of an approval without the ledger; see the view `stood_in`."""

AMOUNT_MAX_MINOR: Final = 10**12
COUNT_MAX: Final = 10_000
CATEGORIES_MAX: Final = 1_000
CATEGORY_MAX: Final = 9_999
DAYS_MAX: Final = 3_660
LIST_MAX: Final = 1_000


@dataclass(frozen=True, slots=True)
class StandInWish:
    """Limits of stand-in as somebody wants them. Amounts in minor units of the programme's currency."""

    amount_max_minor: int
    count_max: int
    sum_max_minor: int
    categories: tuple[int, ...] = ()

    def fault(self) -> str:
        """What is wrong with it, naming the field and what is allowed; empty where nothing is."""
        for field, value, highest in (
            ("amount_max", self.amount_max_minor, AMOUNT_MAX_MINOR),
            ("count_max", self.count_max, COUNT_MAX),
            ("sum_max", self.sum_max_minor, AMOUNT_MAX_MINOR),
        ):
            if not 0 < value <= highest:
                unit = "" if field == "count_max" else " minor units"
                return f"{field}: it is 1 to {highest}{unit}, not {value}."
        if self.sum_max_minor < self.amount_max_minor:
            return "sum_max: a day's sum is not less than one transaction's amount."
        if len(self.categories) > CATEGORIES_MAX:
            return f"mcc: at most {CATEGORIES_MAX} categories, not {len(self.categories)}."
        for category in self.categories:
            if not 0 <= category <= CATEGORY_MAX:
                return f"mcc: a category has four digits, unlike {category}."
        return ""


@dataclass(frozen=True, slots=True)
class ProgrammeView:
    """A programme as it is shown. The limits count where the posture is stand_in."""

    number: int
    name: str
    revision: int
    currency: int  # ISO 4217 number
    posture: str
    amount_max_minor: int
    count_max: int
    sum_max_minor: int
    categories: tuple[int, ...]
    changed_by: str
    changed_at: datetime


@dataclass(frozen=True, slots=True)
class PostureChange:
    """A posture that a programme has had, from this revision on."""

    revision: int
    posture: str
    amount_max_minor: int
    count_max: int
    sum_max_minor: int
    categories: tuple[int, ...]
    changed_by: str
    changed_at: datetime


@dataclass(frozen=True, slots=True)
class StoodInSum:
    """Approvals of one programme without the ledger of which the same became."""

    programme: str
    currency: int
    state: str
    approvals: int
    approved_minor: int
    booked_minor: int
    overdrawn_minor: int


@dataclass(frozen=True, slots=True)
class StoodIn:
    """One approval without the ledger."""

    authorization_id: UUID
    approved_at: datetime
    programme: str
    card_number: int
    merchant_name: str
    merchant_category: int
    currency: int
    approved_minor: int
    state: str
    booked_at: datetime | None
    booked_minor: int
    overdrawn_minor: int


class Programmes:
    """Shows programmes, and sets what they answer without the ledger."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def listed(self) -> list[ProgrammeView]:
        """All programmes, LIST_MAX at the most."""
        return await self._views(None)

    async def show(self, name: str) -> ProgrammeView:
        """One of them. Raises StoreError where there is none of that name."""
        found = await self._views(name)
        if not found:
            async with self._database.acquire() as connection:
                await programme_number(connection, name)
        return found[0]

    async def set_posture(
        self, name: str, posture: str, *, changed_by: str, stand_in: StandInWish | None = None
    ) -> ProgrammeView:
        """
        Sets what a programme answers; `stand_in` are the limits of that posture, and of no other.

        Raises StoreError, naming the field, for what can't be.
        """
        if posture not in POSTURES:
            raise StoreError(f"posture: {posture!r} is none of {', '.join(POSTURES)}.")
        if (posture == "stand_in") != (stand_in is not None):
            raise StoreError("posture: stand_in has limits, the others have none.")
        if stand_in is not None and (fault := stand_in.fault()):
            raise StoreError(fault)
        await self.show(name)
        async with changing(self._database, changed_by) as connection:
            if stand_in is None:
                await connection.execute(query("set_posture"), name, posture)
            else:
                await connection.execute(
                    query("set_stand_in"),
                    name,
                    stand_in.amount_max_minor,
                    stand_in.count_max,
                    stand_in.sum_max_minor,
                    sorted(set(stand_in.categories)),
                )
        return await self.show(name)

    async def history(self, name: str) -> list[PostureChange]:
        """The postures that a programme has had since it was first changed, oldest first, the last LIST_MAX at the most."""
        await self.show(name)
        async with self._database.acquire() as connection:
            rows = await connection.fetch(query("posture_history"), name, LIST_MAX)
        return [PostureChange(**_fields(row)) for row in rows]

    async def stood_in(
        self, name: str | None = None, *, days: int = 7, state: str | None = None, count: int = 50
    ) -> tuple[list[StoodInSum], list[StoodIn]]:
        """
        What was approved without the ledger in the last days, summed up, and the newest `count` of it.

        It stands here once it is shipped. Raises StoreError, naming the field, for what can't be.
        """
        if name is not None:
            await self.show(name)
        if not 0 < days <= DAYS_MAX:
            raise StoreError(f"days: it is 1 to {DAYS_MAX}, not {days}.")
        if state is not None and state not in STATES:
            raise StoreError(f"state: {state!r} is none of {', '.join(STATES)}.")
        if not 0 <= count <= LIST_MAX:
            raise StoreError(f"count: it is 0 to {LIST_MAX}, not {count}.")
        async with self._database.acquire() as connection:
            sums = await connection.fetch(query("stood_in_by_state"), name, days)
            newest = await connection.fetch(query("stood_in_newest"), name, days, state, count)
        return [StoodInSum(**row) for row in sums], [StoodIn(**row) for row in newest]

    async def _views(self, name: str | None) -> list[ProgrammeView]:
        async with self._database.acquire() as connection:
            rows = await connection.fetch(query("show_programmes"), name, LIST_MAX)
        return [ProgrammeView(**_fields(row)) for row in rows]


def _fields(row: Any) -> dict[str, Any]:
    return {**row, "categories": tuple(row["categories"])}
