"""
PostgreSQL's directory tables as the core wants them: chunks of whole rows, at the start and as they change.

Every row carries the transaction that wrote it last. A read takes one snapshot, yields the rows at or above a position
that it sees, and moves the position to the oldest transaction that was still running in that snapshot: a lower one may
commit later and is then read by the next. Rows may so come twice; applying one twice changes nothing.

Cards come by binary COPY, whose rows here all have one length, so that a chunk is read as an array. Where all are read,
they are joined with their accounts and customers here, by position: of ten million, PostgreSQL's join takes 30 seconds
and a gigabyte, the three plain reads ten seconds.
"""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from scoring.limit import Measure, Of, Subject
from server.core.block_lists import BlockEntry, BlockKind
from server.core.directory import (
    CARD,
    Action,
    Channel,
    ControlSet,
    DirectoryChange,
    Posture,
    Programme,
    Rule,
    StandInLimits,
)
from server.core.limit_sets import WINDOW_NAMES, Limit, Overrides, Window, overrides
from server.core.record import TransactionType
from server.store.binary_copy import HEADER, TRAILER, read_rows, row_layout
from server.store.conditions import read_conditions
from server.store.database import TRANSIENT, Database
from server.store.postgres import StoreError
from server.store.queries import query

CHANNEL: Final = "holdfast_directory"
CHUNK_ROWS: Final = 16_384
"""Few enough that the loop has them in two milliseconds."""

CHUNKS_WAITING: Final = 2
COPY_TIMEOUT_S: Final = 600.0
POLL_S: Final = 0.5
"""A change is looked for this often although none was announced."""

RETRY_S: Final = (0.05, 0.1, 0.2, 0.4, 0.5)
"""Pauses before the next try while PostgreSQL is away; the last one repeats."""

_FETCHED_ROWS: Final = 512
"""Likewise of rows that come as objects."""

_ACTIVE: Final = ("live", "shadow")

OPENING: Final = np.dtype([("opening_minor", "<i8"), ("account_number", "<u4"), ("currency", "<u2")])
"""An account and what is deposited when the ledger first sees it."""


@dataclass(frozen=True, slots=True)
class FeedPosition:
    """How far a feed was read. Means something in one database only."""

    database: str  # cluster and database, so that positions of another are not mixed up
    version: int  # xid8: every row written by a lower transaction has been read


@dataclass(frozen=True, slots=True)
class FeedChunk:
    """Part of one read. `position` is worth keeping only once the chunk that is `last` has been applied."""

    change: DirectoryChange
    openings: NDArray[Any]  # OPENING[n]: of accounts, each to be opened once
    position: FeedPosition
    last: bool
    full: bool  # read from nothing: rows that it doesn't mention don't exist

    @property
    def empty(self) -> bool:
        """Whether applying it changes nothing."""
        change = self.change
        return change.empty and not len(self.openings) and not (self.full and self.last)


class DirectoryFeed:
    """Reads the directory and follows its changes."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self.trouble = ""
        """Why PostgreSQL can't be followed at present; empty while it can."""

    async def read(self, position: FeedPosition | None) -> AsyncIterator[FeedChunk]:
        """
        Everything at or above `position`, all of one snapshot; everything there is where `position` is None or
        of another database. Ends with a chunk that is `last`, empty where nothing changed.
        """
        connection = await self._database.connect()
        try:
            async with contextlib.aclosing(_read(connection, position)) as chunks:
                async for chunk in chunks:
                    yield chunk
        finally:
            connection.terminate()

    async def follow(
        self, position: FeedPosition | None, apply: Callable[[FeedChunk], Awaitable[None]]
    ) -> None:
        """
        Applies what changed since `position`, and then each change as it is announced, or found every POLL_S.

        Never returns until cancelled. While PostgreSQL is away it tries again after RETRY_S, and `trouble` says why. Where
        it was started anew meanwhile, everything is read again.
        What `apply` raises travels.
        """
        async with contextlib.aclosing(self._changes(position)) as chunks:
            async for chunk in chunks:
                await apply(chunk)

    async def _changes(self, position: FeedPosition | None) -> AsyncGenerator[FeedChunk, None]:
        failures = 0
        started = None
        while True:
            connection = None
            try:
                await self._database.open()
                connection = await self._database.connect()
                before, started = started, await connection.fetchval(query("started_at"))
                if before not in (None, started):
                    # Started anew, it may be an older copy of itself, whose numbers have grown past our position.
                    position = None
                announced = asyncio.Event()
                await connection.add_listener(CHANNEL, lambda *_, event=announced: event.set())
                connection.add_termination_listener(lambda *_, event=announced: event.set())
                while True:
                    announced.clear()
                    async with contextlib.aclosing(_read(connection, position)) as chunks:
                        async for chunk in chunks:
                            if not chunk.empty:
                                yield chunk
                            if chunk.last:
                                position = chunk.position
                    failures, self.trouble = 0, ""
                    # Not wait_for: in Python 3.11 it can swallow a cancellation that comes with the event.
                    with contextlib.suppress(TimeoutError):
                        async with asyncio.timeout(POLL_S):
                            await announced.wait()
            except (*TRANSIENT, StoreError) as error:
                self.trouble = f"{type(error).__name__}: {error}"
                await asyncio.sleep(RETRY_S[min(failures, len(RETRY_S) - 1)])
                failures += 1
            finally:
                if connection is not None:
                    connection.terminate()


