"""
Named SQL, read from `queries.sql` and `migrations/`: statements live in `.sql` files, Python only names them.

A named query is a line `-- name: <name>`, one sentence as a comment, and one statement.
"""

import hashlib
import re
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Final

_NAME: Final = re.compile(r"^-- name: (\w+)$", re.MULTILINE)
_MIGRATION: Final = re.compile(r"^(\d{4})_(\w+)\.sql$")


@dataclass(frozen=True, slots=True)
class Migration:
    """One step of the schema. `sha256` is of its text: an applied step never changes."""

    number: int
    name: str
    sql: str

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.sql.encode()).hexdigest()


@cache
def _queries() -> dict[str, str]:
    text = (files("server.store") / "queries.sql").read_text("utf-8")
    parts = _NAME.split(text)[1:]
    names, bodies = parts[::2], parts[1::2]
    assert len(set(names)) == len(names), "two queries of one name"
    return {name: body.strip().rstrip(";") for name, body in zip(names, bodies, strict=True)}


def query(name: str) -> str:
    """The statement of that name. Raises KeyError where there is none."""
    return _queries()[name]


def migrations() -> list[Migration]:
    """All steps of the schema, in order."""
    folder = files("server.store") / "migrations"
    found = [
        Migration(int(match[1]), match[2], file.read_text("utf-8"))
        for file in folder.iterdir()
        if (match := _MIGRATION.match(file.name))
    ]
    return sorted(found, key=lambda migration: migration.number)
