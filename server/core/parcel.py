"""
What fronts hand to the core, and what it may say instead of an answer.

A front knows no more of the core than this, so the core may as well be another process.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from server.core.record import REQUEST


class Overloaded(RuntimeError):  # noqa: N818 - a state
    """More waits than may wait; nothing was touched."""


class Stopped(RuntimeError):  # noqa: N818 - a state
    """The core answers nothing more; the text says why."""


Places: TypeAlias = list[int]
Decisions: TypeAlias = NDArray[Any]
"""Named, for annotations of functions within functions are evaluated on every call: what stands in brackets, for 6 us."""

Deliver = Callable[[Places, Decisions], None]


@dataclass(slots=True)
class Parcel:
    """
    Requests of one sender that came together, as packed REQUEST records, and how to answer them.

    `deliver(places, decisions)` is called on the loop's thread, once or more, with DECISION records and the places of
    those they answer; `fail(error)` once, where the rest can't be answered at all. `due_s` is the core's: when the first
    of them is due, by its loop's clock.
    """

    records: bytes
    places: list[int]
    deliver: Deliver
    fail: Callable[[Exception], None]
    due_s: float = math.inf
    source: int = 0
    """The link that it came by, whose parcels take turns with those of others; 0 for what came by itself."""

    def part(self, chosen: NDArray[np.int64], due_s: float) -> "Parcel":
        """The requests at these places of it, as a parcel of their own."""
        requests = np.frombuffer(self.records, REQUEST)[chosen]
        places = [self.places[place] for place in chosen.tolist()]
        return Parcel(requests.tobytes(), places, self.deliver, self.fail, due_s, self.source)


class Core(Protocol):
    """Whoever answers parcels."""

    def submit(self, parcel: Parcel) -> None:
        """Queue a parcel. Raises Overloaded or Stopped, and then nothing of it was touched."""
        ...

    @property
    def next_turn_s(self) -> float:
        """Before when little that comes is taken, by the loop's clock; 0 where that is not known."""
        ...

    def is_full(self, source: int = 0) -> bool:
        """Whether it would refuse a parcel of this source now, so that a front need not read what it brings."""
        ...

    def note_refused(self, count: int) -> None:
        """So many requests were refused because it is full."""
        ...

    def renew(self, pairs: bytes) -> None:
        """
        Card numbers that the next parcel names, while their key rotates: packed pairs of keyed hashes, today's first.

        Cards that stand under the second stand under the first from now on.
        """
        ...
