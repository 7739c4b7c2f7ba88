"""
What one event does to the books: TigerBeetle's rules for a single account or transfer.

Each function takes the books and one event, and gives a status and the timestamp that goes with it; only a
status of CREATED has changed anything. The checks stand in TigerBeetle's order of precedence, which is the
contract; chains and batches are `kernel`'s business. Source: docs.tigerbeetle.com/reference/requests.
"""

from typing import TypeAlias

import numpy as np
from numba import njit

from ledger import index, wide
from ledger.columns import (
    ACCOUNTS,
    BURNT_IDS,
    CLOSED,
    CLOSING_CREDIT,
    CLOSING_DEBIT,
    NS_PER_S,
    TRANSFERS,
    Books,
    Record,
    account_place,
    account_row,
    add_pending,
    add_posted,
    credits_of,
    debits_of,
    expires_at,
    forget_balances,
    is_taken,
    note_balances,
    regresses,
    reopen,
    set_keys,
    take_pending,
    take_posted,
    transfer_place,
    transfer_row,
)
from ledger.index import ABSENT, BURNT
from ledger.repeats import account_repeat, transfer_repeat
from ledger.transfer import (
    AccountFlags,
    CreateAccountStatus,
    CreateTransferStatus,
    PendingState,
    TransferFlags,
)
from ledger.wide import I64, U64, ZERO

Status: TypeAlias = CreateTransferStatus
AccountStatus: TypeAlias = CreateAccountStatus

TIMESTAMP_MAX = 2**63 - 1

_DEBITS_LIMITED = int(AccountFlags.DEBITS_MUST_NOT_EXCEED_CREDITS)
_CREDITS_LIMITED = int(AccountFlags.CREDITS_MUST_NOT_EXCEED_DEBITS)
_ACCOUNT_IMPORTED = int(AccountFlags.IMPORTED)
_ACCOUNT_PADDING = 0xFFFF ^ int(sum(AccountFlags))

_PENDING = int(TransferFlags.PENDING)
_POST = int(TransferFlags.POST_PENDING_TRANSFER)
_VOID = int(TransferFlags.VOID_PENDING_TRANSFER)
_BALANCING_DEBIT = int(TransferFlags.BALANCING_DEBIT)
_BALANCING_CREDIT = int(TransferFlags.BALANCING_CREDIT)
_TRANSFER_IMPORTED = int(TransferFlags.IMPORTED)
_TRANSFER_PADDING = 0xFFFF ^ int(sum(TransferFlags))
_NOT_WITH_POST_OR_VOID = _PENDING | _BALANCING_DEBIT | _BALANCING_CREDIT | CLOSING_DEBIT | CLOSING_CREDIT


@njit(cache=True, nogil=True)
def create_account(books: Books, event: Record, timestamp: I64) -> tuple[AccountStatus, I64]:
    flags = event["flags"]
    if event["reserved"] != 0:
        return AccountStatus.RESERVED_FIELD, timestamp
    if flags & _ACCOUNT_PADDING:
        return AccountStatus.RESERVED_FLAG, timestamp
    if wide.is_zero(event["id_lo"], event["id_hi"]):
        return AccountStatus.ID_MUST_NOT_BE_ZERO, timestamp
    if wide.is_max(event["id_lo"], event["id_hi"]):
        return AccountStatus.ID_MUST_NOT_BE_INT_MAX, timestamp

    position, row = account_place(books, event["id_lo"], event["id_hi"])
    if row >= 0:
        stored = books.accounts[row]
        status = account_repeat(event, stored)
        if status == AccountStatus.EXISTS:
            return status, np.int64(stored["timestamp"])
        return status, timestamp

    if flags & _DEBITS_LIMITED and flags & _CREDITS_LIMITED:
        return AccountStatus.FLAGS_ARE_MUTUALLY_EXCLUSIVE, timestamp
    if not wide.is_zero(event["debits_pending_lo"], event["debits_pending_hi"]):
        return AccountStatus.DEBITS_PENDING_MUST_BE_ZERO, timestamp
    if not wide.is_zero(event["debits_posted_lo"], event["debits_posted_hi"]):
        return AccountStatus.DEBITS_POSTED_MUST_BE_ZERO, timestamp
    if not wide.is_zero(event["credits_pending_lo"], event["credits_pending_hi"]):
        return AccountStatus.CREDITS_PENDING_MUST_BE_ZERO, timestamp
    if not wide.is_zero(event["credits_posted_lo"], event["credits_posted_hi"]):
        return AccountStatus.CREDITS_POSTED_MUST_BE_ZERO, timestamp
    if event["ledger"] == 0:
        return AccountStatus.LEDGER_MUST_NOT_BE_ZERO, timestamp
    if event["code"] == 0:
        return AccountStatus.CODE_MUST_NOT_BE_ZERO, timestamp

    stamp = timestamp
    if flags & _ACCOUNT_IMPORTED:
        stamp = np.int64(event["timestamp"])
        if regresses(books.accounts, books.counts[ACCOUNTS], stamp) or is_taken(
            books.transfers, books.counts[TRANSFERS], stamp
        ):
            return AccountStatus.IMPORTED_EVENT_TIMESTAMP_MUST_NOT_REGRESS, timestamp

    row = books.counts[ACCOUNTS]
    books.accounts[row] = event
    books.accounts[row]["timestamp"] = np.uint64(stamp)
    books.counts[ACCOUNTS] += 1
    index.put(books.account_slots, position, event["id_lo"], event["id_hi"], row)
    return AccountStatus.CREATED, stamp


