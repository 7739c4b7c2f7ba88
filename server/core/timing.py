"""How long turns, their stages and whole answers take, in histograms that cost the path a few microseconds a turn."""

from bisect import bisect_left
from itertools import pairwise
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

STAGES: Final = ("find and admit", "controls", "limits", "score", "policy", "hold", "decide")
"""What a turn marks the end of, in order; the last one ends when its answers have left."""

BOUNDS_S: Final = (
    0.0001, 0.0002, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.035, 0.05, 0.1, 0.2, 0.3, 0.35, 0.5, 1.0, 2.0, 5.0
)  # fmt: skip
"""Upper bounds of the buckets, seconds; one more holds what is longer. The default deadline and its grace are bounds."""

_BOUNDS_NS: Final = tuple(int(bound * 1e9) for bound in BOUNDS_S)
_BOUNDS: Final = np.array(_BOUNDS_NS)


class Histogram:
    """Durations: how many fell into each bucket, and their sum."""

    __slots__ = ("counts", "sum_s")

    bounds_s = BOUNDS_S

    def __init__(self) -> None:
        self.counts = [0] * (len(BOUNDS_S) + 1)
        self.sum_s = 0.0

    def take(self, took_ns: int) -> None:
        """One more."""
        self.counts[bisect_left(_BOUNDS_NS, took_ns)] += 1
        self.sum_s += took_ns / 1e9

    def take_all(self, took_ns: NDArray[np.int64]) -> None:
        """Some more, i8[n]."""
        buckets = _BOUNDS.searchsorted(took_ns)
        for bucket, count in enumerate(np.bincount(buckets, minlength=len(self.counts)).tolist()):
            self.counts[bucket] += count
        self.sum_s += float(took_ns.sum()) / 1e9


class Timing:
    """The core's histograms."""

    def __init__(self) -> None:
        self.stages = {stage: Histogram() for stage in STAGES}
        """Of each turn."""
        self.answers = Histogram()
        """Of each authorization, from its arrival at the front to its answer."""

    def turn(self, marks_ns: list[int]) -> None:
        """A turn is over; `marks_ns` are the times between which its stages lay."""
        for histogram, (began, ended) in zip(self.stages.values(), pairwise(marks_ns), strict=True):
            histogram.take(ended - began)

    def answered(self, intents: NDArray[Any], now_ns: int) -> None:
        """INTENT[n] have their answers."""
        self.answers.take_all(now_ns - intents["request"]["arrival_ns"])
