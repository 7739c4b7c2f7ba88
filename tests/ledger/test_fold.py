"""Snapshots beside the working engine, and restarts that prove themselves."""

import asyncio
import fcntl
import os
import shutil

import numpy as np
import pytest

from ledger import replay, snapshot, witness
from ledger.book import LedgerCorrupt
from ledger.chart import AccountCode, account_id
from ledger.embedded import EmbeddedLedger
from ledger.fold import Abandoned, fold
from ledger.replay import SNAPSHOT, WITNESS
from ledger.state import State
from tests.ledger.books import USD, FakeClock, fund, funding

WAIT_S = 600


@pytest.fixture
def clock():
    return FakeClock()


def run(work):
    async def bounded():
        async with asyncio.timeout(WAIT_S):
            return await work

    return asyncio.run(bounded())


async def work(ledger, first, count):
    """Deposits of one card each, a batch for each."""
    for i in range(first, first + count):
        batch = funding([i + 1])
        batch["id_hi"] += np.uint64(i + 1)
        await ledger.create_transfers(batch)


def content(ledger):
    return ledger.accounts().tobytes(), b"".join(page.tobytes() for page in ledger.history_blocking())


def copied(directory, target):
    """The directory as a kill would leave it now."""
    shutil.copytree(directory, target)
    return target


def test_a_snapshot_is_made_while_the_engine_works(tmp_path, clock):
    """By a process of its own; killed after it, the engine starts from there, with the same books."""
    ledger = EmbeddedLedger.open(tmp_path / "ledger", now_ns=clock, fold_transfers=10)
    run(fund(ledger, [5] * 8))
    run(work(ledger, 0, 5))
    assert ledger.folder.wait(WAIT_S)
    assert ledger.folder.failure is None
    folded = ledger.folder.sequence
    assert folded >= 1
    run(work(ledger, 5, 3))
    before = content(ledger)
    killed = copied(tmp_path / "ledger", tmp_path / "killed")
    ledger.close_blocking()
    found = snapshot.read(killed / SNAPSHOT)
    assert found is not None
    assert found.sequence == folded
    again = EmbeddedLedger.open(killed, now_ns=clock)
    assert content(again) == before
    again.close_blocking()


def test_a_fold_that_is_under_way_ends_with_the_engine(tmp_path, clock):
    """Closing doesn't wait for it, and what it left doesn't hinder."""
    ledger = EmbeddedLedger.open(tmp_path / "ledger", now_ns=clock, fold_transfers=1)
    run(fund(ledger, [5] * 8))
    before = content(ledger)
    ledger.close_blocking()
    assert ledger.folder.wait(0)
    again = EmbeddedLedger.open(tmp_path / "ledger", now_ns=clock)
    assert content(again) == before
    again.close_blocking()


@pytest.fixture
def closed(tmp_path, clock):
    """A ledger that was closed, its snapshot lost or kept."""
    ledger = EmbeddedLedger.open(tmp_path / "ledger", now_ns=clock)
    run(fund(ledger, [5] * 8))
    run(work(ledger, 0, 3))
    ledger.close_blocking()
    return tmp_path / "ledger"


@pytest.mark.parametrize("is_lost", [True, False])
def test_a_restart_with_other_balances_is_refused_naming_the_account(closed, clock, is_lost):
    """Replayed, or from the snapshot: the witness of the close says what they were."""
    seen = witness.read(closed / WITNESS)
    assert seen is not None
    if is_lost:
        (closed / SNAPSHOT).unlink()
        EmbeddedLedger.open(copied(closed, closed.parent / "sound"), now_ns=clock).close_blocking()
    books = EmbeddedLedger.open(copied(closed, closed.parent / "other"), now_ns=clock)
    accounts = books.accounts()
    books.close_blocking()
    low, high = account_id(AccountCode.CARDHOLDER, USD, 3)[0]
    accounts["credits_posted_lo"][(accounts["id_lo"] == low) & (accounts["id_hi"] == high)] += np.uint64(1)
    witness.write(closed / WITNESS, accounts, seen.sequence)
    with pytest.raises(
        LedgerCorrupt, match=r"after batch \d+ account cardholder 3 in 840 has other balances"
    ):
        EmbeddedLedger.open(closed, now_ns=clock)


def test_a_damaged_witness_is_passed_over_and_one_of_tomorrow_refused(closed, clock):
    """It is never the truth."""
    path = closed / WITNESS
    whole = path.read_bytes()
    for damaged in (whole[:-1], whole[:40] + bytes([whole[40] ^ 1]) + whole[41:], b""):
        path.write_bytes(damaged)
        assert witness.read(path) is None
    EmbeddedLedger.open(closed, now_ns=clock).close_blocking()
    path.write_bytes(whole[:8] + bytes([9]) + whole[9:])
    with pytest.raises(LedgerCorrupt, match="witness has format 9"):
        EmbeddedLedger.open(closed, now_ns=clock)


def test_a_snapshot_of_the_first_format_is_replaced_by_a_replay(closed, clock):
    """It lacks the balances of accounts with a history: the journal has everything."""
    path = closed / SNAPSHOT
    whole = path.read_bytes()
    path.write_bytes(whole[:8] + bytes([1]) + whole[9:])
    assert snapshot.read(path) is None
    EmbeddedLedger.open(closed, now_ns=clock).close_blocking()


def test_what_starts_have_posted_again_counts_towards_the_next_fold(tmp_path, clock):
    """Killed again and again, an engine makes a snapshot all the same: else each start would take longer."""
    place = tmp_path / "ledger"
    made = 0
    for life in range(4):
        ledger = EmbeddedLedger.open(place, now_ns=clock, fold_transfers=60)
        if life == 0:
            run(fund(ledger, [5] * 8))
        run(work(ledger, life, 1))
        assert ledger.folder.wait(WAIT_S)
        made += ledger.folder.sequence > 0
        killed = copied(place, tmp_path / f"killed-{life}")
        ledger.close_blocking()
        place = killed
    assert made == 1


def test_a_fold_whose_engine_is_gone_writes_nothing(tmp_path, clock):
    """Also where that was before it began: the next engine has the folder, and folds for itself."""
    ledger = EmbeddedLedger.open(tmp_path / "ledger", now_ns=clock, fold_transfers=0)
    run(fund(ledger, [5] * 8))
    with pytest.raises(Abandoned, match="is gone"):
        fold(tmp_path / "ledger", 1, os.getpid())
    assert not (tmp_path / "ledger" / SNAPSHOT).exists()
    fold(tmp_path / "ledger", 1, os.getppid())
    assert snapshot.read(tmp_path / "ledger" / SNAPSHOT).sequence == 1
    ledger.close_blocking()


def test_a_snapshot_is_written_by_one_process_at_a_time(tmp_path):
    """Who has its turn is asked then whether it is still wanted."""

    def others_wait():
        with (tmp_path / "keeping.lock").open("w") as lock, pytest.raises(BlockingIOError):
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)

    replay.keep(tmp_path, State(), 1, others_wait)
    assert snapshot.read(tmp_path / SNAPSHOT).sequence == 1
    replay.keep(tmp_path, State(), 2)
    assert snapshot.read(tmp_path / SNAPSHOT).sequence == 2
