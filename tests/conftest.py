"""Throwaway servers that several rooms' tests share."""

import asyncio
import itertools
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import asyncpg
import hypothesis
import pytest

from server.compiled import keep_compiled
from server.keys import Keys
from server.store.database import Database
from server.store.postgres import DATABASE, EmbeddedPostgres
from tests import clusters

keep_compiled()  # before any test has imported Numba
os.environ["HOLDFAST_SHIP_WITHIN_S"] = "0"  # tests wait for rows, on a machine that other tests keep busy
# An example is as slow as its machine is crowded, or compiles.
hypothesis.settings.register_profile("house", deadline=None)
hypothesis.settings.load_profile("house")
_numbers = itertools.count()

LONG = ("test_tools.py", "test_uncompiled.py", "test_reconciling.py")
THROWN_AWAY = ("fsync", "full_page_writes")
"""What a PostgreSQL needn't do whose files are gone with its tests."""


def pytest_configure(config):
    """Before several workers begin: each would compile the same."""
    is_one_of_them = hasattr(config, "workerinput")
    if config.getoption("numprocesses", None) and not is_one_of_them and not config.option.collectonly:
        root = Path(__file__).parents[1]
        subprocess.run([sys.executable, "-m", "server.cli", "compile"], check=True, cwd=root, timeout=900)


def pytest_collection_modifyitems(items):
    """The files of few long tests begin first: no worker ends alone with one."""
    items.sort(key=lambda item: item.path.name not in LONG)


@pytest.fixture(scope="session")
def postgres_url():
    """A PostgreSQL for this session, with our schema in its database: a template for `database_url`."""
    # A path of its own: a Unix socket's is short, and PostgreSQL's user must pass through where we are root.
    home = Path(tempfile.mkdtemp(prefix="holdfast-test-"))
    server = EmbeddedPostgres(home)
    url = server.start()
    try:
        for name in THROWN_AWAY:
            asyncio.run(_execute(url, f"ALTER SYSTEM SET {name} = off"))
        asyncio.run(_execute(url, "SELECT pg_reload_conf()"))
        asyncio.run(_migrate(url))
        yield url
    finally:
        server.close()
        shutil.rmtree(home)


async def _migrate(url):
    async with Database(url):
        pass


@pytest.fixture
def database_url(postgres_url):
    """A database of the test's own, with our schema and nothing in it."""
    name = f"test_{next(_numbers)}"
    # By its files: a third of the time that it takes by way of the log.
    asyncio.run(_execute(postgres_url, f"CREATE DATABASE {name} TEMPLATE {DATABASE} STRATEGY FILE_COPY"))
    yield postgres_url.replace(f"/{DATABASE}?", f"/{name}?")
    asyncio.run(_execute(postgres_url, f"DROP DATABASE {name} WITH (FORCE)"))


async def _execute(url, sql):
    connection = await asyncpg.connect(url.replace(f"/{DATABASE}?", "/postgres?"))
    try:
        await connection.execute(sql)
    finally:
        await connection.close()


@pytest.fixture(scope="session")
def keys(tmp_path_factory):
    """The keys of an installation."""
    return Keys.open(tmp_path_factory.mktemp("installation"))


@pytest.fixture(scope="session")
def cluster(tmp_path_factory):
    """A TigerBeetle cluster of one replica for this session; tests keep to ids of their own."""
    if clusters.server() is None:
        pytest.skip(clusters.WHY_NONE)
    cluster = clusters.Cluster(tmp_path_factory.mktemp("cluster"))
    yield cluster
    cluster.close()
