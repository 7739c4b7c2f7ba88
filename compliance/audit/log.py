"""What happened, appended."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Entry:
    """One thing that somebody did, or was denied. Without personal data: ids, states, amounts."""

    actor: str
    role: str
    action: str  # such as case.decide; a denial is denied.<permission>
    resource: str  # such as case:<32 hex>, transfer:<32 hex>, customer:17
    old: Mapping[str, Any] | None = None
    new: Mapping[str, Any] | None = None
    correlation_id: str = ""  # one for everything that one call or one review did


async def append(connection: Any, entries: Sequence[Entry]) -> None:
    """Append in the caller's transaction: they are there if and only if it commits."""
    await connection.executemany(
        "INSERT INTO audit (actor, role, action, resource, old, new, correlation_id) VALUES ($1, $2, $3, $4, $5, $6, $7)",
        [
            (e.actor, e.role, e.action, e.resource, _json(e.old), _json(e.new), e.correlation_id)
            for e in entries
        ],
    )


def _json(values: Mapping[str, Any] | None) -> str | None:
    return None if values is None else json.dumps(values, sort_keys=True)
