"""Fronts as processes of their own before one core: killed, cut off, drained."""

import contextlib
import os
import signal
import threading
import time
from pathlib import Path

import grpc
import pytest

from holdfast.v1 import accounts_pb2
from holdfast.v1 import authorization_pb2 as pb
from loadtest.processes import free_port
from loadtest.usage import title
from server.title import TITLES
from tests.end_to_end.audit import Books
from tests.end_to_end.callers import Refused, calling, clear, connected, linked, purchase, reversal
from tests.end_to_end.serving import READY_TIMEOUT_S, TIMELY, TRUSTED_FROM, Holdfast, fresh_home, serving

FRONTS = ("--fronts", "2")
BACK_S = 240
CORE = "server.core_process"
FRONT = "server.front_process"


def processes(server, kind):
    """Process ids of a server's processes of this kind."""
    found = []
    for folder in Path("/proc").iterdir():
        with contextlib.suppress(OSError, ValueError):
            number = int(folder.name)
            arguments = (folder / "cmdline").read_bytes().decode().split("\0")
            parent = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
            if parent == server.process.pid and kind in arguments:
                found.append(number)
    return sorted(found)


def is_gone(number):
    """Whether a process has ended."""
    try:
        return Path(f"/proc/{number}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True


def until(condition, text):
    """Wait for what another process does; it can't be awaited otherwise."""
    end = time.monotonic() + BACK_S
    waiting = threading.Event()
    while not (found := condition()):
        assert time.monotonic() < end, text
        waiting.wait(0.02)
    return found


@pytest.fixture
def server():
    """A server with two fronts."""
    with serving(fresh_home(), arguments=FRONTS) as running:
        yield running


@pytest.fixture
def hasty():
    """One that answers in time or not at all."""
    with serving(fresh_home(), arguments=FRONTS, environment=TIMELY) as running:
        yield running


class Asking(threading.Thread):
    """Asks one purchase after another on its own connection, and notes what it hears and how long that took."""

    def __init__(self, target, first_card):
        super().__init__(daemon=True)
        self.target, self.first_card = target, first_card
        self.heard, self.refused, self.took_s = [], [], []
        self.enough = threading.Event()

    def run(self):
        number = 0
        while not self.enough.is_set():
            with calling(self.target) as caller, contextlib.suppress(Refused):
                while not self.enough.is_set():
                    number += 1
                    self._ask(caller, purchase(self.first_card + number % 40, 100))

    def _ask(self, caller, request):
        began = time.monotonic()
        try:
            answer = caller.authorize(request)
        except Refused as refused:
            self.refused.append((request, refused.code))
            raise
        self.took_s.append(time.monotonic() - began)
        self.heard.append((request, answer))
        if answer.response_code == "91":
            self.enough.wait(0.05)

    def codes(self):
        return [answer.response_code for _, answer in list(self.heard)]


@contextlib.contextmanager
def asking(target, count):
    """So many at once, each with cards of its own."""
    threads = [Asking(target, TRUSTED_FROM + 40 * at) for at in range(count)]
    for thread in threads:
        thread.start()
    try:
        yield threads
    finally:
        for thread in threads:
            thread.enough.set()
        for thread in threads:
            thread.join(60)


def test_every_service_is_answered_through_fronts(server):
    """Unary calls, links, and what stays in the core's process: as without fronts."""
    with calling(server.target) as caller, linked(server.target) as link, connected(server.target) as channel:
        request = purchase(TRUSTED_FROM)
        answer = caller.authorize(request)
        assert answer.response_code == "00"
        link.send(s1=purchase(TRUSTED_FROM + 1), s2=reversal(request))
        answers = link.answers(2)
        assert answers[1].authorize.response_code == "00"
        assert answers[2].reverse.released_minor == 1_000
        assert caller.explain(answer.authorization_id).response.response_code == "00"
        ask = channel.unary_unary("/holdfast.v1.AccountService/GetAccount")
        number = accounts_pb2.GetAccountRequest(account_number=1)
        found = accounts_pb2.Account.FromString(ask(number.SerializeToString(), timeout=30))
        assert found.account_number == 1
        with pytest.raises(grpc.RpcError) as absent:
            ask(accounts_pb2.GetAccountRequest(account_number=10**8).SerializeToString(), timeout=30)
        assert absent.value.code() == grpc.StatusCode.NOT_FOUND
        with pytest.raises(Refused) as bad:
            caller.authorize(pb.AuthorizeRequest())
        assert {"key.acquirer_id", "currency"} <= set(bad.value.fields)
        with pytest.raises(Refused) as unknown:
            caller.explain("0" * 32)
        assert unknown.value.code == grpc.StatusCode.NOT_FOUND
    assert server.stop() == 0, server.output
    Books(server.home).assert_balanced()


def test_a_killed_front_takes_only_its_own_callers_with_it_and_is_started_again(server):
    """Those of the other front notice nothing; what it had taken is decided; the books balance."""
    fronts = processes(server, FRONT)
    assert len(fronts) == 2
    with asking(server.target, 8) as threads:
        until(lambda: all(len(thread.heard) >= 20 for thread in threads), "traffic began")
        os.kill(fronts[0], signal.SIGKILL)
        until(
            lambda: len(processes(server, FRONT)) == 2 and not set(processes(server, FRONT)) & {fronts[0]},
            "the front was started again",
        )
        before = [len(thread.heard) for thread in threads]
        until(
            lambda: all(
                len(thread.heard) >= count + 20 for thread, count in zip(threads, before, strict=True)
            ),
            "everybody was answered again",
        )
    cut = [thread for thread in threads if thread.refused]
    assert len(cut) < len(threads)
    for thread in threads:
        assert set(thread.codes()) == {"00"}
        assert {code for _, code in thread.refused} <= {grpc.StatusCode.UNAVAILABLE}
    with calling(server.target) as caller:
        # Whoever lost its answer asks again, and nothing is held twice.
        assert {
            caller.authorize(request).response_code for thread in cut for request, _ in thread.refused
        } <= {"00"}
    assert server.stop() == 0, server.output
    Books(server.home).assert_balanced()


def test_fronts_answer_while_the_core_is_killed_and_their_answers_stand(server):
    """In time, with one code; afterwards no repeat gets another answer, and no hold is left of what was answered."""
    (core,) = processes(server, CORE)
    with asking(server.target, 6) as threads:
        until(lambda: all(len(thread.heard) >= 20 for thread in threads), "traffic began")
        os.kill(core, signal.SIGKILL)
        until(lambda: all("91" in thread.codes() for thread in threads), "fronts answered")
        until(lambda: all(thread.codes()[-3:] == ["00"] * 3 for thread in threads), "the core answered again")
    heard = [pair for thread in threads for pair in thread.heard]
    refused = {code for thread in threads for _, code in thread.refused}
    assert refused <= {grpc.StatusCode.RESOURCE_EXHAUSTED}  # of which nothing was touched
    assert {answer.response_code for _, answer in heard} == {"00", "91"}
    told = [pair for pair in heard if pair[1].response_code == "91"]
    held = [pair for pair in heard if pair[1].response_code == "00"]
    with calling(server.target) as caller:
        for request, answer in (*told, *held[-100:]):
            again = caller.authorize(request)
            assert again.response_code == answer.response_code
            assert again.authorization_id == answer.authorization_id
        assert caller.ask(clear(held[0][1].authorization_id, 100)).response_code == "00"
    assert server.stop() == 0, server.output
    books = Books(server.home)
    held_ids = {answer.authorization_id for _, answer in held[1:]}
    assert held_ids <= set(books.holds)
    assert not {answer.authorization_id for _, answer in told} & set(books.holds)


def test_a_spare_core_follows_one_that_is_killed_and_another_waits():
    """The process that waited goes on, and what the first approved is what repeats of it get; no process outlives all."""
    with serving(fresh_home(), arguments=FRONTS, environment={"HOLDFAST_SPARE_CORE": "true"}) as server:
        server.hear("a spare is prepared", READY_TIMEOUT_S)
        core, spare = sorted(processes(server, CORE), key=title)
        assert (title(core), title(spare)) == (TITLES["core"], TITLES["spare"])
        with calling(server.target) as caller:
            request = purchase(TRUSTED_FROM, 100)
            first = caller.authorize(request)
            assert first.response_code == "00"
            os.kill(core, signal.SIGKILL)
            until(lambda: title(spare) == TITLES["core"], "its turn came")
            until(
                lambda: caller.authorize(purchase(TRUSTED_FROM + 1, 100)).response_code == "00", "it answers"
            )
            again = caller.authorize(request)
        assert (again.authorization_id, again.response_code) == (first.authorization_id, "00")
        until(lambda: server.output.count("a spare is prepared") == 2, "another waits")
        left = processes(server, CORE)
        assert spare in left and len(left) == 2
        server.kill()
        until(lambda: all(is_gone(process) for process in left), "they ended")


def test_answers_of_fronts_are_in_time_while_the_core_hangs(hasty):
    """Stopped, not dead: nobody waits longer than a deadline, and what it approved late is let go."""
    (core,) = processes(hasty, CORE)
    with asking(hasty.target, 2) as threads:
        until(lambda: all(len(thread.heard) >= 10 for thread in threads), "traffic began")
        os.kill(core, signal.SIGSTOP)
        try:
            until(lambda: all(thread.codes()[-2:] == ["91", "91"] for thread in threads), "fronts answered")
        finally:
            os.kill(core, signal.SIGCONT)
        until(lambda: all(thread.codes()[-2:] == ["00", "00"] for thread in threads), "the core went on")
    heard = [pair for thread in threads for pair in thread.heard]
    told = [pair for pair in heard if pair[1].response_code == "91"]
    with calling(hasty.target) as caller:
        assert {caller.authorize(request).response_code for request, _ in told} == {"91"}
    assert hasty.stop() == 0, hasty.output
    books = Books(hasty.home)
    assert not {answer.authorization_id for _, answer in told} & set(books.holds)


@pytest.mark.parametrize("kind", [FRONT, CORE])
def test_a_process_that_hangs_is_killed_and_another_takes_its_place(kind):
    """Everybody is answered again, though it never ends by itself; what was approved before stands."""
    with serving(fresh_home(), arguments=FRONTS, environment={"HOLDFAST_HUNG_S": "10"}) as server:
        hanging = processes(server, kind)[0]
        count = len(processes(server, kind))
        with asking(server.target, 4) as threads:
            until(lambda: all(len(thread.heard) >= 10 for thread in threads), "traffic began")
            os.kill(hanging, signal.SIGSTOP)
            until(lambda: is_gone(hanging), "it was killed")
            heard = [len(thread.heard) for thread in threads]
            until(
                lambda: all(
                    "00" in thread.codes()[count:] for thread, count in zip(threads, heard, strict=True)
                ),
                "everybody is answered again",
            )
        until(lambda: len(processes(server, kind)) >= count, "as many as before")
        assert hanging not in processes(server, kind)
        assert "a process hangs: it is killed" in server.output  # on a crowded machine, others may seem to
        assert server.stop() == 0, server.output
        books = Books(server.home)
        books.assert_balanced()
        approved = {
            a.authorization_id for thread in threads for _, a in thread.heard if a.response_code == "00"
        }
        assert approved <= set(books.holds)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=lambda number: number.name)
