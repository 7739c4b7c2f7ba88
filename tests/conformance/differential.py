"""
The same seeded random operations to the embedded engine and to a real TigerBeetle: every answer must be the same.

`python -m tests.conformance.differential --operations 1000000 --seeds 10` starts a fresh server for each seed. The
embedded clock follows the server's timestamps. Short timeouts are met in rounds of their own: shorter than a second,
so that none of them ends in it, and followed by a wait until the server has ended them all.
"""

import argparse
import asyncio
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from ledger.embedded import EmbeddedLedger
from ledger.tigerbeetle import TigerBeetleLedger
from ledger.transfer import (
    ACCOUNT,
    ACCOUNT_FILTER,
    BATCH_MAX,
    QUERY_FILTER,
    TRANSFER,
    AccountFlags,
    CreateAccountStatus,
    CreateTransferStatus,
    TransferFlags,
)
from tests.clusters import WHY_NONE, Cluster, server
from tests.ledger.books import NS_PER_S, FakeClock
from tests.ledger.naive import MAX, to_array
from tests.ledger.traffic import Traffic

REALM_OPERATIONS = 20_000
"""After so many, other accounts: what is closed, full or overdrawn stays so."""

ROUND_S = 0.4
"""How long a round with timeouts of one second may take."""

SHORT_S = 1
OUTLASTS_S = 100_000
"""Longer than any run: other timeouts that are shorter are lengthened by it."""

EXPIRY_WAIT_S = 30.0
ANSWER_S = 60.0
IDS = {
    ACCOUNT: ("id",),
    TRANSFER: ("id", "debit_account_id", "credit_account_id", "pending_id"),
}
SENTINELS = (0x5E57, 0x5E58)
"""The accounts of the hold that shows that all before it have timed out."""


class Different(AssertionError):  # noqa: N818 - it is what was found, not a fault of ours
    """The engines differ; the message says where."""


@dataclass
class Tally:
    """What was compared."""

    operations: int = 0
    queries: int = 0
    rows: int = 0
    expiries: int = 0
    statuses: Counter = field(default_factory=Counter)


class Pair:
    """Both engines, fed alike."""

    def __init__(self, real: TigerBeetleLedger, ours: EmbeddedLedger, clock: FakeClock) -> None:
        self.real, self.ours, self.clock = real, ours, clock
        self.last_ns = 0
        self.tally = Tally()

    async def create(self, batch: np.ndarray) -> np.ndarray:
        """The same batch to both, ours at the server's time; results compared byte for byte."""
        name = "create_accounts" if batch.dtype == ACCOUNT else "create_transfers"
        kind = CreateAccountStatus if batch.dtype == ACCOUNT else CreateTransferStatus
        expected = await bounded(getattr(self.real, name)(batch))
        self.clock.now_ns = first_ns(batch, expected, self.last_ns)
        self.last_ns = self.clock.now_ns + len(batch) - 1
        found = await getattr(self.ours, name)(batch)
        self.tally.operations += len(batch)
        statuses, counts = np.unique(expected["status"], return_counts=True)
        for status, count in zip(statuses.tolist(), counts.tolist(), strict=True):
            self.tally.statuses[kind.__name__, kind(status).name] += count
        if found.tobytes() != expected.tobytes():
            at = int(np.flatnonzero(found != expected)[0])
            raise Different(
                f"{name}, operation {self.tally.operations - len(batch) + at} (event {at} of {len(batch)}): "
                f"TigerBeetle says {kind(int(expected['status'][at])).name} {expected[at]}, "
                f"we say {kind(int(found['status'][at])).name} {found[at]}, to {batch[at]}"
            )
        return expected

    async def ask(self, name: str, question: np.ndarray) -> np.ndarray:
        """The same question to both."""
        expected = await bounded(getattr(self.real, name)(question))
        found = await getattr(self.ours, name)(question)
        self.tally.queries += 1
        self.tally.rows += len(expected)
        if found.tobytes() != expected.tobytes():
            same = min(len(found), len(expected))
            at = int(np.flatnonzero(found[:same] != expected[:same])[:1].sum()) if same else 0
            raise Different(
                f"{name} after {self.tally.operations} operations: {len(expected)} rows of TigerBeetle's, "
                f"{len(found)} of ours, asked {question}; first row {at} differs: {expected[at : at + 1]} "
                f"and {found[at : at + 1]}"
            )
        return expected

    async def compare_histories(self, since_ns: int = 0) -> None:
        """All transfers from a time on, page by page."""
        async for expected in self.real.history(since_ns):
            wanted = np.zeros(1, QUERY_FILTER)
            wanted["limit"], wanted["timestamp_min"] = BATCH_MAX, expected["timestamp"][0]
            found = await self.ours.query_transfers(wanted)
            self.tally.rows += len(expected)
            if found.tobytes() != expected.tobytes():
                raise Different(f"histories differ from {expected['timestamp'][0]} on")


