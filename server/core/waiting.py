"""
What waits for a turn: parcels in the order they came, and when the first of them is due.

Bounded twice: by a number, and by the time that what waits already will take at the pace of the last turns.
"""

import math
from collections import deque
from collections.abc import Sequence
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

    def __bool__(self) -> bool:
        return bool(self._parcels)

    def put(self, parcel: Parcel) -> None:
        """At the end."""
        self._parcels.append(parcel)
        self._count(parcel)

    def put_in_front(self, parcels: Sequence[Parcel]) -> None:
        """Before all others, in their order."""
        self._parcels.extendleft(reversed(parcels))
        for parcel in parcels:
            self._count(parcel)

    def take(self, batch_max: int) -> list[Parcel]:
        """The first parcels, as many as make a batch; at least one."""
        taken: list[Parcel] = []
        count = 0
        while self._parcels and (not taken or count + len(self._parcels[0].places) <= batch_max):
            parcel = self._parcels.popleft()
            count += len(parcel.places)
            taken.append(parcel)
        self.count -= count
        if not self._parcels:
            self.due_s = math.inf
        return taken

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
        self.count = sum(len(parcel.places) for parcel in kept)
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
        overdue.append(parcel.part(np.flatnonzero(due), now_s))
        if not due.all():
            kept.append(parcel.part(np.flatnonzero(~due), float(dues[~due].min())))

    def _count(self, parcel: Parcel) -> None:
        self.count += len(parcel.places)
        self.due_s = min(self.due_s, parcel.due_s)
