"""
Reading the books by what is in them: the transfers of an account, of a `user_data_128`, of a time.

Every transfer is linked to the one before it on its debit account, on its credit account, and under its user data, so
that what belongs together is found without looking at the rest. The links follow from the transfers: nothing of them
is on disk. Source of the filters' rules: docs.tigerbeetle.com/reference/account-filter and query-filter.
"""

from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from ledger.columns import ACCOUNTS, TRANSFERS, Books, Record, account_row, expires_at, transfer_row
from ledger.index import tag_of
from ledger.transfer import (
    ACCOUNT_BALANCE,
    BATCH_MAX,
    AccountFilterFlags,
    Balances,
    Filter,
    PendingState,
    QueryFilterFlags,
    TransferFlags,
)
from ledger.wide import I64, U64, add, subtract

Rows = NDArray[np.int64]

_TIMESTAMP_MAX = (1 << 63) - 1
_U128_MAX = (1 << 64) - 1
_DEBITS = int(AccountFilterFlags.DEBITS)
_CREDITS = int(AccountFilterFlags.CREDITS)
_PENDING = int(TransferFlags.PENDING)
_POST = int(TransferFlags.POST_PENDING_TRANSFER)
_VOID = int(TransferFlags.VOID_PENDING_TRANSFER)
_EXPIRED = int(PendingState.EXPIRED)


class Links(NamedTuple):
    """Rows plus one, 0 for none. Rows beyond the books' counts are empty room."""

    debit_before: NDArray[np.uint32]  # of each transfer: the one before it that debits the same account
    credit_before: NDArray[np.uint32]
    user_before: NDArray[np.uint32]  # the one before it whose user data fall into the same bucket
    last_debit: NDArray[np.uint32]  # of each account
    last_credit: NDArray[np.uint32]
    last_user: NDArray[np.uint32]  # of each bucket, a power of two of them


@njit(cache=True, nogil=True)
def _bucket(links: Links, lo: U64, hi: U64) -> I64:
    return np.int64(tag_of(lo, hi)) & (len(links.last_user) - 1)


@njit(cache=True, nogil=True)
def link(books: Books, links: Links, first: I64, last: I64) -> None:
    """Link the transfers in rows from `first` to `last`, which must be the next ones."""
    for row in range(first, last):
        transfer = books.transfers[row]
        debit = account_row(books, transfer["debit_account_id_lo"], transfer["debit_account_id_hi"])
        credit = account_row(books, transfer["credit_account_id_lo"], transfer["credit_account_id_hi"])
        links.debit_before[row] = links.last_debit[debit]
        links.last_debit[debit] = row + 1
        links.credit_before[row] = links.last_credit[credit]
        links.last_credit[credit] = row + 1
    link_users(books, links, first, last)


@njit(cache=True, nogil=True)
def link_users(books: Books, links: Links, first: I64, last: I64) -> None:
    """The same for user data alone: all that has to be done again where there are more buckets."""
    for row in range(first, last):
        transfer = books.transfers[row]
        bucket = _bucket(links, transfer["user_data_128_lo"], transfer["user_data_128_hi"])
        links.user_before[row] = links.last_user[bucket]
        links.last_user[bucket] = row + 1


@njit(cache=True, nogil=True)
def _row_from(records: NDArray[np.void], count: I64, stamp: U64) -> I64:
    """The first row whose timestamp is not before `stamp`."""
    low: I64 = 0
    high = count
    while low < high:
        middle = (low + high) // 2
        if records[middle]["timestamp"] < stamp:
            low = middle + 1
        else:
            high = middle
    return low


@njit(cache=True, nogil=True)
def _suits(record: Record, wanted: Record) -> bool:
    """Whether a transfer or an account has the fields that a filter names."""
    lo = wanted["user_data_128_lo"]
    hi = wanted["user_data_128_hi"]
    if (lo != 0 or hi != 0) and (record["user_data_128_lo"] != lo or record["user_data_128_hi"] != hi):
        return False
    if wanted["user_data_64"] != 0 and record["user_data_64"] != wanted["user_data_64"]:
        return False
    if wanted["user_data_32"] != 0 and record["user_data_32"] != wanted["user_data_32"]:
        return False
    return bool(wanted["code"] == 0 or record["code"] == wanted["code"])


