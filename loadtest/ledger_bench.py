"""
How fast transfers are posted: our TigerBeetle engine beside the server's own benchmark and the stock Python client.

All three in turns, each time against a fresh server with its default settings, on the workload that `tigerbeetle
benchmark` makes by default: 10,000 accounts that keep their history, both sides uniform, time-ordered ids, random user
data, batches of 8,189. What counts is the median.
"""

import asyncio
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from ledger.tigerbeetle import TigerBeetleLedger
from ledger.transfer import ACCOUNT, BATCH_MAX, TRANSFER, AccountFlags, CreateTransferStatus, Transfers
from loadtest.clusters import WHY_NONE, fresh_server, server

ACCOUNTS: Final = 10_000
IN_FLIGHT: Final = 3
"""Batches handed to the engine at once: one on its way, one behind it, one being made."""

LAG_BATCHES: Final = 60
TICK_S: Final = 0.001
BUSY_MAX_MS: Final = 5.0
"""What the ledger may hold the loop for; a tick comes later than that where the machine runs something else."""

OF_THE_BENCHMARK_MIN: Final = 0.95
OF_THE_STOCK_CLIENT_MIN: Final = 5.0
_TIMEOUT_S = 600.0
_MASK = np.uint64(0xFFFF)


@dataclass(frozen=True)
class PostingOptions:
    """How much is posted."""

    rounds: int = 3
    transfers: int = 2_000_000  # by the server's benchmark, and by ours
    stock_transfers: int = 200_000  # the stock client takes long

    def __post_init__(self) -> None:
        if self.rounds < 1 or min(self.transfers, self.stock_transfers) < BATCH_MAX:
            raise ValueError(f"at least one round, and one batch of {BATCH_MAX} transfers")


async def tigerbeetle_figures(options: PostingOptions, told: Callable[[str], None]) -> dict[str, Any]:
    """
    Transfers/s of the three, their ratios, and how long the event loop was away while ours posted.

    Raises FileNotFoundError where no server is there.
    """
    if server() is None:
        raise FileNotFoundError(WHY_NONE)
    benchmark: list[float] = []
    ours: list[float] = []
    stock: list[float] = []
    lags_ms: list[float] = []
    busy: list[float] = []
    for number in range(1, options.rounds + 1):
        told(f"round {number} of {options.rounds}: the server's own benchmark")
        benchmark.append(await asyncio.to_thread(_benchmark, options.transfers))
        told(f"round {number} of {options.rounds}: Holdfast's engine")
        with fresh_server() as served:
            rate, lag_ms, busy_ms = await _post(served.address, options.transfers, number)
        ours.append(rate)
        lags_ms.append(lag_ms)
        busy.append(busy_ms)
        told(f"round {number} of {options.rounds}: the stock Python client")
        with fresh_server() as served:
            stock.append(await asyncio.to_thread(_stock_process, served.address, options.stock_transfers))
    of_benchmark = statistics.median(ours) / statistics.median(benchmark)
    of_stock = statistics.median(ours) / statistics.median(stock)
    return {
        "benchmark_per_s": benchmark,
        "holdfast_per_s": ours,
        "stock_client_per_s": stock,
        "of_benchmark": of_benchmark,
        "of_stock_client": of_stock,
        "loop_lag_ms_max": max(lags_ms),
        "loop_busy_ms_max": max(busy),
        "passes": {
            "of_benchmark": of_benchmark >= OF_THE_BENCHMARK_MIN,
            "of_stock_client": of_stock >= OF_THE_STOCK_CLIENT_MIN,
            "loop": max(busy) <= BUSY_MAX_MS,
        },
    }


def _benchmark(transfers: int) -> float:
    """What `tigerbeetle benchmark` says that its load was accepted at."""
    with tempfile.TemporaryDirectory(prefix="holdfast-bench-") as folder:
        done = subprocess.run(
            [server() or "", "benchmark", f"--transfer-count={transfers}", "--query-count=0"],
            cwd=folder,
            capture_output=True,
            text=True,
            timeout=_TIMEOUT_S,
            check=True,
        )
    found = re.search(r"load accepted = (\d+) tx/s", done.stdout)
    if found is None:
        raise RuntimeError(f"tigerbeetle benchmark told no rate:\n{done.stdout}")
    return float(found[1])


