"""
How fast the embedded ledger is: in its kernel, on disk, at a start; how much memory a transfer takes; how long it holds
the event loop.

The workload is that of `tigerbeetle benchmark` (see `ledger_bench`), but its accounts keep no history, as those of the
chart don't: an account that does takes 72 bytes more for each of its transfers.
"""

import asyncio
import os
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from io import FileIO
from pathlib import Path
from typing import Any, Final

import numpy as np

from ledger import replay, state
from ledger.embedded import EmbeddedLedger
from ledger.state import State
from ledger.transfer import ACCOUNT, BATCH_MAX, TRANSFER, CreateTransferStatus, Transfers
from loadtest.figure import Figure

ACCOUNTS: Final = 10_000
IN_FLIGHT: Final = 3
TICK_S: Final = 0.001
QUIET_S: Final = 2.0

KERNEL_PER_S_MIN: Final = 1_000_000
DURABLE_PER_S_MIN: Final = 300_000
BYTES_MAX: Final = 200
REPLAY_S_MAX: Final = 20.0  # of REPLAYED transfers
SNAPSHOT_S_MAX: Final = 3.0
REPLAYED: Final = 10_000_000
LAG_MS_MAX: Final = 5.0

_PAGE_BYTES: Final = 4096
_THREADS: Final = Path("/proc/self/task")


@dataclass(frozen=True)
class EmbeddedOptions:
    """How much is posted, and where the journal lies; None for a folder that is thrown away."""

    transfers: int = REPLAYED
    folder: Path | None = None

    def __post_init__(self) -> None:
        if self.transfers < BATCH_MAX:
            raise ValueError(f"at least one batch of {BATCH_MAX} transfers")


async def embedded_figures(options: EmbeddedOptions, told: Callable[[str], None]) -> dict[str, Any]:
    """All figures of the embedded ledger, each with its bar; `passes` where all are met."""
    state.warm_up()
    told("the kernel, and the memory of a transfer")
    kernel_per_s, transfer_bytes = await asyncio.to_thread(_kernel, options.transfers)
    with tempfile.TemporaryDirectory(prefix="holdfast-bench-", dir=options.folder) as folder:
        told("the event loop without a ledger")
        quiet = await _quiet()
        told("the journal")
        durable_per_s, busy = await _durable(Path(folder), options.transfers)
        told("a start from the journal alone")
        replay_s, snapshot_s = await asyncio.to_thread(_starts, Path(folder))
    share = options.transfers / REPLAYED
    start = Figure(
        "start by replay", f"s for {options.transfers:,}", replay_s, REPLAY_S_MAX * share, is_floor=False
    )
    snapped = Figure(
        "start from a snapshot",
        f"s for {options.transfers:,}",
        snapshot_s,
        SNAPSHOT_S_MAX * share,
        is_floor=False,
    )
    figures = [
        Figure("kernel", "transfers/s", kernel_per_s, KERNEL_PER_S_MIN, is_floor=True),
        Figure("durable", "transfers/s", durable_per_s, DURABLE_PER_S_MIN, is_floor=True),
        Figure("memory", "bytes/transfer", transfer_bytes, BYTES_MAX, is_floor=False),
        start,
        snapped,
        Figure("event loop held, at most", "ms", busy.held_ms, LAG_MS_MAX, is_floor=False),
    ]
    others = [figure for figure in figures if figure not in {start, snapped}]
    return {
        "transfers": options.transfers,
        "figures": [figure.document() for figure in figures],
        "tick_late_ms_max": {"with the ledger": round(busy.late_ms, 2), "without": round(quiet.late_ms, 2)},
        "passes": all(figure.passes for figure in others) and (start.passes or snapped.passes),
    }


class Workload:
    """Accounts and transfers as `tigerbeetle benchmark` makes them by default, from a seed."""

    def __init__(self, seed: int) -> None:
        self._rng = np.random.default_rng(seed)
        self._next = 0

    def accounts(self) -> np.ndarray[Any, np.dtype[np.void]]:
        """ACCOUNT[10,000]."""
        accounts = np.zeros(ACCOUNTS, ACCOUNT)
        accounts["id_lo"] = np.arange(1, ACCOUNTS + 1)
        accounts["ledger"], accounts["code"] = 2, 1
        return accounts

    def transfers(self, count: int) -> Transfers:
        """The next ones: uniform, time-ordered ids, random user data."""
        rng = self._rng
        batch = np.zeros(count, TRANSFER)
        numbers = np.arange(self._next, self._next + count, dtype=np.uint64)
        self._next += count
        # 48 bits of milliseconds, then 80 that count up.
        batch["id_hi"] = np.uint64(1_700_000_000_000 << 16) + ((numbers >> np.uint64(13)) << np.uint64(16))
        batch["id_lo"] = numbers
        debit = rng.integers(ACCOUNTS, size=count)
        credit = (debit + 1 + rng.integers(ACCOUNTS - 1, size=count)) % ACCOUNTS
        batch["debit_account_id_lo"], batch["credit_account_id_lo"] = debit + 1, credit + 1
        noise = rng.integers(1 << 63, size=(count, 3), dtype=np.uint64)
        batch["user_data_128_lo"], batch["user_data_128_hi"] = noise[:, 0], noise[:, 1]
        batch["user_data_64"] = noise[:, 2]
        batch["code"] = 1
        batch["ledger"] = 2
        batch["amount_lo"] = rng.integers(1, 30_000, size=count)
        return batch

    def batches(self, count: int) -> Iterator[Transfers]:
        """So many transfers in batches of 8,189."""
        for start in range(0, count, BATCH_MAX):
            yield self.transfers(min(BATCH_MAX, count - start))


