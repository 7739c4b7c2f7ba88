"""Shadows score the same traffic, and what they say is kept beside what decided."""

import asyncio
from types import SimpleNamespace

import numpy as np
import pytest

from scoring.model import Model
from server.fraud import shadow as shadow_room
from server.fraud.onlookers import seen
from server.fraud.shadow import Shadow
from server.fraud.watch import Using
from server.store.postgres import StoreUnavailableError
from tests.server.fraud.decisions import decided
from tests.server.fraud.versions import version


@pytest.fixture
def shadows(tmp_path):
    """Two shadows, and a watch that has them in use."""
    models = tuple(
        Model.load(version(tmp_path / "shadows", name, intercept=shift))
        for name, shift in (("s1", 0.0), ("s2", 2.0))
    )
    return SimpleNamespace(models=models, watch=SimpleNamespace(using=Using(shadows=models)))


class AwayOutcomes:
    """PostgreSQL that does not answer until it is told to."""

    def __init__(self):
        self.away = True
        self.kept = []

    async def keep(self, parts):
        """Keeps them, or is away."""
        if self.away:
            raise StoreUnavailableError("away")
        self.kept += parts

    async def forget(self):
        """Nothing to forget."""


def test_both_scores_of_each_authorization_are_kept(at_home, shadows):
    """To the bit, with who decided, and whether it was fraud once a label says so."""

    async def body(home):
        shadow = Shadow(home.outcomes, shadows.watch)
        intents, decisions = decided(50)
        intents["score"][7] = np.nan
        intents["model"][:5] = b"other"
        decisions["decision_ns"] = 0
        decisions["decision_ns"] += await _now_ns(home)
        shadow.look(seen([(intents, decisions)]))
        await shadow.act()
        await _label(home, [3, 4], 1)
        await _label(home, [4, 5], 3)
        for model in shadows.models:
            found = await home.outcomes.compared(model.version)
            order = np.argsort(found.scores)
            wanted = model.score(np.ascontiguousarray(intents["features"][:, : model_width(model)]))
            expected = np.argsort(wanted)
            assert np.array_equal(found.scores[order], wanted[expected])
            assert np.array_equal(found.decided_scores[order], intents["score"][expected], equal_nan=True)
            assert np.array_equal(found.is_fraud[order], (expected == 2))
            assert len(found.decided("other").scores) == 5 and len(found.decided("v1").scores) == 45
        assert shadow.scored == {"s1": 50, "s2": 50}

    at_home(body)


def model_width(model):
    """How many features it reads."""
    return len(model.manifest.features)


async def _now_ns(home):
    async with home.database.acquire() as connection:
        return int(await connection.fetchval("SELECT extract(epoch FROM now())::bigint")) * 1_000_000_000


async def _label(home, ids, verdict):
    async with home.database.acquire() as connection:
        for number in ids:
            await connection.execute(
                "INSERT INTO labels (authorization_id, verdict, report_id, learnt_at, received_at, source, reported_by, sender)"
                " VALUES (lpad(to_hex($1::int), 32, '0')::uuid, $2, '', now(), now(), 'test', 'ann', 0)",
                number,
                verdict,
            )


def test_scores_wait_while_postgresql_is_away_and_the_oldest_are_kept(run, shadows, monkeypatch):
    """Beyond a bound new ones are dropped and counted."""
    monkeypatch.setattr(shadow_room, "WAITING_MAX", 150)

    async def body():
        outcomes = AwayOutcomes()
        shadow = Shadow(outcomes, shadows.watch)
        shadow.look(seen([decided(50)]))
        await shadow.act()
        assert "away" in shadow.trouble
        shadow.look(seen([decided(50)]))
        assert shadow.dropped == 50
        outcomes.away = False
        await shadow.act()
        assert sum(map(len, outcomes.kept)) == 150 and not shadow.trouble
        await shadow.act()
        assert sum(map(len, outcomes.kept)) == 150

    run(body())


def test_old_scores_are_forgotten(at_home):
    """After a quarter."""

    async def body(home):
        async with home.database.acquire() as connection:
            for days in (1, 91, 93):
                await connection.execute(
                    "INSERT INTO shadow_scores VALUES (now() - make_interval(days => $1), gen_random_uuid(), 0.5, NULL, 's', '')",
                    days,
                )
        await home.outcomes.forget()
        found = await home.outcomes.compared("s", days=92)
        assert len(found.scores) == 2 and np.isnan(found.decided_scores).all()

    at_home(body)


def test_without_shadows_nothing_is_scored(run):
    """The usual day."""

    async def body():
        shadow = Shadow(AwayOutcomes(), SimpleNamespace(using=Using()))
        shadow.look(seen([decided(10)]))
        await asyncio.wait_for(shadow.act(), 10)
        assert shadow.scored == {} and not shadow.trouble

    run(body())
