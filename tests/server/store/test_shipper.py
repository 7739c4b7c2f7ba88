"""Decisions shipped to PostgreSQL exactly once."""

import asyncio
import contextlib
import time

import asyncpg
import numpy as np
import pytest

from server.core.journal_reader import JournalBatch
from server.core.record import DECISION, INTENT, MISSING_S, NO_ROW, REQUEST_VERSION, Operation, id_hex
from server.store.database import Database
from server.store.postgres import StoreError
from server.store.shipped import find_shipped
from server.store.shipper import READ_BATCHES, ROWS_MAX, WINDOW_BATCHES, Shipper

START_S = 1_700_000_000
SECOND_NS = 1_000_000_000
BOUND_S = 60


class ListedJournal:
    """A journal in memory: batches of intents, each followed later by its decisions."""

    def __init__(self):
        self.batches = []

    def append(self, intents, decisions):
        """Adds one batch and returns its number."""
        self.batches.append(JournalBatch(len(self.batches) + 1, intents, decisions))
        return len(self.batches)

    def read(self, after, batches_max):
        """The batches after one."""
        return self.batches[after : after + batches_max]

    def read_intents(self, number):
        """The intents of one batch."""
        return self.batches[number - 1].intents

    def last(self):
        """The number of the newest batch."""
        return len(self.batches)


def write_requests(journal, rng, count, batch_size=7):
    """Requests with all fields at random, their decisions in another order, some a batch late."""
    late = np.zeros(0, DECISION)
    for first in range(0, count, batch_size):
        size = min(batch_size, count - first)
        intents = np.zeros(size, INTENT)
        request = intents["request"]
        request["authorization_id"] = rng.integers(1, 2**63, (size, 2), np.uint64)
        request["transmission_s"] = START_S + rng.integers(0, 90 * 86_400, size)
        request["amount_minor"] = rng.integers(0, 2**40, size)
        request["currency"], request["country"], request["category"] = 840, 840, 5411
        request["operation"], request["version"] = Operation.AUTHORIZE, REQUEST_VERSION
        request["merchant_id"], request["merchant_name"] = b"M-1", "Café Zoë".encode()
        request["local_s"] = MISSING_S
        intents["sequence"] = np.arange(first + 1, first + 1 + size)
        intents["card_row"] = rng.integers(0, 100, size)
        intents["card_row"][::5] = NO_ROW
        intents["billed_minor"] = request["amount_minor"]
        intents["features"] = rng.random(intents["features"].shape)
        number = journal.append(intents, np.zeros(0, DECISION))
        decisions = np.zeros(size, DECISION)
        decisions["authorization_id"] = request["authorization_id"]
        decisions["sequence"], decisions["intent_batch"] = intents["sequence"], number
        decisions["decision_ns"] = request["transmission_s"] * SECOND_NS
        decisions["response_code"], decisions["authorization_code"] = b"00", b"A1B2C3"
        decisions["version"], decisions["operation"], decisions["held"] = (
            REQUEST_VERSION,
            Operation.AUTHORIZE,
            1,
        )
        decisions["risk_score"] = np.where(rng.random(size) < 0.2, np.nan, rng.random(size))
        decisions = np.concatenate([late, rng.permutation(decisions)])
        late, decisions = decisions[-2:], decisions[:-2]
        journal.append(np.zeros(0, INTENT), decisions)
    journal.append(np.zeros(0, INTENT), late)


@pytest.fixture
def journal():
    """A journal of 500 requests."""
    filled = ListedJournal()
    write_requests(filled, np.random.default_rng(7), 500)
    return filled


async def _rows(database, sql="SELECT * FROM authorizations ORDER BY sequence"):
    async with database.acquire() as connection:
        return await connection.fetch(sql)


def _records(journal):
    intents = np.concatenate([batch.intents for batch in journal.batches])
    decisions = np.concatenate([batch.decisions for batch in journal.batches])
    return intents, decisions[np.argsort(decisions["sequence"])]


