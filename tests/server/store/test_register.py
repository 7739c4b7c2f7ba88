"""The register of models: who may do what, in which order, and that it is told at once."""

import asyncio
import contextlib

import asyncpg
import pytest

from scoring.floor import Floor
from scoring.manifest import ModelError
from scoring.registry import Action, RegistryError, State
from server.store.database import Database
from server.store.register import INSTALLATION, Register
from tests.server.fraud.versions import spoil, version

WAIT_S = 10


@pytest.fixture
def registering(run, database_url, tmp_path):
    """Runs `body(register, make)` on a register of its own; `make(name)` is the folder of a version."""

    def runner(body):
        async def opened():
            async with Database(database_url) as database:
                register = Register(database, tmp_path / "home")
                return await body(register, lambda name: version(tmp_path / "trained", name))

        return run(opened())

    return runner


async def _promoted(register, folder):
    """A version brought all the way by Ann and Bob."""
    name = await register.add(folder, by="ann")
    await register.shadow(name, by="ann")
    await register.propose(name, Action.PROMOTE, by="ann", why="better")
    await register.approve(name, by="bob", why="agreed")
    return name


async def _states(register):
    return {model.version: str(model.state) for model in await register.versions()}


def test_the_model_that_comes_with_the_package_is_champion_once(registering):
    """At the first start; a later one finds it, and does not bring it back once people have chosen another."""

    async def body(register, make):
        folder = make("shipped")
        await register.begin(folder)
        await register.begin(folder)
        assert await _states(register) == {"shipped": "champion"}
        await _promoted(register, make("v1"))
        await register.begin(folder)
        await register.begin(make("shipped2"))
        assert await _states(register) == {"shipped": "retired", "v1": "champion", "shipped2": "candidate"}
        begun = [change for change in await register.changes("shipped") if change.action == "begin"]
        assert [(change.who, change.to_state) for change in begun] == [(INSTALLATION, "champion")]

    registering(body)


def test_a_promotion_needs_two_people(registering):
    """Who proposed it can't approve it, however the name is written; nobody can approve what nobody proposed."""

    async def body(register, make):
        name = await register.add(make("v1"), by="ann")
        with pytest.raises(RegistryError, match="v1 is candidate: promote is for what is shadow"):
            await register.propose(name, Action.PROMOTE, by="ann")
        await register.shadow(name, by="ann")
        with pytest.raises(RegistryError, match="nothing is proposed"):
            await register.approve(name, by="bob")
        await register.propose(name, Action.PROMOTE, by="ann")
        for same in ("ann", "Ann", " ANN "):
            with pytest.raises(RegistryError, match="needs somebody else"):
                await register.approve(name, by=same)
        assert (await register.find(name)).state == State.SHADOW
        await register.approve(name, by="bob")
        model = await register.find(name)
        assert model.state == State.CHAMPION and model.proposal is None and model.champion_since is not None
        last = (await register.changes(name))[0]
        assert (last.action, last.who, last.proposed_by) == ("promote", "bob", "ann")

    registering(body)


def test_postgresql_itself_refuses_a_promotion_by_one_person(registering):
    """Whoever writes past this program."""

    async def body(register, make):
        name = await register.add(make("v1"), by="ann")
        async with register._database.acquire() as connection:
            for who, proposer in (("ann", "ann"), ("Ann", "ann"), ("ann", None)):
                with pytest.raises(asyncpg.CheckViolationError):
                    await connection.execute(
                        "INSERT INTO model_changes (version, action, to_state, share, who, proposed_by, why) "
                        "VALUES ($1, 'promote', 'champion', 0, $2, $3, '')",
                        name,
                        who,
                        proposer,
                    )
            for statement in ("UPDATE model_changes SET who = 'eve'", "DELETE FROM model_changes"):
                with pytest.raises(asyncpg.RaiseError, match="never changed"):
                    await connection.execute(statement)

    registering(body)


