"""What became known of authorizations: told, handed to the core, looked up."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from numpy.typing import NDArray

from scoring.attempt import Verdict
from server.core.formats import INTENTS, intents_of
from server.core.packing import unpack
from server.store.database import Database
from server.store.queries import query


@dataclass(frozen=True, slots=True)
class NewLabel:
    """One label as it is told."""

    authorization_id: UUID
    verdict: Verdict
    report_id: str
    learnt_at: datetime
    received_at: datetime
    source: str
    reported_by: str

    @property
    def key(self) -> tuple[UUID, int, str]:
        """What tells it from others: the same key again is the same label."""
        return self.authorization_id, int(self.verdict), self.report_id


@dataclass(frozen=True, slots=True)
class StoredLabel:
    """One label as it is kept."""

    told: NewLabel
    taken_at: datetime | None  # None: the core has yet to take it


@dataclass(frozen=True, slots=True)
class WaitingLabel:
    """A label that the core has yet to take."""

    number: int
    authorization_id: UUID
    verdict: int
    superseded: int  # the verdict that it supersedes; 0 = none
    received_s: int


class Labels:
    """The table. Raises StoreError and PostgreSQL's own errors where it can't be asked."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def put(self, labels: list[NewLabel], sender: int) -> set[tuple[UUID, int, str]]:
        """Keep labels in their order, all in one transaction; the keys of those that are new."""
        async with self._database.acquire() as connection:
            rows = await connection.fetch(
                query("put_labels"),
                [label.authorization_id for label in labels],
                [int(label.verdict) for label in labels],
                [label.report_id for label in labels],
                [label.learnt_at for label in labels],
                [label.received_at for label in labels],
                [label.source for label in labels],
                [label.reported_by for label in labels],
                sender,
            )
        return {(row["authorization_id"], row["verdict"], row["report_id"]) for row in rows}

    async def standing(self, authorizations: list[UUID]) -> dict[UUID, Verdict]:
        """The verdict that counts, of each that has one."""
        async with self._database.acquire() as connection:
            rows = await connection.fetch(query("standing_verdicts"), authorizations)
        return {row["authorization_id"]: Verdict(row["verdict"]) for row in rows}

    async def history(self, authorization: UUID) -> list[StoredLabel]:
        """What was told of an authorization, the oldest first."""
        async with self._database.acquire() as connection:
            rows = await connection.fetch(query("list_labels"), authorization)
        return [_stored(row) for row in rows]

    async def waiting(self, count_max: int) -> list[WaitingLabel]:
        """What the core has yet to take, in order."""
        async with self._database.acquire() as connection:
            rows = await connection.fetch(query("waiting_labels"), count_max)
        return [
            WaitingLabel(
                row["number"],
                row["authorization_id"],
                row["verdict"],
                row["superseded"],
                int(row["received_at"].timestamp()),
            )
            for row in rows
        ]

    async def take(self, numbers: list[int]) -> None:
        """Note that the core has these."""
        async with self._database.acquire() as connection:
            await connection.execute(query("take_labels"), numbers)

    async def intents(self, authorizations: list[UUID]) -> dict[UUID, NDArray[Any]]:
        """INTENT[1] of each authorization that was shipped."""
        async with self._database.acquire() as connection:
            rows = await connection.fetch(query("find_labellable"), authorizations)
        found: dict[UUID, NDArray[Any]] = {}
        for row in rows:
            if row["id"] not in found:
                found[row["id"]] = intents_of(unpack(row["intent"], 1, INTENTS[row["record_version"]]))
        return found


def _stored(row: Any) -> StoredLabel:
    told = NewLabel(
        row["authorization_id"],
        Verdict(row["verdict"]),
        row["report_id"],
        row["learnt_at"],
        row["received_at"],
        row["source"],
        row["reported_by"],
    )
    return StoredLabel(told, row["taken_at"])
