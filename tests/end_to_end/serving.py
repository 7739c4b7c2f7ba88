"""A real server as a process of its own: started from a copied home, watched line by line, signalled, waited for."""

import asyncio
import atexit
import functools
import itertools
import os
import re
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
from contextlib import contextmanager
from pathlib import Path

import asyncpg
import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from loadtest.processes import HOST
from server.store.postgres import EmbeddedPostgres

# The first start on a machine compiles every kernel.
READY_TIMEOUT_S = 600.0
END_TIMEOUT_S = 60.0
CARDS = 1_000
TRUSTED_FROM = 500
"""Demo cards from this number on are of a programme whose score declines nothing: what is asked there is funds."""

ROOT = Path(__file__).parents[2]
NOWHERE = "postgresql://holdfast@127.0.0.1:1/holdfast"
"""A PostgreSQL that is never there."""

PATIENT = {
    "HOLDFAST_DEADLINE_MS": "30000",
    "HOLDFAST_DEADLINE_MS_MAX": "60000",
    "HOLDFAST_LEDGER_DEADLINE_MS": "30000",
    "HOLDFAST_QUEUE_MS_MAX": "30000",
}
"""Answers that are late come all the same: a crowded machine changes none."""
TIMELY = {"HOLDFAST_DEADLINE_MS": "300", "HOLDFAST_DEADLINE_MS_MAX": "1500"}
"""As without any setting: for tests of what isn't answered in time."""

_TRUST = """
    INSERT INTO programmes (number, name, currency, country, timezone, decline_threshold, step_up_threshold)
    SELECT max(number) + 1, 'trusted', 840, 840, 'America/New_York', 1, 1 FROM programmes;
    UPDATE cards SET programme = (SELECT number FROM programmes WHERE name = 'trusted') WHERE number >= {first};
"""

_ANSWERS_ON = re.compile(r"answers on \S+:(\d+) with")
_READY = "Ctrl-C stops it"
_numbers = itertools.count()


class Holdfast:
    """One `holdfast serve --demo`, its output and how it ended."""

    def __init__(
        self, home, *, environment=None, arguments=(), cards=CARDS, port=0, metrics_port=0, credentials=None
    ):
        """`credentials` are what a channel to it is opened with; None for plain."""
        self.home = home
        self.credentials = credentials
        self.port = port
        self.metrics_port = metrics_port
        self.lines = []
        self._heard = threading.Condition()
        self._is_over = False
        self.process = subprocess.Popen(
            [
                *(sys.executable, "-m", "server.cli", "serve", "--demo", "--cards", str(cards)),
                *("--port", str(port), "--metrics-port", str(metrics_port), *arguments),
            ],
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env={
                **os.environ,
                "HOLDFAST_HOME": str(home),
                "PYTHONFAULTHANDLER": "1",  # a hang is told by its stacks
                "HOLDFAST_SPARE_CORE": "false",  # it comes after seconds; how long a test takes must change nothing
                "HOLDFAST_HUNG_S": "0",  # some are stopped, on a machine that may be crowded
                **PATIENT,
                **(environment or {}),
            },
            text=True,
            errors="replace",
        )
        self._listener = threading.Thread(target=self._listen, daemon=True)
        self._listener.start()

    @property
    def target(self):
        """Where it answers."""
        return f"{HOST}:{self.port}"

    @property
    def output(self):
        """What it has written so far, standard output and error as they came."""
        return "".join(self.lines)

    def hear(self, text, timeout_s=END_TIMEOUT_S):
        """The first line that holds `text`, once it is there. Fails where the output ends without it."""

        def found():
            return next((line for line in self.lines if text in line), None)

        with self._heard:
            self._heard.wait_for(lambda: self._is_over or found(), timeout_s)
            line = found()
        if line is None:
            pytest.fail(f"the server never wrote {text!r}, but:\n{self.output[-4000:]}")
        return line

    def ready(self):
        """Itself, once it answers and has greeted."""
        line = self.hear("answers on", READY_TIMEOUT_S)
        self.port = int(_ANSWERS_ON.search(line)[1])
        self.hear(_READY, READY_TIMEOUT_S)
        assert self.health() == health_pb2.HealthCheckResponse.SERVING
        return self

    def channel(self, options=()):
        """A channel to it, a context."""
        if self.credentials is None:
            return grpc.insecure_channel(self.target, options=options)
        return grpc.secure_channel(self.target, self.credentials, options=options)

    def health(self):
        """What the health service says now."""
        with self.channel() as channel:
            stub = health_pb2_grpc.HealthStub(channel)
            return stub.Check(health_pb2.HealthCheckRequest(), timeout=10, wait_for_ready=True).status

    def send(self, number=signal.SIGTERM):
        """Signal it."""
        self.process.send_signal(number)

    def ended(self, timeout_s=END_TIMEOUT_S):
        """Its exit status, once it has ended and everything it wrote is read. Where it hangs, its threads' stacks."""
        try:
            status = self.process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            self.send(signal.SIGABRT)
            self._listener.join(timeout_s)
            pytest.fail(f"the server did not end in {timeout_s:g} s:\n{self.output[-8000:]}")
        self._listener.join(timeout_s)
        return status

    def stop(self):
        """Drain it; its exit status."""
        if self.process.poll() is None:
            self.send(signal.SIGTERM)
        return self.ended()

    def kill(self):
        """End it by SIGKILL; its status. Its PostgreSQL goes on running."""
        self.process.kill()
        return self.ended()

    def _listen(self):
        with self.process.stdout as output:
            for line in output:
                with self._heard:
                    self.lines.append(line)
                    self._heard.notify_all()
        with self._heard:
            self._is_over = True
            self._heard.notify_all()


