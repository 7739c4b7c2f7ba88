"""A front's side of the dock, before a core that comes, goes, hangs and lies."""

import asyncio
import shutil
import tempfile
import time
from pathlib import Path

import numpy as np
import pytest

from server.core.names import Names
from server.core.parcel import Overloaded, Parcel, Stopped
from server.core.record import DECISION, REQUEST, Operation
from server.dock.frames import (
    Failure,
    Kind,
    Splitter,
    head,
    pack_answers,
    pack_failed,
    pack_hello,
    pack_names,
    pack_number,
    pack_return,
    read_call,
    read_disowned,
    read_number,
    read_parcel,
)
from server.dock.remote import RemoteCore, RemoteLimits

WAIT_S = 30
CODE = b"N0"


class ScriptedCore:
    """Listens where a core would, notes every frame, and says what it is told to."""

    def __init__(self, path):
        self.path = path
        self.frames = asyncio.Queue()
        self._writer = None

    async def __aenter__(self):
        self._server = await asyncio.start_unix_server(self._serve, str(self.path))
        return self

    async def __aexit__(self, *_raised):
        self.hang_up()
        self._server.close()

    def say(self, kind, body=b""):
        self._writer.write(head(kind, len(body)) + body)

    def hang_up(self):
        if self._writer is not None:
            self._writer.close()

    async def hear(self, kind):
        """The body of the next frame, which must be of this kind."""
        found, body = await asyncio.wait_for(self.frames.get(), WAIT_S)
        assert found == kind, found
        return body

    async def greet(self):
        """Answer the greeting; the bodies of what the front had answered before."""
        await self.hear(Kind.HELLO)
        self.say(Kind.HELLO, pack_hello(0))
        bodies = []
        while len(read_disowned(body := await self.hear(Kind.DISOWNED)).requests):
            bodies.append(body)
        return bodies

    async def _serve(self, reader, writer):
        self._writer = writer
        splitter = Splitter()
        while data := await reader.read(1 << 16):
            for frame in splitter.feed(data):
                self.frames.put_nowait(frame)


class Asked:
    """One parcel, and what came of it."""

    def __init__(self, count=1, operation=Operation.AUTHORIZE, deadline_ms=20_000, first=1):
        self.requests = np.zeros(count, REQUEST)
        self.requests["operation"], self.requests["deadline_ms"] = operation, deadline_ms
        self.requests["arrival_ns"] = time.time_ns()
        self.requests["authorization_id"][:, 0] = np.arange(first, first + count) << 8
        self.answers, self.replayed = {}, set()
        self.over = asyncio.get_running_loop().create_future()
        self.parcel = Parcel(
            self.requests.tobytes(), [f"place {at}" for at in range(count)], self._deliver, self._fail
        )

    def _deliver(self, places, decisions):
        for place, decision in zip(places, decisions, strict=True):
            assert place not in self.answers
            self.answers[place] = decision["response_code"]
            if decision["replayed"]:
                self.replayed.add(place)
        if len(self.answers) == len(self.requests) and not self.over.done():
            self.over.set_result(None)

    def _fail(self, error):
        self.over.set_exception(error)

    async def codes(self):
        """In the parcel's order."""
        await asyncio.wait_for(self.over, WAIT_S)
        return [self.answers[f"place {at}"] for at in range(len(self.requests))]


@pytest.fixture
def run():
    """Runs an act with a front and the path where its core would listen."""
    # Not pytest's own folder: a Unix socket's path is short.
    folder = Path(tempfile.mkdtemp(prefix="dock-"))

    def runs(act, **limits):
        async def whole():
            names = Names()
            front = RemoteCore(
                folder / "core.sock",
                3,
                names,
                away_code=CODE,
                default_ms=300,
                limits=RemoteLimits(**limits),
            )
            task = asyncio.ensure_future(front.run())
            try:
                return await act(front, folder / "core.sock", names)
            finally:
                task.cancel()
                await asyncio.wait((task,))

        return asyncio.run(whole())

    yield runs
    shutil.rmtree(folder)


def answers(count, code=b"00"):
    """DECISION[count] of this code."""
    decisions = np.zeros(count, DECISION)
    decisions["response_code"] = code
    return decisions


