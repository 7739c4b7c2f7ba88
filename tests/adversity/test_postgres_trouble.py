"""PostgreSQL hangs, fills its disk, or another one takes its place: no cardholder notices, every decision is there once."""

import os
import shutil
import signal
import subprocess
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path

from loadtest.cutting import Proxy
from loadtest.usage import family
from server.store.postgres import DATABASE, ROLE, EmbeddedPostgres
from tests.adversity.aftermath import assert_repeated, assert_sound
from tests.adversity.following import effect_s, shipped_ids
from tests.adversity.small_disks import fill, small_disk
from tests.end_to_end.callers import calling, linked, purchase
from tests.end_to_end.serving import fresh_home, serving

ANSWER_S = 5.0
"""No answer may take so long while PostgreSQL does not answer: it is far below any of its timeouts."""

DISK_MB = 256
MESSAGES = 150


@contextmanager
def behind(proxy, home):
    """A server that reaches its PostgreSQL through this proxy, and a caller of it."""
    url = f"postgresql://{ROLE}@{proxy.address}/{DATABASE}?sslmode=disable"
    with (
        serving(home, environment={"HOLDFAST_DATABASE_URL": url}) as server,
        calling(server.target) as caller,
    ):
        yield server, caller


def socket_of(postgres):
    """The path of its socket."""
    return f"{postgres.url.partition('host=')[2]}/.s.PGSQL.5432"


def paid(server, caller, first_card):
    """Purchases that were approved in time, one after the other and by a link; (request, answer) by their ids."""
    asked = []
    for card in range(first_card, first_card + 10):
        request = purchase(card, 100)
        began_s = time.monotonic()
        asked.append((request, caller.authorize(request)))
        assert time.monotonic() - began_s < ANSWER_S
    requests = {card: purchase(card, 100) for card in range(10, MESSAGES)}
    with linked(server.target) as link:
        link.send_all(requests)
        answers = link.answers(len(requests))
    asked += [(request, answers[card].authorize) for card, request in requests.items()]
    assert {answer.response_code for _, answer in asked} == {"00"}
    return {answer.authorization_id: (request, answer) for request, answer in asked}


def assert_repeats(caller, paid_for):
    """Some of what was answered, whatever happened meanwhile, asked again."""
    assert_repeated(caller, list(paid_for.values())[::20])


def assert_all_there_once(home, url, paid_for):
    """Everything that was answered is in PostgreSQL once; what else is there was decided; the books have all of it."""
    found = shipped_ids(url, paid_for.keys())
    assert len(found) == len(set(found))
    books = assert_sound(home, [answer for _, answer in paid_for.values()])
    assert set(found) <= set(books.decisions)


@contextmanager
def swallowed(_postgres, proxy):
    """Nothing passes, and no connection ends."""
    proxy.blackhole()
    yield
    proxy.fair()


@contextmanager
def left_alone(_postgres, proxy):
    """The server's connections are half-open, and new ones are refused; the system's keep-alive ends them at last."""
    proxy.half_open("client")
    proxy.refuse()
    yield
    proxy.fair()
    proxy.cut()


@contextmanager
def slow(_postgres, proxy):
    """A second each way."""
    proxy.slow(latency_s=1.0)
    yield
    proxy.fair()


@contextmanager
def standing_still(postgres, _proxy):
    """SIGSTOP of all its processes: the system takes connections, and nobody answers."""
    stopped = family([postgres.process_id()])
    try:
        for process_id in stopped:
            os.kill(process_id, signal.SIGSTOP)
        yield
    finally:
        for process_id in stopped:
            os.kill(process_id, signal.SIGCONT)


def test_postgresql_that_does_not_answer_is_not_noticed(own_postgres):
    """Swallowed, left alone, slow or standing still; on its return everything is shipped once, and changes are obeyed."""
    postgres, home = own_postgres
    url = postgres.start()
    with Proxy(socket_of(postgres)) as proxy, behind(proxy, home) as (server, caller):
        answered = paid(server, caller, 300)
        for card, trouble in enumerate((swallowed, left_alone, slow, standing_still), start=1):
            with trouble(postgres, proxy):
                answered |= paid(server, caller, 300 + 20 * card)
            effect_s(caller, url, card, "frozen", "78")
        shipped_ids(url, answered.keys())
        assert_repeats(caller, answered)
        assert server.stop() == 0
        assert "Traceback" not in server.output
    assert_all_there_once(home, url, answered)


def test_postgresql_on_a_full_disk_is_not_noticed():
    """It refuses or dies for want of room; with room again everything is shipped once."""
    home = fresh_home()
    with small_disk(size_mb=DISK_MB) as disk:
        disk.chmod(0o755)
        subprocess.run(["cp", "-a", str(home / "postgres"), str(disk / "postgres")], check=True)
        shutil.rmtree(home / "postgres")
        postgres = EmbeddedPostgres(disk)
        url = postgres.start()
        try:
            with (
                serving(home, environment={"HOLDFAST_DATABASE_URL": url}) as server,
                calling(server.target) as caller,
            ):
                answered = paid(server, caller, 300)
                fill(disk / "filler")
                for first_card in (320, 340, 360):
                    answered |= paid(server, caller, first_card)
                (disk / "filler").unlink()
                postgres.start()
                shipped_ids(url, answered.keys())
                assert_repeats(caller, answered)
                assert server.stop() == 0
                assert "Traceback" not in server.output
            assert_all_there_once(home, url, answered)
        finally:
            postgres.close()


def test_postgresql_that_is_replaced_by_an_older_copy_gets_what_that_missed(own_postgres):
    """
    The first one dies with decisions that the second never had, as after a failover to a standby that lags behind.

    The second is a copy of the first one's files from some time before. What it does not have is shipped to it again,
    once, and its changes are obeyed.
    """
    postgres, home = own_postgres
    folder = Path(tempfile.mkdtemp(prefix="holdfast-test-"))
    postgres.start()
    postgres.close()
    subprocess.run(["cp", "-a", str(postgres.folder), str(folder / "postgres")], check=True)
    second = EmbeddedPostgres(folder)
    try:
        first_url = postgres.start()
        with Proxy(socket_of(postgres)) as proxy, behind(proxy, home) as (server, caller):
            answered = paid(server, caller, 300)
            shipped_ids(first_url, answered.keys())
            os.kill(postgres.process_id(), signal.SIGQUIT)
            answered |= paid(server, caller, 320)
            second_url = second.start()
            proxy.lead_to(socket_of(second))
            shipped_ids(second_url, answered.keys())
            assert_repeats(caller, answered)
            effect_s(caller, second_url, 7, "frozen", "78")
            assert server.stop() == 0
            assert "Traceback" not in server.output
        assert_all_there_once(home, second_url, answered)
    finally:
        second.close()
        shutil.rmtree(folder)
