"""A throwaway empty server for the room's tests."""

from dataclasses import dataclass

import pytest

from loadtest.processes import empty_server_command, free_port, running


@dataclass(frozen=True)
class EmptyServer:
    """Where an empty server listens, and which process it is."""

    target: str
    pid: int


@pytest.fixture(scope="session")
def empty_server(tmp_path_factory):
    """One empty server for all tests of the session: it keeps nothing."""
    port = free_port()
    log = tmp_path_factory.mktemp("floors") / "log"
    target = f"127.0.0.1:{port}"
    with running(empty_server_command(port), target, log, ready_timeout_s=30.0) as process:
        yield EmptyServer(target, process.pid)
