"""
Whole batches: chains of linked events that succeed or fail together, and one result for each event.

The caller has made room for the batch in every array beforehand (`state`), so that nothing grows in here.
"""

import numpy as np
from numba import njit
from numpy.typing import NDArray

from ledger import expiry, rules
from ledger.columns import TRANSFERS, Books, Record, account_row, transfer_row
from ledger.rules import AccountStatus, Status
from ledger.transfer import AccountFlags, Accounts, Ids, Results, TransferFlags, Transfers
from ledger.wide import I64

_LINKED = int(TransferFlags.LINKED)  # the same bit in both
_ACCOUNT_IMPORTED = int(AccountFlags.IMPORTED)
_TRANSFER_IMPORTED = int(TransferFlags.IMPORTED)
_TIMESTAMP_MAX = np.uint64(rules.TIMESTAMP_MAX)
# The first statuses mean the same for accounts and transfers; those of imported events are numbered apart.
_ADMITTED = 0
_LINKED_EVENT_FAILED = int(Status.LINKED_EVENT_FAILED)
_LINKED_EVENT_CHAIN_OPEN = int(Status.LINKED_EVENT_CHAIN_OPEN)
_TIMESTAMP_MUST_BE_ZERO = int(Status.TIMESTAMP_MUST_BE_ZERO)
_ACCOUNT_IMPORTS = int(AccountStatus.IMPORTED_EVENT_EXPECTED)
_TRANSFER_IMPORTS = int(Status.IMPORTED_EVENT_EXPECTED)
_CREATED = int(Status.CREATED)


@njit(cache=True, nogil=True)
def _admit(
    event: Record, is_last: bool, is_broken: bool, is_import: bool, imports: bool, last_ns: I64, base: int
) -> I64:
    """
    What the batch has against an event, before the books are asked; _ADMITTED for nothing.

    `imports` says whether the batch imports, `base` is the first of the four statuses of imported events.
    """
    if event["flags"] & _LINKED and is_last:
        return _LINKED_EVENT_CHAIN_OPEN
    if is_broken:
        return _LINKED_EVENT_FAILED
    if imports and not is_import:
        return base
    if is_import and not imports:
        return base + 1
    if not is_import:
        return _TIMESTAMP_MUST_BE_ZERO if event["timestamp"] != 0 else _ADMITTED
    if event["timestamp"] == 0 or event["timestamp"] > _TIMESTAMP_MAX:
        return base + 2
    if event["timestamp"] >= np.uint64(last_ns):
        return base + 3
    return _ADMITTED


@njit(cache=True, nogil=True)
def _is_transient(status: I64) -> bool:
    return (
        status == Status.DEBIT_ACCOUNT_NOT_FOUND
        or status == Status.CREDIT_ACCOUNT_NOT_FOUND
        or status == Status.PENDING_TRANSFER_NOT_FOUND
        or status == Status.EXCEEDS_CREDITS
        or status == Status.EXCEEDS_DEBITS
        or status == Status.DEBIT_ACCOUNT_ALREADY_CLOSED
        or status == Status.CREDIT_ACCOUNT_ALREADY_CLOSED
    )


@njit(cache=True, nogil=True)
def create_accounts(books: Books, events: Accounts, first_ns: I64, results: Results) -> None:
    """Open a batch of accounts; event i has the timestamp `first_ns` + i."""
    count = len(events)
    imports = count > 0 and (events[0]["flags"] & _ACCOUNT_IMPORTED) != 0
    chain = -1
    is_broken = False
    for i in range(count):
        event = events[i]
        is_linked = (event["flags"] & _LINKED) != 0
        if is_linked and chain < 0:
            chain = i
        stamp = first_ns + i
        status = _admit(
            event,
            i == count - 1,
            is_broken,
            (event["flags"] & _ACCOUNT_IMPORTED) != 0,
            imports,
            first_ns + count - 1,
            _ACCOUNT_IMPORTS,
        )
        if status == _ADMITTED:
            outcome, stamp = rules.create_account(books, event, stamp)
            status = outcome.value
        if status != _CREATED and chain >= 0 and not is_broken:
            is_broken = True
            for earlier in range(chain, i):
                rules.undo_account(books)
                results[earlier]["status"] = _LINKED_EVENT_FAILED
        results[i]["timestamp"] = np.uint64(stamp)
        results[i]["status"] = status
        if not is_linked:
            chain = -1
            is_broken = False


