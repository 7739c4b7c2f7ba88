"""
Errors that a consumer told of (12 CFR 1005.11): opened, credited, resolved, each change on record; clocks are shown.

open → error_found   corrected within a business day
open → no_error      explained; a provisional credit is taken back, with notice
open → withdrawn     the consumer takes it back
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import date, timedelta
from enum import StrEnum
from typing import Any, Final
from uuid import UUID, uuid4

from compliance.audit.log import Entry, append
from compliance.ports import Database, queries
from compliance.roles import Actor, Permission, require
from compliance.rules.regulation_e import (
    Clocks,
    Liability,
    Loss,
    Notice,
    clocks,
    credit_notices,
    liability,
    result_notices,
)

TEXT_MAX: Final = 1_000
MINOR_MAX: Final = 10**12
_AGES_MAX: Final = timedelta(days=3_650)


class DisputeKind(StrEnum):
    """What the consumer says."""

    UNAUTHORIZED = "unauthorized"  # he did not do it: 1005.2(m)
    ERROR = "error"  # wrong amount, missing, not on the statement: 1005.11(a)


class DisputeState(StrEnum):
    """Drawn above."""

    OPEN = "open"
    ERROR_FOUND = "error_found"
    NO_ERROR = "no_error"
    WITHDRAWN = "withdrawn"


class DisputeError(ValueError):
    """What can't be done, with the field and what is allowed."""


@dataclass(frozen=True, slots=True)
class Told:
    """What a consumer told. Amounts in US cents."""

    account_number: int
    kind: DisputeKind
    loss: Loss
    first_on: date
    noticed_on: date
    reason: str
    source_id: UUID | None = None
    learned_on: date | None = None
    statement_on: date | None = None
    device: bool = False
    is_new_account: bool = False
    is_extended: bool = False


@dataclass(frozen=True, slots=True)
class Dispute:
    """One of them, and how far it is."""

    id: UUID
    told: Told
    state: DisputeState
    credited_minor: int
    credited_on: date | None
    resolved_on: date | None
    liability_minor: int | None  # what the consumer bears, once it is resolved
    resolution: str
    changed_by: str

    @property
    def clocks(self) -> Clocks:
        """By when what is due."""
        return clocks(
            self.told.noticed_on,
            statement_on=self.told.statement_on,
            new_account=self.told.is_new_account,
            extended=self.told.is_extended,
            credited_on=self.credited_on,
        )

    @property
    def liability(self) -> Liability:
        """What the consumer bears at most. An error that is nobody's theft costs him nothing."""
        told = self.told
        if told.kind == DisputeKind.ERROR:
            return Liability(0, "12 CFR 1005.11(c)", "an error is corrected: the consumer bears nothing")
        return liability(
            told.loss,
            noticed_on=told.noticed_on,
            learned_on=told.learned_on,
            statement_on=told.statement_on,
            device=told.device,
        )

    @property
    def notices(self) -> tuple[Notice, ...]:
        """What the consumer is told or given, and by when."""
        found = credit_notices(self.credited_on) if self.credited_on else ()
        if self.resolved_on is None or self.state == DisputeState.WITHDRAWN:
            return found
        return found + result_notices(
            self.resolved_on,
            error_found=self.state == DisputeState.ERROR_FOUND,
            credited=self.credited_on is not None,
        )

    @property
    def next_due(self) -> tuple[date, str] | None:
        """What an open one asks for next, and by when; None where no clock runs."""
        if self.state != DisputeState.OPEN or not self.clocks.is_timely:
            return None
        if self.credited_on is None or self.credited_on > self.clocks.investigate_due:
            return self.clocks.investigate_due, "resolve it, or credit provisionally"
        return self.clocks.resolve_due, "resolve it"


def checked(told: Told, today: date) -> Told:
    """As given. Raises DisputeError that names the field and what is allowed."""
    amounts = (told.loss.until_2_days, told.loss.until_60_days, told.loss.after_60_days)
    if min(amounts) < 0 or not 0 < sum(amounts) <= MINOR_MAX:
        raise DisputeError("amount: over 0 and at most 10,000,000,000.00, no part of it under 0")
    if not 1 <= len(told.reason.strip()) <= TEXT_MAX:
        raise DisputeError(f"reason: 1 to {TEXT_MAX} characters")
    for name, day in (
        ("noticed", told.noticed_on),
        ("learned", told.learned_on),
        ("statement", told.statement_on),
    ):
        if day is not None and not told.first_on <= day <= today:
            raise DisputeError(f"{name}: from the day of the transfer, {told.first_on}, to today, {today}")
    if told.first_on < today - _AGES_MAX:
        raise DisputeError(f"first: not before {today - _AGES_MAX}")
    if told.learned_on is not None and told.learned_on > told.noticed_on:
        raise DisputeError(f"learned: at the latest on the day of notice, {told.noticed_on}")
    if told.loss.after_60_days and told.statement_on is None:
        raise DisputeError("statement: the day it was sent, where amounts came 60 days after it")
    return told


async def open_dispute(database: Database, told: Told, actor: Actor, today: date) -> Dispute:
    """Keep what a consumer told. Raises DisputeError, Denied."""
    require(actor, Permission.WORK_CASES)
    checked(told, today)
    sql = queries("compliance.rules")
    identifier = uuid4()
    async with database.acquire() as connection, connection.transaction():
        if not await connection.fetchval(sql["has_account"], told.account_number):
            raise DisputeError(f"account: there is no account {told.account_number}")
        await connection.execute(
            sql["open_dispute"],
            identifier,
            told.account_number,
            told.source_id,
            told.kind,
            told.device,
            told.loss.until_2_days,
            told.loss.until_60_days,
            told.loss.after_60_days,
            told.first_on,
            told.noticed_on,
            told.learned_on,
            told.statement_on,
            told.is_new_account,
            told.is_extended,
            told.reason.strip(),
            actor.name,
        )
        opened = _dispute(await connection.fetchrow(sql["dispute"], identifier))
        await _note(connection, actor, "dispute.open", identifier, None, _shown(opened))
    return opened


async def credit_dispute(
    database: Database, identifier: UUID, amount_minor: int, on: date, actor: Actor
) -> Dispute:
    """Note a provisional credit, 12 CFR 1005.11(c)(2)(i): once. Raises DisputeError, Denied."""
    require(actor, Permission.WORK_CASES)
    sql = queries("compliance.rules")
    async with database.acquire() as connection, connection.transaction():
        before = await _locked(connection, identifier)
        if before.credited_on is not None:
            raise DisputeError(f"it was credited on {before.credited_on}")
        if not 0 < amount_minor <= _total(before.told.loss):
            raise DisputeError(f"amount: over 0, at most the {_total(before.told.loss)} cents in dispute")
        if on < before.told.noticed_on:
            raise DisputeError(f"on: from the day of notice on, {before.told.noticed_on}")
        await connection.execute(sql["credit_dispute"], identifier, amount_minor, on, actor.name)
        after = _dispute(await connection.fetchrow(sql["dispute"], identifier))
        await _note(connection, actor, "dispute.credit", identifier, _shown(before), _shown(after))
    return after


async def resolve_dispute(  # the fields of a decision
    database: Database,
    identifier: UUID,
    state: DisputeState,
    on: date,
    reason: str,
    actor: Actor,
    liability_minor: int | None = None,
) -> Dispute:
    """
    Decide it. Where an unauthorized transfer is found, the consumer bears `liability_minor`, by default as much as the
    law lets him bear, never more. Raises DisputeError, Denied.
    """
    require(actor, Permission.DECIDE)
    if state == DisputeState.OPEN:
        raise DisputeError("state: error_found, no_error or withdrawn")
    if not 1 <= len(reason.strip()) <= TEXT_MAX:
        raise DisputeError(f"reason: 1 to {TEXT_MAX} characters")
    sql = queries("compliance.rules")
    async with database.acquire() as connection, connection.transaction():
        before = await _locked(connection, identifier)
        if on < before.told.noticed_on:
            raise DisputeError(f"on: from the day of notice on, {before.told.noticed_on}")
        most = before.liability.usd_minor if state == DisputeState.ERROR_FOUND else _total(before.told.loss)
        bears = most if liability_minor is None else liability_minor
        if not 0 <= bears <= most:
            raise DisputeError(f"liability: 0 to {most} cents ({before.liability.citation})")
        await connection.execute(
            sql["resolve_dispute"], identifier, state, on, bears, reason.strip(), actor.name
        )
        after = _dispute(await connection.fetchrow(sql["dispute"], identifier))
        await _note(connection, actor, f"dispute.{state}", identifier, _shown(before), _shown(after))
    return after


async def dispute(database: Database, identifier: UUID) -> Dispute:
    """One. Raises DisputeError where there is none."""
    async with database.acquire() as connection:
        row = await connection.fetchrow(queries("compliance.rules")["dispute"], identifier)
    if row is None:
        raise DisputeError(f"there is no dispute {identifier.hex}")
    return _dispute(row)


async def disputes(database: Database, state: DisputeState | None, count_max: int) -> list[Dispute]:
    """Those of a state, or all: open ones first."""
    async with database.acquire() as connection:
        rows = await connection.fetch(queries("compliance.rules")["disputes"], state, count_max)
    return [_dispute(row) for row in rows]


async def _locked(connection: Any, identifier: UUID) -> Dispute:
    row = await connection.fetchrow(queries("compliance.rules")["lock_dispute"], identifier)
    if row is None:
        raise DisputeError(f"there is no dispute {identifier.hex}")
    found = _dispute(row)
    if found.state != DisputeState.OPEN:
        raise DisputeError(f"it was resolved on {found.resolved_on}: {found.state}")
    return found


def _dispute(row: Mapping[str, Any]) -> Dispute:
    loss = Loss(row["until_2_days_minor"], row["until_60_days_minor"], row["after_60_days_minor"])
    plain = {f.name: row[f.name] for f in fields(Told) if f.name not in {"kind", "loss"}}
    told = Told(kind=DisputeKind(row["kind"]), loss=loss, **plain)
    own = {f.name: row[f.name] for f in fields(Dispute) if f.name not in {"told", "state"}}
    return Dispute(told=told, state=DisputeState(row["state"]), **own)


def _total(loss: Loss) -> int:
    return loss.until_2_days + loss.until_60_days + loss.after_60_days


def _shown(found: Dispute) -> dict[str, Any]:
    """What an audit row tells: states, amounts and days."""
    return {
        "state": found.state.value,
        "kind": found.told.kind.value,
        "account": found.told.account_number,
        "amount_usd_minor": _total(found.told.loss),
        "noticed_on": found.told.noticed_on.isoformat(),
        "credited_minor": found.credited_minor,
        "liability_minor": found.liability_minor,
    }


async def _note(
    connection: Any,
    actor: Actor,
    action: str,
    identifier: UUID,
    old: Mapping[str, Any] | None,
    new: Mapping[str, Any],
) -> None:
    await append(connection, [Entry(actor.name, actor.role, action, f"dispute:{identifier.hex}", old, new)])
