"""
The arrays that the books lie in, and the smallest moves on them.

Nothing here judges: whether a move is allowed is `rules`' business, and none of these can overflow after it.
"""

from typing import NamedTuple, TypeAlias

import numpy as np
from numba import njit
from numpy.typing import NDArray

from ledger import index, wide
from ledger.index import Slots
from ledger.transfer import AccountFlags, Accounts, Ids, TransferFlags, Transfers
from ledger.wide import I64, U64

Record: TypeAlias = np.void

# The columns of Books.counts.
ACCOUNTS = 0
TRANSFERS = 1
BURNT_IDS = 2
EXPIRIES = 3

NS_PER_S = 1_000_000_000

CLOSED = int(AccountFlags.CLOSED)
CLOSING_DEBIT = int(TransferFlags.CLOSING_DEBIT)
CLOSING_CREDIT = int(TransferFlags.CLOSING_CREDIT)
_NOT_CLOSED = 0xFFFF ^ CLOSED


class Books(NamedTuple):
    """
    The arrays that the books lie in; rows beyond their count are empty room.

    Accounts and transfers stand in the order of their timestamps.
    """

    accounts: Accounts
    account_slots: Slots
    transfers: Transfers
    transfer_slots: Slots
    pending: NDArray[np.uint8]  # PendingState of each transfer
    burnt: Ids  # ids of transfers that failed for good
    expiry_times: NDArray[np.int64]  # a binary heap with `expiry_rows`: ns
    expiry_rows: NDArray[np.uint32]
    counts: NDArray[np.int64]


@njit(cache=True, nogil=True)
def account_row(books: Books, id_lo: U64, id_hi: U64) -> I64:
    """The row of an account, or ABSENT."""
    position = index.find(books.account_slots, books.accounts, books.burnt, id_lo, id_hi)
    return index.row_at(books.account_slots, position)


@njit(cache=True, nogil=True)
def transfer_row(books: Books, id_lo: U64, id_hi: U64) -> I64:
    """The row of a transfer, ABSENT, or BURNT."""
    position = index.find(books.transfer_slots, books.transfers, books.burnt, id_lo, id_hi)
    return index.row_at(books.transfer_slots, position)


@njit(cache=True, nogil=True)
def expires_at(transfer: Record) -> I64:
    """When a pending transfer with a timeout expires, ns."""
    return np.int64(transfer["timestamp"]) + np.int64(transfer["timeout"]) * NS_PER_S


@njit(cache=True, nogil=True)
def reopen(closing: Record, debit: Record, credit: Record) -> None:
    """Open again what a pending transfer had closed."""
    if closing["flags"] & CLOSING_DEBIT:
        debit["flags"] &= _NOT_CLOSED
    if closing["flags"] & CLOSING_CREDIT:
        credit["flags"] &= _NOT_CLOSED


@njit(cache=True, nogil=True)
def regresses(records: NDArray[np.void], count: I64, stamp: I64) -> bool:
    return bool(count > 0 and stamp <= np.int64(records[count - 1]["timestamp"]))


@njit(cache=True, nogil=True)
def is_taken(records: NDArray[np.void], count: I64, stamp: I64) -> bool:
    """Whether one of the records, which stand in order of time, has exactly this timestamp."""
    low: I64 = 0
    high = count
    while low < high:
        middle = (low + high) // 2
        if np.int64(records[middle]["timestamp"]) < stamp:
            low = middle + 1
        else:
            high = middle
    return bool(low < count and np.int64(records[low]["timestamp"]) == stamp)


@njit(cache=True, nogil=True)
def debits_of(account: Record) -> tuple[U64, U64]:
    return wide.add(
        account["debits_pending_lo"],
        account["debits_pending_hi"],
        account["debits_posted_lo"],
        account["debits_posted_hi"],
    )


@njit(cache=True, nogil=True)
def credits_of(account: Record) -> tuple[U64, U64]:
    return wide.add(
        account["credits_pending_lo"],
        account["credits_pending_hi"],
        account["credits_posted_lo"],
        account["credits_posted_hi"],
    )


@njit(cache=True, nogil=True)
def add_pending(debit: Record, credit: Record, lo: U64, hi: U64) -> None:
    debit["debits_pending_lo"], debit["debits_pending_hi"] = wide.add(
        debit["debits_pending_lo"], debit["debits_pending_hi"], lo, hi
    )
    credit["credits_pending_lo"], credit["credits_pending_hi"] = wide.add(
        credit["credits_pending_lo"], credit["credits_pending_hi"], lo, hi
    )


@njit(cache=True, nogil=True)
def take_pending(debit: Record, credit: Record, lo: U64, hi: U64) -> None:
    debit["debits_pending_lo"], debit["debits_pending_hi"] = wide.subtract(
        debit["debits_pending_lo"], debit["debits_pending_hi"], lo, hi
    )
    credit["credits_pending_lo"], credit["credits_pending_hi"] = wide.subtract(
        credit["credits_pending_lo"], credit["credits_pending_hi"], lo, hi
    )


@njit(cache=True, nogil=True)
def add_posted(debit: Record, credit: Record, lo: U64, hi: U64) -> None:
    debit["debits_posted_lo"], debit["debits_posted_hi"] = wide.add(
        debit["debits_posted_lo"], debit["debits_posted_hi"], lo, hi
    )
    credit["credits_posted_lo"], credit["credits_posted_hi"] = wide.add(
        credit["credits_posted_lo"], credit["credits_posted_hi"], lo, hi
    )


@njit(cache=True, nogil=True)
def take_posted(debit: Record, credit: Record, lo: U64, hi: U64) -> None:
    debit["debits_posted_lo"], debit["debits_posted_hi"] = wide.subtract(
        debit["debits_posted_lo"], debit["debits_posted_hi"], lo, hi
    )
    credit["credits_posted_lo"], credit["credits_posted_hi"] = wide.subtract(
        credit["credits_posted_lo"], credit["credits_posted_hi"], lo, hi
    )
