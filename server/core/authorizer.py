"""
The spine: a batch of requests goes in, every one comes out answered, and nothing is said that is not on disk.

`Authorizer.decide` is the way of a request, stage by stage. Whatever waits when the core turns is one batch. Turns
may overlap while the disk and the ledger work (`turns_max`); all state is changed on the loop's one thread.

What each stage leaves behind if the process dies:

    find, admit, check, reserve, score    nothing: they change memory only
    intent beside hold                    an intent without a decision: recovery looks the hold up and decides
    decision                              the answer itself: a repeat gets it
"""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, Final

import numpy as np
import structlog
from numpy.typing import NDArray

from ledger.holds import expiry_s
from server.core import policy
from server.core.answers import decide_authorizations, decide_reversals
from server.core.books import Books, Moved
from server.core.controls import HOLDING_TYPES, Controls
from server.core.directory import Directory
from server.core.journal import Journal, JournalStopped
from server.core.policy import Check, bit
from server.core.record import DECISION, INTENT, REQUEST_VERSION, Operation, TransactionType
from server.core.repeats import Admission, Admitted, Original
from server.core.state import State

_log = structlog.get_logger("core")

STAGES: Final = ("find and admit", "controls", "limits", "score", "policy", "hold", "decide")
"""What a turn marks the end of, in order; the last one ends when its answers have left."""

_HOLDS: Final = np.isin(np.arange(256), HOLDING_TYPES)


class Overloaded(RuntimeError):  # noqa: N818 - a state
    """More waits than may wait; nothing was touched."""


class Stopped(RuntimeError):  # noqa: N818 - a state
    """The core answers nothing more; the text says why."""


@dataclass(slots=True)
class Parcel:
    """
    Requests of one sender that came together, and how to answer them.

    `deliver(positions, answers)` is called on the loop's thread, once or more, with DECISION records and the places in
    `requests` they belong to; `fail(error)` once, where the rest can't be answered at all.
    """

    requests: NDArray[Any]
    positions: NDArray[np.intp]
    deliver: Callable[[NDArray[np.intp], NDArray[Any]], None]
    fail: Callable[[Exception], None]


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


class Turn:
    """One batch under way: its intents (authorizations first, then reversals) and whom each belongs to."""

    def __init__(self, parcels: list[Parcel]) -> None:
        self.parcels = parcels
        self.requests = (
            parcels[0].requests if len(parcels) == 1 else np.concatenate([p.requests for p in parcels])
        )
        self.intents: NDArray[Any] = np.zeros(0, INTENT)
        self.origin = np.zeros(0, np.intp)
        """Where in `requests` each intent came from."""
        self.authorizations = 0
        self.marks_ns = [time.perf_counter_ns()]

    def mark(self) -> None:
        """A stage has ended."""
        self.marks_ns.append(time.perf_counter_ns())

    def answer(self, places: NDArray[np.intp], answers: NDArray[Any]) -> None:
        """Hand answers (DECISION[k]) to those whose requests stand at `places` (rising) of this turn's requests."""
        first = 0
        for parcel in self.parcels:
            last = first + len(parcel.requests)
            left, right = np.searchsorted(places, (first, last))
            if right > left:
                parcel.deliver(parcel.positions[places[left:right] - first], answers[left:right])
            first = last

    def cut(self, places: NDArray[np.intp]) -> list[Parcel]:
        """The requests at `places` (rising) as parcels of their own."""
        parcels = []
        first = 0
        for parcel in self.parcels:
            last = first + len(parcel.requests)
            inside = places[(places >= first) & (places < last)] - first
            if len(inside):
                parcels.append(
                    Parcel(parcel.requests[inside], parcel.positions[inside], parcel.deliver, parcel.fail)
                )
            first = last
        return parcels


