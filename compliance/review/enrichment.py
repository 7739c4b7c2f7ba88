"""
Dossiers for a batch: who the customer is, what went before, cash of the day, neighbours, what is usual.

Each kind of fact is one query for the whole batch. What can't be put together (a row that is gone, a seal that does not
open) is told beside the others, and doesn't hold them up.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, time, timedelta
from typing import Any, Final
from uuid import UUID

from compliance.calendar import business_day_of, is_business_day
from compliance.facts import (
    CASH,
    Customer,
    Direction,
    Dossier,
    Kind,
    Movement,
    Source,
    Subject,
    Usual,
)
from compliance.ports import Seals, queries
from compliance.review.queue import Claim
from compliance.review.subjects import (
    Identity,
    authorization_subject,
    customer_of,
    customer_subject,
    details_of,
    identity_of,
    own_key,
    transfer_subject,
)
from compliance.review.tables import Tables

HISTORY_MAX: Final = 500
NEIGHBOURS_MAX: Final = 50
"""Transfers of one neighbour."""

_CREDITS: Final = frozenset({5, 9})
_MONTH: Final = timedelta(days=30.4375)
_DAY: Final = timedelta(days=1)


class Unknown(LookupError):  # noqa: N818 - told as what it is
    """What was flagged is not there."""


@dataclass(slots=True)
class _Batch:
    """Subjects under way, their rows beside them."""

    subjects: dict[UUID, Subject]
    customers: dict[int, Customer]
    identities: dict[int, Identity]
    persons: dict[UUID, bytes | None]  # who stood at the counter
    wrong: dict[UUID, Exception]


class Enricher:
    """Puts dossiers together."""

    def __init__(self, seals: Seals, tables: Tables) -> None:
        self._seals = seals
        self._tables = tables
        self._sql = queries("compliance.review")

    async def enrich(
        self, connection: Any, claims: Sequence[Claim], now: datetime
    ) -> dict[UUID, Dossier | Exception]:
        """A dossier for each claim, by its id; where there can't be one, why."""
        batch = await self._subjects(connection, claims, now)
        subjects = list(batch.subjects.values())
        history = await self._history(connection, subjects)
        cash = await self._cash(connection, batch)
        network = await self._network(connection, subjects)
        usual = await self._usual(connection, subjects)
        found: dict[UUID, Dossier | Exception] = dict(batch.wrong)
        for subject in subjects:
            found[subject.id] = Dossier(
                subject,
                batch.customers[subject.customer_number],
                tuple(_whole(subject, history.get(subject.id, []))),
                tuple(_whole(subject, cash[subject.id])) if subject.id in cash else (),
                tuple(sorted(network.get(subject.id, []), key=_when)),
                usual.get(subject.id, Usual()),
                now,
            )
        return found

    async def _subjects(self, connection: Any, claims: Sequence[Claim], now: datetime) -> _Batch:
        by_source: dict[Source, list[Claim]] = defaultdict(list)
        for claim in claims:
            by_source[claim.source].append(claim)

        async def rows_of(name: str, source: Source) -> list[Any]:
            ids = [claim.source_id for claim in by_source[source]]
            return await connection.fetch(self._sql[name], ids) if ids else []

        transfers = {row["id"]: row for row in await rows_of("transfers", Source.TRANSFER)}
        cards = {
            row["authorization_id"]: row for row in await rows_of("authorizations", Source.AUTHORIZATION)
        }
        numbers = {row["customer_number"] for row in (*transfers.values(), *cards.values())}
        numbers |= {claim.source_id.int for claim in by_source[Source.CUSTOMER]}
        people = {
            row["customer_number"]: row
            for row in await connection.fetch(self._sql["customers"], sorted(numbers))
        }
        names: Mapping[int, str] = {}
        if any(any(row["limits_passed"]) for row in cards.values()):
            names = {row["number"]: row["name"] for row in await connection.fetch(self._sql["limit_names"])}
        batch = _Batch({}, {}, {}, {}, {})
        for claim in claims:
            try:
                row = {Source.TRANSFER: transfers, Source.AUTHORIZATION: cards}.get(claim.source, {}).get(
                    claim.source_id
                )
                if row is None and claim.source != Source.CUSTOMER:
                    raise Unknown(f"there is no {claim.source} {claim.source_id.hex}")
                number = claim.source_id.int if row is None else row["customer_number"]
                self._know(batch, people, number)
                batch.subjects[claim.id] = self._subject(batch, claim, row, number, people, names, now)
            except Exception as error:  # one that can't be read is told; the others go on
                batch.wrong[claim.id] = error
        return batch

    def _know(self, batch: _Batch, people: Mapping[int, Any], number: int) -> None:
        if number in batch.customers:
            return
        if number not in people:
            raise Unknown(f"there is no customer {number}")
        batch.identities[number] = identity_of(people[number], self._seals)
        batch.customers[number] = customer_of(people[number], batch.identities[number])

    def _subject(
        self,
        batch: _Batch,
        claim: Claim,
        row: Any,
        number: int,
        people: Mapping[int, Any],
        names: Mapping[int, str],
        now: datetime,
    ) -> Subject:
        identity = batch.identities[number]
        if row is None:
            return customer_subject(batch.customers[number], now, claim.flags)
        joined = {**row, "country": people[number]["country"]}
        if claim.source == Source.AUTHORIZATION:
            return authorization_subject(joined, identity, self._tables, names, claim.flags)
        batch.persons[claim.id] = row["person_key"]
        return transfer_subject(joined, details_of(row, self._seals), identity, self._tables, claim.flags)

    async def _history(self, connection: Any, subjects: Sequence[Subject]) -> dict[UUID, list[Movement]]:
        found: dict[UUID, list[Movement]] = defaultdict(list)
        if not subjects:
            return found
        columns = (*_columns(subjects), HISTORY_MAX)
        for row in await connection.fetch(self._sql["past_transfers"], *columns):
            found[row["subject_id"]].append(self._past_transfer(row))
        for row in await connection.fetch(self._sql["past_authorizations"], *columns):
            found[row["subject_id"]].append(self._past_authorization(row))
        return found

    def _past_transfer(self, row: Any) -> Movement:
        is_payee = row["is_payee"]
        account = row["payee_account"] if is_payee else row["account_number"]
        other = ""
        if row["payee_account"] is not None:
            other = f"account:{row['account_number'] if is_payee else row['payee_account']}"
        elif row["counterparty_key"] is not None:
            other = f"party:{row['counterparty_key'].hex()}"
        return Movement(
            row["id"],
            row["created_at"],
            Kind(row["kind"]),
            Direction.IN if is_payee else Direction(row["direction"]),
            row["usd_minor"] or 0,
            row["customer_number"],
            account,
            other,
            self._tables.country(row["counterparty_country"]),
            "",
            f"party:{row['person_key'].hex()}" if row["has_conductor"] else "",
        )

    def _past_authorization(self, row: Any) -> Movement:
        worth = self._tables.worth_usd_minor(row["approved_minor"], row["billing_currency"])
        return Movement(
            row["authorization_id"],
            row["transmission_time"],
            Kind.CARD,
            Direction.IN if row["transaction_type"] in _CREDITS else Direction.OUT,
            worth or 0,
            row["customer_number"],
            row["account_number"],
            f"merchant:{row['acquirer_id']}/{row['merchant_id']}",
            self._tables.country(row["merchant_country"]),
        )

    async def _cash(self, connection: Any, batch: _Batch) -> dict[UUID, list[Movement]]:
        subjects = [subject for subject in batch.subjects.values() if subject.kind in CASH]
        if not subjects:
            return {}
        days = [self._business_day(subject.at) for subject in subjects]
        rows = await connection.fetch(
            self._sql["cash_of_the_day"],
            [subject.id for subject in subjects],
            [subject.customer_number for subject in subjects],
            [batch.persons.get(subject.id) for subject in subjects],
            [own_key(batch.identities[subject.customer_number], self._seals) for subject in subjects],
            [since for since, _ in days],
            [until for _, until in days],
        )
        found: dict[UUID, list[Movement]] = {subject.id: [] for subject in subjects}
        for row in rows:
            found[row["subject_id"]].append(
                Movement(
                    row["id"],
                    row["created_at"],
                    Kind(row["kind"]),
                    Direction(row["direction"]),
                    row["usd_minor"] or 0,
                    row["customer_number"],
                    row["account_number"],
                    "",
                    branch=details_of(row, self._seals).get("branch", ""),
                    conductor=f"party:{row['person_key'].hex()}" if row["has_conductor"] else "",
                )
            )
        return found

    def _business_day(self, at: datetime) -> tuple[datetime, datetime]:
        """From when to when everything is booked on the same business day as `at` is."""
        day = business_day_of(at, self._tables.zone)
        first = day
        while not is_business_day(first - _DAY):
            first -= _DAY
        since, until = (datetime.combine(d, time(), self._tables.zone) for d in (first, day + _DAY))
        return since.astimezone(UTC), until.astimezone(UTC)

    async def _network(self, connection: Any, subjects: Sequence[Subject]) -> dict[UUID, list[Movement]]:
        if not subjects:
            return {}
        found: dict[UUID, dict[UUID, Movement]] = defaultdict(dict)
        for row in await connection.fetch(self._sql["neighbours"], *_columns(subjects), NEIGHBOURS_MAX):
            found[row["subject_id"]][row["id"]] = Movement(
                row["id"],
                row["created_at"],
                Kind.INTERNAL,
                Direction.OUT,
                row["usd_minor"] or 0,
                row["customer_number"],
                row["account_number"],
                f"account:{row['payee_account']}",
            )
        return {subject: list(movements.values()) for subject, movements in found.items()}

    async def _usual(self, connection: Any, subjects: Sequence[Subject]) -> dict[UUID, Usual]:
        parts: dict[UUID, list[dict[str, Any]]] = defaultdict(list)
        if not subjects:
            return {}
        columns = (*_columns(subjects), [subject.source_id for subject in subjects])
        for row in await connection.fetch(self._sql["usual_transfers"], *columns):
            parts[row["subject_id"]].append(dict(row))
        for row in await connection.fetch(self._sql["usual_authorizations"], *columns):

            def worth(name: str, row: Any = row) -> int:
                return self._tables.worth_usd_minor(row[name], row["billing_currency"]) or 0

            parts[row["subject_id"]].append(
                {
                    **row,
                    "usd_minor": worth("amount_minor"),
                    "largest_usd_minor": worth("largest_minor"),
                    "last_30_days_usd_minor": worth("last_30_days_minor"),
                }
            )
        found = {subject.id: self._pattern(subject, parts.get(subject.id, [])) for subject in subjects}
        asleep = [subject for subject in subjects if found[subject.id].last_at is None]
        if asleep:
            for row in await connection.fetch(self._sql["last_long_ago"], *_columns(asleep)):
                found[row["subject_id"]] = replace(found[row["subject_id"]], last_at=row["last_at"])
        return found

    def _pattern(self, subject: Subject, parts: Sequence[Mapping[str, Any]]) -> Usual:
        last_30_days = (subject.usd_minor or 0) + sum(part["last_30_days_usd_minor"] for part in parts)
        if not parts:
            return Usual(last_30_days_usd_minor=last_30_days)
        months = min(12.0, (subject.at - min(part["first_at"] for part in parts)) / _MONTH)
        total = sum(part["usd_minor"] for part in parts)
        countries = {self._tables.country(number) for part in parts for number in part["countries"]}
        return Usual(
            months=months,
            month_usd_minor=round(total / max(months, 1.0)),
            largest_usd_minor=max(part["largest_usd_minor"] for part in parts),
            count=sum(part["count"] for part in parts),
            last_at=max(part["last_at"] for part in parts),
            countries=tuple(sorted(countries - {""})),
            last_30_days_usd_minor=last_30_days,
        )


def _columns(subjects: Sequence[Subject]) -> tuple[list[UUID], list[int], list[datetime]]:
    return (
        [subject.id for subject in subjects],
        [subject.customer_number for subject in subjects],
        [subject.at for subject in subjects],
    )


def _when(movement: Movement) -> datetime:
    return movement.at


def _whole(subject: Subject, movements: Sequence[Movement]) -> list[Movement]:
    """The newest of them, oldest first, the subject among them whatever became of it."""
    kept = sorted(movements, key=_when)[-HISTORY_MAX:]
    if subject.source != Source.CUSTOMER and not any(m.id == subject.source_id for m in kept):
        kept.append(
            Movement(
                subject.source_id,
                subject.at,
                subject.kind,
                subject.direction,
                subject.usd_minor or 0,
                subject.customer_number,
                subject.account_number,
                "",
                subject.country,
                subject.branch,
            )
        )
        kept.sort(key=_when)
    return kept
