"""What this room's tests share: a register on a database of its own."""

import asyncio
from types import SimpleNamespace

import pytest

from scoring.registry import Action
from server.store.database import Database
from server.store.outcomes import Outcomes
from server.store.register import Register
from tests.server.fraud.versions import version

TEST_TIMEOUT_S = 60


@pytest.fixture
def run():
    """Runs a coroutine to its end, within TEST_TIMEOUT_S."""

    def runner(coroutine):
        return asyncio.run(asyncio.wait_for(coroutine, TEST_TIMEOUT_S))

    return runner


class Home(SimpleNamespace):
    """A register and its outcomes on an open database; versions are made as they are asked for."""

    def make(self, name, **options):
        """The folder of a trained version."""
        return version(self.trained, name, **options)

    async def shadow(self, name, **options):
        """A version that shadows."""
        await self.register.add(self.make(name, **options), by="ann")
        await self.register.shadow(name, by="ann")

    async def promote(self, name, **options):
        """A version brought all the way by two people."""
        await self.shadow(name, **options)
        await self.approve(name, Action.PROMOTE)

    async def approve(self, name, action, share=0):
        """What Ann proposes, Bob approves."""
        await self.register.propose(name, action, share=share, by="ann")
        await self.register.approve(name, by="bob")


@pytest.fixture
def at_home(run, database_url, tmp_path):
    """Runs `body(home)` beside an open database of its own."""

    def runner(body):
        async def opened():
            async with Database(database_url) as database:
                return await body(
                    Home(
                        database=database,
                        register=Register(database, tmp_path / "home" / "models"),
                        outcomes=Outcomes(database),
                        trained=tmp_path / "trained",
                    )
                )

        return run(opened())

    return runner
