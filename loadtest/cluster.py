"""A TigerBeetle server of one's own: a cluster of one replica in a folder that is thrown away."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final, NamedTuple

WHY_NONE: Final = "no TigerBeetle server: none on the PATH, and HOLDFAST_TIGERBEETLE_BIN names none"
_TIMEOUT_S: Final = 600.0


class Served(NamedTuple):
    """Where a cluster's only replica listens, and which process it is."""

    address: str
    pid: int

    @property
    def setting(self) -> str:
        """What HOLDFAST_LEDGER says to use it."""
        return f"tigerbeetle://0@{self.address}"


def server() -> str | None:
    """The path of a TigerBeetle server, or None: HOLDFAST_TIGERBEETLE_BIN, or what the PATH has."""
    return os.environ.get("HOLDFAST_TIGERBEETLE_BIN") or shutil.which("tigerbeetle")


@contextmanager
def fresh_server() -> Iterator[Served]:
    """
    A new server with its default settings, as its benchmark starts one. It ends with its input.

    Its cluster has the number 0. Raises FileNotFoundError where there is none.
    """
    program = server()
    if program is None:
        raise FileNotFoundError(WHY_NONE)
    with tempfile.TemporaryDirectory(prefix="holdfast-bench-") as folder:
        file = Path(folder) / "0.tigerbeetle"
        subprocess.run(
            [program, "format", "--cluster=0", "--replica=0", "--replica-count=1", file],
            check=True,
            capture_output=True,
            timeout=_TIMEOUT_S,
        )
        with subprocess.Popen(
            [program, "start", "--addresses=0", file],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        ) as process:
            assert process.stdout is not None
            try:
                yield Served(f"127.0.0.1:{int(process.stdout.readline())}", process.pid)
            finally:
                process.kill()
