"""How commands about people and cards reach PostgreSQL: this home's, or the one that HOLDFAST_DATABASE_URL names."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any, TypeVar

import typer

from server.cli.output import fail

T = TypeVar("T")

Home = Annotated[Path | None, typer.Option(help="Folder of all state [HOLDFAST_HOME or var].")]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON document.")]


def settings_of(home: Path | None) -> Any:
    """The settings from the environment, of this home where one is given."""
    from pydantic import ValidationError

    from server.settings import Settings

    given: dict[str, Any] = {} if home is None else {"home": home}
    try:
        return Settings(**given)
    except ValidationError as error:
        fail("; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors()))


def at_desk(home: Path | None, work: Callable[[Any, Any], Awaitable[T]]) -> T:
    """
    Runs `work(database, keys)` on the open database and returns what it returns.

    An embedded PostgreSQL that does not run is started for it, and stopped after; a running one is left. What a
    person can mend is told without a traceback.
    """
    from server.keys import Keys, KeysError
    from server.store.database import TRANSIENT, Database
    from server.store.postgres import StoreError

    settings = settings_of(home)

    async def opened() -> T:
        keys = Keys.open(settings.home)
        async with Database.at(settings.home, settings.database_url) as database:
            await database.belongs_to(keys)
            return await work(database, keys)

    try:
        return asyncio.run(opened())
    except (StoreError, KeysError) as error:
        fail(str(error))
    except TRANSIENT as error:
        fail(f"PostgreSQL went away ({type(error).__name__}: {error}). Try again.")


def document_of(view: Any) -> dict[str, Any]:
    """A view as a JSON document, its tuples as lists."""
    return {name: list(value) if isinstance(value, tuple) else value for name, value in asdict(view).items()}
