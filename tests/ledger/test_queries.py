"""Requests with a filter, against the plain twin, over sealed blocks, and by the engine between batches."""

import asyncio
import threading

import numba
import numpy as np
import pytest

from ledger import queries
from ledger.columns import TRANSFER_SLOTS_OLD, Books
from ledger.embedded import EmbeddedLedger
from ledger.scans import Asked, Scan
from ledger.state import State
from ledger.transfer import (
    ACCOUNT,
    ACCOUNT_FILTER,
    BATCH_MAX,
    QUERY_FILTER,
    TRANSFER,
    AccountFilterFlags,
    AccountFlags,
    QueryFilterFlags,
)
from tests.ledger.books import FakeClock
from tests.ledger.naive import NaiveLedger
from tests.ledger.traffic import Traffic

WAIT_S = 30
BOTH = AccountFilterFlags.DEBITS | AccountFilterFlags.CREDITS
BATCHES = 60 if numba.config.DISABLE_JIT else 250


def ask(state, asked, wanted, work_max=1_000_000):
    """What a scan finds, gone on with until it is done; and in how many slices."""
    scan = Scan(asked, wanted)
    scan.begin(state)
    slices = 1
    while not scan.go_on(state, work_max):
        slices += 1
    return scan.found(state), slices


def filled(seed, batches):
    """Both ledgers after the same random operations, and what made them."""
    traffic, naive, state = Traffic(seed), NaiveLedger(), State()
    accounts = np.zeros(16, ACCOUNT)
    accounts["id_lo"] = np.arange(1, 17)
    accounts["ledger"], accounts["code"] = 840, 1
    accounts["flags"][::2] = AccountFlags.HISTORY
    for ledger in (state.create_accounts, naive.create):
        ledger(accounts, traffic.now_ns - 100)
    for now_ns, batch in traffic.batches(batches, 12):
        first_ns = max(now_ns, state.last_ns + 1)
        expired = state.expire(first_ns)
        assert naive.expire(first_ns) == expired
        first_ns += expired
        create = state.create_accounts if batch.dtype == ACCOUNT else state.create_transfers
        create(batch, first_ns)
        naive.create(batch, first_ns)
    return traffic, naive, state


@pytest.mark.kernel
@pytest.mark.parametrize("work_max", [1, 1_000_000])
@pytest.mark.parametrize("seed", range(2))
def test_queries_agree_with_their_plain_twin_on_random_filters(seed, work_max):
    """All four requests, filters of every kind, broken ones too, in one slice and in many."""
    traffic, naive, state = filled(seed, BATCHES)
    stamps = state.transfers()["timestamp"].tolist()
    found_any = set()
    for asked in Asked:
        for wanted in traffic.filters(60, stamps, asked.value[0]):
            found, _ = ask(state, asked, wanted, work_max)
            expected = getattr(naive, asked.name.lower())(wanted)
            assert found.dtype == expected.dtype
            assert found.tobytes() == expected.tobytes(), wanted
            if len(found):
                found_any.add(asked)
    assert found_any == set(Asked)
    assert len(stamps) > 100 or numba.config.DISABLE_JIT