async def bounded(call):
    """A server that died answers nothing, ever."""
    async with asyncio.timeout(ANSWER_S):
        return await call


def first_ns(batch: np.ndarray, results: np.ndarray, last_ns: int) -> int:
    """When the server took the batch: from an event that carries its own time, not a stored one's or an import's."""
    exists = CreateAccountStatus.EXISTS if batch.dtype == ACCOUNT else CreateTransferStatus.EXISTS
    imported = AccountFlags.IMPORTED if batch.dtype == ACCOUNT else TransferFlags.IMPORTED
    # An import that was created has the time it came with, also where its chain broke afterwards.
    made = (CreateTransferStatus.CREATED, CreateTransferStatus.LINKED_EVENT_FAILED)
    own = (results["status"] != exists) & ~(
        np.isin(results["status"], made) & (batch["flags"] & imported != 0)
    )
    if not own.any():
        # It was later than every import that it took.
        taken = batch["timestamp"][results["status"] == CreateTransferStatus.CREATED]
        return max(last_ns + 1, int(taken.max(initial=0)) + 2 - len(batch))
    at = int(np.flatnonzero(own)[0])
    return int(results["timestamp"][at]) - at


class Script:
    """One seed's operations."""

    def __init__(self, pair: Pair, seed: int, realm_operations: int) -> None:
        self.pair = pair
        self.realm_operations = realm_operations
        self.rng = np.random.default_rng((seed, 1))
        self.seed = seed
        self.realm = 0
        self.is_short = False
        self.timed: set[tuple[int, int]] = set()  # ids sent with a timeout

    async def run(self, operations: int, told=lambda _tally: None) -> None:
        """Realm after realm; each ends with everything compared."""
        tally = self.pair.tally
        while tally.operations < operations:
            self.realm += 1
            since_ns = self.pair.last_ns + 1
            await self._realm(min(self.realm_operations, operations - tally.operations))
            await self._compare_realm(since_ns)
            told(tally)

    async def _realm(self, operations: int) -> None:
        traffic = Traffic(self.seed * 1_000 + self.realm)
        stop = self.pair.tally.operations + operations
        size_max = int(self.rng.choice((8, 100, 1_000, 5_000)))
        # The first two are accounts: enough of them that transfers find some.
        short_at = int(self.rng.integers(2, 6))
        for number, (_, batch) in enumerate(traffic.batches(1_000_000, size_max)):
            self.is_short = number == short_at and size_max <= 1_000
            await self._batch(traffic, batch)
            if number % 8 == 7:
                await self._question()
            if self.is_short:
                await self._wait_for_expiries()
            if self.pair.tally.operations >= stop:
                return

    async def _batch(self, traffic: Traffic, batch: np.ndarray) -> None:
        moved = self._moved(batch)
        if moved.dtype == TRANSFER and not self.is_short:
            # What times out soon would do so whenever the server gets to it.
            soon = (moved["timeout"] > 0) & (moved["timeout"] < OUTLASTS_S)
            moved["timeout"][soon] += OUTLASTS_S
        elif moved.dtype == TRANSFER:
            moved["timeout"][moved["timeout"] > 0] = SHORT_S
        if moved.dtype == TRANSFER:
            self._spare_the_server(moved)
        started = time.monotonic()
        await self.pair.create(moved)
        if self.is_short and time.monotonic() - started > ROUND_S:
            await self._wait_for_expiries()
        traffic.now_ns = self.pair.last_ns + 1

    def _moved(self, batch: np.ndarray) -> np.ndarray:
        """Into this realm: other ids, the same zeros and maxima."""
        moved = batch.copy()
        for name in IDS[batch.dtype]:
            lo, hi = moved[f"{name}_lo"], moved[f"{name}_hi"]
            is_id = ((lo != 0) | (hi != 0)) & ((lo & hi) != np.uint64(2**64 - 1))
            hi[is_id] += np.uint64(4 * self.realm)
        return moved

    def _spare_the_server(self, batch: np.ndarray) -> None:
        """TigerBeetle 0.17.9 dies of an imported post or void of a hold with a timeout: those come unimported."""
        timed = batch[batch["timeout"] > 0]
        self.timed.update(zip(timed["id_lo"].tolist(), timed["id_hi"].tolist(), strict=True))
        resolves = TransferFlags.POST_PENDING_TRANSFER | TransferFlags.VOID_PENDING_TRANSFER
        flags = batch["flags"]
        for at in np.flatnonzero((flags & resolves != 0) & (flags & TransferFlags.IMPORTED != 0)):
            if (int(batch["pending_id_lo"][at]), int(batch["pending_id_hi"][at])) in self.timed:
                flags[at] &= ~np.uint16(TransferFlags.IMPORTED)

    async def _question(self) -> None:
        rng, realm_hi = self.rng, 4 * self.realm
        if rng.random() < 0.5:
            wanted = np.zeros(1, ACCOUNT_FILTER)
            wanted["account_id_lo"], wanted["account_id_hi"] = rng.integers(0, 18), realm_hi
            wanted["flags"] = rng.choice((1, 2, 3, 3, 5, 6, 7, 7, 0, 4, 8))
            names = ("account_transfers", "account_balances")
        else:
            wanted = np.zeros(1, QUERY_FILTER)
            wanted["flags"] = rng.choice((0, 1, 0, 1, 0, 1, 2))
            wanted["ledger"] = rng.choice((0, 0, 840, 978, 1))
            names = ("query_accounts", "query_transfers")
        for name in ("user_data_128_lo", "user_data_64", "user_data_32"):
            wanted[name] = rng.choice((0, 0, 0, 7, 1))
        wanted["code"] = rng.choice((0, 0, 1, 2))
        wanted["limit"] = rng.choice((0, 1, 10, 100, BATCH_MAX, BATCH_MAX, 2**32 - 1))
        for name in ("timestamp_min", "timestamp_max"):
            back_ns = int(rng.integers(0, 2 * NS_PER_S))
            near = max(self.pair.last_ns - back_ns, 1)
            wanted[name] = (0, 0, near, near, near, 2**63, 2**64 - 1)[int(rng.integers(7))]
        for name in names:
            await self.pair.ask(name, wanted)

    async def _compare_realm(self, since_ns: int) -> None:
        ids = np.zeros((45, 2), np.uint64)
        ids[:, 0], ids[:, 1] = np.arange(45), 4 * self.realm
        accounts = await self.pair.ask("lookup_accounts", ids)
        await self.pair.compare_histories(since_ns)
        wanted = np.zeros(1, ACCOUNT_FILTER)
        wanted["flags"], wanted["limit"] = 7, BATCH_MAX
        for account in accounts[(accounts["flags"] & AccountFlags.HISTORY) != 0]:
            wanted["account_id_lo"], wanted["account_id_hi"] = account["id_lo"], account["id_hi"]
            await self.pair.ask("account_balances", wanted)

    async def _wait_for_expiries(self) -> None:
        """Until the server has ended every short hold; then ours are ended at a time after all of them."""
        pair, realm_hi = self.pair, 4 * self.realm
        rows = [dict.fromkeys(ACCOUNT_FIELDS, 0) for _ in SENTINELS]
        for row, low in zip(rows, SENTINELS, strict=True):
            row |= {"id": low | realm_hi << 64, "ledger": 1, "code": 1}
        await pair.create(to_array(rows, ACCOUNT))
        hold = dict.fromkeys(TRANSFER_FIELDS, 0) | {
            "id": MAX - 1 - self.pair.tally.operations,
            "debit_account_id": rows[0]["id"],
            "credit_account_id": rows[1]["id"],
            "amount": 1,
            "timeout": SHORT_S,
            "ledger": 1,
            "code": 1,
            "flags": int(TransferFlags.PENDING),
        }
        due_ns = int((await pair.create(to_array([hold], TRANSFER)))["timestamp"][0]) + SHORT_S * NS_PER_S
        ids = np.array([(SENTINELS[0], realm_hi)], np.uint64)
        async with asyncio.timeout(EXPIRY_WAIT_S):
            # The server tells nobody when a hold times out: each look is a request of its own.
            while (await pair.real.lookup_accounts(ids))["debits_pending_lo"][0]:
                pass
        pair.clock.now_ns = due_ns + 1
        await pair.ours.lookup_accounts(ids)
        # The server's next batch comes later than that: its own pulse took a timestamp after the due one.
        ids = np.zeros((45, 2), np.uint64)
        ids[:, 0], ids[:, 1] = np.arange(45), realm_hi
        await pair.ask("lookup_accounts", ids)
        pair.tally.expiries += 1


