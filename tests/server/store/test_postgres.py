"""The embedded PostgreSQL's life: start, sharing, adoption, stop."""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from server.store.postgres import SOCKET_PATH_MAX, EmbeddedPostgres, StoreError


@pytest.fixture(scope="module")
def home():
    """One home for this file: making the data folder is what takes time."""
    path = Path(tempfile.mkdtemp(prefix="holdfast-test-"))
    yield path
    last = EmbeddedPostgres(path)
    last.start()
    last.close()
    shutil.rmtree(path)


def _alive(process_id):
    try:
        os.kill(process_id, 0)
    except ProcessLookupError:
        return False
    return True


def test_close_stops_the_server_when_nobody_else_uses_it(home):
    """The last one out stops it, an earlier one leaves it."""
    first, second = EmbeddedPostgres(home), EmbeddedPostgres(home)
    assert first.start() == second.start()
    process_id = first.process_id()
    assert not first.close()
    assert _alive(process_id)
    assert second.close()
    assert second.process_id() is None
    assert not second.close()


def test_start_adopts_the_server_when_its_user_was_killed(home):
    """A kill leaves the server running; the next start uses that very process and its close stops it."""
    script = (
        "import sys\nfrom pathlib import Path\nfrom server.store.postgres import EmbeddedPostgres\n"
        "server = EmbeddedPostgres(Path(sys.argv[1]))\nserver.start()\nprint(server.process_id(), flush=True)\n"
        "sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", script, str(home)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as user:
        left = int(user.stdout.readline())
        user.send_signal(signal.SIGKILL)
        user.wait(10)
    assert _alive(left)
    server = EmbeddedPostgres(home)
    server.start()
    assert server.process_id() == left
    assert server.close()


def test_start_makes_a_session_of_its_own_when_run_from_a_terminal(home):
    """An interrupt to our process group does not reach PostgreSQL."""
    server = EmbeddedPostgres(home)
    server.start()
    assert os.getsid(server.process_id()) != os.getsid(0)
    assert os.getpgid(server.process_id()) != os.getpgid(0)
    server.close()


def test_start_brings_it_back_when_the_server_itself_was_killed(home):
    """A dead server's lock file and shared memory are no obstacle."""
    server = EmbeddedPostgres(home)
    server.start()
    killed = server.process_id()
    os.kill(killed, signal.SIGKILL)
    server.start()
    assert server.process_id() != killed
    assert server.close()


def test_start_ignores_the_lock_file_when_its_process_is_another_program(home):
    """After a reboot the old process id may be anybody's: ours, here."""
    server = EmbeddedPostgres(home)
    server.start()
    lock = (server.data / "postmaster.pid").read_text()
    server.close()
    (server.data / "postmaster.pid").write_text(lock.replace(lock.split("\n")[0], str(os.getpid()), 1))
    (server.data / "postmaster.pid").chmod(0o644)
    server.start()
    assert server.process_id() != os.getpid()
    assert server.close()


def test_the_server_of_a_home_that_was_renamed_meanwhile_is_adopted():
    """It works in the same data folder, whatever its path is now."""
    first, second = (Path(tempfile.mkdtemp(prefix="holdfast-test-")) for _ in range(2))
    server = EmbeddedPostgres(first / "home")
    server.start()
    process_id = server.process_id()
    (first / "home").rename(second / "home")
    renamed = EmbeddedPostgres(second / "home")
    renamed.start()
    assert renamed.process_id() == process_id
    assert not renamed.close()
    server.folder, server.data = renamed.folder, renamed.data
    assert server.close()
    for path in (first, second):
        shutil.rmtree(path)


def test_a_copy_of_a_home_in_use_has_a_server_of_its_own(home):
    """The lock file that was copied with it names the other's."""
    server = EmbeddedPostgres(home)
    server.start()
    server.close()
    with tempfile.TemporaryDirectory(prefix="holdfast-test-") as folder:
        copy = EmbeddedPostgres(Path(folder))
        shutil.copytree(server.folder, copy.folder)
        server.start()
        process_id, lock = server.process_id(), (server.data / "postmaster.pid").read_text()
        (copy.data / "postmaster.pid").write_text(lock)
        for path in (copy.folder, *copy.folder.rglob("*")):
            shutil.chown(path, server.data.owner())
        copy.start()
        assert copy.process_id() != process_id
        assert copy.close()
        assert server.process_id() == process_id
        assert _alive(process_id)
        assert server.close()


def test_socket_moves_to_a_short_path_when_the_home_is_deep(tmp_path):
    """A socket's path has a limit that a folder's has not."""
    deep = tmp_path / ("d" * 60) / ("e" * 60)
    deep.mkdir(parents=True)
    socket_folder = EmbeddedPostgres(deep).url.split("host=")[1]
    assert len(f"{socket_folder}/.s.PGSQL.5432") <= SOCKET_PATH_MAX + 4
    assert socket_folder != str(deep / "postgres")


def test_start_says_what_to_do_when_the_data_is_of_another_version():
    """The log's last lines and one sentence of advice, no traceback to read."""
    home = Path(tempfile.mkdtemp(prefix="holdfast-test-"))
    server = EmbeddedPostgres(home)
    try:
        server.start()
        server.close()
        (server.data / "PG_VERSION").write_text("11\n")
        with pytest.raises(StoreError, match="another PostgreSQL version"):
            server.start()
    finally:
        shutil.rmtree(home)
