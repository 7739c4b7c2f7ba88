"""Currencies, the chart of accounts, and the records' layout."""

import numpy as np
import pytest

from ledger import chart, money
from ledger.chart import AccountCode
from ledger.transfer import (
    ACCOUNT,
    TRANSFER,
    AccountFlags,
    CreateAccountStatus,
    CreateTransferStatus,
    ids_of,
)


@pytest.mark.parametrize(
    ("amount_minor", "currency", "text"),
    [
        (100_000, "USD", "1,000.00"),
        (5, "USD", "0.05"),
        (-123_456, "EUR", "-1,234.56"),
        (1_234_567, "JPY", "1,234,567"),
        (1_234_567, "KWD", "1,234.567"),
        (0, "JPY", "0"),
    ],
)
def test_an_amount_is_written_with_its_currencys_digits(amount_minor, currency, text):
    """Two for most, none for the yen, three for the dinar."""
    assert money.format_minor(amount_minor, currency) == text


def test_a_currency_is_known_by_number_and_by_letters():
    """Both ways, with numbers below 100 too."""
    assert money.currency_number("USD") == 840
    assert money.currency_letters(840) == "USD"
    assert money.currency_letters(money.currency_number("AUD")) == "AUD"
    assert money.currency_number("AUD") == 36


@pytest.mark.parametrize("letters", ["usd", "ZZZ", "XAU", "XXX", ""])
def test_what_is_no_currency_is_refused_by_name(letters):
    """Metals and test codes have no minor unit, so no amount can be kept in them."""
    assert not money.is_currency(letters)
    with pytest.raises(money.UnknownCurrency, match=repr(letters)):
        money.exponent(letters)


def test_an_unknown_currency_number_is_refused():
    """Nothing is guessed."""
    with pytest.raises(money.UnknownCurrency, match="1"):
        money.currency_letters(1)


def test_an_account_id_reads_back():
    """Code, account number and currency; a stranger's id in hexadecimal."""
    lo, hi = chart.account_id(AccountCode.CARDHOLDER, 978, 42)[0]
    assert chart.describe(lo, hi) == "cardholder 42 in 978"
    assert chart.describe(1, 0) == "0" * 31 + "1"


def test_account_ids_broadcast_and_differ():
    """Codes, currencies and numbers in any mix of arrays and scalars."""
    numbers = np.array([0, 1, 2**64 - 1], np.uint64)
    ids = chart.account_id(AccountCode.CARDHOLDER, np.array([840, 978, 840]), numbers)
    assert ids.dtype == np.uint64
    assert ids.tolist() == [[0, 1 << 32 | 840], [1, 1 << 32 | 978], [2**64 - 1, 1 << 32 | 840]]


def test_the_house_opens_each_of_its_accounts_once_in_a_currency():
    """What there is for each holder is opened with the holder."""
    accounts = chart.opening(840)
    codes = set(AccountCode) - chart.HOLDER_CODES
    assert sorted(accounts["code"].tolist()) == sorted(codes)
    assert len(np.unique(ids_of(accounts), axis=0)) == len(accounts)
    assert (accounts["ledger"] == 840).all()


def test_a_cardholders_account_cannot_go_below_zero():
    """The ledger itself holds the limit."""
    accounts = chart.cardholder_accounts(np.arange(3), 840)
    assert (accounts["flags"] == AccountFlags.DEBITS_MUST_NOT_EXCEED_CREDITS).all()


def test_records_and_statuses_are_tigerbeetles():
    """128 bytes without padding; every number but the retired ones, once."""
    assert sum(ACCOUNT[name].itemsize for name in ACCOUNT.names) == ACCOUNT.itemsize == 128
    assert sum(TRANSFER[name].itemsize for name in TRANSFER.names) == TRANSFER.itemsize == 128
    accounts = sorted(s for s in CreateAccountStatus if s != CreateAccountStatus.CREATED)
    assert accounts == list(range(1, 27))
    transfers = sorted(s for s in CreateTransferStatus if s != CreateTransferStatus.CREATED)
    assert transfers == [n for n in range(1, 69) if n != 18]
