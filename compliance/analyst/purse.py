"""
The budget of a day and the answers that are kept, in PostgreSQL: all workers share them.

A request's tokens and money are reserved before it is made and settled after. What a process that died had reserved
stays taken for the day: a budget is never passed.
"""

from datetime import UTC, date, datetime
from typing import NamedTuple

from compliance.ports import Database, queries


class Reserved(NamedTuple):
    """What a request may spend."""

    at: datetime
    tokens: int
    micro_usd: int

    @property
    def day(self) -> date:
        """Whose budget it is taken from, in UTC."""
        return self.at.astimezone(UTC).date()


class Kept(NamedTuple):
    """An answer as it is kept."""

    text: str
    tokens_in: int
    tokens_out: int
    cost_micro_usd: int


class Purse:
    """What may be spent in a day, and what was bought."""

    def __init__(self, database: Database, tokens_day_max: int, micro_usd_day_max: int) -> None:
        self._database = database
        self._tokens_day_max = tokens_day_max
        self._micro_usd_day_max = micro_usd_day_max
        self._sql = queries("compliance.analyst")

    async def reserve(self, now: datetime, tokens: int, micro_usd: int) -> Reserved | None:
        """Takes that much out of the day's budget; None where there isn't as much left."""
        if tokens > self._tokens_day_max or micro_usd > self._micro_usd_day_max:
            return None
        async with self._database.acquire() as connection:
            taken = await connection.fetchval(
                self._sql["reserve"],
                now.astimezone(UTC).date(),
                tokens,
                micro_usd,
                self._tokens_day_max,
                self._micro_usd_day_max,
                now,
            )
        return Reserved(now, tokens, micro_usd) if taken else None

    async def settle(self, reserved: Reserved, tokens: int, micro_usd: int, now: datetime) -> None:
        """Gives back what was reserved and not spent."""
        async with self._database.acquire() as connection:
            await connection.execute(
                self._sql["settle"],
                reserved.day,
                tokens - reserved.tokens,
                micro_usd - reserved.micro_usd,
                now,
            )

    async def keep(
        self, key: bytes, model: str, prompt_version: str, bought: Kept, reserved: Reserved, now: datetime
    ) -> None:
        """Settles what an answer cost and keeps it, in one statement."""
        spent = bought.tokens_in + bought.tokens_out
        async with self._database.acquire() as connection:
            await connection.execute(
                self._sql["keep"],
                key,
                model,
                prompt_version,
                *bought,
                now,
                reserved.day,
                spent - reserved.tokens,
                bought.cost_micro_usd - reserved.micro_usd,
            )

    async def kept(self, key: bytes) -> Kept | None:
        """The answer that is kept under a key."""
        async with self._database.acquire() as connection:
            row = await connection.fetchrow(self._sql["kept"], key)
        return Kept(*row) if row else None

    async def spent(self, now: datetime) -> tuple[int, int, int]:
        """Tokens, micro-USD and calls of the day."""
        async with self._database.acquire() as connection:
            row = await connection.fetchrow(self._sql["spent"], now.astimezone(UTC).date())
        return (row["tokens"], row["micro_usd"], row["calls"]) if row else (0, 0, 0)
