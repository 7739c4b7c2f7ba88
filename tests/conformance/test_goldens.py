"""What a real TigerBeetle 0.17.9 answered to recorded histories, the embedded books answer too."""

import asyncio
from pathlib import Path

import numpy as np
import pytest

from ledger.embedded import EmbeddedLedger
from ledger.state import State
from ledger.transfer import ACCOUNT, RESULT, TRANSFER, CreateTransferStatus, ids_of
from tests.ledger.books import FakeClock

RECORDED = Path(__file__).parents[2].parent / "shared" / "data" / "ledger"


@pytest.fixture(params=["golden_11.npz", "golden_12.npz"])
def history(request):
    path = RECORDED / request.param
    if not path.exists():
        pytest.skip(f"{path} is not here")
    with np.load(path) as arrays:
        return {name: arrays[name] for name in arrays.files}


def test_recorded_histories_are_answered_status_for_status(history):
    """Each batch at the server's own time: statuses, timestamps, balances and stored transfers are the same."""
    state = State()
    recorded = history["account_results"].view(RESULT)
    opened = state.create_accounts(history["accounts"].view(ACCOUNT), int(recorded["timestamp"].min()))
    assert opened["status"].tolist() == recorded["status"].tolist()

    start = 0
    for size in history["batch_sizes"]:
        batch = history["transfers"][start : start + size].copy().view(TRANSFER)
        expected = history["results"][start : start + size].view(RESULT)
        results = state.create_transfers(batch, first_ns(expected, state.last_ns))
        assert results["status"].tolist() == expected["status"].tolist()
        start += size

    after = history["accounts_after"].view(ACCOUNT)
    assert state.lookup_accounts(ids_of(after)).tobytes() == after.tobytes()
    assert state.transfers().tobytes() == history["transfers_after"].tobytes()
    assert all(totals.balanced for totals in state.totals().values())


def test_recorded_histories_are_answered_by_the_engine_and_survive_its_restart(history, tmp_path):
    """The same through the embedded engine with its clock at the server's time, then from its journal alone."""
    clock = FakeClock()
    ledger = EmbeddedLedger.open(tmp_path, now_ns=clock)

    async def script():
        recorded = history["account_results"].view(RESULT)
        clock.now_ns = int(recorded["timestamp"].min())
        last_ns = int((await ledger.create_accounts(history["accounts"].view(ACCOUNT)))["timestamp"].max())
        start = 0
        for size in history["batch_sizes"]:
            expected = history["results"][start : start + size].view(RESULT)
            clock.now_ns = first_ns(expected, last_ns)
            last_ns = clock.now_ns + int(size) - 1
            results = await ledger.create_transfers(
                history["transfers"][start : start + size].copy().view(TRANSFER)
            )
            assert results["status"].tolist() == expected["status"].tolist()
            start += size

    asyncio.run(script())
    ledger.close_blocking()
    (tmp_path / "snapshot").unlink()
    ledger = EmbeddedLedger.open(tmp_path, now_ns=clock)
    after = history["accounts_after"].view(ACCOUNT)
    assert asyncio.run(ledger.lookup_accounts(ids_of(after))).tobytes() == after.tobytes()
    assert (
        b"".join(page.tobytes() for page in ledger.history_blocking()) == history["transfers_after"].tobytes()
    )
    ledger.close_blocking()


def first_ns(results, last_ns):
    """When the server took the batch; an `exists` carries the timestamp of the first time instead."""
    own = np.flatnonzero(results["status"] != CreateTransferStatus.EXISTS)
    if not len(own):
        return last_ns + 1
    return int(results["timestamp"][own[0]]) - int(own[0])
