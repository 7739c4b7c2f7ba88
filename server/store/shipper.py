"""
The decision journal, shipped to PostgreSQL: every decision but a label's becomes one row of `authorizations`, exactly once.

Rows and the journal's position move in one transaction. Whatever dies in between, the position in PostgreSQL says
where to go on; what its commit did not reach was not shipped.

A row costs PostgreSQL and us as much as half of its answer. While answers want the processors rows wait, for no longer
than the shipper is told: a peak has the machine for itself.
"""

import asyncio
import math
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple, Protocol

import asyncpg
import numpy as np
from numpy.typing import NDArray

from server.core.journal_reader import JournalBatch
from server.core.record import DECISION, INTENT, NO_ROW, Operation, rows_at
from server.store.binary_copy import Column, numbers, packed, smallints, stream_of, texts, uuids
from server.store.database import TRANSIENT, Database
from server.store.postgres import StoreError
from server.store.queries import query

JOURNAL_NAME: Final = "decisions"
"""What the server's own journal is called in PostgreSQL."""

ROWS_MAX: Final = 4_096
"""Decisions a transaction asks for: some megabytes of rows."""

READ_BATCHES: Final = 32
WINDOW_BATCHES: Final = 64
"""Intents kept for the decisions that follow them; others are read again."""

LINGER_S: Final = 0.1
"""Decisions gather this long before they are shipped: few transactions, of many rows."""

RETRY_S: Final = (0.05, 0.1, 0.2, 0.5, 1.0)
"""Pauses before the next try while PostgreSQL is away; the last one repeats."""

POSTGRES_EPOCH_S: Final = 946_684_800  # 2000-01-01
TIME_S_MIN: Final = -62_135_596_800  # the first second of the year 1
TIME_S_MAX: Final = 253_402_300_799  # the last second of the year 9999
PARTITION_YEARS: Final = range(1990, 2100)
"""Months of these years get a partition; a time beyond them falls into the default one."""


class DecisionSource(Protocol):
    """What the shipper needs of a decision journal's reader. All block."""

    def read(self, after: int, batches_max: int) -> list[JournalBatch]:
        """The batches that follow batch `after`, in order, at most `batches_max`."""
        ...

    def read_intents(self, number: int) -> NDArray[Any]:
        """The intents of batch `number`."""
        ...

    def last(self) -> int:
        """Number of the newest batch; 0 where there is none."""
        ...


@dataclass(frozen=True, slots=True)
class Shipment:
    """What one transaction carries."""

    stream: bytes  # binary COPY
    rows: int
    months: list[tuple[int, int]]  # year, month
    position: int  # after it
    decided_ns: int  # the newest of it
    is_full: bool  # there may be more


class Standing(NamedTuple):
    """How far a shipper is."""

    position: int = 0
    """The last batch whose decisions are in PostgreSQL."""

    rows: int = 0
    """Decisions shipped by this process."""

    trouble: str = ""
    """Why nothing can be shipped at present; empty while it can."""