@njit(cache=True, nogil=True)
def undo_account(books: Books) -> None:
    """Take back the account that was created last."""
    books.counts[ACCOUNTS] -= 1
    row = books.counts[ACCOUNTS]
    account = books.accounts[row]
    index.take_back(
        books.account_slots,
        account_place(books, account["id_lo"], account["id_hi"])[0],
    )


@njit(cache=True, nogil=True)
def create_transfer(books: Books, event: Record, timestamp: I64) -> tuple[Status, I64]:
    flags = event["flags"]
    if flags & _TRANSFER_PADDING:
        return Status.RESERVED_FLAG, timestamp
    if wide.is_zero(event["id_lo"], event["id_hi"]):
        return Status.ID_MUST_NOT_BE_ZERO, timestamp
    if wide.is_max(event["id_lo"], event["id_hi"]):
        return Status.ID_MUST_NOT_BE_INT_MAX, timestamp

    position, row = transfer_place(books, event["id_lo"], event["id_hi"])
    if row >= 0:
        stored = books.transfers[row]
        status = transfer_repeat(books, event, stored)
        if status == Status.EXISTS:
            return status, np.int64(stored["timestamp"])
        return status, timestamp
    if row == BURNT:
        return Status.ID_ALREADY_FAILED, timestamp

    if flags & (_POST | _VOID):
        return _resolve(books, event, position, timestamp)
    return _move(books, event, position, timestamp)


