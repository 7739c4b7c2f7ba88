"""The directory as arrays: all of it, and every change, late ones too."""

import asyncio
import contextlib
import os
import shutil
import signal
import subprocess
import tempfile
from pathlib import Path

import asyncpg
import numpy as np
import pytest

from scoring.limit import Measure, Of, Subject
from server.core.block_lists import BlockKind
from server.core.directory import (
    CARD,
    AccountState,
    CardFlag,
    CardState,
    Channel,
    ControlSet,
    Directory,
    Programme,
)
from server.core.limit_sets import Limit, Window
from server.core.record import TransactionType
from server.store.database import Database
from server.store.directory_feed import DirectoryFeed, FeedPosition
from server.store.portfolio import Portfolio, demo_card, demo_pan
from server.store.postgres import EmbeddedPostgres

CHANGE_TIMEOUT_S = 10


class Mirror:
    """What a follower has been told, whole rows by number, and a way to wait for a fact."""

    def __init__(self):
        self.cards, self.controls, self.openings, self.blocks, self.programmes = {}, {}, {}, {}, {}
        self.position = None
        self._changed = asyncio.Condition()

    async def apply(self, chunk):
        """Takes over a chunk, as the core does."""
        async with self._changed:
            for card in chunk.change.cards:
                number = int(card["number"])
                self.cards[number] = card
                self.controls[number] = chunk.change.controls.get(number)
            self.openings |= {int(row["account_number"]): int(row["opening_minor"]) for row in chunk.openings}
            self.programmes |= {programme.number: programme for programme in chunk.change.programmes}
            self.blocks |= {(block.kind, block.value): block.active for block in chunk.change.blocks}
            if chunk.last:
                self.position = chunk.position
            self._changed.notify_all()

    async def until(self, fact):
        """Waits, bounded, until the fact holds."""
        async with self._changed:
            await asyncio.wait_for(self._changed.wait_for(lambda: fact(self)), CHANGE_TIMEOUT_S)


async def _read(feed, position=None):
    mirror = Mirror()
    async for chunk in feed.read(position):
        await mirror.apply(chunk)
    return mirror


@contextlib.asynccontextmanager
async def _following(feed, position=None):
    mirror = Mirror()
    task = asyncio.create_task(feed.follow(position, mirror.apply))
    try:
        yield mirror
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


@pytest.fixture
def directory(run, database_url, keys):
    """A database with a demo of ten cards."""

    async def fill():
        async with Database(database_url) as database:
            await Portfolio(database, keys).ensure_demo(10)

    run(fill())
    return database_url


async def _execute(url, sql, *arguments):
    connection = await asyncpg.connect(url)
    try:
        await connection.execute(sql, *arguments)
    finally:
        await connection.close()


def test_a_full_read_gives_every_card_as_the_core_keeps_it(run, directory, keys):
    """Keys, tokens, homes, states and openings, column by column; and the core takes them."""

    async def body():
        async with Database(directory) as database:
            mirror = await _read(DirectoryFeed(database))
            async with database.acquire() as connection:
                ids = {
                    row["number"]: row["id"] for row in await connection.fetch("SELECT number, id FROM cards")
                }
        assert sorted(mirror.cards) == list(range(10))
        for index, card in mirror.cards.items():
            assert tuple(map(int, card["pan_key"])) == keys.pan_key(demo_pan(index))
            assert ids[index].int == int(card["card_id"][0]) | int(card["card_id"][1]) << 64
            assert card["home_latitude_deg"] == np.float32(demo_card(index).home_latitude_deg)
            assert (card["account_number"], card["expiry_yymm"], card["known"]) == (index, 3012, 1)
            assert (card["state"], card["account_state"], card["flags"]) == (0, 0, 0)
        assert mirror.openings == {index: demo_card(index).opening_minor for index in range(10)}
        demo = next(programme for programme in mirror.programmes.values() if programme.name == "demo")
        assert (demo.currency, demo.country, demo.timezone) == (840, 840, "America/New_York")
        assert demo.limits == ()
        assert mirror.programmes[0] == Programme(
            0,
            "standard",
            1,
            840,
            840,
            "America/New_York",
            limits=(
                Limit(1, 9, Subject.CARD, Measure.AMOUNT, Of.APPROVALS, Window.TRANSACTION, 250_000),
                Limit(2, 10, Subject.CARD, Measure.AMOUNT, Of.APPROVALS, Window.DAY, 500_000),
                Limit(3, 11, Subject.CARD, Measure.AMOUNT, Of.APPROVALS, Window.MONTH, 2_500_000),
            ),
        )

    run(body())


