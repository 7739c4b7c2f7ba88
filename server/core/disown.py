"""
Answers that fronts gave in the core's stead, taken over as messages of the core's own.

A front that could not ask the core, or not in time, has answered an authorization itself: that answer stands. What the
core had approved is let go, what it had declined gets the front's code, and a key that it never saw is entered as
answered: a repeat gets what the sender was told. It goes the way of every message about an authorization.

A DISOWN is the authorization's own REQUEST, but for

    operation           DISOWN
    original_id         the authorization's id; the message's own follows from it
    given_code          what the front answered, and the id follows from it too
    final               1 where the core's own answer was lost, so that no copy is a repeat

Two exceptions, both of what its sender has heard: an approval that a repeat got meanwhile, from this process, is not taken
back; and what a front said to another try than the one that was decided changes nothing. But where that one's answer went to
a front that died before it passed it on, its sender heard the front's code alone.
"""

import hashlib
from collections.abc import Callable, Iterable
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from server.core.deadline import PATIENT_MS
from server.core.parcel import Parcel
from server.core.record import DECISION, REQUEST, REQUEST_VERSION, Operation

TOLD_MAX: Final = 65_536
"""Answers whose repetition, or loss, is remembered: a front takes back what is some hundred milliseconds old."""

_FIELDS: Any = REQUEST.fields
_OPERATION_AT: Final = int(_FIELDS["operation"][1])
_NONE: Final[frozenset[int]] = frozenset()
_OTHERS: Final = 2
"""Of so many tries at least one is not the one in question."""

_Id = tuple[int, int]


def disowning(
    requests: NDArray[Any], codes: NDArray[np.bytes_], unheard: NDArray[np.bool_] | bool = False
) -> NDArray[Any]:
    """
    REQUEST[n] that take over what a front answered (S2[n]) to the authorizations REQUEST[n].

    `unheard` (bool[n]): where the core's own answer was lost on its way to who had asked.
    """
    taken = requests.copy()
    taken["operation"] = Operation.DISOWN
    taken["original_id"] = requests["authorization_id"]
    taken["given_code"] = codes
    taken["deadline_ms"] = PATIENT_MS
    taken["remaining_minor"] = 0
    taken["final"] = unheard
    for place, identifier in enumerate(requests["authorization_id"]):
        taken["authorization_id"][place] = _identify(identifier, bytes(taken["given_code"][place]))
    return taken


class Disowned:
    """
    What fronts take back in a batch comes before all else in it; what may not be taken back is left out.

    Until it is done, repeats of it wait: the answer they would get is about to be another.
    """

    def __init__(self, released: Callable[[NDArray[np.uint64]], None]) -> None:
        """`released` hears of ids, u8[n, 2], that are not taken back after all: nobody need wait for it."""
        self._released = released
        self._told: dict[_Id, set[int]] = {}
        """When the tries arrived, ns, that got an approval again."""
        self._unheard: dict[_Id, None] = {}
        self._under_way: dict[_Id, set[tuple[_Id, int]]] = {}
        """By authorization, the messages that take its answer back: their ids, and when the tries arrived."""

    def told(self, requests: NDArray[Any], answers: NDArray[Any]) -> None:
        """The repeats REQUEST[n] got the first answers again, DECISION[n]."""
        approved = requests[(answers["held"] != 0) | (answers["stand_in"] != 0)]
        arrivals_ns = approved["arrival_ns"].tolist()
        for pair, arrival_ns in zip(_pairs(approved["authorization_id"]), arrivals_ns, strict=True):
            arrivals = self._told.setdefault(pair, set())
            if len(arrivals) < _OTHERS:
                arrivals.add(arrival_ns)
        _bound(self._told)

    def lost(self, answers: NDArray[Any]) -> None:
        """These answers to authorizations, DECISION[n], went to a front that died and may not have passed them on."""
        again = answers["replayed"] != 0
        for pair in _pairs(answers["authorization_id"][again]):
            self._told.pop(pair, None)
        self._unheard.update(dict.fromkeys(_pairs(answers["authorization_id"][~again])))
        _bound(self._unheard)

    def is_unheard(self, identifiers: NDArray[np.uint64]) -> NDArray[np.bool_]:
        """Which of these, u8[n, 2], were `lost`; bool[n]."""
        if not self._unheard:
            return np.zeros(len(identifiers), np.bool_)
        return np.array([pair in self._unheard for pair in _pairs(identifiers)], np.bool_)

    def queued(self, taken: NDArray[Any]) -> None:
        """These messages, REQUEST[n], are about to take back what they are about."""
        for about, message in _abouts(taken):
            self._under_way.setdefault(about, set()).add(message)

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
        return np.array([pair in self._under_way for pair in _pairs(identifiers)], np.bool_)

    def done(self, requests: NDArray[Any]) -> None:
        """These REQUEST[n] are carried out, or had nothing to do."""
        if not self._under_way:
            return
        for about, message in _abouts(requests[requests["operation"] == Operation.DISOWN]):
            messages = self._under_way.get(about, set())
            messages.discard(message)
            if not messages:
                self._under_way.pop(about, None)

    def _allowed(self, parcel: Parcel) -> Iterable[Parcel]:
        requests = np.frombuffer(bytearray(parcel.records), REQUEST)
        pairs = _pairs(requests["original_id"])
        arrivals_ns = requests["arrival_ns"].tolist()
        # What the very try got that its front gave up was dropped there.
        told = np.array(
            [
                bool(self._told.get(pair, _NONE) - {arrival_ns})
                for pair, arrival_ns in zip(pairs, arrivals_ns, strict=True)
            ],
            np.bool_,
        )
        self.queued(requests)
        if not told.any():
            return [parcel]
        self.done(requests[told])
        self._released(requests["original_id"][told])
        barred = parcel.part(np.flatnonzero(told), parcel.due_s)
        answers = np.zeros(len(barred.places), DECISION)
        answers["version"], answers["operation"] = REQUEST_VERSION, Operation.DISOWN
        barred.deliver(barred.places, answers)
        return [] if told.all() else [parcel.part(np.flatnonzero(~told), parcel.due_s)]


def takes_back(parcel: Parcel) -> bool:
    """Whether a parcel is of such messages; then it is of nothing else."""
    return parcel.records[_OPERATION_AT] == Operation.DISOWN


def _abouts(taken: NDArray[Any]) -> Iterable[tuple[_Id, tuple[_Id, int]]]:
    """What each of these messages is about, and what tells it from others about that."""
    messages = zip(_pairs(taken["authorization_id"]), taken["arrival_ns"].tolist(), strict=True)
    return zip(_pairs(taken["original_id"]), messages, strict=True)


def _pairs(identifiers: NDArray[np.uint64]) -> list[_Id]:
    return [(low, high) for low, high in identifiers.tolist()]


def _bound(remembered: dict[_Id, Any]) -> None:
    """The oldest go."""
    while len(remembered) > TOLD_MAX:
        del remembered[next(iter(remembered))]


def _identify(identifier: NDArray[np.uint64], code: bytes) -> tuple[int, int]:
    """
    The message's id: the authorization's time, and a hash; the low byte is the legs'.

    It follows from the code too: the core's own 91, told by time, may be followed by another that a front had given.
    """
    named = identifier.tobytes() + code
    hashed = int.from_bytes(hashlib.blake2b(named, person=b"disown", digest_size=9).digest(), "little")
    value = (int(identifier[1]) >> 16) << 80 | hashed << 8
    return value & 0xFFFF_FFFF_FFFF_FFFF, value >> 64
