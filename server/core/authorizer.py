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

Every request has its answer by its deadline. What no turn has taken by then is answered 91 or N0, untouched. What waits for a
ledger that is late is decided without it, one deadline after another, and what is held late is let go; while it is late,
no other waits for it. What waits for a disk that is late too is told what is no approval; an approval never leaves
before it is on disk.
"""

import asyncio
import functools
import math
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
from ledger.holds import HoldOutcome
from server.core import policy
from server.core.answers import decide_authorizations, prepare_authorizations
from server.core.attempts import attempts_of
from server.core.books import Books, Moved
from server.core.controls import Controls
from server.core.deadline import ANSWERING_S, Deadlines, left_s
from server.core.directory import Directory
from server.core.disown import Disowned, disowning
from server.core.entries import EntryState
from server.core.journal import Journal, JournalStopped
from server.core.lifecycle import Lifecycle
from server.core.pace import Rhythm
from server.core.parcel import Deliver, Overloaded, Parcel, Stopped
from server.core.record import DECISION, REQUEST, Operation, blank, rows_at
from server.core.repeats import Admission, Admitted, is_repeat
from server.core.state import State
from server.core.timing import Timing
from server.core.turn import Asked, Turn, away, stamp
from server.core.waiting import Waiting

_log = structlog.get_logger("core")

OnTimed = Callable[[list[int], NDArray[Any], NDArray[Any]], None]


TAKEN_OVER_AT_ONCE: Final = 1_024
"""Of what senders were told without the core: so much makes one parcel."""

_ALWAYS: Final = 256
"""So many may wait whatever the pace: that of small turns says little of large ones."""


@dataclass(frozen=True, slots=True)
class CoreLimits:
    """Bounds of the core. A batch's transfers must fit one ledger request."""

    waiting_max: int = 16_384
    batch_max: int = 2_048
    turns_max: int = 2
    queue_s_max: float = math.inf
    """What waits may add to the turn of one that comes behind it, at the pace of the last turns."""


@dataclass(slots=True)
class CoreCounters:
    """What the core counts, for telemetry."""

    requests: int = 0
    repeats: int = 0
    conflicts: int = 0
    turns: int = 0
    refused: int = 0
    """There was no room for them, or they would have waited too long."""
    expired: int = 0
    """Their time was over before a turn took them."""
    given_up: int = 0
    """Decided without the ledger, which was late."""
    told_by_time: int = 0
    """Told something before their decision was on disk, or had been made."""
    decisions: dict[bytes, int] = field(default_factory=dict)