ACCOUNT_FIELDS = (
    "id", "debits_pending", "debits_posted", "credits_pending", "credits_posted", "user_data_128",
    "user_data_64", "user_data_32", "reserved", "ledger", "code", "flags", "timestamp",
)  # fmt: skip
TRANSFER_FIELDS = (
    "id", "debit_account_id", "credit_account_id", "amount", "pending_id", "user_data_128", "user_data_64",
    "user_data_32", "timeout", "ledger", "code", "flags", "timestamp",
)  # fmt: skip


async def run(
    folder: Path,
    cluster: Cluster,
    seed: int,
    operations: int,
    told=lambda _tally: None,
    realm_operations: int = REALM_OPERATIONS,
) -> Tally:
    """One seed against a fresh cluster and a fresh embedded ledger. Raises Different."""
    clock = FakeClock()
    ours = await asyncio.to_thread(EmbeddedLedger.open, folder, now_ns=clock)
    real = await TigerBeetleLedger.open(cluster.addresses, cluster.cluster_id, deadline_s=30)
    try:
        pair = Pair(real, ours, clock)
        await Script(pair, seed, realm_operations).run(operations, told)
        return pair.tally
    finally:
        await real.close()
        await ours.close()


def main() -> int:
    """The campaign; 1 where a seed found a difference."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[1])
    parser.add_argument("--operations", type=int, default=1_000_000)
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--first-seed", type=int, default=1)
    options = parser.parse_args()
    if server() is None:
        print(WHY_NONE)
        return 0
    whole, failed = Counter(), 0
    for seed in range(options.first_seed, options.first_seed + options.seeds):
        started = time.monotonic()

        def told(tally: Tally, seed=seed, started=started) -> None:
            print(
                f"\rseed {seed}: {tally.operations:,} operations, {tally.queries:,} questions, "
                f"{time.monotonic() - started:.0f} s",
                end="",
                file=sys.stderr,
            )

        with tempfile.TemporaryDirectory(prefix="holdfast-differential-") as folder:
            cluster = Cluster(Path(folder))
            try:
                tally = asyncio.run(run(Path(folder) / "ours", cluster, seed, options.operations, told))
            except Different as different:
                failed += 1
                print(f"\nseed {seed} DIFFERS: {different}")
                continue
            finally:
                cluster.close()
        whole.update(tally.statuses)
        print(
            f"\nseed {seed}: no difference in {tally.operations:,} operations, {tally.queries:,} questions with "
            f"{tally.rows:,} rows, {tally.expiries} rounds of expiries"
        )
    for (kind, name), count in sorted(whole.items(), key=lambda item: -item[1]):
        print(f"{count:>12,} {kind} {name}")
    print(
        f"{options.seeds - failed} of {options.seeds} seeds without a difference; {len(whole)} statuses met"
    )
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
