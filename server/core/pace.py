"""
How much time what waits will take, and when the next turn begins; both judged by the last turns.

A turn of n requests takes about as long as a turn of none, and as long again for each of them: both are learnt from the
turns as they end, by least squares over the latest of them. Pure: times come in as arguments.

A turn costs its thread 0.7 to 3 ms whatever it holds: much of it is fetching into the processor's caches what others have
driven out meanwhile, so it depends on the host. Turns that follow each other too soon leave nothing for the messages.
"""

from typing import Final

_FORGET: Final = 0.95
"""What a turn weighs beside the one after it: the last twenty or so count."""

_EMPTY_S: Final = 0.003
_EACH_S: Final = 0.00003
_SURE: Final = 4.0
"""What is believed before the first turn, and how many turns it weighs."""

TURN_S: Final = 0.005
TURN_S_MAX: Final = 0.012
"""From one turn to the next, at the most: longer where turns are dear, for they get a third of the time."""

TURN_EACH_S: Final = 0.001
"""So long for each request of the turn before, but no less than a turn costs: where little comes nobody waits for more."""

_TURN_SHARE: Final = 3.0
_SMALL: Final = 64
_NEWEST: Final = 0.1
"""What the newest turn weighs in what one costs."""


class Rhythm:
    """When turns begin, by the loop's clock."""

    def __init__(self) -> None:
        self.next_s = 0.0
        """The next turn begins no sooner."""
        self._work_s = 0.0

    def began(self, now_s: float, count: int) -> None:
        """A turn of so many requests has begun."""
        most_s = min(max(_TURN_SHARE * self._work_s, TURN_S), TURN_S_MAX)
        # While its work is done no other could be: one that began would hold up its answers.
        self.next_s = now_s + max(min(TURN_EACH_S * count, most_s), self._work_s)

    def worked(self, work_s: float, count: int) -> None:
        """A turn of so many requests has cost its thread so much time. What a large one cost was most of it for its requests."""
        if count <= _SMALL or work_s < self._work_s:
            self._work_s += _NEWEST * (min(work_s, TURN_S_MAX) - self._work_s)


class Pace:
    """The pace of turns."""

    def __init__(self) -> None:
        # Two turns that say what is believed: of none, and of a thousand.
        self._weight = self._sizes = self._squares = self._times_s = self._products = 0.0
        for count in (0, 1_000):
            self._add(_SURE / 2, count, _EMPTY_S + count * _EACH_S)

    def took(self, count: int, duration_s: float) -> None:
        """A turn of so many requests has ended."""
        for name in ("_weight", "_sizes", "_squares", "_times_s", "_products"):
            setattr(self, name, getattr(self, name) * _FORGET)
        self._add(1.0, count, duration_s)

    def wait_s(self, waiting: int, batch_max: int) -> float:
        """What so many requests add to the turn of one that comes behind them."""
        empty_s, each_s = self._line()
        return waiting // batch_max * empty_s + waiting * each_s

    def _add(self, weight: float, count: int, duration_s: float) -> None:
        self._weight += weight
        self._sizes += weight * count
        self._squares += weight * count * count
        self._times_s += weight * duration_s
        self._products += weight * count * duration_s

    def _line(self) -> tuple[float, float]:
        """What a turn takes whatever it holds, and for each request in it; both at least zero."""
        spread = self._weight * self._squares - self._sizes**2
        mean_s = self._times_s / self._weight
        if spread <= 1e-6 * self._weight * self._squares:
            # All of one size: all of the time is the requests'.
            return 0.0, mean_s * self._weight / max(self._sizes, self._weight)
        each_s = (self._weight * self._products - self._sizes * self._times_s) / spread
        each_s = min(max(each_s, 0.0), mean_s * self._weight / max(self._sizes, 1e-9))
        return max(mean_s - each_s * self._sizes / self._weight, 0.0), each_s
