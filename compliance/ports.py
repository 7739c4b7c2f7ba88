"""What is handed in: the database, the seals of personal data; and named SQL, as `.sql` files keep it."""

import re
from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager
from functools import cache
from importlib.resources import files
from typing import Any, Final, Protocol

_NAME: Final = re.compile(r"^-- name: (\w+)$", re.MULTILINE)


class Database(Protocol):
    """A bounded pool of PostgreSQL connections (asyncpg's)."""

    async def open(self) -> None:
        """Starts the server where it is ours and has died; connects. May be called again."""
        ...

    def acquire(self) -> AbstractAsyncContextManager[Any]:
        """A pooled connection."""
        ...

    async def connect(self) -> Any:
        """A connection of the caller's own, to listen or to copy: the caller closes it."""
        ...


class Seals(Protocol):
    """Personal data in and out of PostgreSQL."""

    def seal(self, name: str, text: str) -> bytes:
        """Encrypts; `name`, as `table.column`, binds the text to its place."""
        ...

    def unseal(self, name: str, sealed: bytes) -> str:
        """The text again."""
        ...

    def party_key(self, text: str) -> bytes:
        """16 bytes that find the same text again and tell nothing of it without the key: HMAC-SHA-256, cut."""
        ...


@cache
def queries(package: str) -> Mapping[str, str]:
    """
    The named statements of `package`'s `queries.sql`.

    A named query is a line `-- name: <name>`, one sentence as a comment, and one statement.
    """
    parts = _NAME.split((files(package) / "queries.sql").read_text("utf-8"))[1:]
    names, bodies = parts[::2], parts[1::2]
    assert len(set(names)) == len(names), f"two queries of one name in {package}"
    return {name: body.strip().rstrip(";") for name, body in zip(names, bodies, strict=True)}