def test_the_core_finds_a_card_by_what_the_feed_read(run, directory, keys):
    """From PostgreSQL's rows to the index in memory."""

    async def body():
        known = Directory()
        async with Database(directory) as database:
            async for chunk in DirectoryFeed(database).read(None):
                known.apply(chunk.change)
        return known

    known = run(body())
    wanted = keys.pan_key(demo_pan(7))
    row = int(np.flatnonzero((known.cards["pan_key"] == np.array(wanted, np.uint64)).all(axis=1))[0])
    assert row == 7


@pytest.mark.parametrize("state", list(CardState))
def test_states_and_flags_mean_the_same_in_sql_and_in_the_core(run, directory, state):
    """The view's codes are the enums' numbers."""

    async def body():
        await _execute(
            directory,
            f"UPDATE cards SET state = '{state.name.lower()}', single_use = true, pin_blocked = true WHERE number = 1; "
            "UPDATE accounts SET state = 'closed' WHERE number = 2;"
            "UPDATE customers SET compliance_block = true, home_latitude_deg = NULL WHERE number = 3;"
            "UPDATE customers SET kyc_state = 'failed', politically_exposed = true WHERE number = 4",
        )
        async with Database(directory) as database:
            cards = (await _read(DirectoryFeed(database))).cards
        assert (cards[1]["state"], cards[1]["flags"]) == (state, CardFlag.SINGLE_USE | CardFlag.PIN_BLOCKED)
        assert cards[2]["account_state"] == AccountState.CLOSED
        assert cards[3]["flags"] == CardFlag.COMPLIANCE_BLOCK and np.isnan(cards[3]["home_latitude_deg"])
        assert cards[4]["flags"] == CardFlag.KYC_INCOMPLETE | CardFlag.POLITICALLY_EXPOSED

    run(body())


def test_controls_and_block_lists_come_as_the_core_reads_them(run, directory):
    """Names become flags, signed numbers digests again, null stays unrestricted."""

    async def body():
        await _execute(
            directory,
            "INSERT INTO card_controls (card_number, channels_on, channels_off, categories_allowed, countries_blocked, "
            "hours_allowed, merchants_allowed, types_never) VALUES "
            "(5, '{international}', '{cash,ecommerce}', '{5411,5812}', '{643}', 255, '{-1}', '{quasi_cash}'), "
            "(6, '{}', '{}', NULL, '{}', 16777215, NULL, '{}');"
            "INSERT INTO block_entries (kind, value) VALUES ('country', decode('83020000000000000000000000000000', 'hex'))",
        )
        async with Database(directory) as database:
            mirror = await _read(DirectoryFeed(database))
            assert mirror.controls[5] == ControlSet(
                channels_on=Channel.INTERNATIONAL,
                channels_off=Channel.CASH | Channel.ECOMMERCE,
                categories_allowed=frozenset({5411, 5812}),
                countries_blocked=frozenset({643}),
                hours_allowed=255,
                merchants_allowed=frozenset({2**64 - 1}),
                types_never=frozenset({TransactionType.QUASI_CASH}),
            )
            assert mirror.controls[6] == ControlSet() and mirror.controls[7] is None
            assert mirror.blocks == {(BlockKind.COUNTRY, (643, 0)): True}
            await _execute(directory, "UPDATE block_entries SET state = 'lifted'")
            later = await _read(DirectoryFeed(database), mirror.position)
            assert later.blocks == {(BlockKind.COUNTRY, (643, 0)): False} and not later.cards

    run(body())


