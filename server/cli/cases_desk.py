"""How commands about cases reach the desk, and what they take."""

from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any, Final, TypeVar
from uuid import UUID

import typer

from server.cli.office import Office, at_office
from server.cli.output import fail

T = TypeVar("T")
CaseId = Annotated[str, typer.Argument(help="32 hex digits of the case.")]
SOURCES: Final = ("authorization", "transfer", "customer")


def at_cases(home: Path | None, need: str, work: Callable[[Any, Any], Awaitable[T]]) -> T:
    """Runs `work(desk, by)` where whoever acts may do what is called `need`."""
    from compliance.cases.reading import NEEDS

    async def inside(office: Office) -> T:
        return await work(*desk_of_office(office))

    with explained_refusals():
        return at_office(home, NEEDS[need].value, inside)


def desk_of_office(office: Office) -> tuple[Any, Any]:
    """The desk, and who acts with the id of this command."""
    from uuid import uuid4

    from compliance.cases.records import By
    from server.office.door import desk_of

    return desk_of(office.database, office.keys, office.settings), By(office.actor, uuid4().hex)


@contextmanager
def explained_refusals() -> Iterator[None]:
    """What the desk refuses is told without a traceback."""
    from compliance.cases.refusals import Refused, Unfit

    try:
        yield
    except (Refused, Unfit) as error:
        fail(str(error))
    except LookupError as error:
        fail(str(error.args[0]) if error.args else str(error))


def identifier(name: str, text: str) -> UUID:
    """An id; ends the command where it can't be one."""
    if len(text) != 32 or not set(text) <= set("0123456789abcdef"):
        fail(f"{name} must be 32 hex digits, not {text!r}")
    return UUID(hex=text)


def source_identifier(source: str, text: str) -> UUID:
    """The id of a transaction, or a customer's number as one."""
    if source == "customer" and text.isascii() and text.isdigit() and len(text) <= 10:
        return UUID(int=int(text))
    return identifier("the id of what it is about", text)


def known(name: str, texts: list[str] | None, allowed: tuple[str, ...]) -> tuple[str, ...]:
    """Words of a list; ends the command where one is not."""
    for text in texts or ():
        if text not in allowed:
            fail(f"{name} must be one of {', '.join(allowed)}, not {text!r}")
    return tuple(texts or ())


def bounded(name: str, text: str, size_max: int = 4_000) -> str:
    """What a person writes; ends the command where it is none or too much."""
    text = text.strip()
    if not 0 < len(text) <= size_max or not text.replace("\n", "").replace("\t", "").isprintable():
        fail(f"{name} must be 1 to {size_max} printable characters")
    return text