@njit(cache=True, nogil=True)
def _move(books: Books, event: Record, position: I64, timestamp: I64) -> tuple[Status, I64]:
    """A transfer of its own: posted at once, or pending."""
    flags = event["flags"]
    status = _move_is_well_formed(event, flags)
    if status != Status.CREATED:
        return status, timestamp

    debit_row = account_row(books, event["debit_account_id_lo"], event["debit_account_id_hi"])
    if debit_row == ABSENT:
        return Status.DEBIT_ACCOUNT_NOT_FOUND, timestamp
    credit_row = account_row(books, event["credit_account_id_lo"], event["credit_account_id_hi"])
    if credit_row == ABSENT:
        return Status.CREDIT_ACCOUNT_NOT_FOUND, timestamp
    debit = books.accounts[debit_row]
    credit = books.accounts[credit_row]
    if debit["ledger"] != credit["ledger"]:
        return Status.ACCOUNTS_MUST_HAVE_THE_SAME_LEDGER, timestamp
    if event["ledger"] != debit["ledger"]:
        return Status.TRANSFER_MUST_HAVE_THE_SAME_LEDGER_AS_ACCOUNTS, timestamp

    stamp = timestamp
    if flags & _TRANSFER_IMPORTED:
        stamp = np.int64(event["timestamp"])
        if regresses(books.transfers, books.counts[TRANSFERS], stamp) or is_taken(
            books.accounts, books.counts[ACCOUNTS], stamp
        ):
            return Status.IMPORTED_EVENT_TIMESTAMP_MUST_NOT_REGRESS, timestamp
        if stamp <= np.int64(debit["timestamp"]):
            return Status.IMPORTED_EVENT_TIMESTAMP_MUST_POSTDATE_DEBIT_ACCOUNT, timestamp
        if stamp <= np.int64(credit["timestamp"]):
            return Status.IMPORTED_EVENT_TIMESTAMP_MUST_POSTDATE_CREDIT_ACCOUNT, timestamp
        if event["timeout"] != 0:
            return Status.IMPORTED_EVENT_TIMEOUT_MUST_BE_ZERO, timestamp

    if debit["flags"] & CLOSED:
        return Status.DEBIT_ACCOUNT_ALREADY_CLOSED, timestamp
    if credit["flags"] & CLOSED:
        return Status.CREDIT_ACCOUNT_ALREADY_CLOSED, timestamp

    amount_lo, amount_hi = _balanced_amount(event, flags, debit, credit)
    status = _fits(amount_lo, amount_hi, flags, debit, credit)
    if status != Status.CREATED:
        return status, timestamp
    if stamp > TIMESTAMP_MAX - np.int64(event["timeout"]) * NS_PER_S:
        return Status.OVERFLOWS_TIMEOUT, timestamp
    if debit["flags"] & _DEBITS_LIMITED:
        debits_lo, debits_hi = debits_of(debit)
        debits_lo, debits_hi = wide.add(debits_lo, debits_hi, amount_lo, amount_hi)
        if wide.less(debit["credits_posted_lo"], debit["credits_posted_hi"], debits_lo, debits_hi):
            return Status.EXCEEDS_CREDITS, timestamp
    if credit["flags"] & _CREDITS_LIMITED:
        credits_lo, credits_hi = credits_of(credit)
        credits_lo, credits_hi = wide.add(credits_lo, credits_hi, amount_lo, amount_hi)
        if wide.less(credit["debits_posted_lo"], credit["debits_posted_hi"], credits_lo, credits_hi):
            return Status.EXCEEDS_DEBITS, timestamp

    row = _store(books, event, position, stamp)
    books.transfers[row]["amount_lo"] = amount_lo
    books.transfers[row]["amount_hi"] = amount_hi
    if flags & _PENDING:
        add_pending(debit, credit, amount_lo, amount_hi)
        books.pending[row] = PendingState.PENDING
    else:
        add_posted(debit, credit, amount_lo, amount_hi)
    if flags & CLOSING_DEBIT:
        debit["flags"] |= CLOSED
    if flags & CLOSING_CREDIT:
        credit["flags"] |= CLOSED
    set_keys(books, row, debit_row, credit_row)
    note_balances(books, row, debit, credit)
    return Status.CREATED, stamp


@njit(cache=True, nogil=True)
def _move_is_well_formed(event: Record, flags: I64) -> Status:
    """CREATED where the event alone shows nothing wrong."""
    if wide.is_zero(event["debit_account_id_lo"], event["debit_account_id_hi"]):
        return Status.DEBIT_ACCOUNT_ID_MUST_NOT_BE_ZERO
    if wide.is_max(event["debit_account_id_lo"], event["debit_account_id_hi"]):
        return Status.DEBIT_ACCOUNT_ID_MUST_NOT_BE_INT_MAX
    if wide.is_zero(event["credit_account_id_lo"], event["credit_account_id_hi"]):
        return Status.CREDIT_ACCOUNT_ID_MUST_NOT_BE_ZERO
    if wide.is_max(event["credit_account_id_lo"], event["credit_account_id_hi"]):
        return Status.CREDIT_ACCOUNT_ID_MUST_NOT_BE_INT_MAX
    if (
        event["debit_account_id_lo"] == event["credit_account_id_lo"]
        and event["debit_account_id_hi"] == event["credit_account_id_hi"]
    ):
        return Status.ACCOUNTS_MUST_BE_DIFFERENT
    if not wide.is_zero(event["pending_id_lo"], event["pending_id_hi"]):
        return Status.PENDING_ID_MUST_BE_ZERO
    if not flags & _PENDING:
        if event["timeout"] != 0:
            return Status.TIMEOUT_RESERVED_FOR_PENDING_TRANSFER
        if flags & (CLOSING_DEBIT | CLOSING_CREDIT):
            return Status.CLOSING_TRANSFER_MUST_BE_PENDING
    if event["ledger"] == 0:
        return Status.LEDGER_MUST_NOT_BE_ZERO
    if event["code"] == 0:
        return Status.CODE_MUST_NOT_BE_ZERO
    return Status.CREATED