def test_answers_go_to_whoever_asked_however_the_core_divides_them(run):
    """In parts, in another order, two parcels at once."""

    async def act(front, path, _names):
        async with ScriptedCore(path) as core:
            await core.greet()
            await front.welcomed.wait()
            first, second = Asked(3), Asked(1)
            front.submit(first.parcel)
            front.submit(second.parcel)
            number, count, _source, records = read_parcel(await core.hear(Kind.PARCEL))
            other = read_parcel(await core.hear(Kind.PARCEL))[0]
            core.say(
                Kind.ANSWERS, pack_answers(number, [2, 0], np.array([answers(1, b"51")[0], answers(1)[0]]))
            )
            core.say(Kind.ANSWERS, pack_answers(other, [0], answers(1, b"61")))
            core.say(Kind.ANSWERS, pack_answers(number, [1], answers(1, b"05")))
            return (
                count,
                records == first.parcel.records,
                await first.codes(),
                await second.codes(),
                front.in_flight,
            )

    assert run(act) == (3, True, [b"00", b"05", b"51"], [b"61"], 0)


def test_a_front_answers_with_its_code_while_the_core_is_away_and_says_so_first(run):
    """Authorizations get the configured code and are kept; messages about them get 91, which nobody keeps."""

    async def act(front, path, _names):
        asked, about = Asked(2), Asked(1, Operation.REVERSE, first=3)
        front.submit(asked.parcel)
        front.submit(about.parcel)
        codes = await asked.codes(), await about.codes()
        async with ScriptedCore(path) as core:
            (body,) = await core.greet()
            disowned = read_disowned(body)
        return *codes, disowned.requests.tobytes() == asked.requests.tobytes(), disowned.codes.tolist()

    assert run(act) == ([CODE, CODE], [b"91"], True, [CODE, CODE])


def test_a_repeat_of_what_a_front_has_passed_on_gets_it_again_while_the_core_is_away(run):
    """Marked, and nothing is kept for the core; other content under the key, and a reversal's 91, are no such repeats."""

    async def act(front, path, _names):
        asked, about = Asked(2), Asked(1, Operation.REVERSE, first=3)
        async with ScriptedCore(path) as core:
            await core.greet()
            await front.welcomed.wait()
            for one, code in ((asked, b"10"), (about, b"91")):
                front.submit(one.parcel)
                number = read_parcel(await core.hear(Kind.PARCEL))[0]
                said = answers(len(one.requests), code)
                said["authorization_id"], said["sequence"] = one.requests["authorization_id"], 1
                said["operation"] = one.requests["operation"]
                core.say(Kind.ANSWERS, pack_answers(number, list(range(len(said))), said))
                await one.codes()
        while not front.is_away:  # noqa: ASYNC110 - it tells nobody
            await asyncio.sleep(0)
        asked.requests["content"][1] = 7
        codes = []
        for one in (asked, about):
            again = Asked(len(one.requests))
            again.parcel.records = one.requests.tobytes()
            front.submit(again.parcel)
            codes.append((await again.codes(), again.replayed))
        return codes, front._kept.count

    assert run(act) == ([([b"10", CODE], {"place 0"}), ([b"91"], set())], 1)


def test_what_the_core_told_by_time_is_told_to_the_next_core(run):
    """It may have died before that was on disk; what has a sequence, 91 among it, is the journal's, and messages nobody keeps."""

    async def act(front, path, _names):
        asked, about = Asked(2), Asked(1, Operation.REVERSE, first=3)
        async with ScriptedCore(path) as core:
            await core.greet()
            await front.welcomed.wait()
            for one, sequences in ((asked, [0, 9]), (about, [0])):
                front.submit(one.parcel)
                number = read_parcel(await core.hear(Kind.PARCEL))[0]
                said = answers(len(one.requests), b"91")
                said["authorization_id"] = one.requests["authorization_id"]
                said["operation"], said["sequence"] = one.requests["operation"], sequences
                core.say(Kind.ANSWERS, pack_answers(number, list(range(len(said))), said))
                await one.codes()
                for kind in (Kind.PASSED, Kind.DISOWNED) if one is asked else ():
                    await core.hear(kind)
        path.unlink()
        async with ScriptedCore(path) as core:
            found = [read_disowned(body) for body in await core.greet()]
        return [
            (disowned.requests["authorization_id"][:, 0].tolist(), disowned.codes.tolist())
            for disowned in found
        ]

    assert run(act) == [([256], [b"91"])]


def test_the_core_hears_once_for_many_answers_that_they_were_passed_on(run):
    """A while after the first of them, up to that; then of the rest."""

    async def act(front, path, _names):
        async with ScriptedCore(path) as core:
            await core.greet()
            await front.welcomed.wait()
            asked = Asked(20)
            front.submit(asked.parcel)
            number = read_parcel(await core.hear(Kind.PARCEL))[0]
            for place in range(20):
                core.say(Kind.ANSWERS, pack_answers(number, [place], answers(1)))
            await asked.codes()
            heard = []
            while heard[-1:] != [20]:
                heard.append(read_number(await core.hear(Kind.PASSED))[0])
            return heard

    heard = run(act)
    assert heard == sorted(heard) and len(heard) < 20