class _ByTime:
    """
    While it is open, and until all of Asked is told, `ring` is called when some of it is due; False ends it.

    A class, as functions that name each other keep themselves and a turn's arrays, megabytes, until garbage is looked for.
    """

    __slots__ = ("_asked", "_handle", "_loop", "_ring")

    def __init__(self, loop: asyncio.AbstractEventLoop, asked: Asked, ring: Callable[[float], bool]) -> None:
        self._loop = loop
        self._asked = asked
        self._ring = ring
        self._handle: asyncio.TimerHandle | None = None

    def __enter__(self) -> None:
        self._arm()

    def __exit__(self, *_raised: object) -> None:
        if self._handle is not None and self._asked.is_told:
            self._handle.cancel()
            self._handle = None

    def _arm(self) -> None:
        due_s = self._asked.next_s()
        self._handle = self._loop.call_at(due_s, self._due) if due_s < math.inf else None

    def _due(self) -> None:
        if self._ring(self._loop.time()):
            self._arm()
        else:
            self._handle = None


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
        deadlines: Deadlines,
        away_code: bytes = policy.LEDGER_AWAY,
        stopwatch_ns: Callable[[], int] = time.perf_counter_ns,
    ) -> None:
        """
        `away_code` is what authorizations are told by time, of which nothing else can be said: 91 or N0.

        `stopwatch_ns` says what work took; the rhythm of turns follows it.
        """
        self.directory = directory
        self.controls = controls
        self.state = state
        self.books = books
        self.lifecycle = lifecycle
        self.journal = journal
        self.counters = CoreCounters()
        self.timing = Timing()
        self.stopped: Exception | None = None
        self.on_stop: Callable[[Exception], None] = lambda _error: None
        self.on_decided: Callable[[NDArray[Any], NDArray[Any]], None] = lambda _intents, _decisions: None
        """Hears of authorizations (INTENT[n], DECISION[n]) once they are answered; must not take long."""
        self.on_timed: OnTimed = lambda _marks_ns, _intents, _decisions: None
        """Hears of a turn that nobody was given up in: its marks (perf_counter_ns), INTENT[n], DECISION[n]."""
        self.on_renewed: Callable[[NDArray[np.uint32], NDArray[np.bool_]], None] = lambda _rows, _moved: None
        """Hears of cards (u4[n]) that were seen while the PAN key rotates, and which of them moved to today's (bool[n])."""
        self._clock_ns = clock_ns
        self._limits = limits
        self._deadlines = deadlines
        self._away_code = away_code
        self._stopwatch_ns = stopwatch_ns
        self._loop = asyncio.get_running_loop()
        self._waiting = Waiting(deadlines.default_ms)
        self._watch: asyncio.TimerHandle | None = None
        self._watch_s = math.inf
        self._disowned = Disowned(self._release)
        self._untold: list[Asked] = []
        """What is under way, and may be told by time."""
        self._deferred: dict[tuple[int, int], list[Parcel]] = {}
        self._deferred_count = 0
        self._turns: set[asyncio.Task[None]] = set()
        self._beside: set[asyncio.Task[None]] = set()
        self._carried_out = 0
        """Messages about authorizations that are under way."""
        self._turn_timer: asyncio.TimerHandle | None = None
        self._turn_timer_s = math.inf
        self._rhythm = Rhythm()
        self._idle = asyncio.Event()
        self._idle.set()

    @property
    def waiting(self) -> int:
        """Requests that no turn has taken yet."""
        return self._waiting.count

    @property
    def next_turn_s(self) -> float:
        """See `Core`."""
        return self._rhythm.next_s

    @property
    def is_idle(self) -> bool:
        """Whether everything that was submitted is decided, and the journal has it."""
        return self._idle.is_set()

    def submit(self, parcel: Parcel) -> None:
        """Queue a parcel. Raises Overloaded or Stopped, and then nothing of it was touched."""
        if self.stopped is not None:
            raise Stopped(str(self.stopped))
        count = len(parcel.places)
        self._check_room(count, parcel.source)
        self.counters.requests += count
        left = left_s(parcel.records, self._clock_ns(), self._deadlines.default_ms)
        parcel.due_s = self._loop.time() + left
        self._waiting.put(parcel)
        self._begin_waiting()

    def take_over(
        self,
        requests: NDArray[Any],
        codes: NDArray[np.bytes_],
        deliver: Deliver = lambda _places, _decisions: None,
        fail: Callable[[Exception], None] = lambda _error: None,
    ) -> None:
        """
        What the senders of authorizations REQUEST[n] were told (S2[n]) is their answer, also to repeats; see `disown`.

        It has its place before all that waits, however much that is. Raises Stopped.
        """
        if self.stopped is not None:
            raise Stopped(str(self.stopped))
        unheard = self._disowned.is_unheard(requests["authorization_id"])
        taken = disowning(requests, codes, unheard)
        self._disowned.queued(taken)
        # Some of a batch at a time: what is decided meanwhile waits for no more than that.
        starts = range(0, len(taken), TAKEN_OVER_AT_ONCE)
        pieces = [(start, taken[start : start + TAKEN_OVER_AT_ONCE]) for start in starts]
        self._waiting.put_first(
            [Parcel(some.tobytes(), list(range(at, at + len(some))), deliver, fail) for at, some in pieces]
        )
        self._begin_waiting()

    def lose(self, decisions: NDArray[Any]) -> None:
        """These answers, DECISION[n], may not have reached who asked: their front has died."""
        self._disowned.lost(decisions[decisions["operation"] == Operation.AUTHORIZE])

    def is_full(self, source: int = 0, count: int = 1) -> bool:
        """Whether what waits before `count` more requests of this source is as much as may."""
        waiting = self._waiting
        if waiting.count < _ALWAYS:
            return False
        if waiting.count >= self._limits.waiting_max:
            return True
        before = waiting.before(count, source)
        return waiting.pace.wait_s(before, self._limits.batch_max) > self._limits.queue_s_max

    def note_refused(self, count: int) -> None:
        """So many requests were refused because it is full."""
        self.counters.refused += count

    def renew(self, pairs: bytes) -> None:
        """See `Core`."""
        rows, moved = self.directory.renew(np.frombuffer(bytearray(pairs), "<u8").reshape(-1, 4))
        if len(rows):
            self.on_renewed(rows, moved)

    def _check_room(self, count: int, source: int) -> None:
        waiting = self._waiting.count + self._carried_out + self._deferred_count
        if waiting + count > self._limits.waiting_max or self.is_full(source, count):
            self.note_refused(count)
            raise Overloaded(f"{waiting} requests wait already")

    async def drain(self) -> None:
        """Until everything that was submitted is answered."""
        await self._idle.wait()

    async def decide(self, turn: Turn) -> None:
        """The way of a request."""
        began_ns = self._stopwatch_ns()
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
        self.journal.append_intents(authorizations)
        turn.number = self.journal.number
        asked = Asked(turn, authorizations, turn.origin[turn.messages :], self._loop.time())
        turn.worked_ns = self._stopwatch_ns() - began_ns
        with self._by_time(asked, functools.partial(self._give_up, asked, wanted)):
            moved = await self._hold(turn, authorizations, wanted, wanted_count)
            rest = np.flatnonzero(asked.undecided)
            self._let_go_late(turn, asked, wanted, moved)
            if len(rest):
                await self._answer(asked, rest, wanted, moved)
        if isinstance(self.books.away, LedgerStopped):
            # It will not come back in this process: a restart reads from its journal what the disk has.
            self._stop(self.books.away)

    async def _hold(
        self, turn: Turn, authorizations: NDArray[Any], wanted: NDArray[np.bool_], wanted_count: int
    ) -> Moved:
        """Ask the ledger; where it is late, other turns begin meanwhile, and go without it."""
        late = self._loop.call_later(self.books.late_s, self._pass, turn)
        moved = await self.books.hold(authorizations, wanted, wanted_count)
        late.cancel()
        if turn.is_passed:
            turn.is_passed = False
            self.books.back()
        return moved

    def _pass(self, turn: Turn) -> None:
        turn.is_passed = True
        self.books.late()
        self._schedule()

    def _give_up(self, asked: Asked, wanted: NDArray[np.bool_], now_s: float) -> None:
        """The ledger's word on some has not come in time: they are decided without it."""
        overdue = asked.overdue(now_s)
        if not len(overdue):
            return
        if not asked.turn.is_given_up:
            asked.turn.is_given_up = True
            self.books.give_up()
        self.counters.given_up += len(overdue)
        asked.undecided[overdue] = False
        moved = Moved(len(asked.intents))
        self._spawn(asked.turn, self._answer(asked, overdue, wanted, moved))

    def _let_go_late(self, turn: Turn, asked: Asked, wanted: NDArray[np.bool_], moved: Moved) -> None:
        """What the ledger holds, or may hold, of those that were decided without it."""
        if moved.is_unknown and wanted.any():
            self._spawn(turn, self._resolve(self.books.fence(asked.intents[wanted])))
        elif moved.is_unknown:
            self._spawn(turn, self._resolve(self.books.ask_again(asked.intents)))
        if turn.is_given_up:
            zombies = ~asked.undecided & (moved.outcome == HoldOutcome.HELD)
            late = self.books.let_go(asked.intents[zombies], moved.attempt[zombies])
            self._spawn(turn, self._resolve(late))

    async def _resolve(self, work: Coroutine[Any, Any, None]) -> None:
        """Let go of what is held late; where the ledger has stopped, the next start does."""
        try:
            await work
        except LedgerStopped as error:
            self._stop(error)

    async def _answer(
        self,
        asked: Asked,
        places: NDArray[np.int64],
        wanted: NDArray[np.bool_],
        moved: Moved,
    ) -> None:
        """From the ledger's word on those at `places` to their answers, once decisions, and so intents, are on disk."""
        turn = asked.turn
        began_ns = self._stopwatch_ns()
        intents = asked.intents
        if len(places) < len(intents):
            intents, wanted, moved = rows_at(intents, places), wanted[places], moved.part(places)
        marks = [turn.marks_ns[-1], time.perf_counter_ns()]
        decisions = blank(len(intents), DECISION)
        ledger_us = (marks[1] - marks[0]) // 1000
        stamp(intents, decisions, places, turn.number, self._clock_ns(), ledger_us, self.journal.commit_us)
        decide_authorizations(intents, decisions, wanted, moved, self.controls.stand_in, self.state.stand_in)
        asked.decide(places, decisions)
        self.state.settle(intents, decisions)
        written = self.journal.append_decisions(decisions)
        turn.worked_ns += self._stopwatch_ns() - began_ns
        await written
        began_ns = self._stopwatch_ns()
        self.state.repeats.resolve(intents, decisions)
        asked.tell(places, decisions)
        if asked.told_away is not None:
            told = asked.told_away[places]
            self._let_stand(intents["request"][told != b""], told[told != b""])
        self.on_decided(intents, decisions)
        self._release_deferred(intents)
        if len(intents) == len(asked.intents):
            turn.marks_ns += [marks[1], time.perf_counter_ns()]
            self.timing.turn(turn.marks_ns)
            if not turn.is_given_up:
                self.on_timed(turn.marks_ns, intents, decisions)
        self.timing.answered(intents, self._clock_ns())
        self._count_codes(decisions)
        turn.worked_ns += self._stopwatch_ns() - began_ns
        if len(intents) == len(asked.intents):
            self._rhythm.worked(turn.worked_ns / 1e9, len(turn.requests))

    def _by_time(self, asked: Asked, give_up: Callable[[float], None] | None = None) -> "_ByTime":
        """Meanwhile, give up and tell by time what is due; until all of it is told."""
        self._untold = [other for other in self._untold if not other.is_told]
        self._untold.append(asked)

        def ring(now_s: float) -> bool:
            if self.stopped is not None:
                return False
            if give_up is not None:
                give_up(now_s)
            self.counters.told_by_time += asked.tell_overdue(now_s, self._away_code)
            return True

        return _ByTime(self._loop, asked, ring)

    def _carry_out_beside(self, turn: Turn, admitted: Admitted, rows: NDArray[np.uint32]) -> None:
        """Messages about authorizations: prepared now, in the order of arrival, and carried out in their own time."""
        intents = turn.intents[: turn.messages]
        origin = turn.origin[: turn.messages]
        finds = admitted.originals[origin]
        self.lifecycle.prepare(intents, finds, rows[origin])
        written = self.journal.append_intents(intents)
        self._spawn(turn, self._carry_out(turn, intents, finds, written, self.journal.number), len(intents))

    async def _carry_out(
        self,
        turn: Turn,
        intents: NDArray[Any],
        finds: NDArray[np.uint8],
        written: asyncio.Future[int],
        number: int,
    ) -> None:
        asked = Asked(turn, intents, turn.origin[: turn.messages], self._loop.time())
        # They are carried out whatever happens: whoever is told 91 by time and repeats gets what came of them.
        asked.undecided[:] = False
        places = np.arange(len(intents))
        with self._by_time(asked):
            await written
            began_ns = time.perf_counter_ns()
            decisions = await self.lifecycle.carry_out(intents, finds)
            ledger_us = (time.perf_counter_ns() - began_ns) // 1000
            stamp(intents, decisions, places, number, self._clock_ns(), ledger_us, self.journal.commit_us)
            asked.decide(places, decisions)
            self.state.settle(intents, decisions)
            await self.journal.append_decisions(decisions)
            self.state.repeats.resolve(intents, decisions)
            asked.tell(places, decisions)
        self._release_deferred(intents)
        self._count_codes(decisions)

    def _answer_repeats(self, turn: Turn, admitted: Admitted) -> None:
        """Answer what was answered before, refuse what reuses a key, and set aside what must wait for another."""
        if not admitted.known:
            return
        repeats = np.flatnonzero(admitted.admissions == Admission.REPEAT)
        awaited = self._disowned.awaited(turn.requests["authorization_id"][repeats])
        for origin in repeats[awaited].tolist():
            low, high = turn.requests["authorization_id"][origin].tolist()
            self._defer((low, high), turn.cut(origin))
        repeats = repeats[~awaited]
        if len(repeats):
            answers = self.state.repeats.entries["answer"][admitted.places[repeats]]
            answers["replayed"] = 1
            self._disowned.told(turn.requests[repeats], answers)
            turn.answer(repeats, answers)
            self.counters.repeats += len(repeats)
        conflicts = np.flatnonzero(admitted.admissions == Admission.CONFLICT)
        if len(conflicts):
            answers = np.zeros(len(conflicts), DECISION)
            answers["operation"] = turn.requests["operation"][conflicts]
            answers["response_code"] = policy.SAME_KEY_OTHER_CONTENT
            turn.answer(conflicts, answers)
            self.counters.conflicts += len(conflicts)
        nothing_due = np.flatnonzero(admitted.admissions == Admission.NOTHING_DUE)
        if len(nothing_due):
            answers = np.zeros(len(nothing_due), DECISION)
            answers["operation"] = turn.requests["operation"][nothing_due]
            self._disowned.done(turn.requests[nothing_due])
            self._release(turn.requests["original_id"][nothing_due])
            turn.answer(nothing_due, answers)
        for origin in np.flatnonzero(admitted.admissions == Admission.WAIT).tolist():
            low, high = self.state.repeats.entries["id"][admitted.waits[origin]].tolist()
            self._defer((low, high), turn.cut(origin))

    def _defer(self, entry: tuple[int, int], parcel: Parcel) -> None:
        """Set one request aside until the entry is decided, but no longer than an answer may wait."""
        self._deferred.setdefault(entry, []).append(parcel)
        self._deferred_count += 1
        if parcel.due_s < math.inf:
            self._loop.call_at(parcel.due_s, self._not_yet, entry, parcel)

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
        self._tell_late([parcel])

    def _tell_late(self, parcels: list[Parcel]) -> None:
        """
        The time of these is over before a turn has taken them: who repeats gets the first answer, all others 91 or N0.

        That stands: as the answer of what nobody has seen, and for every copy of what is being decided.
        """
        requests = np.frombuffer(bytearray().join([parcel.records for parcel in parcels]), REQUEST)
        identifiers = requests["authorization_id"]
        entries = self.state.repeats.find(identifiers)
        answers = away(requests, self._away_code)
        decided = is_repeat(requests, entries) & ~self._disowned.awaited(identifiers)
        if decided.any():
            answers[decided] = entries["answer"][decided]
            answers["replayed"][decided] = 1
            # What is later than this its front has given up: it hears nothing of it.
            heard = decided & (self._waiting.dues_s(parcels, requests) >= self._loop.time() - ANSWERING_S)
            self._disowned.told(requests[heard], answers[heard])
        self.counters.repeats += int(decided.sum())
        self.counters.expired += int((~decided).sum())
        first = 0
        for parcel in parcels:
            last = first + len(parcel.places)
            parcel.deliver(parcel.places, answers[first:last])
            first = last
        told_away = ~decided & (requests["operation"] == Operation.AUTHORIZE)
        unseen = told_away & (entries["state"] == EntryState.FREE)
        copies = identifiers[told_away & (entries["content"] == requests["content"]).all(axis=1)]
        if len(copies):
            self._untold = [asked for asked in self._untold if not asked.is_told]
            for asked in self._untold:
                asked.tell_away(copies, self._away_code)
        self._let_stand(requests[unseen], answers["response_code"][unseen])

    def _let_stand(self, requests: NDArray[Any], codes: NDArray[np.bytes_]) -> None:
        """The senders of these authorizations were told by time that the ledger is away: 91 or N0 (S2[n])."""
        if len(requests) and self.stopped is None:
            self.take_over(requests, codes)

    def _begin_waiting(self) -> None:
        self._idle.clear()
        self._watch_over()
        self._schedule()

    def _release_deferred(self, intents: NDArray[Any]) -> None:
        """What waited for what these were about comes again."""
        self._disowned.done(intents["request"])
        for name in ("authorization_id", "original_id"):
            self._release(intents["request"][name])

    def _release(self, identifiers: NDArray[np.uint64]) -> None:
        """What waited for these entries, u8[n, 2], comes again, before anything that arrived later."""
        if not self._deferred:
            return
        again = [
            parcel for low, high in identifiers.tolist() for parcel in self._deferred.pop((low, high), ())
        ]
        if not again:
            return
        self._deferred_count -= len(again)
        self._waiting.put_in_front(again)
        self._begin_waiting()

    def _count_codes(self, decisions: NDArray[Any]) -> None:
        for code, count in Counter(decisions["response_code"].tolist()).items():
            self.counters.decisions[code] = self.counters.decisions.get(code, 0) + count

    def _watch_over(self) -> None:
        """See to it that whatever waits is answered when it is due."""
        if self._waiting.due_s < self._watch_s:
            if self._watch is not None:
                self._watch.cancel()
            self._watch_s = self._waiting.due_s
            self._watch = self._loop.call_at(self._watch_s, self._expire)

    def _expire(self) -> None:
        """The time of some is over before a turn has taken them: 91, which stands."""
        if self._watch is not None:
            self._watch.cancel()  # a turn may come before it
        self._watch, self._watch_s = None, math.inf
        overdue = self._waiting.take_overdue(self._loop.time())
        if overdue:
            self._tell_late(overdue)
        self._watch_over()
        self._look_idle()

    def _schedule(self) -> None:
        under_way = len(self._turns) - self.books.overdue
        if not self._waiting or under_way >= self._limits.turns_max:
            return
        begin_s = 0.0 if self._waiting.count >= _ALWAYS else self._rhythm.next_s
        if begin_s < self._turn_timer_s:
            if self._turn_timer is not None:
                self._turn_timer.cancel()
            self._turn_timer_s = begin_s
            self._turn_timer = self._loop.call_at(begin_s, self._begin_turn)

    def _begin_turn(self) -> None:
        self._turn_timer, self._turn_timer_s = None, math.inf
        now_s = self._loop.time()
        if self._waiting.due_s <= now_s:
            self._expire()
        parcels = self._waiting.take(self._limits.batch_max)
        if not parcels:
            return
        parcels = self._disowned.first(parcels)
        if not parcels:
            self._schedule()
            self._look_idle()
            return
        self.counters.turns += 1
        turn = Turn(parcels)
        self._rhythm.began(now_s, len(turn.requests))
        turn.dues_s = self._waiting.dues_s(parcels, turn.requests)
        task = self._loop.create_task(self._run_turn(turn))
        self._turns.add(task)
        task.add_done_callback(functools.partial(self._end_turn, turn, now_s))
        self._schedule()

    def _spawn(self, turn: Turn, work: Coroutine[Any, Any, None], messages: int = 0) -> None:
        """Have some of a turn's work go its own way, with so many of its messages."""
        task = self._loop.create_task(self._see_through(turn, work))
        self._carried_out += messages
        self._beside.add(task)
        task.add_done_callback(functools.partial(self._end_beside, messages))

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

    def _end_turn(self, turn: Turn, began_s: float, task: asyncio.Task[None]) -> None:
        self._turns.discard(task)
        took_s = self._loop.time() - began_s
        if took_s < self.books.late_s and turn.messages < len(turn.intents):
            # What waited for a ledger or a disk that was late says nothing of the pace, nor what goes on beside the turn.
            self._waiting.pace.took(len(turn.requests), took_s)
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