@njit(cache=True, nogil=True)
def of_account(
    books: Books, links: Links, filters: Filter, newest_first: bool, since: U64, until: U64, rows: Rows
) -> I64:
    """Rows of an account's transfers into `rows`, newest first; how many. Where oldest are wanted, the oldest of all."""
    wanted = filters[0]
    account = account_row(books, wanted["account_id_lo"], wanted["account_id_hi"])
    if account < 0:
        return 0
    debit: I64 = np.int64(links.last_debit[account]) - 1 if wanted["flags"] & _DEBITS else -1
    credit: I64 = np.int64(links.last_credit[account]) - 1 if wanted["flags"] & _CREDITS else -1
    count = 0
    while debit >= 0 or credit >= 0:
        row = max(debit, credit)
        if row == debit:
            debit = np.int64(links.debit_before[row]) - 1
        else:
            credit = np.int64(links.credit_before[row]) - 1
        transfer = books.transfers[row]
        if transfer["timestamp"] < since:
            break
        if transfer["timestamp"] > until or not _suits(transfer, wanted):
            continue
        rows[count % len(rows)] = row
        count += 1
        if newest_first and count == len(rows):
            break
    return count


@njit(cache=True, nogil=True)
def of_user(
    books: Books, links: Links, filters: Filter, newest_first: bool, since: U64, until: U64, rows: Rows
) -> I64:
    """The same of the transfers with a filter's user_data_128."""
    wanted = filters[0]
    bucket = _bucket(links, wanted["user_data_128_lo"], wanted["user_data_128_hi"])
    row: I64 = np.int64(links.last_user[bucket]) - 1
    count = 0
    while row >= 0:
        transfer = books.transfers[row]
        at = row
        row = np.int64(links.user_before[row]) - 1
        if transfer["timestamp"] < since:
            break
        fits = wanted["ledger"] == 0 or transfer["ledger"] == wanted["ledger"]
        if not fits or transfer["timestamp"] > until or not _suits(transfer, wanted):
            continue
        rows[count % len(rows)] = at
        count += 1
        if newest_first and count == len(rows):
            break
    return count


@njit(cache=True, nogil=True)
def of_all(
    records: NDArray[np.void],
    filters: Filter,
    newest_first: bool,
    first: I64,
    last: I64,
    rows: Rows,
) -> I64:
    """Rows from `first` to `last` that a query filter lets through, in the order asked, into `rows`; how many."""
    wanted = filters[0]
    count = 0
    for step in range(last - first):
        row = last - 1 - step if newest_first else first + step
        record = records[row]
        if (wanted["ledger"] == 0 or record["ledger"] == wanted["ledger"]) and _suits(record, wanted):
            rows[count] = row
            count += 1
            if count == len(rows):
                break
    return count


@njit(cache=True, nogil=True)
def _move(balance: Record, is_debit: bool, is_posted: bool, is_taken: bool, lo: U64, hi: U64) -> None:
    """Add to one of a balance's four sums, or take from it."""
    if is_debit and is_posted:
        balance["debits_posted_lo"], balance["debits_posted_hi"] = add(
            balance["debits_posted_lo"], balance["debits_posted_hi"], lo, hi
        )
    elif is_posted:
        balance["credits_posted_lo"], balance["credits_posted_hi"] = add(
            balance["credits_posted_lo"], balance["credits_posted_hi"], lo, hi
        )
    elif is_debit and is_taken:
        balance["debits_pending_lo"], balance["debits_pending_hi"] = subtract(
            balance["debits_pending_lo"], balance["debits_pending_hi"], lo, hi
        )
    elif is_debit:
        balance["debits_pending_lo"], balance["debits_pending_hi"] = add(
            balance["debits_pending_lo"], balance["debits_pending_hi"], lo, hi
        )
    elif is_taken:
        balance["credits_pending_lo"], balance["credits_pending_hi"] = subtract(
            balance["credits_pending_lo"], balance["credits_pending_hi"], lo, hi
        )
    else:
        balance["credits_pending_lo"], balance["credits_pending_hi"] = add(
            balance["credits_pending_lo"], balance["credits_pending_hi"], lo, hi
        )


@njit(cache=True, nogil=True)
def fold(books: Books, account: I64, rows: Rows, ends: Rows, ending: Rows, balances: Balances) -> None:
    """
    The balance of an account just after each of its transfers, `rows` oldest first.

    `ends` are the times at which pending transfers of it expired, ascending, `ending` their rows.
    """
    own_lo = books.accounts[account]["id_lo"]
    own_hi = books.accounts[account]["id_hi"]
    next_end = 0
    for i in range(len(rows)):
        if i > 0:
            balances[i] = balances[i - 1]
        balance = balances[i]
        transfer = books.transfers[rows[i]]
        stamp = np.int64(transfer["timestamp"])
        while next_end < len(ends) and ends[next_end] < stamp:
            over = books.transfers[ending[next_end]]
            debits = over["debit_account_id_lo"] == own_lo and over["debit_account_id_hi"] == own_hi
            _move(balance, debits, False, True, over["amount_lo"], over["amount_hi"])
            next_end += 1
        is_debit = transfer["debit_account_id_lo"] == own_lo and transfer["debit_account_id_hi"] == own_hi
        flags = transfer["flags"]
        lo = transfer["amount_lo"]
        hi = transfer["amount_hi"]
        if flags & (_POST | _VOID):
            pending = books.transfers[
                transfer_row(books, transfer["pending_id_lo"], transfer["pending_id_hi"])
            ]
            _move(balance, is_debit, False, True, pending["amount_lo"], pending["amount_hi"])
        if not flags & (_PENDING | _VOID):
            _move(balance, is_debit, True, False, lo, hi)
        elif flags & _PENDING:
            _move(balance, is_debit, False, False, lo, hi)
        balance["timestamp"] = transfer["timestamp"]