async def _read(connection: Any, position: FeedPosition | None) -> AsyncGenerator[FeedChunk, None]:
    try:
        transaction = connection.transaction(isolation="repeatable_read", readonly=True)
        await transaction.start()
        since = 0 if position is None else position.version
        snapshot = await connection.fetchrow(query("feed_snapshot"), since)
        full = position is None or position.database != snapshot["database"] or since > snapshot["newest"]
        before = FeedPosition(snapshot["database"], 0 if full or position is None else position.version)
        after = FeedPosition(snapshot["database"], snapshot["oldest"])
        if full or snapshot["changed"]:
            rows = _rows(connection, 0 if full else since, full=full)
            async with contextlib.aclosing(rows):
                async for change, openings in rows:
                    change = replace(change, version=before.version)
                    yield FeedChunk(change, openings, before, last=False, full=full)
        change = DirectoryChange(cards=np.zeros(0, CARD), version=after.version)
        yield FeedChunk(change, np.zeros(0, OPENING), after, last=True, full=full)
        await transaction.commit()
    except BaseException:
        # Also where the reader leaves in the middle: a copy can't be ended but with its connection.
        connection.terminate()
        raise


async def _rows(
    connection: Any, since: int, *, full: bool
) -> AsyncGenerator[tuple[DirectoryChange, NDArray[Any]], None]:
    """Names, programmes, rules and block lists, then accounts, then the cards on them: what names a row comes after it."""
    nothing = np.zeros(0, CARD)
    yield await _shared(connection, since), np.zeros(0, OPENING)

    changed = "" if full else "_changed"
    holders = _Holders()
    if full:
        async with contextlib.aclosing(_copy(connection, "feed_customers", _CUSTOMER_ROW, since)) as chunks:
            async for rows in chunks:
                holders.take_customers(rows)
    account_row, card_row = (_ACCOUNT_ROW, _CARD_ALONE_ROW) if full else (_OPENING_ROW, _CARD_ROW)
    async with contextlib.aclosing(
        _copy(connection, f"feed_accounts{changed}", account_row, since)
    ) as chunks:
        async for rows in chunks:
            if full:
                holders.take_accounts(rows)
            openings = np.zeros(len(rows), OPENING)
            openings["account_number"] = rows["number"]
            openings["currency"] = rows["currency"]
            openings["opening_minor"] = rows["opening_minor"]
            yield DirectoryChange(nothing), openings

    controls: dict[int, ControlSet] = {}
    alike: dict[Any, Any] = {}
    found: Any
    async for row in _fetch(connection, f"feed_controls{changed}", since):
        found = _control_set(row)
        controls[row["card_number"]] = alike.setdefault(found, found)
    limits: dict[int, Overrides] = {}
    of_card: list[Any] = []
    async for row in _fetch(connection, f"feed_limits{changed}", since):
        if of_card and of_card[0]["card"] != row["card"]:
            found = _overrides(of_card)
            limits[of_card[0]["card"]] = alike.setdefault(found, found)
            of_card = []
        of_card.append(row)
    if of_card:
        limits[of_card[0]["card"]] = _overrides(of_card)
    async with contextlib.aclosing(_copy(connection, f"feed_cards{changed}", card_row, since)) as chunks:
        async for rows in chunks:
            cards = _cards(rows)
            if full:
                holders.complete(cards)
            numbers = cards["number"].tolist() if controls or limits else []
            yield (
                DirectoryChange(
                    cards,
                    {number: controls[number] for number in numbers if number in controls},
                    {number: limits[number] for number in numbers if number in limits},
                ),
                np.zeros(0, OPENING),
            )


def _fetch(connection: Any, name: str, since: int) -> AsyncIterator[Any]:
    """The rows of a query, a few at a time."""
    rows: AsyncIterator[Any] = aiter(connection.cursor(query(name), since, prefetch=_FETCHED_ROWS))
    return rows