@pytest.mark.parametrize(
    "sql",
    [
        "UPDATE cards SET state = 'frozen' WHERE number = 3",
        "UPDATE accounts SET state = 'closed' WHERE number = 3",
        "UPDATE customers SET compliance_block = true WHERE number = 3",
        "INSERT INTO card_controls (card_number) VALUES (3)",
    ],
)
def test_a_change_brings_the_one_card_it_concerns(run, directory, sql):
    """Whichever table it is in."""

    async def body():
        async with Database(directory) as database:
            feed = DirectoryFeed(database)
            before = await _read(feed)
            await _execute(directory, sql)
            after = await _read(feed, before.position)
            assert list(after.cards) == [3]
            assert after.position.version > before.position.version

    run(body())


def test_chunks_cover_every_row_once_when_there_are_many(run, directory, monkeypatch):
    """Only the last chunk moves the position."""
    monkeypatch.setattr("server.store.directory_feed.CHUNK_ROWS", 3)

    async def body():
        async with Database(directory) as database:
            chunks = [chunk async for chunk in DirectoryFeed(database).read(None)]
        numbers = np.concatenate([chunk.change.cards["number"] for chunk in chunks])
        assert numbers.tolist() == list(range(10)) and chunks[0].change.cards.dtype == CARD
        assert [chunk.last for chunk in chunks] == [False] * (len(chunks) - 1) + [True]
        assert {chunk.position.version for chunk in chunks[:-1]} == {0}
        assert chunks[-1].change.version == chunks[-1].position.version > 0

    run(body())


def test_a_read_can_be_left_when_its_reader_has_seen_enough(run, directory, monkeypatch):
    """The copy that runs ahead ends, and the next read is whole."""
    monkeypatch.setattr("server.store.directory_feed.CHUNK_ROWS", 1)

    async def body():
        async with Database(directory) as database:
            feed = DirectoryFeed(database)
            for _ in range(20):
                async with contextlib.aclosing(feed.read(None)) as chunks:
                    async for chunk in chunks:
                        if len(chunk.change.cards):
                            break
            assert len((await _read(feed)).cards) == 10

    run(body())


def test_a_row_that_commits_late_is_read_when_later_ones_were_read_before(run, directory):
    """An early transaction that commits last is not skipped."""

    async def body():
        async with Database(directory) as database:
            feed = DirectoryFeed(database)
            position = (await _read(feed)).position
            early = await asyncpg.connect(directory)
            transaction = early.transaction()
            await transaction.start()
            await early.execute("UPDATE cards SET state = 'frozen' WHERE number = 1")
            await _execute(directory, "UPDATE cards SET state = 'frozen' WHERE number = 2")
            between = await _read(feed, position)
            assert list(between.cards) == [2]
            await transaction.commit()
            await early.close()
            assert 1 in (await _read(feed, between.position)).cards

    run(body())


def test_a_position_of_another_database_is_not_trusted(run, directory):
    """Of another cluster, or from a future that a restored backup does not know: everything is read."""

    async def body():
        async with Database(directory) as database:
            feed = DirectoryFeed(database)
            position = (await _read(feed)).position
            strangers = [
                FeedPosition("another/1", position.version),
                FeedPosition(position.database, position.version + 1_000_000),
            ]
            for stranger in strangers:
                chunks = [chunk async for chunk in feed.read(stranger)]
                assert all(chunk.full for chunk in chunks)
                assert sum(len(chunk.change.cards) for chunk in chunks) == 10

    run(body())


def test_a_change_is_told_without_asking_when_it_commits(run, directory, monkeypatch):
    """The announcement wakes the follower long before it would look by itself."""
    monkeypatch.setattr("server.store.directory_feed.POLL_S", 3_600)

    async def body():
        async with Database(directory) as database, _following(DirectoryFeed(database)) as mirror:
            await mirror.until(lambda seen: len(seen.cards) == 10)
            await _execute(directory, "UPDATE cards SET state = 'frozen' WHERE number = 4")
            await mirror.until(lambda seen: seen.cards[4]["state"] == CardState.FROZEN)

    run(body())


