"""
PostgreSQL as the server sees it: where it is, whether it fits, its schema, and a bounded pool of connections.

Opening is repeatable: background work whose connection broke calls `open` again, with a pause, until it succeeds.
Nothing here is on the way of an answer.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self
from urllib.parse import parse_qs, urlsplit

import asyncpg
from asyncpg.transaction import Transaction

from server.keys import Keys
from server.store.postgres import EmbeddedPostgres, StoreError, StoreUnavailableError
from server.store.queries import Migration, migrations, query

VERSION_MIN: Final = 130_000
"""PostgreSQL 13: xid8 and pg_current_xact_id."""

POOL_SIZE: Final = 6
CONNECT_TIMEOUT_S: Final = 5.0
COMMAND_TIMEOUT_S: Final = 60.0
IDLE_LIFETIME_S: Final = 300.0
MIGRATION_LOCK: Final = 0x686F6C64  # "hold": one start migrates at a time

TRANSIENT: Final = (
    OSError,
    TimeoutError,
    StoreUnavailableError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,  # seen: a connection that was cut between two replies
    asyncpg.PostgresConnectionError,
    asyncpg.OperatorInterventionError,
    asyncpg.InsufficientResourcesError,
    asyncpg.TransactionRollbackError,
)
"""Errors after which the same work may succeed on another connection, later."""

Yielding = Callable[[int], None]
"""Has a process of PostgreSQL's, by its id, give way to others; see `background`."""


class _Transaction(Transaction):  # type: ignore[misc]  # asyncpg has no types
    """
    Ends by what ended it, also where the connection is gone and can't roll back.

    asyncpg raises that it can't, in place of it. Of a cancellation nothing would be left then, and a loop that
    waits out PostgreSQL's absences would go on for ever.
    """

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            await super().__aexit__(kind, error, trace)
        except TRANSIENT:
            if error is None:
                raise


class _Connection(asyncpg.Connection):  # type: ignore[misc]
    def transaction(
        self, *, isolation: str | None = None, readonly: bool = False, deferrable: bool = False
    ) -> _Transaction:
        self._check_open()
        return _Transaction(self, isolation, readonly, deferrable)