def _resident_bytes() -> int:
    return int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1]) * _PAGE_BYTES


def _kernel(transfers: int) -> tuple[float, float]:
    """Transfers for each second of one core that the posting takes; and the memory that each has taken."""
    books, work = State(), Workload(1)
    accounts = work.accounts()
    for start in range(0, ACCOUNTS, BATCH_MAX):
        books.create_accounts(accounts[start : start + BATCH_MAX], books.last_ns + 1)
    before = _resident_bytes()
    spent_s = 0.0
    for batch in work.batches(transfers):
        began_s = time.thread_time()
        results = books.create_transfers(batch, books.last_ns + 1)
        spent_s += time.thread_time() - began_s
        _check(results)
    return transfers / spent_s, (_resident_bytes() - before) / transfers


def _check(results: Any) -> None:
    if not (results["status"] == CreateTransferStatus.CREATED).all():
        raise RuntimeError("a transfer of the benchmark's was refused")


async def _durable(folder: Path, transfers: int) -> tuple[float, "Lag"]:
    """Transfers/s through the engine, its snapshots beside it included; and how late the loop was meanwhile."""
    ledger = await asyncio.to_thread(lambda: EmbeddedLedger.open(folder / "ledger", now_ns=time.time_ns))
    work = Workload(2)
    accounts = work.accounts()
    for start in range(0, ACCOUNTS, BATCH_MAX):
        await ledger.create_accounts(accounts[start : start + BATCH_MAX])
    batches = work.batches(transfers)
    making = asyncio.Lock()

    async def lane() -> None:
        while True:
            async with making:
                # Made beside the loop, which is the ledger's alone here.
                batch = await asyncio.to_thread(next, batches, None)
            if batch is None:
                return
            _check(await ledger.create_transfers(batch))

    ticker = asyncio.create_task(lag())
    began_s = time.perf_counter()
    await asyncio.gather(*(lane() for _ in range(IN_FLIGHT)))
    elapsed_s = time.perf_counter() - began_s
    ticker.cancel()
    found = await ticker
    await ledger.close()
    return transfers / elapsed_s, found


def _starts(folder: Path) -> tuple[float, float]:
    """How long a start takes from the journal alone, and then from the snapshot that its end has left, s."""
    for name in (replay.SNAPSHOT, replay.WITNESS):
        (folder / "ledger" / name).unlink()
    taken_s = []
    for _ in range(2):
        began_s = time.perf_counter()
        ledger = EmbeddedLedger.open(folder / "ledger", now_ns=time.time_ns)
        taken_s.append(time.perf_counter() - began_s)
        ledger.close_blocking()
    return taken_s[0], taken_s[1]


async def _quiet() -> "Lag":
    """How late a tick comes with nothing to do: this machine's own share."""
    ticker = asyncio.create_task(lag())
    await asyncio.sleep(QUIET_S)
    ticker.cancel()
    return await ticker


@dataclass(frozen=True)
class Lag:
    """
    How late a tick of 1 ms came at most; and how much of a tick's lateness, at most, was while none of this process's
    threads was in want of a core.
    """

    late_ms: float
    held_ms: float


async def lag() -> Lag:
    """
    Watch this event loop until cancelled.

    What the kernel says that this process's threads have waited for a core (/proc/self/task/*/schedstat) is the
    machine's: that of this one, and that of the one which has the interpreter's lock, whichever it is. The rest of a
    tick's lateness is the lock, or a callback.
    """
    worst_s = held_s = 0.0
    with _schedstat() as waits_ns:
        try:
            while True:
                before_ns = waits_ns()
                expected_s = time.perf_counter() + TICK_S
                await asyncio.sleep(TICK_S)
                late_s = time.perf_counter() - expected_s
                worst_s = max(worst_s, late_s)
                if late_s > held_s:
                    waited_ns = sum(
                        wait_ns - before_ns.get(thread, 0) for thread, wait_ns in waits_ns().items()
                    )
                    held_s = max(held_s, late_s - waited_ns / 1e9)
        except asyncio.CancelledError:
            return Lag(worst_s * 1_000, held_s * 1_000)


@contextmanager
def _schedstat() -> Iterator[Callable[[], dict[str, int]]]:
    """How long each thread of this process has been ready to run without a core, ns; none where the system doesn't say."""
    is_told = _THREADS.exists()
    with ExitStack() as stack:
        files: dict[str, FileIO] = {}

        def waits_ns() -> dict[str, int]:
            waits: dict[str, int] = {}
            for thread in os.listdir(_THREADS) if is_told else ():  # noqa: PTH208 - a thousand times a second
                with suppress(OSError):  # it has ended
                    if thread not in files:
                        path = _THREADS / thread / "schedstat"
                        files[thread] = stack.enter_context(path.open("rb", buffering=0))
                    waits[thread] = int(os.pread(files[thread].fileno(), 64, 0).split()[1])
            return waits

        yield waits_ns
