"""
How long an answer may take, and what is left of it at each stage.

A request carries its deadline in milliseconds from its arrival (`REQUEST.deadline_ms`), so that it crosses from a front
to the core; 0 stands for the setting's. The clock that arrivals are told by may be stepped: the core reads off it how old
a request is when it comes, and counts from there on its event loop's own clock.

    arrival ─── waits for a turn, for the ledger ───► given up ─── without the ledger ───► due ─── to disk, on its way ───► deadline
                                                       └── up to WITHOUT_LEDGER_S ────────┘└── ANSWERING_S ───────────────┘
"""

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numba import njit
from numpy.typing import NDArray

from server.core.record import REQUEST

PATIENT_MS: Final = 0xFFFF
"""The deadline of the core's own messages: nobody waits for an answer, and none is given by time."""

ANSWERING_S: Final = 0.02
"""What is kept back of a deadline for writing the decision and sending it."""

WITHOUT_LEDGER_S: Final = 0.03
"""
The ledger is given up so long before a request is due, a quarter of what is left at the most.

An approval of a stand-in must be on disk before it is told, and where the ledger is late the disk often is too.
"""

_LATE_MIN_S: Final = 0.01

_FIELDS: Any = REQUEST.fields
_AT: Final = int(_FIELDS["deadline_ms"][1])
_END: Final = _AT + 2
_ARRIVAL_AT: Final = int(_FIELDS["arrival_ns"][1])
_ARRIVAL_END: Final = _ARRIVAL_AT + 8


@dataclass(frozen=True, slots=True)
class Deadlines:
    """What a sender gets that names no deadline, and the bounds of what one may name."""

    default_ms: int = 300
    min_ms: int = 50
    max_ms: int = 1_500

    def of(self, left_s: float | None) -> int:
        """`deadline_ms` of a call whose sender waits `left_s` more; 0 (the default) where it doesn't say."""
        if left_s is None:
            return 0
        return int(min(max(left_s * 1_000.0, self.min_ms), self.max_ms))


def with_deadline(record: bytes, deadline_ms: int) -> bytes:
    """A packed REQUEST with its deadline."""
    if not deadline_ms:
        return record
    return record[:_AT] + deadline_ms.to_bytes(2, "little") + record[_END:]


def left_s(records: bytes, now_ns: int, default_ms: int) -> float:
    """
    How long until the first of packed REQUESTs is due, seconds; not above zero where it is. Infinite for the patient.

    `now_ns` is by the clock that arrivals are told by. An arrival in its future counts as now.
    """
    if len(records) != REQUEST.itemsize:
        return float(lefts_s(np.frombuffer(bytearray(records), REQUEST), now_ns, default_ms).min())
    deadline_ms = int.from_bytes(records[_AT:_END], "little") or default_ms
    if deadline_ms == PATIENT_MS:
        return np.inf
    age_ns = now_ns - int.from_bytes(records[_ARRIVAL_AT:_ARRIVAL_END], "little", signed=True)
    return deadline_ms / 1e3 - max(age_ns, 0) / 1e9 - ANSWERING_S


def lefts_s(requests: NDArray[Any], now_ns: int, default_ms: int) -> NDArray[np.float64]:
    """How long until each REQUEST[n] is due, f8[n] seconds; see `left_s`."""
    lefts = np.empty(len(requests))
    fill_lefts(requests, now_ns, default_ms, lefts)
    return lefts


def dues_s(
    requests: NDArray[Any], counts: NDArray[np.int64], firsts_s: NDArray[np.float64], default_ms: int
) -> NDArray[np.float64]:
    """
    When each REQUEST[n] is due, f8[n], by the clock of `firsts_s`.

    They came in parcels of `counts` (i8[m]) requests, of each of which the first is due at `firsts_s` (f8[m]). The clock
    that arrivals are told by is not asked again: it may have been stepped.
    """
    dues = np.empty(len(requests))
    spread_dues(requests, counts, firsts_s, default_ms, dues)
    return dues


def late_s(ledger_deadline_ms: int, default_ms: int) -> float:
    """
    After how many seconds a call to the ledger holds up others no more: as set, but soon enough for whoever comes behind.

    Those who came while it held them up are then decided without the ledger, and have as long for that as it had.
    """
    soon_s = default_ms / 1e3 - ANSWERING_S - WITHOUT_LEDGER_S
    return min(ledger_deadline_ms / 1e3, max(soon_s, _LATE_MIN_S))


def given_up_s(dues_s: NDArray[np.float64], now_s: float) -> NDArray[np.float64]:
    """Until when the ledger is waited for, f8[n], for what is due at `dues_s` (f8[n]) and asks it at `now_s`."""
    # In steps: np.clip takes twice as long.
    return dues_s - np.minimum(np.maximum((dues_s - now_s) / 4, 0), WITHOUT_LEDGER_S)


@njit(cache=True)
def spread_dues(requests: Any, counts: Any, firsts_s: Any, default_ms: int, dues: Any) -> None:
    """Write when each of REQUEST[n] is due into `dues` (f8[n]); see `dues_s`."""
    begin = 0
    for k in range(len(counts)):
        end = begin + counts[k]
        earliest_ns = np.int64(0)
        is_first = True
        for again in (False, True):
            for i in range(begin, end):
                deadline_ms = np.int64(requests[i].deadline_ms)
                if deadline_ms == PATIENT_MS:
                    dues[i] = np.inf
                    continue
                if deadline_ms == 0:
                    deadline_ms = np.int64(default_ms)
                due_ns = requests[i].arrival_ns + deadline_ms * 1_000_000
                if again:
                    dues[i] = firsts_s[k] + (due_ns - earliest_ns) / 1e9
                elif is_first or due_ns < earliest_ns:
                    earliest_ns = due_ns
                    is_first = False
        begin = end


@njit(cache=True)
def fill_lefts(requests: Any, now_ns: int, default_ms: int, lefts: Any) -> None:
    """Write what each REQUEST[n] has left into `lefts` (f8[n], seconds)."""
    for i in range(len(requests)):
        deadline_ms = np.int64(requests[i].deadline_ms)
        if deadline_ms == PATIENT_MS:
            lefts[i] = np.inf
            continue
        if deadline_ms == 0:
            deadline_ms = np.int64(default_ms)
        age_ns = max(np.int64(now_ns) - requests[i].arrival_ns, 0)
        lefts[i] = deadline_ms / 1e3 - age_ns / 1e9 - ANSWERING_S
