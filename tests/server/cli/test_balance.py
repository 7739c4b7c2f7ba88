"""What makes books not balance, each fault planted by hand."""

import numpy as np
import pytest

from ledger import holds
from ledger.chart import TransferCode
from ledger.transfer import TRANSFER
from server.cli.balance import compare, count_lost
from server.core.record import DECISION, Chain, Operation

COUNT = 6
APPROVED = 4


@pytest.fixture
def ids():
    """Authorization ids u8[6, 2], two of which differ in one half only."""
    return np.array([[n << 8, 1 + n // 2] for n in range(1, COUNT + 1)], np.uint64)


@pytest.fixture
def decisions(ids):
    """Four approvals of 1.00, 2.00 ... and two declines."""
    made = np.zeros(COUNT, DECISION)
    made["authorization_id"] = ids
    made["response_code"] = [b"00", b"10", b"00", b"00", b"51", b"59"]
    made["operation"], made["sequence"] = Operation.AUTHORIZE, range(1, COUNT + 1)
    made["approved_minor"] = made["part_minor"] = [100, 200, 300, 400, 0, 0]
    made["chain"][:APPROVED] = Chain.ADDED
    return made


def released(decisions, row):
    """DECISION[1] that reverses one of them."""
    made = np.zeros(1, DECISION)
    made["authorization_id"], made["original_id"] = [[99 << 8, 1]], decisions["authorization_id"][row]
    made["operation"], made["sequence"] = Operation.REVERSE, 50
    made["approved_minor"], made["chain"] = decisions["approved_minor"][row], Chain.REPLACED
    return made


def hold(ids, amounts_minor, attempt=0):
    """The pending transfers of these authorizations."""
    count = len(ids)
    amounts = np.array(amounts_minor, np.int64)
    return holds.place(
        ids,
        np.arange(count, dtype=np.uint64),
        np.full(count, 840),
        amounts,
        np.full(count, 3600),
        np.zeros(count, np.bool_),
        attempt,
    )


def void(ids):
    """What releases them, as the ledger keeps it."""
    voids = holds.release(ids, np.zeros(len(ids), np.uint8))
    voids["code"] = TransferCode.HOLD
    return voids


@pytest.fixture
def good(ids):
    """The ledger as it should be."""
    return hold(ids[:APPROVED], [100, 200, 300, 400])


def faults(*parts):
    """The kinds of faults that are found, and how many of each."""
    return {name: count for name, count in compare(*parts)["faults"].items() if count}


def test_books_with_one_hold_for_each_approval_and_none_besides_have_no_fault(decisions, good):
    """Counts are told too."""
    found = compare(good, decisions)
    assert (found["authorizations"], found["approvals"], found["holds"]) == (COUNT, APPROVED, APPROVED)
    assert not any(found["faults"].values())


def test_empty_books_balance():
    """A server that was asked nothing."""
    assert faults(np.zeros(0, TRANSFER), np.zeros(0, DECISION)) == {}


def test_each_planted_fault_is_found_by_its_name(ids, decisions, good):
    """One at a time."""
    other_amount = good.copy()
    other_amount["amount_lo"][1] += 1
    assert faults(good[1:], decisions) == {"missing": 1}
    assert faults(np.concatenate([good, void(ids[:1])]), decisions) == {"missing": 1}
    twice = np.concatenate([good, hold(ids[2:3], [300], attempt=1)])
    assert faults(twice, decisions) == {"double": 1}
    assert faults(other_amount, decisions) == {"amount": 1}
    beside = np.concatenate([good, hold(ids[4:5], [5])])
    assert faults(beside, decisions) == {"state": 1}
    assert faults(good, decisions[:-3]) == {"state": 1}
    again = decisions[4:5]
    assert faults(good, np.concatenate([decisions, again])) == {"decided_twice": 1}


def test_a_reversed_approval_must_have_given_its_hold_back(ids, decisions, good):
    """Its hold is voided; one that still stands is a fault."""
    reversed_ = np.concatenate([decisions, released(decisions, 3)])
    assert faults(np.concatenate([good, void(ids[3:4])]), reversed_) == {}
    assert faults(good, reversed_) == {"state": 1}


def test_an_answer_that_the_journal_does_not_have_as_it_was_given_is_lost(ids, decisions):
    """Unknown to it, of another code, or of another amount."""
    codes, approved_minor = decisions["response_code"].copy(), decisions["approved_minor"].copy()
    assert count_lost(decisions, ids, codes, approved_minor) == 0
    assert count_lost(decisions[1:], ids, codes, approved_minor) == 1
    codes[4], approved_minor[0] = b"00", 101
    assert count_lost(decisions, ids, codes, approved_minor) == 2


def test_an_answer_given_in_the_cores_stead_is_not_lost_when_the_core_has_taken_it_over(ids, decisions):
    """Of an approval that it took back, and of a key that it never saw; an approval is lost all the same."""
    taken_over = np.zeros(2, DECISION)
    taken_over["authorization_id"] = [[77 << 8, 1], [78 << 8, 1]]
    taken_over["original_id"] = [ids[0], [99 << 8, 9]]
    taken_over["operation"] = Operation.DISOWN
    journal = np.concatenate([decisions, taken_over])
    told, codes = taken_over["original_id"], np.array([b"91", b"N0"])
    nothing = np.zeros(2, np.int64)
    assert count_lost(journal, told, codes, nothing) == 0
    assert count_lost(decisions, told, codes, nothing) == 2
    assert count_lost(journal, told, np.array([b"00", b"00"]), nothing) == 2
