"""The ledger stage's kernels, each beside what it replaces."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger import holds
from ledger.holds import HoldOutcome
from ledger.transfer import ACCOUNT, RESULT, CreateTransferStatus
from server.core.books import Moved, accounts_of, hold_transfers, note_available
from server.core.record import DECISION, INTENT, NO_ROW, TransactionType, blank, rows_at, seen_as

KINDS = st.sampled_from((TransactionType.PURCHASE, TransactionType.REFUND, TransactionType.ORIGINAL_CREDIT))


def some_intents(count, seed=1):
    """INTENT[n] of all kinds."""
    rng = np.random.default_rng(seed)
    intents = np.zeros(count, INTENT)
    intents["request"]["authorization_id"] = rng.integers(1, 1 << 50, (count, 2)) << 8
    intents["request"]["transaction_type"] = rng.choice(list(TransactionType), count)
    intents["request"]["partial_approval_allowed"] = rng.integers(0, 2, count)
    intents["account_number"] = rng.integers(1, 1 << 40, count)
    intents["billing_currency"] = rng.choice([840, 978], count)
    intents["billed_minor"] = rng.integers(0, 1 << 40, count)
    intents["hold_s"] = rng.choice([holds.EXPIRY_S, holds.EXPIRY_TRAVEL_S], count)
    return intents


def is_credit(intents):
    """Which are of money that comes in."""
    kinds = intents["request"]["transaction_type"]
    return np.isin(kinds, (TransactionType.REFUND, TransactionType.ORIGINAL_CREDIT))


@pytest.mark.parametrize("attempt", [0, 3, holds.ATTEMPT_MAX])
def test_a_batch_of_holds_is_what_the_life_of_a_hold_says(attempt):
    """One kernel makes the very transfers of `holds.place` and `holds.place_credit`, of all or of the wanted ones."""
    intents = some_intents(200)
    expected = holds.place(
        intents["request"]["authorization_id"],
        intents["account_number"],
        intents["billing_currency"],
        intents["billed_minor"],
        intents["hold_s"] + holds.BACKSTOP_S,
        intents["request"]["partial_approval_allowed"] != 0,
        attempt,
    )
    coming = is_credit(intents)
    expected[coming] = holds.place_credit(expected[coming])
    assert hold_transfers(intents, attempt).tobytes() == expected.tobytes()
    wanted = np.arange(200) % 3 == 0
    assert hold_transfers(intents, attempt, wanted=wanted).tobytes() == expected[wanted].tobytes()


@pytest.mark.parametrize(("name", "value"), [("billed_minor", -1), ("authorization_id", 1)])
def test_a_hold_that_can_t_be_made_is_refused(name, value):
    """An amount below zero, and an id whose low byte is not free for the leg."""
    intents = some_intents(3)
    if name == "billed_minor":
        intents[name][1] = value
    else:
        intents["request"][name][1, 0] |= np.uint64(value)
    with pytest.raises(AssertionError):
        hold_transfers(intents)


def test_results_are_noted_where_they_were_wanted():
    """Outcome, status and amount of the wanted ones; the others stay as they were. What must be looked at again is told."""
    statuses = [
        CreateTransferStatus.CREATED,
        CreateTransferStatus.EXCEEDS_CREDITS,
        CreateTransferStatus.LINKED_EVENT_FAILED,
    ]
    intents = some_intents(4)
    intents["request"]["partial_approval_allowed"] = 0
    moved = Moved(4)
    results = np.zeros(3, RESULT)
    results["status"] = statuses
    wanted = np.array([True, False, True, True])
    assert moved.take(intents, wanted, results) == (False, False)
    assert moved.outcome[wanted].tolist() == holds.outcomes(results).tolist()
    assert moved.status[wanted].tolist() == statuses
    assert moved.held_minor.tolist() == [int(intents["billed_minor"][0]), 0, 0, 0]
    assert moved.outcome[1] == Moved(1).outcome[0]
    for status in (CreateTransferStatus.EXISTS, CreateTransferStatus.ID_ALREADY_FAILED):
        results["status"][1] = status
        assert moved.take(intents, wanted, results) == (True, False)
        assert moved.outcome[2] in (HoldOutcome.ALREADY_HELD, HoldOutcome.BURNT)
    results["status"][1] = CreateTransferStatus.CREATED
    intents["request"]["partial_approval_allowed"][2] = 1
    for kind, may_be_less in ((TransactionType.PURCHASE, True), (TransactionType.REFUND, False)):
        intents["request"]["transaction_type"][2] = kind
        assert moved.take(intents, wanted, results) == (False, may_be_less)


@given(st.lists(st.tuples(st.integers(-1, 3), st.integers(0, 500), KINDS), max_size=30))
def test_what_is_available_after_each_hold_is_as_if_they_came_one_by_one(batch):
    """A batch's answers show the balance that each would have seen alone; money that comes in is none yet."""
    available = [2_000, 900, 300, 0]
    expected = []
    held = np.zeros(len(batch), np.int64)
    for i, (account, amount, kind) in enumerate(batch):
        if account >= 0 and kind != TransactionType.PURCHASE:
            held[i] = amount
        elif account >= 0 and amount <= available[account]:
            held[i] = amount
            available[account] -= amount
        expected.append(available[account] if account >= 0 else 0)
    accounts = np.zeros(4, ACCOUNT)
    accounts["credits_posted_lo"] = [5_000, 5_000, 5_000, 5_000]
    accounts["debits_pending_lo"] = 700
    accounts["debits_posted_lo"] = 5_000 - 700 - np.array(available)
    intents = np.zeros(len(batch), INTENT)
    intents["request"]["transaction_type"] = [kind for _, _, kind in batch]
    place = np.array([account for account, _, _ in batch], np.int64)
    told = np.zeros(len(batch), np.int64)
    note_available(intents, place, accounts, held, told)
    assert told.tolist() == expected


def test_accounts_of_a_batch_are_named_once_each():
    """However often they appear, and none for an unknown card."""
    rng = np.random.default_rng(3)
    for count in (1, 2, 7, 300):
        intents = np.zeros(count, INTENT)
        intents["account_number"] = rng.integers(0, 50, count)
        intents["billing_currency"] = rng.choice([840, 978], count)
        intents["card_row"] = rng.choice([1, NO_ROW], count, p=[0.8, 0.2])
        accounts, place = np.empty((count, 2), np.uint64), np.empty(count, np.int64)
        accounts = accounts[: accounts_of(intents, accounts, place)]
        assert len({tuple(pair) for pair in accounts.tolist()}) == len(accounts)
        for intent, at in zip(intents, place.tolist(), strict=True):
            if intent["card_row"] == NO_ROW:
                assert at == -1
            else:
                low, high = accounts[at].tolist()
                assert (low, high & 0xFFFF_FFFF) == (intent["account_number"], intent["billing_currency"])


@pytest.mark.parametrize("layout", [INTENT, DECISION, ACCOUNT])
def test_records_are_made_seen_and_copied_as_bytes(layout):
    """The quick ways do what NumPy's own do, also with none."""
    for count in (0, 1, 5):
        assert blank(count, layout).tobytes() == np.zeros(count, layout).tobytes()
        records = blank(count, layout)
        seen_as(records, np.dtype(np.uint8))[:] = np.arange(count * layout.itemsize) % 251
        for places in (np.arange(count)[::-2], np.arange(count) % 2 == 0):
            assert rows_at(records, places).tobytes() == records[places].tobytes()
            assert rows_at(records, places).dtype == layout
