"""
The chart of accounts: one place for which accounts there are, what they allow, and how an id reads.

An account's id says what it is: hi = code << 32 | ISO 4217 number, lo = the holder's account number, or
HOUSE for the institution's own. There is one ledger for each currency, numbered as ISO 4217 numbers it.

    cardholder     what we owe a cardholder; can't go below zero
    settlement     what we owe the network: holds and captures flow here
    receivable     what a cardholder owes us beyond the balance, one for each cardholder account
    control        where the legs of an overdrawn capture meet
    fee            fees earned
    interchange    interchange earned
    fx_liquidity   our position in a currency
    dispute        money in dispute
    suspense       money that nobody has claimed yet
    funding        the bank's side: where cardholders' balances come from
    credit_line    what we have lent a cardholder as a credit limit, one for each account that has one
    cash           notes and coins in our tills and machines
    clearing       what we owe other banks and they us: ACH, wires, RTP, SWIFT
"""

from enum import IntEnum

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ledger.transfer import ACCOUNT, TRANSFER, AccountFlags, Accounts, Ids, Transfers


class AccountCode(IntEnum):
    """The kind of an account; ACCOUNT's `code`."""

    CARDHOLDER = 1
    SETTLEMENT = 2
    RECEIVABLE = 3
    CONTROL = 4
    FEE = 5
    INTERCHANGE = 6
    FX_LIQUIDITY = 7
    DISPUTE = 8
    SUSPENSE = 9
    FUNDING = 10
    CREDIT_LINE = 11
    CASH = 12
    CLEARING = 13


class TransferCode(IntEnum):
    """Why money moves; TRANSFER's `code`. A post or void keeps the code of what it resolves."""

    FUNDING = 1
    HOLD = 2  # and what it becomes: a capture, a release
    EXCESS = 3  # captured beyond the hold, or without one: control to settlement
    OVERDRAWN = 4  # who pays for that: cardholder, then receivable, to control
    CREDIT = 5  # a refund or an original credit
    REPAYMENT = 6  # of what is owed, out of money that comes in
    INTERNAL = 10
    ACH = 11
    WIRE = 12
    RTP = 13
    SWIFT = 14
    CASH_DEPOSIT = 15
    CASH_WITHDRAWAL = 16
    FEE = 17
    CONVERSION = 18
    CREDIT_LIMIT = 19
    CLOSING = 20


HOUSE = 1  # the account number of the institution's own accounts

FLAGS = {
    AccountCode.CARDHOLDER: AccountFlags.DEBITS_MUST_NOT_EXCEED_CREDITS,
    AccountCode.RECEIVABLE: AccountFlags.CREDITS_MUST_NOT_EXCEED_DEBITS,
    AccountCode.CREDIT_LINE: AccountFlags.CREDITS_MUST_NOT_EXCEED_DEBITS,
}

HOLDER_CODES = frozenset({AccountCode.CARDHOLDER, AccountCode.RECEIVABLE, AccountCode.CREDIT_LINE})
"""Of these there is one for each account number; of the others one for each currency."""

HOUSE_CODES = tuple(code for code in AccountCode if code not in HOLDER_CODES)


def id_high(code: AccountCode | ArrayLike, currency_number: ArrayLike) -> NDArray[np.uint64]:
    """The high half of account ids by code and ISO 4217 number; the low half is the account number."""
    high = (np.asarray(code, np.uint64) << np.uint64(32)) | np.asarray(currency_number, np.uint64)
    return np.asarray(high)


def account_id(code: AccountCode | ArrayLike, currency_number: ArrayLike, number: ArrayLike) -> Ids:
    """The ids, (n, 2) u64 [lo, hi], of accounts by code, ISO 4217 number and account number, broadcast."""
    high = id_high(code, currency_number)
    numbers = np.asarray(number, np.uint64)
    ids = np.empty((np.broadcast(high, numbers).size, 2), np.uint64)
    ids[:, 0] = numbers
    ids[:, 1] = high
    return ids


def describe(lo: int, hi: int) -> str:
    """An account id in words, "cardholder 42 in 840"; ids that are not of this chart in hexadecimal."""
    try:
        code = AccountCode(int(hi) >> 32)
    except ValueError:
        return f"{int(hi):016x}{int(lo):016x}"
    return f"{code.name.lower()} {int(lo)} in {int(hi) & 0xFFFF_FFFF:03d}"


def _accounts(code: AccountCode | NDArray[np.uint64], ids: Ids, currency_number: int) -> Accounts:
    accounts = np.zeros(len(ids), ACCOUNT)
    accounts["id_lo"] = ids[:, 0]
    accounts["id_hi"] = ids[:, 1]
    accounts["ledger"] = currency_number
    accounts["code"] = code
    return accounts


def opening(currency_number: int) -> Accounts:
    """The institution's own accounts in a currency, ready for create_accounts."""
    codes = np.array(HOUSE_CODES, np.uint64)
    return _accounts(codes, account_id(codes, currency_number, HOUSE), currency_number)


def credit_line_accounts(numbers: ArrayLike, currency_number: int) -> Accounts:
    """What may be lent to the holders of accounts, by account number, ready for create_accounts."""
    code = AccountCode.CREDIT_LINE
    accounts = _accounts(code, account_id(code, currency_number, numbers), currency_number)
    accounts["flags"] = FLAGS[code]
    return accounts


def cardholder_accounts(numbers: ArrayLike, currency_number: int) -> Accounts:
    """The accounts of cardholders by account number, ready for create_accounts."""
    code = AccountCode.CARDHOLDER
    accounts = _accounts(code, account_id(code, currency_number, numbers), currency_number)
    accounts["flags"] = FLAGS[code]
    return accounts


def receivable_accounts(numbers: ArrayLike, currency_number: int) -> Accounts:
    """What the holders of accounts may come to owe, by account number, ready for create_accounts."""
    code = AccountCode.RECEIVABLE
    accounts = _accounts(code, account_id(code, currency_number, numbers), currency_number)
    accounts["flags"] = FLAGS[code]
    return accounts


def funding_transfers(
    ids: Ids, numbers: ArrayLike, currency_number: int, amounts_minor: NDArray[np.int64]
) -> Transfers:
    """Deposits from the bank's side into cardholders' accounts: n ids, account numbers and amounts >= 0."""
    assert (np.asarray(amounts_minor) >= 0).all()
    transfers = np.zeros(len(ids), TRANSFER)
    debit = account_id(AccountCode.FUNDING, currency_number, HOUSE)
    credit = account_id(AccountCode.CARDHOLDER, currency_number, numbers)
    transfers["id_lo"], transfers["id_hi"] = ids[:, 0], ids[:, 1]
    transfers["debit_account_id_lo"], transfers["debit_account_id_hi"] = debit[0]
    transfers["credit_account_id_lo"], transfers["credit_account_id_hi"] = credit[:, 0], credit[:, 1]
    transfers["amount_lo"] = amounts_minor
    transfers["ledger"] = currency_number
    transfers["code"] = TransferCode.FUNDING
    return transfers