def test_every_decision_becomes_one_row_with_what_it_said(run, database_url, journal):
    """Each column, its nulls, and both records byte for byte."""

    async def body():
        async with Database(database_url) as database:
            shipper = Shipper(database, journal)
            await shipper.drain()
            rows = await _rows(database)
            intents, decisions = _records(journal)
            assert [row["sequence"] for row in rows] == intents["sequence"].tolist()
            assert shipper.position == len(journal.batches) and shipper.rows == 500
            for row, intent, decision in zip(rows, intents, decisions, strict=True):
                assert row["authorization_id"].hex == id_hex(decision["authorization_id"])
                assert row["amount_minor"] == intent["request"]["amount_minor"]
                assert row["transmission_time"].timestamp() == intent["request"]["transmission_s"]
                assert row["decision_time"].timestamp() == decision["decision_ns"] / SECOND_NS
                assert row["card_number"] == (None if intent["card_row"] == NO_ROW else intent["card_row"])
                assert (row["score"] is None) == np.isnan(decision["risk_score"])
                assert (row["merchant_name"], row["response_code"]) == ("Café Zoë", "00")
                assert row["held"] and not row["stand_in"] and row["original_id"] is None
            found, reversals = await find_shipped(database, id_hex(decisions[3]["authorization_id"]))
            assert found.intent.tobytes() == intents[3].tobytes() and not reversals
            assert found.decision.tobytes() == decisions[3].tobytes()
            assert await find_shipped(database, "0" * 31 + "1") is None

    run(body())


def test_rows_lie_in_their_months_when_times_spread(run, database_url, journal):
    """No row falls into the default partition, and each month has one of its own."""

    async def body():
        async with Database(database_url) as database:
            await Shipper(database, journal).drain()
            found = await _rows(
                database,
                "SELECT tableoid::regclass::text AS part, count(*) FROM authorizations GROUP BY 1 ORDER BY 1",
            )
            assert [row["part"] for row in found] == [
                f"authorizations_{month}" for month in ("2023_11", "2023_12", "2024_01", "2024_02")
            ]

    run(body())


@pytest.mark.parametrize("transmission_s", [-(2**62), 0, 2**62])
def test_an_absurd_time_is_kept_aside_when_a_sender_gives_one(run, database_url, transmission_s):
    """The default partition takes it; nothing stops."""

    async def body():
        journal = ListedJournal()
        write_requests(journal, np.random.default_rng(1), 7)
        journal.batches[0].intents["request"]["transmission_s"][2] = transmission_s
        async with Database(database_url) as database:
            await Shipper(database, journal).drain()
            assert len(await _rows(database)) == 7
            assert len(await _rows(database, "SELECT FROM authorizations_default")) == 1

    run(body())


@pytest.mark.parametrize("name", [b"caf\xe9", b"a\0b"])
def test_a_text_that_is_no_text_is_mended_when_postgresql_refuses_it(run, database_url, name):
    """One stranger's bytes don't stop all that follow; the record keeps them."""

    async def body():
        journal = ListedJournal()
        write_requests(journal, np.random.default_rng(1), 14)
        journal.batches[0].intents["request"]["merchant_name"][2] = name
        async with Database(database_url) as database:
            await Shipper(database, journal).drain()
            rows = await _rows(database)
            assert len(rows) == 14
            assert "�" in rows[2]["merchant_name"] and rows[3]["merchant_name"] == "Café Zoë"

    run(body())


def test_a_reversal_is_found_with_its_original(run, database_url):
    """Explain sees what happened later."""

    async def body():
        journal = ListedJournal()
        write_requests(journal, np.random.default_rng(1), 7)
        original = journal.batches[0].intents["request"]["authorization_id"][0]
        journal.batches[0].intents["request"]["original_id"][5] = original
        async with Database(database_url) as database:
            shipper = Shipper(database, journal)
            await shipper.drain()
            found, reversals = await find_shipped(database, id_hex(original))
            assert found.intent["sequence"] == [1]
            assert [reversal.intent["sequence"].tolist() for reversal in reversals] == [[6]]

    run(body())