class Database:
    """A pool of connections to one database whose schema is ours."""

    def __init__(
        self,
        url: str,
        *,
        embedded: EmbeddedPostgres | None = None,
        yielding: Yielding | None = None,
        is_anothers: bool = False,
    ) -> None:
        """`is_anothers`: a server's, which makes it at its first start; where it isn't there, it may be soon."""
        self._url = url
        self._is_anothers = is_anothers
        self._embedded = embedded
        self._yielding = yielding
        self._pool: asyncpg.Pool | None = None
        self._opening = asyncio.Lock()

    @classmethod
    def at(cls, home: Path, url: str | None, *, yielding: Yielding | None = None) -> Self:
        """
        The database at `url`, or the embedded one of this home where there is no URL. Connects to nothing yet.

        Where it is embedded, `yielding` hears of each process of its that works for these connections.
        """
        if url:
            return cls(url)
        embedded = EmbeddedPostgres(home)
        return cls(embedded.url, embedded=embedded, yielding=yielding)

    @classmethod
    def beside(cls, home: Path, url: str | None, *, yielding: Yielding | None = None) -> Self:
        """
        As `at`, for a process that helps a server: the embedded one is the server's to start, to hold and to end.

        A helper outlives a killed server for a while: it must not start PostgreSQL again after the last one has gone.
        """
        return cls(url) if url else cls(EmbeddedPostgres(home).url, yielding=yielding, is_anothers=True)

    @property
    def url(self) -> str:
        """Where it is, as asyncpg takes it. May hold a password: never log it."""
        return self._url

    @property
    def place(self) -> str:
        """Where it is, for people: without user and password."""
        if self._embedded is not None:
            return f"embedded PostgreSQL in {self._embedded.folder}"
        parts = urlsplit(self._url)
        socket_folder = parse_qs(parts.query).get("host")
        if socket_folder and not parts.hostname:
            return f"PostgreSQL at {socket_folder[0]}"
        return f"PostgreSQL at {parts.hostname or 'localhost'}:{parts.port or 5432}{parts.path}"

    async def open(self) -> None:
        """
        Starts the embedded server where it is ours, checks the version, brings the schema up to date.

        Also after a restart of PostgreSQL, and then only what is missing. Raises StoreError, or
        StoreUnavailableError where trying again later makes sense.
        """
        async with self._opening:
            if self._embedded is not None:
                await asyncio.to_thread(self._embedded.start)
            connection = await self.connect()
            try:
                await _check_version(connection, self.place)
                await _migrate(connection)
            except (asyncpg.InsufficientPrivilegeError, asyncpg.InvalidSchemaNameError) as error:
                raise StoreError(
                    f"The user of {self.place} may not make tables ({error}). As its owner: GRANT USAGE, CREATE ON SCHEMA public TO <user>"
                ) from error
            finally:
                await _close_connection(connection)
            if self._pool is None:
                self._pool = await asyncpg.create_pool(
                    self._url,
                    min_size=0,
                    max_size=POOL_SIZE,
                    connection_class=_Connection,
                    max_inactive_connection_lifetime=IDLE_LIFETIME_S,
                    timeout=CONNECT_TIMEOUT_S,
                    command_timeout=COMMAND_TIMEOUT_S,
                    server_settings={"application_name": "holdfast"},
                    init=self._give_way,
                )

    async def close(self) -> None:
        """Closes the pool; stops the embedded server where nobody else uses it."""
        async with self._opening:
            pool, self._pool = self._pool, None
            if pool is not None:
                try:
                    await asyncio.wait_for(pool.close(), CONNECT_TIMEOUT_S)
                except TRANSIENT:
                    pool.terminate()
            if self._embedded is not None:
                await asyncio.to_thread(self._embedded.close)

    async def __aenter__(self) -> Self:
        await self.open()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    @contextlib.asynccontextmanager
    async def acquire(self) -> AsyncIterator[Any]:
        """A pooled connection. Raises StoreUnavailableError before `open` has succeeded once."""
        if self._pool is None:
            raise StoreUnavailableError(f"{self.place} has not been reached yet")
        async with self._pool.acquire(timeout=CONNECT_TIMEOUT_S) as connection:
            yield connection

    async def connect(self) -> Any:
        """A connection of the caller's own (to listen, to copy): the caller closes it. Raises StoreError."""
        try:
            connection = await asyncpg.connect(
                self._url,
                connection_class=_Connection,
                timeout=CONNECT_TIMEOUT_S,
                command_timeout=COMMAND_TIMEOUT_S,
                server_settings={"application_name": "holdfast"},
            )
            await self._give_way(connection)
            return connection
        except asyncpg.InvalidAuthorizationSpecificationError as error:
            raise StoreError(
                f"{self.place} refused the user or password ({error}). Check HOLDFAST_DATABASE_URL."
            ) from error
        except asyncpg.InvalidCatalogNameError as error:
            if self._is_anothers:
                raise StoreUnavailableError(f"{self.place} has not been made yet") from error
            raise StoreError(
                f"{self.place}: {error}. Create it: createdb {urlsplit(self._url).path[1:]}"
            ) from error
        except (asyncpg.ClientConfigurationError, ValueError) as error:
            raise StoreError(
                "HOLDFAST_DATABASE_URL is not a PostgreSQL address. It looks like "
                "postgresql://user:password@host:5432/database"
            ) from error
        except TRANSIENT as error:
            raise StoreUnavailableError(
                f"{self.place} does not answer ({type(error).__name__}: {error}). "
                "Is it running, and is HOLDFAST_DATABASE_URL right?"
            ) from error

    async def _give_way(self, connection: Any) -> None:
        if self._yielding is not None:
            self._yielding(connection.get_server_pid())

    async def belongs_to(self, keys: Keys) -> None:
        """Remembers whose PAN key this database is hashed with; refuses another one with StoreError."""
        async with self.acquire() as connection:
            known = await connection.fetchval(query("claim_installation"), keys.fingerprint)
            if known == keys.previous_fingerprint:
                await connection.execute(query("renew_installation"), keys.fingerprint)
        if known not in keys.fingerprints:
            raise StoreError(
                f"{self.place} was filled with another PAN key (its fingerprint is {known}, the one in "
                f"HOLDFAST_HOME/keys is {keys.fingerprint}). Restore the keys folder that belongs to it, or choose "
                "another database."
            )


async def _close_connection(connection: Any) -> None:
    try:
        await connection.close(timeout=CONNECT_TIMEOUT_S)
    except TRANSIENT:
        connection.terminate()


async def _check_version(connection: Any, place: str) -> None:
    version = int(await connection.fetchval("SHOW server_version_num"))
    if version < VERSION_MIN:
        raise StoreError(
            f"{place} is version {version // 10_000}; Holdfast needs {VERSION_MIN // 10_000} or newer."
        )


async def _migrate(connection: Any) -> None:
    """Applies what is missing, each step in a transaction of its own, one start at a time."""
    steps = migrations()
    if await connection.fetchval(query("has_migrations")) and not _missing(await _applied(connection), steps):
        return
    await connection.execute("SELECT pg_advisory_lock($1)", MIGRATION_LOCK)
    try:
        await connection.execute(query("create_migrations"))
        for step in _missing(await _applied(connection), steps):
            async with connection.transaction():
                await connection.execute(step.sql)
                await connection.execute(query("record_migration"), step.number, step.name, step.sha256)
    finally:
        with contextlib.suppress(*TRANSIENT):  # a connection that is gone holds no lock
            await connection.execute("SELECT pg_advisory_unlock($1)", MIGRATION_LOCK)


async def _applied(connection: Any) -> dict[int, str]:
    return {row["number"]: row["sha256"] for row in await connection.fetch(query("applied_migrations"))}


def _missing(applied: dict[int, str], steps: list[Migration]) -> list[Migration]:
    """The steps still to apply. Raises StoreError where history and files disagree."""
    known = {step.number: step for step in steps}
    if newer := sorted(set(applied) - set(known)):
        raise StoreError(
            f"The database's schema has step {newer[-1]:04d}, made by a newer Holdfast. Start that version instead."
        )
    for number, sha256 in applied.items():
        if known[number].sha256 != sha256:
            raise StoreError(
                f"Migration {number:04d}_{known[number].name}.sql was changed after it had been applied. "
                "Restore its text; put the change into a new migration."
            )
    return [step for step in steps if step.number not in applied]
