"""
Which transfers or accounts a filter lets through, row by row in the order of time.

Each transfer has keys by its two accounts and its user data (`columns.set_keys`). They lie in blocks of
BLOCK_ROWS; a block that is full is *sealed*: its keys are sorted, so that a binary search finds a value's rows
there, in order. That is an index which is never rebuilt and never pauses anyone; the rows behind the last
sealed block are looked at one by one. A search goes on where it stopped, a bounded piece of work at a time.
"""

import numpy as np
from numba import njit
from numpy.typing import NDArray

from ledger.columns import BALANCES, TRANSFERS, Books, Record, account_row, first_at, set_keys
from ledger.index import tag_of
from ledger.transfer import Balances
from ledger.wide import I64, U64, is_zero

BLOCK_ROWS = 16_384
_BLOCK_WORK = 64  # what searching a sealed block costs, in rows looked at

# What is asked for; a field that is zero lets everything through, but for `sides`.
SIEVE = np.dtype(
    [
        ("account_id_lo", "<u8"),
        ("account_id_hi", "<u8"),
        ("user_data_128_lo", "<u8"),
        ("user_data_128_hi", "<u8"),
        ("user_data_64", "<u8"),
        ("user_data_32", "<u4"),
        ("ledger", "<u4"),
        ("code", "<u2"),
        ("sides", "<u2"),  # DEBITS, CREDITS: where the account may stand; 0 where no account is asked for
    ]
)
DEBITS = 1
CREDITS = 2

_HALF = np.uint64(32)
_ROW = np.uint64(0xFFFF_FFFF)


@njit(cache=True, nogil=True)
def _passes(sieve: Record, record: Record) -> bool:
    """Whether an account or transfer has the data, ledger and code that are asked for."""
    if not is_zero(sieve["user_data_128_lo"], sieve["user_data_128_hi"]) and (
        sieve["user_data_128_lo"] != record["user_data_128_lo"]
        or sieve["user_data_128_hi"] != record["user_data_128_hi"]
    ):
        return False
    if sieve["user_data_64"] != 0 and sieve["user_data_64"] != record["user_data_64"]:
        return False
    if sieve["user_data_32"] != 0 and sieve["user_data_32"] != record["user_data_32"]:
        return False
    if sieve["ledger"] != 0 and sieve["ledger"] != record["ledger"]:
        return False
    return bool(sieve["code"] == 0 or sieve["code"] == record["code"])


@njit(cache=True, nogil=True)
def _transfer_passes(sieve: Record, transfer: Record) -> bool:
    sides = sieve["sides"]
    if sides != 0:
        is_debit = (
            sides & DEBITS
            and transfer["debit_account_id_lo"] == sieve["account_id_lo"]
            and transfer["debit_account_id_hi"] == sieve["account_id_hi"]
        )
        is_credit = (
            sides & CREDITS
            and transfer["credit_account_id_lo"] == sieve["account_id_lo"]
            and transfer["credit_account_id_hi"] == sieve["account_id_hi"]
        )
        if not is_debit and not is_credit:
            return False
    return _passes(sieve, transfer)


@njit(cache=True, nogil=True)
def _bound(keys: NDArray[np.uint64], low: I64, high: I64, value: U64, is_upper: bool) -> I64:
    """Where in a sealed block the keys of this value begin, or end."""
    while low < high:
        middle = (low + high) // 2
        found = keys[middle] >> _HALF
        if found < value or (is_upper and found == value):
            low = middle + 1
        else:
            high = middle
    return low


@njit(cache=True, nogil=True)
def _sift_rows(
    books: Books, sieve: Record, low: I64, high: I64, is_reversed: bool, rows: NDArray[np.int64], count: I64
) -> I64:
    """Look at every transfer from `low` up to `high`."""
    for i in range(high - low):
        if count == len(rows):
            break
        row = high - 1 - i if is_reversed else low + i
        if _transfer_passes(sieve, books.transfers[row]):
            rows[count] = row
            count += 1
    return count


@njit(cache=True, nogil=True)
def _sift_sealed(
    books: Books,
    sieve: Record,
    account: I64,
    low: I64,
    high: I64,
    is_reversed: bool,
    rows: NDArray[np.int64],
    count: I64,
) -> tuple[I64, I64]:
    """Look at those transfers of a sealed block, from `low` up to `high`, that the keys give; and how many."""
    start = low // BLOCK_ROWS * BLOCK_ROWS
    end = start + BLOCK_ROWS
    one = books.by_data
    other = books.by_credit
    one_low: I64 = 0
    one_high: I64 = 0
    other_low: I64 = 0
    other_high: I64 = 0
    if not is_zero(sieve["user_data_128_lo"], sieve["user_data_128_hi"]):
        value = tag_of(sieve["user_data_128_lo"], sieve["user_data_128_hi"])
        one_low = _bound(one, start, end, value, False)
        one_high = _bound(one, one_low, end, value, True)
    else:
        value = np.uint64(account)
        one = books.by_debit
        if sieve["sides"] & DEBITS:
            one_low = _bound(one, start, end, value, False)
            one_high = _bound(one, one_low, end, value, True)
        if sieve["sides"] & CREDITS:
            other_low = _bound(other, start, end, value, False)
            other_high = _bound(other, other_low, end, value, True)
    work = one_high - one_low + other_high - other_low
    while (one_low < one_high or other_low < other_high) and count < len(rows):
        # Two runs in the order of rows, which have none in common: an account is not on both sides.
        if is_reversed:
            if other_low == other_high or (
                one_low < one_high and one[one_high - 1] & _ROW > other[other_high - 1] & _ROW
            ):
                one_high -= 1
                key = one[one_high]
            else:
                other_high -= 1
                key = other[other_high]
        elif other_low == other_high or (
            one_low < one_high and one[one_low] & _ROW < other[other_low] & _ROW
        ):
            key = one[one_low]
            one_low += 1
        else:
            key = other[other_low]
            other_low += 1
        row = np.int64(key & _ROW)
        if low <= row < high and _transfer_passes(sieve, books.transfers[row]):
            rows[count] = row
            count += 1
    return count, work


