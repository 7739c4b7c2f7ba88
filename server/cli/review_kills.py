"""The compliance worker and its PostgreSQL, killed again and again while transfers come: each has one case after it."""

import asyncio
import contextlib
import os
import signal
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any, Final

from loadtest.figure import Figure
from loadtest.processes import scratch
from server.cli.flagged_past import write_flagged_past
from server.keys import Keys
from server.store.database import TRANSIENT, Database
from server.store.portfolio import Portfolio
from server.store.postgres import EmbeddedPostgres, StoreError

ACCOUNTS: Final = 200
CHUNK: Final = 25
CHUNK_EVERY_S: Final = 0.2
PAUSE_S: Final = (0.05, 1.5)
"""From one kill to the next, when the one before has begun again."""

AT_WORK_SHARE: Final = 0.75
"""Of the kills: only once a case has been made since the one before. The others strike whoever is just starting."""

WAITING_MAX: Final = 2_000
"""No more transfers come while so many have no case yet: a long campaign must end, too."""

END_TIMEOUT_S: Final = 180.0
AWAY: Final = (*TRANSIENT, StoreError)

_UNEVEN: Final = """
    SELECT (SELECT count(*) FROM transfers) AS transfers,
           (SELECT count(*) FROM flagged) AS flagged,
           (SELECT count(*) FROM flagged WHERE state <> 'done') AS undone,
           (SELECT count(*) FROM cases) AS cases,
           (SELECT count(DISTINCT flagged_id) FROM cases) AS cases_of_different,
           (SELECT count(*) FROM flagged f WHERE NOT EXISTS (SELECT FROM cases c WHERE c.flagged_id = f.id)) AS without_case,
           (SELECT count(*) FROM (SELECT FROM reviews GROUP BY flagged_id HAVING count(*) <> 1) r) AS reviewed_twice
"""

_WAITING: Final = "SELECT (SELECT count(*) FROM transfers) - (SELECT count(*) FROM cases)"


@dataclass(slots=True)
class Campaign:
    """What came of it."""

    kills: dict[str, int] = field(default_factory=lambda: {"worker": 0, "postgresql": 0})
    starts: int = 0
    elapsed_s: float = 0.0
    counts: dict[str, int] = field(default_factory=dict)

    @property
    def passes(self) -> bool:
        """Whether every transfer has exactly one flagged row, one review and one case."""
        c = self.counts
        return (
            c["transfers"] == c["flagged"] == c["cases"] == c["cases_of_different"]
            and not c["undone"] + c["without_case"] + c["reviewed_twice"]
        )


class Killed:
    """A worker process, started again whenever it is gone."""

    def __init__(self, home: Path, log: Path) -> None:
        self._home = home
        self._log = log
        self.process: asyncio.subprocess.Process | None = None
        self.starts = 0

    async def run(self) -> None:
        """Until this is cancelled; then it is asked to end."""
        command = (
            "-m",
            "server.cli",
            "comply",
            "--home",
            str(self._home),
            "--port",
            "0",
            "--metrics-port",
            "0",
        )
        environment = {
            **os.environ,
            "HOLDFAST_COMPLIANCE_LEASE_S": "2",
            "HOLDFAST_COMPLIANCE_BATCH_MAX": "16",
        }
        with self._log.open("ab") as output:
            while True:
                process = self.process = await asyncio.create_subprocess_exec(
                    sys.executable,
                    *command,
                    stdin=asyncio.subprocess.DEVNULL,
                    stdout=output,
                    stderr=output,
                    env=environment,
                )
                self.starts += 1
                try:
                    await process.wait()
                except asyncio.CancelledError:
                    with contextlib.suppress(ProcessLookupError):
                        process.terminate()
                    await process.wait()
                    raise

    def kill(self) -> bool:
        """SIGKILL, where one runs; whether one did."""
        process, self.process = self.process, None
        if process is None or process.returncode is not None:
            return False
        process.kill()
        return True


