"""
What the server has written, taken in exactly once and flagged by policy.

The position and what was flagged move in one transaction; one worker at a time reads a source. A transfer is taken in
when it waits for somebody, or has come to rest; what a longer transaction may still write is read again until that has
ended, and known by its key.
"""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

import structlog

from compliance.facts import Customer, Flag, Source, Subject, flagged_id_of
from compliance.ports import Database, Seals, queries
from compliance.review.counters import Counters
from compliance.review.subjects import (
    Identity,
    PartyKeys,
    authorization_subject,
    customer_of,
    details_of,
    identity_of,
    keys_of,
    transfer_subject,
)
from compliance.review.tables import Tables

EVENTS_MAX: Final = 512
"""Events of transfers that one transaction takes in; those of the last one's transaction are never parted."""

SHIPPED_MAX: Final = 256
"""Journal batches whose authorizations one transaction looks at."""

HOME_COUNTRIES: Final = (0, 840)
"""Not given, and the United States: anything else is across the border."""

DEARER_MAX: Final = 2
"""No currency's minor unit is worth more US cents than this: whatever is under a limit in its own can't reach it."""

FlagsOf = Callable[[Subject, Customer], tuple[Flag, ...]]
"""What is flagged, and why: policy. Of what is not, nothing."""

_NOBODY: Final = Identity("", None)
_WORKER: Final = "intake"

_log = structlog.get_logger("compliance")


@dataclass(frozen=True, slots=True)
class Reach:
    """From where on an authorization may be flagged at all: what lies under it is not looked at."""

    usd_minor: int
    score: float


class Intake:
    """Takes in transfers and authorizations."""

    def __init__(
        self,
        database: Database,
        seals: Seals,
        tables: Tables,
        flags_of: FlagsOf,
        reach: Reach,
        counters: Counters,
    ) -> None:
        self._database = database
        self._seals = seals
        self._tables = tables
        self._flags_of = flags_of
        self._reach = reach
        self._counters = counters
        self._sql = queries("compliance.review")

    async def take(self) -> bool:
        """Takes in what there is, a bounded part of it; whether there may be more."""
        more_transfers = await self._take_transfers()
        return await self._take_authorizations() or more_transfers

    async def flag_listed(self, connection: Any, ids: Sequence[UUID]) -> bool:
        """
        Transfers whose counterparty is on a list by now: flagged, or reviewed again. In the caller's transaction.

        False where one is under review at this moment: it may have been screened before, and is to be told again.
        """
        rows = await connection.fetch(self._sql["new_transfers"], list(ids))
        found: list[Subject] = []
        numbers: dict[UUID, int] = {}
        for row in rows:
            identity = identity_of(row, self._seals)
            details = details_of(row, self._seals)
            found.append(transfer_subject(row, details, identity, self._tables, (Flag.SANCTIONS,)))
            numbers[found[-1].id] = row["currency"]
        locked = await connection.fetch(self._sql["lock_flagged"], list(numbers))
        await self._flag(connection, found, numbers)
        await connection.execute(self._sql["flag_listed"], list(numbers), Flag.SANCTIONS, _WORKER)
        await connection.execute(self._sql["tell_flagged"])
        return all(row["state"] != "claimed" for row in locked)

    async def _take_transfers(self) -> bool:
        async with self._database.acquire() as connection, connection.transaction():
            place = await connection.fetchrow(self._sql["intake_position"], Source.TRANSFER)
            if place is None:
                return False
            # A database that was restored begins to count again: below, nothing is new to us but what is not taken in.
            position = min(place["position"], place["oldest"])
            events = await connection.fetch(self._sql["new_transfer_events"], position, EVENTS_MAX)
            full = len(events) >= EVENTS_MAX
            after = min(events[-1]["version"] + 1, place["oldest"]) if full else place["oldest"]
            if events:
                ids = list({event["transfer_id"] for event in events})
                rows = await connection.fetch(self._sql["new_transfers"], ids)
                await self._take_in(connection, rows)
            if after != place["position"]:
                await connection.execute(self._sql["move_intake"], Source.TRANSFER, after)
        return full and after > position

    async def _take_in(self, connection: Any, rows: Sequence[Any]) -> None:
        found: list[Subject] = []
        keys: dict[UUID, PartyKeys] = {}
        numbers: dict[UUID, int] = {}
        for row in rows:
            try:
                identity = identity_of(row, self._seals)
                details = details_of(row, self._seals)
                subject = transfer_subject(row, details, identity, self._tables)
                keys[row["id"]] = keys_of(row, details, identity, self._seals)
            except Exception as error:  # one that can't be read must not keep the others waiting
                _log.warning("a transfer can't be read", transfer=row["id"].hex, kind=type(error).__name__)
                subject = transfer_subject(row, {}, _NOBODY, self._tables, (Flag.RULE,))
                keys[row["id"]] = PartyKeys(None, None, has_conductor=False)
                found.append(subject)  # its review says so, and is parked
            else:
                found += self._flagged(subject, customer_of(row, identity))
            numbers[subject.id] = row["currency"]
        await connection.execute(
            self._sql["add_parties"],
            list(keys),
            [key.counterparty for key in keys.values()],
            [key.person for key in keys.values()],
            [key.has_conductor for key in keys.values()],
        )
        await self._flag(connection, found, numbers)

    async def _take_authorizations(self) -> bool:
        async with self._database.acquire() as connection, connection.transaction():
            place = await connection.fetchrow(self._sql["intake_position"], Source.AUTHORIZATION)
            if place is None or place["position"] >= place["shipped"]:
                return False
            until = min(place["position"] + SHIPPED_MAX, place["shipped"])
            rows = await connection.fetch(
                self._sql["new_authorizations"],
                place["position"],
                until,
                self._reach.usd_minor // DEARER_MAX,
                self._reach.score,
                HOME_COUNTRIES,
                self._tables.rated(),
            )
            names: Mapping[int, str] = {}
            if any(any(row["limits_passed"]) for row in rows):
                names = {r["number"]: r["name"] for r in await connection.fetch(self._sql["limit_names"])}
            found: list[Subject] = []
            numbers: dict[UUID, int] = {}
            for row in rows:
                marked = (Flag.RULE,) if any(row["rules_hit"]) else ()
                subject = authorization_subject(row, _NOBODY, self._tables, names, marked)
                numbers[subject.id] = row["billing_currency"] or row["currency"]
                found += self._flagged(subject, customer_of(row, _NOBODY))
            await self._flag(connection, found, numbers)
            await connection.execute(self._sql["move_intake"], Source.AUTHORIZATION, until)
        return until < place["shipped"]

    def _flagged(self, subject: Subject, customer: Customer) -> list[Subject]:
        flags = self._flags_of(subject, customer)
        return [replace_flags(subject, flags)] if flags else []

    async def _flag(self, connection: Any, subjects: Sequence[Subject], numbers: Mapping[UUID, int]) -> None:
        if not subjects:
            return
        added = await connection.fetchval(
            self._sql["flag"], *_columns(subjects, [numbers[s.id] for s in subjects]), _WORKER
        )
        self._counters.flagged[subjects[0].source] += added
        await connection.execute(self._sql["tell_flagged"])


