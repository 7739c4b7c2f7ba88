"""
Rules as they are drafted, tried on paper, made live and retired. See `lifecycle` for their life, `conditions` for what
they say.

A rule is known by its name. Adding one under a name that there is makes its next revision; the one before goes on until
the new one takes its place, in shadow and then live.
"""

import json
import re
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from server.store.conditions import Document, check_conditions
from server.store.database import Database
from server.store.lifecycle import Move, changing, history, programme_number
from server.store.postgres import StoreError
from server.store.queries import query

ACTIONS: Final = ("decline", "step_up", "flag")
LIST_MAX: Final = 1_000
RULES_MAX: Final = 500
"""Rules that are live or in shadow: each is looked at on every authorization."""

_NAME: Final = re.compile(r"[a-z][a-z0-9_]{0,39}")
_BEFORE: Final = {"shadow": ("draft", "live"), "live": ("shadow",), "retired": ("draft", "shadow", "live")}


@dataclass(frozen=True, slots=True)
class RuleView:
    """One revision of a rule as it is shown."""

    number: int
    name: str
    revision: int
    programme: str | None  # None = all
    conditions: Document
    action: str
    state: str
    changed_by: str
    changed_at: datetime


@dataclass(frozen=True, slots=True)
class RuleHits:
    """How often a rule, or a block list by its name, was hit by authorizations: of four a decision names."""

    live: int
    on_paper: int  # in shadow
    approved_on_paper: int  # of those: approved, as nothing live was against it
    approved_on_paper_minor: int  # of the currencies of their accounts, together


class Rules:
    """Adds rules and moves them through their life; a running server follows within 1 s."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def add(
        self, name: str, conditions: Document, action: str, *, programme: str | None = None, changed_by: str
    ) -> RuleView:
        """Drafts a rule, or the next revision of one. Raises StoreError naming the field that can't be."""
        if not _NAME.fullmatch(name) or name.startswith("blocked_"):
            raise StoreError(
                f"name: {name!r} is not up to 40 small letters, digits and _, a letter first; blocked_ is for block lists."
            )
        if action not in ACTIONS:
            raise StoreError(f"action: {action!r} is none of {', '.join(ACTIONS)}.")
        check_conditions(conditions)
        async with changing(self._database, changed_by) as connection:
            number = None if programme is None else await programme_number(connection, programme)
            added = await connection.fetchval(query("add_rule"), name, number, json.dumps(conditions), action)
        return await self._show(added)

    async def move(self, name: str, state: str, *, changed_by: str) -> RuleView:
        """
        Moves the newest revision that can go there to shadow, live or retired; what stood there is retired.

        Raises StoreError where there is no such rule, or none of its revisions can go there.
        """
        revisions = await self.revisions(name)
        candidates = [rule for rule in revisions if rule.state in _BEFORE[state]]
        standing = [rule for rule in revisions if rule.state == state != "retired"]
        if standing and (not candidates or candidates[0].revision < standing[0].revision):
            return standing[0]
        if not candidates:
            states = ", ".join(f"revision {rule.revision} is {rule.state}" for rule in revisions)
            raise StoreError(
                f"{name} can't go to {state}: it does from {' or '.join(_BEFORE[state])}, and {states}."
            )
        async with changing(self._database, changed_by) as connection:
            for rule in standing:
                await connection.execute(query("move_rule"), rule.number, "retired")
            await connection.execute(query("move_rule"), candidates[0].number, state)
            if state in {"shadow", "live"} and await connection.fetchval(query("count_rules")) > RULES_MAX:
                raise StoreError(f"{RULES_MAX} rules are live or in shadow: retire one first.")
        return await self._show(candidates[0].number)

    async def revisions(self, name: str) -> list[RuleView]:
        """All revisions of a rule, the newest first. Raises StoreError where there is none."""
        found = await self._views(name=name)
        if not found:
            raise StoreError(f"There is no rule {name!r}. `holdfast rules list` shows which there are.")
        return found

    async def listed(self, *, retired: bool = False) -> list[RuleView]:
        """The rules by name; retired revisions too if asked. LIST_MAX at the most."""
        return await self._views(retired=retired)

    async def history(self, name: str) -> list[tuple[int, Move]]:
        """Who made what of a rule, and when: of each move the revision. Raises StoreError where there is none."""
        revisions = {rule.number: rule.revision for rule in await self.revisions(name)}
        moves = await history(self._database, "rule", list(revisions))
        return [(revisions[move.number], move) for move in moves]

    async def hits(self, name: str, *, days: int) -> RuleHits:
        """The hits of the last days, also of a block list (blocked_device). Raises StoreError where there is no such name."""
        async with self._database.acquire() as connection:
            row = await connection.fetchrow(query("count_rule_hits"), name, days)
        if row is None:
            raise StoreError(f"There is no rule {name!r}. `holdfast rules list` shows which there are.")
        return RuleHits(**row)

    async def _show(self, number: int) -> RuleView:
        return (await self._views(number=number))[0]

    async def _views(
        self, *, number: int | None = None, name: str | None = None, retired: bool = True
    ) -> list[RuleView]:
        async with self._database.acquire() as connection:
            rows: list[Any] = await connection.fetch(query("show_rules"), number, name, retired, LIST_MAX)
        return [RuleView(**{**row, "conditions": json.loads(row["conditions"])}) for row in rows]
