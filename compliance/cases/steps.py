"""One step of a case: its row held, what changes written, the event and the audit row beside it."""

import dataclasses
import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from compliance.audit.log import Entry, append
from compliance.cases.records import SEALED_REASON, SEALED_TEXT, By, Case, case_of
from compliance.cases.states import ARROWS, Event, State, rest
from compliance.ports import Seals, queries

_OF_A_STEP = (
    "state",
    "tier",
    "assignee",
    "disposition",
    "actions",
    "proposed_by",
    "decided_by",
    "approved_by",
)


class Steps:
    """The steps of one case in one transaction. Made by `begin`, which holds the case's row."""

    def __init__(self, connection: Any, seals: Seals | None, case: Case, by: By, now: datetime) -> None:
        self.case = case
        """As it stands now."""
        self.connection = connection
        self._seals = seals
        self._by = by
        self._now = now
        self._sql = queries("compliance.cases")

    @classmethod
    async def begin(
        cls, connection: Any, seals: Seals | None, case_id: UUID, by: By, now: datetime
    ) -> "Steps":
        """
        Hold the case until the transaction ends; without seals its names and texts stay where they are.

        Raises LookupError where there is none.
        """
        row = await connection.fetchrow(queries("compliance.cases")["lock_case"], case_id)
        if row is None:
            raise LookupError(f"there is no case {case_id.hex}")
        return cls(connection, seals, case_of(row, seals), by, now)

    async def take(
        self,
        event: Event,
        *,
        text: str = "",
        details: Mapping[str, Any] | None = None,
        also: Sequence[Entry] = (),
        **changes: Any,
    ) -> None:
        """A step, with what it changes of the case; `also` are audit rows of what it did elsewhere."""
        before = self.case
        after = before
        if changes:
            changes |= {"changed_by": self._by.actor.name, "changed_at": self._now}
            after = dataclasses.replace(before, **changes)
        assert after.state == before.state or after.state in ARROWS[before.state]
        if changes:
            await self._write(after, reason=after.reason if after.reason != before.reason else None)
        actor = self._by.actor
        await self.connection.execute(
            self._sql["add_event"],
            after.id,
            event.value,
            before.state.value,
            after.state.value,
            json.dumps(details or {}, sort_keys=True),
            self._sealed(SEALED_TEXT, text),
            actor.name,
            actor.role.value,
            self._by.correlation_id,
        )
        old, new = _differences(before, after)
        entry = Entry(
            actor.name,
            actor.role.value,
            f"case.{event}",
            f"case:{after.id.hex}",
            old,
            {**new, **(details or {})},
            self._by.correlation_id,
        )
        await append(self.connection, [entry, *also])
        self.case = after

    async def settle(self) -> None:
        """Go on to where a decided case rests."""
        case = self.case
        for state in rest(
            case.state,
            case.tier,
            awaited=case.forms_awaited,
            filed=case.forms_filed,
            approved=bool(case.approved_by),
        ):
            await self.take(Event.FILED if state == State.FILED else Event.CLOSED, state=state)

    def _sealed(self, name: str, text: str | None) -> bytes | None:
        if not text:
            return None
        assert self._seals is not None, "a step with a text is begun with seals"
        return self._seals.seal(name, text)

    async def _write(self, case: Case, reason: str | None) -> None:
        await self.connection.execute(
            self._sql["change_case"],
            case.id,
            case.state.value,
            case.assignee,
            None if case.disposition is None else case.disposition.value,
            [action.value for action in case.actions],
            self._sealed(SEALED_REASON, reason),
            case.proposed_by,
            case.decided_by,
            case.decided_at,
            case.approved_by,
            case.approved_at,
            list(case.forms_awaited),
            list(case.forms_filed),
            list(case.filings),
            case.due_at,
            case.reopened_at,
            case.changed_by,
            case.changed_at,
            reason is not None,
        )


def _differences(before: Case, after: Case) -> tuple[dict[str, Any], dict[str, Any]]:
    """What a step changed, old and new, as audit rows carry it."""
    changed = [name for name in _OF_A_STEP if getattr(before, name) != getattr(after, name)]
    return {name: getattr(before, name) for name in changed}, {name: getattr(after, name) for name in changed}
