"""Whether an event that brings a known id is a repeat: the first field in which it differs, or EXISTS."""

from typing import TypeAlias

from numba import njit

from ledger import wide
from ledger.columns import Books, Record, transfer_row
from ledger.transfer import CreateAccountStatus, CreateTransferStatus, TransferFlags

Status: TypeAlias = CreateTransferStatus
AccountStatus: TypeAlias = CreateAccountStatus

_VOID = int(TransferFlags.VOID_PENDING_TRANSFER)
_POST_OR_VOID = int(TransferFlags.POST_PENDING_TRANSFER) | _VOID
_BALANCING = int(TransferFlags.BALANCING_DEBIT | TransferFlags.BALANCING_CREDIT)


@njit(cache=True, nogil=True)
def account_repeat(event: Record, stored: Record) -> AccountStatus:
    if event["flags"] != stored["flags"]:
        return AccountStatus.EXISTS_WITH_DIFFERENT_FLAGS
    if (
        event["user_data_128_lo"] != stored["user_data_128_lo"]
        or event["user_data_128_hi"] != stored["user_data_128_hi"]
    ):
        return AccountStatus.EXISTS_WITH_DIFFERENT_USER_DATA_128
    if event["user_data_64"] != stored["user_data_64"]:
        return AccountStatus.EXISTS_WITH_DIFFERENT_USER_DATA_64
    if event["user_data_32"] != stored["user_data_32"]:
        return AccountStatus.EXISTS_WITH_DIFFERENT_USER_DATA_32
    if event["ledger"] != stored["ledger"]:
        return AccountStatus.EXISTS_WITH_DIFFERENT_LEDGER
    if event["code"] != stored["code"]:
        return AccountStatus.EXISTS_WITH_DIFFERENT_CODE
    return AccountStatus.EXISTS


@njit(cache=True, nogil=True)
def transfer_repeat(books: Books, event: Record, stored: Record) -> Status:
    flags = event["flags"]
    if flags != stored["flags"]:
        return Status.EXISTS_WITH_DIFFERENT_FLAGS
    if event["pending_id_lo"] != stored["pending_id_lo"] or event["pending_id_hi"] != stored["pending_id_hi"]:
        return Status.EXISTS_WITH_DIFFERENT_PENDING_ID
    if event["timeout"] != stored["timeout"]:
        return Status.EXISTS_WITH_DIFFERENT_TIMEOUT
    if flags & _POST_OR_VOID:
        pending = books.transfers[transfer_row(books, event["pending_id_lo"], event["pending_id_hi"])]
        return _resolution_repeat(event, stored, pending)

    if (
        event["debit_account_id_lo"] != stored["debit_account_id_lo"]
        or event["debit_account_id_hi"] != stored["debit_account_id_hi"]
    ):
        return Status.EXISTS_WITH_DIFFERENT_DEBIT_ACCOUNT_ID
    if (
        event["credit_account_id_lo"] != stored["credit_account_id_lo"]
        or event["credit_account_id_hi"] != stored["credit_account_id_hi"]
    ):
        return Status.EXISTS_WITH_DIFFERENT_CREDIT_ACCOUNT_ID
    if flags & _BALANCING:
        # The amount asked is an upper limit: any that could have given the stored one is the same.
        if wide.less(event["amount_lo"], event["amount_hi"], stored["amount_lo"], stored["amount_hi"]):
            return Status.EXISTS_WITH_DIFFERENT_AMOUNT
    elif event["amount_lo"] != stored["amount_lo"] or event["amount_hi"] != stored["amount_hi"]:
        return Status.EXISTS_WITH_DIFFERENT_AMOUNT
    if (
        event["user_data_128_lo"] != stored["user_data_128_lo"]
        or event["user_data_128_hi"] != stored["user_data_128_hi"]
    ):
        return Status.EXISTS_WITH_DIFFERENT_USER_DATA_128
    if event["user_data_64"] != stored["user_data_64"]:
        return Status.EXISTS_WITH_DIFFERENT_USER_DATA_64
    if event["user_data_32"] != stored["user_data_32"]:
        return Status.EXISTS_WITH_DIFFERENT_USER_DATA_32
    if event["ledger"] != stored["ledger"]:
        return Status.EXISTS_WITH_DIFFERENT_LEDGER
    if event["code"] != stored["code"]:
        return Status.EXISTS_WITH_DIFFERENT_CODE
    return Status.EXISTS


@njit(cache=True, nogil=True)
def _resolution_repeat(event: Record, stored: Record, pending: Record) -> Status:
    """As `transfer_repeat`, for a post or void: what the event leaves out is the pending transfer's."""
    if not wide.is_zero(event["debit_account_id_lo"], event["debit_account_id_hi"]) and (
        event["debit_account_id_lo"] != stored["debit_account_id_lo"]
        or event["debit_account_id_hi"] != stored["debit_account_id_hi"]
    ):
        return Status.EXISTS_WITH_DIFFERENT_DEBIT_ACCOUNT_ID
    if not wide.is_zero(event["credit_account_id_lo"], event["credit_account_id_hi"]) and (
        event["credit_account_id_lo"] != stored["credit_account_id_lo"]
        or event["credit_account_id_hi"] != stored["credit_account_id_hi"]
    ):
        return Status.EXISTS_WITH_DIFFERENT_CREDIT_ACCOUNT_ID

    amount_lo, amount_hi = event["amount_lo"], event["amount_hi"]
    if event["flags"] & _VOID:
        if wide.is_zero(amount_lo, amount_hi):
            amount_lo, amount_hi = pending["amount_lo"], pending["amount_hi"]
    elif wide.is_max(amount_lo, amount_hi):
        amount_lo, amount_hi = pending["amount_lo"], pending["amount_hi"]
    if amount_lo != stored["amount_lo"] or amount_hi != stored["amount_hi"]:
        return Status.EXISTS_WITH_DIFFERENT_AMOUNT

    data_lo, data_hi = event["user_data_128_lo"], event["user_data_128_hi"]
    if wide.is_zero(data_lo, data_hi):
        data_lo, data_hi = pending["user_data_128_lo"], pending["user_data_128_hi"]
    if data_lo != stored["user_data_128_lo"] or data_hi != stored["user_data_128_hi"]:
        return Status.EXISTS_WITH_DIFFERENT_USER_DATA_128
    data_64 = event["user_data_64"] if event["user_data_64"] != 0 else pending["user_data_64"]
    if data_64 != stored["user_data_64"]:
        return Status.EXISTS_WITH_DIFFERENT_USER_DATA_64
    data_32 = event["user_data_32"] if event["user_data_32"] != 0 else pending["user_data_32"]
    if data_32 != stored["user_data_32"]:
        return Status.EXISTS_WITH_DIFFERENT_USER_DATA_32
    if event["ledger"] != 0 and event["ledger"] != stored["ledger"]:
        return Status.EXISTS_WITH_DIFFERENT_LEDGER
    if event["code"] != 0 and event["code"] != stored["code"]:
        return Status.EXISTS_WITH_DIFFERENT_CODE
    return Status.EXISTS
