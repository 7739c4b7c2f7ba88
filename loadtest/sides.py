"""The servers that a bench compares, as processes: Holdfast with its ledger and fronts, and empty servers beside it."""

import sys
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from loadtest.clusters import fresh_server
from loadtest.counted import counted
from loadtest.processes import HOST, empty_server_command, free_port, holdfast_command, running, scratch
from loadtest.redis_process import redis_process
from scoring import registry

READY_TIMEOUT_S: Final = 900.0
"""The first start on a machine compiles, and the machine may be busy."""

READY_S_PER_CARD: Final = 0.0003
"""A large portfolio takes its time to be made."""

HOLDFAST: Final = "holdfast"
EMPTY: Final = "empty"
RIVAL: Final = "rival"
LEDGERS: Final = ("embedded", "tigerbeetle")


@dataclass(frozen=True)
class Side:
    """
    One server under measurement, which may be several processes.

    Connections are dealt out to `targets` in turns; `pids` and whatever has `mark` in its command line are its own (see
    `usage.family`). One that keeps nothing may be sent the same messages again (`cycle`).
    """

    name: str
    targets: tuple[str, ...]
    pids: tuple[int, ...]
    mark: str = ""
    cycle: bool = False
    metrics: str | None = field(default=None)
    """Where it tells its metrics, an URL."""

    @property
    def target(self) -> str:
        """The first of its targets."""
        return self.targets[0]


def folder_of(stack: ExitStack) -> Path:
    """A folder for logs and homes that is thrown away with the stack."""
    return stack.enter_context(scratch("bench"))


def start_holdfast(
    stack: ExitStack,
    folder: Path,
    *,
    cards: int,
    ledger: str = LEDGERS[0],
    fronts: int = 0,
    home: Path | None = None,
    name: str = HOLDFAST,
    count_file: Path | None = None,
) -> Side:
    """
    Holdfast with a demo portfolio, in `home` or in one of its own below `folder`; it ends with the stack.

    With `count_file` its objects are counted there (see `counted`). `ledger` is one of LEDGERS; TigerBeetle gets a cluster of its own, so that `home` must be new. Raises `ServerFailed`,
    FileNotFoundError where there is no TigerBeetle, ValueError.
    """
    if ledger not in LEDGERS:
        raise ValueError(f"the ledger is one of {', '.join(LEDGERS)}, not {ledger}")
    if ledger != LEDGERS[0] and home is not None and home.exists():
        raise ValueError(
            f"{home} has its money elsewhere: a cluster of TigerBeetle that is thrown away needs a new home"
        )
    home = home or folder / name
    home.mkdir(parents=True, exist_ok=True)
    environment = {
        "HOLDFAST_HOME": str(home),
        "HOLDFAST_DATABASE_URL": "",
        "HOLDFAST_LEDGER": ledger,
        "HOLDFAST_SPARE_CORE": "false",  # it would be prepared while the first steps are measured
    }
    pids: tuple[int, ...] = ()
    if ledger != LEDGERS[0]:
        served = stack.enter_context(fresh_server())
        environment["HOLDFAST_LEDGER"], pids = served.setting, (served.pid,)
    port, metrics_port = free_port(), free_port()
    target = f"{HOST}:{port}"
    command = holdfast_command(port, cards, metrics_port=metrics_port, fronts=fronts)
    process = stack.enter_context(
        running(
            command if count_file is None else counted(command, count_file),
            target,
            folder / f"{name}.log",
            ready_timeout_s=READY_TIMEOUT_S + cards * READY_S_PER_CARD,
            environment=environment,
        )
    )
    return Side(
        name, (target,), (process.pid, *pids), mark=str(home), metrics=f"http://{HOST}:{metrics_port}/metrics"
    )


def start_empty(stack: ExitStack, folder: Path, *, processes: int = 1, name: str = EMPTY) -> Side:
    """Empty servers, each with a port of its own: connections are spread as evenly as can be. Raises `ServerFailed`."""
    targets, pids = [], []
    for number in range(processes):
        port = free_port()
        targets.append(f"{HOST}:{port}")
        process = stack.enter_context(
            running(
                empty_server_command(port),
                targets[-1],
                folder / f"{name}-{number}.log",
                ready_timeout_s=READY_TIMEOUT_S,
            )
        )
        pids.append(process.pid)
    return Side(name, tuple(targets), tuple(pids), cycle=True)


def start_rival(stack: ExitStack, folder: Path, database_url: str, *, cards: int, mark: str) -> Side:
    """
    The rival (see `rival`) on an empty database, with a Redis of its own and the shipped model; it ends with the stack.

    `mark` stands in the command line of the PostgreSQL that has the database. Raises `RedisMissing`, `ServerFailed`.
    """
    served = stack.enter_context(redis_process())
    port = free_port()
    target = f"{HOST}:{port}"
    command = [
        *(sys.executable, "-m", "loadtest.rival.server", "--port", str(port), "--cards", str(cards)),
        *(
            "--database-url",
            database_url,
            "--redis-socket",
            served.socket,
            "--model",
            str(registry.shipped()),
        ),
    ]
    process = stack.enter_context(
        running(
            command,
            target,
            folder / "rival.log",
            ready_timeout_s=READY_TIMEOUT_S + cards * READY_S_PER_CARD,
        )
    )
    return Side(RIVAL, (target,), (process.pid, served.pid), mark=mark)