def test_a_rollback_goes_back_one_champion_at_a_time(registering):
    """At once, by one person; who was rolled back is retired, and no later rollback finds it."""

    async def body(register, make):
        for name in ("v1", "v2", "v3"):
            await _promoted(register, make(name))
        assert await register.roll_back(by="cid", why="complaints") == ("v3", "v2")
        assert await _states(register) == {"v1": "retired", "v2": "champion", "v3": "retired"}
        assert await register.roll_back(by="cid") == ("v2", "v1")
        with pytest.raises(RegistryError, match="no champion before v1"):
            await register.roll_back(by="cid")
        went = (await register.changes("v3"))[0]
        assert (went.action, went.who, went.why) == ("roll back", "cid", "complaints")

    registering(body)


def test_champions_that_took_turns_are_rolled_back_without_a_circle(registering):
    """A, B, then A again: from A back to B, and from there to nobody who failed."""

    async def body(register, make):
        for name in ("a", "b"):
            await _promoted(register, make(name))
        await register.shadow("a", by="ann")
        await register.propose("a", Action.PROMOTE, by="ann")
        await register.approve("a", by="bob")
        assert await register.roll_back(by="cid") == ("a", "b")
        with pytest.raises(RegistryError, match="no champion before b"):
            await register.roll_back(by="cid")

    registering(body)


def test_a_rollback_of_a_champion_that_has_gone_by_now_does_nothing(registering):
    """Two servers that judge at once roll back once."""

    async def body(register, make):
        for name in ("v1", "v2"):
            await _promoted(register, make(name))
        done = await asyncio.gather(
            *(register.roll_back(by=INSTALLATION, champion="v2") for _ in range(2)), return_exceptions=True
        )
        assert [found for found in done if not isinstance(found, Exception)] == [("v2", "v1")]
        assert "the champion is v1 by now" in str(next(f for f in done if isinstance(f, Exception)))

    registering(body)


def test_a_version_whose_files_were_changed_goes_nowhere(registering):
    """Neither shadow, nor proposed, nor approved, nor back."""

    async def body(register, make):
        for name in ("v1", "v2"):
            await _promoted(register, make(name))
        await register.add(make("v3"), by="ann")
        await register.add(make("v4"), by="ann")
        await register.shadow("v4", by="ann")
        await register.propose("v4", Action.PROMOTE, by="ann")
        for name in ("v1", "v3", "v4"):
            spoil(register.root / name)
        for refused in (
            register.shadow("v3", by="ann"),
            register.propose("v4", Action.CHALLENGE, share=1, by="ann"),
            register.approve("v4", by="bob"),
            register.roll_back(by="ann"),
        ):
            with pytest.raises(ModelError, match="changed or truncated since it was registered"):
                await refused
        assert await _states(register) == {
            "v1": "retired",
            "v2": "champion",
            "v3": "candidate",
            "v4": "shadow",
        }

    registering(body)


def test_a_challenger_decides_for_a_share_by_two_people_and_stops_by_one(registering):
    """There is one at a time."""

    async def body(register, make):
        await _promoted(register, make("v1"))
        for name in ("v2", "v3"):
            await register.add(make(name), by="ann")
            await register.shadow(name, by="ann")
            await register.propose(name, Action.CHALLENGE, share=500, by="ann")
        await register.approve("v2", by="bob")
        with pytest.raises(RegistryError, match="v2 is challenger already"):
            await register.approve("v3", by="bob")
        standing = await register.standing()
        assert (standing.champion, standing.challenger, standing.share) == ("v1", "v2", 500)
        assert standing.shadows == ("v2", "v3")
        await register.end_challenge("v2", by="ann")
        assert (await register.standing()).challenger is None
        with pytest.raises(RegistryError, match="v2 is no challenger"):
            await register.end_challenge("v2", by="ann")

    registering(body)


def test_a_challenger_that_is_promoted_is_no_challenger_any_more(registering):
    """And what was proposed of others falls with the champion it was meant to replace."""

    async def body(register, make):
        await _promoted(register, make("v1"))
        for name in ("v2", "v3"):
            await register.add(make(name), by="ann")
            await register.shadow(name, by="ann")
        await register.propose("v2", Action.CHALLENGE, share=500, by="ann")
        await register.approve("v2", by="bob")
        for name in ("v2", "v3"):
            await register.propose(name, Action.PROMOTE, by="ann")
        await register.approve("v2", by="bob")
        standing = await register.standing()
        assert (standing.champion, standing.challenger, standing.share) == ("v2", None, 0)
        with pytest.raises(RegistryError, match="nothing is proposed for v3"):
            await register.approve("v3", by="bob")

    registering(body)


