"""
Limits of programmes, accounts and cards, as they are set, listed and retired. See `lifecycle` for their life.

A limit is never changed: setting another one in its place retires it, and both stay for whoever asks why a payment was
declined. Its number says which, in every decision that consulted it.
"""

import re
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from scoring.limit import Measure, Of, Subject
from server.core.limit_sets import CEILINGS_MAX, WINDOW_NAMES
from server.store.database import Database
from server.store.lifecycle import STATES, Move, changing, history, programme_number
from server.store.postgres import StoreError
from server.store.queries import query

SUBJECTS: Final = tuple(subject.name.lower() for subject in Subject)
MEASURES: Final = tuple(measure.name.lower() for measure in Measure)
OUTCOMES: Final = tuple(outcome.name.lower() for outcome in Of)
LIST_MAX: Final = 1_000
_CALENDAR: Final = ("transaction", "day", "month")
_NAME: Final = re.compile(r"[a-z][a-z0-9_]{0,39}")
_NUMBER_MAX: Final = 2**31


@dataclass(frozen=True, slots=True)
class Scope:
    """Whose limits: exactly one of these. A programme and a card by their numbers."""

    programme: int | None = None
    account_number: int | None = None
    card_number: int | None = None


@dataclass(frozen=True, slots=True)
class NewLimit:
    """A limit to be set. Without a ceiling it lifts, for one account or card, what its programme or account has."""

    measure: str
    window: str
    ceiling: int | None  # minor units of the programme's currency where it is an amount
    subject: str = "card"
    of: str = "approvals"
    state: str = "live"
    name: str = ""  # else as `default_name` makes it

    def fault(self) -> str:
        """What is wrong with it, naming the field and what is allowed; empty where nothing is."""
        for field, value, allowed in (
            ("measure", self.measure, MEASURES),
            ("window", self.window, WINDOW_NAMES),
            ("subject", self.subject, SUBJECTS),
            ("of", self.of, OUTCOMES),
            ("state", self.state, STATES),
        ):
            if value not in allowed:
                return f"{field}: {value!r} is none of {', '.join(allowed)}."
        if self.name and not _NAME.fullmatch(self.name):
            return f"name: {self.name!r} is not up to 40 small letters, digits and _, a letter first."
        return self._senseless() or self._beyond()

    def _senseless(self) -> str:
        distinct = self.measure not in {"count", "amount"}
        if distinct and self.of != "attempts":
            return f"of: {self.measure} are told apart among attempts only."
        if (self.subject, self.measure) in {("merchant", "merchants"), ("card", "cards")}:
            return f"measure: a {self.subject} has one of its own {self.measure}."
        if self.of == "declines" and self.measure != "count":
            return "measure: of declines only the count is kept."
        if self.window in _CALENDAR and (self.measure, self.of) != ("amount", "approvals"):
            return f"window: {self.window} is for amounts of approvals only."
        if self.window in _CALENDAR and not (
            self.subject == "card" or (self.subject == "account" and self.window != "transaction")
        ):
            return "window: a transaction is a card's; a day and a month are a card's or an account's."
        return ""

    def _beyond(self) -> str:
        ceiling_max = CEILINGS_MAX[Measure[self.measure.upper()]]
        if self.ceiling is not None and not 0 < self.ceiling <= ceiling_max:
            return f"ceiling: of {self.measure} it is 1 to {ceiling_max}, not {self.ceiling}."
        return ""


@dataclass(frozen=True, slots=True)
class LimitView:
    """A limit as it is shown."""

    number: int
    name: str
    programme: str | None
    account_number: int | None
    card_number: int | None
    subject: str
    measure: str
    of: str
    window: str
    ceiling: int | None
    currency: int | None  # ISO 4217 number, of an amount
    state: str
    changed_by: str
    changed_at: datetime


def default_name(limit: NewLimit) -> str:
    """What a limit is called in answers where nobody calls it otherwise: count_1h, merchant_attempts_amount_24h."""
    of = "" if limit.of == "approvals" else limit.of
    subject = "" if limit.subject == "card" else limit.subject
    return "_".join(part for part in (subject, of, limit.measure, limit.window) if part)


