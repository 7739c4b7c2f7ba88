"""The embedded engine: durable before answered, the same after a restart, stopped by a failed commit."""

import asyncio
import sqlite3
import threading
from dataclasses import replace

import numpy as np
import pytest

from ledger import chart, holds
from ledger.book import LedgerBusy, LedgerCorrupt, LedgerStopped
from ledger.chart import AccountCode
from ledger.embedded import WAITING_MAX, EmbeddedLedger, LedgerInUse
from ledger.holds import HoldOutcome
from ledger.journal import Journal
from ledger.transfer import ACCOUNT, BATCH_MAX, RESULT, TRANSFER, CreateAccountStatus, CreateTransferStatus
from tests.ledger.books import USD, FakeClock, fund, transfer_ids

WAIT_S = 30
FUNDED = (100_000, 50_000, 0, 7)


@pytest.fixture
def clock():
    return FakeClock()


@pytest.fixture
def opened(tmp_path, clock):
    """Opens ledgers in one directory; the last one is closed after the test."""
    ledgers = []

    def open_():
        ledgers.append(EmbeddedLedger.open(tmp_path / "ledger", now_ns=clock))
        return ledgers[-1]

    yield open_
    for ledger in ledgers:
        ledger.close_blocking()


def run(work):
    """Run a coroutine to its end, for at most WAIT_S."""

    async def bounded():
        async with asyncio.timeout(WAIT_S):
            return await work

    return asyncio.run(bounded())


def place(start, amounts_minor, timeout_s=1_000, partial=False):
    count = len(amounts_minor)
    numbers = np.arange(count, dtype=np.uint64) % len(FUNDED)
    return holds.place(transfer_ids(start, count), numbers, USD, np.array(amounts_minor), timeout_s, partial)


def content(ledger):
    """Everything that the books hold."""
    return (
        ledger.accounts().tobytes(),
        b"".join(page.tobytes() for page in ledger.history_blocking()),
        ledger.totals(),
    )


def rows(ledger):
    connection = sqlite3.connect(f"file:{ledger.directory / 'journal.sqlite'}?mode=ro", uri=True)
    try:
        return connection.execute("SELECT count(*) FROM batch").fetchone()[0]
    finally:
        connection.close()


async def work(ledger):
    """Funding, holds of all outcomes, releases."""
    await fund(ledger, FUNDED)
    await ledger.create_transfers(place(1, [10, 20, 30, 40]))
    await ledger.create_transfers(place(5, [500, 20, 30, 4], partial=True))
    await ledger.create_transfers(holds.release(transfer_ids(1, 3)))


def test_a_hold_is_answered_and_found(opened):
    """By the lookups, in the order asked, the unknown left out."""
    ledger = opened()

    async def script():
        await fund(ledger, FUNDED)
        placed = place(1, [10, 20, 30, 40])
        outcomes = holds.outcomes(await ledger.create_transfers(placed))
        assert outcomes.tolist() == [
            HoldOutcome.HELD,
            HoldOutcome.HELD,
            HoldOutcome.INSUFFICIENT,
            HoldOutcome.INSUFFICIENT,
        ]
        ids = holds.leg_id(transfer_ids(1, 4), holds.Leg.HOLD)[::-1].copy()
        found = await ledger.lookup_transfers(ids)
        assert found["amount_lo"].tolist() == [20, 10]
        accounts = await ledger.lookup_accounts(chart.account_id(AccountCode.CARDHOLDER, USD, [1, 9, 0]))
        assert accounts["debits_pending_lo"].tolist() == [20, 10]

    run(script())
    assert ledger.totals()[USD].balanced


