"""Throwaway TigerBeetle clusters: real servers on free ports, in a folder of their own, signalled and ended by their ids."""

import os
import shutil
import signal
import subprocess
import tempfile
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final, NamedTuple, Self

from loadtest.processes import HOST, free_ports

START_S: Final = 180.0
CACHE: Final = "--cache-grid=128MiB"  # instead of a gigabyte
LINES_KEPT: Final = 200
WHY_NONE: Final = "no TigerBeetle server: none on the PATH, and HOLDFAST_TIGERBEETLE_BIN names none"


def server() -> str | None:
    """The path of a TigerBeetle server, or None: HOLDFAST_TIGERBEETLE_BIN, or what the PATH has."""
    return os.environ.get("HOLDFAST_TIGERBEETLE_BIN") or shutil.which("tigerbeetle")


class Cluster:
    """One or more replicas. Each may be killed, started again, or stopped for a while; all end with `close`."""

    def __init__(
        self, folder: Path, replica_count: int = 1, cluster_id: int = 7, options: Sequence[str] = (CACHE,)
    ) -> None:
        self.cluster_id = cluster_id
        self.folder = folder
        self.options = options
        self.addresses = [f"{HOST}:{port}" for port in free_ports(replica_count)]
        self._replicas: dict[int, subprocess.Popen[str]] = {}
        self._readers: dict[int, threading.Thread] = {}
        self.said: dict[int, list[str]] = {}
        """The last lines of each replica."""
        try:
            for replica in range(replica_count):
                self._format(replica, replica_count)
            ready = [self._begin(replica) for replica in range(replica_count)]
            for replica, listens in enumerate(ready):
                self._await(replica, listens)
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_raised: object) -> None:
        self.close()

    @property
    def setting(self) -> str:
        """What HOLDFAST_LEDGER says for it."""
        return self.setting_by(self.addresses)

    def setting_by(self, addresses: Sequence[str]) -> str:
        """What HOLDFAST_LEDGER says for it where its replicas are reached by other addresses."""
        return f"tigerbeetle://{self.cluster_id}@{','.join(addresses)}"

    @property
    def process_ids(self) -> list[int]:
        """Of the replicas that run."""
        return [process.pid for process in self._replicas.values()]

    def start(self, replica: int) -> None:
        """Start a replica again, and wait until it listens."""
        self._await(replica, self._begin(replica))

    def kill(self, replica: int) -> None:
        """SIGKILL, and wait for its end."""
        process = self._replicas.pop(replica)
        process.kill()
        process.wait(START_S)
        self._readers.pop(replica).join(START_S)
        if process.stderr is not None:
            process.stderr.close()

    def signal(self, replica: int, number: int) -> None:
        """Send a replica a signal."""
        self._replicas[replica].send_signal(number)

    @contextmanager
    def stopped(self, *replicas: int) -> Iterator[None]:
        """These hold their connections and answer nothing inside (SIGSTOP), and go on after it, however it ended."""
        try:
            for replica in replicas:
                self.signal(replica, signal.SIGSTOP)
            yield
        finally:
            for replica in replicas:
                self.signal(replica, signal.SIGCONT)

    def close(self) -> None:
        """Kill what runs, and throw the files away."""
        for replica in list(self._replicas):
            self.kill(replica)
        for file in self.folder.glob("*.tigerbeetle"):
            file.unlink()

    def _file(self, replica: int) -> Path:
        return self.folder / f"{replica}.tigerbeetle"

    def _format(self, replica: int, replica_count: int) -> None:
        subprocess.run(
            [
                *(server() or "", "format", f"--cluster={self.cluster_id}"),
                *(f"--replica={replica}", f"--replica-count={replica_count}", str(self._file(replica))),
            ],
            check=True,
            capture_output=True,
            timeout=START_S,
        )

    def _begin(self, replica: int) -> threading.Event:
        process = subprocess.Popen(
            [
                *(server() or "", "start", f"--addresses={','.join(self.addresses)}"),
                *(*self.options, str(self._file(replica))),
            ],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        listens = threading.Event()
        said: list[str] = []
        self.said[replica] = said

        def read() -> None:
            assert process.stderr is not None
            for line in process.stderr:
                said.append(line)
                del said[:-LINES_KEPT]
                if "listening on" in line:
                    listens.set()
            listens.set()  # it has ended: `_await` tells

        self._replicas[replica] = process
        self._readers[replica] = threading.Thread(target=read, daemon=True)
        self._readers[replica].start()
        return listens

    def _await(self, replica: int, listens: threading.Event) -> None:
        if not listens.wait(START_S) or self._replicas[replica].poll() is not None:
            raise RuntimeError(f"TigerBeetle replica {replica} did not start:\n{''.join(self.said[replica])}")


class Served(NamedTuple):
    """Where a cluster's only replica listens, and which process it is."""

    address: str
    pid: int

    @property
    def setting(self) -> str:
        """What HOLDFAST_LEDGER says to use it."""
        return f"tigerbeetle://0@{self.address}"


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
            timeout=START_S,
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
