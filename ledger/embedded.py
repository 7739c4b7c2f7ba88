"""
The embedded engine: the books in memory behind one thread, every batch on disk before it is answered.

What waits when the thread is free is one group: its batches are applied in order, written in one transaction,
and only then answered, all with one wake-up of the caller's loop. So memory never leads the disk in what
anyone can see. Where a commit fails, the engine stops: every later call raises LedgerStopped, and the next
start reads from the journal what the disk has.
"""

import asyncio
import fcntl
import os
import sqlite3
import threading
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import Future as ThreadFuture
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from ledger import log_check, replay, snapshot, state
from ledger.book import LedgerBusy, LedgerError, LedgerStopped
from ledger.fold import Folder
from ledger.journal import Entry, Journal, Kind
from ledger.scans import Asked, Scan
from ledger.state import State, Totals
from ledger.transfer import (
    BATCH_MAX,
    RESULT,
    Accounts,
    Balances,
    Filter,
    Ids,
    Results,
    Transfers,
)

GROUP_MAX = 64  # calls answered together
WAITING_MAX = 4096  # calls taken and not answered

FOLD_TRANSFERS = 500_000
"""As `replay.worth` counts them."""

_LOCK = "lock"

T = TypeVar("T")


class LedgerInUse(LedgerError):  # noqa: N818 - it is a state, and reads as one where it is caught
    """Another process, or another engine of this one, has the same directory open."""


@dataclass(slots=True, eq=False)
class _Call:
    """One call on its way: a batch to create, or a question to the state, answered at once or by a scan."""

    future: "asyncio.Future[Any] | ThreadFuture[Any]"
    loop: asyncio.AbstractEventLoop | None  # None: the caller blocks on a ThreadFuture
    kind: Kind | None = None
    batch: Accounts | Transfers | None = None
    question: Callable[[State], Any] | None = None
    scan: Scan | None = None  # a question that takes several turns
    answer: Any = None
    error: Exception | None = None


class EmbeddedLedger:
    """
    A Ledger in this process, in one directory; made by `open`.

    Its calls may come from any event loop; the work runs on a thread of its own, in the order of the calls.
    """

    def __init__(
        self,
        directory: Path,
        lock: int,
        journal: Journal,
        restored: replay.Restored,
        now_ns: Callable[[], int],
        fold_transfers: int,
    ) -> None:
        self.directory = directory
        self._lock = lock
        self._journal = journal
        self._state = restored.books
        self._now_ns = now_ns
        self._snapped = restored.snapped  # the journal's batch that the snapshot on disk stood at
        self.folder = Folder(directory)
        self._fold_transfers = fold_transfers
        self._unfolded = restored.posted_again  # since the last fold began
        self._calls: SimpleQueue[_Call | None] = SimpleQueue()
        self._scans: deque[_Call] = deque()  # begun and not finished; they take turns
        self._stopped: str | None = None
        self._closed: ThreadFuture[None] = ThreadFuture()
        self._closing = False
        self._door = threading.Lock()  # nothing is queued behind the end
        self._thread = threading.Thread(target=self._run, name="ledger", daemon=True)
        self._thread.start()

    @classmethod
    def open(
        cls, directory: Path, *, now_ns: Callable[[], int], fold_transfers: int = FOLD_TRANSFERS
    ) -> "EmbeddedLedger":
        """
        Open or make the ledger in a directory, compiling its kernels and replaying its journal.

        Blocks. `now_ns` is the clock that stamps events, ns since 1970; the engine's own time never goes
        back where the clock does. After so many transfers (`replay.worth`) a snapshot is made beside it (`fold`), 0 for never.
        Raises LedgerInUse and LedgerCorrupt.
        """
        directory.mkdir(parents=True, exist_ok=True)
        snapshot.sync_folder(directory.parent)
        lock = _lock(directory / _LOCK)
        try:
            state.warm_up()
            log_check.warm_up()
            journal = Journal(directory / replay.JOURNAL)
            try:
                restored = replay.restore(directory, journal, journal.last)
            except BaseException:
                journal.close()
                raise
        except BaseException:
            os.close(lock)
            raise
        return cls(directory, lock, journal, restored, now_ns, fold_transfers)

    @property
    def used_bytes(self) -> int:
        """Memory that the books take. May be asked from any thread, and is then a little late."""
        return self._state.used_bytes

    async def create_accounts(self, batch: Accounts) -> Results:
        return await self._create(Kind.CREATE_ACCOUNTS, batch)

    async def create_transfers(self, batch: Transfers) -> Results:
        return await self._create(Kind.CREATE_TRANSFERS, batch)

    async def lookup_accounts(self, ids: Ids) -> Accounts:
        return await self._ask(partial(_lookup_accounts, _checked_ids(ids)))

    async def lookup_transfers(self, ids: Ids) -> Transfers:
        return await self._ask(partial(_lookup_transfers, _checked_ids(ids)))

    async def account_transfers(self, wanted: Filter) -> Transfers:
        return await self._scan(Asked.ACCOUNT_TRANSFERS, wanted)

    async def account_balances(self, wanted: Filter) -> Balances:
        return await self._scan(Asked.ACCOUNT_BALANCES, wanted)

    async def query_accounts(self, wanted: Filter) -> Accounts:
        return await self._scan(Asked.QUERY_ACCOUNTS, wanted)

    async def query_transfers(self, wanted: Filter) -> Transfers:
        return await self._scan(Asked.QUERY_TRANSFERS, wanted)

    async def close(self) -> None:
        """Carry out what was asked, write a snapshot, let go of the files and the directory."""
        self._end()
        await asyncio.shield(asyncio.wrap_future(self._closed))

    def close_blocking(self) -> None:
        """As `close`, for callers without an event loop."""
        self._end()
        self._closed.result()

    def totals(self) -> dict[int, Totals]:
        """Debits and credits summed over all accounts, by ledger number. Blocks."""
        return self._ask_blocking(State.totals)

    def accounts(self) -> Accounts:
        """All accounts, in the order of their timestamps. Blocks."""
        return self._ask_blocking(lambda books: books.accounts().copy())

    async def history(self, since_ns: int = 0) -> AsyncIterator[Transfers]:
        while len(page := await self._ask(partial(_page, since_ns))):
            yield page
            since_ns = int(page["timestamp"][-1]) + 1

    def history_blocking(self) -> Iterator[Transfers]:
        """As `history`, for callers without an event loop."""
        since_ns = 0
        while len(page := self._ask_blocking(partial(_page, since_ns))):
            yield page
            since_ns = int(page["timestamp"][-1]) + 1

    async def _create(self, kind: Kind, batch: Accounts | Transfers) -> Results:
        if batch.dtype != replay.EVENTS[kind] or batch.ndim != 1:
            raise TypeError(f"a batch is a one-dimensional array of {kind.name} records, not {batch.dtype}")
        if len(batch) > BATCH_MAX:
            raise ValueError(f"a batch holds at most {BATCH_MAX} events, not {len(batch)}")
        if not len(batch):
            return np.zeros(0, RESULT)
        loop = asyncio.get_running_loop()
        # Copied: the caller may be cancelled and use its array again while the work goes on.
        call = _Call(loop.create_future(), loop, kind=kind, batch=_copied(batch))
        self._put(call)
        results: Results = await call.future  # type: ignore[misc] # made by the loop, two lines up
        return results

    async def _ask(self, question: Callable[[State], T]) -> T:
        loop = asyncio.get_running_loop()
        call = _Call(loop.create_future(), loop, question=question)
        self._put(call)
        answer: T = await call.future  # type: ignore[misc] # made by the loop, two lines up
        return answer

    async def _scan(self, asked: Asked, wanted: Filter) -> Any:
        loop = asyncio.get_running_loop()
        call = _Call(loop.create_future(), loop, scan=Scan(asked, wanted))
        self._put(call)
        return await call.future  # type: ignore[misc] # made by the loop, two lines up

    def _ask_blocking(self, question: Callable[[State], T]) -> T:
        future: ThreadFuture[T] = ThreadFuture()
        self._put(_Call(future, None, question=question))
        return future.result()

    def _put(self, call: _Call) -> None:
        with self._door:
            if self._stopped is not None:
                raise LedgerStopped(self._stopped)
            if self._calls.qsize() + len(self._scans) >= WAITING_MAX:
                raise LedgerBusy(f"{WAITING_MAX} calls wait for the ledger already")
            self._calls.put(call)

    def _end(self) -> None:
        with self._door:
            if not self._closing:
                self._closing = True
                self._stopped = self._stopped or "the ledger was closed"
                self._calls.put(None)

    def _run(self) -> None:
        """The thread: one group after the other, a slice of a scan after each, until the end is called."""
        is_sound = True
        is_last = False
        while not is_last or self._scans:
            group: list[_Call] = []
            if not is_last:
                group, is_last = self._next_group()
            if group and is_sound:
                is_sound = self._carry_out(group)
            if is_sound:
                group = [call for call in group if call.scan is None] + self._go_on()
            else:
                group += self._scans
                self._scans.clear()
                for call in group:
                    call.error = LedgerStopped(self._stopped)
            _deliver(group)
        self._let_go(is_sound)

    def _next_group(self) -> tuple[list[_Call], bool]:
        """What waits, at least one call unless a scan is under way; and whether the end came after it."""
        group: list[_Call] = []
        try:
            call = self._calls.get_nowait() if self._scans else self._calls.get()
            while call is not None:
                group.append(call)
                if len(group) == GROUP_MAX:
                    return group, False
                call = self._calls.get_nowait()
        except Empty:
            return group, False
        return group, True

    def _go_on(self) -> list[_Call]:
        """One slice of the scan whose turn it is; the call, where that was its last."""
        if not self._scans:
            return []
        call = self._scans.popleft()
        assert call.scan is not None
        try:
            if not call.scan.go_on(self._state):
                self._scans.append(call)
                return []
            call.answer = call.scan.found(self._state)
        except Exception as error:  # it has only looked: the books are sound, and its caller hears of it
            call.error = error
        return [call]

    def _carry_out(self, group: list[_Call]) -> bool:
        """Apply a group and write it to the journal; False where the engine has to stop."""
        entries: list[Entry] = []
        try:
            for call in group:
                self._take(call, entries)
            if entries:
                self._journal.append(entries)
                self._fold(replay.worth(entries))
        except Exception as error:  # whatever it was, memory may lead the disk now
            with self._door:
                self._stopped = f"{type(error).__name__} while committing to {self._journal.path}: {error}"
            return False
        self._scans.extend(call for call in group if call.scan is not None)
        return True

    def _fold(self, more: int) -> None:
        self._unfolded += more
        if 0 < self._fold_transfers <= self._unfolded and self.folder.start(self._journal.last):
            self._unfolded = 0

    def _take(self, call: _Call, entries: list[Entry]) -> None:
        first_ns = max(self._now_ns(), self._state.last_ns + 1)
        if call.kind is not None and call.batch is not None:
            call.answer = replay.apply(self._state, call.kind, call.batch, first_ns)
            body = call.batch.view(np.uint8).data
            entries.append(Entry(call.kind, len(call.batch), first_ns, replay.crc32(call.answer), body))
            return
        if self._state.is_due(first_ns):
            entries.append(Entry(Kind.EXPIRE, 0, first_ns, 0, b""))
            self._state.expire(first_ns)
        if call.question is not None:
            call.answer = call.question(self._state)
        elif call.scan is not None:
            call.scan.begin(self._state)

    def _let_go(self, is_sound: bool) -> None:
        failure: LedgerError | None = None
        self.folder.end()
        try:
            if is_sound:
                if self._journal.last > max(self._snapped, self.folder.sequence):
                    replay.keep(self.directory, self._state, self._journal.last)
                self._journal.checkpoint()
            self._journal.close()
        except (OSError, sqlite3.Error) as error:
            # The journal is whole without them: the next start only takes longer. The caller hears of it.
            failure = LedgerError(f"closing {self.directory}: {error}")
        os.close(self._lock)
        if failure is None:
            self._closed.set_result(None)
        else:
            self._closed.set_exception(failure)