def times_of(wanted: Filter) -> tuple[int, int] | None:
    """The times that a filter lets through, both inclusive; None where it breaks a rule of all filters."""
    since, until = int(wanted["timestamp_min"][0]), int(wanted["timestamp_max"][0])
    if max(since, until) > _TIMESTAMP_MAX or (until and since > until):
        return None
    if not wanted["limit"][0] or wanted["reserved"].any():
        return None
    return since, until or _TIMESTAMP_MAX


def account_rows(books: Books, links: Links, wanted: Filter) -> Rows:
    """The rows of the transfers that ACCOUNT_FILTER[1] wants, in its order."""
    times = times_of(wanted)
    flags = int(wanted["flags"][0])
    low, high = int(wanted["account_id_lo"][0]), int(wanted["account_id_hi"][0])
    is_id = (low, high) not in ((0, 0), (_U128_MAX, _U128_MAX))
    known = _DEBITS | _CREDITS | int(AccountFilterFlags.REVERSED)
    if times is None or not is_id or not flags & (_DEBITS | _CREDITS) or flags & ~known:
        return np.zeros(0, np.int64)
    newest_first = bool(flags & AccountFilterFlags.REVERSED)
    rows = np.empty(min(int(wanted["limit"][0]), BATCH_MAX), np.int64)
    count = of_account(books, links, wanted, newest_first, np.uint64(times[0]), np.uint64(times[1]), rows)
    return _in_order(rows, count, newest_first=newest_first)


def query_rows(books: Books, links: Links, wanted: Filter, *, of_accounts: bool) -> Rows:
    """The rows of the accounts or transfers that QUERY_FILTER[1] wants, in its order."""
    times = times_of(wanted)
    if times is None or int(wanted["flags"][0]) & ~int(QueryFilterFlags.REVERSED):
        return np.zeros(0, np.int64)
    newest_first = bool(int(wanted["flags"][0]) & QueryFilterFlags.REVERSED)
    rows = np.empty(min(int(wanted["limit"][0]), BATCH_MAX), np.int64)
    since, until = np.uint64(times[0]), np.uint64(times[1])
    if not of_accounts and (wanted["user_data_128_lo"][0] or wanted["user_data_128_hi"][0]):
        count = of_user(books, links, wanted, newest_first, since, until, rows)
        return _in_order(rows, count, newest_first=newest_first)
    records = books.accounts if of_accounts else books.transfers
    total = int(books.counts[ACCOUNTS if of_accounts else TRANSFERS])
    first, last = _row_from(records, total, since), _row_from(records, total, until + np.uint64(1))
    return rows[: of_all(records, wanted, newest_first, first, last, rows)]


def balances_of(books: Books, links: Links, wanted: Filter) -> Balances:
    """The account's ACCOUNT_BALANCE after each of the transfers that ACCOUNT_FILTER[1] wants."""
    chosen = account_rows(books, links, wanted)
    if not len(chosen):
        return np.zeros(0, ACCOUNT_BALANCE)
    account = account_row(books, wanted["account_id_lo"][0], wanted["account_id_hi"][0])
    every = wanted.copy()
    every["flags"], every["limit"] = _DEBITS | _CREDITS, 0xFFFF_FFFF
    rows = np.empty(int(books.counts[TRANSFERS]), np.int64)
    for name in ("user_data_128_lo", "user_data_128_hi", "user_data_64", "user_data_32", "code"):
        every[name] = 0
    count = of_account(books, links, every, False, np.uint64(0), np.uint64(_TIMESTAMP_MAX), rows)
    rows = np.ascontiguousarray(rows[:count][::-1])
    over = rows[books.pending[rows] == _EXPIRED]
    ends = np.array([expires_at(transfer) for transfer in books.transfers[over]], np.int64)
    order = np.argsort(ends, kind="stable")
    balances = np.zeros(len(rows), ACCOUNT_BALANCE)
    fold(books, account, rows, ends[order], over[order], balances)
    return balances[np.searchsorted(rows, chosen)]


def _in_order(rows: Rows, count: int, *, newest_first: bool) -> Rows:
    """What a walk from the newest on has left in the ring `rows`."""
    if newest_first:
        return rows[:count]
    if count > len(rows):
        rows = np.roll(rows, -(count % len(rows)))
    return np.ascontiguousarray(rows[: min(count, len(rows))][::-1])
