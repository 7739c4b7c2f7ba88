"""The dock before a real core: fronts come and go, and what they answered is taken over before anything else."""

import asyncio
import shutil
import stat
import tempfile
import time
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from server.core.disown import Disowned
from server.core.names import Names
from server.core.parcel import Parcel
from server.core.record import REQUEST_VERSION
from server.dock.dock import Dock, take_all_left
from server.dock.kept import Kept, kept_fronts, kept_path
from server.dock.remote import RemoteCore, RemoteLimits
from tests.server.core.scene import Core, directory, purchase

WAIT_S = 60


async def no_calls(_method, _identities, _raw):
    """Nothing is asked beside authorizations."""
    return False, b""


class Front:
    """A front's side, in this process; `cut` it and it is away, as by a kill."""

    def __init__(self, path, number):
        self.names = Names()
        self.core = RemoteCore(
            path, number, self.names, away_code=b"91", default_ms=60_000, limits=RemoteLimits()
        )
        self.task = asyncio.ensure_future(self.core.run())

    async def cut(self):
        self.task.cancel()
        await asyncio.wait((self.task,))

    def come_back(self):
        self.task = asyncio.ensure_future(self.core.run())

    async def ready(self):
        await asyncio.wait_for(self.core.welcomed.wait(), WAIT_S)
        return self

    def send(self, *requests):
        """A future of the response codes, in order."""
        batch = np.concatenate(requests)
        batch["deadline_ms"] = 60_000
        found = {}
        future = asyncio.get_running_loop().create_future()

        def deliver(places, decisions):
            found.update(zip(places, decisions["response_code"].tolist(), strict=True))
            if len(found) == len(batch):
                future.set_result([found[place].decode() for place in range(len(batch))])

        self.core.submit(Parcel(batch.tobytes(), list(range(len(batch))), deliver, future.set_exception))
        return asyncio.wait_for(future, WAIT_S)


@pytest.fixture
def run(tmp_path):
    """Runs an act with a core, and the path of its dock."""
    folder = Path(tempfile.mkdtemp(prefix="dock-"))

    def runs(act):
        async def whole():
            core = await Core(tmp_path, directory()).start()
            try:
                return await act(core, folder / "core.sock")
            finally:
                await core.stop()

        return asyncio.run(whole())

    yield runs
    shutil.rmtree(folder)


async def docked(core, path, fronts):
    """An open dock of this core."""
    dock = Dock(path, core.authorizer, core.controls.names, no_calls, fronts=fronts)
    await dock.open()
    return dock


def test_requests_are_welcome_while_a_front_is_there_that_takes_them(run):
    """Not before the first has come and listens, nor while fronts drain, nor once the last has gone."""

    async def act(core, path):
        dock = await docked(core, path, 1)
        seen = [dock.is_open]
        front = await Front(path, 0).ready()
        await front.send(purchase(0))
        seen.append(dock.is_open)
        dock.standing.take({"connections": {"0": 0}, "core_restarts": 3, "core_spares": 1})
        seen.append(dock.is_open)
        dock.standing.take({"draining": True})
        seen.append(dock.is_open)
        shown = {family.name: family.read() for family in dock.standing.families()}
        assert shown["holdfast_core_restarts_total"] == {(): 3.0}
        assert shown["holdfast_core_spares"] == {(): 1.0}
        dock.standing.take({"draining": False})
        await front.cut()
        async with asyncio.timeout(WAIT_S):
            while dock.fronts:  # noqa: ASYNC110 - the dock tells nobody
                await asyncio.sleep(0)
        seen.append(dock.is_open)
        await dock.close(WAIT_S)
        return seen

    assert run(act) == [False, False, True, False, False]