@pytest.mark.kernel
def test_sealed_blocks_give_the_same_as_looking_at_every_row(monkeypatch):
    """The keys of a state with two sealed blocks and a rest, in both orders, with and without times."""
    if numba.config.DISABLE_JIT:
        monkeypatch.setattr(queries, "BLOCK_ROWS", 256)
        monkeypatch.setattr("ledger.state.BLOCK_ROWS", 256)
    state = posted(2 * queries.BLOCK_ROWS + queries.BLOCK_ROWS // 4)
    rows = state.transfers()
    stamps = rows["timestamp"]
    for reverse in (False, True):
        for first, last in ((0, 0), (stamps[30], stamps[-20])):
            for sides in (BOTH, AccountFilterFlags.DEBITS, AccountFilterFlags.CREDITS):
                wanted = account_filter(3, sides, reverse=reverse, limit=BATCH_MAX)
                wanted["timestamp_min"], wanted["timestamp_max"] = first, last
                fits = np.zeros(len(rows), bool)
                for side, name in (
                    (AccountFilterFlags.DEBITS, "debit"),
                    (AccountFilterFlags.CREDITS, "credit"),
                ):
                    if sides & side:
                        fits |= rows[f"{name}_account_id_lo"] == 3
                check(state, Asked.ACCOUNT_TRANSFERS, wanted, rows[fits], reverse, first, last)
            wanted = query_filter(user_data_128_lo=7, reverse=reverse)
            wanted["timestamp_min"], wanted["timestamp_max"] = first, last
            check(
                state,
                Asked.QUERY_TRANSFERS,
                wanted,
                rows[rows["user_data_128_lo"] == 7],
                reverse,
                first,
                last,
            )


def check(state, asked, wanted, fitting, reverse, first, last):
    fitting = fitting[(fitting["timestamp"] >= first) & (fitting["timestamp"] <= (last or 2**63))]
    expected = (fitting[::-1] if reverse else fitting)[:BATCH_MAX]
    assert len(expected)
    found, _ = ask(state, asked, wanted)
    assert found.tobytes() == expected.tobytes()
    few, slices = ask(state, asked, wanted, work_max=1)
    assert few.tobytes() == expected.tobytes()
    assert slices > 1


def posted(count, accounts=200):
    """A state of `count` transfers between accounts, each under one of 100 user data."""
    state = State()
    opened = np.zeros(accounts, ACCOUNT)
    opened["id_lo"] = np.arange(1, accounts + 1)
    opened["ledger"] = opened["code"] = 1
    state.create_accounts(opened, 1)
    transfers = np.zeros(count, TRANSFER)
    transfers["id_lo"] = np.arange(1, count + 1)
    transfers["debit_account_id_lo"] = np.arange(count) * 7 % accounts + 1
    transfers["credit_account_id_lo"] = (np.arange(count) * 7 + 1 + np.arange(count) % 5) % accounts + 1
    transfers["amount_lo"] = transfers["ledger"] = transfers["code"] = 1
    transfers["user_data_128_lo"] = np.arange(count) % 100
    for start in range(0, count, BATCH_MAX):
        results = state.create_transfers(transfers[start : start + BATCH_MAX], state.last_ns + 1)
        assert (results["status"] == 0xFFFF_FFFF).all()
    return state


def account_filter(number, sides=BOTH, *, reverse=False, limit=BATCH_MAX):
    wanted = np.zeros(1, ACCOUNT_FILTER)
    wanted["account_id_lo"], wanted["limit"] = number, limit
    wanted["flags"] = sides | (AccountFilterFlags.REVERSED if reverse else 0)
    return wanted


def query_filter(*, reverse=False, limit=BATCH_MAX, **fields):
    wanted = np.zeros(1, QUERY_FILTER)
    wanted["limit"] = limit
    wanted["flags"] = QueryFilterFlags.REVERSED if reverse else 0
    for name, value in fields.items():
        wanted[name] = value
    return wanted


@pytest.fixture
def ledger(tmp_path):
    ledger = EmbeddedLedger.open(tmp_path / "ledger", now_ns=FakeClock())
    yield ledger
    ledger.close_blocking()


def run(work):
    async def bounded():
        async with asyncio.timeout(WAIT_S):
            return await work

    return asyncio.run(bounded())


def transfers(start, count):
    batch = np.zeros(count, TRANSFER)
    batch["id_lo"] = np.arange(start, start + count)
    batch["debit_account_id_lo"], batch["credit_account_id_lo"] = 1, 2
    batch["amount_lo"] = batch["ledger"] = batch["code"] = 1
    return batch


async def open_two(ledger):
    accounts = np.zeros(2, ACCOUNT)
    accounts["id_lo"] = 1, 2
    accounts["ledger"] = accounts["code"] = 1
    accounts["flags"] = AccountFlags.HISTORY, 0
    await ledger.create_accounts(accounts)


def test_the_engine_answers_all_four_requests_also_after_a_restart(ledger, tmp_path):
    """Transfers and balances of an account, accounts and transfers of a ledger; from the snapshot the same."""

    async def asked(of):
        return [
            await of.account_transfers(account_filter(2, AccountFilterFlags.CREDITS, reverse=True, limit=2)),
            await of.account_balances(account_filter(1)),
            await of.account_balances(account_filter(2)),
            await of.query_accounts(query_filter(ledger=1)),
            await of.query_transfers(query_filter(code=1, limit=3)),
        ]

    async def script():
        await open_two(ledger)
        await ledger.create_transfers(transfers(1, 5))
        return await asked(ledger)

    found = run(script())
    assert [records["id_lo"].tolist() for records in (found[0], found[3], found[4])] == [
        [5, 4],
        [1, 2],
        [1, 2, 3],
    ]
    assert found[1]["debits_posted_lo"].tolist() == [1, 2, 3, 4, 5]
    assert len(found[2]) == 0
    ledger.close_blocking()
    again = EmbeddedLedger.open(tmp_path / "ledger", now_ns=FakeClock())
    assert [records.tobytes() for records in run(asked(again))] == [records.tobytes() for records in found]
    again.close_blocking()


def test_batches_pass_between_the_slices_of_a_scan(ledger):
    """A batch asked after a long scan is answered before it, and the scan finds what was there when it began."""
    many = 5 * queries.BLOCK_ROWS

    async def script():
        await open_two(ledger)
        for start in range(1, many + 1, BATCH_MAX):
            await ledger.create_transfers(transfers(start, min(BATCH_MAX, many + 1 - start)))
        gate = Gate()
        blocker = asyncio.get_running_loop().run_in_executor(None, ledger._ask_blocking, gate.wait)
        await asyncio.to_thread(gate.reached.wait, WAIT_S)
        order = []

        async def named(name, work):
            answer = await work
            order.append(name)
            return answer

        scan = asyncio.create_task(named("scan", ledger.query_transfers(query_filter(user_data_64=9))))
        last = transfers(many + 1, 1)
        last["user_data_64"] = 9
        batch = asyncio.create_task(named("batch", ledger.create_transfers(last)))
        await asyncio.sleep(0)
        gate.open.set()
        await blocker
        found, _ = await asyncio.gather(scan, batch)
        return order, found

    order, found = run(script())
    assert order == ["batch", "scan"]
    assert len(found) == 0


class Gate:
    """Holds the ledger's thread until it is opened."""

    def __init__(self):
        self.reached = threading.Event()
        self.open = threading.Event()

    def wait(self, _):
        self.reached.set()
        assert self.open.wait(WAIT_S)


def test_a_filter_of_the_wrong_kind_is_refused(ledger):
    """Our own mistake, told at the call."""
    with pytest.raises(TypeError, match="ACCOUNT_TRANSFERS takes one record of its filter"):
        run(ledger.account_transfers(query_filter()))
    with pytest.raises(TypeError, match="takes one record"):
        run(ledger.query_accounts(np.zeros(2, QUERY_FILTER)))


@pytest.mark.kernel
def test_an_index_that_grows_finds_everything_in_both_tables(monkeypatch):
    """Batch after batch, so that every growth is under way for some time; some ids burnt, some repeated."""
    monkeypatch.setattr("ledger.state._STEP_SLOTS_MIN", 64)
    state = State()
    accounts = np.zeros(2, ACCOUNT)
    accounts["id_lo"] = 1, 2
    accounts["ledger"] = accounts["code"] = 1
    state.create_accounts(accounts, 1)
    was_growing = 0
    size = 100
    for start in range(1, 12_000, size):
        batch = transfers(start, size)
        batch["debit_account_id_lo"][::10] = 99  # not found: the id burns
        state.create_transfers(batch, state.last_ns + 1)
        books: Books = state._books
        was_growing += bool(books.counts[TRANSFER_SLOTS_OLD])
        again = state.create_transfers(transfers(1 + start // 2 // size * size, size), state.last_ns + 1)
        statuses = again["status"].tolist()
        assert statuses[0] == 68
        assert set(statuses[1::10]) == {46}
    assert was_growing > 10
    assert len(state.burnt()) * 9 == len(state.transfers())
