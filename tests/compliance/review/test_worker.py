"""What is claimed is reviewed and kept once; what fails comes back, or is parked; what stops gives back."""

import asyncio
from datetime import timedelta

from compliance.cases.reviewed import newest_review
from compliance.facts import Source, flagged_id_of
from compliance.review import queue
from compliance.review.queue import Queue
from compliance.review.schedule import PAUSES, TRIES_MAX, pause_after
from compliance.review.worker import Pace
from server.store.database import Database
from tests.compliance.review.scenes import Scene, people, transfer

PATIENCE_S = 120


def _with(database_url, keys, claim, **options):
    async def run():
        async with Database(database_url) as database:
            await people(database, keys)
            await asyncio.wait_for(claim(Scene(database, keys, **options)), PATIENCE_S * 2)

    asyncio.run(run())


async def _flagged(scene, count, **options):
    async with scene.database.acquire() as connection:
        made = [await transfer(connection, scene.keys, **options) for _ in range(count)]
    while await scene.intake.take():
        pass
    return [flagged_id_of(Source.TRANSFER, identifier) for identifier in made]


async def _until(check):
    async with asyncio.timeout(PATIENCE_S):
        while not await check():  # noqa: ASYNC110 - what is waited for is a row in PostgreSQL
            await asyncio.sleep(0.02)


def test_a_batch_leaves_one_review_and_one_case_for_each_row(database_url, keys):
    """With its place in the queue, all in one transaction."""

    async def claim(scene):
        ids = await _flagged(scene, 5)
        assert await scene.worker.turn() == 5
        assert await scene.worker.turn() == 0
        assert {row["flagged_id"] for row in await scene.fetch("SELECT flagged_id FROM cases")} == set(ids)
        assert {row["flagged_id"] for row in await scene.fetch("SELECT flagged_id FROM reviews")} == set(ids)
        assert {row["state"] for row in await scene.fetch("SELECT state FROM flagged")} == {"done"}

    _with(database_url, keys, claim)


def test_a_poisoned_item_does_not_take_its_batch_down(database_url, keys):
    """The others are kept; it waits for its next try and says why, without a stranger's words."""

    async def claim(scene):
        scene.analyst.poison = "venom"
        await _flagged(scene, 3)
        bad = (await _flagged(scene, 1, purpose="venom"))[0]
        await scene.worker.turn()
        assert await scene.value("SELECT count(*) FROM reviews") == 3
        row = (await scene.fetch("SELECT * FROM flagged WHERE id = $1", bad))[0]
        assert (row["state"], row["tries"]) == ("waiting", 1)
        assert row["trouble"].startswith("ZeroDivisionError")
        assert "venom" not in row["trouble"]

    _with(database_url, keys, claim)


def test_an_item_is_parked_after_its_last_try_and_waits_again_when_somebody_says_so(database_url, keys):
    """On the schedule in between."""

    async def claim(scene):
        scene.analyst.poison = "venom"
        (bad,) = await _flagged(scene, 1, purpose="venom")
        for tries in range(1, TRIES_MAX + 1):
            assert await scene.worker.turn() == 1
            due = await scene.value("SELECT due_at - changed_at FROM flagged")
            assert due == (pause_after(tries) or timedelta())
            await scene.fetch("UPDATE flagged SET due_at = now()")
        assert await scene.value("SELECT state FROM flagged") == "parked"
        assert await scene.worker.turn() == 0
        async with scene.database.acquire() as connection:
            assert [row.id for row in await queue.look(connection, ["parked"], 10)] == [bad]
            assert await queue.retry(connection, None, "alice") == [bad]
        scene.analyst.poison = ""
        assert await scene.worker.turn() == 1
        assert await scene.value("SELECT count(*) FROM cases") == 1

    _with(database_url, keys, claim)


def test_the_schedule_ends_with_parking():
    """Each pause is longer than the one before."""
    assert list(PAUSES) == sorted(PAUSES)
    assert [pause_after(tries) for tries in range(1, TRIES_MAX + 1)] == [*PAUSES, None]


def test_a_claim_whose_lease_is_over_is_rescued_and_its_review_thrown_away(database_url, keys):
    """Whoever was taken for dead keeps nothing."""

    async def claim(scene):
        await _flagged(scene, 2)
        scene.analyst.gate = asyncio.Event()
        slow = asyncio.ensure_future(scene.worker.turn())
        await _until(lambda: _ready(len(scene.analyst.seen) == 2))
        await scene.fetch("UPDATE flagged SET lease_until = now() - interval '1 second'")
        other = Scene(scene.database, keys, holder="there")
        async with scene.database.acquire() as connection:
            assert len(await other.worker._queue.rescue(connection)) == 2
        assert await other.worker.turn() == 2
        scene.analyst.gate.set()
        await slow
        assert await scene.value("SELECT count(*) FROM reviews") == 2
        assert await scene.value("SELECT count(*) FROM cases") == 2
        assert sum(scene.counters.reviewed.values()) == 0

    _with(database_url, keys, claim)