def test_fronts_get_the_cores_answers_and_its_names(run):
    """Two fronts at one core; the socket is its owner's alone."""

    async def act(core, path):
        core.controls.names.take({1: "daily"}, {})
        dock = await docked(core, path, 2)
        fronts = [await Front(path, number).ready() for number in range(2)]
        asked = purchase(0)
        said = await asyncio.gather(fronts[0].send(asked, purchase(99)), fronts[1].send(purchase(1)))
        repeat = await fronts[1].send(asked)
        mode = stat.S_IMODE(path.stat().st_mode)
        here = dock.fronts
        await dock.close(1.0)
        for front in fronts:
            await front.cut()
        return said, repeat, mode, here, fronts[1].names.limits(np.array([1])), path.exists()

    said, repeat, mode, here, names, left = run(act)
    assert said == [["00", "14"], ["00"]]
    assert repeat == ["00"]
    assert (mode, here, names, left) == (0o600, [0, 1], ["daily"], False)


def test_no_repeat_gets_an_approval_that_a_front_has_answered_when_the_core_comes_back(run):
    """The second front is there first and asks again: it waits until the first has said what it answered."""

    async def act(core, path):
        dock = await docked(core, path, 2)
        first, second = [await Front(path, number).ready() for number in range(2)]
        asked = purchase(0)
        # The core approves; its answer is lost with the connection.
        decided = asyncio.Event()
        core.authorizer.on_decided = lambda _intents, _decisions: decided.set()
        lost = first.send(asked)
        first.core._take_answers = lambda _body: None
        await asyncio.wait_for(decided.wait(), WAIT_S)
        del first.core._take_answers
        await dock.close(1.0)
        told = await lost
        await first.cut()
        await second.cut()
        # Answers told to repeats are forgotten with the process.
        core.authorizer._disowned = Disowned(core.authorizer._release)
        dock = await docked(core, path, 2)
        second.core.welcomed.clear()
        second.come_back()
        await second.ready()
        repeat = asyncio.ensure_future(second.send(asked, purchase(1)))
        await asyncio.sleep(0)
        first.come_back()
        codes = await repeat
        whole = await second.send(purchase(0, amount_minor=100_000))
        await dock.close(1.0)
        for front in (first, second):
            await front.cut()
        return told, codes, whole, dock.disowned

    assert run(act) == (["91"], ["91", "00"], ["00"], 1)


def test_the_core_decides_what_a_dead_front_left_and_serves_the_others(run):
    """Its answer is dropped; whoever asks again by another front gets it."""

    async def act(core, path):
        dock = await docked(core, path, 2)
        first, second = [await Front(path, number).ready() for number in range(2)]
        asked = purchase(0)
        decided = asyncio.Event()
        core.authorizer.on_decided = lambda _intents, _decisions: decided.set()
        left = asyncio.ensure_future(first.send(asked))
        await asyncio.sleep(0)
        await asyncio.wait_for(decided.wait(), WAIT_S)
        await first.cut()
        left.cancel()
        repeat = await second.send(asked)
        await dock.close(1.0)
        await second.cut()
        return repeat

    assert run(act) == ["00"]


def of_today(request):
    """As a front writes it."""
    request["version"] = REQUEST_VERSION
    return request


def test_what_a_killed_front_had_answered_stands(run):
    """It was killed between its answer and telling the core: the core reads the file that it leaves."""

    async def act(core, path):
        dock = await docked(core, path, 2)
        killed, other = [await Front(path, number).ready() for number in range(2)]
        asked = of_today(purchase(0))
        killed.core._kept.put([asked.tobytes()], b"91")
        await killed.cut()
        while 0 in dock.fronts:  # noqa: ASYNC110 - the dock tells nobody
            await asyncio.sleep(0)
        repeat = await other.send(asked, purchase(1))
        successor = await Front(path, 0).ready()
        await asyncio.wait_for(core.authorizer.drain(), WAIT_S)
        while successor.core._kept.count:  # noqa: ASYNC110 - nor does a front
            await asyncio.sleep(0)
        again = await successor.send(asked)
        left = kept_path(path.parent, 0).stat().st_size
        await dock.close(1.0)
        for front in (other, successor):
            await front.cut()
        return repeat, again, left

    assert run(act) == (["91", "00"], ["91"], 0)