async def _shared(connection: Any, since: int) -> DirectoryChange:
    """What cards share, as far as it was written at or above a version."""

    async def names(kind: str) -> dict[int, str]:
        rows = await connection.fetch(query(f"feed_{kind}_names"), since)
        return {row["number"]: row["name"] for row in rows}

    rows = await connection.fetch(query("feed_programmes"), since)
    limits: dict[int, list[Limit]] = {row["number"]: [] for row in rows}
    for row in await connection.fetch(query("feed_programme_limits"), list(limits)):
        limits[row["programme"]].append(_limit(row))
    return DirectoryChange(
        programmes=[_programme(row, limits[row["number"]]) for row in rows],
        blocks=[_block(row) for row in await connection.fetch(query("feed_blocks"), since)],
        rules=[_rule(row) for row in await connection.fetch(query("feed_rules"), since)],
        limit_names=await names("limit"),
        rule_names=await names("rule"),
    )


async def _copy(
    connection: Any, name: str, row: np.dtype[Any], since: int
) -> AsyncGenerator[NDArray[Any], None]:
    """
    The rows of a query, in its order, at most CHUNK_ROWS at a time.

    One COPY runs as fast as its rows are taken: CHUNKS_WAITING of them wait at the most.
    """
    chunks: asyncio.Queue[NDArray[Any]] = asyncio.Queue()
    room = asyncio.Semaphore(CHUNKS_WAITING)

    async def copy() -> None:
        stream = bytearray()
        whole_size = len(HEADER) + CHUNK_ROWS * row.itemsize

        async def take(data: bytes) -> None:
            stream.extend(data)
            while len(stream) >= whole_size + len(TRAILER):
                chunk = bytes(stream[:whole_size]) + TRAILER
                del stream[len(HEADER) : whole_size]
                await room.acquire()
                chunks.put_nowait(read_rows(chunk, row))

        try:
            await connection.copy_from_query(
                query(name), since, output=take, format="binary", timeout=COPY_TIMEOUT_S
            )
            chunks.put_nowait(read_rows(stream, row))
        finally:
            chunks.put_nowait(np.zeros(0, row))

    copying = asyncio.ensure_future(copy())
    try:
        while len(rows := await chunks.get()):
            yield rows
            room.release()
        await copying
    finally:
        if not copying.done():
            connection.terminate()
            copying.cancel()
        await asyncio.gather(copying, return_exceptions=True)


_CARD_ALONE_ROW: Final = row_layout(
    [
        ("number", ">i4"),
        ("account_number", ">i4"),
        ("pan_hash", "<u8", (2,)),
        ("id", ">u8", (2,)),
        ("programme", ">i2"),
        ("expiry_yymm", ">i2"),
        ("state", ">i2"),
        ("flags", ">i2"),
    ]
)
_CARD_ROW: Final = row_layout(
    [
        ("number", ">i4"),
        ("account_number", ">i4"),
        ("pan_hash", "<u8", (2,)),
        ("id", ">u8", (2,)),
        ("home_latitude_deg", ">f4"),
        ("home_longitude_deg", ">f4"),
        ("programme", ">i2"),
        ("expiry_yymm", ">i2"),
        ("state", ">i2"),
        ("account_state", ">i2"),
        ("flags", ">i2"),
    ]
)
_OPENING_ROW: Final = row_layout([("number", ">i4"), ("currency", ">i2"), ("opening_minor", ">i8")])
_ACCOUNT_ROW: Final = row_layout(
    [
        ("number", ">i4"),
        ("currency", ">i2"),
        ("opening_minor", ">i8"),
        ("customer_number", ">i4"),
        ("account_state", ">i2"),
    ]
)
_CUSTOMER_ROW: Final = row_layout(
    [("number", ">i4"), ("home_latitude_deg", ">f4"), ("home_longitude_deg", ">f4"), ("flags", ">i2")]
)
_ACCOUNT: Final = np.dtype([("customer_number", "<u4"), ("account_state", "u1")])
_CUSTOMER: Final = np.dtype([("home_latitude_deg", "<f4"), ("home_longitude_deg", "<f4"), ("flags", "u1")])


class _Holders:
    """What cards take from accounts and customers, by their numbers, while all cards are read."""

    def __init__(self) -> None:
        self._accounts = np.zeros(0, _ACCOUNT)
        self._customers = np.zeros(0, _CUSTOMER)

    def take_customers(self, rows: NDArray[Any]) -> None:
        self._customers = _put(self._customers, rows)

    def take_accounts(self, rows: NDArray[Any]) -> None:
        self._accounts = _put(self._accounts, rows)

    def complete(self, cards: NDArray[Any]) -> None:
        """Give CARD[n] what they take."""
        accounts = self._accounts[cards["account_number"]]
        customers = self._customers[accounts["customer_number"]]
        cards["account_state"] = accounts["account_state"]
        cards["home_latitude_deg"] = customers["home_latitude_deg"]
        cards["home_longitude_deg"] = customers["home_longitude_deg"]
        cards["flags"] |= customers["flags"]