def test_what_kills_its_workers_is_parked(database_url, keys):
    """A claim counts as a try, also where nobody lived to tell."""

    async def claim(scene):
        await _flagged(scene, 1)
        for _ in range(TRIES_MAX):
            async with scene.database.acquire() as connection:
                dead = Queue("dead", timedelta(seconds=-1))
                assert len(await dead.claim(connection, 5)) == 1
                await Queue("doctor", timedelta(seconds=5)).rescue(connection)
        row = (await scene.fetch("SELECT * FROM flagged"))[0]
        assert row["state"] == "parked"
        assert "dead" in row["trouble"]

    _with(database_url, keys, claim)


def test_a_worker_that_stops_gives_back_what_it_holds(database_url, keys):
    """At once, and not as a try."""

    async def claim(scene):
        await _flagged(scene, 3)
        scene.analyst.gate = asyncio.Event()
        running = asyncio.ensure_future(scene.worker.run())
        await _until(lambda: _ready(len(scene.analyst.seen) == 3))
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        rows = await scene.fetch("SELECT state, tries FROM flagged")
        assert {(row["state"], row["tries"]) for row in rows} == {("waiting", 0)}

    _with(database_url, keys, claim)


def test_a_worker_goes_on_after_postgresql_has_dropped_every_connection(database_url, keys):
    """It waits, connects again, and every row has one case."""

    async def claim(scene):
        running = asyncio.ensure_future(scene.worker.run())
        await _flagged(scene, 20)
        outside = await scene.database.connect()
        others = "FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"

        async def connected():
            return await outside.fetchval(f"SELECT count(*) > 0 {others}")

        for _ in range(3):
            await _until(connected)
            await outside.execute(f"SELECT pg_terminate_backend(pid) {others}")
        made = {flagged_id_of(Source.TRANSFER, await transfer(outside, keys)) for _ in range(20)}

        async def all_done():
            return await outside.fetchval("SELECT count(*) FROM cases") == 40

        await _until(all_done)
        found = {row["flagged_id"] for row in await outside.fetch("SELECT flagged_id FROM reviews")}
        assert made <= found
        assert await outside.fetchval("SELECT count(*) FROM flagged WHERE state = 'done'") == 40
        await outside.close()
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)

    _with(database_url, keys, claim, pace=Pace(batch_max=4, hands=2, lease=timedelta(seconds=1)))


def test_two_workers_share_a_queue_without_taking_the_same_row(database_url, keys):
    """Each row is reviewed once."""

    async def claim(scene):
        ids = await _flagged(scene, 40)
        other = Scene(scene.database, keys, holder="there", pace=Pace(batch_max=4, hands=2))
        here, there = (asyncio.ensure_future(s.worker.run()) for s in (scene, other))
        await _until(lambda: _count(scene, "SELECT count(*) = 40 FROM reviews"))
        for running in (here, there):
            running.cancel()
        await asyncio.gather(here, there, return_exceptions=True)
        assert sorted(scene.analyst.seen + other.analyst.seen) == sorted(ids)

    _with(database_url, keys, claim, pace=Pace(batch_max=4, hands=2))


def test_a_customer_on_a_list_is_blocked_with_the_case_that_says_so(database_url, keys):
    """In the same transaction; the directory's feed sees the row as changed."""

    async def claim(scene):
        await _flagged(scene, 1, account=1)
        await scene.worker.turn()
        assert await scene.value("SELECT compliance_block FROM customers WHERE number = 1")
        row = (await scene.fetch("SELECT * FROM cases"))[0]
        assert (row["kind"], row["tier"], row["queue"]) == ("sanctions", "high", "sanctions")
        assert await scene.value("SELECT count(*) FROM audit WHERE action = 'customer.block'") == 1

    _with(database_url, keys, claim, listed="Given1 Family1")


def test_a_review_is_sealed_where_it_is_kept(database_url, keys):
    """No name stands in PostgreSQL in the clear; with the keys it is there again."""

    async def claim(scene):
        (identifier,) = await _flagged(scene, 1, account=1)
        await scene.worker.turn()
        raw = await scene.value("SELECT document FROM reviews")
        assert b"Family1" not in raw
        async with scene.database.acquire() as connection:
            found = await newest_review(connection, keys, identifier)
        assert found["hits"][0]["entry_name"] == "Given1 Family1"

    _with(database_url, keys, claim, listed="Given1 Family1")


async def _ready(value):
    return value


async def _count(scene, sql):
    return await scene.value(sql)
