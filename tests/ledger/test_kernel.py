"""The posting kernels against their plain twin, fed from one seed."""

from pathlib import Path

import numba
import numpy as np
import pytest

from ledger.state import State
from ledger.transfer import (
    ACCOUNT,
    TRANSFER,
    AccountFlags,
    CreateAccountStatus,
    CreateTransferStatus,
    TransferFlags,
)
from tests.ledger.naive import NaiveLedger
from tests.ledger.traffic import Traffic

pytestmark = pytest.mark.kernel

BATCHES = 150 if numba.config.DISABLE_JIT else 250


def run_both(seed: int, batches: int) -> tuple[set[int], set[int]]:
    """Feed both ledgers the same batches, comparing after each; the statuses met."""
    naive, state = NaiveLedger(), State()
    met: tuple[set[int], set[int]] = (set(), set())
    for now_ns, batch in Traffic(seed).batches(batches, 12):
        first_ns = max(now_ns, state.last_ns + 1)
        expired = state.expire(first_ns)
        assert expired == naive.expire(first_ns)
        first_ns += expired
        create = state.create_accounts if batch.dtype == ACCOUNT else state.create_transfers
        results = create(batch, first_ns)
        expected = naive.create(batch, first_ns)
        assert results.tolist() == expected.tolist()
        met[batch.dtype != ACCOUNT].update(results["status"].tolist())
        assert state.accounts().tobytes() == naive.accounts().tobytes()
    assert state.transfers().tobytes() == naive.transfers().tobytes()
    assert {(lo | hi << 64) for lo, hi in state.burnt().tolist()} == naive.burnt
    states = dict(zip(naive.content.transfers, state.pending().tolist(), strict=True))
    assert {id_: value for id_, value in states.items() if value} == naive.content.pending
    return met


@pytest.mark.parametrize("seed", range(4))
def test_kernels_agree_with_their_plain_twin_on_random_operations(seed):
    """Statuses, timestamps, balances, stored transfers, burnt ids and pending states are the same."""
    run_both(seed, BATCHES)


@pytest.mark.skipif(bool(numba.config.DISABLE_JIT), reason="takes many batches: run compiled")
def test_random_operations_meet_nearly_every_status():
    """The traffic would not prove much if it stayed on the happy path."""
    accounts: set[int] = set()
    transfers: set[int] = set()
    for seed in range(10, 14):
        met = run_both(seed, 600)
        accounts |= met[0]
        transfers |= met[1]
    never = [s.name for s in CreateTransferStatus if s not in transfers]
    never += [s.name for s in CreateAccountStatus if s not in accounts]
    assert len(never) <= 10, never


def test_an_import_older_than_its_accounts_is_refused_naming_the_side():
    """Debit is looked at before credit; equal is too early as well."""
    state = State()
    accounts = np.zeros(2, ACCOUNT)
    accounts["id_lo"] = 1, 2
    accounts["ledger"] = accounts["code"] = 1
    state.create_accounts(accounts, 100)
    imports = np.zeros(3, TRANSFER)
    imports["id_lo"] = 11, 12, 13
    imports["debit_account_id_lo"] = 1, 2, 1
    imports["credit_account_id_lo"] = 2, 1, 2
    imports["ledger"] = imports["code"] = 1
    imports["flags"] = TransferFlags.IMPORTED
    imports["timestamp"] = 99, 98, 97
    both = [CreateTransferStatus.IMPORTED_EVENT_TIMESTAMP_MUST_POSTDATE_DEBIT_ACCOUNT] * 3
    assert state.create_transfers(imports, 200)["status"].tolist() == both


def test_an_import_between_its_accounts_is_refused_for_the_later_one():
    """The debit account is old enough, the credit account is not."""
    state = State()
    accounts = np.zeros(3, ACCOUNT)
    accounts["id_lo"] = 1, 2, 3
    accounts["ledger"] = accounts["code"] = 1
    accounts["flags"] = AccountFlags.IMPORTED
    accounts["timestamp"] = 10, 20, 30
    state.create_accounts(accounts, 100)
    transfer = np.zeros(1, TRANSFER)
    transfer["id_lo"] = 11
    transfer["debit_account_id_lo"] = 1
    transfer["credit_account_id_lo"] = 3
    transfer["ledger"] = transfer["code"] = 1
    transfer["flags"] = TransferFlags.IMPORTED
    transfer["timestamp"] = 25
    late = CreateTransferStatus.IMPORTED_EVENT_TIMESTAMP_MUST_POSTDATE_CREDIT_ACCOUNT
    assert state.create_transfers(transfer, 200)["status"].tolist() == [late]


def test_totals_are_exact_beyond_64_bits():
    """Sums of u128 columns don't wrap."""
    state = State()
    accounts = np.zeros(3, ACCOUNT)
    accounts["id_lo"] = 1, 2, 3
    accounts["ledger"] = 840
    accounts["code"] = 1
    state.create_accounts(accounts, 1)
    state.accounts()["debits_posted_lo"] = 2**64 - 1
    state.accounts()["debits_posted_hi"] = 2**64 - 1
    assert state.totals()[840].debits_posted == 3 * (2**128 - 1)


@pytest.mark.skipif(bool(numba.config.DISABLE_JIT), reason="takes a million transfers: run compiled")
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="reads /proc")
def test_the_books_account_for_all_the_memory_they_take():
    """Also where an index takes its next table beforehand, and while it leaves the last one."""
    state, many = State(), 8189
    accounts = np.zeros(2, ACCOUNT)
    accounts["id_lo"], accounts["ledger"], accounts["code"] = (1, 2), 1, 1
    state.create_accounts(accounts, 1)
    transfers = np.zeros(many, TRANSFER)
    transfers["debit_account_id_lo"], transfers["credit_account_id_lo"] = 1, 2
    transfers["amount_lo"], transfers["ledger"], transfers["code"] = 1, 1, 1
    beside = []
    before = own_memory() - state.used_bytes
    for batch in range(170):
        transfers["id_lo"] = np.arange(batch * many, (batch + 1) * many) + 1
        assert (state.create_transfers(transfers, state.last_ns + 1)["status"] == np.uint32(2**32 - 1)).all()
        beside.append(own_memory() - state.used_bytes - before)
    assert max(beside) < 24 << 20, "every array may have touched a page of 2 MB ahead"
    assert min(beside) > -(24 << 20)


def own_memory() -> int:
    """Bytes of this process that no file backs."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("RssAnon:"))
