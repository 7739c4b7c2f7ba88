"""What filters let through, the same of the oracle, the embedded engine and a real server."""

import pytest

from ledger.transfer import AccountFilterFlags, AccountFlags, QueryFilterFlags, TransferFlags
from tests.conformance.books import account, resolution, transfer

DEBITS, CREDITS = AccountFilterFlags.DEBITS, AccountFilterFlags.CREDITS
REVERSED = AccountFilterFlags.REVERSED
PENDING, POST = TransferFlags.PENDING, TransferFlags.POST_PENDING_TRANSFER

INVALID = [
    dict(limit=0),
    dict(timestamp_min=2**63),
    dict(timestamp_max=2**64 - 1),
    dict(timestamp_min=2, timestamp_max=1),
    dict(reserved=1),
]


@pytest.fixture
def filled(books):
    """Account 1 keeps its history: six transfers, to and fro, of two codes."""
    books.open(account(1, books, flags=int(AccountFlags.HISTORY)), account(2, books, user_data_32=9, code=2))
    books.post(
        transfer(1, books, amount=100, user_data_128=books.realm),
        transfer(2, books, amount=30, flags=PENDING, user_data_64=6, code=2),
        transfer(3, books, amount=5, debit_account_id=2, credit_account_id=1, user_data_32=8),
        resolution(4, 2, POST, amount=20),
        transfer(5, books, amount=7, code=2, user_data_128=books.realm),
        transfer(6, books, amount=1, debit_account_id=2, credit_account_id=1, flags=PENDING),
    )
    return books


def ids(rows):
    return [row["id"] for row in rows]


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        (dict(), [1, 2, 3, 4, 5, 6]),
        (dict(flags=DEBITS), [1, 2, 4, 5]),
        (dict(flags=CREDITS), [3, 6]),
        (dict(flags=DEBITS | CREDITS | REVERSED), [6, 5, 4, 3, 2, 1]),
        (dict(limit=2), [1, 2]),
        (dict(limit=2, flags=DEBITS | CREDITS | REVERSED), [6, 5]),
        (dict(limit=2**32 - 1), [1, 2, 3, 4, 5, 6]),
        (dict(code=2), [2, 4, 5]),
        (dict(user_data_64=6), [2, 4]),
        (dict(user_data_32=8), [3]),
        (dict(user_data_64=6, code=1), []),
        (dict(flags=0), []),
        (dict(flags=REVERSED), []),
        (dict(flags=DEBITS | 8), []),
        *((fields, []) for fields in INVALID),
    ],
)
def test_an_accounts_transfers_are_those_its_filter_lets_through(filled, fields, expected):
    """A filter that breaks a rule finds nothing; one that names nothing finds all."""
    assert ids(filled.of_account(1, **fields)) == expected


def test_times_of_a_filter_are_inclusive(filled):
    """Both ends, and each alone."""
    second, fourth = (row["timestamp"] for row in filled.transfers(2, 4))
    assert ids(filled.of_account(1, timestamp_min=second, timestamp_max=fourth)) == [2, 3, 4]
    assert ids(filled.of_account(1, timestamp_min=fourth)) == [4, 5, 6]
    assert ids(filled.of_account(1, timestamp_max=second)) == [1, 2]
    assert ids(filled.query("transfers", timestamp_min=second, timestamp_max=fourth)) == [2, 3, 4]


def test_user_data_are_joined_with_the_side_asked(filled):
    """All that is named must be so."""
    assert ids(filled.of_account(1, user_data_128=filled.realm)) == [1, 5]
    assert ids(filled.of_account(1, user_data_128=filled.realm, code=2)) == [5]
    assert ids(filled.of_account(1, user_data_128=filled.realm, flags=CREDITS)) == []


def test_an_account_that_is_not_there_has_no_transfers(filled):
    """Nor have the ids that no account can have."""
    for account_id in (404, 0, 2**128 - 1):
        assert filled.of_account(account_id) == []
        assert filled.balances(account_id) == []


def test_balances_are_those_just_after_each_transfer(filled):
    """Debits pending and posted, credits pending and posted; only an account with history keeps them."""
    expected = [
        (0, 100, 0, 0),
        (30, 100, 0, 0),
        (30, 100, 0, 5),
        (0, 120, 0, 5),
        (0, 127, 0, 5),
        (0, 127, 1, 5),
    ]
    assert [tuple(row.values()) for row in filled.balances(1)] == expected
    assert [tuple(row.values()) for row in filled.balances(1, flags=CREDITS | REVERSED)] == [
        expected[5],
        expected[2],
    ]
    assert filled.balances(2) == []
    assert filled.balances(1, limit=0) == []


def test_balances_after_a_timeout_no_longer_hold_it(books):
    """What timed out is gone from the next balance on; the timeout itself leaves no row."""
    books.open(account(1, books, flags=int(AccountFlags.HISTORY)), account(2, books))
    books.post(transfer(1, books, amount=3, flags=PENDING, timeout=1))
    books.await_release(1)
    books.post(transfer(2, books, amount=4))
    assert [tuple(row.values()) for row in books.balances(1)] == [(3, 0, 0, 0), (0, 4, 0, 0)]


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        (dict(), [1, 2, 3, 4, 5, 6]),
        (dict(flags=QueryFilterFlags.REVERSED, limit=3), [6, 5, 4]),
        (dict(code=2), [2, 4, 5]),
        (dict(user_data_32=8), [3]),
        (dict(user_data_64=6, code=2), [2, 4]),
        (dict(flags=2), []),
        *((fields, []) for fields in INVALID),
    ],
)
def test_transfers_are_queried_by_what_is_in_them(filled, fields, expected):
    """By ledger, code, user data and time, oldest first or newest."""
    assert ids(filled.query("transfers", **fields)) == expected


def test_transfers_of_one_authorization_are_found_by_its_id(filled):
    """All ledgers where none is named."""
    assert ids(filled.query("transfers", user_data_128=filled.realm)) == [1, 5]
    assert ids(filled.query("transfers", user_data_128=filled.realm, limit=1, flags=1)) == [5]
    assert filled.query("transfers", user_data_128=filled.realm, ledger=filled.ledger + 1) == []


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        (dict(), [1, 2]),
        (dict(code=2), [2]),
        (dict(user_data_32=9, flags=1), [2]),
        (dict(limit=1, flags=1), [2]),
    ],
)
def test_accounts_are_queried_likewise(filled, fields, expected):
    """By the same filter."""
    assert ids(filled.query("accounts", **fields)) == expected


@pytest.mark.parametrize("fields", INVALID)
def test_a_query_of_accounts_that_breaks_a_rule_finds_nothing(filled, fields):
    """As of transfers."""
    assert filled.query("accounts", **fields) == []
