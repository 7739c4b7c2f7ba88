"""
What was decided, for those who look on beside the answer path: shadow models and drift.

The core offers each batch of authorizations once it is answered: a list takes it, nothing is copied. Where onlookers
can't keep up, batches are dropped and counted; no answer waits for them.
"""

import asyncio
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol

import numpy as np
from numpy.typing import NDArray

from scoring.features import FEATURE_NAMES
from server.core.record import CREDITING, DECISION, INTENT, NO_ROW

WAITING_MAX: Final = 2_048
"""Authorizations that may wait for onlookers: a sample of some 8,000 a second."""

LINGER_S: Final = 0.25
"""Batches gather this long: few, larger pieces of work."""

SIGHT_MAX: Final = 512
"""So many rows are looked at together: the loop's thread gets its turn in between."""

_Batch = tuple[NDArray[Any], NDArray[Any]]
_APPROVED: Final = (b"00", b"10")


@dataclass(frozen=True, slots=True)
class Sight:
    """
    n authorizations of known cards, decided: features f4[n, F]; scores f4[n], NaN = unscored, by models S24[n];
    ids u8[n, 2]; decided_ns i8[n]; approved bool[n].
    """

    features: NDArray[np.float32]
    scores: NDArray[np.float32]
    models: NDArray[np.bytes_]
    ids: NDArray[np.uint64]
    decided_ns: NDArray[np.int64]
    approved: NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.scores)


class Onlooker(Protocol):
    """Somebody who looks on. `look` runs in a thread, one call at a time; `act` on the loop, after it."""

    def look(self, sight: Sight) -> None:
        """Takes in at most SIGHT_MAX authorizations. Blocks."""
        ...

    async def act(self) -> None:
        """Does what needs the loop. What PostgreSQL raises stays inside."""
        ...


class Onlookers:
    """The bounded queue, and who looks on."""

    def __init__(self, onlookers: Sequence[Onlooker]) -> None:
        self._onlookers = onlookers
        self._waiting: list[_Batch] = []
        self._waiting_count = 0
        self._offered = asyncio.Event()
        self.dropped = 0
        """Authorizations that nobody could look at in time."""

    def offer(self, intents: NDArray[Any], decisions: NDArray[Any]) -> None:
        """INTENT[n] of authorizations with their DECISION[n], which nobody writes to any more. On the loop's thread."""
        if self._waiting_count + len(intents) > WAITING_MAX:
            self.dropped += len(intents)
            return
        self._waiting.append((intents, decisions))
        self._waiting_count += len(intents)
        self._offered.set()

    async def run(self) -> None:
        """Shows what is offered to every onlooker until cancelled."""
        while True:
            await self._offered.wait()
            await asyncio.sleep(LINGER_S)
            await self.show()

    async def show(self) -> None:
        """Shows what waits now."""
        batches, self._waiting, self._waiting_count = self._waiting, [], 0
        self._offered.clear()
        if batches:
            await asyncio.to_thread(self._look, batches)
        for onlooker in self._onlookers:
            await onlooker.act()

    def _look(self, batches: list[_Batch]) -> None:
        for part in pieces(batches):
            sight = seen(part)
            for onlooker in self._onlookers:
                onlooker.look(sight)
            time.sleep(0)  # whoever waits for the interpreter gets it


def pieces(batches: list[_Batch]) -> Iterator[list[_Batch]]:
    """The same rows in their order, at most SIGHT_MAX together."""
    part: list[_Batch] = []
    room = SIGHT_MAX
    for intents, decisions in batches:
        first = 0
        while first < len(intents):
            last = first + room
            part.append((intents[first:last], decisions[first:last]))
            room -= len(part[-1][0])
            first = last
            if not room:
                yield part
                part, room = [], SIGHT_MAX
    if part:
        yield part


def seen(batches: list[_Batch]) -> Sight:
    """What there is to see in batches of INTENT and DECISION: money going out, of known cards."""
    intents = np.frombuffer(b"".join([intents.tobytes() for intents, _ in batches]), INTENT)
    decisions = np.frombuffer(b"".join([decisions.tobytes() for _, decisions in batches]), DECISION)
    crediting = CREDITING >> intents["request"]["transaction_type"].astype(np.int64) & 1
    chosen = (intents["card_row"] != NO_ROW) & (crediting == 0)
    intents, decisions = intents[chosen], decisions[chosen]
    return Sight(
        features=np.ascontiguousarray(intents["features"][:, : len(FEATURE_NAMES)]),
        scores=np.ascontiguousarray(intents["score"]),
        models=np.ascontiguousarray(intents["model"]),
        ids=np.ascontiguousarray(decisions["authorization_id"]),
        decided_ns=np.ascontiguousarray(decisions["decision_ns"]),
        approved=np.isin(decisions["response_code"], _APPROVED),
    )