def _deliver(group: list[_Call]) -> None:
    """Hand out the answers, waking each loop once. Whoever no longer waits is passed over."""
    by_loop: dict[asyncio.AbstractEventLoop, list[_Call]] = {}
    for call in group:
        if call.loop is not None:
            by_loop.setdefault(call.loop, []).append(call)
        else:
            _resolve([call])
    for loop, calls in by_loop.items():
        try:
            loop.call_soon_threadsafe(_resolve, calls)
        except RuntimeError:
            # The loop is closed: nobody is left to tell, and the books have it.
            continue


def _resolve(calls: list[_Call]) -> None:
    for call in calls:
        if call.future.done():
            continue
        if call.error is not None:
            call.future.set_exception(call.error)
        else:
            call.future.set_result(call.answer)


def _copied(batch: NDArray[Any]) -> NDArray[Any]:
    """`batch.copy()`, as bytes and not field by field: 0.8 us in place of 8."""
    return np.frombuffer(bytearray(batch.tobytes()), batch.dtype)


def _lookup_accounts(ids: Ids, books: State) -> Accounts:
    return books.lookup_accounts(ids)


def _lookup_transfers(ids: Ids, books: State) -> Transfers:
    return books.lookup_transfers(ids)


def _page(since_ns: int, books: State) -> Transfers:
    transfers = books.transfers()
    start, _ = books.rows_between(transfers, since_ns, 0)
    return transfers[start : start + BATCH_MAX].copy()


def _checked_ids(ids: Ids) -> Ids:
    if ids.dtype != np.uint64 or ids.ndim != 2 or ids.shape[1] != 2:
        raise TypeError(f"ids are an (n, 2) array of u64, not {ids.shape} of {ids.dtype}")
    if len(ids) > BATCH_MAX:
        raise ValueError(f"a lookup asks for at most {BATCH_MAX} ids, not {len(ids)}")
    return ids.copy()


def _lock(path: Path) -> int:
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        raise LedgerInUse(f"{path.parent} is open in another process") from None
    return descriptor
