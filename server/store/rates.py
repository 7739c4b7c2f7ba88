"""Exchange rates in their dated table: imported from a file, read as one Exchange, followed as they change."""

import asyncio
import csv
from collections.abc import Awaitable, Callable, Iterable
from datetime import UTC, date, datetime
from decimal import Decimal, InvalidOperation
from typing import Final

from ledger.exchange import AGE_MAX_S, Exchange, Rate
from ledger.money import UnknownCurrency, currency_number
from server.store.database import TRANSIENT, Database
from server.store.postgres import StoreError
from server.store.queries import query

SPREAD_MAX_BPS: Final = 5_000
RATE_PLACES: Final = 12
RATE_DIGITS: Final = 24
LINES_MAX: Final = 1_000_000
FAULTS_TOLD: Final = 20
POLL_S: Final = 0.5
_COLUMNS: Final = ("date", "base", "quote", "rate")


class RatesUnreadable(ValueError):  # noqa: N818 - told as what it is
    """A file of rates that is not one; the text names each bad line, up to FAULTS_TOLD of them."""


def read_rates(lines: Iterable[str], *, spread_bps: int = 0) -> list[Rate]:
    """
    The rates of a CSV file with the columns date (YYYY-MM-DD), base, quote, rate, and spread_bps where it has one.

    On `date` one unit of `base` was worth `rate` units of `quote`. Without a spread of its own a line has
    `spread_bps`. All or nothing: raises RatesUnreadable, naming the lines.
    """
    reader = csv.DictReader(lines, strict=True)
    header = reader.fieldnames or ()
    if tuple(header[: len(_COLUMNS)]) != _COLUMNS or tuple(header[len(_COLUMNS) :]) not in {
        (),
        ("spread_bps",),
    }:
        raise RatesUnreadable(
            f"line 1: the columns are {','.join(_COLUMNS)}[,spread_bps], not {','.join(header)}"
        )
    rates: list[Rate] = []
    faults: list[str] = []
    seen: dict[tuple[date, int, int], int] = {}
    try:
        for row in reader:
            try:
                rate = _rate(row, spread_bps)
                key = (rate.day, rate.base, rate.quote)
                if key in seen:
                    raise ValueError(f"says again what line {seen[key]} says")
                seen[key] = reader.line_num
                rates.append(rate)
            except ValueError as error:
                faults.append(f"line {reader.line_num}: {error}")
            if len(rates) > LINES_MAX:
                raise RatesUnreadable(f"more than {LINES_MAX:,} lines: import them in parts")
    except csv.Error as error:
        faults.append(f"line {reader.line_num + 1}: {error}")
    if faults:
        told = faults[:FAULTS_TOLD]
        more = [f"and {len(faults) - len(told)} more"] if len(faults) > len(told) else []
        raise RatesUnreadable("\n".join([*told, *more]))
    if not rates:
        raise RatesUnreadable("line 1: no rate follows")
    return rates


def _rate(row: dict[str, str | None], spread_bps: int) -> Rate:
    if None in row or None in row.values():
        raise ValueError("has another number of fields than the header")
    fields = {name: (value or "").strip() for name, value in row.items()}
    try:
        day = date.fromisoformat(fields["date"])
    except ValueError:
        raise ValueError(f"{fields['date']!r} is no date: write it like 2026-11-20") from None
    try:
        base, quote = currency_number(fields["base"]), currency_number(fields["quote"])
    except UnknownCurrency as error:
        raise ValueError(str(error)) from None
    if base == quote:
        raise ValueError("base and quote are the same")
    try:
        rate = Decimal(fields["rate"])
    except InvalidOperation:
        raise ValueError(f"{fields['rate']!r} is no rate: write it like 1.0875") from None
    if not rate.is_finite() or rate <= 0:
        raise ValueError("a rate is more than zero")
    exponent = rate.as_tuple().exponent
    if (
        not isinstance(exponent, int)
        or exponent < -RATE_PLACES
        or rate.adjusted() >= RATE_DIGITS - RATE_PLACES
    ):
        raise ValueError(
            f"a rate has at most {RATE_DIGITS - RATE_PLACES} digits before the point and {RATE_PLACES} after"
        )
    spread = fields.get("spread_bps") or str(spread_bps)
    if not spread.isascii() or not spread.isdigit() or int(spread) > SPREAD_MAX_BPS:
        raise ValueError(f"spread_bps must be 0 to {SPREAD_MAX_BPS}, not {spread!r}")
    return Rate(day, base, quote, rate, int(spread))


class RateTable:
    """The table of rates in PostgreSQL."""

    def __init__(self, database: Database, *, age_max_s: int = AGE_MAX_S) -> None:
        self._database = database
        self._age_max_s = age_max_s
        self.trouble = ""
        """Why the table can't be read at present; empty while it can."""

    async def put(self, rates: list[Rate]) -> None:
        """Write them, in place of those of the same day and pair; all or none."""
        async with self._database.acquire() as connection, connection.transaction():
            number = await connection.fetchval(query("next_rate_import"))
            await connection.executemany(
                query("put_rate"),
                [(rate.day, rate.base, rate.quote, rate.rate, rate.spread_bps, number) for rate in rates],
            )

    async def newest(self, day: date) -> list[Rate]:
        """Of each pair the newest rate that is not of a later day."""
        async with self._database.acquire() as connection:
            rows = await connection.fetch(query("newest_rates"), day)
        return [Rate(row["day"], row["base"], row["quote"], row["rate"], row["spread_bps"]) for row in rows]

    async def exchange(self, day: date) -> Exchange:
        """The rates of that day."""
        return Exchange(await self.newest(day), age_max_s=self._age_max_s)

    async def follow(self, now_s: Callable[[], float], apply: Callable[[Exchange], Awaitable[None]]) -> None:
        """
        Hand over the rates of the day, and again within a second of every import, and when a new day has begun.

        Never returns until cancelled. While PostgreSQL is away the last rates stay, for as long as they are good.
        """
        known: tuple[int, date] | None = None
        while True:
            try:
                day = datetime.fromtimestamp(now_s(), UTC).date()
                async with self._database.acquire() as connection:
                    last = await connection.fetchval(query("last_rate_import"))
                if (last, day) != known:
                    exchange = await self.exchange(day)
                    await apply(exchange)
                    known = (last, day)
                self.trouble = ""
            except (StoreError, *TRANSIENT) as error:
                self.trouble = f"{type(error).__name__}: {error}"
            await asyncio.sleep(POLL_S)