class Authorizer:
    """Owns everything that changes. Made, fed and stopped on one event loop."""

    def __init__(
        self,
        *,
        directory: Directory,
        controls: Controls,
        state: State,
        books: Books,
        journal: Journal,
        clock_ns: Callable[[], int],
        limits: CoreLimits,
    ) -> None:
        self.directory = directory
        self.controls = controls
        self.state = state
        self.books = books
        self.journal = journal
        self.counters = CoreCounters()
        self.stopped: Exception | None = None
        self.on_stop: Callable[[Exception], None] = lambda _error: None
        self._clock_ns = clock_ns
        self._limits = limits
        self._loop = asyncio.get_running_loop()
        self._waiting: list[Parcel] = []
        self._waiting_count = 0
        self._deferred: dict[tuple[int, int], list[Parcel]] = {}
        self._turns: set[asyncio.Task[None]] = set()
        self._scheduled = False
        self._idle = asyncio.Event()
        self._idle.set()

    @property
    def waiting(self) -> int:
        """Requests that no turn has taken yet."""
        return self._waiting_count

    def submit(self, parcel: Parcel) -> None:
        """Queue a parcel. Raises Overloaded or Stopped, and then nothing of it was touched."""
        if self.stopped is not None:
            raise Stopped(str(self.stopped))
        if self._waiting_count + len(parcel.requests) > self._limits.waiting_max:
            raise Overloaded(f"{self._waiting_count} requests wait already")
        self.counters.requests += len(parcel.requests)
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
        self._open_intents(turn, admitted)
        if not len(turn.intents):
            return
        authorizations = turn.intents[: turn.authorizations]
        reversals = turn.intents[turn.authorizations :]
        turn.mark()

        self.controls.check(authorizations, rows[turn.origin[: turn.authorizations]])
        turn.mark()
        self.state.limits.reserve(authorizations, self.controls.limits)
        turn.mark()
        self.state.risk.score(authorizations, self.directory.cards, self.controls.programmes)
        turn.mark()
        wanted = self._apply_policy(authorizations)
        releasing = admitted.originals[turn.origin[turn.authorizations :]] == Original.HELD
        originals = self.state.repeats.find(reversals["request"]["original_id"])
        turn.mark()

        self._stamp(turn)
        written = self.journal.append_intents(turn.intents)
        number = self.journal.number
        moved, released = await self.books.move(
            authorizations, wanted, originals["id"][releasing], originals["answer"]["hold_attempt"][releasing]
        )
        turn.mark()

        decisions = self._decide(turn, wanted, moved)
        decide_reversals(decisions[turn.authorizations :], originals, releasing, released)
        decisions["intent_batch"] = number
        self.state.settle(turn.intents, decisions)
        decided = self.journal.append_decisions(decisions)
        await asyncio.gather(written, decided)
        self.state.repeats.resolve(turn.intents, decisions)
        order = np.argsort(turn.origin, kind="stable")
        turn.answer(turn.origin[order], decisions[order])
        self._release_deferred(turn.intents)
        turn.mark()
        self._count(turn, decisions)

    def _answer_repeats(self, turn: Turn, admitted: Admitted) -> None:
        """Answer what was answered before, refuse what reuses a key, and set aside what must wait for another."""
        if not (admitted.admissions != Admission.NEW).any():
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
        for place in np.flatnonzero(admitted.admissions == Admission.WAIT):
            low, high = self.state.repeats.entries["id"][admitted.waits[place]].tolist()
            self._deferred.setdefault((low, high), []).extend(turn.cut(np.array([place])))

    def _open_intents(self, turn: Turn, admitted: Admitted) -> None:
        """An intent for every request that is new, authorizations first."""
        taken = (admitted.admissions == Admission.NEW) | (admitted.admissions == Admission.TOO_LATE)
        reversing = turn.requests["operation"] == Operation.REVERSE
        authorizing = np.flatnonzero(taken & ~reversing)
        turn.authorizations = len(authorizing)
        turn.origin = np.concatenate([authorizing, np.flatnonzero(taken & reversing)])
        count = len(turn.origin)
        turn.intents = np.zeros(count, INTENT)
        turn.intents["request"] = turn.requests[turn.origin]
        turn.intents["sequence"] = np.arange(self.state.sequence + 1, self.state.sequence + count + 1)
        turn.intents["directory_version"] = self.directory.version
        turn.intents["hold_s"] = expiry_s(turn.intents["request"]["category"])
        late = admitted.admissions[turn.origin] == Admission.TOO_LATE
        turn.intents["checks_failed"][late] = bit(Check.REVERSED_BEFORE_ARRIVAL)
        self.state.sequence += count

    def _apply_policy(self, authorizations: NDArray[Any]) -> NDArray[np.bool_]:
        """Write the answers that are known before the ledger is asked; return who needs a hold."""
        codes = policy.response_codes(authorizations["checks_failed"])
        kinds = authorizations["request"]["transaction_type"]
        codes[(codes == b"") & (kinds == TransactionType.ACCOUNT_STATUS)] = policy.NOTHING_AGAINST_IT
        authorizations["response_code"] = codes
        return (codes == b"") & _HOLDS[kinds]

    def _stamp(self, turn: Turn) -> None:
        stages_us = [min((b - a) // 1000, 0xFFFF) for a, b in pairwise(turn.marks_ns)]
        turn.intents["stage_us"][:, : len(stages_us)] = stages_us
        turn.intents["request"]["version"] = REQUEST_VERSION

    def _decide(self, turn: Turn, wanted: NDArray[np.bool_], moved: Moved) -> NDArray[Any]:
        decisions = np.zeros(len(turn.intents), DECISION)
        decisions["sequence"] = turn.intents["sequence"]
        decisions["authorization_id"] = turn.intents["request"]["authorization_id"]
        decisions["operation"] = turn.intents["request"]["operation"]
        decisions["intent_index"] = np.arange(len(decisions))
        decisions["version"] = REQUEST_VERSION
        decisions["decision_ns"] = self._clock_ns()
        decisions["ledger_us"] = (turn.marks_ns[-1] - turn.marks_ns[-2]) // 1000
        decisions["journal_us"] = self.journal.commit_us
        decide_authorizations(
            turn.intents[: turn.authorizations], decisions[: turn.authorizations], wanted, moved
        )
        return decisions

    def _release_deferred(self, intents: NDArray[Any]) -> None:
        """What waited for these entries comes again, before anything that arrived later."""
        if not self._deferred:
            return
        again: list[Parcel] = []
        for intent in intents["request"]:
            for identifier in (intent["authorization_id"], intent["original_id"]):
                low, high = identifier.tolist()
                again += self._deferred.pop((low, high), [])
        self._queue(again, in_front=True)

    def _count(self, turn: Turn, decisions: NDArray[Any]) -> None:
        for stage, (began, ended) in zip(STAGES, pairwise(turn.marks_ns), strict=True):
            self.counters.stage_s[stage] += (ended - began) / 1e9
        codes, counts = np.unique(decisions["response_code"], return_counts=True)
        for code, count in zip(codes.tolist(), counts.tolist(), strict=True):
            self.counters.decisions[code] = self.counters.decisions.get(code, 0) + count

    def _queue(self, parcels: list[Parcel], *, in_front: bool = False) -> None:
        self._waiting = parcels + self._waiting if in_front else self._waiting + parcels
        self._waiting_count += sum(len(parcel.requests) for parcel in parcels)
        self._schedule()

    def _schedule(self) -> None:
        if self._waiting and not self._scheduled and len(self._turns) < self._limits.turns_max:
            self._scheduled = True
            self._loop.call_soon(self._begin_turn)

    def _begin_turn(self) -> None:
        self._scheduled = False
        count = 0
        taken = 0
        for parcel in self._waiting:
            if taken and count + len(parcel.requests) > self._limits.batch_max:
                break
            count += len(parcel.requests)
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

    async def _run_turn(self, turn: Turn) -> None:
        try:
            if self.stopped is not None:
                raise Stopped(str(self.stopped))
            await self.decide(turn)
        except Exception as error:  # whatever it is, nobody may be left waiting
            self._stop(error)
            for parcel in turn.parcels:
                parcel.fail(Stopped(str(error)))

    def _end_turn(self, task: asyncio.Task[None]) -> None:
        self._turns.discard(task)
        self._schedule()
        if not self._turns and not self._waiting:
            self._idle.set()

    def _stop(self, error: Exception) -> None:
        """The core does not go on after a failure it can't account for: a restart recovers from the journal."""
        if self.stopped is not None:
            return
        self.stopped = error
        if isinstance(error, JournalStopped):
            _log.error("the core has stopped", reason=str(error))
        else:
            _log.exception("the core has stopped", exc_info=error)
        for parcels in self._deferred.values():
            for parcel in parcels:
                parcel.fail(Stopped(str(error)))
        self._deferred.clear()
        self.on_stop(error)