def test_intents_are_read_again_when_their_decision_comes_much_later(run, database_url):
    """A decision finds an intent that has left the window, also in another process."""

    async def body():
        journal = ListedJournal()
        write_requests(journal, np.random.default_rng(1), 7)
        _, decided, late = (batch.decisions for batch in journal.batches)
        journal.batches[1:] = []
        for _ in range(WINDOW_BATCHES + 1):
            journal.append(np.zeros(1, INTENT), np.zeros(0, DECISION))
        async with Database(database_url) as database:
            shipper = Shipper(database, journal)
            await shipper.drain()
            assert not await _rows(database)
            journal.append(np.zeros(0, INTENT), decided)
            await shipper.drain()
            journal.append(np.zeros(0, INTENT), late)
            await Shipper(database, journal).drain()
            assert len(await _rows(database)) == 7

    run(body())


def test_trimmed_intents_are_named_when_their_decision_is_still_to_ship(run, database_url):
    """A journal cut too early is told, not guessed over."""

    async def body():
        journal = ListedJournal()
        write_requests(journal, np.random.default_rng(1), 7)
        journal.batches[0] = JournalBatch(1, np.zeros(0, INTENT), np.zeros(0, DECISION))
        async with Database(database_url) as database:
            with pytest.raises(StoreError, match="trimmed beyond"):
                await Shipper(database, journal).drain()
            assert not await _rows(database)

    run(body())


def test_another_journal_is_refused_when_it_is_shorter_than_what_was_shipped(run, database_url, journal):
    """A lost journal that began anew is told, not skipped in silence."""

    async def body():
        async with Database(database_url) as database:
            await Shipper(database, journal).drain()
            with pytest.raises(StoreError, match="ends at 0"):
                await Shipper(database, ListedJournal()).drain()
            await Shipper(database, ListedJournal(), "another").drain()

    run(body())


def test_a_second_shipper_is_refused_when_both_ship_one_journal(run, database_url, journal):
    """Only one of two moves the position; the other's rows go with its transaction."""

    async def body():
        async with Database(database_url) as database:
            first, second = Shipper(database, journal), Shipper(database, journal)
            connection = await first._connect()
            await second.drain()
            with pytest.raises(StoreError, match="Another process"):
                await first._ship(connection)
            await connection.close()
            assert len(await _rows(database)) == 500

    run(body())


class CutShipper(Shipper):
    """Its backend is killed before every commit, in it, and after it; what comes of the fourth try stays."""

    def __init__(self, database, source, killer):
        super().__init__(database, source)
        self._killer = killer
        self.tries = 0

    async def _commit(self, connection, shipment):
        self.tries += 1
        kind = self.tries % 4
        if kind == 1:
            await self._kill(connection)
        if kind == 2:
            async with connection.transaction():
                await super()._commit(connection, shipment)
                await self._kill(connection)
        await super()._commit(connection, shipment)
        if kind == 3:
            await self._kill(connection)
            await connection.execute("SELECT 1")

    async def _kill(self, connection):
        assert await self._killer.fetchval(
            "SELECT pg_terminate_backend($1, 60000)", connection.get_server_pid()
        )


def test_rows_arrive_once_when_connections_are_cut_in_every_transaction(
    run, database_url, journal, monkeypatch
):
    """Killed backends, before and after any commit, neither lose nor double a row."""
    monkeypatch.setattr("server.store.shipper.ROWS_MAX", 20)
    monkeypatch.setattr("server.store.shipper.READ_BATCHES", 2)
    monkeypatch.setattr("server.store.shipper.LINGER_S", 0)
    monkeypatch.setattr("server.store.shipper.RETRY_S", (0.0,))

    async def body():
        async with Database(database_url) as database:
            watcher, killer = [await asyncpg.connect(database_url) for _ in range(2)]
            shipper = CutShipper(database, journal, killer)
            shipping = asyncio.create_task(shipper.run())
            while await watcher.fetchval("SELECT count(*) FROM authorizations") < 500:
                assert not shipping.done()
            shipping.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await shipping
            await watcher.close()
            await killer.close()
            assert shipper.tries > 3 * 500 / 40
            rows = await _rows(database)
            assert [row["sequence"] for row in rows] == list(range(1, 501))

    run(body())


