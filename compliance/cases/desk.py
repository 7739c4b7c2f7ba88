"""The desk: what people do with cases. Each call is one transaction: all of it happens, with its audit rows, or nothing."""

import base64
import contextlib
import hashlib
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID, uuid4, uuid5

from compliance.cases.acting import act
from compliance.cases.clocks import ServiceLevels
from compliance.cases.opening import NewCase, open_cases
from compliance.cases.reading import NEEDS, CaseReader
from compliance.cases.records import (
    SEALED_CONTENT,
    SEALED_NAME,
    By,
    Case,
    Evidence,
    Mask,
    evidence_of,
)
from compliance.cases.refusals import Refused, Unfit
from compliance.cases.states import (
    LETS_GO,
    UNDECIDED,
    Action,
    Disposition,
    Event,
    State,
    contradictions,
    forms,
)
from compliance.cases.steps import Steps
from compliance.facts import Source
from compliance.ports import Database, Seals
from compliance.results import DutyKind, Tier
from compliance.roles import GRANTS, Actor, Permission, Role, may, require

EVIDENCE_BYTES_MAX: Final = 512 * 1024
EVIDENCE_COUNT_MAX: Final = 100
_BY_HAND: Final = UUID("a7f0a0a5-8a0e-5f0d-9e55-3e0f2f3c8d10")


@dataclass(frozen=True, slots=True)
class ByHand:
    """A case that somebody opens. `key` tells it from his others: the same key again is the same case."""

    key: str
    summary: str
    tier: Tier
    reason: str = ""
    source: Source | None = None
    source_id: UUID | None = None
    customer_number: int | None = None


