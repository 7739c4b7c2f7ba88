"""A server of a replay's own: its portfolio, its process, its deaths and its end."""

import asyncio
import subprocess
import sys
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Final, Self

from loadtest.histories import Holder
from loadtest.processes import HOST, ServerFailed, free_port, memory_peak_bytes, running
from server.keys import Keys
from server.store.database import Database
from server.store.portfolio import DEMO_PROGRAMME, NewCard, Portfolio
from server.store.queries import query

READY_TIMEOUT_S: Final = 300.0
ROWS_KEPT: Final = 1 << 40
"""The whole journal: the books are compared with all of it afterwards."""
_LAST_LINES: Final = 12


def make_portfolio(home: Path, holders: Sequence[Holder], progress: Callable[[int], None]) -> None:
    """
    Makes the cards of `holders` in the embedded PostgreSQL of `home`, in the demo's programme: without limits.

    The server opens their accounts when it starts. Known cards are passed over. Raises StoreError and KeysError.
    """
    asyncio.run(_make_portfolio(home, holders, progress))


async def _make_portfolio(home: Path, holders: Sequence[Holder], progress: Callable[[int], None]) -> None:
    keys = Keys.open(home)
    async with Database.at(home, None) as database:
        await database.belongs_to(keys)
        async with database.acquire() as connection:
            await connection.execute(query("create_demo_programme"))
        cards = (NewCard(**holder._asdict()) for holder in holders)
        await Portfolio(database, keys).create(cards, DEMO_PROGRAMME, progress)


class OwnServer:
    """A server process on `home`, believing the messages' clock. A context: it runs inside, and is stopped at the end."""

    def __init__(self, home: Path, logs: Path) -> None:
        self.target = f"{HOST}:{free_port()}"
        self.memory_peak_bytes: int | None = None
        """The most memory that any of its processes had; None where the system doesn't tell."""
        self._home = home
        self._logs = logs
        self._starts = 0
        self._stack = ExitStack()
        self._process: subprocess.Popen[bytes]

    def __enter__(self) -> Self:
        self._start()
        return self

    def __exit__(self, *_raised: object) -> None:
        self._measure()
        self._stack.close()

    def stop(self) -> None:
        """Drains and ends it. Raises ServerFailed where it does not end well."""
        self._measure()
        self._stack.close()
        if self._process.returncode:
            raise ServerFailed(self.last_words())

    def last_words(self) -> str:
        """What it wrote last, where it has ended by itself; nothing where it still runs."""
        if self._process.poll() is None:
            return ""
        lines = self._log().read_text(errors="replace").splitlines()[-_LAST_LINES:]
        return "\n".join([f"the server ended with {self._process.returncode}:", *lines])

    def die(self) -> None:
        """Kills it (SIGKILL) and starts it again. Raises ServerFailed where it does not come up."""
        self._measure()
        self._process.kill()
        self._process.wait()
        self._stack.close()
        self._start()

    def _start(self) -> None:
        self._starts += 1
        port = self.target.rpartition(":")[2]
        command = [sys.executable, "-m", "server.cli", "serve", "--clock", "message", "--port", port]
        server = running(
            [*command, "--metrics-port", "0"],
            self.target,
            self._log(),
            ready_timeout_s=READY_TIMEOUT_S,
            environment={
                "HOLDFAST_HOME": str(self._home),
                "HOLDFAST_DATABASE_URL": "",  # its PostgreSQL is its home's, whatever the caller's environment names
                "HOLDFAST_JOURNAL_ROWS_MIN": str(ROWS_KEPT),
            },
        )
        self._process = self._stack.enter_context(server)

    def _measure(self) -> None:
        peak = memory_peak_bytes(self._process.pid)
        if peak is not None:
            self.memory_peak_bytes = max(peak, self.memory_peak_bytes or 0)

    def _log(self) -> Path:
        return self._logs / f"server-{self._starts}.log"
