"""
When pending transfers time out: a binary heap of times and rows, earliest first, then lowest row.

A post or void leaves its entry behind; it is passed over when it comes up. So the heap takes 12 bytes for
each pending transfer with a timeout, until that time.
"""

import numpy as np
from numba import njit

from ledger.columns import EXPIRIES, Books, expires_at
from ledger.rules import expire_transfer
from ledger.transfer import PendingState
from ledger.wide import I64


@njit(cache=True, nogil=True)
def schedule(books: Books, row_first: I64, row_end: I64) -> None:
    """Note the timeouts of a batch's new transfers, once none of them can be rolled back."""
    for row in range(row_first, row_end):
        transfer = books.transfers[row]
        if transfer["timeout"] != 0 and books.pending[row] == PendingState.PENDING:
            _push(books, expires_at(transfer), row)


@njit(cache=True, nogil=True)
def is_due(books: Books, now_ns: I64) -> bool:
    """Whether a pending transfer's time is over. Forgets what was resolved in time."""
    while books.counts[EXPIRIES] > 0 and books.expiry_times[0] <= now_ns:
        if books.pending[books.expiry_rows[0]] == PendingState.PENDING:
            return True
        _pop(books)
    return False


@njit(cache=True, nogil=True)
def expire(books: Books, now_ns: I64) -> I64:
    """Let go of every pending transfer whose time is over; how many."""
    count = 0
    while is_due(books, now_ns):
        expire_transfer(books, np.int64(books.expiry_rows[0]))
        _pop(books)
        count += 1
    return count


@njit(cache=True, nogil=True)
def _before(books: Books, time: I64, row: I64, place: I64) -> bool:
    other = books.expiry_times[place]
    return time < other or (time == other and row < books.expiry_rows[place])


@njit(cache=True, nogil=True)
def _push(books: Books, time: I64, row: I64) -> None:
    place = books.counts[EXPIRIES]
    books.counts[EXPIRIES] += 1
    while place > 0 and _before(books, time, row, (place - 1) // 2):
        parent = (place - 1) // 2
        books.expiry_times[place] = books.expiry_times[parent]
        books.expiry_rows[place] = books.expiry_rows[parent]
        place = parent
    books.expiry_times[place] = time
    books.expiry_rows[place] = row


@njit(cache=True, nogil=True)
def _pop(books: Books) -> None:
    books.counts[EXPIRIES] -= 1
    end = books.counts[EXPIRIES]
    time = books.expiry_times[end]
    row = np.int64(books.expiry_rows[end])
    place = 0
    while True:
        child = 2 * place + 1
        if child >= end:
            break
        right = child + 1
        if right < end and _before(
            books, books.expiry_times[right], np.int64(books.expiry_rows[right]), child
        ):
            child = right
        if not _before(books, time, row, child):
            books.expiry_times[place] = books.expiry_times[child]
            books.expiry_rows[place] = books.expiry_rows[child]
            place = child
        else:
            break
    books.expiry_times[place] = time
    books.expiry_rows[place] = row
