"""
What fronts hand to the core, and what it may say instead of an answer.

A front knows no more of the core than this, so the core may as well be another process.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

from numpy.typing import NDArray


class Overloaded(RuntimeError):  # noqa: N818 - a state
    """More waits than may wait; nothing was touched."""


class Stopped(RuntimeError):  # noqa: N818 - a state
    """The core answers nothing more; the text says why."""


@dataclass(slots=True)
class Parcel:
    """
    Requests of one sender that came together, as packed REQUEST records, and how to answer them.

    `deliver(places, decisions)` is called on the loop's thread, once or more, with DECISION records and the places of
    those they answer; `fail(error)` once, where the rest can't be answered at all.
    """

    records: bytes
    places: list[int]
    deliver: Callable[[list[int], NDArray[Any]], None]
    fail: Callable[[Exception], None]


class Core(Protocol):
    """Whoever answers parcels."""

    def submit(self, parcel: Parcel) -> None:
        """Queue a parcel. Raises Overloaded or Stopped, and then nothing of it was touched."""
        ...