def test_a_change_is_found_when_its_announcement_was_lost(run, directory):
    """The poll is the net."""

    async def body():
        await _execute(directory, "ALTER TABLE cards DISABLE TRIGGER cards_tell")
        async with Database(directory) as database, _following(DirectoryFeed(database)) as mirror:
            await mirror.until(lambda seen: len(seen.cards) == 10)
            await _execute(directory, "UPDATE cards SET state = 'frozen' WHERE number = 4")
            await mirror.until(lambda seen: seen.cards[4]["state"] == CardState.FROZEN)

    run(body())


def test_what_the_receiver_raises_travels(run, directory):
    """A bug in the core is not mistaken for an absence of PostgreSQL."""

    async def refuse(_chunk):
        raise OSError("the receiver's own")

    async def body():
        async with Database(directory) as database:
            with pytest.raises(OSError, match="receiver's own"):
                await DirectoryFeed(database).follow(None, refuse)

    run(body())


def test_changes_go_on_when_postgresql_was_killed_and_restarted(run, keys):
    """The follower notices, waits, listens again and re-reads; the position survives."""
    home = Path(tempfile.mkdtemp(prefix="holdfast-test-"))
    server = EmbeddedPostgres(home)
    url = server.start()

    async def body():
        async with Database(url) as database:
            await Portfolio(database, keys).ensure_demo(5)
            async with _following(DirectoryFeed(database)) as mirror:
                await mirror.until(lambda seen: len(seen.cards) == 5)
                for state in ("frozen", "lost"):
                    os.kill(server.process_id(), signal.SIGKILL)
                    await asyncio.to_thread(server.start)
                    await _execute(url, "UPDATE cards SET state = $1 WHERE number = 2", state)
                    wanted = CardState[state.upper()]
                    await mirror.until(lambda seen, wanted=wanted: seen.cards[2]["state"] == wanted)

    try:
        run(body())
    finally:
        server.close()
        shutil.rmtree(home)


def test_everything_is_read_again_when_an_older_copy_took_its_place_and_grew_past_our_position(run, keys):
    """Its changes have numbers below the position that the one before had reached."""
    home = Path(tempfile.mkdtemp(prefix="holdfast-test-"))
    server = EmbeddedPostgres(home)
    url = server.start()

    async def spend(count):
        for _ in range(count):
            await _execute(url, "SELECT pg_current_xact_id()")

    async def fill():
        async with Database(url) as database:
            await Portfolio(database, keys).ensure_demo(5)

    async def body():
        gate = asyncio.Event()
        gate.set()
        async with Database(url) as database:
            connect = database.connect

            async def connect_by_the_gate():
                await gate.wait()
                return await connect()

            database.connect = connect_by_the_gate
            async with _following(DirectoryFeed(database)) as mirror:
                await mirror.until(lambda seen: len(seen.cards) == 5)
                await spend(50)
                await _execute(url, "UPDATE cards SET state = 'frozen' WHERE number = 1")
                await mirror.until(lambda seen: seen.cards[1]["state"] == CardState.FROZEN)
                gate.clear()
                os.kill(server.process_id(), signal.SIGKILL)
                shutil.rmtree(server.folder)
                shutil.move(home / "older", server.folder)
                await asyncio.to_thread(server.start)
                await _execute(url, "UPDATE cards SET state = 'lost' WHERE number = 2")
                await spend(100)
                gate.set()
                await mirror.until(lambda seen: seen.cards[2]["state"] == CardState.LOST)
                assert mirror.cards[1]["state"] != CardState.FROZEN

    try:
        run(fill())
        server.close()
        subprocess.run(["cp", "-a", str(server.folder), str(home / "older")], check=True)
        server.start()
        run(body())
    finally:
        server.close()
        shutil.rmtree(home)


def test_rows_are_never_deleted(run, directory):
    """A deletion has no version that a reader could see."""

    async def body():
        with pytest.raises(asyncpg.RaiseError, match="closed, never deleted"):
            await _execute(directory, "DELETE FROM cards WHERE number = 1")

    run(body())
