"""A disk that is full: nothing is approved that can't be written, the server says so and ends, and comes back whole."""

import resource
import shutil
import subprocess

import grpc
import pytest

from tests.adversity.aftermath import assert_repeated, assert_sound
from tests.adversity.small_disks import fill, small_disk
from tests.end_to_end.callers import Refused, calling, purchase
from tests.end_to_end.serving import NOWHERE, fresh_home, serving

AWAY = {"HOLDFAST_DATABASE_URL": NOWHERE}
REQUESTS_MAX = 10_000
FILE_BYTES_MAX = 512 << 10


def fill_up(server):
    """Purchases one after the other until one is refused; requests and answers before it, and the refusal."""
    answered = []
    with calling(server.target) as caller:
        for k in range(REQUESTS_MAX):
            request = purchase(1 + k % 400, 1)
            try:
                answered.append((request, caller.authorize(request)))
            except Refused as refused:
                return answered, request, refused
    pytest.fail(f"{REQUESTS_MAX} requests were answered without room to write")


def assert_ends_clearly(server, refused):
    """The refusal is UNAVAILABLE; the server ends by itself, not with 0, with words and without a traceback."""
    assert refused.code == grpc.StatusCode.UNAVAILABLE
    assert server.ended() not in {0, -9}, server.output
    assert "error:" in server.output
    assert "can't be written" in server.output or "committing" in server.output
    assert "Traceback" not in server.output


def assert_whole(home, answered, refused_request):
    """With room again: every answer stands, repeats are the first answers, and the refused one is decided anew or once."""
    approved = [answer for _, answer in answered]
    with serving(home, environment=AWAY) as server, calling(server.target) as caller:
        assert_repeated(caller, answered[::50] + answered[-5:])
        approved.append(caller.authorize(refused_request))
        assert server.stop() == 0
    assert_sound(home, approved)


def test_file_that_may_not_grow_stops_approvals_and_the_server():
    """At a limit to file sizes no approval leaves that is not journalled; afterwards the books balance."""
    home = fresh_home()
    with serving(home, environment=AWAY) as server:
        # The limit is on where a write ends, however long the file was made before.
        limits = (FILE_BYTES_MAX, resource.RLIM_INFINITY)
        resource.prlimit(server.process.pid, resource.RLIMIT_FSIZE, limits)
        answered, request, refused = fill_up(server)
        assert_ends_clearly(server, refused)
    assert_whole(home, answered, request)


def home_on(disk):
    """A home with the directory's file on this disk, without PostgreSQL's data."""
    source = fresh_home()
    shutil.rmtree(source / "postgres")
    subprocess.run(["cp", "-a", str(source), str(disk / "home")], check=True)
    return disk / "home"


def test_full_disk_stops_approvals_and_the_server_until_there_is_room():
    """On a disk too small for the logs' reserve the server starts; without room it stops; with room all stands."""
    with small_disk(size_mb=16) as disk:
        home = home_on(disk)
        with serving(home, environment=AWAY) as server:
            fill(disk / "filler")
            answered, request, refused = fill_up(server)
            assert_ends_clearly(server, refused)
        (disk / "filler").unlink()
        assert_whole(home, answered, request)