def test_a_signal_drains_fronts_and_core_and_leaves_no_process(number):
    """What was accepted is answered and on disk; connections per front are told."""
    with serving(fresh_home(), arguments=FRONTS) as server:
        children = processes(server, FRONT) + processes(server, CORE)
        assert len(children) == 3
        with asking(server.target, 4) as threads:
            until(lambda: all(len(thread.heard) >= 20 for thread in threads), "traffic began")
            server.send(number)
            assert server.ended() == 0, server.output
        assert all(is_gone(child) for child in children)
        assert "connections at the most" in server.output
        assert "Traceback" not in server.output, server.output
        books = Books(server.home)
        books.assert_balanced()
        books.assert_agrees(answer for thread in threads for _, answer in thread.heard)


def test_a_second_ctrl_c_ends_everything_at_once(server):
    """No process is left, also of those that were draining."""
    children = processes(server, FRONT) + processes(server, CORE)
    with linked(server.target) as link:
        link.send(s1=purchase(TRUSTED_FROM))
        link.answers(1)
        core = processes(server, CORE)[0]
        os.kill(core, signal.SIGSTOP)  # it can't drain
        try:
            server.send(signal.SIGINT)
            server.hear("draining")
            server.send(signal.SIGINT)
            assert server.ended() == 130
            until(lambda: all(is_gone(child) for child in children), "they ended")
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.kill(core, signal.SIGCONT)


def test_no_process_is_left_when_the_supervisor_is_killed(server):
    """Its hand is gone: they drain and end by themselves."""
    children = processes(server, FRONT) + processes(server, CORE)
    server.kill()
    until(lambda: all(is_gone(child) for child in children), "they ended")


def test_a_server_does_not_share_its_port():
    """Neither one with fronts nor one without comes up on the port of another."""
    port = free_port()
    with serving(fresh_home(), arguments=FRONTS, port=port):
        for arguments in (FRONTS, ()):
            stale = Holdfast(fresh_home(), arguments=arguments, port=port)
            assert stale.ended() == 1
            assert "Choose another with --port" in stale.output