class Shipper:
    """Ships one journal. `journal` names it in PostgreSQL: another journal needs another name."""

    def __init__(
        self,
        database: Database,
        source: DecisionSource,
        journal: str = JOURNAL_NAME,
        *,
        told: Callable[[Standing], None] = lambda _standing: None,
        within_s: float = 0.0,
        is_busy: Callable[[], bool] = lambda: False,
    ) -> None:
        """
        `told` hears how far it is whenever that has changed.

        While the machine `is_busy`, asked every now and then, rows wait; for `within_s` at the most.
        """
        self._database = database
        self._source = source
        self._journal = journal
        self._told = told
        self._within_s = within_s
        self._is_busy = is_busy
        self._shipped_to_s = -math.inf
        """Whatever was decided before this is shipped; by time.monotonic."""
        self._last_told = Standing()
        self._window: OrderedDict[int, NDArray[Any]] = OrderedDict()
        self.position = 0
        """Number of the last batch whose decisions are in PostgreSQL."""
        self.rows = 0
        """Decisions shipped by this process."""
        self.trouble = ""
        """Why nothing can be shipped at present; empty while it can."""

    async def run(self) -> None:
        """Ships whatever the journal has and gets; never returns until cancelled. Waits out PostgreSQL's absences."""
        failures = 0
        while True:
            connection = None
            try:
                connection = await self._connect()
                failures, self.trouble = 0, ""
                while True:
                    goes_on = not self._may_wait() and await self._ship(connection)
                    self._tell()
                    if not goes_on:
                        await asyncio.sleep(LINGER_S)
            except (*TRANSIENT, StoreError) as error:
                self.trouble = f"{type(error).__name__}: {error}"
                self._tell()
                await asyncio.sleep(RETRY_S[min(failures, len(RETRY_S) - 1)])
                failures += 1
            finally:
                if connection is not None:
                    connection.terminate()

    async def drain(self) -> None:
        """Ships what the journal has now, and returns. Not beside `run`. Raises StoreError and PostgreSQL's own."""
        connection = await self._connect()
        try:
            before = -1
            while before != self.position:
                before = self.position
                await self._ship(connection)
        finally:
            await connection.close()

    def _may_wait(self) -> bool:
        return self._is_busy() and time.monotonic() - self._shipped_to_s < self._within_s

    def _tell(self) -> None:
        standing = Standing(self.position, self.rows, self.trouble)
        if standing != self._last_told:
            self._last_told = standing
            self._told(standing)

    async def _connect(self) -> Any:
        await self._database.open()
        connection = await self._database.connect()
        self.position = await connection.fetchval(query("find_position"), self._journal)
        last = await asyncio.to_thread(self._source.last)
        if last < self.position:
            connection.terminate()
            raise StoreError(
                f"Batch {self.position} of the journal {self._journal!r} is in PostgreSQL, but the journal here ends at "
                f"{last}: it is another one, or an old copy. Restore the journal, or use a database of its own."
            )
        return connection

    async def _ship(self, connection: Any) -> bool:
        """One transaction's worth; whether there may be more."""
        shipped_to_s = time.monotonic()
        shipment = await asyncio.to_thread(self._load, self.position)
        if shipment.is_full:
            age_s = time.time() - shipment.decided_ns / 1e9
            # Where the clock was set back nobody knows how old what follows is.
            shipped_to_s = shipped_to_s - age_s if age_s >= 0 else self._shipped_to_s
        if shipment.position == self.position:
            self._shipped_to_s = shipped_to_s
            return False
        for year, month in shipment.months:
            await _ensure_partition(connection, year, month)
        try:
            await self._commit(connection, shipment)
        except (asyncpg.CharacterNotInRepertoireError, asyncpg.UntranslatableCharacterError):
            # A sender's text that PostgreSQL doesn't take must not stop all that follow it.
            shipment = await asyncio.to_thread(self._load, self.position, mend_texts=True)
            await self._commit(connection, shipment)
        self.position = shipment.position
        self.rows += shipment.rows
        self._shipped_to_s = shipped_to_s
        return shipment.is_full

    async def _commit(self, connection: Any, shipment: Shipment) -> None:
        async with connection.transaction():
            if shipment.rows:
                await connection.copy_to_table(
                    "authorizations", source=_whole(shipment.stream), format="binary"
                )
            moved = await connection.execute(
                query("move_position"), self._journal, self.position, shipment.position
            )
            if moved != "UPDATE 1":
                raise StoreError(
                    f"Another process ships the journal {self._journal!r} too: stop one of them."
                )

    def _load(self, after: int, *, mend_texts: bool = False) -> Shipment:
        """Reads on from batch `after` until there are rows enough, and lays them out. In a thread."""
        parts: list[NDArray[Any]] = []
        position, rows = after, 0
        while rows < ROWS_MAX and (batches := self._source.read(position, READ_BATCHES)):
            for batch in batches:
                if len(batch.intents):
                    self._window[batch.number] = batch.intents
                elif len(batch.decisions):
                    parts.append(batch.decisions)
                    rows += len(batch.decisions)
            position = batches[-1].number
        decisions = _joined(parts, DECISION) if parts else np.zeros(0, DECISION)
        decided_ns = int(decisions["decision_ns"].max(initial=0))
        is_label = decisions["operation"] == Operation.LABEL
        if is_label.any():  # they came from PostgreSQL, and stand in a table of their own
            decisions = rows_at(decisions, ~is_label)
        if not len(decisions):
            return Shipment(b"", 0, [], position, decided_ns, rows >= ROWS_MAX)
        intents = self._intents_of(decisions)
        while len(self._window) > WINDOW_BATCHES:
            self._window.popitem(last=False)
        transmission_s = np.clip(intents["request"]["transmission_s"], TIME_S_MIN, TIME_S_MAX)
        return Shipment(
            stream_of(_columns(intents, decisions, transmission_s, position, mend_texts=mend_texts)),
            len(decisions),
            _months(transmission_s),
            position,
            decided_ns,
            rows >= ROWS_MAX,
        )

    def _intents_of(self, decisions: NDArray[Any]) -> NDArray[Any]:
        """The intent of each decision."""
        needed = np.unique(decisions["intent_batch"]).tolist()
        found = [self._window[n] if n in self._window else self._source.read_intents(n) for n in needed]
        intents = _joined(found, INTENT)
        if np.array_equal(intents["sequence"], decisions["sequence"]):
            return intents  # whole batches, in their order: as nearly always
        order = np.argsort(intents["sequence"])
        sequences, wanted = intents["sequence"][order], decisions["sequence"]
        places = np.minimum(np.searchsorted(sequences, wanted), len(order) - 1)
        if len(order) == 0 or (sequences[places] != wanted).any():
            raise StoreError(
                f"Intents of decisions in the journal (of batches from {needed[0]} on) are gone: it was trimmed "
                "beyond what was shipped. Restore it from a backup."
            )
        return intents[order[places]]