@njit(cache=True, nogil=True)
def sift_transfers(
    books: Books,
    sieve: Record,
    sealed: I64,
    low: I64,
    high: I64,
    is_reversed: bool,
    work_max: I64,
    rows: NDArray[np.int64],
    count: I64,
) -> tuple[I64, I64, I64]:
    """
    Add to `rows` those of the transfers `low` up to `high` that pass, until it is full or the work is done.

    `sealed` counts the rows in sealed blocks. Gives the rows that are left to look at, and the new count.
    """
    has_data = not is_zero(sieve["user_data_128_lo"], sieve["user_data_128_hi"])
    account: I64 = 0
    if sieve["sides"] != 0:
        account = account_row(books, sieve["account_id_lo"], sieve["account_id_hi"])
        if account < 0:
            return low, low, count
    work: I64 = 0
    while low < high and count < len(rows) and work < work_max:
        if is_reversed:
            block_low = max(low, (high - 1) // BLOCK_ROWS * BLOCK_ROWS)
            block_high = high
        else:
            block_low = low
            block_high = min(high, (low // BLOCK_ROWS + 1) * BLOCK_ROWS)
        if block_low < sealed and (has_data or sieve["sides"] != 0):
            count, looked_at = _sift_sealed(
                books, sieve, account, block_low, block_high, is_reversed, rows, count
            )
            work += _BLOCK_WORK + looked_at
        else:
            count = _sift_rows(books, sieve, block_low, block_high, is_reversed, rows, count)
            work += block_high - block_low
        if is_reversed:
            high = block_low
        else:
            low = block_high
    return low, high, count


@njit(cache=True, nogil=True)
def sift_accounts(
    books: Books,
    sieve: Record,
    low: I64,
    high: I64,
    is_reversed: bool,
    work_max: I64,
    rows: NDArray[np.int64],
    count: I64,
) -> tuple[I64, I64, I64]:
    """As `sift_transfers`, for accounts: each is looked at."""
    work: I64 = 0
    while low < high and count < len(rows) and work < work_max:
        row = high - 1 if is_reversed else low
        if _passes(sieve, books.accounts[row]):
            rows[count] = row
            count += 1
        work += 1
        if is_reversed:
            high -= 1
        else:
            low += 1
    return low, high, count


@njit(cache=True, nogil=True)
def rows_between(records: NDArray[np.void], count: I64, min_ns: I64, max_ns: I64) -> tuple[I64, I64]:
    """The first row, and the row behind the last, of the records whose timestamps lie in a range."""
    high = count if max_ns == 0 else first_at(records, count, max_ns)
    if high < count and np.int64(records[high]["timestamp"]) == max_ns:
        high += 1
    return first_at(records, count, min_ns), high


@njit(cache=True, nogil=True)
def read_balances(books: Books, id_lo: U64, id_hi: U64, rows: NDArray[np.int64], balances: Balances) -> None:
    """What an account with HISTORY had just after each of these of its transfers."""
    for i in range(len(rows)):
        transfer = books.transfers[rows[i]]
        is_credit = transfer["credit_account_id_lo"] == id_lo and transfer["credit_account_id_hi"] == id_hi
        low: I64 = 0
        high = books.counts[BALANCES]
        while low < high:
            middle = (low + high) // 2
            kept = books.balances[middle]
            if kept["row"] < rows[i] or (kept["row"] == rows[i] and is_credit and kept["is_credit"] == 0):
                low = middle + 1
            else:
                high = middle
        kept = books.balances[low]
        balance = balances[i]
        balance["debits_pending_lo"] = kept["debits_pending_lo"]
        balance["debits_pending_hi"] = kept["debits_pending_hi"]
        balance["debits_posted_lo"] = kept["debits_posted_lo"]
        balance["debits_posted_hi"] = kept["debits_posted_hi"]
        balance["credits_pending_lo"] = kept["credits_pending_lo"]
        balance["credits_pending_hi"] = kept["credits_pending_hi"]
        balance["credits_posted_lo"] = kept["credits_posted_lo"]
        balance["credits_posted_hi"] = kept["credits_posted_hi"]
        balance["timestamp"] = transfer["timestamp"]


@njit(cache=True, nogil=True)
def enter_keys(books: Books) -> None:
    """Set the keys of all transfers anew; those whose accounts are not there (a damaged file) get row 0."""
    for row in range(books.counts[TRANSFERS]):
        transfer = books.transfers[row]
        debit = account_row(books, transfer["debit_account_id_lo"], transfer["debit_account_id_hi"])
        credit = account_row(books, transfer["credit_account_id_lo"], transfer["credit_account_id_hi"])
        set_keys(books, row, max(debit, 0), max(credit, 0))
