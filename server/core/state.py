"""
All changing state of the core, as a function of the journal.

What a request changes at arrival (`arrive`) and what its decision changes (`settle`, and `resolve` once it is on disk)
are the same functions in service and when the journal is read back. So a snapshot is nothing but the journal's first
part, folded: after a restart, the snapshot and the journal's tail give the state that was.
"""

import fcntl
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numba import njit
from numpy.typing import NDArray

from server.core.formats import features_of, intents_of
from server.core.journal_reader import INTENTS_KIND, JournalChunk, JournalCorrupt
from server.core.labels import learn, runs_of
from server.core.limits import Limits, is_decline
from server.core.record import DECISION_NUMBERS, INTENT, NO_ROW, Operation, rows_at, seen_as
from server.core.repeats import ENTRIES_MIN, Repeats
from server.core.risk import Risk
from server.core.snapshot import SnapshotUnreadable, read_arrays, write_arrays
from server.core.stand_in import StandIn

SNAPSHOT_FORMAT: Final = 3
_AUTHORIZE: Final = int(Operation.AUTHORIZE)
_NOTHING: Final = 0
_LEAVES_TRACE: Final = 1
_REVERSES: Final = 2
_STEPS_FROM: Final = 1 << 20
_STEP_ROWS: Final = 1 << 16


@njit(cache=True)
def leaves_trace(intent: Any, decision: Any) -> bool:
    """Whether an authorization's DECISION_NUMBERS gives back what its intent reserved, or counts as a decline."""
    approved = decision.held != 0 or decision.stand_in != 0
    if intent.reserved_limits != 0 and not (approved and decision.approved_minor >= intent.billed_minor):
        return True
    return is_decline(decision)


@njit(cache=True)
def traces_of(intents: Any, decisions: Any, leaving: Any) -> tuple[int, bool]:
    """
    Mark, in bool[n], the authorizations whose DECISION_NUMBERS[n] leave a trace in the limits.

    Returns how many those are, and whether there are messages about others among them.
    """
    count = 0
    others = False
    for i in range(len(intents)):
        authorizing = decisions[i].operation == _AUTHORIZE
        leaving[i] = authorizing and leaves_trace(intents[i], decisions[i])
        count += leaving[i]
        others = others or not authorizing
    return count, others


@njit(cache=True)
def effects_of(intents: Any, places: Any, decisions: Any, effects: Any) -> bool:
    """
    What each DECISION_NUMBERS[m], of the INTENT at its place, does to the limits (u1[m]): nothing, to its own, or to
    what it reverses.

    False where a decision has no place (below zero).
    """
    for i in range(len(decisions)):
        if places[i] < 0:
            return False
        effects[i] = _NOTHING
        intent = intents[places[i]]
        if decisions[i].operation != _AUTHORIZE:
            effects[i] = _REVERSES
        elif leaves_trace(intent, decisions[i]):
            effects[i] = _LEAVES_TRACE
    return True


