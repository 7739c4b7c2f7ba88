"""Approved filings into batch files, and FinCEN's answers back onto them."""

import json
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final, Protocol
from uuid import UUID, uuid4
from zoneinfo import ZoneInfo

from compliance.audit.log import Entry, append
from compliance.filings.acknowledgement import Acknowledgement, Answer, acknowledgement_of
from compliance.filings.bank import Bank
from compliance.filings.batch import ACTIVITIES_MAX, ctr_batch, sar_batch
from compliance.filings.blocked import blocked_text
from compliance.filings.content import BlockedProperty, Ctr, Form, Sar
from compliance.filings.outbox import write_new
from compliance.filings.schemas import Schemas
from compliance.filings.shelf import BATCH, ROOM, TROUBLES, Filing, filing_of
from compliance.filings.states import FilingError, State, Step, after
from compliance.filings.validation import validate
from compliance.ports import Database, Seals, queries
from compliance.roles import Actor, Permission, require

_FORM_CODES: Final = {Form.SAR: "SARX", Form.CTR: "CTRX"}
_FAULTS_TOLD: Final = 5


class Filed(Protocol):
    """Tells the case, in the caller's transaction, that a filing has gone out."""

    def __call__(
        self, connection: Any, case_id: UUID, filing_id: UUID, actor: Actor, now: datetime, form: Form
    ) -> Awaitable[None]: ...


@dataclass(frozen=True, slots=True)
class Exported:
    """What an export wrote, and what it left."""

    files: tuple[Path, ...]
    batches: tuple[UUID, ...]
    filings: tuple[UUID, ...]
    undecided: tuple[UUID, ...]  # approved, but nobody has decided their case


@dataclass(frozen=True, slots=True)
class Acknowledged:
    """What an acknowledgement said."""

    batch_id: UUID
    is_accepted: bool
    filings: tuple[Filing, ...]


