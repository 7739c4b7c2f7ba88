"""How commands of compliance reach this home: who acts is known and may, and a denial is on record."""

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from server.cli.desk import at_desk
from server.cli.output import fail

T = TypeVar("T")


class Office(NamedTuple):
    """What a command of compliance works with."""

    database: Any
    keys: Any
    actor: Any  # compliance.roles.Actor
    settings: Any  # OfficeSettings
    home: Path


def at_office(home: Path | None, permission: str, work: Callable[[Office], Awaitable[T]]) -> T:
    """
    Runs `work` where whoever acts has `permission` (compliance.roles.Permission), and returns what it returns.

    A denial is an audit row and the end; so is one that `work` raises.
    """
    from pydantic import ValidationError

    from compliance.audit.log import Entry, append
    from compliance.roles import Denied, Permission, require
    from server.cli.desk import settings_of
    from server.office.identity import NobodyError, actor_here
    from server.office.settings import OfficeSettings

    try:
        settings = OfficeSettings()
        actor = actor_here(settings)
    except ValidationError as error:
        fail("; ".join(f"compliance_{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors()))
    except NobodyError as error:
        fail(str(error))
    folder = settings_of(home).home

    async def inside(database: Any, keys: Any) -> T | Denied:
        try:
            require(actor, Permission(permission))
            return await work(Office(database, keys, actor, settings, folder))
        except Denied as denied:
            async with database.acquire() as connection, connection.transaction():
                await append(
                    connection,
                    [Entry(actor.name, actor.role, f"denied.{denied.permission}", "command_line")],
                )
            return denied

    done = at_desk(home, inside)
    if isinstance(done, Exception):
        fail(str(done))
    return done