@njit(cache=True, nogil=True)
def _balanced_amount(event: Record, flags: I64, debit: Record, credit: Record) -> tuple[U64, U64]:
    """The amount asked, or as much of it as a balancing transfer may move."""
    amount_lo, amount_hi = event["amount_lo"], event["amount_hi"]
    if flags & _BALANCING_DEBIT:
        debits_lo, debits_hi = debits_of(debit)
        amount_lo, amount_hi = _at_most_difference(
            amount_lo, amount_hi, debit["credits_posted_lo"], debit["credits_posted_hi"], debits_lo, debits_hi
        )
    if flags & _BALANCING_CREDIT:
        credits_lo, credits_hi = credits_of(credit)
        amount_lo, amount_hi = _at_most_difference(
            amount_lo,
            amount_hi,
            credit["debits_posted_lo"],
            credit["debits_posted_hi"],
            credits_lo,
            credits_hi,
        )
    return amount_lo, amount_hi


@njit(cache=True, nogil=True)
def _at_most_difference(
    amount_lo: U64, amount_hi: U64, upper_lo: U64, upper_hi: U64, lower_lo: U64, lower_hi: U64
) -> tuple[U64, U64]:
    if wide.less(upper_lo, upper_hi, lower_lo, lower_hi):
        return ZERO, ZERO
    room_lo, room_hi = wide.subtract(upper_lo, upper_hi, lower_lo, lower_hi)
    if wide.less(room_lo, room_hi, amount_lo, amount_hi):
        return room_lo, room_hi
    return amount_lo, amount_hi


@njit(cache=True, nogil=True)
def _fits(amount_lo: U64, amount_hi: U64, flags: I64, debit: Record, credit: Record) -> Status:
    """CREATED where no balance, nor the sum of posted and pending, leaves u128."""
    if flags & _PENDING:
        if wide.sum_overflows(amount_lo, amount_hi, debit["debits_pending_lo"], debit["debits_pending_hi"]):
            return Status.OVERFLOWS_DEBITS_PENDING
        if wide.sum_overflows(
            amount_lo, amount_hi, credit["credits_pending_lo"], credit["credits_pending_hi"]
        ):
            return Status.OVERFLOWS_CREDITS_PENDING
    if wide.sum_overflows(amount_lo, amount_hi, debit["debits_posted_lo"], debit["debits_posted_hi"]):
        return Status.OVERFLOWS_DEBITS_POSTED
    if wide.sum_overflows(amount_lo, amount_hi, credit["credits_posted_lo"], credit["credits_posted_hi"]):
        return Status.OVERFLOWS_CREDITS_POSTED
    debits_lo, debits_hi = debits_of(debit)
    if wide.sum_overflows(amount_lo, amount_hi, debits_lo, debits_hi):
        return Status.OVERFLOWS_DEBITS
    credits_lo, credits_hi = credits_of(credit)
    if wide.sum_overflows(amount_lo, amount_hi, credits_lo, credits_hi):
        return Status.OVERFLOWS_CREDITS
    return Status.CREATED