def _put(table: NDArray[Any], rows: NDArray[Any]) -> NDArray[Any]:
    """The table with these rows at their numbers; a longer one where it must be."""
    numbers = rows["number"].astype(np.int64)
    needed = int(numbers.max(initial=-1)) + 1
    if needed > len(table):
        longer = np.zeros(max(needed, 2 * len(table)), table.dtype)
        longer[: len(table)] = table
        table = longer
    for name in table.dtype.names or ():
        table[name][numbers] = rows[name]
    return table


def _cards(rows: NDArray[Any]) -> NDArray[Any]:
    """CARD[n], as far as the rows tell."""
    cards = np.zeros(len(rows), CARD)
    cards["pan_key"] = rows["pan_hash"]
    cards["card_id"] = rows["id"][:, ::-1]  # a UUID is big-endian, our pairs have the low half first
    cards["known"] = 1
    for name in cards.dtype.names or ():
        if name in (rows.dtype.names or ()):
            cards[name] = rows[name]
    return cards


def _programme(row: Any, limits: Sequence[Limit]) -> Programme:
    return Programme(
        number=row["number"],
        name=row["name"],
        version=row["revision"],
        currency=row["currency"],
        country=row["country"],
        timezone=row["timezone"],
        decline_threshold=row["decline_threshold"],
        step_up_threshold=row["step_up_threshold"],
        step_up_else_decline=row["step_up_else_decline"],
        unscored_decline=row["unscored_decline"],
        limits=tuple(limits),
        channels=_channels(row["channels"]),
        types_never=_types(row["types_never"]),
        posture=Posture[row["posture"].upper()],
        stand_in=StandInLimits(
            amount_max_minor=row["stand_in_amount_max_minor"],
            count_max=row["stand_in_count_max"],
            sum_max_minor=row["stand_in_sum_max_minor"],
            categories=frozenset(row["stand_in_categories"]),
        ),
    )


def _control_set(row: Any) -> ControlSet:
    merchants = row["merchants_allowed"]
    return ControlSet(
        channels_on=_channels(row["channels_on"]),
        channels_off=_channels(row["channels_off"]),
        categories_allowed=_numbers(row["categories_allowed"]),
        categories_blocked=frozenset(row["categories_blocked"]),
        countries_allowed=_numbers(row["countries_allowed"]),
        countries_blocked=frozenset(row["countries_blocked"]),
        hours_allowed=row["hours_allowed"],
        merchants_allowed=None
        if merchants is None
        else frozenset(number % (1 << 64) for number in merchants),
        types_never=_types(row["types_never"]),
    )


def _block(row: Any) -> BlockEntry:
    low, high = np.frombuffer(row["value"], "<u8").tolist()
    kind, state = BlockKind[row["kind"].upper()], row["state"]
    return BlockEntry(kind, (low, high), active=state in _ACTIVE, shadow=state == "shadow")


def _limit(row: Any) -> Limit:
    return Limit(
        number=row["number"],
        name=row["name_number"],
        subject=Subject[row["subject"].upper()],
        measure=Measure[row["measure"].upper()],
        of=Of[row["outcome"].upper()],
        window=Window(WINDOW_NAMES.index(row["period"])),
        ceiling=row["ceiling"],
        shadow=row["state"] == "shadow",
    )


def _overrides(rows: list[Any]) -> Overrides:
    """What a card has beside its programme's limits, of its account's and its own."""
    return overrides(
        [_limit(row) for row in rows if row["of_account"]],
        [_limit(row) for row in rows if not row["of_account"]],
    )


def _rule(row: Any) -> Rule:
    return Rule(
        number=row["number"],
        name=row["name_number"],
        programme=row["programme"],
        conditions=read_conditions(row["conditions"]),
        action=Action[row["action"].upper()],
        active=row["state"] in _ACTIVE,
        shadow=row["state"] == "shadow",
    )


def _numbers(values: list[int] | None) -> frozenset[int] | None:
    return None if values is None else frozenset(values)


def _channels(names: list[str]) -> Channel:
    return Channel(sum(Channel[name.upper()] for name in set(names)))


def _types(names: list[str]) -> frozenset[TransactionType]:
    return frozenset(TransactionType[name.upper()] for name in names)