async def flag_customers(connection: Any, numbers: Sequence[int], at: datetime, actor: str) -> None:
    """Customers whose own names were met on a list: flagged, or reviewed again. In the caller's transaction."""
    for number in numbers:
        await _flag_customer(connection, number, at, actor)


async def _flag_customer(connection: Any, number: int, at: datetime, actor: str) -> None:
    sql = queries("compliance.review")
    source_id = UUID(int=number)
    identifier = flagged_id_of(Source.CUSTOMER, source_id)
    row = (
        identifier,
        Source.CUSTOMER,
        source_id,
        number,
        None,
        "customer",
        "out",
        0,
        840,
        0,
        at,
        Flag.SANCTIONS,
    )
    added = await connection.fetchval(sql["flag"], *([value] for value in row), actor)
    if not added:
        await connection.execute(sql["flag_again"], identifier, actor)
    await connection.execute(sql["tell_flagged"])


def replace_flags(subject: Subject, flags: Sequence[Flag]) -> Subject:
    """The same subject, flagged by these too."""
    return dataclasses.replace(subject, flags=tuple(dict.fromkeys((*subject.flags, *flags))))


def _columns(subjects: Sequence[Subject], currencies: Sequence[int]) -> list[list[Any]]:
    return [
        [subject.id for subject in subjects],
        [subject.source for subject in subjects],
        [subject.source_id for subject in subjects],
        [subject.customer_number for subject in subjects],
        [subject.account_number for subject in subjects],
        [subject.kind for subject in subjects],
        [subject.direction for subject in subjects],
        [subject.amount_minor for subject in subjects],
        list(currencies),
        [subject.usd_minor for subject in subjects],
        [subject.at for subject in subjects],
        [" ".join(subject.flags) for subject in subjects],
    ]
