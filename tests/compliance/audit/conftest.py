"""A log with its key and its second place."""

import asyncio

import pytest

from compliance.audit.copies import Copies
from compliance.audit.signing import Signer
from loadtest.audit_bench import Workshop
from server.store.database import Database


@pytest.fixture
def in_workshop(database_url, tmp_path):
    """Runs `work(shop)` on a database, a key and a folder of the test's own."""

    def run(work):
        async def inside():
            async with Database(database_url) as database:
                return await work(
                    Workshop(database, Signer.open(tmp_path / "keys"), Copies(tmp_path / "second"))
                )

        return asyncio.run(inside())

    return run