class CaseDesk(CaseReader):
    """
    What can be done with cases. `people` are those whom a case can be given to; empty = anybody.

    Everything raises Denied where the actor may not, LookupError where there is no such case, Unfit for a field that
    can't be taken, and Refused where it can't be done as things stand.
    """

    def __init__(
        self,
        database: Database,
        seals: Seals,
        now: Callable[[], datetime],
        *,
        mask: Mask,
        levels: ServiceLevels | None = None,
        people: Mapping[str, Role] | None = None,
    ) -> None:
        super().__init__(database, seals, now, mask=mask)
        self._levels = levels or ServiceLevels()
        self._people = people or {}

    async def open(self, by: By, wanted: ByHand) -> Case:
        """Open a case by hand; what is about a transaction that has a case is that case."""
        require(by.actor, NEEDS["open"])
        now = self._now()
        async with self._database.acquire() as connection, connection.transaction():
            customer = await self._customer(connection, wanted)
            new = NewCase(
                None,
                customer,
                wanted.tier,
                "by_hand",
                wanted.summary,
                None,
                source=wanted.source,
                source_id=wanted.source_id,
            )
            own = uuid5(_BY_HAND, f"{by.actor.name}:{wanted.key}")
            (case_id,) = await open_cases(
                connection,
                [new],
                now,
                levels=self._levels,
                actor=by.actor,
                correlation_id=by.correlation_id,
                ids=[own],
            )
            steps = await Steps.begin(connection, self._seals, case_id, by, now)
            if wanted.reason and await connection.fetchval(self._sql["count_steps"], case_id) == 1:
                await steps.take(Event.COMMENTED, text=wanted.reason)
        return self._shown(by, steps.case)

    async def assign(self, by: By, case_id: UUID, assignee: str) -> Case:
        """Give a case to somebody, or take it; empty = oneself. It stays escalated where it is."""
        require(by.actor, NEEDS["assign"])
        name = assignee or by.actor.name
        role = self._people.get(name)
        if self._people and (role is None or Permission.WORK_CASES not in GRANTS[role]):
            able = sorted(who for who, has in self._people.items() if Permission.WORK_CASES in GRANTS[has])
            raise Unfit("assignee", f"must be one of {', '.join(able) or 'nobody: no role works cases'}")
        async with self._step(by, case_id) as steps:
            case = steps.case
            if case.state not in UNDECIDED:
                raise Refused("ALREADY_DECIDED", f"{_standing(case)}: reopen it first")
            if case.assignee != name:
                state = State.ESCALATED if case.state == State.ESCALATED else State.ASSIGNED
                await steps.take(Event.ASSIGNED, details={"to": name}, state=state, assignee=name)
        return self._shown(by, steps.case)

    async def comment(self, by: By, case_id: UUID, text: str) -> Case:
        """Say something about a case, in any state; its assignee has begun to look at it."""
        require(by.actor, NEEDS["comment"])
        async with self._step(by, case_id) as steps:
            await steps.take(Event.COMMENTED, text=text, **_begun(steps.case, by.actor))
        return self._shown(by, steps.case)

    async def add_evidence(self, by: By, case_id: UUID, name: str, content: bytes) -> tuple[Case, Evidence]:
        """Lay a file or a text to a case; the same content again changes nothing."""
        require(by.actor, NEEDS["add_evidence"])
        if not 0 < len(content) <= EVIDENCE_BYTES_MAX:
            raise Unfit("content", f"must be 1 to {EVIDENCE_BYTES_MAX} bytes, got {len(content)}")
        sha256 = hashlib.sha256(content).digest()
        async with self._step(by, case_id) as steps:
            connection = steps.connection
            known = {
                row["sha256"]: row for row in await connection.fetch(self._sql["case_evidence"], case_id)
            }
            if sha256 not in known:
                if len(known) >= EVIDENCE_COUNT_MAX:
                    raise Refused(
                        "TOO_MUCH_EVIDENCE", f"a case takes {EVIDENCE_COUNT_MAX} pieces at the most"
                    )
                piece = Evidence(uuid4(), name, sha256, len(content), by.actor.name, self._now())
                await connection.execute(
                    self._sql["add_evidence"],
                    piece.id,
                    case_id,
                    self._seals.seal(SEALED_NAME, name),
                    sha256,
                    piece.size,
                    self._seals.seal(SEALED_CONTENT, base64.b64encode(content).decode()),
                    piece.added_by,
                    piece.added_at,
                )
                details = {"evidence": piece.id.hex, "sha256": sha256.hex(), "size": piece.size}
                await steps.take(Event.EVIDENCE, details=details, **_begun(steps.case, by.actor))
            else:
                piece = evidence_of(known[sha256], self._seals)
        return self._shown(by, steps.case), piece

    async def escalate(self, by: By, case_id: UUID, reason: str) -> Case:
        """Put a case before those who decide; one that is there stays there."""
        require(by.actor, NEEDS["escalate"])
        async with self._step(by, case_id) as steps:
            if steps.case.state not in UNDECIDED:
                raise Refused("ALREADY_DECIDED", f"{_standing(steps.case)}: reopen it first")
            if steps.case.state != State.ESCALATED:
                await steps.take(Event.ESCALATED, text=reason, state=State.ESCALATED)
        return self._shown(by, steps.case)

    async def decide(
        self, by: By, case_id: UUID, disposition: Disposition, actions: Sequence[Action], reason: str
    ) -> Case:
        """
        Decide a case: the first decision counts, the same one by the same person again changes nothing.

        What it does is done in the same transaction. It waits as a proposal where the actor only works cases, and where
        it lets go of what the rules want blocked.
        """
        require(by.actor, NEEDS["decide"])
        wanted = tuple(sorted(set(actions)))
        if wrong := contradictions(disposition, wanted):
            raise Unfit("actions", "; ".join(wrong))
        async with self._step(by, case_id) as steps:
            case = steps.case
            same = (case.disposition, case.actions) == (disposition, wanted)
            if case.state not in UNDECIDED:
                if not (same and case.decided_by == by.actor.name):
                    raise Refused("ALREADY_DECIDED", _standing(case))
            elif not may(by.actor, Permission.DECIDE) or (
                LETS_GO.intersection(wanted) and await self._stays_blocked(steps)
            ):
                if not (same and case.proposed_by == by.actor.name):
                    await self._propose(steps, by, disposition, wanted, reason)
            else:
                await self._carry_out(
                    steps, by, disposition, wanted, Event.DECIDED, text=reason, reason=reason
                )
        return self._shown(by, steps.case)

    async def approve(self, by: By, case_id: UUID, reason: str, *, agrees: bool = True) -> Case:
        """
        The second pair of eyes: carries out what somebody else proposed, or returns it; or closes what somebody else
        decided. What the same person approved already stays so.
        """
        require(by.actor, NEEDS["approve"])
        name = by.actor.name
        async with self._step(by, case_id) as steps:
            case = steps.case
            first = case.proposed_by or case.decided_by
            if not first:
                raise Refused(
                    "NOTHING_TO_APPROVE", f"{_standing(case)}: nobody has decided or proposed anything"
                )
            if name == first:
                raise Refused("SAME_PERSON", f"{first} can't be the second pair of eyes too")
            if case.proposed_by and agrees:
                assert case.disposition is not None
                await self._carry_out(
                    steps, by, case.disposition, case.actions, Event.APPROVED, text=reason,
                    decided_by=first, proposed_by="", approved_by=name, approved_at=self._now(),
                )  # fmt: skip
            elif case.proposed_by:
                await steps.take(
                    Event.RETURNED, text=reason, disposition=None, actions=(), reason="", proposed_by=""
                )
            elif not agrees:
                raise Refused("ALREADY_DECIDED", f"{_standing(case)}: reopen it to decide otherwise")
            elif not case.approved_by:
                if case.state == State.CLOSED:
                    raise Refused("NOTHING_TO_APPROVE", f"{_standing(case)}: it needed nobody else")
                await steps.take(Event.APPROVED, text=reason, approved_by=name, approved_at=self._now())
                await steps.settle()
            elif case.approved_by != name:
                raise Refused("ALREADY_APPROVED", f"case {case_id.hex} was approved by {case.approved_by}")
        return self._shown(by, steps.case)

    async def reopen(self, by: By, case_id: UUID, reason: str) -> Case:
        """Take a decided case up again: its clock starts anew, what was done stays done, what was filed stays filed."""
        require(by.actor, NEEDS["reopen"])
        now = self._now()
        async with self._step(by, case_id) as steps:
            case = steps.case
            if case.state in UNDECIDED:
                if case.reopened_at is None:
                    raise Refused("NOT_DECIDED", f"{_standing(case)}: there is nothing to reopen")
            else:
                await steps.take(
                    Event.REOPENED, text=reason, state=State.OPEN, assignee="", disposition=None, actions=(), reason="",
                    decided_by="", decided_at=None, approved_by="", approved_at=None, forms_awaited=(), reopened_at=now,
                    due_at=self._levels.due(case.tier, hits=case.queue == "sanctions", since=now),
                )  # fmt: skip
        return self._shown(by, steps.case)

    async def _stays_blocked(self, steps: Steps) -> bool:
        """Whether the rules want blocked what the case is about: by this case, by another one, or by a list."""
        case = steps.case
        if DutyKind.BLOCK in case.duty_kinds:
            return True
        return bool(
            await steps.connection.fetchval(self._sql["has_to_stay_blocked"], case.customer_number, case.id)
        )

    async def _propose(
        self, steps: Steps, by: By, disposition: Disposition, actions: tuple[Action, ...], reason: str
    ) -> None:
        await steps.take(
            Event.PROPOSED,
            text=reason,
            state=State.ESCALATED,
            disposition=disposition,
            actions=actions,
            reason=reason,
            proposed_by=by.actor.name,
        )

    async def _carry_out(
        self,
        steps: Steps,
        by: By,
        disposition: Disposition,
        actions: tuple[Action, ...],
        event: Event,
        *,
        text: str,
        **changes: Any,
    ) -> None:
        """Do it, and note it."""
        now = self._now()
        done = await act(steps.connection, steps.case, actions, by, now)
        await steps.take(
            event,
            text=text,
            also=done,
            **{
                "state": State.DECIDED,
                "disposition": disposition,
                "actions": actions,
                "decided_by": by.actor.name,
                "proposed_by": "",
                "decided_at": now,
                "forms_awaited": tuple(forms(disposition, steps.case.duty_kinds)),
                **changes,
            },
        )
        await steps.settle()

    async def _customer(self, connection: Any, wanted: ByHand) -> int | None:
        """Whose case it is. Raises Unfit where the transaction, or the customer, is not there."""
        number = wanted.customer_number
        if wanted.source is not None:
            holder = await connection.fetchval(self._sql["holder_of"], wanted.source.value, wanted.source_id)
            if holder is None:
                raise Unfit("source_id", f"there is no such {wanted.source}")
            if number not in {None, holder}:
                raise Unfit("customer_number", f"the {wanted.source} is customer {holder}'s")
            return int(holder)
        if number is not None and not await connection.fetchval(self._sql["has_customer"], number):
            raise Unfit("customer_number", f"there is no customer {number}")
        return number

    @contextlib.asynccontextmanager
    async def _step(self, by: By, case_id: UUID) -> AsyncIterator[Steps]:
        """The case's row, held for one transaction."""
        async with self._database.acquire() as connection, connection.transaction():
            yield await Steps.begin(connection, self._seals, case_id, by, self._now())


def _begun(case: Case, actor: Actor) -> dict[str, Any]:
    """What the first comment or evidence of its assignee changes."""
    if case.state == State.ASSIGNED and case.assignee == actor.name:
        return {"state": State.IN_REVIEW}
    return {}


def _standing(case: Case) -> str:
    """How it stands, for people."""
    if case.decided_by:
        return f"case {case.id.hex} was decided by {case.decided_by}: {case.disposition}"
    return f"case {case.id.hex} is {case.state}"
