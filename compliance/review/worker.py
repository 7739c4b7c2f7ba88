"""
The worker: takes in, claims, reviews, keeps. Several may run, in one process or in many.

What a batch holds is kept in one transaction. A batch that fails is reviewed one by one, so that a poisoned item goes
back alone; while PostgreSQL is away nothing is tried, and what was claimed is claimed again after its lease.
"""

import asyncio
import contextlib
import time
import traceback
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final
from uuid import UUID

import structlog

from compliance.audit.log import Entry, append
from compliance.facts import Dossier
from compliance.ports import Database, queries
from compliance.review import queue as queues
from compliance.review.counters import Counters
from compliance.review.enrichment import Enricher, Unknown
from compliance.review.intake import Intake
from compliance.review.kept import Keeper
from compliance.review.queue import Claim, Queue
from compliance.review.reviewer import Reviewed, Reviewer
from compliance.roles import WORKER

POLL_S: Final = 0.25
"""Work is looked for this often although none was announced."""

RESCUE_EVERY_S: Final = 5.0
GIVE_BACK_TIMEOUT_S: Final = 5.0
RETRY_S: Final = (0.05, 0.1, 0.2, 0.5, 1.0)
"""Pauses before the next try while PostgreSQL is away; the last one repeats."""

_log = structlog.get_logger("compliance")


@dataclass(frozen=True, slots=True)
class Pace:
    """How a worker works."""

    batch_max: int = 64  # reviews in one transaction
    hands: int = 2  # batches under way at once: while one waits for PostgreSQL, or an LLM, another goes on
    lease: timedelta = timedelta(seconds=60)
    rest_s: float = 0.0  # after each batch: leaves the machine to others