async def kill_campaign(
    home: Path, kills: int, seed: int, told: Callable[[str], None] = lambda _text: None
) -> Campaign:
    """
    `kills` deaths (SIGKILL), half of the worker and half of PostgreSQL in an order of chance, while transfers are written.

    Then everything is worked through. Raises RuntimeError where that takes longer than END_TIMEOUT_S.
    """
    began = time.monotonic()
    campaign, draw = Campaign(), Random(seed)
    keys = Keys.open(home)
    async with Database.at(home, None) as database:
        await database.belongs_to(keys)
        await Portfolio(database, keys).ensure_demo(ACCOUNTS)
        worker = Killed(home, home / "comply.log")
        running = asyncio.ensure_future(worker.run())
        writing = asyncio.ensure_future(_write(database, keys, seed))
        try:
            await _worked(database, 1)
            postgres = EmbeddedPostgres(home)
            killed: dict[str, Callable[[], bool]] = {
                "worker": worker.kill,
                "postgresql": lambda: _kill(postgres.process_id()),
            }
            order = [*killed] * (kills // 2) + ["worker"] * (kills % 2)
            draw.shuffle(order)
            for done, what in enumerate(order, start=1):
                await asyncio.sleep(draw.uniform(*PAUSE_S))
                while not killed[what]():  # noqa: ASYNC110 - nobody is there to kill yet, and tells when he is
                    await asyncio.sleep(PAUSE_S[0])
                campaign.kills[what] += 1
                told(f"{done} of {kills} kills: {what}")
                if draw.random() < AT_WORK_SHARE:
                    await _progressed(database)
            writing.cancel()
            await asyncio.gather(writing, return_exceptions=True)
            campaign.counts = await _evened_out(database, told)
        finally:
            for task in (writing, running):
                task.cancel()
            await asyncio.gather(writing, running, return_exceptions=True)
    campaign.starts = worker.starts
    campaign.elapsed_s = time.monotonic() - began
    return campaign


def _kill(process_id: int | None) -> bool:
    if process_id is None:
        return False
    try:
        os.kill(process_id, signal.SIGKILL)
    except ProcessLookupError:
        return False
    return True


async def _write(database: Database, keys: Keys, seed: int) -> None:
    """Chunk after chunk, each until it is there: the same ids again change nothing."""
    number = 0
    while True:
        number += 1
        while True:
            try:
                await _room(database)
                await write_flagged_past(
                    database, keys, CHUNK, ACCOUNTS, seed=seed * 100_003 + number, run=f"chunk {number}"
                )
                break
            except AWAY:
                await _reopened(database)
        await asyncio.sleep(CHUNK_EVERY_S)


async def _room(database: Database) -> None:
    while True:
        async with database.acquire() as connection:
            if await connection.fetchval(_WAITING) < WAITING_MAX:
                return
        await asyncio.sleep(CHUNK_EVERY_S)


async def _reopened(database: Database) -> None:
    await asyncio.sleep(0.1)
    with contextlib.suppress(*AWAY):
        await database.open()


async def _worked(database: Database, count: int) -> None:
    """Once so many cases are there."""
    async with asyncio.timeout(END_TIMEOUT_S):
        while True:
            with contextlib.suppress(*AWAY):
                async with database.acquire() as connection:
                    if await connection.fetchval("SELECT count(*) FROM cases") >= count:
                        return
            await _reopened(database)


async def _progressed(database: Database) -> None:
    while True:
        try:
            async with database.acquire() as connection:
                before = await connection.fetchval("SELECT count(*) FROM cases")
            break
        except AWAY:
            await _reopened(database)
    await _worked(database, before + 1)


async def _evened_out(database: Database, told: Callable[[str], None]) -> dict[str, int]:
    counts: dict[str, Any] = {}
    try:
        async with asyncio.timeout(END_TIMEOUT_S):
            while True:
                with contextlib.suppress(*AWAY):
                    async with database.acquire() as connection:
                        counts = dict(await connection.fetchrow(_UNEVEN))
                    if counts["transfers"] == counts["flagged"] and not counts["undone"]:
                        return counts
                told(f"{counts.get('undone', '?')} of {counts.get('transfers', '?')} left")
                await _reopened(database)
    except TimeoutError as error:
        raise RuntimeError(f"not worked through in {END_TIMEOUT_S:g} s: {counts}") from error


def kill_figures(kills: int, seed: int, told: Callable[[str], None]) -> dict[str, Any]:
    """A campaign in a home of its own, as figures."""
    with scratch("kills") as folder:
        campaign = asyncio.run(kill_campaign(folder, kills, seed, told))
    counts = campaign.counts
    wrong = counts["flagged"] - counts["cases_of_different"] + counts["undone"] + counts["reviewed_twice"]
    figure = Figure(
        "flagged without exactly one case", "transfers", float(wrong), 0.0, is_floor=False, digits=0
    )
    return {
        "figures": [{"part": "kills", **figure.document()}],
        "details": {
            "kills": campaign.kills,
            "starts": campaign.starts,
            "seconds": round(campaign.elapsed_s, 1),
            **counts,
        },
        "passes": campaign.passes,
    }
