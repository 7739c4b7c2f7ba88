"""
The shipper as a process of its own: laying out rows takes the interpreter, which the answers need.

`python -m server.store.shipping HOME JOURNAL WITHIN_S` ships until it is asked to end, and then what is left, or until
whoever started it is gone. It tells how far it is in lines of JSON. HOLDFAST_DATABASE_URL says where PostgreSQL is.
"""

import asyncio
import contextlib
import json
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import structlog

from server.background import Processors, fall_behind
from server.compiled import prepare_numba
from server.core.journal_reader import JournalReader
from server.store.database import TRANSIENT, Database
from server.store.postgres import StoreError
from server.store.shipper import Shipper, Standing
from server.undumpable import refuse_dumps

_DRAIN_S: Final = 5.0
"""How long an end waits for PostgreSQL to take what is left."""

_STOP_S: Final = 10.0
_AGAIN_S: Final = 0.5
_URL: Final = "HOLDFAST_DATABASE_URL"

_log = structlog.get_logger("shipping")


class Shipping:
    """The process, from outside. `run` it beside the core."""

    def __init__(self, home: Path, journal: Path, database_url: str | None, within_s: float = 0.0) -> None:
        """`within_s`: for how long rows wait while the machine is busy; see `Shipper`."""
        self._command = (
            *(sys.executable, "-m", "server.store.shipping"),
            *(str(home), str(journal), str(within_s)),
        )
        self._environment = {name: value for name, value in os.environ.items() if name != _URL}
        if database_url:
            self._environment[_URL] = database_url
        self.standing = Standing()
        """As it was last told."""
        self.told = asyncio.Event()
        """Set each time."""

    @property
    def position(self) -> int:
        """The last journal row whose decisions are in PostgreSQL; 0 where that is not known yet."""
        return self.standing.position

    async def run(self) -> None:
        """Keep it running until this is cancelled; it then ships what it can in some seconds, and ends."""
        while True:
            process = await asyncio.create_subprocess_exec(
                *self._command,
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                env=self._environment,
            )
            assert process.stdout is not None, "it is started with pipes"
            try:
                async for line in process.stdout:
                    self.standing = Standing(**json.loads(line))
                    self.told.set()
                status = await process.wait()
            finally:
                await _end(process)
            _log.warning("the shipper has ended and is started again", status=status)
            await asyncio.sleep(_AGAIN_S)


async def _end(process: asyncio.subprocess.Process) -> None:
    """Ask it to end; kill it where it doesn't."""
    with contextlib.suppress(ProcessLookupError):
        process.terminate()
    try:
        async with asyncio.timeout(_STOP_S):
            await process.wait()
    except TimeoutError:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()


async def ship(
    home: Path, journal: Path, within_s: float, url: str | None, tell: Callable[[str], None]
) -> None:
    """Ship until SIGTERM, or until our standard input ends; after SIGTERM, what is left as well."""
    loop = asyncio.get_running_loop()
    over: asyncio.Future[bool] = loop.create_future()

    def end(*, drained: bool) -> None:
        if not over.done():
            over.set_result(drained)

    loop.add_signal_handler(signal.SIGTERM, lambda: end(drained=True))
    loop.add_signal_handler(signal.SIGINT, lambda: None)  # a terminal's Ctrl-C is the server's to hear
    loop.add_reader(sys.stdin.fileno(), lambda: end(drained=False))
    database = Database.beside(home, url, yielding=fall_behind)
    reader = JournalReader(journal)
    try:
        shipper = Shipper(
            database,
            reader,
            told=lambda standing: tell(json.dumps(standing._asdict())),
            within_s=within_s,
            is_busy=Processors().are_busy,
        )
        shipping = asyncio.ensure_future(shipper.run())
        waiting: set[asyncio.Future[Any]] = {shipping, over}
        await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        shipping.cancel()
        await asyncio.wait([shipping])
        if not over.done():
            shipping.result()
        if over.done() and over.result():
            try:
                async with asyncio.timeout(_DRAIN_S):
                    await shipper.drain()
            except (StoreError, *TRANSIENT) as error:
                rows = reader.last() - shipper.position
                _log.warning("left for the next start to ship", journal_rows=rows, reason=repr(error))
    finally:
        reader.close()
        await database.close()


def main() -> None:
    """The process."""
    refuse_dumps()
    fall_behind()
    prepare_numba()
    home, journal, within_s = sys.argv[1:]

    def tell(line: str) -> None:
        with contextlib.suppress(BrokenPipeError):
            sys.stdout.write(line + "\n")
            sys.stdout.flush()

    asyncio.run(ship(Path(home), Path(journal), float(within_s), os.environ.get(_URL), tell))


if __name__ == "__main__":
    main()
