"""What the server wrote is taken in exactly once, whatever commits late."""

import asyncio
import itertools

from compliance.facts import Flag, Source, flagged_id_of
from server.store.database import Database
from server.store.queries import migrations
from tests.compliance.review.scenes import Scene, authorization, people, transfer


def _with(database_url, keys, claim):
    async def run():
        async with Database(database_url) as database:
            await people(database, keys)
            scene = Scene(database, keys)
            await claim(scene)

    asyncio.run(run())


def test_a_transfer_is_flagged_once_however_often_intake_looks(database_url, keys):
    """Its id follows from what it is of; the money that waits comes first."""

    async def claim(scene):
        async with scene.database.acquire() as connection:
            posted = await transfer(connection, keys)
            waiting = await transfer(connection, keys, state="pending_review")
            await transfer(connection, keys, state="submitted")
        await scene.intake.take()
        await scene.intake.take()
        rows = await scene.fetch("SELECT * FROM flagged ORDER BY urgency")
        assert [row["id"] for row in rows] == [
            flagged_id_of(Source.TRANSFER, waiting),
            flagged_id_of(Source.TRANSFER, posted),
        ]
        assert [row["urgency"] for row in rows] == [0, 1]

    _with(database_url, keys, claim)


def test_a_transfer_that_commits_late_is_not_skipped(database_url, keys):
    """A lower transaction may end after a higher one was taken in."""

    async def claim(scene):
        late = await scene.database.connect()
        started = late.transaction()
        await started.start()
        first = await transfer(late, keys)
        async with scene.database.acquire() as connection:
            second = await transfer(connection, keys)
        await scene.intake.take()
        assert [row["source_id"] for row in await scene.fetch("SELECT * FROM flagged")] == [second]
        await scene.intake.take()  # what the longer transaction keeps open is read again, and known
        await started.commit()
        await late.close()
        await scene.intake.take()
        found = {row["source_id"] for row in await scene.fetch("SELECT * FROM flagged")}
        assert found == {first, second}

    _with(database_url, keys, claim)


def test_many_transfers_of_a_transaction_that_another_one_holds_open_are_all_taken_in(
    database_url, keys, monkeypatch
):
    """Although the position can't move on meanwhile."""
    monkeypatch.setattr("compliance.review.intake.EVENTS_MAX", 4)

    async def claim(scene):
        late = await scene.database.connect()
        started = late.transaction()
        await started.start()
        await late.execute("SELECT pg_current_xact_id()")
        async with scene.database.acquire() as connection:
            wanted = {await transfer(connection, keys) for _ in range(11)}
        for _ in range(5):
            await scene.intake.take()
        assert {row["source_id"] for row in await scene.fetch("SELECT * FROM flagged")} == wanted
        await started.rollback()
        await late.close()

    _with(database_url, keys, claim)


def test_authorizations_are_taken_in_up_to_the_journals_position(database_url, keys):
    """Those that policy flags; those beyond the position with the next."""

    async def claim(scene):
        async with scene.database.acquire() as connection:
            large = await authorization(connection)
            await authorization(connection, amount_minor=100)
            beyond = await authorization(connection, shipment=3)
        while await scene.intake.take():
            pass
        assert [row["source_id"] for row in await scene.fetch("SELECT * FROM flagged")] == [large]
        assert await scene.value("SELECT position FROM intake_positions WHERE source = 'authorization'") == 2
        await scene.fetch("UPDATE journal_positions SET position = 3")
        await scene.intake.take()
        assert {row["source_id"] for row in await scene.fetch("SELECT * FROM flagged")} == {large, beyond}

    _with(database_url, keys, claim)


def test_two_intakes_at_once_take_each_transfer_once(database_url, keys):
    """One reads; the other passes."""

    async def claim(scene):
        async with scene.database.acquire() as connection:
            for _ in range(20):
                await transfer(connection, keys)
        other = Scene(scene.database, keys)
        for _ in range(3):
            await asyncio.gather(scene.intake.take(), other.intake.take())
        assert await scene.value("SELECT count(*) FROM flagged") == 20
        assert scene.counters.flagged["transfer"] + other.counters.flagged["transfer"] == 20

    _with(database_url, keys, claim)


def test_position_and_what_was_flagged_move_together_or_not_at_all(database_url, keys):
    """A failure between the two leaves neither."""

    class BrokenError(RuntimeError):
        pass

    async def claim(scene):
        async with scene.database.acquire() as connection:
            await transfer(connection, keys)
        turns = itertools.count()
        flags_of = scene.intake._flags_of

        def failing(subject, customer):
            if next(turns) == 0:
                raise BrokenError
            return flags_of(subject, customer)

        scene.intake._flags_of = failing
        before = await scene.value("SELECT position FROM intake_positions WHERE source = 'transfer'")
        try:
            await scene.intake.take()
        except BrokenError:
            pass
        assert await scene.value("SELECT position FROM intake_positions WHERE source = 'transfer'") == before
        assert await scene.value("SELECT count(*) FROM transfer_parties") == 0
        await scene.intake.take()
        assert await scene.value("SELECT count(*) FROM flagged") == 1

    _with(database_url, keys, claim)


def test_a_payment_across_the_border_is_looked_at_where_it_was_approved(database_url, keys):
    """A decline moved nothing; at home, small and unsuspicious ones are not even asked of policy."""

    async def claim(scene):
        scene.intake._flags_of = lambda *_: (Flag.CROSS_BORDER,)
        async with scene.database.acquire() as connection:
            abroad = await authorization(connection, amount_minor=100, country=276)
            await authorization(connection, amount_minor=100, country=276, approved_minor=0)
            await authorization(connection, amount_minor=100)
        while await scene.intake.take():
            pass
        assert [row["source_id"] for row in await scene.fetch("SELECT * FROM flagged")] == [abroad]

    _with(database_url, keys, claim)


def test_the_past_is_not_taken_in_when_compliance_comes_to_a_bank_that_has_one(database_url, keys):
    """Transfers and authorizations of before stay where they are, but for money that waits for a decision."""

    async def claim(scene):
        async with scene.database.acquire() as connection:
            await transfer(connection, keys)
            waiting = await transfer(connection, keys, state="pending_review")
            await authorization(connection, amount_minor=90_000)
            await connection.execute("UPDATE intake_positions SET position = 0")
            (step,) = (each for each in migrations() if each.name == "intake_begins_now")
            await connection.execute(step.sql)
            fresh = await transfer(connection, keys)
        while await scene.intake.take():
            pass
        rows = await scene.fetch("SELECT source_id FROM flagged")
        assert {row["source_id"] for row in rows} == {waiting, fresh}

    _with(database_url, keys, claim)


def test_a_transfer_that_can_not_be_read_does_not_stop_the_others_when_intake_comes_by(database_url, keys):
    """It is flagged all the same, so that its review says what is wrong and is parked before somebody."""

    async def claim(scene):
        async with scene.database.acquire() as connection:
            torn = await transfer(connection, keys)
            await connection.execute("UPDATE transfers SET details = 'torn' WHERE id = $1", torn)
            whole = await transfer(connection, keys)
        while await scene.intake.take():
            pass
        await scene.intake.take()
        rows = await scene.fetch("SELECT source_id, flags FROM flagged")
        assert {row["source_id"] for row in rows} == {torn, whole}
        await scene.worker.turn()
        states = {row["source_id"]: row["state"] for row in await scene.fetch("SELECT * FROM flagged")}
        assert states == {torn: "waiting", whole: "done"}
        assert await scene.value("SELECT trouble FROM flagged WHERE source_id = $1", torn)

    _with(database_url, keys, claim)