@pytest.mark.parametrize("snapshot", ["kept", "lost", "damaged"])
def test_a_restart_gives_the_same_books(opened, snapshot):
    """Byte for byte, from the snapshot or from the journal alone; and the repeat of a batch is known."""
    ledger = opened()
    run(work(ledger))
    before = content(ledger)
    ledger.close_blocking()
    path = ledger.directory / "snapshot"
    if snapshot == "lost":
        path.unlink()
    elif snapshot == "damaged":
        path.write_bytes(path.read_bytes()[:-1])
    ledger = opened()
    assert content(ledger) == before
    again = run(ledger.create_transfers(place(1, [10, 20, 30, 40])))
    assert holds.outcomes(again).tolist() == [
        HoldOutcome.ALREADY_HELD,
        HoldOutcome.ALREADY_HELD,
        HoldOutcome.BURNT,
        HoldOutcome.BURNT,
    ]


def test_a_restart_replays_the_journals_tail_behind_a_snapshot(opened):
    """The snapshot of the first run, the batches of the second."""
    ledger = opened()
    run(work(ledger))
    ledger.close_blocking()
    first = (ledger.directory / "snapshot").read_bytes()
    ledger = opened()
    run(ledger.create_transfers(place(20, [1, 2, 3, 4])))
    before = content(ledger)
    ledger.close_blocking()
    (ledger.directory / "snapshot").write_bytes(first)
    assert content(opened()) == before


def test_a_timeout_gives_the_money_back_also_to_one_who_only_looks(opened, clock):
    """The expiry is journalled before it is seen, and a restart has it too."""
    ledger = opened()
    run(fund(ledger, FUNDED))
    run(ledger.create_transfers(place(1, [10], timeout_s=60)))
    clock.move_s(61)
    account = run(ledger.lookup_accounts(chart.account_id(AccountCode.CARDHOLDER, USD, 0)))
    assert account["debits_pending_lo"].tolist() == [0]
    before = content(ledger)
    ledger.close_blocking()
    (ledger.directory / "snapshot").unlink()
    assert content(opened()) == before


def test_pending_timeouts_survive_a_restart(opened, clock):
    """Rebuilt from the snapshot."""
    ledger = opened()
    run(fund(ledger, FUNDED))
    run(ledger.create_transfers(place(1, [10], timeout_s=60)))
    ledger.close_blocking()
    clock.move_s(61)
    assert opened().totals()[USD].debits_pending == 0


def test_time_never_goes_back_where_the_clock_does(opened, clock):
    """Timestamps stay in order, also over a restart."""
    ledger = opened()
    run(fund(ledger, FUNDED))
    clock.move_s(-1_000)
    first = run(ledger.create_transfers(place(1, [10, 20])))["timestamp"]
    ledger.close_blocking()
    second = run(opened().create_transfers(place(3, [10, 20])))["timestamp"]
    assert first[0] < first[1] < second[0]


def test_a_second_opener_is_refused_until_the_first_lets_go(opened, tmp_path, clock):
    """The error names the directory."""
    ledger = opened()
    with pytest.raises(LedgerInUse, match="ledger is open in another process"):
        EmbeddedLedger.open(tmp_path / "ledger", now_ns=clock)
    ledger.close_blocking()
    opened()


def test_a_batch_that_does_not_fit_the_disk_stops_the_engine(opened):
    """Nobody is answered, every later call hears why, and the next start has what was answered before."""
    ledger = opened()
    run(fund(ledger, FUNDED))
    before = content(ledger)
    pages = ledger._journal._connection.execute("PRAGMA page_count").fetchone()[0]
    ledger._journal._connection.execute(f"PRAGMA max_page_count = {pages}")
    with pytest.raises(LedgerStopped, match="database or disk is full"):
        run(ledger.create_transfers(np.tile(place(1, [1]), 2_000)))
    for call in (ledger.create_transfers(place(1, [1])), ledger.lookup_accounts(transfer_ids(1, 1))):
        with pytest.raises(LedgerStopped, match="database or disk is full"):
            run(call)
    ledger.close_blocking()
    assert content(opened()) == before