def room_for(rows: int) -> int:
    """By powers of two, from a million on by 65,536: arrays of so many grow where they lie."""
    if rows > _STEPS_FROM:
        return -(-rows // _STEP_ROWS) * _STEP_ROWS
    return max(1024, 1 << (rows - 1).bit_length())


class State:
    """
    Repeats, limits, features and what stand-in approved, with the number of the last request and of the last journal row in them.

    Nothing in it depends on the directory: cards are rows, and what an intent found in the directory stands in it.
    """

    def __init__(self, risk: Risk, entries_min: int = ENTRIES_MIN) -> None:
        self._entries_min = entries_min
        self.repeats = Repeats(entries_min)
        self.limits = Limits()
        self.risk = risk
        self.stand_in = StandIn()
        self.sequence = 0
        self.journal_number = 0
        self._undecided: NDArray[Any] = np.zeros(0, INTENT)
        self._places = np.zeros((0, 2), np.int64)

    def grow(self, cards: int, accounts: int) -> None:
        """Make room for at least so many card rows, and account numbers below `accounts`."""
        cards, accounts = room_for(cards), room_for(accounts)
        self.limits.grow(cards, accounts)
        self.risk.features.grow(cards)

    def settle(self, intents: NDArray[Any], decisions: NDArray[Any]) -> None:
        """Give back what a batch of decisions (DECISION[n], with their INTENT[n]) did not consume, or released; count declines."""
        leaving = np.empty(len(intents), np.bool_)
        count, others = traces_of(intents, seen_as(decisions, DECISION_NUMBERS), leaving)
        if count:
            nothing = np.zeros(count, np.int64)
            self.limits.retrace(intents[:0], rows_at(intents, leaving), rows_at(decisions, leaving), nothing)
        if others:
            given = self.repeats.gives_back(intents, decisions)
            self.limits.take_back(given)
            self.stand_in.take_back(given)

    def replay(self, chunks: Iterable[JournalChunk]) -> None:
        """Take in journal rows that follow those already in the state, in order. Raises JournalCorrupt."""
        for chunk in chunks:
            self._replay(chunk)
            self.journal_number = int(chunk.numbers[-1])

    def undecided(self) -> tuple[NDArray[Any], NDArray[np.int64]]:
        """INTENT[n] that the replayed rows left without a decision, in order; their journal rows and places there."""
        return self._undecided, self._places

    def forget_undecided(self) -> None:
        """Recovery has decided them all."""
        self._undecided, self._places = self._undecided[:0], self._places[:0]

    def settled_number(self) -> int:
        """The last journal row that nothing needs any more to go on from here: below the first undecided intent's."""
        return int(self._places[:, 0].min(initial=self.journal_number + 1)) - 1

    def _replay(self, chunk: JournalChunk) -> None:
        """
        Between two rows that reverse something, repeats may take all arrivals before all answers, and limits need not
        look at repeats: so all of those go in one piece.
        """
        intents, decisions = chunk.intents, chunk.decisions
        self._arrive_again(intents)
        rows = chunk.kinds == INTENTS_KIND
        ends = np.where(rows, chunk.counts, 0).cumsum(), np.where(rows, 0, chunk.counts).cumsum()
        pool = np.concatenate([self._undecided, intents])
        places = _places_of(pool["sequence"], decisions["sequence"])
        effects = np.empty(len(decisions), np.uint8)
        if not effects_of(pool, places, seen_as(decisions, DECISION_NUMBERS), effects):
            lost = int(decisions["sequence"][places < 0][0])
            raise JournalCorrupt(
                f"rows {chunk.numbers[0]} to {chunk.numbers[-1]}: request {lost} has no intent"
            )
        reversing = np.flatnonzero(intents["request"]["operation"] != Operation.AUTHORIZE)
        barriers = np.zeros(len(rows), np.uint8)
        barriers[np.searchsorted(ends[0], reversing, side="right")] = _REVERSES
        affected = np.flatnonzero(effects)
        row_of = np.searchsorted(ends[1], affected, side="right")
        np.maximum.at(barriers, row_of, effects[affected])
        alone = barriers[row_of] == _LEAVES_TRACE
        gives, after = affected[alone], ends[0][row_of[alone]]

        self.stand_in.settle(pool[places], decisions)
        pieces = _Pieces(self, intents, pool, places, decisions, gives, after)
        for row in np.flatnonzero(barriers == _REVERSES).tolist():
            intents_before, decisions_before = (int(end[row - 1]) if row else 0 for end in ends)
            pieces.answer(intents_before, decisions_before)
            if not rows[row]:
                pieces.settle(intents_before, decisions_before, int(ends[1][row]))
        pieces.reserve(len(intents), len(decisions))
        pieces.answer(len(intents), len(decisions))

        decided = np.zeros(len(pool), np.bool_)
        decided[places] = True
        starts = np.repeat(ends[0] - np.where(rows, chunk.counts, 0), np.where(rows, chunk.counts, 0))
        numbers = np.repeat(chunk.numbers[rows], chunk.counts[rows])
        found = np.stack([numbers, np.arange(len(intents)) - starts], axis=1)
        self._places = np.concatenate([self._places, found])[~decided]
        self._undecided = pool[~decided]

    def _arrive_again(self, intents: NDArray[Any]) -> None:
        if not len(intents):
            return
        known = intents["card_row"][intents["card_row"] != NO_ROW]
        if len(known):
            accounts = intents["account_number"][intents["card_row"] != NO_ROW]
            self.grow(int(known.max()) + 1, int(accounts.max()) + 1)
        for some in runs_of(intents):
            self.risk.remember(authorizations_of(some))
            learn(self.risk.features, some)
        self.sequence = max(self.sequence, int(intents["sequence"].max()))

    def save(self, path: Path) -> None:
        """Write a snapshot, whole or not at all. One of a later row is left alone: rows before that may be gone."""
        arrays = {"repeats_" + k: v for k, v in self.repeats.arrays().items()}
        arrays |= {"limits_" + k: v for k, v in self.limits.arrays().items()}
        arrays |= {"features_" + k: v for k, v in self.risk.features.arrays().items()}
        arrays |= {"stand_in_" + k: v for k, v in self.stand_in.arrays().items()}
        arrays["position"] = np.array([self.journal_number, self.sequence], np.int64)
        arrays["undecided"], arrays["undecided_places"] = self._undecided, self._places
        with path.with_suffix(".lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not _has_later(path, self.journal_number):
                write_arrays(path, SNAPSHOT_FORMAT, arrays)

    def load(self, path: Path) -> None:
        """Take over a snapshot, whole or not at all. Raises FileNotFoundError or SnapshotUnreadable."""
        arrays = read_arrays(path, SNAPSHOT_FORMAT, oldest=1)
        repeats, limits, stand_in = Repeats(self._entries_min), Limits(), StandIn()
        try:
            repeats.load(_part(arrays, "repeats_"))
            limits.load(_part(arrays, "limits_"))
            stand_in.load(_part(arrays, "stand_in_"))
            features = features_of(_part(arrays, "features_"))
            journal_number, sequence = (int(value) for value in arrays["position"])
            undecided, places = intents_of(arrays["undecided"]), arrays["undecided_places"]
        except (ValueError, KeyError) as error:
            raise SnapshotUnreadable(f"{path} is another version's: {error}") from error
        self.repeats, self.limits, self.stand_in, self.risk.features = repeats, limits, stand_in, features
        self.journal_number, self.sequence = journal_number, sequence
        self._undecided, self._places = undecided, places


@dataclass(frozen=True, slots=True)
class SnapshotPosition:
    """Where a snapshot stands: its journal row, the last row that nothing needs any more, its last request."""

    row: int
    settled: int
    sequence: int


def position_of(path: Path) -> SnapshotPosition:
    """Where a snapshot stands, without reading all of it. Raises FileNotFoundError or SnapshotUnreadable."""
    arrays = read_arrays(path, SNAPSHOT_FORMAT, ("position", "undecided_places"), oldest=1)
    row, sequence = arrays["position"].tolist()
    settled = int(arrays["undecided_places"][:, 0].min(initial=row + 1)) - 1
    return SnapshotPosition(row, settled, sequence)


def _has_later(path: Path, row: int) -> bool:
    try:
        return position_of(path).row > row
    except (FileNotFoundError, SnapshotUnreadable):
        return False


class _Pieces:
    """How far a chunk's intents are in the limits and its requests and answers in the repeats."""

    def __init__(
        self,
        state: State,
        intents: NDArray[Any],
        pool: NDArray[Any],
        places: NDArray[np.int64],
        decisions: NDArray[Any],
        gives: NDArray[np.int64],
        after: NDArray[np.int64],
    ) -> None:
        self._state = state
        self._intents = intents
        self._pool = pool
        self._places = places
        self._decisions = decisions
        self._gives = gives  # the decisions that give back what their own intents reserved,
        self._after = after  # and after how many of the intents
        self._reserved = self._given = self._admitted = self._answered = 0

    def reserve(self, intents_up_to: int, decisions_up_to: int) -> None:
        """Reserve for the intents before `intents_up_to`; give back what the decisions before `decisions_up_to` do."""
        given_up_to = int(np.searchsorted(self._gives, decisions_up_to))
        some = slice(self._given, given_up_to)
        gives = self._gives[some]
        self._state.limits.retrace(
            self._intents[self._reserved : intents_up_to],
            self._pool[self._places[gives]],
            self._decisions[gives],
            self._after[some] - self._reserved,
        )
        self._reserved, self._given = intents_up_to, given_up_to

    def answer(self, intents_up_to: int, decisions_up_to: int) -> None:
        """Enter the requests before `intents_up_to` and the answers before `decisions_up_to`."""
        if intents_up_to > self._admitted:
            self._state.repeats.readmit(self._intents["request"][self._admitted : intents_up_to])
            self._admitted = intents_up_to
        if decisions_up_to > self._answered:
            some = slice(self._answered, decisions_up_to)
            self._state.repeats.resolve(self._pool[self._places[some]], self._decisions[some])
            self._answered = decisions_up_to

    def settle(self, intents_up_to: int, first: int, last: int) -> None:
        """Give back what the decisions from `first` to `last`, after so many intents, did not consume."""
        self.reserve(intents_up_to, first)
        some = slice(first, last)
        self._state.settle(self._pool[self._places[some]], self._decisions[some])


def authorizations_of(intents: NDArray[Any]) -> NDArray[Any]:
    """Those INTENTs that ask for an authorization."""
    authorizing = intents["request"]["operation"] == Operation.AUTHORIZE
    return intents if authorizing.all() else intents[authorizing]


def _places_of(sequences: NDArray[np.uint64], wanted: NDArray[np.uint64]) -> NDArray[np.int64]:
    """Where each wanted one stands in ascending `sequences`; -1 where it doesn't."""
    if not len(sequences):
        return np.full(len(wanted), -1, np.int64)
    places = np.searchsorted(sequences, wanted)
    places[places == len(sequences)] = 0
    return np.where(sequences[places] == wanted, places, -1).astype(np.int64)


def _part(arrays: Mapping[str, NDArray[Any]], prefix: str) -> dict[str, NDArray[Any]]:
    return {name.removeprefix(prefix): array for name, array in arrays.items() if name.startswith(prefix)}
