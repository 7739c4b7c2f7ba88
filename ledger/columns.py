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
BALANCES = 4
# The sizes of the tables in the two arrays of slots; the old one is 0 unless its index is growing.
ACCOUNT_SLOTS = 5
ACCOUNT_SLOTS_OLD = 6
TRANSFER_SLOTS = 7
TRANSFER_SLOTS_OLD = 8
COUNTS = 9

# What an account with the flag HISTORY had just after a transfer.
BALANCE = np.dtype(
    [
        ("row", "<u4"),  # the transfer's
        ("is_credit", "<u4"),  # which side the account was on
        ("debits_pending_lo", "<u8"),
        ("debits_pending_hi", "<u8"),
        ("debits_posted_lo", "<u8"),
        ("debits_posted_hi", "<u8"),
        ("credits_pending_lo", "<u8"),
        ("credits_pending_hi", "<u8"),
        ("credits_posted_lo", "<u8"),
        ("credits_posted_hi", "<u8"),
    ]
)

NS_PER_S = 1_000_000_000

CLOSED = int(AccountFlags.CLOSED)
_HISTORY = int(AccountFlags.HISTORY)
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
    by_debit: NDArray[
        np.uint64
    ]  # of each transfer, a key to find it by (`queries`): its debit account's row,
    by_credit: NDArray[np.uint64]  # its credit account's row,
    by_data: NDArray[np.uint64]  # a hash of its user_data_128; and in the lower half its own row
    balances: NDArray[np.void]  # of BALANCE
    burnt: Ids  # ids of transfers that failed for good
    expiry_times: NDArray[np.int64]  # a binary heap with `expiry_rows`: ns
    expiry_rows: NDArray[np.uint32]
    counts: NDArray[np.int64]


@njit(cache=True, nogil=True)
def account_place(books: Books, id_lo: U64, id_hi: U64) -> tuple[I64, I64]:
    """The position in the slots where an account's id belongs; and its row, or ABSENT."""
    size, old = books.counts[ACCOUNT_SLOTS], books.counts[ACCOUNT_SLOTS_OLD]
    return index.find(books.account_slots, size, old, books.accounts, books.burnt, id_lo, id_hi)


@njit(cache=True, nogil=True)
def transfer_place(books: Books, id_lo: U64, id_hi: U64) -> tuple[I64, I64]:
    """The position in the slots where a transfer's id belongs; and its row, ABSENT, or BURNT."""
    size, old = books.counts[TRANSFER_SLOTS], books.counts[TRANSFER_SLOTS_OLD]
    return index.find(books.transfer_slots, size, old, books.transfers, books.burnt, id_lo, id_hi)


@njit(cache=True, nogil=True)
def account_row(books: Books, id_lo: U64, id_hi: U64) -> I64:
    """The row of an account, or ABSENT."""
    return account_place(books, id_lo, id_hi)[1]


@njit(cache=True, nogil=True)
def transfer_row(books: Books, id_lo: U64, id_hi: U64) -> I64:
    """The row of a transfer, ABSENT, or BURNT."""
    return transfer_place(books, id_lo, id_hi)[1]


@njit(cache=True, nogil=True)
def key_of(value: I64, row: I64) -> U64:
    """The key of a transfer's row by a 32-bit value; keys sort by value, then by row."""
    return (np.uint64(value) << np.uint64(32)) | np.uint64(row)


@njit(cache=True, nogil=True)
def set_keys(books: Books, row: I64, debit_row: I64, credit_row: I64) -> None:
    """Note what a stored transfer is found by."""
    transfer = books.transfers[row]
    books.by_debit[row] = key_of(debit_row, row)
    books.by_credit[row] = key_of(credit_row, row)
    data = index.tag_of(transfer["user_data_128_lo"], transfer["user_data_128_hi"])
    books.by_data[row] = key_of(data, row)


@njit(cache=True, nogil=True)
def note_balances(books: Books, row: I64, debit: Record, credit: Record) -> None:
    """Keep the balances just after a transfer, for the accounts that want it."""
    if (debit["flags"] | credit["flags"]) & _HISTORY:
        _note_balances(books.counts, books.balances, row, debit, credit)


@njit(cache=True, nogil=True)
def forget_balances(books: Books, debit: Record, credit: Record) -> None:
    """Take back what `note_balances` kept last."""
    if debit["flags"] & _HISTORY:
        books.counts[BALANCES] -= 1
    if credit["flags"] & _HISTORY:
        books.counts[BALANCES] -= 1


@njit(cache=True, nogil=True)
def _note_balances(
    counts: NDArray[np.int64], balances: NDArray[np.void], row: I64, debit: Record, credit: Record
) -> None:
    for is_credit in range(2):
        account = credit if is_credit else debit
        if not account["flags"] & _HISTORY:
            continue
        kept = balances[counts[BALANCES]]
        counts[BALANCES] += 1
        kept["row"] = row
        kept["is_credit"] = is_credit
        kept["debits_pending_lo"] = account["debits_pending_lo"]
        kept["debits_pending_hi"] = account["debits_pending_hi"]
        kept["debits_posted_lo"] = account["debits_posted_lo"]
        kept["debits_posted_hi"] = account["debits_posted_hi"]
        kept["credits_pending_lo"] = account["credits_pending_lo"]
        kept["credits_pending_hi"] = account["credits_pending_hi"]
        kept["credits_posted_lo"] = account["credits_posted_lo"]
        kept["credits_posted_hi"] = account["credits_posted_hi"]


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
def first_at(records: NDArray[np.void], count: I64, stamp: I64) -> I64:
    """The first of the records, which stand in order of time, with this timestamp or a later one; else their count."""
    low: I64 = 0
    high = count
    while low < high:
        middle = (low + high) // 2
        if np.int64(records[middle]["timestamp"]) < stamp:
            low = middle + 1
        else:
            high = middle
    return low


@njit(cache=True, nogil=True)
def is_taken(records: NDArray[np.void], count: I64, stamp: I64) -> bool:
    """Whether one of the records has exactly this timestamp."""
    row = first_at(records, count, stamp)
    return bool(row < count and np.int64(records[row]["timestamp"]) == stamp)


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
