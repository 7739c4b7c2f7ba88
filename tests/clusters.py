"""Throwaway TigerBeetle clusters: real servers on free ports, in a folder of their own, ended by their ids."""

import os
import shutil
import signal
import socket
import subprocess
import threading
from pathlib import Path

START_S = 60.0
CACHE = "--cache-grid=128MiB"  # instead of a gigabyte


def server():
    """The path of a TigerBeetle server, or None."""
    return os.environ.get("HOLDFAST_TIGERBEETLE_BIN") or shutil.which("tigerbeetle")


WHY_NONE = "no TigerBeetle server: none on the PATH, and HOLDFAST_TIGERBEETLE_BIN names none"


class Cluster:
    """One or more replicas. Each may be killed and started again; all end with `close`."""

    def __init__(self, folder: Path, replica_count: int = 1, cluster_id: int = 7, options=(CACHE,)) -> None:
        self.cluster_id = cluster_id
        self.folder = folder
        self.options = options
        self.addresses = [f"127.0.0.1:{port}" for port in free_ports(replica_count)]
        self._replicas: dict[int, subprocess.Popen] = {}
        self._readers: dict[int, threading.Thread] = {}
        self.said: dict[int, list[str]] = {}
        try:
            for replica in range(replica_count):
                self._format(replica, replica_count)
            ready = [self._begin(replica) for replica in range(replica_count)]
            for replica, listens in enumerate(ready):
                self._await(replica, listens)
        except BaseException:
            self.close()
            raise

    def start(self, replica: int) -> None:
        """Start a replica again, and wait until it listens."""
        self._await(replica, self._begin(replica))

    def stop(self, replica: int) -> None:
        """SIGSTOP: it stands still, and holds its connections."""
        self._replicas[replica].send_signal(signal.SIGSTOP)

    def go_on(self, replica: int) -> None:
        """SIGCONT."""
        self._replicas[replica].send_signal(signal.SIGCONT)

    def kill(self, replica: int) -> None:
        """SIGKILL, and wait for its end."""
        process = self._replicas.pop(replica)
        process.kill()
        process.wait(START_S)
        self._readers.pop(replica).join(START_S)
        process.stderr.close()

    def signal(self, replica: int, number: int) -> None:
        """Send a replica a signal."""
        self._replicas[replica].send_signal(number)

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
                server(),
                "format",
                f"--cluster={self.cluster_id}",
                f"--replica={replica}",
                f"--replica-count={replica_count}",
                self._file(replica),
            ],
            check=True,
            capture_output=True,
            timeout=START_S,
        )

    def _begin(self, replica: int) -> threading.Event:
        process = subprocess.Popen(
            [
                server(),
                "start",
                f"--addresses={','.join(self.addresses)}",
                *self.options,
                self._file(replica),
            ],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        listens = threading.Event()
        said = self.said[replica] = []

        def read() -> None:
            for line in process.stderr:
                said.append(line)
                del said[:-200]
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


def free_ports(count: int) -> list[int]:
    """Ports that nobody listens at just now."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports
