"""Legal holds: placed, lifted, listed. What they hold back is in retention's queries."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Final
from uuid import UUID, uuid4

from compliance.audit.log import Entry, append
from compliance.ports import queries
from compliance.roles import Actor, Permission, require

REASON_LENGTH_MAX: Final = 500


class HoldError(Exception):
    """What a hold can't be placed on, or lifted for; the message names the field and what is allowed."""


class Scope(StrEnum):
    """What is held, with all that belongs to it."""

    CUSTOMER = "customer"
    CASE = "case"
    TRANSFER = "transfer"
    AUTHORIZATION = "authorization"


@dataclass(frozen=True, slots=True)
class Hold:
    """A hold as it stands, or stood."""

    id: UUID
    scope: Scope
    reference: str
    reason: str
    until: datetime | None
    placed_by: str
    placed_at: datetime
    lifted_by: str
    lifted_at: datetime | None
    lift_reason: str

    def stands(self, at: datetime) -> bool:
        """Whether it holds anything then."""
        return self.lifted_at is None and (self.until is None or self.until > at)


async def place(
    connection: Any,
    scope: str,
    reference: str,
    *,
    reason: str,
    until: datetime | None,
    actor: Actor,
    now: datetime,
) -> Hold:
    """
    Holds what `reference` names, in the caller's transaction, until then, or until it is lifted.

    Where a hold on the same already stands, it is lifted for the new one. Raises HoldError, Denied.
    """
    require(actor, Permission.ADMINISTER)
    found, name = _named(scope, reference)
    reason = _reason(reason)
    if until is not None and until <= now:
        raise HoldError(f"until: {until:%Y-%m-%d %H:%M} is over; say a later time, or none")
    sql = queries("compliance.audit")
    number, identifier = (int(name), None) if found is Scope.CUSTOMER else (None, UUID(name))
    if not await connection.fetchval(sql["holdable"], found.value, number, identifier):
        raise HoldError(f"reference: there is no {found} {name}")
    for older in await connection.fetch(sql["standing_hold"], found.value, name):
        await _lift(connection, older["id"], "a new hold takes its place", actor, now)
    record = await connection.fetchrow(
        sql["place_hold"], uuid4(), found.value, name, reason, until, actor.name, now
    )
    hold = _hold(record)
    await append(
        connection,
        [
            Entry(
                actor.name,
                actor.role,
                "hold.place",
                f"{found}:{name}",
                new={
                    "hold": hold.id.hex,
                    "reason": reason,
                    "until": None if until is None else until.isoformat(),
                },
            )
        ],
    )
    return hold


async def lift(connection: Any, hold_id: UUID, *, reason: str, actor: Actor, now: datetime) -> Hold:
    """Lifts a hold in the caller's transaction. Raises HoldError, Denied."""
    require(actor, Permission.ADMINISTER)
    return await _lift(connection, hold_id, _reason(reason), actor, now)


async def listed(connection: Any, *, all_of_them: bool = False) -> Sequence[Hold]:
    """Holds that were not lifted, or all, the newest first."""
    return [_hold(row) for row in await connection.fetch(queries("compliance.audit")["holds"], all_of_them)]


async def _lift(connection: Any, hold_id: UUID, reason: str, actor: Actor, now: datetime) -> Hold:
    record = await connection.fetchrow(
        queries("compliance.audit")["lift_hold"], hold_id, actor.name, now, reason
    )
    if record is None:
        raise HoldError(f"hold: {hold_id.hex} is none that stands; see `holdfast retention list`")
    hold = _hold(record)
    await append(
        connection,
        [
            Entry(
                actor.name,
                actor.role,
                "hold.lift",
                f"{hold.scope}:{hold.reference}",
                old={"hold": hold.id.hex},
                new={"reason": reason},
            )
        ],
    )
    return hold


def _named(scope: str, reference: str) -> tuple[Scope, str]:
    try:
        found = Scope(scope)
    except ValueError as error:
        raise HoldError(f"scope: one of {', '.join(Scope)}, not {scope!r}") from error
    try:
        name = str(int(reference)) if found is Scope.CUSTOMER else UUID(reference).hex
    except ValueError as error:
        wanted = "a customer's number" if found is Scope.CUSTOMER else "32 hexadecimal digits"
        raise HoldError(f"reference: {wanted}, not {reference!r}") from error
    if found is Scope.CUSTOMER and not 0 <= int(name) < 2**31:
        raise HoldError(f"reference: a customer's number, not {reference!r}")
    return found, name


def _reason(text: str) -> str:
    text = text.strip()
    if not text or len(text) > REASON_LENGTH_MAX:
        raise HoldError(f"reason: 1 to {REASON_LENGTH_MAX} characters")
    return text


def _hold(record: Any) -> Hold:
    return Hold(**{**record, "scope": Scope(record["scope"])})