@njit(cache=True, nogil=True)
def _resolve(books: Books, event: Record, position: I64, timestamp: I64) -> tuple[Status, I64]:
    """A transfer that posts or voids a pending one."""
    flags = event["flags"]
    if (flags & _POST and flags & _VOID) or flags & _NOT_WITH_POST_OR_VOID:
        return Status.FLAGS_ARE_MUTUALLY_EXCLUSIVE, timestamp
    if wide.is_zero(event["pending_id_lo"], event["pending_id_hi"]):
        return Status.PENDING_ID_MUST_NOT_BE_ZERO, timestamp
    if wide.is_max(event["pending_id_lo"], event["pending_id_hi"]):
        return Status.PENDING_ID_MUST_NOT_BE_INT_MAX, timestamp
    if event["pending_id_lo"] == event["id_lo"] and event["pending_id_hi"] == event["id_hi"]:
        return Status.PENDING_ID_MUST_BE_DIFFERENT, timestamp
    if event["timeout"] != 0:
        return Status.TIMEOUT_RESERVED_FOR_PENDING_TRANSFER, timestamp

    pending_row = transfer_row(books, event["pending_id_lo"], event["pending_id_hi"])
    if pending_row < 0:
        return Status.PENDING_TRANSFER_NOT_FOUND, timestamp
    pending = books.transfers[pending_row]
    if not pending["flags"] & _PENDING:
        return Status.PENDING_TRANSFER_NOT_PENDING, timestamp
    status = _agrees_with_pending(event, pending)
    if status != Status.CREATED:
        return status, timestamp

    amount_lo, amount_hi = event["amount_lo"], event["amount_hi"]
    if flags & _VOID:
        if wide.is_zero(amount_lo, amount_hi):
            amount_lo, amount_hi = pending["amount_lo"], pending["amount_hi"]
    elif wide.is_max(amount_lo, amount_hi):
        amount_lo, amount_hi = pending["amount_lo"], pending["amount_hi"]
    if wide.less(pending["amount_lo"], pending["amount_hi"], amount_lo, amount_hi):
        return Status.EXCEEDS_PENDING_TRANSFER_AMOUNT, timestamp
    if flags & _VOID and wide.less(amount_lo, amount_hi, pending["amount_lo"], pending["amount_hi"]):
        return Status.PENDING_TRANSFER_HAS_DIFFERENT_AMOUNT, timestamp

    state = books.pending[pending_row]
    if state == PendingState.POSTED:
        return Status.PENDING_TRANSFER_ALREADY_POSTED, timestamp
    if state == PendingState.VOIDED:
        return Status.PENDING_TRANSFER_ALREADY_VOIDED, timestamp
    if state == PendingState.EXPIRED or (pending["timeout"] != 0 and expires_at(pending) <= timestamp):
        return Status.PENDING_TRANSFER_EXPIRED, timestamp

    stamp = timestamp
    if flags & _TRANSFER_IMPORTED:
        stamp = np.int64(event["timestamp"])
        if regresses(books.transfers, books.counts[TRANSFERS], stamp) or is_taken(
            books.accounts, books.counts[ACCOUNTS], stamp
        ):
            return Status.IMPORTED_EVENT_TIMESTAMP_MUST_NOT_REGRESS, timestamp

    debit_row = account_row(books, pending["debit_account_id_lo"], pending["debit_account_id_hi"])
    credit_row = account_row(books, pending["credit_account_id_lo"], pending["credit_account_id_hi"])
    debit = books.accounts[debit_row]
    credit = books.accounts[credit_row]
    # Nothing moves in a closed account, but what is pending there may be let go.
    if flags & _POST:
        if debit["flags"] & CLOSED:
            return Status.DEBIT_ACCOUNT_ALREADY_CLOSED, timestamp
        if credit["flags"] & CLOSED:
            return Status.CREDIT_ACCOUNT_ALREADY_CLOSED, timestamp

    row = _store(books, event, position, stamp)
    _inherit(books.transfers[row], pending)
    books.transfers[row]["amount_lo"] = amount_lo
    books.transfers[row]["amount_hi"] = amount_hi
    take_pending(debit, credit, pending["amount_lo"], pending["amount_hi"])
    if flags & _POST:
        books.pending[pending_row] = PendingState.POSTED
        add_posted(debit, credit, amount_lo, amount_hi)
    else:
        books.pending[pending_row] = PendingState.VOIDED
        reopen(pending, debit, credit)
    set_keys(books, row, debit_row, credit_row)
    note_balances(books, row, debit, credit)
    return Status.CREATED, stamp


@njit(cache=True, nogil=True)
def _agrees_with_pending(event: Record, pending: Record) -> Status:
    """CREATED where what the event says of the pending transfer, zero for nothing, is so."""
    if not wide.is_zero(event["debit_account_id_lo"], event["debit_account_id_hi"]) and (
        event["debit_account_id_lo"] != pending["debit_account_id_lo"]
        or event["debit_account_id_hi"] != pending["debit_account_id_hi"]
    ):
        return Status.PENDING_TRANSFER_HAS_DIFFERENT_DEBIT_ACCOUNT_ID
    if not wide.is_zero(event["credit_account_id_lo"], event["credit_account_id_hi"]) and (
        event["credit_account_id_lo"] != pending["credit_account_id_lo"]
        or event["credit_account_id_hi"] != pending["credit_account_id_hi"]
    ):
        return Status.PENDING_TRANSFER_HAS_DIFFERENT_CREDIT_ACCOUNT_ID
    if event["ledger"] != 0 and event["ledger"] != pending["ledger"]:
        return Status.PENDING_TRANSFER_HAS_DIFFERENT_LEDGER
    if event["code"] != 0 and event["code"] != pending["code"]:
        return Status.PENDING_TRANSFER_HAS_DIFFERENT_CODE
    return Status.CREATED


