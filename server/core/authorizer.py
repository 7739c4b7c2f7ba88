"""
The spine: a batch of requests goes in, every one comes out answered, and nothing is said that is not on disk.

`Authorizer.decide` is the way of a request, stage by stage. Whatever waits when the core turns is one batch. Turns
may overlap while the disk and the ledger work (`turns_max`); all state is changed on the loop's one thread.

What each stage leaves behind if the process dies:

    find, admit, check, reserve, score    nothing: they change memory only
    intent beside hold                    an intent without a decision: recovery looks the hold up and decides
    decision                              the answer itself: a repeat gets it

Messages about authorizations go beside, on a way of their own (`lifecycle`), and wait for each other only where they
are about the same one.
"""

import asyncio
import functools
import time
from collections import Counter
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, Final

import numpy as np
import structlog
from numpy.typing import NDArray

from ledger.book import LedgerStopped
from server.core import policy
from server.core.answers import decide_authorizations, prepare_authorizations
from server.core.attempts import attempts_of
from server.core.books import Books, Moved
from server.core.controls import Controls
from server.core.directory import Directory
from server.core.journal import Journal, JournalStopped
from server.core.lifecycle import Lifecycle
from server.core.parcel import Overloaded, Parcel, Stopped
from server.core.record import DECISION, REQUEST
from server.core.repeats import Admission, Admitted
from server.core.state import State
from server.core.turn import Answer, Turn, away, stamp

_log = structlog.get_logger("core")

STAGES: Final = ("find and admit", "controls", "limits", "score", "policy", "hold", "decide")
"""What a turn marks the end of, in order; the last one ends when its answers have left."""


@dataclass(frozen=True, slots=True)
class CoreLimits:
    """Bounds of the core. A batch's transfers must fit one ledger request."""

    waiting_max: int = 16_384
    batch_max: int = 2_048
    turns_max: int = 2


@dataclass(slots=True)
class CoreCounters:
    """What the core counts, for telemetry."""

    requests: int = 0
    repeats: int = 0
    conflicts: int = 0
    turns: int = 0
    decisions: dict[bytes, int] = field(default_factory=dict)
    stage_s: dict[str, float] = field(default_factory=lambda: dict.fromkeys(STAGES, 0.0))