class FailsToCommit:
    """A connection whose COMMIT fails as a disk does, nothing written."""

    def __init__(self, connection):
        self._connection = connection

    def execute(self, sql, *values):
        if sql == "COMMIT":
            self._connection.execute("ROLLBACK")
            raise sqlite3.OperationalError("disk I/O error")
        return self._connection.execute(sql, *values)

    def __getattr__(self, name):
        return getattr(self._connection, name)


def test_a_commit_that_fails_stops_every_call_of_its_group(opened):
    """Also those that only looked: they may have seen what is not on disk."""
    ledger = opened()
    run(fund(ledger, FUNDED))
    before = content(ledger)
    ledger._journal._connection = FailsToCommit(ledger._journal._connection)
    gate = Gate()

    async def script():
        blocker = asyncio.get_running_loop().run_in_executor(None, ledger._ask_blocking, gate.wait)
        await asyncio.to_thread(gate.reached.wait, WAIT_S)
        calls = [
            asyncio.create_task(ledger.create_transfers(place(1, [1]))),
            asyncio.create_task(ledger.create_transfers(place(2, [1]))),
            asyncio.create_task(ledger.lookup_transfers(transfer_ids(1, 1))),
        ]
        await asyncio.sleep(0)
        gate.open.set()
        await blocker
        return await asyncio.gather(*calls, return_exceptions=True)

    answers = run(script())
    assert [type(answer) for answer in answers] == [LedgerStopped] * 3
    ledger.close_blocking()
    assert content(opened()) == before


class Gate:
    """Holds the ledger's thread until it is opened."""

    def __init__(self):
        self.reached = threading.Event()
        self.open = threading.Event()

    def wait(self, _):
        self.reached.set()
        assert self.open.wait(WAIT_S)


def test_a_cancelled_call_is_carried_out_all_the_same(opened):
    """Its batch is in the books, and the engine goes on."""
    ledger = opened()
    run(fund(ledger, FUNDED))
    gate = Gate()

    async def script():
        blocker = asyncio.get_running_loop().run_in_executor(None, ledger._ask_blocking, gate.wait)
        await asyncio.to_thread(gate.reached.wait, WAIT_S)
        batch = place(1, [10])
        call = asyncio.create_task(ledger.create_transfers(batch))
        await asyncio.sleep(0)
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        batch["amount_lo"] = 99  # the caller's array is the caller's again
        gate.open.set()
        await blocker
        return await ledger.lookup_transfers(holds.leg_id(transfer_ids(1, 1), holds.Leg.HOLD))

    assert run(script())["amount_lo"].tolist() == [10]


def test_an_answer_for_a_loop_that_is_closed_is_dropped(opened):
    """The batch is in the books, and the engine goes on."""
    ledger = opened()
    run(fund(ledger, FUNDED))
    gate = Gate()
    asker = threading.Thread(target=ledger._ask_blocking, args=(gate.wait,))
    asker.start()
    assert gate.reached.wait(WAIT_S)
    loop = asyncio.new_event_loop()
    call = loop.create_task(ledger.create_transfers(place(1, [10])))
    loop.call_soon(loop.stop)
    loop.run_forever()
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        loop.run_until_complete(call)
    loop.close()
    gate.open.set()
    asker.join(WAIT_S)
    assert ledger.totals()[USD].debits_pending == 10


def test_calls_that_wait_together_share_one_commit(opened):
    """They are answered in the order of the calls, each for itself."""
    ledger = opened()
    run(fund(ledger, FUNDED))
    commits = []
    gate = Gate()
    append = ledger._journal.append
    ledger._journal.append = lambda entries: (commits.append(len(entries)), append(entries))

    async def script():
        blocker = asyncio.get_running_loop().run_in_executor(None, ledger._ask_blocking, gate.wait)
        await asyncio.to_thread(gate.reached.wait, WAIT_S)
        calls = [asyncio.create_task(ledger.create_transfers(place(i, [i]))) for i in range(1, 11)]
        await asyncio.sleep(0)
        gate.open.set()
        await blocker
        return await asyncio.gather(*calls)

    before = rows(ledger)
    answers = run(script())
    assert commits == [10]
    assert rows(ledger) == before + 10
    stamps = [int(answer["timestamp"][0]) for answer in answers]
    assert stamps == sorted(stamps)


