"""Watching cases: streams that read what is new when a bell rings, without gaps."""

from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Any, Final

from compliance.cases.changes import AT_ONCE, Change, Position, changes_after
from compliance.cases.desk import CaseDesk
from compliance.cases.records import By
from compliance.cases.refusals import Refused
from compliance.cases.states import TELLING
from compliance.ports import Database
from compliance.roles import Permission, may
from holdfast.v1 import compliance_pb2 as pb
from server.front.compliance_asking import QUEUES, TIERS, words
from server.front.compliance_writing import case_message
from server.front.counter import open_token, refuse_bad, seal_token, stamp_of
from server.front.fields import Violation
from server.store.bell import Bell, wait_for

WATCHES_MAX: Final = 64
POLL_S: Final = 1.0
"""A step is read once nothing older is under way: where that takes long, nobody rings."""
_NUMBER_MAX: Final = (1 << 63) - 1


class Watches:
    """The watches of one service."""

    def __init__(self, database: Database, desk: CaseDesk, bell: Bell, now: Callable[[], datetime]) -> None:
        self._database = database
        self._desk = desk
        self._bell = bell
        self._now = now
        self._count = 0
        self._ended = False

    def end(self) -> None:
        """Each watch ends after what it is telling."""
        self._ended = True
        self._bell.ring()

    async def run(self, request: Any, by: By, write: Callable[[bytes], Awaitable[None]]) -> None:
        """One watch, until its client or the door ends it. Raises BadRequest, and Refused where there are too many."""
        bad: list[Violation] = []
        tiers = words("tiers", request.tiers, TIERS, bad)
        queues = words("queues", request.queues, QUEUES, bad)
        position = _position(request.resume_token, bad)
        refuse_bad(bad)
        if self._count >= WATCHES_MAX:
            raise Refused("TOO_MANY_WATCHES", f"{WATCHES_MAX} watches are open already: end one first")
        self._count += 1
        try:
            with self._bell.heard() as rung:
                if position is None:
                    async with self._database.acquire() as connection:
                        position = await Position.now(connection)
                await write(pb.WatchCasesResponse(resume_token=seal_token(*position)).SerializeToString())
                while not self._ended:
                    rung.clear()
                    async with self._database.acquire() as connection:
                        found = await changes_after(connection, position)
                    if found:
                        position = found[-1].position
                        await self._tell(found, by, set(tiers), set(queues), write)
                    if len(found) < AT_ONCE:
                        await wait_for(rung, POLL_S)
        finally:
            self._count -= 1

    async def _tell(
        self,
        found: list[Change],
        by: By,
        tiers: set[Any],
        queues: set[Any],
        write: Callable[[bytes], Awaitable[None]],
    ) -> None:
        if not may(by.actor, Permission.SEE_FILINGS):
            found = [change for change in found if change.event not in TELLING]
        cases = await self._desk.see(by, [change.case_id for change in found])
        for change in found:
            case = cases.get(change.case_id)
            if case is None or (tiers and case.tier not in tiers) or (queues and case.queue not in queues):
                continue
            answer = pb.WatchCasesResponse(
                case=case_message(case, self._now()),
                event=change.event,
                actor=change.actor,
                time=stamp_of(change.happened_at),
                resume_token=seal_token(*change.position),
            )
            await write(answer.SerializeToString())


def _position(token: str, bad: list[Violation]) -> Position | None:
    fresh: list[Violation] = []
    parts = open_token(token, 2, fresh)
    if fresh or (parts is not None and not all(0 <= part <= _NUMBER_MAX for part in parts)):
        bad.append(Violation("resume_token", "must be the resume_token of an answer, or absent"))
        return None
    return None if parts is None else Position(*parts)