def _joined(parts: list[NDArray[Any]], record: np.dtype[Any]) -> NDArray[Any]:
    """The parts in one array. `np.concatenate` compares the fields of each part first: 30 us for each, seen."""
    if len(parts) == 1:
        return parts[0]
    whole = np.empty(sum(map(len, parts)), record)
    np.concatenate([part.view(np.uint8) for part in parts], out=whole.view(np.uint8))
    return whole


def _columns(
    intents: NDArray[Any],
    decisions: NDArray[Any],
    transmission_s: NDArray[np.int64],
    position: int,
    *,
    mend_texts: bool,
) -> list[Column]:
    """The columns of `authorizations`, in their order; `position` is the journal's after this shipment."""
    request = intents["request"]
    unknown = intents["card_row"] == NO_ROW
    text = _mended if mend_texts else texts
    return [
        numbers((transmission_s - POSTGRES_EPOCH_S) * 1_000_000, ">i8"),
        numbers(decisions["decision_ns"] // 1_000 - POSTGRES_EPOCH_S * 1_000_000, ">i8"),
        numbers(intents["sequence"], ">i8"),
        uuids(decisions["authorization_id"]),
        uuids(request["original_id"]),
        numbers(request["amount_minor"], ">i8"),
        numbers(intents["billed_minor"], ">i8"),
        numbers(decisions["approved_minor"], ">i8"),
        numbers(decisions["available_minor"], ">i8"),
        numbers(intents["card_row"], ">u4", unknown),
        numbers(intents["account_number"], ">u4", unknown),
        numbers(decisions["risk_score"], ">f4", np.isnan(decisions["risk_score"])),
        numbers(decisions["ledger_status"], ">u4"),
        numbers(intents["programme"], ">u2"),
        numbers(request["operation"], ">u2"),
        numbers(request["transaction_type"], ">u2"),
        numbers(request["currency"], ">u2"),
        numbers(decisions["billing_currency"], ">u2"),
        numbers(request["country"], ">u2"),
        numbers(request["category"], ">u2"),
        numbers(request["entry_mode"], ">u2"),
        smallints(decisions["limits_passed"]),
        numbers(decisions["version"], ">u2"),
        numbers(decisions["held"] != 0, "?"),
        numbers(decisions["stand_in"] != 0, "?"),
        numbers(decisions["recovered"] != 0, "?"),
        text(decisions["response_code"]),
        text(decisions["authorization_code"]),
        text(request["acquirer_id"]),
        text(request["merchant_id"]),
        text(request["merchant_name"]),
        text(request["merchant_city"]),
        text(intents["model"]),
        packed(intents),
        packed(decisions),
        numbers(decisions["released_minor"], ">i8"),
        numbers(decisions["overdrawn_minor"], ">i8"),
        numbers(decisions["part_minor"], ">i8"),
        numbers(decisions["owed_minor"], ">i8"),
        numbers(decisions["chain"], ">u2"),
        numbers(decisions["credit"] != 0, "?"),
        smallints(decisions["rules_hit"]),
        smallints(intents["rules_shadowed"]),
        numbers(intents["limit_set"], ">u4"),
        numbers(np.full(len(intents), position), ">i8"),
    ]


def _mended(values: NDArray[Any]) -> Column:
    """Texts with what is no UTF-8, and zero bytes, replaced; in Python, for the rare batch that needs it."""
    whole = [raw.decode("utf-8", "replace").replace("\0", "�").encode() for raw in values.tolist()]
    return texts(np.array(whole, np.bytes_))


def _months(transmission_s: NDArray[np.int64]) -> list[tuple[int, int]]:
    """The years and months that need a partition."""
    found = np.unique(transmission_s.astype("datetime64[s]").astype("datetime64[M]").astype(np.int64))
    months = [(1970 + month // 12, month % 12 + 1) for month in found.tolist()]
    return [(year, month) for year, month in months if year in PARTITION_YEARS]


async def _ensure_partition(connection: Any, year: int, month: int) -> None:
    name = f"authorizations_{year}_{month:02d}"
    if await connection.fetchval("SELECT to_regclass($1) IS NOT NULL", name):
        return
    first = datetime(year, month, 1, tzinfo=UTC).isoformat()
    end = datetime(year + month // 12, month % 12 + 1, 1, tzinfo=UTC).isoformat()
    await connection.execute(
        f"CREATE TABLE IF NOT EXISTS {name} PARTITION OF authorizations FOR VALUES FROM ('{first}') TO ('{end}')"
    )


async def _whole(stream: bytes) -> Any:
    yield stream