@pytest.mark.parametrize(
    ("do", "complaint"),
    [
        (lambda register: register.find("nobody"), "no version 'nobody' is registered"),
        (lambda register: register.shadow("nobody", by="ann"), "no version 'nobody'"),
        (lambda register: register.shadow("v1", by="  "), "by must name a person"),
        (lambda register: register.shadow("v1", by="x" * 65), "by must name a person"),
        (lambda register: register.shadow("v1", by="ann\nbob"), "by must name a person"),
        (lambda register: register.shadow("v1", by="ann", why="x" * 501), "why may have 500"),
        (lambda register: register.propose("v1", Action.CHALLENGE, share=0, by="ann"), "share must be 1 to"),
        (lambda register: register.propose("v1", Action.CHALLENGE, share=10_001, by="ann"), "share must be"),
        (lambda register: register.roll_back(by="ann"), "no champion to roll back from"),
        (lambda register: register.withdraw("v1", by="ann"), "nothing is proposed"),
        (lambda register: register.end_challenge("v1", by="ann"), "no challenger"),
    ],
)
def test_what_can_not_be_done_is_refused_with_the_reason(registering, do, complaint):
    """Nothing has changed then."""

    async def body(register, make):
        await register.add(make("v1"), by="ann")
        before = await register.versions(), await register.changes()
        with pytest.raises(RegistryError, match=complaint):
            await do(register)
        assert (await register.versions(), await register.changes()) == before

    registering(body)


def test_a_version_that_was_retired_comes_again_by_way_of_shadow(registering):
    """A withdrawn proposal leaves it there."""

    async def body(register, make):
        await register.add(make("v1"), by="ann")
        await register.retire("v1", by="ann", why="tried")
        await register.shadow("v1", by="bob")
        await register.propose("v1", Action.PROMOTE, by="bob")
        await register.withdraw("v1", by="bob")
        model = await register.find("v1")
        assert (model.state, model.proposal, model.changed_by) == (State.SHADOW, None, "bob")
        actions = [change.action for change in await register.changes("v1")]
        assert actions == ["withdraw promote", "propose promote", "shadow", "retire", "add"]

    registering(body)


def test_no_more_versions_shadow_than_the_path_beside_can_bear(registering):
    """Four."""

    async def body(register, make):
        for number in range(5):
            await register.add(make(f"v{number}"), by="ann")
        for number in range(4):
            await register.shadow(f"v{number}", by="ann")
        with pytest.raises(RegistryError, match="4 versions are shadow already"):
            await register.shadow("v4", by="ann")

    registering(body)


def test_a_floor_is_set_and_its_change_is_kept(registering):
    """The first one comes from the manifest."""

    async def body(register, make):
        await register.add(make("v1"), by="ann")
        assert (await register.find("v1")).floor == Floor(0.45)
        await register.set_floor("v1", Floor(0.6, 0.001, 14, 100), by="bob", why="stricter")
        assert (await register.find("v1")).floor == Floor(0.6, 0.001, 14, 100)
        await register.set_floor("v1", Floor(None), by="bob")
        assert (await register.find("v1")).floor.recall is None
        kept = (await register.changes("v1"))[1]
        assert (
            kept.action.startswith("floor recall 0.6 at a false-positive rate of 0.001") and kept.who == "bob"
        )

    registering(body)


def test_a_change_is_told_without_asking_when_it_commits(registering, monkeypatch):
    """Long before a follower would look by itself."""
    monkeypatch.setattr("server.store.register.POLL_S", 3_600)

    async def body(register, make):
        told = asyncio.Queue()
        task = asyncio.create_task(register.follow(told.put))
        try:
            assert (await asyncio.wait_for(told.get(), WAIT_S)).champion is None
            await register.begin(make("v1"))
            while (await asyncio.wait_for(told.get(), WAIT_S)).champion != "v1":
                pass
            await _promoted(register, make("v2"))
            while (await asyncio.wait_for(told.get(), WAIT_S)).champion != "v2":
                pass
        finally:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task

    registering(body)
