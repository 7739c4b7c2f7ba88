"""The audit log and retention of this home, put together from the settings."""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

from compliance.audit.checkpointer import Checkpointer
from compliance.audit.copies import Copies
from compliance.audit.retention import Periods, Retention
from compliance.audit.signing import Signer
from compliance.audit.upkeep import Chore, Upkeep, sealing
from compliance.audit.verify import verify_log
from compliance.roles import Actor, Role
from server.office.settings import OfficeSettings

RETENTION = Actor("retention", Role.ADMIN)
"""Who deletes by the clock: what is kept how long is the settings', which an admin makes."""


class Record(NamedTuple):
    """The log's key, its second place, who seals it, and who deletes."""

    signer: Signer
    copies: Copies
    checkpointer: Checkpointer
    retention: Retention


def record_at(home: Path, database: Any, settings: OfficeSettings) -> Record:
    """Opens the key, and makes it at first use. Raises compliance.audit.signing.AuditKeyError."""
    signer = Signer.open(home / "keys")
    copies = Copies(settings.checkpoints or home / "checkpoints")
    checkpointer = Checkpointer(database, signer, copies, _now)

    async def is_whole() -> bool:
        return not (await verify_log(database, copies, signer.public)).broken

    periods = Periods(
        transactions=timedelta(days=settings.transactions_days),
        analyses=timedelta(days=settings.analyses_days),
        audit=timedelta(days=settings.audit_days),
        temporary_analyses=timedelta(hours=settings.temporary_analyses_hours),
    )
    return Record(signer, copies, checkpointer, Retention(database, checkpointer, is_whole, periods, _now))


def upkeep_of(
    record: Record, settings: OfficeSettings, refresh_summary: Callable[[], Awaitable[None]]
) -> Upkeep:
    """What the worker does beside its reviews: `await upkeep.run()` in a task of its own."""

    async def delete() -> None:
        await record.retention.run(RETENTION)

    return Upkeep(
        [
            sealing(record.checkpointer, rows=settings.checkpoint_rows, every_s=settings.checkpoint_s),
            Chore("daily_summary", settings.summary_s, refresh_summary),
            Chore("retention", settings.retention_hours * 3_600, delete),
        ]
    )


def _now() -> datetime:
    return datetime.now(UTC)
