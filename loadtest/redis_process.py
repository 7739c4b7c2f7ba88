"""A Redis server of one's own, on a Unix socket, which writes nothing to disk."""

import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final, NamedTuple

import redis

from loadtest.processes import ServerFailed, stop

_READY_TIMEOUT_S: Final = 10.0


class RedisMissing(RuntimeError):  # noqa: N818 - named for what happened
    """There is no Redis server; the message says what to install."""


class ServedRedis(NamedTuple):
    """Its socket, and which process it is."""

    socket: str
    pid: int


@contextmanager
def redis_process() -> Iterator[ServedRedis]:
    """A server that is gone on exit. Raises `RedisMissing` where there is no `redis-server`, `ServerFailed`."""
    binary = shutil.which("redis-server")
    if binary is None:
        raise RedisMissing("no redis-server on the PATH: Debian's package is redis-server")
    with tempfile.TemporaryDirectory(prefix="holdfast-redis-") as folder:
        where = Path(folder) / "socket"
        log = Path(folder) / "log"
        command = [binary, "--port", "0", "--unixsocket", str(where), "--dir", folder, "--logfile", str(log)]
        process = subprocess.Popen(
            [*command, "--save", "", "--appendonly", "no"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            _await_ready(where, process, log)
            yield ServedRedis(str(where), process.pid)
        finally:
            stop(process)


def _await_ready(where: Path, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline_s = time.monotonic() + _READY_TIMEOUT_S
    with redis.Redis(unix_socket_path=str(where)) as client:
        while time.monotonic() < deadline_s and process.poll() is None:
            try:
                client.ping()
            except redis.ConnectionError:
                time.sleep(0.01)
            else:
                return
    said = log.read_text(errors="replace") if log.exists() else "(it wrote nothing)"
    raise ServerFailed(f"redis-server was not ready in time: {said}")