class Authorizer:
    """Owns everything that changes. Made, fed and stopped on one event loop."""

    def __init__(
        self,
        *,
        directory: Directory,
        controls: Controls,
        state: State,
        books: Books,
        lifecycle: Lifecycle,
        journal: Journal,
        clock_ns: Callable[[], int],
        limits: CoreLimits,
    ) -> None:
        self.directory = directory
        self.controls = controls
        self.state = state
        self.books = books
        self.lifecycle = lifecycle
        self.journal = journal
        self.counters = CoreCounters()
        self.stopped: Exception | None = None
        self.on_stop: Callable[[Exception], None] = lambda _error: None
        self.on_decided: Callable[[NDArray[Any], NDArray[Any]], None] = lambda _intents, _decisions: None
        """Hears of authorizations (INTENT[n], DECISION[n]) once they are answered; must not take long."""
        self._clock_ns = clock_ns
        self._limits = limits
        self._loop = asyncio.get_running_loop()
        self._waiting: list[Parcel] = []
        self._waiting_count = 0
        self._deferred: dict[tuple[int, int], list[Parcel]] = {}
        self._deferred_count = 0
        self._turns: set[asyncio.Task[None]] = set()
        self._beside: set[asyncio.Task[None]] = set()
        self._carried_out = 0
        """Messages about authorizations that are under way."""
        self._scheduled = False
        self._idle = asyncio.Event()
        self._idle.set()

    @property
    def waiting(self) -> int:
        """Requests that no turn has taken yet."""
        return self._waiting_count

    @property
    def is_idle(self) -> bool:
        """Whether everything that was submitted is decided, and the journal has it."""
        return self._idle.is_set()

    def submit(self, parcel: Parcel) -> None:
        """Queue a parcel. Raises Overloaded or Stopped, and then nothing of it was touched."""
        if self.stopped is not None:
            raise Stopped(str(self.stopped))
        waiting = self._waiting_count + self._carried_out + self._deferred_count
        if waiting + len(parcel.places) > self._limits.waiting_max:
            raise Overloaded(f"{waiting} requests wait already")
        self.counters.requests += len(parcel.places)
        self._idle.clear()
        self._queue([parcel])

    async def drain(self) -> None:
        """Until everything that was submitted is answered."""
        await self._idle.wait()

    async def decide(self, turn: Turn) -> None:
        """The way of a request."""
        rows = self.directory.find(turn.requests)
        admitted = self.state.repeats.admit(turn.requests)
        self._answer_repeats(turn, admitted)
        turn.open(admitted, self.state.sequence + 1, self.directory.version)
        self.state.sequence += len(turn.intents)
        if turn.messages:
            self._carry_out_beside(turn, admitted, rows)
        authorizations = turn.intents[turn.messages :]
        if not len(authorizations):
            return
        turn.mark()

        self.controls.check(authorizations, rows[turn.origin[turn.messages :]])
        turn.mark()
        attempts = attempts_of(authorizations, self.directory.cards, self.controls.programmes)
        past = self.state.limits.reserve(authorizations, attempts, self.controls.limits)
        turn.mark()
        self.state.risk.judge(authorizations, attempts, past, self.controls.programmes, self.controls.rules)
        turn.mark()
        wanted, wanted_count = prepare_authorizations(authorizations)
        turn.mark()

        stages_us = [min((end - begin) // 1000, 0xFFFF) for begin, end in pairwise(turn.marks_ns)]
        authorizations["stage_us"][:, : len(stages_us)] = stages_us
        written = self.journal.append_intents(authorizations)
        turn.number = self.journal.number
        deadline = self._loop.call_later(
            self.books.deadline_s, self._give_up, turn, authorizations, wanted, written
        )
        moved = await self.books.hold(authorizations, wanted, wanted_count)
        deadline.cancel()
        if moved.is_unknown and wanted_count:
            self._spawn(turn, self.books.fence(authorizations[wanted]))
        if turn.given_up:
            await self.books.let_go(authorizations, moved)
        else:
            await self._answer(turn, authorizations, wanted, moved, written)

    async def _answer(
        self,
        turn: Turn,
        authorizations: NDArray[Any],
        wanted: NDArray[np.bool_],
        moved: Moved,
        written: asyncio.Future[int],
    ) -> None:
        """From the ledger's word on INTENT[n] to their answers, once intents and decisions are on disk."""
        turn.mark()
        decisions = np.zeros(len(authorizations), DECISION)
        ledger_us = (turn.marks_ns[-1] - turn.marks_ns[-2]) // 1000
        stamp(authorizations, decisions, turn.number, self._clock_ns(), ledger_us, self.journal.commit_us)
        decide_authorizations(authorizations, decisions, wanted, moved)
        self.state.settle(authorizations, decisions)
        await asyncio.gather(written, self.journal.append_decisions(decisions))
        self.state.repeats.resolve(authorizations, decisions)
        turn.answer_authorizations(decisions)
        self.on_decided(authorizations, decisions)
        self._release_deferred(authorizations)
        turn.mark()
        self._count(turn, decisions)
        if isinstance(self.books.away, LedgerStopped):
            # It will not come back in this process: a restart reads from its journal what the disk has.
            self._stop(self.books.away)

    def _give_up(
        self,
        turn: Turn,
        authorizations: NDArray[Any],
        wanted: NDArray[np.bool_],
        written: asyncio.Future[int],
    ) -> None:
        """The ledger's answer is overdue: the requests get theirs now, and what is held late is let go."""
        turn.given_up = True
        self.books.late()
        # It waits for the ledger without a turn of its own: those that come are answered meanwhile.
        self._schedule()
        moved = Moved(len(authorizations))
        self._spawn(turn, self._answer(turn, authorizations, wanted, moved, written))

    def _carry_out_beside(self, turn: Turn, admitted: Admitted, rows: NDArray[np.uint32]) -> None:
        """Messages about authorizations: prepared now, in the order of arrival, and carried out in their own time."""
        intents = turn.intents[: turn.messages]
        origin = turn.origin[: turn.messages]
        finds = admitted.originals[origin]
        self.lifecycle.prepare(intents, finds, rows[origin])
        written = self.journal.append_intents(intents)
        self._spawn(turn, self._carry_out(turn, intents, finds, written, self.journal.number))

    async def _carry_out(
        self,
        turn: Turn,
        intents: NDArray[Any],
        finds: NDArray[np.uint8],
        written: asyncio.Future[int],
        number: int,
    ) -> None:
        await written
        answer = Answer(turn, intents, turn.origin[: turn.messages])
        deadline = self._loop.call_later(self.books.deadline_s, answer.not_yet)
        began_ns = time.perf_counter_ns()
        decisions = await self.lifecycle.carry_out(intents, finds)
        deadline.cancel()
        ledger_us = (time.perf_counter_ns() - began_ns) // 1000
        stamp(intents, decisions, number, self._clock_ns(), ledger_us, self.journal.commit_us)
        self.state.settle(intents, decisions)
        await self.journal.append_decisions(decisions)
        self.state.repeats.resolve(intents, decisions)
        answer.give(decisions)
        self._release_deferred(intents)
        self._count_codes(decisions)

    def _answer_repeats(self, turn: Turn, admitted: Admitted) -> None:
        """Answer what was answered before, refuse what reuses a key, and set aside what must wait for another."""
        if not admitted.known:
            return
        repeats = np.flatnonzero(admitted.admissions == Admission.REPEAT)
        if len(repeats):
            answers = self.state.repeats.entries["answer"][admitted.places[repeats]]
            answers["replayed"] = 1
            turn.answer(repeats, answers)
            self.counters.repeats += len(repeats)
        conflicts = np.flatnonzero(admitted.admissions == Admission.CONFLICT)
        if len(conflicts):
            answers = np.zeros(len(conflicts), DECISION)
            answers["operation"] = turn.requests["operation"][conflicts]
            answers["response_code"] = policy.SAME_KEY_OTHER_CONTENT
            turn.answer(conflicts, answers)
            self.counters.conflicts += len(conflicts)
        for origin in np.flatnonzero(admitted.admissions == Admission.WAIT).tolist():
            low, high = self.state.repeats.entries["id"][admitted.waits[origin]].tolist()
            self._defer((low, high), turn.cut(origin))

    def _defer(self, entry: tuple[int, int], parcel: Parcel) -> None:
        """Set one request aside until the entry is decided, but no longer than an answer may wait."""
        self._deferred.setdefault(entry, []).append(parcel)
        self._deferred_count += 1
        self._loop.call_later(self.books.deadline_s, self._not_yet, entry, parcel)

    def _not_yet(self, entry: tuple[int, int], parcel: Parcel) -> None:
        """What it waits for is overdue: 91, of which nothing is kept. Nothing of it was touched."""
        waiting = self._deferred.get(entry, [])
        kept = [other for other in waiting if other is not parcel]
        if len(kept) == len(waiting):
            return
        if kept:
            self._deferred[entry] = kept
        else:
            del self._deferred[entry]
        self._deferred_count -= 1
        parcel.deliver(parcel.places, away(np.frombuffer(parcel.records, REQUEST)))

    def _release_deferred(self, intents: NDArray[Any]) -> None:
        """What waited for these entries comes again, before anything that arrived later."""
        if not self._deferred:
            return
        again: list[Parcel] = []
        for identifiers in ("authorization_id", "original_id"):
            for low, high in intents["request"][identifiers].tolist():
                again += self._deferred.pop((low, high), [])
        self._deferred_count -= len(again)
        self._queue(again, in_front=True)

    def _count(self, turn: Turn, decisions: NDArray[Any]) -> None:
        for stage, (began, ended) in zip(STAGES, pairwise(turn.marks_ns), strict=True):
            self.counters.stage_s[stage] += (ended - began) / 1e9
        self._count_codes(decisions)

    def _count_codes(self, decisions: NDArray[Any]) -> None:
        for code, count in Counter(decisions["response_code"].tolist()).items():
            self.counters.decisions[code] = self.counters.decisions.get(code, 0) + count

    def _queue(self, parcels: list[Parcel], *, in_front: bool = False) -> None:
        self._waiting = parcels + self._waiting if in_front else self._waiting + parcels
        self._waiting_count += sum(len(parcel.places) for parcel in parcels)
        self._schedule()

    def _schedule(self) -> None:
        under_way = len(self._turns) - self.books.overdue
        if self._waiting and not self._scheduled and under_way < self._limits.turns_max:
            self._scheduled = True
            self._loop.call_soon(self._begin_turn)

    def _begin_turn(self) -> None:
        self._scheduled = False
        count = 0
        taken = 0
        for parcel in self._waiting:
            if taken and count + len(parcel.places) > self._limits.batch_max:
                break
            count += len(parcel.places)
            taken += 1
        parcels, self._waiting = self._waiting[:taken], self._waiting[taken:]
        self._waiting_count -= count
        if not parcels:
            return
        self.counters.turns += 1
        task = self._loop.create_task(self._run_turn(Turn(parcels)))
        self._turns.add(task)
        task.add_done_callback(self._end_turn)
        self._schedule()

    def _spawn(self, turn: Turn, work: Coroutine[Any, Any, None]) -> None:
        """Have some of a turn's work go its own way."""
        task = self._loop.create_task(self._see_through(turn, work))
        self._carried_out += turn.messages
        self._beside.add(task)
        task.add_done_callback(functools.partial(self._end_beside, turn.messages))

    def _end_beside(self, messages: int, task: asyncio.Task[None]) -> None:
        self._carried_out -= messages
        self._beside.discard(task)
        self._look_idle()

    async def _run_turn(self, turn: Turn) -> None:
        if self.stopped is not None:
            for parcel in turn.parcels:
                parcel.fail(Stopped(str(self.stopped)))
            return
        await self._see_through(turn, self.decide(turn))

    async def _see_through(self, turn: Turn, work: Coroutine[Any, Any, None]) -> None:
        try:
            await work
        except Exception as error:  # whatever it is, nobody may be left waiting
            self._stop(error)
            for parcel in turn.parcels:
                parcel.fail(Stopped(str(error)))

    def _end_turn(self, task: asyncio.Task[None]) -> None:
        self._turns.discard(task)
        self._schedule()
        self._look_idle()

    def _look_idle(self) -> None:
        if not self._turns and not self._beside and not self._waiting:
            self._idle.set()

    def _stop(self, error: Exception) -> None:
        """The core does not go on after a failure it can't account for: a restart recovers from the journal."""
        if self.stopped is not None:
            return
        self.stopped = error
        if isinstance(error, JournalStopped | LedgerStopped):
            _log.error("the core has stopped", reason=str(error))
        else:
            _log.exception("the core has stopped", exc_info=error)
        for parcels in self._deferred.values():
            for parcel in parcels:
                parcel.fail(Stopped(str(error)))
        self._deferred.clear()
        self._deferred_count = 0
        self.on_stop(error)
