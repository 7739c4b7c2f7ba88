"""
How a cluster that doesn't answer is found again: connections tried, and now and then a fresh session.

The native client waits for its answer whatever happens, and the longer it has waited the more seldom it asks: after
fifteen seconds without a server it took eight more to notice that one was back (seen). A fresh session is answered
within a few tenths of a second. But the cluster keeps a bounded number of sessions, and one that is only stopped keeps
what it is sent, to carry it out when it goes on: so a session is begun where a connection shows that a server has come
back, and otherwise ever more seldom.
"""

import socket
import threading
from collections.abc import Sequence
from contextlib import suppress
from typing import Final, Protocol

LATE_S: Final = 0.3
"""An answer that takes longer is looked after."""

LOOK_S: Final = 0.1
FIRST_S: Final = 0.5
"""How long an answer is waited for before a session is begun afresh, where connections show nothing."""

AGAIN_S: Final = 2.0
AGAIN_S_MAX: Final = 16.0
"""Between one that was begun and the next: on a busy machine it takes a second or two to be answered."""

_CONNECT_S: Final = 0.1


class Search:
    """When to begin a session afresh, from what connections show. Pure: times come in as arguments."""

    def __init__(self) -> None:
        self._missing: set[int] = set()
        self._pause_s = AGAIN_S
        self._next_s = FIRST_S

    def is_time(self, late_s: float, reachable: Sequence[bool], *, has_ended: bool = False) -> bool:
        """
        Whether to, `late_s` after the answer was asked for, or after the session `has_ended`.

        `reachable` says of each address whether it connects.
        """
        back = {place for place in self._missing if reachable[place]}
        self._missing = {place for place, is_there in enumerate(reachable) if not is_there}
        if back or (has_ended and self._next_s == FIRST_S):
            self._pause_s = AGAIN_S
        elif late_s < self._next_s or not any(reachable):
            return False
        self._next_s = late_s + self._pause_s
        self._pause_s = min(2 * self._pause_s, AGAIN_S_MAX)
        return True


class Sought(Protocol):
    """Who is searched for."""

    def late_s(self) -> float:
        """How long the oldest answer has been waited for, or how long there has been no session; else 0."""
        ...

    def has_ended(self) -> bool:
        """Whether there is no session."""
        ...

    def begin_afresh(self) -> None:
        """Begin a session beside the one there is; the one that answers first stays."""
        ...

    def leave_afresh(self) -> None:
        """The answer has come: end a session that was begun beside."""
        ...


class Seeker:
    """The thread that searches. It sleeps until `wake`, and while nothing is under way."""

    def __init__(self, sought: Sought, addresses: Sequence[str]) -> None:
        self._sought = sought
        self._addresses = [_pair(address) for address in addresses]
        self._is_busy = threading.Event()
        self._is_ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="tb-seeker", daemon=True)
        self._thread.start()

    def wake(self) -> None:
        """Something is under way."""
        if not self._is_busy.is_set():
            self._is_busy.set()

    def end(self) -> None:
        """Look no more; from any thread."""
        self._is_ended.set()
        self._is_busy.set()

    def _run(self) -> None:
        search = Search()
        was_late = False
        while self._is_busy.wait() and not self._is_ended.wait(LOOK_S):
            late_s = self._sought.late_s()
            if late_s >= LATE_S:
                was_late = True
                reachable = [_connects(address) for address in self._addresses]
                if search.is_time(late_s, reachable, has_ended=self._sought.has_ended()):
                    self._sought.begin_afresh()
                continue
            if was_late:
                was_late = False
                search = Search()
                self._sought.leave_afresh()
            if not late_s:
                self._is_busy.clear()
                if self._sought.late_s():
                    self._is_busy.set()


def _pair(address: str) -> tuple[str, int]:
    host, _, port = address.rpartition(":")
    return host.strip("[]"), int(port)


def _connects(address: tuple[str, int]) -> bool:
    with suppress(OSError), socket.create_connection(address, _CONNECT_S):
        return True
    return False
