"""A server under trial: started, killed and stopped by the campaigns, its processes by what they do, and its books after it."""

import asyncio
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Final, Self

from loadtest.asking import Asked, told
from loadtest.clusters import Cluster
from loadtest.processes import HOST, ServerFailed, free_port, running
from loadtest.usage import Spent, command_line, family, title
from server.cli.balance import judge, read_cluster, read_embedded
from server.store.postgres import EmbeddedPostgres
from server.supervisor import SPARE
from server.title import TITLES

READY_TIMEOUT_S: Final = 900.0
LOOK_S: Final = 0.5
ROWS_KEPT: Final = 1 << 40
"""The whole journal: the books are compared with all of it afterwards."""

TRACEBACK_SIZE: Final = 3_000
_LAST_LINES: Final = 12
_NAMED: Final = {
    "server.core_process": "core",
    "server.front_process": "front",
    "server.store.shipping": "shipper",
    "comply": "worker",
}
"""What a process does, by a word of how it was called. The server itself is its core where there are no fronts."""


class Trial:
    """
    `holdfast serve --demo` on a home of its own; a context: it runs inside, and is stopped at the end.

    All methods block: call them beside an event loop.
    """

    def __init__(
        self,
        home: Path,
        *,
        cards: int = 10_000,
        arguments: Sequence[str] = (),
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self.home = home
        self.target = f"{HOST}:{free_port()}"
        self.spent = Spent()
        """What its processes have spent, PostgreSQL's and the worker's too."""
        self._command = [
            *(sys.executable, "-m", "server.cli", "serve", "--demo", "--cards", str(cards)),
            *("--port", self.target.rpartition(":")[2], "--metrics-port", "0", *arguments),
        ]
        self._environment = {
            "HOLDFAST_HOME": str(home),
            "HOLDFAST_DATABASE_URL": "",  # its PostgreSQL is its home's, whatever the caller's environment names
            "HOLDFAST_JOURNAL_ROWS_MIN": str(ROWS_KEPT),
            **(environment or {}),
        }
        self._postgres = EmbeddedPostgres(home)
        self._stack = ExitStack()
        self._process: subprocess.Popen[bytes]
        self._starts = 0
        self._over = threading.Event()
        self._looker = threading.Thread(target=self._look, name="spent", daemon=True)

    def __enter__(self) -> Self:
        self.start()
        self._looker.start()
        return self

    def __exit__(self, *_raised: object) -> None:
        self._over.set()
        self._looker.join()
        self._stack.close()

    def start(self) -> None:
        """Start it. Raises ServerFailed where it does not come up."""
        self._starts += 1
        self._process = self._stack.enter_context(
            running(
                self._command,
                self.target,
                self._log(),
                ready_timeout_s=READY_TIMEOUT_S,
                environment=self._environment,
            )
        )

    def stop(self) -> None:
        """Drain and end it. Raises ServerFailed where it does not end well."""
        self._stack.close()
        if self._process.returncode:
            raise ServerFailed(self.last_words())

    def processes(self) -> dict[str, list[int]]:
        """Process ids by what they do: core, spare (once it is prepared), front, worker, shipper, postgres."""
        found: dict[str, list[int]] = {what: [] for what in (*_NAMED.values(), "spare", "postgres")}
        for process_id in family([self._process.pid]):
            command = command_line(process_id)
            if SPARE in command and title(process_id) != TITLES["core"]:
                if title(process_id) == TITLES["spare"]:
                    found["spare"].append(process_id)
                continue
            for word in command:
                if word in _NAMED:
                    found[_NAMED[word]].append(process_id)
        if not self.is_supervised:
            found["core"].append(self._process.pid)
        postgres = self._postgres.process_id()
        if postgres is not None and "postgres" in " ".join(command_line(postgres)):
            found["postgres"].append(postgres)
        return found

    @property
    def is_supervised(self) -> bool:
        """Whether the core is started again by the server itself when it dies."""
        return "--fronts" in self._command

    def signal(self, what: str, place: int, number: signal.Signals) -> int | None:
        """Signal one of the processes that do this; its id, or None where there is none."""
        candidates = self.processes()[what]
        if not candidates:
            return None
        process_id = candidates[place % len(candidates)]
        try:
            os.kill(process_id, number)
        except ProcessLookupError:
            return None
        return process_id

    def revive(self) -> None:
        """Start it again where its process has been signalled to end. Raises ServerFailed."""
        self._process.wait(READY_TIMEOUT_S)
        self._stack.close()
        self.start()

    def holdfast(self, *arguments: str) -> None:
        """Run another command on its home. Raises ServerFailed with what that said where it fails."""
        done = subprocess.run(
            [sys.executable, "-m", "server.cli", *arguments],
            check=False,
            capture_output=True,
            text=True,
            env={**os.environ, **self._environment},
            timeout=READY_TIMEOUT_S,
        )
        if done.returncode:
            raise ServerFailed(f"holdfast {' '.join(arguments)}: {done.stderr.strip()}")

    def last_words(self) -> str:
        """What it wrote last."""
        lines = self._log().read_text(errors="replace").splitlines()[-_LAST_LINES:]
        return "\n".join([f"the server ended with {self._process.poll()}:", *lines])

    def said(self) -> str:
        """Everything that it has written, over all its starts."""
        logs = (self._log(number) for number in range(1, self._starts + 1))
        return "".join(log.read_text(errors="replace") for log in logs if log.exists())

    def _log(self, number: int | None = None) -> Path:
        return self.home.parent / f"server-{number or self._starts}.log"

    def spend_anew(self) -> None:
        """Count what is spent from here on."""
        anew = Spent()
        anew.look(self._all(), new=False)
        self.spent = anew

    def _all(self) -> list[int]:
        postgres = self._postgres.process_id()
        return family([self._process.pid, *([] if postgres is None else [postgres])])

    def _look(self) -> None:
        while not self._over.wait(LOOK_S):
            self.spent.look(self._all())


def troubles(said: str) -> dict[str, Any]:
    """How many tracebacks a server has written, and how the first one reads."""
    _, found, rest = said.partition("Traceback")
    return {"tracebacks": said.count("Traceback"), "first_traceback": (found + rest)[:TRACEBACK_SIZE]}


def books_of(home: Path, cluster: Cluster | None, asked: Sequence[Asked]) -> tuple[dict[str, Any], Any]:
    """
    What `balance.judge` says of a stopped server and what it had answered, and the ledger's transfers.

    Raises what `balance.examine` raises.
    """
    if cluster is None:
        totals, transfers = read_embedded(home)
    else:
        totals, transfers = asyncio.run(read_cluster(cluster.cluster_id, cluster.addresses))
    return judge(home, totals, transfers, *told(asked)), transfers
