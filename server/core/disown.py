"""
Answers that fronts gave in the core's stead, taken over as messages of the core's own.

A front that could not ask the core, or not in time, has answered an authorization itself: that answer stands. What the
core had approved is let go, what it had declined gets the front's code, and a key that it never saw is entered as
answered: a repeat gets what the sender was told. It goes the way of every message about an authorization.

A DISOWN is the authorization's own REQUEST, but for

    operation           DISOWN
    original_id         the authorization's id; the message's own follows from it
    given_code          what the front answered

Two exceptions, both of what its sender has heard: an approval that a repeat got meanwhile, from this process, is not taken
back; and a copy that arrived when the key was decided already, so a repeat itself, changes nothing.
"""

import hashlib
from collections.abc import Iterable
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from server.core.deadline import PATIENT_MS
from server.core.parcel import Parcel
from server.core.record import DECISION, REQUEST, REQUEST_VERSION, Operation

TOLD_MAX: Final = 65_536
"""Approvals whose repetition is remembered: a front takes back what is some hundred milliseconds old."""

_FIELDS: Any = REQUEST.fields
_OPERATION_AT: Final = int(_FIELDS["operation"][1])


def disowning(requests: NDArray[Any], codes: NDArray[np.bytes_]) -> NDArray[Any]:
    """REQUEST[n] that take over what a front answered (S2[n]) to the authorizations REQUEST[n]."""
    taken = requests.copy()
    taken["operation"] = Operation.DISOWN
    taken["original_id"] = requests["authorization_id"]
    taken["given_code"] = codes
    taken["deadline_ms"] = PATIENT_MS
    taken["remaining_minor"] = 0
    for place, identifier in enumerate(requests["authorization_id"]):
        taken["authorization_id"][place] = _identify(identifier)
    return taken


class Disowned:
    """
    What fronts take back in a batch comes before all else in it; what may not be taken back is left out.

    Until it is done, repeats of it wait: the answer they would get is about to be another.
    """

    def __init__(self) -> None:
        self._told: dict[tuple[int, int], None] = {}
        self._under_way: set[tuple[int, int]] = set()

    def told(self, identifiers: NDArray[np.uint64]) -> None:
        """Approvals of these ids, u8[n, 2], were given again, to a repeat."""
        for low, high in identifiers.tolist():
            self._told[low, high] = None
        while len(self._told) > TOLD_MAX:
            del self._told[next(iter(self._told))]

    def first(self, parcels: list[Parcel]) -> list[Parcel]:
        """The parcels of a batch, those that take back first, without what was told again."""
        if not any(takes_back(parcel) for parcel in parcels):
            return parcels
        kept = [part for parcel in parcels if takes_back(parcel) for part in self._allowed(parcel)]
        return kept + [parcel for parcel in parcels if not takes_back(parcel)]

    def awaited(self, identifiers: NDArray[np.uint64]) -> NDArray[np.bool_]:
        """Which repeats of these authorizations, u8[n, 2], must wait; bool[n]."""
        if not self._under_way:
            return np.zeros(len(identifiers), np.bool_)
        return np.array([tuple(pair) in self._under_way for pair in identifiers.tolist()], np.bool_)

    def done(self, requests: NDArray[Any]) -> None:
        """These REQUEST[n] are carried out, or had nothing to do."""
        if self._under_way:
            taken = requests["original_id"][requests["operation"] == Operation.DISOWN]
            self._under_way.difference_update(map(tuple, taken.tolist()))

    def _allowed(self, parcel: Parcel) -> Iterable[Parcel]:
        requests = np.frombuffer(bytearray(parcel.records), REQUEST)
        pairs = [(low, high) for low, high in requests["original_id"].tolist()]
        told = np.array([pair in self._told for pair in pairs], np.bool_)
        self._under_way.update(pair for pair in pairs if pair not in self._told)
        if not told.any():
            return [parcel]
        barred = parcel.part(np.flatnonzero(told), parcel.due_s)
        answers = np.zeros(len(barred.places), DECISION)
        answers["version"], answers["operation"] = REQUEST_VERSION, Operation.DISOWN
        barred.deliver(barred.places, answers)
        return [] if told.all() else [parcel.part(np.flatnonzero(~told), parcel.due_s)]


def takes_back(parcel: Parcel) -> bool:
    """Whether a parcel is of such messages; then it is of nothing else."""
    return parcel.records[_OPERATION_AT] == Operation.DISOWN


def _identify(identifier: NDArray[np.uint64]) -> tuple[int, int]:
    """The message's id: the authorization's time, and a hash; the low byte is the legs'."""
    named = identifier.tobytes()
    hashed = int.from_bytes(hashlib.blake2b(named, person=b"disown", digest_size=9).digest(), "little")
    value = (int(identifier[1]) >> 16) << 80 | hashed << 8
    return value & 0xFFFF_FFFF_FFFF_FFFF, value >> 64