@contextmanager
def serving(home, **options):
    """A server that is ready on entry and gone on exit, however the test ended."""
    server = Holdfast(home, **options)
    try:
        yield server.ready()
    finally:
        if server.process.poll() is None:
            server.kill()
        end_postgres(home)


def end_postgres(home):
    """End the embedded PostgreSQL of this home at once, where one runs."""
    process_id = postgres_process_id(home)
    if process_id is not None:
        end_process(process_id, signal.SIGQUIT)


def postgres_process_id(home):
    """The process id of this home's embedded PostgreSQL; None where none runs."""
    try:
        number = int((home / "postgres/data/postmaster.pid").read_text().split("\n", 1)[0])
        command = Path(f"/proc/{number}/cmdline").read_bytes()
    except (FileNotFoundError, ProcessLookupError, ValueError):
        return None
    return number if b"postgres" in command else None


def end_process(process_id, number):
    """Signal a process that is no child of ours, and wait until it has ended."""
    try:
        handle = os.pidfd_open(process_id)
    except ProcessLookupError:
        return
    try:
        signal.pidfd_send_signal(handle, number)
        assert select.select([handle], [], [], END_TIMEOUT_S)[0], f"process {process_id} did not end"
    except ProcessLookupError:
        pass
    finally:
        os.close(handle)


@functools.cache
def session_folder():
    """The folder of all homes of this run. Short, for sockets; PostgreSQL's user must pass through where we are root."""
    folder = Path(tempfile.mkdtemp(prefix="holdfast-test-"))
    atexit.register(_forget, folder)
    return folder


@functools.cache
def portfolio():
    """A home with the demo portfolio, cleanly stopped: made once, only ever copied."""
    home = session_folder() / "portfolio"
    with serving(home) as server:
        url = EmbeddedPostgres(home).url
        execute(url, _TRUST.format(first=TRUSTED_FROM))
        # Its machine does not fail in a test: what a killed PostgreSQL has written is there.
        execute(url, "ALTER SYSTEM SET fsync = off")
        assert server.stop() == 0, server.output
    # Once more: a start writes all that PostgreSQL has into the directory's file.
    with serving(home) as server:
        assert server.stop() == 0, server.output
    return home


def execute(url, sql):
    """Run SQL and be done."""

    async def run():
        connection = await asyncpg.connect(url, timeout=END_TIMEOUT_S, command_timeout=END_TIMEOUT_S)
        try:
            return await connection.execute(sql)
        finally:
            await connection.close()

    return asyncio.run(run())


def fresh_home(source=None, name="home"):
    """A copy of a stopped home, the portfolio's unless said otherwise; owners and modes kept."""
    home = session_folder() / f"{name}-{next(_numbers)}"
    subprocess.run(["cp", "-a", str(source or portfolio()), str(home)], check=True, timeout=60)
    return home


@contextmanager
def homes_thrown_away():
    """What is called "home" and made meanwhile is gone at the end: no disk has to keep the homes of all tests."""
    first = next(_numbers)
    yield
    for number in range(first, next(_numbers)):
        home = session_folder() / f"home-{number}"
        end_postgres(home)
        shutil.rmtree(home, ignore_errors=True)  # the session's end tells what can't be removed


def _forget(folder):
    for home in folder.iterdir():
        end_postgres(home)
    shutil.rmtree(folder)
