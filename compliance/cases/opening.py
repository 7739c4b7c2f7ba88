"""Cases opened: exactly one for one flagged transfer, however often it is asked for."""

import dataclasses
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Final
from uuid import UUID, uuid4, uuid5

from compliance.audit.log import Entry, append
from compliance.cases.clocks import ServiceLevels
from compliance.cases.states import Event
from compliance.facts import CASH, WIRES, Kind, Source, flagged_id_of
from compliance.ports import queries
from compliance.results import Duty, Tier
from compliance.roles import WORKER, Actor

SUMMARY_SIZE_MAX: Final = 1_000
_CASES: Final = UUID("6f7a0c5e-2b1d-5c58-9d1c-9a3c1f6f4f60")


@dataclass(frozen=True, slots=True)
class NewCase:
    """A case to be opened. `kind` is transfer, sanctions or by_hand; `money` how the money moves, for its queue."""

    flagged_id: UUID | None
    customer_number: int | None
    tier: Tier
    kind: str
    summary: str  # for people, one line, without personal data
    review_id: UUID | None
    duties: tuple[Duty, ...] = ()
    hits: bool = False  # a list was met
    source: Source | None = None
    source_id: UUID | None = None
    money: Kind | None = None
    is_news: bool = False  # more is known than when somebody may have decided: a decided case opens again

    @property
    def queue(self) -> str:
        """Where it waits."""
        if self.hits or self.kind == "sanctions":
            return "sanctions"
        if self.tier == Tier.HIGH:
            return "high"
        if self.kind == "by_hand":
            return "by_hand"
        if self.money in WIRES:
            return "wires"
        if self.money in CASH:
            return "cash"
        return "cards" if self.money == Kind.CARD else "transfers"

    @property
    def about(self) -> UUID | None:
        """The row of `flagged` that it is about."""
        if self.flagged_id is None and self.source is not None and self.source_id is not None:
            return flagged_id_of(self.source, self.source_id)
        return self.flagged_id


def case_id_of(flagged_id: UUID) -> UUID:
    """The id of the case of a flagged transfer: always the same."""
    return uuid5(_CASES, flagged_id.hex)


async def open_cases(
    connection: Any,
    cases: Sequence[NewCase],
    now: datetime,
    *,
    levels: ServiceLevels | None = None,
    actor: Actor = WORKER,
    correlation_id: str = "",
    ids: Sequence[UUID] | None = None,
) -> list[UUID]:
    """
    The ids of these cases, in order; those that there are not yet are opened, in the caller's transaction.

    A flagged transfer that has a case keeps it: a higher tier or one more duty raises it, nothing lowers it. One that
    somebody has decided opens again where its review is news, or has a form or a block that the decision didn't know of.
    `ids` are the ids of those that no flagged transfer gives one; fresh ones where they are not given.
    """
    if not cases:
        return []
    levels = levels or ServiceLevels()
    fresh = ids or [uuid4() for _ in cases]
    wanted = [
        own if case.about is None else case_id_of(case.about) for case, own in zip(cases, fresh, strict=True)
    ]
    sql = queries("compliance.cases")
    columns = [
        wanted,
        [case.about for case in cases],
        [case.review_id for case in cases],
        [case.kind for case in cases],
        [case.queue for case in cases],
        [case.tier.value for case in cases],
        ["" if case.source is None else case.source.value for case in cases],
        [case.source_id for case in cases],
        [case.customer_number for case in cases],
        [case.summary[:SUMMARY_SIZE_MAX] for case in cases],
        [duties_text(case.duties) for case in cases],
        [levels.due(case.tier, hits=case.queue == "sanctions", since=now) for case in cases],
    ]
    rows = await connection.fetch(sql["open_cases"], *columns, now, actor.name)
    opened = {row["id"] for row in rows}
    steps = [(row, Event.OPENED) for row in rows]
    if len(opened) < len(set(wanted)):
        told = [columns[i] for i in (0, 2, 4, 5, 10, 11)]
        raised = await connection.fetch(sql["raise_cases"], *told, list(opened), now, actor.name)
        news = [case.is_news for case in cases]
        again = await connection.fetch(sql["reopen_cases"], *told, news, now, actor.name)
        steps += [(row, Event.RAISED) for row in raised] + [(row, Event.REOPENED) for row in again]
    if steps:
        await connection.execute(
            sql["add_events"],
            [row["id"] for row, _ in steps],
            [event.value for _, event in steps],
            ["" if event == Event.OPENED else row["old_state"] for row, event in steps],
            [row["state"] for row, _ in steps],
            [json.dumps({"tier": row["tier"], "queue": row["queue"]}) for row, _ in steps],
            actor.name,
            actor.role.value,
            correlation_id,
        )
        await append(connection, [_entry(row, event, actor, correlation_id) for row, event in steps])
    return wanted


def duties_text(duties: Sequence[Duty]) -> str:
    """Duties as a case keeps them: JSON."""
    return json.dumps([dataclasses.asdict(duty) for duty in duties], default=_plain)


def _entry(row: Any, event: Event, actor: Actor, correlation_id: str) -> Entry:
    return Entry(
        actor.name,
        actor.role.value,
        f"case.{event}",
        f"case:{row['id'].hex}",
        old=None if event == Event.OPENED else {"tier": row["old_tier"], "state": row["old_state"]},
        new={
            "tier": row["tier"],
            "state": row["state"],
            "queue": row["queue"],
            "kind": row["kind"],
            "flagged": row["flagged_id"].hex if row["flagged_id"] else "",
        },
        correlation_id=correlation_id,
    )


def _plain(value: Any) -> str:
    if isinstance(value, date):
        return value.isoformat()
    raise TypeError(f"{type(value).__name__} has no place in a duty")