class Worker:
    """One process's worker. `holder` names it and no other process, not even this one's next start."""

    def __init__(
        self,
        database: Database,
        keeper: Keeper,
        intake: Intake,
        enricher: Enricher,
        reviewer: Reviewer,
        counters: Counters,
        now: Callable[[], datetime],
        away: tuple[type[Exception], ...],
        holder: str,
        pace: Pace,
    ) -> None:
        self._database = database
        self._keeper = keeper
        self._intake = intake
        self._enricher = enricher
        self._reviewer = reviewer
        self._counters = counters
        self._now = now
        self._away = away
        self._queue = Queue(holder, pace.lease)
        self._pace = pace
        self._held: set[UUID] = set()
        self._lost: set[UUID] = set()  # claimed, and PostgreSQL went away: perhaps kept, perhaps not
        self._bells = [asyncio.Event() for _ in range(pace.hands)]
        self.trouble = ""
        """Why PostgreSQL can't be worked with at present; empty while it can."""

    async def run(self) -> None:
        """Works until it is cancelled; then what is under way goes back to the queue."""
        works = (
            self._keep_trying(self._listen),
            self._keep_trying(self._take_in),
            self._keep_trying(self._look_after),
            *(self._keep_trying(self._hand, number) for number in range(self._pace.hands)),
        )
        tasks = [asyncio.ensure_future(work) for work in works]
        try:
            await asyncio.gather(*tasks)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await self._give_back()

    async def turn(self) -> int:
        """Claims one batch, reviews and keeps it; how many it claimed. What fails is noted with the queue."""
        async with self._unhurried() as connection:
            claims = await self._queue.claim(connection, self._pace.batch_max)
        if not claims:
            return 0
        ids = {claim.id for claim in claims}
        self._held |= ids
        began = time.perf_counter()
        try:
            await self._review(claims, began)
        except self._away:
            self._held -= ids
            self._lost |= ids
            raise
        self._held -= ids  # where this is cancelled they stay: `run` gives them back
        return len(claims)

    @contextlib.asynccontextmanager
    async def _unhurried(self) -> AsyncIterator[Any]:
        """
        A transaction whose commit doesn't wait for the disk, which is the answers'.

        Where PostgreSQL dies within the next second it is lost as a whole: what was claimed waits again, what was kept is
        reviewed again after its lease. A checkpoint of the audit log waits for the disk, and so for all before it.
        """
        async with self._database.acquire() as connection, connection.transaction():
            await connection.execute(queries("compliance.review")["commit_unhurried"])
            yield connection

    async def _review(self, claims: Sequence[Claim], began: float) -> None:
        try:
            await self._batch(claims, began)
        except self._away:
            raise
        except Exception as error:
            _log.warning("a batch failed: one by one", size=len(claims), reason=_why(error))
            for claim in claims:
                await self._alone(claim)

    async def _batch(self, claims: Sequence[Claim], began: float) -> None:
        async with self._database.acquire() as connection:
            found = await self._enricher.enrich(connection, claims, self._now())
        dossiers = [dossier for dossier in found.values() if isinstance(dossier, Dossier)]
        outcomes = await asyncio.gather(
            *(self._reviewer.review(dossier) for dossier in dossiers), return_exceptions=True
        )
        reviews = [outcome for outcome in outcomes if isinstance(outcome, Reviewed)]
        wrong = {key: value for key, value in found.items() if not isinstance(value, Dossier)}
        for dossier, outcome in zip(dossiers, outcomes, strict=True):
            if isinstance(outcome, self._away):
                raise outcome
            if isinstance(outcome, Exception):
                wrong[dossier.subject.id] = outcome
            elif isinstance(outcome, BaseException):
                raise outcome
        if reviews:
            async with self._unhurried() as connection:
                kept = await self._keeper.keep_claimed(connection, self._queue, reviews, self._now(), WORKER)
            self._counters.note([review.result for review in kept], time.perf_counter() - began)
        for identifier, error in wrong.items():
            await self._fail(identifier, error)

    async def _alone(self, claim: Claim) -> None:
        try:
            await self._batch([claim], time.perf_counter())
        except self._away:
            raise
        except Exception as error:
            await self._fail(claim.id, error)

    async def _fail(self, identifier: UUID, error: Exception) -> None:
        why = _why(error)
        async with self._database.acquire() as connection, connection.transaction():
            state = await self._queue.fail(connection, identifier, why)
            if state == "parked":
                parked = Entry(WORKER.name, WORKER.role, "review.park", f"flagged:{identifier.hex}")
                await append(connection, [parked])
        self._counters.failed += 1
        self._counters.parked += state == "parked"
        _log.warning("a review failed", flagged=identifier.hex, state=state, reason=why)

    async def _hand(self, number: int) -> None:
        bell = self._bells[number]
        while True:
            bell.clear()
            if await self.turn():
                await asyncio.sleep(self._pace.rest_s)
            else:
                await _rung(bell, POLL_S)

    async def _take_in(self) -> None:
        while True:
            if await self._intake.take():
                await asyncio.sleep(self._pace.rest_s)
            else:
                await asyncio.sleep(POLL_S)

    async def _look_after(self) -> None:
        """Leases go on while this process lives; what dead workers hold is taken back; the queue is measured."""
        rescued_s = 0.0
        while True:
            async with self._database.acquire() as connection:
                if lost := list(self._lost):
                    await self._queue.give_back(connection, lost)
                    self._lost -= set(lost)
                if self._held:
                    await self._queue.extend(connection, list(self._held))
                if time.monotonic() - rescued_s > min(RESCUE_EVERY_S, self._pace.lease.total_seconds() / 2):
                    self._counters.rescued += len(await self._queue.rescue(connection))
                    rescued_s = time.monotonic()
                depth, oldest_s = await queues.depth(connection)
                self._counters.depth, self._counters.oldest_s = depth, oldest_s
            await asyncio.sleep(min(1.0, self._pace.lease.total_seconds() / 4))

    async def _listen(self) -> None:
        """Rings for each hand when something is flagged. Only a hint: hands look by themselves too."""
        connection = await self._database.connect()
        lost = asyncio.Event()

        def told(*_: Any) -> None:
            for bell in self._bells:
                bell.set()

        try:
            await connection.add_listener(queues.CHANNEL, told)
            connection.add_termination_listener(lambda *_: lost.set())
            await lost.wait()
        finally:
            connection.terminate()

    async def _keep_trying(self, work: Callable[..., Any], *arguments: Any) -> None:
        """Again and again, with a pause where PostgreSQL is away."""
        failures = 0
        while True:
            began_s = time.monotonic()
            try:
                await work(*arguments)
            except self._away as error:
                failures = failures + 1 if time.monotonic() - began_s < 10 else 1
                self.trouble = f"{type(error).__name__}: {error}"
                await asyncio.sleep(RETRY_S[min(failures, len(RETRY_S)) - 1])
                with contextlib.suppress(*self._away):
                    await self._reopen()

    async def _reopen(self) -> None:
        """Looks after the database's server where it is ours: it may have died."""
        await self._database.open()
        self.trouble = ""

    async def _give_back(self) -> None:
        held = list(self._held | self._lost)
        self._held, self._lost = set(), set()
        if not held:
            return
        # Where PostgreSQL is away, their lease ends.
        with contextlib.suppress(*self._away):
            async with asyncio.timeout(GIVE_BACK_TIMEOUT_S), self._database.acquire() as connection:
                await self._queue.give_back(connection, held)


async def _rung(bell: asyncio.Event, timeout_s: float) -> None:
    # Not wait_for: in Python 3.11 it can swallow a cancellation that comes with the event.
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(timeout_s):
            await bell.wait()


def _why(error: Exception) -> str:
    """What went wrong and where, but for our own errors without their text: strangers' words may be in it."""
    if isinstance(error, Unknown):
        return str(error)
    frames = traceback.extract_tb(error.__traceback__)
    ours = [frame for frame in frames if "/compliance/" in frame.filename] or frames[-1:]
    place = f" in {Path(ours[-1].filename).stem}.{ours[-1].name}, line {ours[-1].lineno}" if ours else ""
    return f"{type(error).__name__}{place}"
