"""
Whether the ledger, the decision journal and PostgreSQL say the same of every authorization.

The ledger moves while it is read. So what differs is looked at again, alone and with nothing of it under way, and
only what still differs is drift. `Drift` names its kinds; each comes with what mends it.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import structlog
from numpy.typing import NDArray

from ledger import holds
from ledger.beside import opened_copy
from ledger.book import Ledger, LedgerError, LedgerStopped
from ledger.embedded import EmbeddedLedger
from ledger.reconcile import Drift, Standings, compare
from ledger.tigerbeetle import TigerBeetleLedger
from ledger.transfer import BATCH_MAX, QUERY_FILTER, TRANSFER, Ids, TransferFlags, Transfers, ids_of
from server.compiled import prepare_numba
from server.core.entries import EntryState
from server.core.fold import JOURNAL, SNAPSHOT
from server.core.journal_reader import JournalReader
from server.core.record import id_hex
from server.core.recovery import restore
from server.core.risk import Risk
from server.core.state import State
from server.settings import Settings, cluster_of
from server.store.database import TRANSIENT, Database
from server.store.postgres import StoreError
from server.store.queries import query
from server.store.shipper import JOURNAL_NAME
from server.store.standings import find_standings, read_standings

AGAIN_S: Final = 1.0
"""Before what differs is looked at again."""

LOOKS: Final = 5
SHOWN_MAX: Final = 1_000
"""Drifts that are looked at again and told, one by one; the rest is only counted."""

_MENDS: Final = {
    Drift.MISSING: "expire the authorization: nothing is held for it",
    Drift.DOUBLE: "void what is held beside the parts that the journal knows",
    Drift.AMOUNT: "look at its transfers with `holdfast explain`, and book the difference by hand",
    Drift.STATE: "void what is held: nothing promises it any more",
}
_log = structlog.get_logger("reconciling")


@dataclass(frozen=True, slots=True)
class Drifting:
    """One authorization of which two of the three say different things."""

    authorization_id: str
    kind: Drift
    against: str  # journal, or postgresql
    expected_pending_minor: int
    found_pending_minor: int
    expected_settled_minor: int
    found_settled_minor: int

    @property
    def mend(self) -> str:
        """What mends it."""
        if self.against == "postgresql" and self.kind != Drift.STATE:
            return "compare with the journal: where that agrees with the ledger, ship it again"
        return _MENDS[self.kind]


@dataclass(frozen=True, slots=True)
class Report:
    """What a reconciliation found."""

    authorizations: int  # in the ledger
    drifting: list[Drifting]
    more: int  # not looked at again
    postgresql: str  # why it was not asked; empty where it was
    took_s: float


class Reconciler:
    """Holds the three against each other; `state` is the core's own, on the core's loop."""

    def __init__(
        self,
        ledger: Ledger,
        state: State,
        database: Database,
        shipped: Callable[[], bool],
        moving: Callable[[], Ids] = lambda: np.zeros((0, 2), np.uint64),
    ) -> None:
        """
        `shipped()` says whether PostgreSQL has everything that is in the journal.

        `moving()` are the authorizations, (n, 2), that the ledger may have moved beyond what `state` knows: where that
        is not the core's own.
        """
        self._ledger = ledger
        self._state = state
        self._database = database
        self._shipped = shipped
        self._moving = moving
        self.found: dict[Drift, int] = dict.fromkeys(Drift, 0)
        """Drifts of the last reconciliation, by kind."""

    async def run(self, every_s: float) -> None:
        """Reconcile again and again, and log what drifts; until cancelled."""
        while True:
            await asyncio.sleep(every_s)
            try:
                report = await self.reconcile()
            except LedgerStopped:
                raise
            except LedgerError as error:
                _log.warning("not reconciled this time", reason=str(error))
                continue
            for drifting in report.drifting:
                _log.error(
                    "the ledger drifts",
                    authorization=drifting.authorization_id,
                    kind=drifting.kind.name.lower(),
                    against=drifting.against,
                    expected_minor=drifting.expected_pending_minor,
                    found_minor=drifting.found_pending_minor,
                    mend=drifting.mend,
                )

    async def reconcile(self) -> Report:
        """One reconciliation. Raises what the ledger raises."""
        began_s = time.monotonic()
        standings = Standings()
        async for page in self._ledger.history():
            standings.add(page)
        found = await asyncio.to_thread(standings.all)
        suspects = [compare(found, self._state.repeats.standings(), settled=False)["authorization_id"]]
        absent = ""
        try:
            expected = await self._shipped_standings()
            differing = await asyncio.to_thread(compare, found, expected, settled=True)
            suspects.append(differing["authorization_id"])
        except (StoreError, *TRANSIENT) as error:
            absent = f"not compared: {error}"
        ids = np.unique(np.concatenate(suspects), axis=0)
        ids, more = ids[:SHOWN_MAX], max(0, len(ids) - SHOWN_MAX)
        try:
            drifting = await self._look_again(ids, with_database=not absent)
        except (StoreError, *TRANSIENT) as error:
            absent = f"not compared: {error}"
            drifting = await self._look_again(ids, with_database=False)
        self.found = {kind: sum(d.kind == kind for d in drifting) for kind in Drift}
        return Report(len(found), drifting, more, absent, time.monotonic() - began_s)

    async def mend(self, report: Report) -> int:
        """Void what is held for authorizations that nothing promises any more; how many transfers that were."""
        chosen = [d for d in report.drifting if d.kind == Drift.STATE and d.against == "journal"]
        voided = 0
        for drifting in chosen:
            transfers = await self._transfers_of(drifting.authorization_id)
            standing = _unresolved(transfers)
            legs = (standing["id_lo"] & np.uint64(0xF0)) == np.uint64(holds.HOLD_BYTE)
            own = ids_of(standing[legs])
            own[:, 0] &= ~np.uint64(0xFF)
            attempts = (standing[legs]["id_lo"] & np.uint64(holds.ATTEMPT_MAX)).astype(np.uint8)
            voids = holds.release(own, attempts)
            voids["user_data_128_lo"] = standing[legs]["user_data_128_lo"]
            voids["user_data_128_hi"] = standing[legs]["user_data_128_hi"]
            results = holds.release_outcomes(await self._ledger.create_transfers(voids))
            voided += int((results == holds.ReleaseOutcome.RELEASED).sum())
        return voided

    async def _shipped_standings(self) -> NDArray[Any]:
        await self._all_shipped()
        return await read_standings(self._database)

    async def _all_shipped(self) -> None:
        for _ in range(LOOKS):
            if self._shipped():
                return
            await asyncio.sleep(AGAIN_S)
        raise StoreError("it has not got all of the journal yet")

    async def _look_again(self, ids: NDArray[np.uint64], *, with_database: bool) -> list[Drifting]:
        """What still differs when nothing of it is under way."""
        drifting: list[Drifting] = []
        for _ in range(LOOKS):
            if not len(ids):
                return []
            await asyncio.sleep(AGAIN_S)
            drifting = await self._compare_alone(ids, with_database=with_database)
            still = {d.authorization_id for d in drifting}
            ids = ids[[id_hex(pair) in still for pair in ids]]
        return drifting

    async def _compare_alone(self, ids: NDArray[np.uint64], *, with_database: bool) -> list[Drifting]:
        if with_database:
            await self._all_shipped()
        entries = self._state.repeats.find(ids)
        still = ~np.isin(entries["state"], (EntryState.IN_FLIGHT, EntryState.BUSY))
        ids = ids[still & ~_among(ids, self._moving())]
        standings = Standings()
        for pair in ids:
            standings.add(await self._transfers_of(id_hex(pair)))
        found = standings.all()
        expected = self._state.repeats.standings()
        expected = expected[_among(expected["authorization_id"], ids)]
        drifts = [("journal", compare(found, expected, settled=False))]
        if with_database:
            shipped = await find_standings(self._database, ids)
            drifts.append(("postgresql", compare(found, shipped, settled=True)))
        return [
            Drifting(
                id_hex(line["authorization_id"]),
                Drift(int(line["kind"])),
                against,
                int(line["expected_pending_minor"]),
                int(line["found_pending_minor"]),
                int(line["expected_settled_minor"]),
                int(line["found_settled_minor"]),
            )
            for against, lines in drifts
            for line in lines
        ]

    async def _transfers_of(self, authorization_id: str) -> Transfers:
        wanted = np.zeros(1, QUERY_FILTER)
        value = int(authorization_id, 16)
        wanted["user_data_128_lo"], wanted["user_data_128_hi"] = value & 0xFFFF_FFFF_FFFF_FFFF, value >> 64
        wanted["limit"] = BATCH_MAX
        return await self._ledger.query_transfers(wanted)


async def reconcile_home(settings: Settings, *, repair: bool) -> tuple[Report, int]:
    """
    Reconcile what lies in a home, whether its server runs or not; with `repair`, mend what can be: it must not run then.

    Returns the report and how many transfers were voided. Raises LedgerError, JournalCorrupt, SnapshotUnreadable.
    """
    prepare_numba()
    reader = JournalReader(settings.home / JOURNAL)
    try:
        state = State(Risk())
        restore(state, settings.home / SNAPSHOT, reader)
        known = state.journal_number

        def moving() -> Ids:
            requests = [batch.intents["request"] for batch in reader.read_all(known)]
            ids = [request[name] for request in requests for name in ("authorization_id", "original_id")]
            return np.concatenate([np.zeros((0, 2), np.uint64), *ids])

        database = Database.at(settings.home, settings.database_url)
        async with opened(settings, exclusively=repair) as ledger:
            try:
                position = await _shipped_position(database)
                reconciler = Reconciler(ledger, state, database, lambda: position >= reader.last(), moving)
                report = await reconciler.reconcile()
                return report, await reconciler.mend(report) if repair else 0
            finally:
                await database.close()
    finally:
        reader.close()


@asynccontextmanager
async def opened(settings: Settings, *, exclusively: bool) -> AsyncIterator[Ledger]:
    """The configured ledger: a cluster over the wire, the embedded one as a copy, or, where it is written to, itself."""
    cluster = cluster_of(settings.ledger)
    directory = settings.home / "ledger"
    if cluster is not None:
        ledger: Ledger = await TigerBeetleLedger.open(cluster[1], cluster[0])
    elif exclusively:
        ledger = await asyncio.to_thread(EmbeddedLedger.open, directory, now_ns=time.time_ns)
    else:
        with opened_copy(directory, time.time_ns) as copy:
            yield copy
        return
    try:
        yield ledger
    finally:
        await ledger.close()


async def _shipped_position(database: Database) -> int:
    """The journal's last row that PostgreSQL has; -1 where it can't be asked."""
    try:
        await database.open()
        async with database.acquire() as connection:
            return int(await connection.fetchval(query("find_position"), JOURNAL_NAME))
    except (StoreError, *TRANSIENT):
        return -1


def _unresolved(transfers: Transfers) -> Transfers:
    gone = {tuple(pair) for pair in ids_of(transfers, "pending_id").tolist()}
    pending = transfers[transfers["flags"] & TransferFlags.PENDING != 0]
    stands = [tuple(pair) not in gone for pair in ids_of(pending).tolist()]
    return pending[np.array(stands, np.bool_)] if len(pending) else np.zeros(0, TRANSFER)


def _among(ids: NDArray[np.uint64], wanted: NDArray[np.uint64]) -> NDArray[np.bool_]:
    known = set(map(tuple, wanted.tolist()))
    return np.array([tuple(pair) in known for pair in ids.tolist()], np.bool_)
