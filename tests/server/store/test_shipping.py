"""The shipper as a process: started, told of, killed and ended by signals."""

import asyncio
import contextlib
import os
import signal
from pathlib import Path

import asyncpg
import numpy as np
import pytest

from server.core.journal import Journal
from server.store.database import Database
from server.store.shipping import Shipping
from tests.server.store.test_shipper import ListedJournal, write_requests

BOUND_S = 60


@pytest.fixture
def listed():
    """500 requests with their decisions."""
    filled = ListedJournal()
    write_requests(filled, np.random.default_rng(7), 500)
    return filled.batches


async def journalled(journal, batches):
    """Appends batches to a real journal; back when they are on disk."""
    for batch in batches:
        if len(batch.intents):
            await journal.append_intents(batch.intents)
        else:
            await journal.append_decisions(batch.decisions)


async def reached(shipping, position):
    """Until the process has told that it is so far."""
    async with asyncio.timeout(BOUND_S):
        while shipping.position < position:
            await shipping.told.wait()
            shipping.told.clear()


async def troubled(shipping):
    """Until the process has told that it can't ship."""
    async with asyncio.timeout(BOUND_S):
        while not shipping.standing.trouble:
            await shipping.told.wait()
            shipping.told.clear()


async def untroubled(shipping):
    """Until the process has told that it can again."""
    async with asyncio.timeout(BOUND_S):
        while shipping.standing.trouble:
            await shipping.told.wait()
            shipping.told.clear()


async def sequences(url):
    connection = await asyncpg.connect(url)
    try:
        rows = await connection.fetch("SELECT sequence FROM authorizations ORDER BY sequence")
    finally:
        await connection.close()
    return [row["sequence"] for row in rows]


async def ended(task):
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task


def shipper_of(process_id):
    """The shipper that this process has started, among whatever else it has."""
    children = Path(f"/proc/{process_id}/task/{process_id}/children").read_text().split()
    (found,) = (c for c in children if b"server.store.shipping" in Path(f"/proc/{c}/cmdline").read_bytes())
    return int(found)


def test_each_row_arrives_once_when_the_process_is_killed_between(tmp_path, database_url, listed):
    """SIGKILL after the first half: another process goes on where PostgreSQL says that it stood."""

    async def body():
        journal = Journal(tmp_path / "journal.sqlite")
        shipping = Shipping(tmp_path, journal.path, database_url)
        task = asyncio.create_task(shipping.run())
        half = len(listed) // 2
        await journalled(journal, listed[:half])
        await reached(shipping, half)
        os.kill(shipper_of(os.getpid()), signal.SIGKILL)
        await journalled(journal, listed[half:])
        await reached(shipping, len(listed))
        await ended(task)
        journal.close()
        assert await sequences(database_url) == list(range(1, 501))

    asyncio.run(body())


def test_what_the_journal_has_is_in_postgresql_when_the_process_is_asked_to_end(
    tmp_path, database_url, listed
):
    """Rows of the last instant are shipped before it goes."""

    async def body():
        journal = Journal(tmp_path / "journal.sqlite")
        shipping = Shipping(tmp_path, journal.path, database_url)
        task = asyncio.create_task(shipping.run())
        await journalled(journal, listed[:2])
        await reached(shipping, 2)
        await journalled(journal, listed[2:])
        await ended(task)
        journal.close()
        assert await sequences(database_url) == list(range(1, 501))

    asyncio.run(body())


def test_the_embedded_postgresql_is_neither_started_nor_held_by_its_process(tmp_path):
    """The server starts and ends it: a shipper that outlives a killed one keeps no PostgreSQL, and brings none back."""

    async def body():
        journal = Journal(tmp_path / "journal.sqlite")
        shipping = Shipping(tmp_path, journal.path, None)
        task = asyncio.create_task(shipping.run())
        await troubled(shipping)
        assert not (tmp_path / "postgres").exists()
        database = Database.at(tmp_path, None)
        await database.open()
        await untroubled(shipping)
        await database.close()
        assert not (tmp_path / "postgres/data/postmaster.pid").exists()
        await ended(task)
        journal.close()

    asyncio.run(body())
