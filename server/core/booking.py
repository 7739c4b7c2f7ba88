"""
What stand-in approved, brought into the ledger on its return: in the order in which it was asked for, each once.

A booking is a message of the core's own about an authorization, as an expiry is: its intent is journalled, and what was
approved is held, beyond the balance as owed. Its id follows from the authorization's, so that whoever books after a
crash books the same. It waits until the ledger can be asked and nothing is left of what it held late.
"""

import asyncio
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
from server.core.record import MISSING_S, REQUEST, REQUEST_VERSION, Operation

LOOK_S: Final = 0.1
MORE_S: Final = 0.01
"""Until the next look while there is more to book."""

BOOKED_MAX: Final = 1_024
"""Booked in a go: the customers' requests come first."""

PATIENCE: Final = 100
"""Looks in which what was submitted last may still wait for its turn; then it is submitted again."""

_UNBOOKED: Final = (EntryState.STOOD_IN, EntryState.BUSY)

_log = structlog.get_logger("booking")


class Booking:
    """`run` it beside the core. `now_s` is the clock that messages' times are held against."""

    def __init__(self, core: Authorizer, now_s: Callable[[], int], arrival_ns: Callable[[], int]) -> None:
        self._core = core
        self._now_s = now_s
        self._arrival_ns = arrival_ns
        self._waiting: NDArray[np.uint64] = core.state.repeats.stood_in()
        self._sent = np.zeros((0, 2), np.uint64)
        self._patience = PATIENCE
        self.booked = 0
        """Approvals brought into the ledger by this process,"""
        self.overdrawn = 0
        """and how many of them went beyond the balance."""
        self.refused = 0
        """Approvals that the ledger refused for another reason: each was logged."""

    @property
    def waiting(self) -> int:
        """Approvals that are not booked yet, or of which nobody has looked whether they still are to be."""
        return len(self._waiting) + len(self._sent) + sum(map(len, self._core.state.stand_in.fresh))

    async def run(self) -> None:
        """Look again and again; until cancelled, or the core has stopped."""
        while True:
            try:
                self.look()
            except Stopped:
                return
            await asyncio.sleep(MORE_S if len(self._sent) else LOOK_S)

    def look(self) -> int:
        """Submit bookings for the next of what waits, where the ledger can be asked; how many. Raises Stopped."""
        fresh = self._core.state.stand_in.fresh
        if fresh:
            self._waiting = np.concatenate([self._waiting, *fresh])
            fresh.clear()
        if not self.waiting or not self._core.books.is_there or not self._is_answered():
            return 0
        ids = self._waiting[:BOOKED_MAX]
        entries = self._core.state.repeats.find(ids)
        due = entries[entries["state"] == EntryState.STOOD_IN]
        if len(due):
            try:
                self._core.submit(self._parcel(due))
            except Overloaded:
                return 0
        # Its answer is on its way to the disk, or somebody else has it to himself: it is looked at again.
        again = ids[np.isin(entries["state"], (EntryState.IN_FLIGHT, EntryState.BUSY))]
        self._waiting = np.concatenate([again, self._waiting[BOOKED_MAX:]])
        self._sent = due["id"].copy()
        return len(due)

    def _is_answered(self) -> bool:
        """Whether what was submitted last is booked. What is not after all that patience is submitted again."""
        left = self._sent[np.isin(self._core.state.repeats.find(self._sent)["state"], _UNBOOKED)]
        if len(left) and self._patience > 0:
            self._patience -= 1
            return False
        self._patience = PATIENCE
        self._waiting = np.concatenate([left, self._waiting])
        self._sent = self._sent[:0]
        return True

    def _parcel(self, due: NDArray[Any]) -> Parcel:
        """REQUESTs for these entries."""
        requests = np.zeros(len(due), REQUEST)
        requests["version"] = REQUEST_VERSION
        requests["operation"] = Operation.BOOK
        requests["original_id"] = due["id"]
        requests["authorization_id"] = [_identify(entry) for entry in due]
        requests["sender"] = due["sender"]
        requests["transmission_s"] = self._now_s()
        requests["local_s"] = MISSING_S
        requests["arrival_ns"] = self._arrival_ns()
        requests["deadline_ms"] = PATIENT_MS
        return Parcel(requests.tobytes(), list(range(len(due))), self._count, _note)

    def _count(self, _places: list[int], decisions: NDArray[Any]) -> None:
        held = decisions["held"] != 0
        refused = decisions[decisions["reasons"] != 0]
        self.booked += int(held.sum())
        self.overdrawn += int((held & (decisions["owed_minor"] > 0)).sum())
        self.refused += len(refused)
        for decision in refused:
            _log.error("the ledger refuses what stand-in approved", sequence=int(decision["sequence"]))


def _identify(entry: Any) -> tuple[int, int]:
    """The id of an authorization's booking: its time in ms, and a hash of what is booked; the low byte is the legs'."""
    hashed = hashlib.blake2b(entry["id"].tobytes(), person=b"booking", digest_size=9).digest()
    value = ((int(entry["transmission_s"]) * 1000) & 0xFFFF_FFFF_FFFF) << 80
    value |= int.from_bytes(hashed, "little") << 8
    return value & 0xFFFF_FFFF_FFFF_FFFF, value >> 64


def _note(error: Exception) -> None:
    _log.warning("what stood in could not be booked", reason=str(error))
