"""Filings as PostgreSQL keeps them: sealed rows in, values out."""

import json
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Final
from uuid import UUID

from compliance.filings.content import Content, Form, Report, content_of
from compliance.filings.states import FilingError, State
from compliance.ports import Seals, queries

CONTENT: Final = "filings.content"
TROUBLES: Final = "filings.troubles"
REASON: Final = "filings.reason"
BATCH: Final = "filing_batches.content"
ROOM: Final = "compliance.filings"


@dataclass(frozen=True, slots=True)
class Filing:
    """A filing and where it stands."""

    id: UUID
    case_id: UUID
    form: Form
    report: Report
    follows: UUID | None
    state: State
    content: Content
    begins_on: date
    due_on: date
    authors: tuple[str, ...]
    approved_by: str
    batch_id: UUID | None
    filed_on: date | None
    bsa_id: str
    troubles: tuple[dict[str, Any], ...]  # what FinCEN says of it
    prepared_at: datetime
    changed_at: datetime

    @property
    def resource(self) -> str:
        """As the audit log names it."""
        return f"filing:{self.id.hex}"


def filing_of(seals: Seals, row: Any) -> Filing:
    """A row of `filings`."""
    form = Form(row["form"])
    return Filing(
        id=row["id"],
        case_id=row["case_id"],
        form=form,
        report=Report(row["report"]),
        follows=row["follows"],
        state=State(row["state"]),
        content=content_of(form, seals.unseal(CONTENT, row["content"])),
        begins_on=row["begins_on"],
        due_on=row["due_on"],
        authors=tuple(row["authors"]),
        approved_by=row["approved_by"],
        batch_id=row["batch_id"],
        filed_on=row["filed_on"],
        bsa_id=row["bsa_id"],
        troubles=tuple(json.loads(seals.unseal(TROUBLES, row["troubles"]))) if row["troubles"] else (),
        prepared_at=row["prepared_at"],
        changed_at=row["changed_at"],
    )


async def locked(connection: Any, seals: Seals, filing_id: UUID) -> Filing:
    """The filing, for whoever changes it. Raises FilingError where there is none."""
    row = await connection.fetchrow(queries(ROOM)["lock_filing"], filing_id)
    if row is None:
        raise FilingError(f"there is no filing {filing_id.hex}")
    return filing_of(seals, row)
