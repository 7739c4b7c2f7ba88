"""
What waits for a turn: parcels in the order they came, and when the first of them is due.

Bounded twice: by a number, and by the time that what waits already will take at the pace of the last turns. Where more
waits than one turn takes, every link gets an equal share of it, whatever the others have sent; a link's own order stays.
"""

import math
from collections import deque
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from server.core.deadline import dues_s
from server.core.pace import Pace
from server.core.parcel import Parcel
from server.core.record import REQUEST


class Waiting:
    """The queue of the core. Instants are by its loop's clock."""

    def __init__(self, default_ms: int) -> None:
        self.count = 0
        """Requests that wait."""
        self.due_s = math.inf
        """When the first of them is due; or was, of those that have been taken since."""
        self.pace = Pace()
        self._default_ms = default_ms
        self._parcels: deque[Parcel] = deque()
        self._first: deque[Parcel] = deque()
        """What takes back answers: in turns of its own, before all others."""
        self._sources: dict[int, int] = {}
        """Requests that wait, by the source that they came from."""

    def __bool__(self) -> bool:
        return bool(self._parcels or self._first)

    def put(self, parcel: Parcel) -> None:
        """At the end."""
        self._parcels.append(parcel)
        self._count(parcel)

    def put_in_front(self, parcels: Sequence[Parcel]) -> None:
        """Before all others, in their order."""
        self._parcels.extendleft(reversed(parcels))
        for parcel in parcels:
            self._count(parcel)

    def put_first(self, parcels: Sequence[Parcel]) -> None:
        """Behind others that were put first, before all else; none is more than a batch, or is ever due."""
        self._first.extend(parcels)
        self.count += _size(parcels)

    def take(self, batch_max: int) -> list[Parcel]:
        """The first parcels, as many as make a batch; at least one. While more was put first than that, nothing else."""
        taken: list[Parcel] = []
        while self._first and (not taken or _size(taken) + len(self._first[0].places) <= batch_max):
            taken.append(self._first.popleft())
        self.count -= _size(taken)
        if self._first or not self._parcels:
            return taken
        room = batch_max - _size(taken)
        others = self._take_others(room, is_first=not taken)
        self.count -= _size(others)
        self._count_sources()
        if not self._parcels:
            self.due_s = math.inf
        return taken + others

    def before(self, count: int, source: int) -> int:
        """How many requests go before the last of `count` more of this source, when every source takes its turn."""
        if len(self._sources) - (source in self._sources) < 1:
            return self.count
        own = self._sources.get(source, 0) + count
        return min(self.count, own * (len(self._sources) + (source not in self._sources)))

    def _take_others(self, room: int, *, is_first: bool) -> list[Parcel]:
        """What fits; where nothing is in the batch yet at least one."""
        if self.count <= room or (is_first and len(self._parcels) == 1):
            taken, self._parcels = list(self._parcels), deque()
            return taken
        return self._take_fairly(room, is_first=is_first)

    def _take_fairly(self, batch_max: int, *, is_first: bool) -> list[Parcel]:
        """From each source its share; what is left of the batch goes to those that came first."""
        share = batch_max // len(self._sources)
        taken, left = self._pass(list(self._parcels), batch_max, share)
        more, left = self._pass(left, batch_max - _size(taken), batch_max)
        # A turn keeps no order between sources; within each, what the second pass took came later.
        self._parcels = deque(left)
        return taken + more or ([self._parcels.popleft()] if is_first else [])

    @staticmethod
    def _pass(parcels: Sequence[Parcel], room: int, share: int) -> tuple[list[Parcel], list[Parcel]]:
        """In order, what fits into `room` and the source's `share`; once one does not, none after it of its source."""
        taken: list[Parcel] = []
        left: list[Parcel] = []
        used: dict[int, int] = {}
        closed: set[int] = set()
        for parcel in parcels:
            size = len(parcel.places)
            source = parcel.source
            within = source not in used or used[source] + size <= share
            if source in closed or size > room or not within:
                closed.add(source)
                left.append(parcel)
                continue
            used[source] = used.get(source, 0) + size
            room -= size
            taken.append(parcel)
        return taken, left

    def take_overdue(self, now_s: float) -> list[Parcel]:
        """Whatever is due by now, of all parcels."""
        overdue: list[Parcel] = []
        kept: list[Parcel] = []
        for parcel in self._parcels:
            if parcel.due_s > now_s:
                kept.append(parcel)
            elif len(parcel.places) == 1:
                overdue.append(parcel)
            else:
                self._part(parcel, now_s, overdue, kept)
        self._parcels = deque(kept)
        self.count = _size(kept) + _size(self._first)
        self._count_sources()
        self.due_s = min((parcel.due_s for parcel in kept), default=math.inf)
        return overdue

    def dues_s(self, parcels: Sequence[Parcel], requests: NDArray[Any]) -> NDArray[np.float64]:
        """When each of these parcels' REQUEST[n] is due, f8[n]."""
        counts = np.array([len(parcel.places) for parcel in parcels])
        firsts_s = np.array([parcel.due_s for parcel in parcels])
        return dues_s(requests, counts, firsts_s, self._default_ms)

    def _part(self, parcel: Parcel, now_s: float, overdue: list[Parcel], kept: list[Parcel]) -> None:
        dues = self.dues_s([parcel], np.frombuffer(bytearray(parcel.records), REQUEST))
        due = dues <= now_s
        overdue.append(parcel.part(np.flatnonzero(due), float(dues[due].min())))
        if not due.all():
            kept.append(parcel.part(np.flatnonzero(~due), float(dues[~due].min())))

    def _count_sources(self) -> None:
        self._sources = {}
        for parcel in self._parcels:
            self._sources[parcel.source] = self._sources.get(parcel.source, 0) + len(parcel.places)

    def _count(self, parcel: Parcel) -> None:
        self.count += len(parcel.places)
        self._sources[parcel.source] = self._sources.get(parcel.source, 0) + len(parcel.places)
        self.due_s = min(self.due_s, parcel.due_s)


def _size(parcels: Iterable[Parcel]) -> int:
    return sum(len(parcel.places) for parcel in parcels)
