"""The models in use follow the register, whatever happens to files and PostgreSQL."""

import asyncio
import contextlib
import json

import pytest

from scoring import registry
from scoring.drift import reference_of, write_reference
from scoring.features import FEATURE_NAMES
from scoring.registry import Action
from server.fraud.watch import Watch
from server.store.register import Standing
from tests.server.fraud.decisions import decided
from tests.server.fraud.versions import spoil

WAIT_S = 10


class Core:
    """Stands for the core: keeps what it was told to use."""

    def __init__(self):
        self.told = []
        self._changed = asyncio.Event()

    def use(self, champion, challenger, share):
        """As Risk.use."""
        names = [None if model is None else model.version for model in (champion, challenger)]
        self.told.append((*names, share))
        self._changed.set()

    async def until(self, wanted):
        """Waits, bounded, until that is in use."""
        async with asyncio.timeout(WAIT_S):
            while not self.told or self.told[-1] != wanted:
                self._changed.clear()
                await self._changed.wait()


@contextlib.asynccontextmanager
async def running(watch):
    """The watch, followed in the background."""
    task = asyncio.create_task(watch.run())
    try:
        yield
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


def test_the_first_start_takes_the_model_that_comes_with_the_package(at_home):
    """Its files are copied into the home, and it is champion."""

    async def body(home):
        core = Core()
        watch = Watch(home.register, core.use)
        await watch.open(database_is_there=True)
        shipped = registry.shipped().name
        assert core.told == [(shipped, None, 0)]
        assert registry.versions(home.register.root) == [shipped]
        assert watch.using.champion.version == shipped

    at_home(body)


def test_what_people_decide_is_in_use_at_once(at_home):
    """Promotion, challenger, rollback, one after the other, while the server runs."""

    async def body(home):
        core = Core()
        watch = Watch(home.register, core.use)
        await home.promote("v1")
        await watch.open(database_is_there=True)
        async with running(watch):
            await core.until(("v1", None, 0))
            await home.shadow("v2", intercept=1.0)
            await home.approve("v2", Action.CHALLENGE, 500)
            await core.until(("v1", "v2", 500))
            assert [model.version for model in watch.using.shadows] == ["v2"]
            await home.approve("v2", Action.PROMOTE)
            await core.until(("v2", None, 0))
            await home.register.roll_back(by="cid")
            await core.until(("v1", None, 0))
        assert watch.swaps == 2

    at_home(body)


def test_a_start_without_postgresql_keeps_its_champion(at_home):
    """And its challenger, from what was known last."""

    async def body(home):
        await home.promote("v1")
        await home.shadow("v2")
        await home.approve("v2", Action.CHALLENGE, 100)
        await Watch(home.register, Core().use).open(database_is_there=True)
        core = Core()
        await Watch(home.register, core.use).open(database_is_there=False)
        assert core.told == [("v1", "v2", 100)]

    at_home(body)


@pytest.mark.parametrize("harm", ["gone", "no JSON", "another format", "another shape"])
def test_a_start_that_knows_nothing_answers_unscored(at_home, harm):
    """PostgreSQL away, and the file of what was known is gone or unreadable."""

    async def body(home):
        await home.promote("v1")
        await Watch(home.register, Core().use).open(database_is_there=True)
        path = home.register.root / "standing.json"
        known = json.loads(path.read_text())
        if harm == "gone":
            path.unlink()
        else:
            texts = {
                "no JSON": "{",
                "another format": json.dumps({**known, "format": 9}),
                "another shape": json.dumps({**known, "surprise": 1}),
            }
            path.write_text(texts[harm])
        core = Core()
        watch = Watch(home.register, core.use)
        await watch.open(database_is_there=False)
        assert core.told == [(None, None, 0)] and watch.using.champion is None

    at_home(body)


def test_a_champion_with_changed_files_is_refused_at_the_start(at_home):
    """The server answers unscored and says why; once the files are back, it scores."""

    async def body(home):
        await home.promote("v1")
        folder = home.register.root / "v1"
        whole = {path: path.read_bytes() for path in folder.iterdir()}
        spoil(folder)
        core = Core()
        watch = Watch(home.register, core.use)
        await watch.open(database_is_there=True)
        assert core.told == [(None, None, 0)]
        assert "changed or truncated since it was registered" in watch.faults["v1"]
        for path, content in whole.items():
            path.write_bytes(content)
        await watch.apply(watch.standing)
        assert core.told[-1] == ("v1", None, 0) and not watch.faults

    at_home(body)


def test_a_champion_that_can_not_be_loaded_leaves_the_one_before_in_use(at_home):
    """A swap never takes the scores away."""

    async def body(home):
        await home.promote("v1")
        core = Core()
        watch = Watch(home.register, core.use)
        await watch.open(database_is_there=True)
        await home.promote("v2")
        spoil(home.register.root / "v2")
        await watch.apply(await home.register.standing())
        assert core.told[-1] == ("v1", None, 0) and list(watch.faults) == ["v2"]

    at_home(body)


def test_a_folder_set_by_hand_decides_and_the_register_is_left_alone(at_home):
    """A replay's, a benchmark's; a broken one is said to be."""

    async def body(home):
        core = Core()
        folder = home.make("mine")
        watch = Watch(home.register, core.use, override=folder)
        await watch.open(database_is_there=True)
        await asyncio.wait_for(watch.run(), WAIT_S)
        assert core.told[-1][1:] == (None, 0) and core.told[-1][0] == "mine"
        assert await home.register.versions() == []
        assert (await watch.fetch("mine")).version == "mine"
        spoil(folder)
        broken = Watch(home.register, core.use, override=folder)
        await broken.open(database_is_there=True)
        assert core.told[-1] == (None, None, 0) and "changed or truncated" in broken.faults["mine"]

    at_home(body)


def test_what_an_earlier_champion_decided_can_still_be_explained(at_home):
    """Its files are here: it is loaded when it is asked for; what never was here is not."""

    async def body(home):
        for name in ("v1", "v2"):
            await home.promote(name)
        watch = Watch(home.register, Core().use)
        await watch.open(database_is_there=True)
        assert (await watch.fetch("v1")).version == "v1"
        assert await watch.fetch("v0") is None and await watch.fetch("") is None

    at_home(body)


def test_a_champion_brings_the_reference_that_it_learnt_from(at_home):
    """Where its folder has one."""

    async def body(home):
        folder = home.make("v1")
        intents, _ = decided(100)
        features = intents["features"][:, : len(FEATURE_NAMES)]
        write_reference(folder, reference_of(features, intents["score"]))
        await home.register.begin(folder)
        watch = Watch(home.register, Core().use)
        await watch.apply(await home.register.standing())
        assert watch.using.reference.columns[-1] == "score"
        await watch.apply(Standing())
        assert watch.using.reference is None

    at_home(body)
