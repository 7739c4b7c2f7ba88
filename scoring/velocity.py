"""
Velocity: what each card, account, merchant, device and IP did lately, and the limits on what an approval consumes.

An *attempt* is entered when it arrives, whatever becomes of it, and is never given back; so is each decline, in counts of their own.
What consumes is *reserved* when a request arrives, in the order of arrival, so that any number of
requests at once can't pass a limit together:

    (request) ── admit, within every live limit ──► reserved ── confirm ──► confirmed
        │                                              │                        │
        └─ admit, over a limit: nothing reserved       └─ release (declined)    └─ release (reversed, expired)
                                                                 ▼                        ▼
                                                              released  ◄─────────────────┘

A reservation counts alike before and after its confirmation; confirming gives back only the part that
was not approved (STEP_REDUCE). A release gives back the count and the amount that still stands (STEP_RELEASE). Both name
what the reservation named: the amounts are found again by it, and there is no
object per reservation. The caller sees to it that each is released once at most.

What a window means, its error and what happens to late times stands in `windows`; what days and months are kept, in `calendar_sums`.

The state is a function of what was entered, reserved and given back, in order, byte for byte: a refused
reservation leaves only its attempt. `retrace` does again what a journal says, through the same kernels.
"""

from collections.abc import Mapping
from typing import Any, Final, NamedTuple

import numpy as np

from scoring.attempt import ATTEMPT
from scoring.limit import (
    AMOUNT,
    CONSULTED,
    CONSULTED_MAX,
    DAY,
    FREQUENCY,
    LIMIT,
    MONTH,
    TRANSACTION,
    LimitTable,
    Measure,
    Of,
    Subject,
    no_limits,
)
from scoring.pool import CHUNK_WORDS, FREE, PAYLOAD_WORDS, TOP
from scoring.room import Room
from scoring.roster import SLOTS_MIN, move_rows
from scoring.velocity_kernel import (
    BAD_ACCOUNT,
    BAD_AMOUNT,
    BAD_ROW,
    BAD_SET,
    OK,
    PAST_NAMES,
    STEP_ADD,
    STEP_ATTEMPT,
    STEP_DECLINE,
    STEP_REDUCE,
    STEP_RELEASE,
    STEP_RESERVE,
    admit_kernel,
    check_steps,
    fill_steps,
    retrace_kernel,
)
from scoring.velocity_rows import (
    DESK,
    NEED_ACCOUNT,
    NEED_CHUNKS,
    NEED_NOTHING,
    NEED_ROSTER,
    NO_ROW,
    OWN,
    STEP,
    list_words,
)

__all__ = [
    "AMOUNT", "CONSULTED", "CONSULTED_MAX", "DAY", "FREQUENCY", "LIMIT", "MONTH", "NO_ROW", "PAST_NAMES", "STEP", "STEP_ADD",
    "STEP_ATTEMPT", "STEP_DECLINE", "STEP_REDUCE", "STEP_RELEASE", "STEP_RESERVE", "TRANSACTION", "Admitted", "LimitTable",
    "Measure", "Of", "Subject", "Velocity", "no_limits",
]  # fmt: skip

_ROSTERS: Final = ("merchant", "device", "ip")
# Chunks that the pool gets at once: enough that it is rare.
_CHUNKS_MIN: Final = 4_096
_CHUNKS_MAX: Final = 1 << 18


class Admitted(NamedTuple):
    """What `Velocity.admit` says of n requests."""

    flags: np.ndarray  # u1[n]: AMOUNT, FREQUENCY; 0 = no live limit passed
    consulted: (
        np.ndarray
    )  # CONSULTED[n, CONSULTED_MAX]: limits passed first, then those nearest to their ceilings
    past: np.ndarray  # f4[n, len(PAST_NAMES)]: what came before each; NaN where it lacks what it takes
    reserved: np.ndarray  # bool[n]