class Dispatch:
    """Sends and hears. A batch is kept before its file is written: after a crash the next export writes the same one."""

    def __init__(
        self,
        database: Database,
        seals: Seals,
        bank: Bank,
        schemas: Schemas,
        zone: ZoneInfo,
        filed: Filed,
        now: Callable[[], datetime],
    ) -> None:
        self._database = database
        self._seals = seals
        self._bank = bank
        self._schemas = schemas
        self._zone = zone
        self._filed = filed
        self._now = now

    async def export(self, form: Form, folder: Path, actor: Actor) -> Exported:
        """
        Writes what is approved into `folder`: SARs and CTRs as one batch, blocked property as one text each.

        Raises FilingError where a batch does not validate, SchemaError where its schema is not installed, Denied.
        """
        require(actor, Permission.APPROVE_FILINGS)
        if form in _FORM_CODES:
            self._schemas.of(_FORM_CODES[form])
        sql = queries(ROOM)
        now = self._now()
        async with self._database.acquire() as connection, connection.transaction():
            rows = await connection.fetch(sql["approved_filings"], form, ACTIVITIES_MAX)
            undecided = [row["id"] for row in await connection.fetch(sql["undecided_filings"], form)]
            filings = [filing_of(self._seals, row) for row in rows]
            parts = [filings] if form in _FORM_CODES and filings else [[each] for each in filings]
            batches = [await self._send(connection, form, part, actor, now) for part in parts]
        files = await self._write(form, folder)
        return Exported(tuple(files), tuple(batches), tuple(each.id for each in filings), tuple(undecided))

    async def _send(
        self, connection: Any, form: Form, filings: Sequence[Filing], actor: Actor, now: datetime
    ) -> UUID:
        batch_id = uuid4()
        data = self._made(form, filings, now)
        day = now.astimezone(self._zone).date()
        suffix = "xml" if form in _FORM_CODES else "txt"
        name = f"{form.value}-{day:%Y%m%d}-{batch_id.hex[:12]}.{suffix}"
        sealed = self._seals.seal(BATCH, data.decode())
        sql = queries(ROOM)
        await connection.execute(
            sql["add_batch"], batch_id, form, name, len(filings), sealed, actor.name, now
        )
        for place, filing in enumerate(filings):
            after(filing.state, Step.EXPORT)
            await connection.execute(sql["export_filing"], filing.id, batch_id, place, day, actor.name, now)
            await self._filed(connection, filing.case_id, filing.id, actor, now, form)
        await append(
            connection,
            [
                Entry(
                    actor.name,
                    actor.role,
                    "filing.export",
                    each.resource,
                    old={"state": each.state},
                    new={"state": State.EXPORTED, "batch": batch_id.hex},
                )
                for each in filings
            ],
        )
        return batch_id

    def _made(self, form: Form, filings: Sequence[Filing], now: datetime) -> bytes:
        day = now.astimezone(self._zone).date()
        if form is Form.SAR:
            sars = [(each.id.hex[:25], each.content) for each in filings if isinstance(each.content, Sar)]
            data = sar_batch(sars, self._bank, day)
        elif form is Form.CTR:
            data = ctr_batch(
                [each.content for each in filings if isinstance(each.content, Ctr)], self._bank, day
            )
        else:
            content = filings[0].content
            assert isinstance(content, BlockedProperty)
            return blocked_text(content, self._bank, day).encode()
        _, faults = validate(data, self._schemas)
        if faults:
            told = "; ".join(f"{each.path}: {each.text}" for each in faults[:_FAULTS_TOLD])
            raise FilingError(f"the batch does not validate, nothing was exported: {told}")
        return data

    async def _write(self, form: Form, folder: Path) -> list[Path]:
        """The files of this form's batches that are not written yet, and of a run that was cut off."""
        sql = queries(ROOM)
        files = []
        async with self._database.acquire() as connection:
            for row in await connection.fetch(sql["unwritten_batches"], form):
                path = folder / row["file_name"]
                write_new(path, self._seals.unseal(BATCH, row["content"]).encode())
                await connection.execute(sql["batch_is_written"], row["id"], self._now())
                files.append(path)
        return files

    async def acknowledge(self, data: bytes, actor: Actor, batch_id: UUID | None = None) -> Acknowledged:
        """
        Reads FinCEN's answer to a batch; without its id, the only one that waits for an answer.

        Raises FilingError where it can't be that batch's, DocumentError where it can't be read, Denied.
        """
        require(actor, Permission.APPROVE_FILINGS)
        answer = acknowledgement_of(data)
        sql = queries(ROOM)
        now = self._now()
        async with self._database.acquire() as connection, connection.transaction():
            batch = await connection.fetchrow(sql["lock_batch"], batch_id or await self._waiting(connection))
            if batch is None:
                raise FilingError(f"there is no batch {batch_id.hex if batch_id else ''}")
            if batch["acknowledged_at"] is not None:
                raise FilingError(f"batch {batch['id'].hex} was acknowledged already")
            filings = [
                filing_of(self._seals, row)
                for row in await connection.fetch(sql["filings_of_batch"], batch["id"])
            ]
            answers = _answers(answer, len(filings))
            await connection.execute(
                sql["acknowledge_batch"], batch["id"], answer.is_accepted, actor.name, now
            )
            heard = [
                await self._hear(connection, filing, said, actor, now)
                for filing, said in zip(filings, answers, strict=True)
            ]
            rows = await connection.fetch(sql["filings_of_batch"], batch["id"])
            await append(connection, heard)
        return Acknowledged(
            batch["id"], answer.is_accepted, tuple(filing_of(self._seals, row) for row in rows)
        )

    async def _waiting(self, connection: Any) -> UUID:
        rows = await connection.fetch(queries(ROOM)["waiting_batches"])
        if len(rows) != 1:
            waiting = ", ".join(f"{row['id'].hex} ({row['file_name']})" for row in rows) or "none"
            raise FilingError(f"say which batch it answers; waiting for an answer: {waiting}")
        found: UUID = rows[0]["id"]
        return found

    async def _hear(
        self, connection: Any, filing: Filing, said: Answer, actor: Actor, now: datetime
    ) -> Entry:
        state = after(filing.state, Step.ACCEPT if said.bsa_id else Step.REJECT)
        troubles = json.dumps([each._asdict() for each in said.troubles])
        sealed = self._seals.seal(TROUBLES, troubles) if said.troubles else None
        await connection.execute(
            queries(ROOM)["answer_filing"], filing.id, state, said.bsa_id, sealed, actor.name, now
        )
        return Entry(
            actor.name,
            actor.role,
            "filing.acknowledge",
            filing.resource,
            old={"state": filing.state},
            new={"state": state, "bsa_id": said.bsa_id, "troubles": len(said.troubles)},
        )


def _answers(answer: Acknowledgement, count: int) -> Sequence[Answer]:
    """One answer for each report; of a batch refused as a whole, where none are told apart, the same for all."""
    if len(answer.answers) == count:
        return answer.answers
    if not answer.is_accepted:
        troubles = tuple(trouble for each in answer.answers for trouble in each.troubles)
        return [Answer("", troubles)] * count
    raise FilingError(
        f"it answers {len(answer.answers)} reports and the batch has {count}: it is another batch's"
    )
