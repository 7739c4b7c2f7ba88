"""Opening a database: its version, its schema, and errors that say what to do."""

import asyncio

import asyncpg
import pytest

from server.store.database import TRANSIENT, Database, _check_version
from server.store.postgres import StoreError, StoreUnavailableError
from server.store.queries import migrations, query


class OldServer:
    """A connection to PostgreSQL 12, as far as a version check sees one."""

    async def fetchval(self, _sql):
        """Its version."""
        return "120022"


async def _execute(url, sql):
    connection = await asyncpg.connect(url)
    try:
        return await connection.execute(sql)
    finally:
        await connection.close()


def test_migrations_apply_once_when_two_start_at_once(run, database_url):
    """Both starts find the whole schema, no step twice."""

    async def body():
        await _execute(database_url, "DROP SCHEMA public CASCADE; CREATE SCHEMA public")
        first, second = Database(database_url), Database(database_url)
        await asyncio.gather(first.open(), second.open())
        async with first.acquire() as connection:
            rows = await connection.fetch(query("applied_migrations"))
        assert [row["number"] for row in rows] == [step.number for step in migrations()]
        await first.close()
        await second.close()

    run(body())


def test_open_refuses_when_an_applied_migration_was_changed(run, database_url):
    """History is not rewritten under a running installation."""

    async def body():
        await _execute(database_url, "UPDATE schema_migrations SET sha256 = 'x' WHERE number = 1")
        with pytest.raises(StoreError, match=r"0001_directory\.sql was changed"):
            await Database(database_url).open()

    run(body())


def test_open_refuses_when_a_newer_version_made_the_schema(run, database_url):
    """An old program doesn't guess at a new schema."""

    async def body():
        await _execute(
            database_url, "INSERT INTO schema_migrations (number, name, sha256) VALUES (9999, 'later', 'x')"
        )
        with pytest.raises(StoreError, match="newer Holdfast"):
            await Database(database_url).open()

    run(body())


def test_open_refuses_when_the_server_is_too_old(run):
    """xid8 came with PostgreSQL 13."""
    with pytest.raises(StoreError, match="is version 12; Holdfast needs 13 or newer"):
        run(_check_version(OldServer(), "PostgreSQL at elsewhere:5432/holdfast"))


@pytest.mark.parametrize(
    ("url", "error", "hint"),
    [
        (
            "postgresql://user:secret@127.0.0.1:1/holdfast",
            StoreUnavailableError,
            "127.0.0.1:1/holdfast does not answer",
        ),
        ("not-an-address", StoreError, "looks like"),
        ("postgresql://user:secret@localhost:port/holdfast", StoreError, "looks like"),
    ],
)
def test_open_says_what_to_do_when_the_address_is_wrong(run, url, error, hint):
    """The message helps, and holds no password."""
    with pytest.raises(error, match=hint) as raised:
        run(Database(url).open())
    assert "secret" not in str(raised.value)


def test_open_names_createdb_when_there_is_no_such_database(run, database_url):
    """The error can be pasted into a shell."""
    with pytest.raises(StoreError, match="createdb nowhere"):
        run(
            Database(database_url.replace("/test_", "/nowhere?x_").split("?")[0] + _host(database_url)).open()
        )


def _host(url):
    return "?" + url.split("?")[1]


def test_open_names_the_privilege_when_the_user_may_not_make_tables(run, database_url):
    """A user without rights on the schema is told which."""

    async def body():
        await _execute(
            database_url,
            "DROP SCHEMA public CASCADE; CREATE SCHEMA public; DROP ROLE IF EXISTS guest; CREATE ROLE guest LOGIN; "
            "REVOKE CREATE ON SCHEMA public FROM PUBLIC",
        )
        with pytest.raises(StoreError, match="GRANT USAGE, CREATE"):
            await Database(database_url.replace("holdfast@", "guest@")).open()

    run(body())


def test_a_connection_is_refused_before_the_first_open(run, database_url):
    """Whoever comes too early may try again."""

    async def body():
        with pytest.raises(StoreUnavailableError, match="not been reached"):
            async with Database(database_url).acquire():
                pass

    run(body())


@pytest.mark.parametrize("ending", [asyncio.CancelledError, ZeroDivisionError])
def test_a_transaction_ends_by_what_ended_it_when_its_connection_is_gone(run, database_url, ending):
    """Else a loop that waits out PostgreSQL's absences would take its own end for one, and go on."""

    async def body():
        database = Database(database_url)
        await database.open()
        began, ended, lost = asyncio.Event(), asyncio.Event(), asyncio.Event()
        process_id = 0

        async def work():
            nonlocal process_id
            async with database.acquire() as connection, connection.transaction():
                connection.add_termination_listener(lambda _connection: lost.set())
                process_id = connection.get_server_pid()
                began.set()
                await ended.wait()
                raise ending

        working = asyncio.ensure_future(work())
        await began.wait()
        await _execute(database_url, f"SELECT pg_terminate_backend({process_id})")
        await lost.wait()
        if ending is asyncio.CancelledError:
            working.cancel()
        else:
            ended.set()
        with pytest.raises(ending):
            await working
        await database.close()

    run(body())


def test_a_transaction_that_can_not_commit_says_so(run, database_url):
    """Where nothing else has ended it, the loss of its connection has."""

    async def body():
        database = Database(database_url)
        await database.open()
        with pytest.raises(TRANSIENT):
            async with database.acquire() as connection, connection.transaction():
                connection.terminate()
        await database.close()

    run(body())


@pytest.mark.parametrize(
    ("url", "place"),
    [
        ("postgresql://holdfast@/holdfast?host=/run/pg", "PostgreSQL at /run/pg"),
        ("postgresql://u:secret@db:6432/bank?application_name=x", "PostgreSQL at db:6432/bank"),
        ("postgresql:///holdfast?application_name=x", "PostgreSQL at localhost:5432/holdfast"),
    ],
)
def test_a_place_is_told_without_user_and_password(url, place):
    """Where it is, for people."""
    assert Database(url).place == place


def test_a_database_that_its_server_has_not_made_yet_is_waited_for(run, tmp_path, postgres_url):
    """By a helper of that server: PostgreSQL answers a moment before the database is there."""

    async def body():
        helper = Database.beside(tmp_path, None)
        helper._url = postgres_url.replace("/holdfast?", "/nowhere?")
        with pytest.raises(StoreUnavailableError, match="has not been made yet"):
            await helper.connect()

    run(body())
