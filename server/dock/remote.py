"""
The front's side of the dock: a core that is another process, and may be away.

                  ┌── answered by the core ──► its answer
    submitted ────┤
                  ├── the core is away, or dies ──┐
                  └── its time is over ───────────┴──► answered here, with one configured code; the key is kept, and the
                                                       core is told of it first when it is back

A front that has just started waits for what its first try shows before it takes the core for away: what its predecessor
sent may be decided already, and whoever repeats it is to get that.

What was answered here and is an authorization is taken back by the core, whatever it had said of it. Messages about
authorizations get 91, which nobody keeps: whoever repeats them gets what came of them. What this front has passed on of
late needs no core: a repeat gets it again (see `said`).
"""

import asyncio
import heapq
import math
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np
import structlog
from numpy.typing import NDArray

from server.core.deadline import ANSWERING_S, dues_s, left_s
from server.core.names import Names
from server.core.parcel import Overloaded, Parcel, Stopped
from server.core.record import REQUEST, Operation
from server.core.turn import away
from server.dock.frames import (
    Failure,
    FrameError,
    Kind,
    pack_call,
    pack_disowned,
    pack_hello,
    pack_number,
    pack_parcel,
    read_answers,
    read_failed,
    read_hello,
    read_names,
    read_number,
    read_return,
)
from server.dock.kept import Kept, kept_path, records_of
from server.dock.passage import Passage
from server.dock.said import Said

AGAIN_S: Final = 0.02
REFUSED_AGAIN_S: Final = 1.0
"""Pauses before the core is tried again: while it is away, and where it doesn't speak with us."""

GRACE_S: Final = 0.02
"""How long after a request's time its answer may still come from the core, which tells the time by itself."""

TOLD_S: Final = 0.2
"""How long the core has to bring to its disk what it told by time before it hears of it."""

PASSED_S: Final = 0.05
"""How long an answer has been on its way to who asked before the core hears that it was passed on."""

_log = structlog.get_logger("front")


@dataclass(slots=True)
class RemoteLimits:
    """Bounds of one front."""

    in_flight_max: int = 16_384
    """Requests that may wait for the core."""
    kept_max: int = 65_536
    """Requests that this front may have answered itself without the core knowing."""


@dataclass(slots=True)
class RemoteCounters:
    """What a front counts of its core."""

    requests: int = 0
    refused: int = 0
    answered_here: int = 0
    losses: int = 0


@dataclass(slots=True)
class _Sent:
    """A parcel on its way, and which of its places have no answer yet (None: none has)."""

    parcel: Parcel
    due_s: float
    """When the first of it must have its answer, by the loop's clock."""
    rest: set[int] | None = field(default=None)

    def unanswered(self) -> list[int]:
        return list(range(len(self.parcel.places))) if self.rest is None else sorted(self.rest)