def test_what_waits_for_a_core_that_dies_is_answered_and_disowned_at_the_next_one(run):
    """Only what had no answer yet; again and again until one says that it is on disk."""

    async def act(front, path, _names):
        async with ScriptedCore(path) as core:
            await core.greet()
            await front.welcomed.wait()
            asked = Asked(2)
            front.submit(asked.parcel)
            number = read_parcel(await core.hear(Kind.PARCEL))[0]
            core.say(Kind.ANSWERS, pack_answers(number, [1], answers(1)))
        codes = await asked.codes()
        bodies = []
        for settles in (False, True, True):
            path.unlink()
            async with ScriptedCore(path) as core:
                found = [read_disowned(body) for body in await core.greet()]
                bodies.append([disowned.requests["authorization_id"][:, 0].tolist() for disowned in found])
                for disowned in found if settles else ():
                    core.say(Kind.SETTLED, pack_number(disowned.number))
                # What is said is heard before the connection ends: an answer to a call comes after it.
                call = asyncio.ensure_future(front.call("/x/Y", [], b""))
                called = read_call(await core.hear(Kind.CALL))[0]
                core.say(Kind.RETURN, pack_return(called, b"", is_answer=True))
                await call
        return codes, bodies

    assert run(act) == ([CODE, b"00"], [[[256]], [[256]], []])


@pytest.mark.parametrize("step_s", [0, -3_600, 3_600])
def test_a_front_answers_in_time_when_the_core_hangs_and_disowns_it_at_once(run, monkeypatch, step_s):
    """Each by its own deadline, wherever the clock is stepped to meanwhile; the core's late word is not heard."""

    async def act(front, path, _names):
        async with ScriptedCore(path) as core:
            await core.greet()
            await front.welcomed.wait()
            asked = Asked(2, deadline_ms=[60, 20_000])
            began = time.monotonic()
            front.submit(asked.parcel)
            now_ns = time.time_ns
            monkeypatch.setattr("server.dock.remote.time.time_ns", lambda: now_ns() + step_s * 10**9)
            number = read_parcel(await core.hear(Kind.PARCEL))[0]
            disowned = read_disowned(await core.hear(Kind.DISOWNED))
            took_s = time.monotonic() - began
            core.say(Kind.ANSWERS, pack_answers(number, [0, 1], answers(2)))
            return (
                await asked.codes(),
                disowned.requests["authorization_id"][:, 0].tolist(),
                took_s,
                front.in_flight,
            )

    codes, disowned, took_s, in_flight = run(act)
    assert codes == [CODE, b"00"]
    assert disowned == [256]
    assert took_s >= 0.06
    assert in_flight == 0


def test_what_the_core_tells_by_time_and_too_late_is_not_what_was_said(run):
    """A front had answered one of two in its stead: the core's own word on that one is heard by nobody, and not kept."""

    async def act(front, path, _names):
        async with ScriptedCore(path) as core:
            await core.greet()
            await front.welcomed.wait()
            asked = Asked(2, deadline_ms=[60, 20_000])
            front.submit(asked.parcel)
            number = read_parcel(await core.hear(Kind.PARCEL))[0]
            bodies = [await core.hear(Kind.DISOWNED)]
            told = answers(2, b"51")
            told["authorization_id"] = asked.requests["authorization_id"]
            told["operation"] = asked.requests["operation"]
            core.say(Kind.ANSWERS, pack_answers(number, [0, 1], told))
            await core.hear(Kind.PASSED)
            bodies.append(await core.hear(Kind.DISOWNED))
            kept = [read_disowned(body) for body in bodies]
            return await asked.codes(), [
                (one.requests["authorization_id"][:, 0].tolist(), one.codes.tolist()) for one in kept
            ]

    assert run(act) == ([CODE, b"51"], [([256], [CODE]), ([512], [b"51"])])