@njit(cache=True, nogil=True)
def create_transfers(books: Books, events: Transfers, first_ns: I64, results: Results) -> None:
    """Post a batch of transfers; event i has the timestamp `first_ns` + i."""
    count = len(events)
    row_first = books.counts[TRANSFERS]
    imports = count > 0 and (events[0]["flags"] & _TRANSFER_IMPORTED) != 0
    chain = -1
    is_broken = False
    for i in range(count):
        event = events[i]
        is_linked = (event["flags"] & _LINKED) != 0
        if is_linked and chain < 0:
            chain = i
        stamp = first_ns + i
        status = _admit(
            event,
            i == count - 1,
            is_broken,
            (event["flags"] & _TRANSFER_IMPORTED) != 0,
            imports,
            first_ns + count - 1,
            _TRANSFER_IMPORTS,
        )
        if status == _ADMITTED:
            outcome, stamp = rules.create_transfer(books, event, stamp)
            status = outcome.value
        if status != _CREATED:
            if chain >= 0 and not is_broken:
                is_broken = True
                for earlier in range(chain, i):
                    rules.undo_transfer(books)
                    results[earlier]["status"] = _LINKED_EVENT_FAILED
            if _is_transient(status):
                rules.burn(books, event)
        results[i]["timestamp"] = np.uint64(stamp)
        results[i]["status"] = status
        if not is_linked:
            chain = -1
            is_broken = False
    expiry.schedule(books, row_first, books.counts[TRANSFERS])


@njit(cache=True, nogil=True)
def replay_transfers(
    books: Books,
    events: Transfers,
    counts: NDArray[np.int64],
    clocks_ns: NDArray[np.int64],
    last_ns: I64,
    results: Results,
) -> I64:
    """
    Post batch after batch, of so many events each, at its time: what is due then expires first.

    The time of the last event, from `last_ns` on; -1 where the batches' times are not in order.
    """
    first = 0
    for i in range(len(counts)):
        if clocks_ns[i] <= last_ns:
            return -1
        end = first + counts[i]
        first_ns = clocks_ns[i] + expiry.expire(books, clocks_ns[i])
        create_transfers(books, events[first:end], first_ns, results[first:end])
        last_ns = first_ns + counts[i] - 1
        first = end
    return last_ns


@njit(cache=True, nogil=True)
def find_accounts(books: Books, ids: Ids, rows: NDArray[np.int64]) -> I64:
    """Write the rows of those accounts that are there, in order; how many."""
    count = 0
    for i in range(len(ids)):
        row = account_row(books, ids[i, 0], ids[i, 1])
        if row >= 0:
            rows[count] = row
            count += 1
    return count


@njit(cache=True, nogil=True)
def account_rows(books: Books, ids: Ids, rows: NDArray[np.int64]) -> None:
    """Write the row of each account, ABSENT for one that is not there."""
    for i in range(len(ids)):
        rows[i] = account_row(books, ids[i, 0], ids[i, 1])


@njit(cache=True, nogil=True)
def find_transfers(books: Books, ids: Ids, rows: NDArray[np.int64]) -> I64:
    """Write the rows of those transfers that are there, in order; how many."""
    count = 0
    for i in range(len(ids)):
        row = transfer_row(books, ids[i, 0], ids[i, 1])
        if row >= 0:
            rows[count] = row
            count += 1
    return count