class Limits:
    """Sets, lists and retires limits; a running server follows within 1 s."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def scope(
        self, *, programme: str | None, account_number: int | None, card_number: int | None
    ) -> Scope:
        """What was named, once it is known to be there. Raises StoreError."""
        if sum(part is not None for part in (programme, account_number, card_number)) != 1:
            raise StoreError("A limit belongs to a programme, an account or a card: name one of them.")
        async with self._database.acquire() as connection:
            if programme is not None:
                return Scope(programme=await programme_number(connection, programme))
            table, number = ("account", account_number) if card_number is None else ("card", card_number)
            known = number is not None and 0 <= number < _NUMBER_MAX
            if not known or not await connection.fetchval(query(f"has_{table}"), number):
                raise StoreError(f"{table}: there is no {table} {number}.")
        return Scope(account_number=account_number, card_number=card_number)

    async def currency(self, scope: Scope) -> int:
        """The currency (ISO 4217 number) that amounts of a programme, account or card are limited in."""
        async with self._database.acquire() as connection:
            where = (scope.programme, scope.account_number, scope.card_number)
            return int(await connection.fetchval(query("find_limit_currency"), *where))

    async def set(self, scope: Scope, limit: NewLimit, *, changed_by: str) -> LimitView:
        """
        Sets a limit in place of the one of its state that measures the same there.

        Raises StoreError, naming the field, for one that can't be.
        """
        if fault := limit.fault():
            raise StoreError(fault)
        if limit.ceiling is None and scope.programme is not None:
            raise StoreError(
                "ceiling: what a programme has is retired; none lifts it for an account or a card."
            )
        what = (limit.subject, limit.measure, limit.of, limit.window)
        where = (scope.programme, scope.account_number, scope.card_number)
        async with changing(self._database, changed_by) as connection:
            if limit.state != "draft":
                await connection.execute(query("retire_limit_in_place"), *where, *what, limit.state)
            number = await connection.fetchval(
                query("add_limit"),
                limit.name or default_name(limit),
                *where,
                *what,
                limit.ceiling,
                limit.state,
            )
        return await self.show(number)

    async def move(self, number: int, state: str, *, changed_by: str) -> LimitView:
        """
        Moves a limit on: to shadow, live or retired; what stood there in its place is retired.

        Raises StoreError where there is no such limit, or its life does not go there.
        """
        limit = await self.show(number)
        async with changing(self._database, changed_by) as connection:
            if limit.state != state and state in STATES:
                await connection.execute(query("retire_limit_beside"), number, state)
            await connection.execute(query("move_limit"), number, state)
        return await self.show(number)

    async def show(self, number: int) -> LimitView:
        """The limit of that number. Raises StoreError where there is none."""
        found = await self._views(number=number) if 0 < number < _NUMBER_MAX else []
        if not found:
            raise StoreError(f"There is no limit {number}. `holdfast limits list` shows which there are.")
        return found[0]

    async def listed(self, scope: Scope | None = None, *, retired: bool = False) -> list[LimitView]:
        """
        The limits of one programme, account or card, or of all programmes; the retired ones too if asked.

        Of a card also those of its account and its programme: what it is judged by. LIST_MAX at the most.
        """
        return await self._views(scope or Scope(), retired=retired)

    async def history(self, number: int) -> list[Move]:
        """Who made what of a limit, and when. Raises StoreError where there is none."""
        await self.show(number)
        return await history(self._database, "limit", [number])

    async def _views(
        self, scope: Scope | None = None, *, number: int | None = None, retired: bool = True
    ) -> list[LimitView]:
        where = scope or Scope()
        arguments: tuple[Any, ...] = (where.programme, where.account_number, where.card_number)
        async with self._database.acquire() as connection:
            rows = await connection.fetch(query("show_limits"), number, *arguments, retired, LIST_MAX)
        return [LimitView(**row) for row in rows]