def test_the_core_hears_at_once_what_was_answered_while_it_came_back(run):
    """It was away when that was submitted, and is there when it is answered: no retry may come before it."""

    async def act(front, path, _names):
        # Its first try finds nobody: from then on it answers by itself.
        first = Asked(1)
        front.submit(first.parcel)
        await first.codes()
        async with ScriptedCore(path) as core:
            begin, asked = front._begin, Asked(1, first=2)

            def back(passage):
                front.submit(asked.parcel)
                begin(passage)

            front._begin = back
            bodies = [read_disowned(body) for body in await core.greet()]
            disowned = read_disowned(await core.hear(Kind.DISOWNED))
            return (
                await asked.codes(),
                [body.requests["authorization_id"][:, 0].tolist() for body in bodies],
                disowned.requests["authorization_id"][:, 0].tolist(),
            )

    assert run(act) == ([CODE], [[256]], [512])


def test_what_can_not_be_kept_fails_with_all_of_its_parcel(run):
    """Once: what the core says of the rest later is not heard."""

    async def act(front, path, _names):
        async with ScriptedCore(path) as core:
            await core.greet()
            await front.welcomed.wait()
            asked = Asked(2, deadline_ms=[60, 20_000])
            front.submit(asked.parcel)
            number = read_parcel(await core.hear(Kind.PARCEL))[0]
            with pytest.raises(Stopped):
                await asked.codes()
            core.say(Kind.ANSWERS, pack_answers(number, [0, 1], answers(2)))
            after = Asked(1, first=9)
            front.submit(after.parcel)
            other = read_parcel(await core.hear(Kind.PARCEL))[0]
            core.say(Kind.ANSWERS, pack_answers(other, [0], answers(1)))
            return await after.codes(), asked.answers, front.in_flight

    assert run(act, kept_max=0) == ([b"00"], {}, 0)


def test_a_refusal_of_the_cores_reaches_whoever_asked(run):
    """Overloaded stays Overloaded, stopped stays Stopped; nothing is kept of either."""

    async def act(front, path, _names):
        async with ScriptedCore(path) as core:
            await core.greet()
            await front.welcomed.wait()
            raised = []
            for failure in Failure:
                asked = Asked(2)
                front.submit(asked.parcel)
                core.say(
                    Kind.FAILED, pack_failed(read_parcel(await core.hear(Kind.PARCEL))[0], failure, "why")
                )
                with pytest.raises((Overloaded, Stopped), match="why") as told:
                    await asked.codes()
                raised.append(told.type)
            return raised, front.in_flight

    assert run(act) == ([Overloaded, Stopped], 0)


def test_a_front_takes_no_more_than_it_may(run):
    """Neither while the core is there, nor in its stead while it is away."""

    async def act(front, path, _names):
        for first in (1, 2):
            front.submit(Asked(1, first=first).parcel)
            await asyncio.sleep(0)
        with pytest.raises(Stopped, match="no more"):
            front.submit(Asked(1).parcel)
        async with ScriptedCore(path) as core:
            await core.greet()
            await front.welcomed.wait()
            front.submit(Asked(3, first=4).parcel)
            with pytest.raises(Overloaded):
                front.submit(Asked(2, first=7).parcel)

    run(act, in_flight_max=4, kept_max=2)


def test_names_are_the_cores_before_the_answers_that_name_them(run):
    """Whoever holds them sees them change."""

    async def act(front, path, names):
        async with ScriptedCore(path) as core:
            await core.greet()
            await front.welcomed.wait()
            asked = Asked(1)
            front.submit(asked.parcel)
            number = read_parcel(await core.hear(Kind.PARCEL))[0]
            core.say(Kind.NAMES, pack_names({4: "monthly"}, {9: "odd"}))
            core.say(Kind.ANSWERS, pack_answers(number, [0], answers(1)))
            await asked.codes()
            return names.limits(np.array([4])), names.rules(np.array([9]))

    assert run(act) == (["monthly"], ["odd"])


def test_a_call_is_carried_out_by_the_core_or_ends_with_it(run):
    """Bytes to bytes; a core that dies meanwhile is told as such."""

    async def act(front, path, _names):
        with pytest.raises(Stopped):
            await front.call("/a/B", "who", b"question")
        async with ScriptedCore(path) as core:
            await core.greet()
            await front.welcomed.wait()
            asked = asyncio.ensure_future(front.call("/a/B", "who", b"question"))
            number, method, identities, raw = read_call(await core.hear(Kind.CALL))
            core.say(Kind.RETURN, pack_return(number, b"answer", is_answer=True))
            answer = await asked
            left = asyncio.ensure_future(front.call("/a/B", "", b"question"))
            await core.hear(Kind.CALL)
        with pytest.raises(Stopped):
            await left
        return method, identities, raw, answer

    assert run(act) == ("/a/B", "who", b"question", (True, b"answer"))