async def told_by_another(core, path, *, is_passed):
    """One front has an approval and dies; another answers the retry itself. What a repeat gets then."""
    dock = await docked(core, path, 2)
    first, other = [await Front(path, number).ready() for number in range(2)]
    asked = of_today(purchase(0))
    assert await first.send(asked) == ["00"]
    (berth,) = [berth for berth in dock._berths.values() if berth.number == 0]
    while is_passed and len(berth.unpassed()):  # noqa: ASYNC110 - it tells nobody
        await asyncio.sleep(0)
    first.core._passage.send = lambda *_frame: None  # who is killed says nothing more
    await first.cut()
    while 0 in dock.fronts:  # noqa: ASYNC110 - the dock tells nobody
        await asyncio.sleep(0)
    retry = asked.copy()
    retry["arrival_ns"] = time.time_ns()
    other.core._kept.put([retry.tobytes()], b"91")
    other.core._tell_kept()
    while other.core._kept.count:  # noqa: ASYNC110 - nor does a front
        await asyncio.sleep(0)
    codes = await other.send(asked, purchase(0, amount_minor=100_000))
    await dock.close(1.0)
    await other.cut()
    return codes


def test_what_a_killed_front_may_not_have_passed_on_goes_when_the_retry_was_answered_by_another(run):
    """The sender has heard 91 alone: nothing stays held."""
    assert run(partial(told_by_another, is_passed=False)) == ["91", "00"]


def test_what_a_killed_front_had_passed_on_stands_when_its_copy_was_answered_by_another(run):
    """The sender has heard 00, and whoever asks again gets that."""
    assert run(partial(told_by_another, is_passed=True)) == ["00", "51"]


def test_a_front_that_has_just_started_asks_the_core_before_it_answers_itself(run):
    """The front before it was killed with an approval on its way: the repeat gets that, not 91."""

    async def act(core, path):
        dock = await docked(core, path, 1)
        killed = await Front(path, 0).ready()
        asked = of_today(purchase(0))
        decided = asyncio.Event()
        core.authorizer.on_decided = lambda _intents, _decisions: decided.set()
        killed.core._take_answers = lambda _body: None
        lost = killed.send(asked)
        await asyncio.wait_for(decided.wait(), WAIT_S)
        killed.core._answer_here = lambda _parcel, _places: None
        await killed.cut()
        lost.close()
        successor = Front(path, 0)
        codes = await successor.send(asked, purchase(1))
        await dock.close(1.0)
        await successor.cut()
        return codes

    assert run(act) == ["00", "00"]


def test_what_a_front_had_answered_stands_when_it_does_not_come_back_in_time(run, monkeypatch):
    """Its retry by another front waits for that one, and then for what its file says."""
    monkeypatch.setattr("server.dock.dock.PATIENCE_S", 0.2)

    async def act(core, path):
        asked = of_today(purchase(0))
        Kept(10, kept_path(path.parent, 1)).put([asked.tobytes()], b"N0")
        again = asked.copy()
        again["arrival_ns"] += 1
        dock = Dock(path, core.authorizer, Names(), no_calls, fronts=2)
        await dock.open()
        front = await Front(path, 0).ready()
        codes = await front.send(again, purchase(1))
        await dock.close(1.0)
        await front.cut()
        return codes

    assert run(act) == ["N0", "00"]


def test_a_front_that_finds_no_core_when_it_starts_answers_itself(run):
    """As soon as its first try has failed."""

    async def act(_core, path):
        front = Front(path, 0)
        codes = await front.send(of_today(purchase(0)))
        await front.cut()
        return codes

    assert run(act) == ["91"]


def test_what_fronts_answered_that_never_come_back_stands(run):
    """There were more of them before: their files go once the core has what they hold."""

    async def act(core, path):
        asked = of_today(purchase(0))
        gone = Kept(10, kept_path(path.parent, 5))
        gone.put([asked.tobytes()], b"N0")
        Kept(10, kept_path(path.parent, 1)).put([of_today(purchase(1)).tobytes()], b"91")
        take_all_left(core.authorizer, path.parent, 2)
        await asyncio.wait_for(core.authorizer.drain(), WAIT_S)
        return await core.codes(asked), kept_fronts(path.parent)

    assert run(act) == (["N0"], [1])