class Velocity:
    """What each subject did and consumed. One thread owns it; cards' rows are the directory's, accounts go by their numbers."""

    def __init__(self, cards: int = 0, accounts: int = 1) -> None:
        self._desk = np.zeros(1, DESK)
        self._chunks = Room(np.uint32, (CHUNK_WORDS,), 1)
        self._control = np.array([1, 0, 0], np.int64)
        self._account_rows = Room(np.uint32, (), accounts)
        # Of cards, and of accounts with rows of their own.
        self._rows = Room(np.uint32, (2,), cards), Room(np.uint32, (2,))
        self._heads = Room(np.int32, (2,), cards), Room(np.int32, (2,))
        self._sums = Room(np.int64, (2, 2), cards), Room(np.int64, (2, 2))
        self._roster_rows = [np.zeros((SLOTS_MIN, 2), np.uint32) for _ in _ROSTERS]
        self._keys = [np.zeros(SLOTS_MIN, np.uint64) for _ in _ROSTERS]

    @property
    def cards(self) -> int:
        """How many card rows there is room for."""
        return len(self._rows[0].array)

    @property
    def accounts(self) -> int:
        """Account numbers below it have room."""
        return len(self._account_rows.array)

    @property
    def occupancy(self) -> dict[str, tuple[int, int]]:
        """By part, what is taken of what there is room for now: chunks ever used, and each roster's rows. Both grow."""
        rosters = zip(_ROSTERS, self._keys, strict=True)
        return {
            "chunks": (int(self._control[0]), len(self._chunks.array)),
            **{str(name): (int(np.count_nonzero(keys)), len(keys)) for name, keys in rosters},
        }

    @property
    def used_bytes(self) -> int:
        """What the state takes: as much as a snapshot of it."""
        return sum(array.nbytes for array in self.arrays().values())

    @property
    def card_bytes(self) -> int:
        """What cards and their accounts take of it; the rest are the rosters' rows, whose number is bounded."""
        packed = np.concatenate([room.array[:, 1] for room in self._rows]).astype(np.int64)
        words = list_words(packed & 0xFF, packed >> 8 & 0xFF, packed >> 16)
        lists = int((-(-words // PAYLOAD_WORDS)).sum()) * self._chunks.row_bytes
        fixed = (*self._rows, *self._heads, *self._sums, self._account_rows)
        return lists + sum(room.array.nbytes for room in fixed)

    def grow(self, cards: int, accounts: int) -> None:
        """Makes room for at least `cards` rows and for account numbers below `accounts`; the lists themselves stay where they are."""
        for of_cards, _ in (self._rows, self._heads, self._sums):
            of_cards.make(cards)
        self._account_rows.make(accounts)

    def admit(
        self,
        attempts: np.ndarray,
        *,
        day_ids: np.ndarray,
        month_ids: np.ndarray,
        counted: np.ndarray,
        entering: np.ndarray,
        limit_sets: np.ndarray,
        limits: LimitTable,
    ) -> Admitted:
        """
        Tells n requests' past, judges and reserves them, and enters their attempts, in order, with one kernel call.

        attempts ATTEMPT[n]: an unknown card is NO_ROW, no account 0. day_ids, month_ids i4[n]: consecutive numbers >= 1 of the calendar
        day and month in the programme's zone. counted bool[n]: False where an earlier check declined already, or nothing is consumed:
        neither judged nor reserved. entering bool[n]: whether it is an attempt, which counts whatever becomes of it; False for what
        adds to an authorization (an increment, an advice): judged by limits of APPROVALS alone, and without a past. limit_sets u4[n]: rows
        of `limits.sets`.

        Raises IndexError for an unknown card row, account or set, ValueError for an amount below zero, with nothing changed.
        """
        count = len(attempts)
        steps = np.empty(count, STEP)
        limit_sets = _as(limit_sets, np.uint32)
        code = fill_steps(
            _as(attempts, ATTEMPT), _as(day_ids, np.int32), _as(month_ids, np.int32),
            limit_sets, limits.sets, self.cards, self.accounts, steps,
        )  # fmt: skip
        _check(code)
        admitted = Admitted(
            np.empty(count, np.uint8),
            np.zeros((count, CONSULTED_MAX), CONSULTED),
            np.empty((count, len(PAST_NAMES)), np.float32),
            np.empty(count, np.bool_),
        )
        counted, entering = _as(counted, np.bool_), _as(entering, np.bool_)
        done = 0
        while done < count:
            done, need = admit_kernel(
                done,
                steps,
                counted,
                entering,
                limit_sets,
                limits.limits,
                limits.sets,
                *self._state(),
                *admitted,
            )
            self._make_room(need)
        return admitted

    def retrace(self, steps: np.ndarray) -> None:
        """
        Does again what happened, STEP[n] in order: STEP_ATTEMPT, STEP_RESERVE (an attempt and its reservation), STEP_ADD (a reservation alone);
        and gives back: STEP_RELEASE with the amount that still stood, STEP_REDUCE with a part; STEP_DECLINE counts a decline.
        A step that gives back names what its reservation named. What has left its windows meanwhile is forgotten, not an error.

        Raises IndexError for an unknown card row or account, ValueError for an amount below zero or an unknown step, with nothing changed.
        """
        steps = _as(steps, STEP)
        _check(check_steps(steps, self.cards, self.accounts))
        done = 0
        while done < len(steps):
            done, need = retrace_kernel(done, steps, *self._state())
            self._make_room(need)

    def arrays(self) -> dict[str, np.ndarray]:
        """The whole state by name, for a snapshot: the arrays themselves as far as they are in use, not copies."""
        own = int(self._control[OWN])
        named: dict[str, np.ndarray] = {
            "chunks": self._chunks.array[: int(self._control[TOP])],
            "control": self._control,
            "account_rows": self._account_rows.array,
            "card_rows": self._rows[0].array,
            "card_heads": self._heads[0].array,
            "card_sums": self._sums[0].array,
            "own_rows": self._rows[1].array[:own],
            "own_heads": self._heads[1].array[:own],
            "own_sums": self._sums[1].array[:own],
        }
        for place, roster in enumerate(_ROSTERS):
            named[f"{roster}_rows"] = self._roster_rows[place]
            named[f"{roster}_keys"] = self._keys[place]
        return named

    def load(self, arrays: Mapping[str, np.ndarray]) -> None:
        """Takes over a state that `arrays` gave. Raises ValueError where names, dtypes, shapes or sizes don't fit."""
        taken = {}
        for name, own in self.arrays().items():
            array = arrays.get(name)
            if array is None or array.dtype != own.dtype or array.shape[1:] != own.shape[1:]:
                raise ValueError(f"velocity state {name!r} is missing or has another layout")
            taken[name] = np.require(array, requirements=["C", "A", "W"])
        _check_sizes(taken)
        self.__init__()  # type: ignore[misc] # as good as new
        self._control = taken["control"]
        for pair, name in ((self._rows, "rows"), (self._heads, "heads"), (self._sums, "sums")):
            pair[0].take(taken[f"card_{name}"])
            pair[1].take(taken[f"own_{name}"])
        self._account_rows.take(taken["account_rows"])
        self._chunks.take(taken["chunks"])
        self._roster_rows = [taken[f"{name}_rows"] for name in _ROSTERS]
        self._keys = [taken[f"{name}_keys"] for name in _ROSTERS]

    def warm_up(self) -> None:
        """Compiles the kernels, or loads them compiled, on a state of its own."""
        own = Velocity(1, 2)
        attempts = np.zeros(1, ATTEMPT)
        attempts["account"] = attempts["merchant"] = 1
        ones = np.ones(1, np.int32)
        limits = LimitTable(np.ones(1, LIMIT), np.array([0, 1], np.uint32))
        own.admit(
            attempts, day_ids=ones, month_ids=ones, counted=ones, entering=ones,
            limit_sets=np.zeros(1, np.uint32), limits=limits,
        )  # fmt: skip
        own.retrace(np.zeros(2, STEP))
        own._grow_roster(0)

    def _state(self) -> tuple[object, ...]:
        rows, own_rows = self._rows
        return (
            (rows.array, own_rows.array, *self._roster_rows), tuple(self._keys), self._account_rows.array,
            self._chunks.array, self._control, (self._heads[0].array, self._heads[1].array),
            (self._sums[0].array, self._sums[1].array), self._desk,
        )  # fmt: skip

    def _make_room(self, need: int) -> None:
        if need == NEED_NOTHING:
            return
        if need == NEED_CHUNKS:
            count = len(self._chunks.array)
            self._chunks.make(count + min(max(count // 8, _CHUNKS_MIN), _CHUNKS_MAX))
        elif need == NEED_ACCOUNT:
            for _, own in (self._rows, self._heads, self._sums):
                own.make(max(2 * len(own.array), 64))
        else:
            self._grow_roster(need - NEED_ROSTER)

    def _grow_roster(self, roster: int) -> None:
        keys, rows = self._keys[roster], self._roster_rows[roster]
        larger_keys, larger_rows = np.zeros(2 * len(keys), np.uint64), np.zeros((2 * len(keys), 2), np.uint32)
        move_rows(keys, rows, larger_keys, larger_rows)
        self._keys[roster], self._roster_rows[roster] = larger_keys, larger_rows


def _as(column: np.ndarray, dtype: type | np.dtype[Any]) -> np.ndarray:
    """Each layout of an array has a kernel of its own: strided or read-only ones would be compiled for anew."""
    if column.dtype == dtype and column.flags.carray:
        return column
    return np.require(column, dtype, ["C", "A", "W"])


def _check(code: int) -> None:
    if code == OK:
        return
    if code == BAD_ROW:
        raise IndexError("a card row lies beyond the velocity state: grow() comes first")
    if code == BAD_ACCOUNT:
        raise IndexError("an account lies beyond the velocity state: grow() comes first")
    if code == BAD_SET:
        raise IndexError("a limit set lies beyond the table of limits")
    if code == BAD_AMOUNT:
        raise ValueError("an amount below zero can't be reserved or given back")
    raise ValueError("an unknown step can't be retraced")


def _check_sizes(arrays: Mapping[str, np.ndarray]) -> None:
    control = arrays["control"]
    if len(control) != OWN + 1:
        raise ValueError("velocity state 'control' has another layout")
    alike: list[tuple[str, ...]] = [
        ("card_rows", "card_heads", "card_sums"),
        ("own_rows", "own_heads", "own_sums"),
    ]
    alike += [(f"{name}_rows", f"{name}_keys") for name in _ROSTERS]
    for names in alike:
        if len({len(arrays[name]) for name in names}) != 1:
            raise ValueError(f"velocity state arrays differ in their rows: {', '.join(names)}")
    if (
        len(arrays["chunks"]) != control[TOP]
        or control[FREE] >= control[TOP]
        or len(arrays["own_rows"]) != control[OWN]
    ):
        raise ValueError("velocity state 'control' doesn't fit its lists")
    for name in _ROSTERS:
        slots = len(arrays[f"{name}_keys"])
        if slots < SLOTS_MIN or slots & (slots - 1):
            raise ValueError(f"velocity state '{name}_keys' is no roster")
