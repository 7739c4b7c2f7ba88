"""
A server that dies again and again: killed (SIGKILL) at random moments of a replay, and started anew each time.

The moments are seeded by how far the replay has come, and a few milliseconds of chance beyond that, so that a death
falls anywhere in a turn of the core. The next one waits until the server has answered again.
"""

import threading
import time
from collections.abc import Callable
from queue import SimpleQueue
from random import Random
from typing import Final, Self

WANDER_S: Final = 0.05
"""The longest a death waits after its moment has come: several turns of the core."""


class Kills:
    """
    `count` deaths, one in each equal part of the first nine tenths of `rows`; a context.

    `restart` kills the server and starts it again; it runs on a thread of its own. What it raises comes out of
    `heard` and of `end`.
    """

    def __init__(self, count: int, rows: int, restart: Callable[[], None], seed: int) -> None:
        self._draw = Random(seed)
        self._moments = [int(rows * 0.9 * (part + self._draw.random()) / count) for part in range(count)]
        self._restart = restart
        self._due: SimpleQueue[bool] = SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="kills", daemon=True)
        self._error: Exception | None = None
        self._dying = False
        self.done = 0
        """Deaths so far."""

    def heard(self, answered: int) -> None:
        """Tells how many rows are answered; at most one death comes due by each call."""
        self._check()
        if self._moments and answered >= self._moments[0] and not self._dying:
            self._dying = True
            self._moments.pop(0)
            self._due.put(True)

    def end(self) -> None:
        """Waits until the server stands again; nothing dies after this."""
        self._due.put(False)
        self._thread.join()
        self._check()

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_raised: object) -> None:
        self._due.put(False)
        self._thread.join()

    def _check(self) -> None:
        if self._error is not None:
            raise self._error

    def _run(self) -> None:
        while self._error is None and self._due.get():
            time.sleep(self._draw.uniform(0, WANDER_S))
            try:
                self._restart()
            except Exception as error:  # handed over to whoever drives the replay
                self._error = error
            self._dying = False
            self.done += 1
