"""
A circuit breaker: a provider that fails is left alone for a while. No clock: seconds come in.

    closed    --failures_max failures one after the other-->  open
    open      --open_s have passed: one request may try-->    half open
    half open --it succeeds-->                                closed
    half open --it fails-->                                   open

A try that ends in neither (its caller was cancelled) is taken back by `abandoned`.
"""

from enum import StrEnum


class BreakerState(StrEnum):
    """Whether requests go through."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half_open"


class Breaker:
    """One for a provider. Times are seconds of any clock that only goes forward."""

    def __init__(self, failures_max: int, open_s: float) -> None:
        self.state = BreakerState.CLOSED
        self._failures_max = failures_max
        self._open_s = open_s
        self._failures = 0
        self._opened_s = 0.0

    def lets_through(self, now_s: float) -> bool:
        """Whether a request may be made now; while half open, only the first that asks."""
        if self.state is BreakerState.OPEN and now_s - self._opened_s >= self._open_s:
            self.state = BreakerState.HALF_OPEN
            return True
        return self.state is BreakerState.CLOSED

    def succeeded(self) -> None:
        """A request was answered. One that was asked before the circuit opened doesn't close it."""
        if self.state is not BreakerState.OPEN:
            self.state = BreakerState.CLOSED
            self._failures = 0

    def failed(self, now_s: float) -> None:
        """A request was not answered."""
        self._failures += 1
        if self.state is BreakerState.HALF_OPEN or (
            self.state is BreakerState.CLOSED and self._failures >= self._failures_max
        ):
            self._open(now_s)

    def abandoned(self, now_s: float) -> None:
        """A request was given up by its caller: a try while half open has told nothing."""
        if self.state is BreakerState.HALF_OPEN:
            self._open(now_s)

    def _open(self, now_s: float) -> None:
        self.state = BreakerState.OPEN
        self._opened_s = now_s
        self._failures = 0