class Workload:
    """The benchmark's accounts and transfers, from a seed."""

    def __init__(self, seed: int) -> None:
        self._rng = np.random.default_rng(seed)
        self._random_lo = int(self._rng.integers(1 << 40))

    def accounts(self) -> np.ndarray:
        """All of them, ACCOUNT[n]."""
        accounts = np.zeros(ACCOUNTS, ACCOUNT)
        accounts["id_lo"] = np.arange(1, ACCOUNTS + 1)
        accounts["ledger"], accounts["code"], accounts["flags"] = 2, 1, AccountFlags.HISTORY
        return accounts

    def transfers(self, count: int) -> Transfers:
        """The next ones."""
        rng = self._rng
        batch = np.zeros(count, TRANSFER)
        # 48 bits of milliseconds, then 80 that count up from where chance began.
        batch["id_hi"] = np.uint64((time.time_ns() // 1_000_000) << 16)
        batch["id_lo"] = np.arange(self._random_lo, self._random_lo + count, dtype=np.uint64)
        self._random_lo += count
        debit = rng.integers(ACCOUNTS, size=count)
        credit = rng.integers(ACCOUNTS, size=count)
        credit[credit == debit] = (credit[credit == debit] + 1) % ACCOUNTS
        batch["debit_account_id_lo"], batch["credit_account_id_lo"] = debit + 1, credit + 1
        noise = rng.integers(1 << 63, size=(count, 4), dtype=np.uint64)
        batch["user_data_128_lo"], batch["user_data_128_hi"] = noise[:, 0], noise[:, 1]
        batch["user_data_64"], batch["user_data_32"] = noise[:, 2], noise[:, 3] >> np.uint64(32)
        batch["code"] = np.maximum(noise[:, 3] & _MASK, 1)
        batch["ledger"] = 2
        batch["amount_lo"] = rng.exponential(10_000, count).astype(np.uint64) + np.uint64(1)
        return batch


async def _post(address: str, transfers: int, seed: int) -> tuple[float, float, float]:
    """Transfers/s through our engine; how late a tick of 1 ms came, and what its thread worked meanwhile, ms."""
    ledger = await TigerBeetleLedger.open([address], 0, deadline_s=60)
    maker = ThreadPoolExecutor(1)  # one: chance is not to be shared
    try:
        work = Workload(seed)
        accounts = work.accounts()
        for start in range(0, ACCOUNTS, BATCH_MAX):
            await ledger.create_accounts(accounts[start : start + BATCH_MAX])
        sizes = iter([BATCH_MAX] * (transfers // BATCH_MAX) + [transfers % BATCH_MAX or BATCH_MAX])
        posted = 0

        async def lane() -> None:
            nonlocal posted
            for size in sizes:
                # Made beside the loop, which is the ledger's alone here.
                batch = await asyncio.get_running_loop().run_in_executor(maker, work.transfers, size)
                results = await ledger.create_transfers(batch)
                if not (results["status"] == CreateTransferStatus.CREATED).all():
                    raise RuntimeError("a transfer of the benchmark's was refused")
                posted += size

        started = time.perf_counter()
        await asyncio.gather(*(lane() for _ in range(IN_FLIGHT)))
        elapsed_s = time.perf_counter() - started
        # Again with batches made beforehand: so that nothing but the ledger can hold the loop.
        batches = [work.transfers(BATCH_MAX) for _ in range(LAG_BATCHES)]
        ticker = asyncio.create_task(_worst_tick_ms())
        await asyncio.gather(*(ledger.create_transfers(batch) for batch in batches))
        ticker.cancel()
        lag_ms, busy_ms = await ticker
    finally:
        maker.shutdown()
        await ledger.close()
    return posted / elapsed_s, lag_ms, busy_ms


async def _worst_tick_ms() -> tuple[float, float]:
    """How late a tick of 1 ms came, at most, and the most that this thread worked between two; until cancelled."""
    late_s = busy_s = 0.0
    try:
        while True:
            expected, worked = time.perf_counter() + TICK_S, time.thread_time()
            await asyncio.sleep(TICK_S)
            late_s = max(late_s, time.perf_counter() - expected)
            busy_s = max(busy_s, time.thread_time() - worked)
    except asyncio.CancelledError:
        return late_s * 1_000, busy_s * 1_000


def _stock_process(address: str, transfers: int) -> float:
    """The stock client in a process of its own: it takes over the library's log, and all of a core."""
    done = subprocess.run(
        [sys.executable, "-m", "loadtest.ledger_bench", address, str(transfers)],
        capture_output=True,
        text=True,
        timeout=_TIMEOUT_S,
        check=True,
    )
    return float(done.stdout)


def post_with_the_stock_client(address: str, transfers: int) -> float:
    """Transfers/s of `tigerbeetle.ClientSync`, its objects made beforehand."""
    import tigerbeetle

    tigerbeetle.configure_logging(debug=False)
    work = Workload(1)
    with tigerbeetle.ClientSync(0, address) as client:
        accounts = [
            tigerbeetle.Account(id=int(id_lo), ledger=2, code=1, flags=tigerbeetle.AccountFlags.HISTORY)
            for id_lo in work.accounts()["id_lo"]
        ]
        for start in range(0, ACCOUNTS, BATCH_MAX):
            client.create_accounts(accounts[start : start + BATCH_MAX])
        batches = [_objects(work.transfers(BATCH_MAX)) for _ in range(transfers // BATCH_MAX)]
        started = time.perf_counter()
        for batch in batches:
            results = client.create_transfers(batch)
            assert all(result.status == tigerbeetle.CreateTransferStatus.CREATED for result in results)
        return len(batches) * BATCH_MAX / (time.perf_counter() - started)


def _objects(batch: Transfers) -> list[Any]:
    import tigerbeetle

    return [
        tigerbeetle.Transfer(
            id=int(row["id_lo"]) | int(row["id_hi"]) << 64,
            debit_account_id=int(row["debit_account_id_lo"]),
            credit_account_id=int(row["credit_account_id_lo"]),
            amount=int(row["amount_lo"]),
            user_data_128=int(row["user_data_128_lo"]) | int(row["user_data_128_hi"]) << 64,
            user_data_64=int(row["user_data_64"]),
            user_data_32=int(row["user_data_32"]),
            ledger=2,
            code=int(row["code"]),
        )
        for row in batch
    ]


if __name__ == "__main__":
    print(post_with_the_stock_client(sys.argv[1], int(sys.argv[2])))
