"""Works imported, superseded by date, withdrawn; and the policies that came with us."""

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from datetime import date, datetime
from importlib.resources import as_file, files
from typing import Any

from compliance.audit.log import Entry, append
from compliance.policies.edition import PolicyError, Work
from compliance.policies.embedding import BATCH, Embed
from compliance.policies.reading import read
from compliance.policies.splitting import pieces
from compliance.ports import Database, queries
from compliance.roles import WORKER, Actor


@dataclass(frozen=True, slots=True)
class Imported:
    """What became of one work."""

    name: str
    outcome: str  # imported, unchanged, restored, withdrawn (ours, which the bank has withdrawn)
    sections: int
    passages: int


@dataclass(frozen=True, slots=True)
class Document:
    """One edition, as the list shows it."""

    name: str
    title: str
    kind: str
    jurisdiction: str
    effective: date | None
    until: date | None
    withdrawn_on: date | None
    shipped: bool
    imported_by: str
    imported_at: datetime
    passages: int


class PolicyDesk:
    """Changes to the library. Each is a row of the audit log, in its own transaction."""

    def __init__(self, database: Database, now: Callable[[], datetime], embed: Embed | None = None) -> None:
        self._database = database
        self._now = now
        self._embed = embed
        self._sql = queries("compliance.policies")

    async def add(self, works: Sequence[Work], actor: Actor, *, shipped: bool = False) -> list[Imported]:
        """
        Imports works, all or none. The same content again changes nothing; another one is a new edition.

        An edition supersedes the ones before it from its effective day on, or from now on where none is stated;
        they are kept. One that was withdrawn comes back into force when it is imported again.
        """
        done: list[Imported] = []
        entries: list[Entry] = []
        async with self._database.acquire() as connection, connection.transaction():
            await connection.execute(self._sql["lock"])
            for work in works:
                one, document_id = await self._add_one(connection, work, actor, shipped=shipped)
                done.append(one)
                if one.outcome in {"imported", "restored"}:
                    new = {"name": one.name, "passages": one.passages, "effective": _day(work.effective)}
                    entries.append(
                        Entry(actor.name, actor.role, "policy.import", f"policy:{document_id.hex}", new=new)
                    )
            if entries:
                await connection.execute(self._sql["weigh_index"])
                await append(connection, entries)
        return done

    async def add_shipped(self) -> list[Imported]:
        """The short policies that came with Holdfast, once; what the bank has withdrawn of them stays withdrawn."""
        with as_file(files("compliance.policies") / "defaults") as folder:
            works = read([folder])
        return await self.add(works, WORKER, shipped=True)

    async def withdraw(self, name: str, on: date, actor: Actor) -> int:
        """
        Takes every edition of a name out of force from a day on; they are kept. Returns how many.

        Raises PolicyError where none of this name is in the library, or all were withdrawn before.
        """
        async with self._database.acquire() as connection, connection.transaction():
            await connection.execute(self._sql["lock"])
            rows = await connection.fetch(self._sql["withdraw"], name, on, actor.name, self._now())
            if not rows:
                known = {row["name"] for row in await connection.fetch(self._sql["documents"])}
                raise PolicyError(
                    f"{name!r} was withdrawn before"
                    if name in known
                    else f"no document is called {name!r}; `holdfast policies list` names them"
                )
            new = {"name": name, "withdrawn_on": on.isoformat()}
            await append(
                connection,
                [
                    Entry(actor.name, actor.role, "policy.withdraw", f"policy:{row['id'].hex}", new=new)
                    for row in rows
                ],
            )
        return len(rows)

    async def documents(self) -> list[Document]:
        """Every edition, by name, the newest first."""
        async with self._database.acquire() as connection:
            return [Document(**row) for row in await connection.fetch(self._sql["documents"])]

    async def fill_vectors(self) -> tuple[int, int]:
        """
        Embeds what the model has not embedded yet. Returns how many were, and how many are left.

        (0, 0) where there is no model, or this PostgreSQL can have no pgvector: search goes by full text alone.
        """
        if self._embed is None:
            return 0, 0
        filled = 0
        async with self._database.acquire() as connection:
            await connection.execute(self._sql["prepare_vectors"])
            if not await connection.fetchval(self._sql["has_vectors"]):
                return 0, 0
        while True:
            async with self._database.acquire() as connection:
                rows = await connection.fetch(self._sql["without_vector"], self._embed.model, BATCH)
            if not rows:
                return filled, 0
            vectors = await self._embed.embed([row["text"] for row in rows])  # holds no connection meanwhile
            async with self._database.acquire() as connection:
                if vectors is None:
                    return filled, await connection.fetchval(
                        self._sql["count_without_vector"], self._embed.model
                    )
                await connection.execute(
                    self._sql["add_vectors"],
                    [row["number"] for row in rows],
                    self._embed.model,
                    [str(vector) for vector in vectors],
                )
            filled += len(rows)

    async def _add_one(
        self, connection: Any, work: Work, actor: Actor, *, shipped: bool
    ) -> tuple[Imported, Any]:
        parts = [piece for section in work.sections for piece in pieces(section)]
        digest = _digest(work)

        def became(outcome: str) -> Imported:
            return Imported(work.name, outcome, len(work.sections), len(parts))

        if shipped and await connection.fetchval(self._sql["shipped_and_withdrawn"], work.name):
            return became("withdrawn"), None
        before = await connection.fetchrow(self._sql["edition"], work.name, digest)
        if before is not None:
            if before["withdrawn_on"] is None:
                return became("unchanged"), before["id"]
            await connection.execute(self._sql["restore"], before["id"], actor.name, self._now())
            return became("restored"), before["id"]
        added = await connection.fetchval(
            self._sql["add_document"],
            work.name,
            work.title,
            work.kind,
            work.jurisdiction,
            work.effective,
            digest,
            shipped,
            actor.name,
            self._now(),
        )
        await connection.execute(
            self._sql["add_passages"],
            added,
            list(range(len(parts))),
            [piece.citation for piece in parts],
            [piece.section for piece in parts],
            [piece.heading for piece in parts],
            [piece.context for piece in parts],
            [piece.body for piece in parts],
        )
        await connection.execute(self._sql["index_passages"], added)
        await connection.execute(self._sql["order_editions"], work.name)
        return became("imported"), added


def _digest(work: Work) -> bytes:
    return hashlib.sha256(json.dumps(asdict(work), sort_keys=True, default=str).encode()).digest()


def _day(day: date | None) -> str | None:
    return day.isoformat() if day else None