class RemoteCore:
    """Answers parcels, as the core does. `run` it for as long as the front lives."""

    def __init__(
        self,
        path: Path,
        number: int,
        names: Names,
        *,
        away_code: bytes,
        default_ms: int,
        limits: RemoteLimits,
    ) -> None:
        """
        `number` is the front's own; `names` follow the core's; `away_code` (DE39) is what it answers itself.

        Raises OSError where it can't keep those answers beside the core's socket.
        """
        self.welcomed = asyncio.Event()
        """Set once the core has been reached."""
        self.counters = RemoteCounters()
        self._path = path
        self._number = number
        self._names = names
        self._away_code = away_code
        self._default_ms = default_ms
        self._limits = limits
        self._loop = asyncio.get_running_loop()
        self._kept = Kept(limits.kept_max, kept_path(path.parent, number))
        self._said = Said()
        self._passage: Passage | None = None
        self._lost = asyncio.Event()
        self._is_refused = False
        self._is_searching = True
        """The core has not been tried yet: what is submitted waits for it."""
        self._sent: dict[int, _Sent] = {}
        self._in_flight = 0
        self._next = 0
        self._dues: list[tuple[float, int]] = []
        self._watch: asyncio.Handle | None = None
        self._watch_s = math.inf
        self._calls: dict[int, asyncio.Future[tuple[bool, bytes]]] = {}
        self._answers = 0
        """Frames of answers that this core has sent,"""
        self._is_telling_passed = False
        """and whether it is about to hear how many were passed on,"""
        self._is_telling_told = False
        """or what it told by time itself."""

    @property
    def in_flight(self) -> int:
        """Requests that wait for the core."""
        return self._in_flight

    @property
    def is_away(self) -> bool:
        """Whether the core can't be asked."""
        return self._passage is None

    @property
    def next_turn_s(self) -> float:
        """See `Core`: it is known where the core is."""
        return 0.0

    async def run(self) -> None:
        """Keep the connection, until cancelled."""
        passage: Passage | None = None
        try:
            while True:
                self._lost.clear()
                try:
                    _, passage = await self._loop.create_unix_connection(
                        lambda: Passage(self._heard, self._end), str(self._path)
                    )
                except OSError:
                    self._miss()
                    await asyncio.sleep(AGAIN_S)
                    continue
                passage.send(Kind.HELLO, pack_hello(self._number))
                await self._lost.wait()
                await asyncio.sleep(REFUSED_AGAIN_S if self._is_refused else AGAIN_S)
        finally:
            if passage is not None:
                # It ends in its own time: whatever came has gone on.
                passage.send(Kind.PASSED, pack_number(self._answers))
                passage.close()

    def is_full(self, _source: int = 0) -> bool:
        """Whether as much waits for the core as may."""
        return self._passage is not None and self._in_flight >= self._limits.in_flight_max

    def note_refused(self, count: int) -> None:
        """So many requests were refused here because it is full."""
        self.counters.refused += count

    def submit(self, parcel: Parcel) -> None:
        """Send a parcel to the core, or answer it here. Raises Overloaded or Stopped, and then nothing was touched."""
        count = len(parcel.places)
        self.counters.requests += count
        if self._passage is None and not self._is_searching:
            if not self._kept.has_room(count):
                raise Stopped("the core is away, and no more can be answered in its stead")
            self._loop.call_soon(self._answer_alone, parcel)
            return
        if self._in_flight + count > self._limits.in_flight_max:
            raise Overloaded(f"{self._in_flight} requests wait already")
        self._next += 1
        self._in_flight += count
        left = left_s(parcel.records, time.time_ns(), self._default_ms)
        due_s = self._loop.time() + left + ANSWERING_S + GRACE_S
        self._sent[self._next] = _Sent(parcel, due_s)
        if self._passage is not None:
            _send(self._passage, self._next, parcel)
        heapq.heappush(self._dues, (due_s, self._next))
        self._watch_over()

    def renew(self, pairs: bytes) -> None:
        """See `Core`. A core that is away hears of them again, when they are next seen."""
        if self._passage is not None:
            self._passage.send(Kind.RENEW, pairs)

    async def call(self, method: str, caller: str, raw: bytes) -> tuple[bool, bytes]:
        """
        A unary call of the contract, carried out in the core's process: (True, the answer), or (False, its Status).

        Raises Stopped where the core is away, or dies meanwhile.
        """
        if self._passage is None:
            raise Stopped("the core is away: send the same request again")
        self._next += 1
        number = self._next
        future: asyncio.Future[tuple[bool, bytes]] = self._loop.create_future()
        self._calls[number] = future
        self._passage.send(Kind.CALL, pack_call(number, method, caller, raw))
        try:
            return await future
        finally:
            self._calls.pop(number, None)

    def _heard(self, passage: Passage, kind: int, body: bytes) -> None:
        if kind == Kind.ANSWERS:
            self._take_answers(body)
            self._answers += 1
            if not self._is_telling_passed:
                self._note_passed(passage)
        elif kind == Kind.FAILED:
            self._take_failure(*read_failed(body))
        elif kind == Kind.SETTLED:
            self._kept.settled(read_number(body)[0])
        elif kind == Kind.NAMES:
            self._names.take(*read_names(body))
        elif kind == Kind.RETURN:
            number, is_answer, raw = read_return(body)
            future = self._calls.get(number)
            if future is not None and not future.done():
                future.set_result((is_answer, raw))
        elif kind == Kind.HELLO:
            read_hello(body)
            self._begin(passage)
        elif kind == Kind.REFUSED:
            self._is_refused = True
            _log.error("the core refuses this front", reason=body.decode(errors="replace"))
        else:
            raise FrameError(f"frames of kind {kind}, which this side does not know")

    def _begin(self, passage: Passage) -> None:
        """The core is there: first it hears what was answered in its stead."""
        self._is_refused = self._is_searching = False
        self._passage = passage
        self._answers, self._is_telling_passed = 0, False
        self._tell_kept()
        passage.send(Kind.DISOWNED, pack_disowned(0, b"", b""))
        for number, waiting in self._sent.items():
            _send(passage, number, waiting.parcel)
        self.welcomed.set()

    def _end(self, passage: Passage) -> None:
        """The connection is gone: what waits is answered here."""
        self._lost.set()
        if passage is not self._passage:
            # It has ended before any greeting: whoever is there does not speak with us.
            self._is_refused = True
            self._miss()
            return
        self._passage = None
        self.counters.losses += 1
        self._kept.take_back()
        self._answer_all_here()
        for future in self._calls.values():
            if not future.done():
                future.set_exception(Stopped("the core has gone away: send the same request again"))

    def _note_passed(self, passage: Passage) -> None:
        """Have the core hear in a while that the answers up to here have gone on to who asked."""
        self._is_telling_passed = True
        self._loop.call_later(PASSED_S, self._tell_passed, passage, self._answers)

    def _tell_passed(self, passage: Passage, frames: int) -> None:
        if passage is self._passage:
            self._is_telling_passed = False
            passage.send(Kind.PASSED, pack_number(frames))
            if self._answers > frames:
                self._note_passed(passage)

    def _miss(self) -> None:
        """The core can't be reached: what has waited for the first try is answered here."""
        if self._is_searching:
            self._is_searching = False
            self._answer_all_here()

    def _answer_all_here(self) -> None:
        sent, self._sent = self._sent, {}
        self._dues.clear()
        self._in_flight = 0
        for waiting in sent.values():
            self._answer_here(waiting.parcel, waiting.unanswered())

    def _take_answers(self, body: bytes) -> None:
        number, places, decisions = read_answers(body)
        sent = self._sent.get(number)
        if sent is None:
            return  # its time was over
        parcel = sent.parcel
        if sent.rest is None and len(places) == len(parcel.places):
            del self._sent[number]
            self._in_flight -= len(places)
            self._keep_told(parcel, places, decisions)
            self._pass_on(parcel, places.tolist(), decisions)
            return
        if sent.rest is None:
            sent.rest = set(range(len(parcel.places)))
        fresh = [at for at, place in enumerate(places.tolist()) if place in sent.rest]
        answered = places[fresh].tolist()
        sent.rest.difference_update(answered)
        self._in_flight -= len(answered)
        if not sent.rest:
            del self._sent[number]
        if answered:
            self._keep_told(parcel, places[fresh], decisions[fresh])
            self._pass_on(parcel, answered, decisions[fresh])

    def _keep_told(self, parcel: Parcel, places: NDArray[np.int64], decisions: NDArray[Any]) -> None:
        """What the core tells by time is not on its disk, and it may die: then we tell it what was said."""
        if decisions["sequence"].all():
            return
        by_time = (decisions["sequence"] == 0) & (decisions["operation"] == Operation.AUTHORIZE)
        by_time &= (decisions["authorization_id"] != 0).any(axis=1)
        if not by_time.any():
            return
        requests = np.frombuffer(bytearray(parcel.records), REQUEST)[places[by_time]]
        codes = decisions["response_code"][by_time]
        try:
            for code in set(codes.tolist()):
                self._kept.put(records_of(requests[codes == code].tobytes()), code)
        except OSError as error:
            _log.warning("what the core told by time is not kept", requests=len(requests), reason=str(error))
        if not self._is_telling_told:
            # By then it mostly has it on disk, and need do nothing.
            self._is_telling_told = True
            self._loop.call_later(TOLD_S, self._tell_told)

    def _tell_told(self) -> None:
        self._is_telling_told = False
        self._tell_kept()

    def _pass_on(self, parcel: Parcel, places: list[int], decisions: NDArray[Any]) -> None:
        self._said.note(parcel, places, decisions)
        parcel.deliver([parcel.places[place] for place in places], decisions)

    def _take_failure(self, number: int, failure: int, text: str) -> None:
        sent = self._sent.pop(number, None)
        if sent is not None:
            self._in_flight -= len(sent.unanswered())
            sent.parcel.fail(Overloaded(text) if failure == Failure.OVERLOADED else Stopped(text))

    def _watch_over(self) -> None:
        if self._dues and self._dues[0][0] < self._watch_s:
            if self._watch is not None:
                self._watch.cancel()
            self._watch_s = self._dues[0][0]
            self._watch = self._loop.call_at(self._watch_s, self._give_up)

    def _give_up(self) -> None:
        """The core has not answered in time: what is due is answered here."""
        self._watch, self._watch_s = None, math.inf
        now_s = self._loop.time()
        while self._dues and self._dues[0][0] <= now_s:
            _, number = heapq.heappop(self._dues)
            sent = self._sent.get(number)
            if sent is None:
                continue
            due, later_s = self._parted(sent, now_s)
            if len(due) == len(sent.unanswered()):
                del self._sent[number]
            else:
                sent.rest = set(sent.unanswered()).difference(due)
                heapq.heappush(self._dues, (later_s, number))
            self._in_flight -= len(due)
            if not self._answer_here(sent.parcel, due) and self._sent.pop(number, None) is not None:
                self._in_flight -= len(sent.unanswered())
        self._tell_kept()
        self._watch_over()

    def _parted(self, sent: _Sent, now_s: float) -> tuple[list[int], float]:
        """Which of a parcel's unanswered places are due, at least one; and when the next of the others is."""
        unanswered = sent.unanswered()
        if len(unanswered) == 1:
            return unanswered, np.inf
        requests = np.frombuffer(bytearray(sent.parcel.records), REQUEST)
        # From what was read off the clock when it came: that may have been stepped since.
        count, first_s = np.array([len(requests)]), np.array([sent.due_s])
        dues = dues_s(requests, count, first_s, self._default_ms)[unanswered]
        due = (dues <= now_s) | (dues == dues.min())
        places = np.array(unanswered)
        return places[due].tolist(), float(dues[~due].min(initial=np.inf))

    def _answer_alone(self, parcel: Parcel) -> None:
        """The core was away when this was submitted; where it is back, it hears of it before anything else."""
        self._answer_here(parcel, list(range(len(parcel.places))))
        self._tell_kept()

    def _answer_here(self, parcel: Parcel, places: list[int]) -> bool:
        """
        Answer these of a parcel in the core's stead: as before, or by the code, and keep those that are authorizations.

        Returns False where they can't be kept: then the parcel has failed, with all of it that had no answer.
        """
        requests = np.frombuffer(bytearray(parcel.records), REQUEST)[places]
        known, answers = self._said.again(requests)
        if known.any():
            parcel.deliver([parcel.places[places[place]] for place in np.flatnonzero(known)], answers[known])
            requests, places = requests[~known], [places[place] for place in np.flatnonzero(~known)]
            if not places:
                return True
        authorizing = requests["operation"] == Operation.AUTHORIZE
        records = records_of(requests[authorizing].tobytes())
        try:
            self._kept.put(records, self._away_code)
        except OSError as error:
            # An answer that can't be kept is none: whoever repeats it gets the first.
            parcel.fail(Stopped(f"the core has gone away, and no more can be answered in its stead: {error}"))
            return False
        decisions: NDArray[Any] = away(requests, self._away_code)
        self.counters.answered_here += len(places)
        self._pass_on(parcel, places, decisions)
        return True

    def _tell_kept(self) -> None:
        if self._passage is not None:
            for number, records, codes in self._kept.hand_over():
                self._passage.send(Kind.DISOWNED, pack_disowned(number, records, codes))


def _send(passage: Passage, number: int, parcel: Parcel) -> None:
    passage.send(Kind.PARCEL, pack_parcel(number, len(parcel.places), parcel.source), parcel.records)
