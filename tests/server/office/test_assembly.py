"""The office as a whole: what it opens, and what it leaves to others."""

import asyncio

from server.office.assembly import ComplianceOffice
from server.office.settings import OfficeSettings
from server.settings import Settings
from server.store.database import Database

WAIT_S = 120


def test_beside_a_server_it_neither_starts_nor_ends_the_embedded_postgresql(tmp_path):
    """It waits for the server's, and leaves it running: one that outlives a killed server brings none back."""

    async def body():
        away = asyncio.Event()
        opening = asyncio.create_task(
            ComplianceOffice.open(
                Settings(home=tmp_path),
                OfficeSettings(port=0, metrics_port=0),
                told=lambda _text: away.set(),
                beside=True,
            )
        )
        await asyncio.wait_for(away.wait(), WAIT_S)
        assert not (tmp_path / "postgres").exists()
        async with Database.at(tmp_path, None) as database:
            office = await asyncio.wait_for(opening, WAIT_S)
            await office.close()
            async with database.acquire() as connection:
                assert await connection.fetchval("SELECT 1") == 1
        assert not (tmp_path / "postgres/data/postmaster.pid").exists()

    asyncio.run(body())
