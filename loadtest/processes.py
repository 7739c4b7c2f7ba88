"""Servers as processes of their own: started, awaited, measured, stopped. Never forked: gRPC doesn't survive it."""

import os
import select
import signal
import socket
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from random import SystemRandom
from typing import Final

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

HOST: Final = "127.0.0.1"
STOP_TIMEOUT_S: Final = 120.0
"""Answers that are still owed, its worker's end and PostgreSQL's, on a machine that does other things."""

HOMES: Final = ("", "*/")
"""Where homes are in a folder that is thrown away: it is one, or those in it are."""
LOCK: Final = "postgres/data/postmaster.pid"

_PROBE_TIMEOUT_S: Final = 1.0
_PROBES_MAX: Final = 100
_PORTS: Final = range(10_000, 32_768)
"""Below those that Linux hands out to whoever asks for any (net.ipv4.ip_local_port_range)."""

_LOG_TAIL_LINES: Final = 12


class ServerFailed(RuntimeError):  # noqa: N818 - named for what happened
    """A server did not come up; the message carries the end of what it wrote."""


def free_port() -> int:
    """A TCP port that nobody listens on now. Another process may take it first; its user then fails by name."""
    return free_ports(1)[0]


def free_ports(count: int) -> list[int]:
    """As many, each another; none that the kernel gives by itself to somebody before they are used."""
    found: list[int] = []
    with ExitStack() as stack:
        for port in SystemRandom().sample(_PORTS, count + _PROBES_MAX):
            probe = stack.enter_context(socket.socket())
            with suppress(OSError):  # it is taken
                probe.bind((HOST, port))
                found.append(port)
            if len(found) == count:
                return found
    raise OSError(f"no {count} free ports from {_PORTS.start} on")


def empty_server_command(port: int) -> list[str]:
    """Starts the empty server (see `floors`)."""
    return [sys.executable, "-m", "loadtest.floors", "--port", str(port)]


def holdfast_command(port: int, cards: int, *, metrics_port: int = 0, fronts: int = 0) -> list[str]:
    """Starts Holdfast with the demo portfolio; its home is the environment's HOLDFAST_HOME."""
    return [
        *(sys.executable, "-m", "server.cli", "serve", "--demo"),
        *("--cards", str(cards), "--port", str(port), "--metrics-port", str(metrics_port)),
        *(("--fronts", str(fronts)) if fronts else ()),
    ]


@contextmanager
def scratch(name: str) -> Iterator[Path]:
    """
    A folder for homes and logs. It is thrown away, and with it each PostgreSQL that a killed server left in a home.

    Its path is short, for sockets; PostgreSQL's own user passes through it.
    """
    prefix = f"holdfast-{name}-"
    with tempfile.TemporaryDirectory(prefix=prefix, ignore_cleanup_errors=True) as name_of_it:
        folder = Path(name_of_it)
        try:
            yield folder
        finally:
            for lock in (path for home in HOMES for path in folder.glob(home + LOCK)):
                _end_postgres(lock)
    if folder.exists():
        warnings.warn(
            f"{folder} is in use by a process that was left: not all of it is removed", stacklevel=3
        )


def _end_postgres(lock: Path) -> None:
    """
    End the PostgreSQL of this file's folder at once, where it lives: its data is of no use to anybody.

    The process that the file names may be another by now, or the server of a home that this one is a copy of: it is
    ours where it works in this folder.
    """
    if not hasattr(os, "pidfd_open"):
        return
    with suppress(OSError, ValueError):
        process_id = int(lock.read_text().split("\n", 1)[0])
        handle = os.pidfd_open(process_id)
        try:
            if Path(f"/proc/{process_id}/cwd").samefile(lock.parent):
                signal.pidfd_send_signal(handle, signal.SIGQUIT)
                ended = select.poll()
                ended.register(handle, select.POLLIN)
                ended.poll(STOP_TIMEOUT_S * 1_000)
        finally:
            os.close(handle)


@contextmanager
def running(
    command: Sequence[str],
    target: str,
    log: Path,
    *,
    ready_timeout_s: float,
    environment: Mapping[str, str] | None = None,
) -> Iterator[subprocess.Popen[bytes]]:
    """
    A server process that is healthy on entry and gone on exit.

    Output goes to `log`. Raises `ServerFailed` where the process ends, or isn't SERVING after `ready_timeout_s`.
    """
    with log.open("wb") as output:
        process = subprocess.Popen(
            command,
            stdout=output,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            env={**os.environ, **(environment or {})},
        )
    try:
        _await_serving(process, target, log, time.monotonic() + ready_timeout_s)
        yield process
    finally:
        stop(process)


def stop(process: subprocess.Popen[bytes]) -> None:
    """Asks a process to end, and kills it where it hasn't within `STOP_TIMEOUT_S`."""
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(STOP_TIMEOUT_S)


def _await_serving(process: subprocess.Popen[bytes], target: str, log: Path, deadline_s: float) -> None:
    request = health_pb2.HealthCheckRequest()
    with grpc.insecure_channel(target, options=[("grpc.max_reconnect_backoff_ms", 200)]) as channel:
        stub = health_pb2_grpc.HealthStub(channel)
        while time.monotonic() < deadline_s:
            if process.poll() is not None:
                raise ServerFailed(f"{_name(process)} ended with {process.returncode}:\n{_tail(log)}")
            try:
                # Waiting for the connection is the pause between two looks.
                answer = stub.Check(request, timeout=_PROBE_TIMEOUT_S, wait_for_ready=True)
            except grpc.RpcError:
                continue
            if answer.status == health_pb2.HealthCheckResponse.SERVING:
                return
            time.sleep(0.05)
    raise ServerFailed(f"{_name(process)} on {target} was not ready in time:\n{_tail(log)}")


def _name(process: subprocess.Popen[bytes]) -> str:
    return " ".join(map(str, process.args)) if isinstance(process.args, list) else str(process.args)


def _tail(log: Path) -> str:
    lines = log.read_text(errors="replace").splitlines()
    return "\n".join(lines[-_LOG_TAIL_LINES:]) or "(it wrote nothing)"


def cpu_s(pid: int) -> float | None:
    """CPU seconds that a process has used so far, user and system; None where the system doesn't tell (no /proc)."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return None
    # The command's name stands in parentheses and may hold anything; utime and stime are fields 14 and 15.
    fields = stat.rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def memory_peak_bytes(pid: int) -> int | None:
    """The most memory that a process has had resident so far; None where the system doesn't tell (no /proc)."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return None
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM:")), None)


def machine_busy_s() -> float | None:
    """CPU seconds that all cores together have been busy since boot; None where the system doesn't tell."""
    try:
        fields = Path("/proc/stat").read_text().partition("\n")[0].split()[1:]
    except OSError:
        return None
    user, nice, system, _idle, _iowait, irq, softirq, *_ = (int(field) for field in fields)
    return (user + nice + system + irq + softirq) / os.sysconf("SC_CLK_TCK")
