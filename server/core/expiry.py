"""
Holds whose time is over: found a slice of the table at a time, and let go by the core's own messages.

An expiry goes the way of every message about an authorization: its intent is journalled, its parts are voided, and
what they consumed is given back. The ledger's own timeout comes a day later, should the core be gone.
"""

import asyncio
import functools
import hashlib
from collections.abc import Callable
from typing import Any, Final

import numpy as np
import structlog
from numpy.typing import NDArray

from server.core.authorizer import Authorizer
from server.core.deadline import PATIENT_MS
from server.core.entries import EntryState
from server.core.parcel import Overloaded, Parcel, Stopped
from server.core.policy import Check, bit
from server.core.record import MISSING_S, REQUEST, REQUEST_VERSION, Operation

LOOK_S: Final = 0.25
MORE_S: Final = 0.01
"""Until the next look where more is due than goes at once."""

SLICE: Final = 1 << 16
"""Entries looked at in a go: a millisecond."""

EXPIRED_MAX: Final = 1_024
"""Holds let go in a go: the customers' requests come first."""

AGAIN_S: Final = 1.0
AGAIN_S_MAX: Final = 3600.0
"""Between tries of an expiry that the ledger refuses."""

PATIENCE: Final = 40
"""Looks in which what was submitted last may still wait for its turn."""

_log = structlog.get_logger("expiry")


class Expiry:
    """`run` it beside the core. `now_s` is the clock that messages' times are held against."""

    def __init__(self, core: Authorizer, now_s: Callable[[], int], arrival_ns: Callable[[], int]) -> None:
        self._core = core
        self._now_s = now_s
        self._arrival_ns = arrival_ns
        self._next = 0
        self._last = np.zeros((0, 2), np.uint64)
        self._patience = PATIENCE
        self._refused: dict[tuple[int, int], tuple[float, float]] = {}
        """Of holds whose expiry was refused: until when they are left alone, by the loop's clock, and for how long next."""
        self.expired = 0
        """Holds let go by this process."""

    async def run(self) -> None:
        """Look again and again; until cancelled, or the core has stopped."""
        while True:
            try:
                found = self.look()
            except Stopped:
                return
            await asyncio.sleep(MORE_S if found == EXPIRED_MAX else LOOK_S)

    def look(self) -> int:
        """Submit expiries for what is due in the next slice of the table; return how many. Raises Stopped."""
        repeats = self._core.state.repeats
        if (repeats.find(self._last)["state"] == EntryState.OPEN).any() and self._patience > 0:
            self._patience -= 1
            return 0  # what was submitted waits for its turn
        self._patience = PATIENCE
        if self._next >= repeats.top:
            self._next = 0
        due = repeats.due(self._next, self._next + SLICE, self._now_s())
        due = self._without_refused(due)[:EXPIRED_MAX]
        if len(due):
            try:
                self._core.submit(self._parcel(due))
            except Overloaded:
                return 0
            self._last = due["id"][-1:].copy()
        if len(due) < EXPIRED_MAX:
            self._next += SLICE
        self.expired += len(due)
        return len(due)

    def _parcel(self, due: NDArray[Any]) -> Parcel:
        """REQUESTs for these entries; nobody waits for their answers."""
        requests = np.zeros(len(due), REQUEST)
        requests["version"] = REQUEST_VERSION
        requests["operation"] = Operation.EXPIRE
        requests["original_id"] = due["id"]
        requests["authorization_id"] = [_identify(entry) for entry in due]
        requests["sender"] = due["sender"]
        requests["transmission_s"] = due["transmission_s"] + due["hold_s"].astype(np.int64)
        requests["local_s"] = MISSING_S
        requests["arrival_ns"] = self._arrival_ns()
        requests["deadline_ms"] = PATIENT_MS
        return Parcel(
            requests.tobytes(), list(range(len(due))), functools.partial(self._note_refused, due["id"]), _note
        )

    def _without_refused(self, due: NDArray[Any]) -> NDArray[Any]:
        """Those that may be tried now."""
        if not self._refused:
            return due
        now_s = asyncio.get_running_loop().time()
        left_alone = [
            self._refused.get((low, high), (0.0, 0.0))[0] > now_s for low, high in due["id"].tolist()
        ]
        return due[~np.array(left_alone, np.bool_)]

    def _note_refused(
        self, identifiers: NDArray[np.uint64], places: list[int], decisions: NDArray[Any]
    ) -> None:
        """The journal has the answers; what the ledger refused is tried again, ever more seldom."""
        now_s = asyncio.get_running_loop().time()
        refused = decisions["reasons"] & bit(Check.LEDGER_REFUSED) != 0
        for (low, high), is_refused in zip(identifiers[places].tolist(), refused.tolist(), strict=True):
            if not is_refused:
                self._refused.pop((low, high), None)
                continue
            pause_s = self._refused.get((low, high), (0.0, AGAIN_S))[1]
            self._refused[low, high] = now_s + pause_s, min(2 * pause_s, AGAIN_S_MAX)
            if pause_s == AGAIN_S:
                _log.error("the ledger refuses to let go of a hold", authorization=f"{high:016x}{low:016x}")


def _identify(entry: Any) -> tuple[int, int]:
    """The id of an entry's expiry: its time in ms, and a hash of what expires; the low byte is the legs'."""
    expires_s = int(entry["transmission_s"]) + int(entry["hold_s"])
    named = entry["id"].tobytes() + entry["newest"].tobytes()
    hashed = int.from_bytes(hashlib.blake2b(named, person=b"expiry", digest_size=9).digest(), "little")
    value = ((expires_s * 1000) & 0xFFFF_FFFF_FFFF) << 80 | hashed << 8
    return value & 0xFFFF_FFFF_FFFF_FFFF, value >> 64


def _note(error: Exception) -> None:
    _log.warning("holds could not be expired", reason=str(error))
