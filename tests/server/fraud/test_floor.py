"""A champion that finds too little fraud goes by itself, and says so."""

import asyncio
import contextlib

import pytest

from scoring.floor import Floor
from scoring.registry import Action
from server.fraud.floor import FALL, FloorKeeper, stand
from server.store.postgres import StoreUnavailableError
from server.store.register import INSTALLATION

_FILLED = {"ARRAY": "'{}'", "text": "''", "bytea": "''", "boolean": "false", "uuid": "gen_random_uuid()"}


async def _decide(home, model, count, *, score, verdict=None, age="0 days", label_age="0 days"):
    """`count` authorizations that a version scored, each with a label where a verdict is given."""
    given = {
        "authorization_id": "gen_random_uuid()",
        "operation": "1",
        "model": f"'{model}'",
        "score": score,
        "transmission_time": f"now() - interval '{age}'",
        "decision_time": f"now() - interval '{age}'",
    }
    async with home.database.acquire() as connection:
        columns = await connection.fetch(
            "SELECT column_name, data_type FROM information_schema.columns WHERE table_name = 'authorizations' "
            "AND is_nullable = 'NO' AND column_default IS NULL"
        )
        values = {row["column_name"]: _FILLED.get(row["data_type"], "0") for row in columns} | given
        made = (
            f"INSERT INTO authorizations ({', '.join(values)}) "
            f"SELECT {', '.join(values.values())} FROM generate_series(1, {count}) AS n RETURNING authorization_id"
        )
        if verdict is None:
            await connection.execute(made)
            return
        await connection.execute(
            f"WITH made AS ({made}) INSERT INTO labels (authorization_id, verdict, report_id, learnt_at, received_at, "
            "source, reported_by, sender, stored_at) "
            f"SELECT authorization_id, {verdict}, '', now(), now(), 'test', 'ann', 0, now() - interval '{label_age}' FROM made"
        )


async def _two_champions(home):
    """v1, then v2 with a floor of half on ten frauds."""
    await home.promote("v1")
    await home.promote("v2")
    await home.register.set_floor("v2", Floor(0.5, 0.01, 28, 10), by="ann")
    async with home.database.acquire() as connection:
        await connection.execute(
            "UPDATE models SET champion_since = now() - interval '20 days' WHERE version = 'v2'"
        )


def keeper(home):
    """Judges when it is asked to."""
    return FloorKeeper(home.register, home.outcomes, every_s=3_600)


def test_a_champion_that_finds_too_little_rolls_back_by_itself(at_home):
    """With a row that says why; the alarm stays up until people have promoted another."""

    async def body(home):
        await _two_champions(home)
        await _decide(home, "v2", 2_000, score="random() * 0.5")
        await _decide(home, "v2", 6, score="0.1", verdict=1)
        await _decide(home, "v2", 4, score="0.9", verdict=2)
        judging = keeper(home)
        await judging.judge()
        standing = await home.register.standing()
        assert standing.champion == "v1" and judging.rollbacks == 1 and judging.alarm
        fell = next(change for change in await home.register.changes("v2") if change.action == "roll back")
        assert fell.who == INSTALLATION and fell.why.startswith(
            "recall 0.4000 on 10 frauds, beside 2000 genuine"
        )
        await judging.judge()
        assert judging.alarm and judging.rollbacks == 1
        await home.register.shadow("v2", by="ann")
        await home.approve("v2", Action.PROMOTE)
        await judging.judge()
        assert not judging.alarm and judging.champion == "v2"

    at_home(body)


@pytest.mark.parametrize(
    ("case", "frauds"),
    [
        ("it finds enough", {"score": "0.9", "verdict": 1}),
        ("another decided", {"model": "v1"}),
        ("decided before it was champion", {"age": "21 days"}),
        ("labels of long ago", {"age": "19 days", "label_age": "30 days"}),
        ("false positives", {"verdict": 3}),
        ("too few", {"count": 9}),
    ],
)
def test_a_champion_stays_when_labels_do_not_speak_against_it(at_home, case, frauds):
    """Whatever else there is."""

    async def body(home):
        await _two_champions(home)
        await _decide(home, "v2", 2_000, score="random() * 0.5")
        await _decide(home, **{"model": "v2", "count": 20, "score": "0.1", "verdict": 1} | frauds)
        judging = keeper(home)
        await judging.judge()
        assert (await home.register.standing()).champion == "v2", case
        assert judging.rollbacks == 0 and not judging.alarm

    at_home(body)


def test_a_champion_with_nobody_before_it_stays_and_the_alarm_sounds_once(at_home):
    """A row, not one at each look."""

    async def body(home):
        await home.promote("v1")
        await home.register.set_floor("v1", Floor(0.5, 0.01, 28, 10), by="ann")
        await _decide(home, "v1", 1_000, score="random() * 0.5")
        await _decide(home, "v1", 20, score="0.1", verdict=1)
        async with home.database.acquire() as connection:
            await connection.execute("UPDATE models SET champion_since = now() - interval '2 days'")
        judging = keeper(home)
        for _ in range(3):
            await judging.judge()
        assert judging.alarm and judging.champion == "v1"
        told = [change for change in await home.register.changes("v1") if change.action == FALL]
        assert len(told) == 1 and "no champion before v1" in told[0].why

    at_home(body)


def test_a_label_told_later_counts(at_home):
    """Fraud that turns out to be a false positive is not held against the champion."""

    async def body(home):
        await _two_champions(home)
        await _decide(home, "v2", 2_000, score="random() * 0.5")
        await _decide(home, "v2", 20, score="0.1", verdict=1)
        async with home.database.acquire() as connection:
            await connection.execute(
                "INSERT INTO labels (authorization_id, verdict, report_id, learnt_at, received_at, source, reported_by, sender) "
                "SELECT authorization_id, 3, '', now(), now(), 'test', 'ann', 0 FROM labels"
            )
        found = await stand(home.outcomes, await home.register.find("v2"))
        assert (found.frauds, found.recall, found.fallen) == (0, None, False)

    at_home(body)


class AwayRegister:
    """A register whose PostgreSQL never answers; says when it was asked three times."""

    def __init__(self):
        self.asked = 0
        self.asked_enough = asyncio.Event()

    async def versions(self):
        """Nobody there."""
        self.asked += 1
        if self.asked == 3:
            self.asked_enough.set()
        raise StoreUnavailableError("away")


def test_judging_goes_on_while_postgresql_is_away(run):
    """It is asked again and again."""

    async def body():
        register = AwayRegister()
        task = asyncio.create_task(FloorKeeper(register, None, every_s=0.0).run())
        await asyncio.wait_for(register.asked_enough.wait(), 10)
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task

    run(body())