def test_close_carries_out_what_was_asked(opened):
    """Then every call is refused, and a second close does nothing."""
    ledger = opened()

    async def script():
        await fund(ledger, FUNDED)
        call = asyncio.create_task(ledger.create_transfers(place(1, [10])))
        await asyncio.sleep(0)
        await ledger.close()
        assert (await call)["status"].tolist() == [CreateTransferStatus.CREATED]
        await ledger.close()
        with pytest.raises(LedgerStopped, match="was closed"):
            await ledger.create_transfers(place(2, [10]))

    run(script())


def test_more_calls_than_can_wait_are_refused_at_once(opened):
    """The engine's queue is bounded; what waits already is answered."""
    ledger = opened()
    gate = Gate()

    async def script():
        blocker = asyncio.get_running_loop().run_in_executor(None, ledger._ask_blocking, gate.wait)
        await asyncio.to_thread(gate.reached.wait, WAIT_S)
        asked = transfer_ids(1, 1)
        calls = [asyncio.create_task(ledger.lookup_transfers(asked)) for _ in range(WAITING_MAX)]
        await asyncio.sleep(0)
        with pytest.raises(LedgerBusy, match="wait for the ledger already"):
            await ledger.lookup_transfers(asked)
        gate.open.set()
        await blocker
        return await asyncio.gather(*calls)

    assert len(run(script())) == WAITING_MAX


def test_a_batch_of_the_wrong_kind_or_size_is_refused(opened):
    """Our own mistakes, told at the call."""
    ledger = opened()
    with pytest.raises(TypeError, match="CREATE_ACCOUNTS"):
        run(ledger.create_accounts(place(1, [10])))
    with pytest.raises(ValueError, match="at most 8189"):
        run(ledger.create_transfers(np.zeros(BATCH_MAX + 1, TRANSFER)))
    with pytest.raises(TypeError, match="u64"):
        run(ledger.lookup_transfers(np.zeros((2, 2), np.int64)))
    assert run(ledger.create_transfers(np.zeros(0, TRANSFER))).dtype == RESULT


def test_a_ledger_in_which_no_account_was_made_closes_and_opens(opened):
    """What it refused is in the journal, and nothing is in the books."""
    ledger = opened()
    refused = run(ledger.create_accounts(np.zeros(1, ACCOUNT)))
    assert refused["status"] != CreateAccountStatus.CREATED
    ledger.close_blocking()
    assert len(opened().accounts()) == 0


def test_a_journal_that_lost_its_end_is_refused(opened):
    """The snapshot knows of more than the journal holds."""
    ledger = opened()
    run(work(ledger))
    ledger.close_blocking()
    connection = sqlite3.connect(ledger.directory / "journal.sqlite", isolation_level=None)
    connection.execute("DELETE FROM batch WHERE sequence > 3")
    connection.close()
    with pytest.raises(LedgerCorrupt, match=r"ends at batch 3, but .* was written after batch 6"):
        opened()


def test_a_journal_written_by_other_rules_is_refused(opened):
    """A batch that would be answered differently today names itself."""
    ledger = opened()
    run(work(ledger))
    ledger.close_blocking()
    (ledger.directory / "snapshot").unlink()
    path = ledger.directory / "journal.sqlite"
    kept = Journal(path)
    entries = list(kept.read())
    kept.close()
    path.unlink()
    altered = Journal(path)
    entries[3] = replace(entries[3], results_crc32=12345)
    altered.append(entries)
    altered.close()
    with pytest.raises(LedgerCorrupt, match=r"batch 4 has other results now .* last good batch is 3"):
        opened()
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("UPDATE batch SET crc32 = 7 WHERE sequence = 6")
    connection.close()
    with pytest.raises(LedgerCorrupt, match=r"batch 4 has other results now .* last good batch is 3"):
        opened()