def test_labels_are_passed_over_when_they_are_shipped(run, database_url, journal):
    """They came from PostgreSQL: a row made of nothing else moves the position all the same."""
    for batch in journal.batches[-2:]:
        batch.decisions["operation"] = Operation.LABEL
    passed = sum(len(batch.decisions) for batch in journal.batches[-2:])

    async def body():
        async with Database(database_url) as database:
            shipper = Shipper(database, journal)
            await shipper.drain()
            assert passed
            assert shipper.position == len(journal.batches)
            assert shipper.rows == len(await _rows(database)) == 500 - passed

    run(body())


def test_rows_wait_while_the_machine_is_busy_and_come_once_it_is_not(run, database_url, journal):
    """But for the first: nobody knows how long those have waited."""
    busy, looks, told = True, 0, asyncio.Event()

    def is_busy():
        nonlocal looks
        looks += 1
        told.set()
        return busy

    async def until(is_so):
        async with asyncio.timeout(BOUND_S):
            while not is_so():
                told.clear()
                await told.wait()

    async def body():
        nonlocal busy
        async with Database(database_url) as database:
            shipper = Shipper(
                database, journal, told=lambda _standing: told.set(), within_s=600, is_busy=is_busy
            )
            shipping = asyncio.create_task(shipper.run())
            await until(lambda: shipper.rows == 500)
            write_requests(journal, np.random.default_rng(8), 70)
            before = looks
            await until(lambda: looks >= before + 3)
            assert shipper.rows == 500
            busy = False
            await until(lambda: shipper.rows == 570)
            shipping.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await shipping
            assert len(await _rows(database)) == 570

    run(body())


@contextlib.asynccontextmanager
async def busy_shipper(database, journal, within_s):
    """A running shipper on a machine that is never anything but busy; yields it, and what waits for so many rows of it."""
    told = asyncio.Event()
    shipper = Shipper(
        database, journal, told=lambda _standing: told.set(), within_s=within_s, is_busy=lambda: True
    )

    async def until(rows):
        async with asyncio.timeout(BOUND_S):
            while shipper.rows < rows:
                told.clear()
                await told.wait()

    shipping = asyncio.create_task(shipper.run())
    try:
        yield until
    finally:
        shipping.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await shipping


def test_rows_that_have_waited_long_enough_come_on_a_busy_machine(run, database_url, journal):
    """They come after those that nobody knows of how long they have waited."""

    async def body():
        async with Database(database_url) as database, busy_shipper(database, journal, 0.2) as until:
            await until(500)
            write_requests(journal, np.random.default_rng(9), 70)
            await until(570)

    run(body())


@pytest.mark.parametrize("what", ["old", "labels", "of a clock that was set back"])
def test_what_is_late_comes_in_as_many_transactions_as_it_takes(run, database_url, journal, what):
    """None of them makes the next wait anew: neither one that has next to no rows, nor one of decisions yet to come."""
    before = len(journal.batches)
    write_requests(journal, np.random.default_rng(9), 5 * ROWS_MAX, batch_size=300)
    for batch in journal.batches[before : -4 * READ_BATCHES]:
        if what == "labels":
            batch.decisions["operation"] = Operation.LABEL
        elif what != "old":
            batch.decisions["decision_ns"] = time.time_ns() + 3_600 * SECOND_NS
    rows = sum(np.count_nonzero(batch.decisions["operation"] != Operation.LABEL) for batch in journal.batches)

    async def body():
        async with Database(database_url) as database:
            async with busy_shipper(database, journal, 600) as until:
                await until(rows)
            async with database.acquire() as connection:
                shipments = await connection.fetchval("SELECT count(DISTINCT shipment) FROM authorizations")
            assert shipments >= 3

    run(body())