@njit(cache=True, nogil=True)
def _inherit(transfer: Record, pending: Record) -> None:
    """What a post or void takes over from the transfer it resolves; user data only where it brings none."""
    transfer["debit_account_id_lo"] = pending["debit_account_id_lo"]
    transfer["debit_account_id_hi"] = pending["debit_account_id_hi"]
    transfer["credit_account_id_lo"] = pending["credit_account_id_lo"]
    transfer["credit_account_id_hi"] = pending["credit_account_id_hi"]
    transfer["ledger"] = pending["ledger"]
    transfer["code"] = pending["code"]
    if wide.is_zero(transfer["user_data_128_lo"], transfer["user_data_128_hi"]):
        transfer["user_data_128_lo"] = pending["user_data_128_lo"]
        transfer["user_data_128_hi"] = pending["user_data_128_hi"]
    if transfer["user_data_64"] == 0:
        transfer["user_data_64"] = pending["user_data_64"]
    if transfer["user_data_32"] == 0:
        transfer["user_data_32"] = pending["user_data_32"]


@njit(cache=True, nogil=True)
def undo_transfer(books: Books) -> None:
    """Take back the transfer that was created last: each effect has its exact inverse."""
    row = books.counts[TRANSFERS] - 1
    transfer = books.transfers[row]
    flags = transfer["flags"]
    debit = books.accounts[
        account_row(books, transfer["debit_account_id_lo"], transfer["debit_account_id_hi"])
    ]
    credit = books.accounts[
        account_row(books, transfer["credit_account_id_lo"], transfer["credit_account_id_hi"])
    ]
    if flags & (_POST | _VOID):
        pending_row = transfer_row(books, transfer["pending_id_lo"], transfer["pending_id_hi"])
        pending = books.transfers[pending_row]
        books.pending[pending_row] = PendingState.PENDING
        add_pending(debit, credit, pending["amount_lo"], pending["amount_hi"])
        if flags & _POST:
            take_posted(debit, credit, transfer["amount_lo"], transfer["amount_hi"])
        else:
            if pending["flags"] & CLOSING_DEBIT:
                debit["flags"] |= CLOSED
            if pending["flags"] & CLOSING_CREDIT:
                credit["flags"] |= CLOSED
    elif flags & _PENDING:
        take_pending(debit, credit, transfer["amount_lo"], transfer["amount_hi"])
        reopen(transfer, debit, credit)
    else:
        take_posted(debit, credit, transfer["amount_lo"], transfer["amount_hi"])
    index.take_back(
        books.transfer_slots,
        transfer_place(books, transfer["id_lo"], transfer["id_hi"])[0],
    )
    forget_balances(books, debit, credit)
    books.pending[row] = PendingState.NONE
    books.counts[TRANSFERS] = row


@njit(cache=True, nogil=True)
def expire_transfer(books: Books, row: I64) -> None:
    """Let go of a pending transfer whose time is over."""
    transfer = books.transfers[row]
    debit = books.accounts[
        account_row(books, transfer["debit_account_id_lo"], transfer["debit_account_id_hi"])
    ]
    credit = books.accounts[
        account_row(books, transfer["credit_account_id_lo"], transfer["credit_account_id_hi"])
    ]
    take_pending(debit, credit, transfer["amount_lo"], transfer["amount_hi"])
    reopen(transfer, debit, credit)
    books.pending[row] = PendingState.EXPIRED


@njit(cache=True, nogil=True)
def burn(books: Books, event: Record) -> None:
    """Keep the id of a transfer that failed by the books of the moment, so that it never succeeds later."""
    position, _ = transfer_place(books, event["id_lo"], event["id_hi"])
    row = books.counts[BURNT_IDS]
    books.burnt[row, 0] = event["id_lo"]
    books.burnt[row, 1] = event["id_hi"]
    books.counts[BURNT_IDS] += 1
    index.put_burnt(books.transfer_slots, position, event["id_lo"], event["id_hi"], row)


@njit(cache=True, nogil=True)
def _store(books: Books, event: Record, position: I64, stamp: I64) -> I64:
    row = books.counts[TRANSFERS]
    books.transfers[row] = event
    books.transfers[row]["timestamp"] = np.uint64(stamp)
    books.pending[row] = PendingState.NONE
    books.counts[TRANSFERS] += 1
    index.put(books.transfer_slots, position, event["id_lo"], event["id_hi"], row)
    return row
