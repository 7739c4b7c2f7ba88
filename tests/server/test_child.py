"""A process is kept running: started again when it dies, by a spare where one is prepared."""

import asyncio
import os
import signal
import sys

import pytest

from server import child
from server.child import Child

WAIT_S = 60.0

FRESH = "say('ready', by='a start'); sys.stdin.read()"
SPARE = (
    "say('prepared'); assert 'begin' in sys.stdin.readline(); say('ready', by='a spare'); sys.stdin.read()"
)
NEVER_PREPARED = "sys.stdin.read()"
HANGS_LATER = """
import asyncio, time
from server.overseen import oversee, say
class Running:
    failed = None
    async def close(self): pass
def stand_still(): time.sleep(600)
async def opening():
    say(ready=True, by="a start")
    Running.failed = asyncio.get_running_loop().create_future()
    asyncio.get_running_loop().call_later(2.5, stand_still)
    return Running()
asyncio.run(oversee(opening))
"""
SAYS_WHERE = "import faulthandler; faulthandler.enable(); " + FRESH
DEAF = "import signal; signal.signal(signal.SIGABRT, signal.SIG_IGN); " + FRESH


def program(text):
    """A process that speaks with who started it."""
    says = "import json, sys\ndef say(what, **more): print(json.dumps({what: True, **more}), flush=True)\n"
    return [sys.executable, "-c", says + text]


class Kept:
    """A child that runs, and what it has said."""

    def __init__(self, spare, fresh, hung_s):
        self.said = asyncio.Queue()
        again = program(fresh)
        self.child = Child("it", again, again, os.environ, self.said.put_nowait, spare=spare, hung_s=hung_s)
        self.running = asyncio.ensure_future(self.child.run())

    async def hear(self):
        """Who began."""
        async with asyncio.timeout(WAIT_S):
            return (await self.said.get())["by"]

    async def prepared(self):
        """Until a spare waits."""
        async with asyncio.timeout(WAIT_S):
            while not self.child.has_spare:  # noqa: ASYNC110 - a child tells only its log
                await asyncio.sleep(0)

    async def end(self):
        self.running.cancel()
        await self.child.end(WAIT_S)


@pytest.fixture
def run(monkeypatch):
    """Runs a test's coroutine on a child with this spare, which is prepared at once."""
    monkeypatch.setattr(child, "HEALTHY_S", 0.0)

    def run(act, *, spare=(), fresh=FRESH, hung_s=0.0):
        async def whole():
            kept = Kept(spare, fresh, hung_s)
            try:
                return await act(kept)
            finally:
                await kept.end()

        return asyncio.run(whole())

    return run


def test_without_a_spare_a_death_is_followed_by_a_start(run):
    """Again and again."""

    async def act(kept):
        began = [await kept.hear()]
        for _ in range(2):
            kept.child.process.kill()
            began.append(await kept.hear())
        assert not kept.child.has_spare
        return began, kept.child.restarts

    assert run(act) == (["a start"] * 3, 2)


def test_a_spare_that_is_prepared_follows_and_another_is_prepared(run):
    """The process that waited is the one that goes on; so with every death."""

    async def act(kept):
        began = [await kept.hear()]
        for _ in range(2):
            await kept.prepared()
            waiting = kept.child._spare._process
            kept.child.process.kill()
            began.append(await kept.hear())
            assert kept.child.process is waiting
        return began, kept.child.restarts

    assert run(act, spare=program(SPARE)) == (["a start", "a spare", "a spare"], 2)


def test_a_spare_that_is_not_prepared_yet_is_dropped(run):
    """Nobody waits for it."""

    async def act(kept):
        await kept.hear()
        async with asyncio.timeout(WAIT_S):
            while (unprepared := kept.child._spare._process) is None:  # noqa: ASYNC110 - nobody tells
                await asyncio.sleep(0)
        kept.child.process.kill()
        assert await kept.hear() == "a start"
        async with asyncio.timeout(WAIT_S):
            return await unprepared.wait()

    assert run(act, spare=program(NEVER_PREPARED)) == -signal.SIGKILL


def test_a_spare_that_dies_is_followed_by_another(run):
    """Whoever kills it."""

    async def act(kept):
        await kept.hear()
        await kept.prepared()
        first = kept.child._spare._process
        first.kill()
        await first.wait()
        await kept.prepared()
        assert kept.child._spare._process is not first
        kept.child.process.kill()
        return await kept.hear()

    assert run(act, spare=program(SPARE)) == "a spare"


@pytest.mark.parametrize("how", ["end", "kill"])
def test_the_spare_ends_with_its_child(how, run):
    """None is left behind."""

    async def act(kept):
        await kept.hear()
        await kept.prepared()
        waiting = kept.child._spare._process
        kept.running.cancel()
        if how == "end":
            await kept.child.end(WAIT_S)
        else:
            kept.child.kill()
        async with asyncio.timeout(WAIT_S):
            await asyncio.gather(waiting.wait(), kept.child.process.wait())
        return waiting.returncode, kept.child.has_spare

    assert run(act, spare=program(SPARE)) == (-signal.SIGKILL, False)


@pytest.mark.parametrize(
    ("fresh", "status"), [(SAYS_WHERE, -signal.SIGABRT), (DEAF, -signal.SIGKILL)], ids=["says where", "deaf"]
)
def test_one_that_gives_no_sign_of_life_is_killed_and_another_is_started(run, monkeypatch, fresh, status):
    """It is asked to say where it stands first; not while it is still starting."""
    monkeypatch.setattr(child, "BEAT_S", 0.01)
    monkeypatch.setattr(child, "LAST_WORDS_S", 0.0 if fresh is DEAF else WAIT_S)

    async def act(kept):
        assert await kept.hear() == "a start"
        first = kept.child.process
        assert await kept.hear() == "a start"
        return await first.wait()

    assert run(act, fresh=fresh, hung_s=0.05) == status


def test_one_that_gives_signs_of_life_is_left_alone(run, monkeypatch):
    """However little it says; nor is one that is silent where nobody wants to know."""
    monkeypatch.setattr(child, "BEAT_S", 1e-9)  # a turn of the loop

    async def beat(kept):
        await kept.hear()
        for _ in range(300):
            kept.child._hear({child.BEAT: True})
            await asyncio.sleep(0)
        return kept.child.restarts, kept.said.empty()

    async def keep_silent(kept):
        await kept.hear()
        for _ in range(300):
            await asyncio.sleep(0)
        return kept.child.restarts, kept.said.empty()

    assert run(beat, hung_s=1e-7) == (0, True)
    assert run(keep_silent) == (0, True)


def test_one_that_is_overseen_gives_signs_of_life_and_says_where_it_stood(run, monkeypatch, capfd):
    """It is left alone while its loop turns; its stack alone is told, no values."""
    monkeypatch.setattr(child, "LAST_WORDS_S", WAIT_S)
    beats = []

    async def act(kept):
        hear = kept.child._hear
        kept.child._hear = lambda said: (beats.append(child.BEAT in said), hear(said))
        assert await kept.hear() == "a start"
        first = kept.child.process
        assert await kept.hear() == "a start"
        return await first.wait()

    assert run(act, fresh=HANGS_LATER, hung_s=5.0) == -signal.SIGABRT
    told = capfd.readouterr().err
    assert "Fatal Python error: Aborted" in told
    assert "in stand_still" in told
    assert sum(beats) >= 2
