"""What a front answered in the core's stead: kept, in order, until the core says that it is on disk."""

from typing import Final

from server.core.record import REQUEST

AT_ONCE: Final = 1_024
"""Requests in one batch for the core."""


class Kept:
    """Requests as packed records, with the code that each was answered with. Bounded; in this process's memory alone."""

    def __init__(self, requests_max: int) -> None:
        self.count = 0
        """Requests that the core has not settled yet."""
        self._requests_max = requests_max
        self._waiting: list[tuple[bytes, bytes]] = []
        self._under_way: dict[int, list[tuple[bytes, bytes]]] = {}
        self._number = 0

    def has_room(self, count: int) -> bool:
        """Whether so many more may be kept."""
        return self.count + count <= self._requests_max

    def put(self, records: list[bytes], code: bytes) -> None:
        """Keep packed REQUESTs that were answered with `code`."""
        self._waiting += [(record, code) for record in records]
        self.count += len(records)

    def hand_over(self) -> list[tuple[int, bytes, bytes]]:
        """What waits, in batches: number, records, codes. Each is under way until it is `settled`."""
        batches = []
        while self._waiting:
            batch, self._waiting = self._waiting[:AT_ONCE], self._waiting[AT_ONCE:]
            self._number += 1
            self._under_way[self._number] = batch
            records, codes = zip(*batch, strict=True)
            batches.append((self._number, b"".join(records), b"".join(codes)))
        return batches

    def settled(self, number: int) -> None:
        """The core has this batch."""
        self.count -= len(self._under_way.pop(number, ()))

    def take_back(self) -> None:
        """The core is gone: what was under way waits again, before the rest."""
        again = [line for number in sorted(self._under_way) for line in self._under_way[number]]
        self._under_way.clear()
        self._waiting = again + self._waiting


def records_of(records: bytes) -> list[bytes]:
    """Packed REQUESTs, one by one."""
    size = REQUEST.itemsize
    return [records[at : at + size] for at in range(0, len(records), size)]
