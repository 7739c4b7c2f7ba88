"""
What happened, appended.

Whoever appends holds the end of the chain until his transaction ends: append last, and commit soon.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from compliance.audit.chain import link
from compliance.ports import queries
from compliance.roles import Actor


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
    """
    Append in the caller's transaction: they are there if and only if it commits.

    Any number of rows are two round trips. Appenders wait for each other, so a transaction that needs other locks
    takes them before.
    """
    assert connection.is_in_transaction(), "the end of the chain is locked by a transaction"
    if not entries:
        return
    sql = queries("compliance.audit")
    head = await connection.fetchrow(sql["lock_head"])
    number, before = head["number"], head["hash"]
    contents, hashes = [], []
    for entry in entries:
        number += 1
        content = content_of(entry, head["at_us"])
        before = link(before, number, content.encode())
        contents.append(content)
        hashes.append(before)
    numbers = range(head["number"] + 1, number + 1)
    await connection.execute(sql["append_rows"], list(numbers), contents, hashes, number, before)


async def viewed(
    connection: Any, actor: Actor, what: str, resource: str, correlation_id: str = "", count: int = 1
) -> None:
    """
    Tells that `actor` saw personal data: action `view.<what>`, such as view.customer, of `resource`.

    Call it in the transaction that reads them, before they are shown. `count` is how many records a list showed.
    """
    new = None if count == 1 else {"count": count}
    await append(
        connection,
        [Entry(actor.name, actor.role, f"view.{what}", resource, new=new, correlation_id=correlation_id)],
    )


def content_of(entry: Entry, at_us: int) -> str:
    """An entry as it is hashed: JSON, keys in order, no spaces. `at_us` is microseconds since 1970."""
    values: dict[str, Any] = {
        "action": entry.action,
        "actor": entry.actor,
        "at_us": at_us,
        "correlation_id": entry.correlation_id,
        "resource": entry.resource,
        "role": entry.role,
    }
    if entry.old is not None:
        values["old"] = entry.old
    if entry.new is not None:
        values["new"] = entry.new
    text = json.dumps(values, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    # What PostgreSQL takes neither as text nor as JSON: halves of a surrogate pair, and zero.
    return text.encode("utf-8", "replace").decode().replace("\\u0000", "\\ufffd")
