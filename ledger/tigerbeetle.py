"""
The TigerBeetle engine: batches go down to the native client as they lie in memory, answers come back as arrays.

One lane, in the order of the calls. The client has one request on its way; of what it holds besides, it sends
together what fits, past anything that doesn't. So it is only given what can't overtake: behind the request on
its way, packets of one operation that fit one message. The rest waits here.

A session that has ended, or doesn't answer while a fresh one does, is replaced. What it had under way is told as
interrupted: it may be booked, now or later. What waited here goes on with the new one.
"""

import asyncio
import ipaddress
import os
import threading
import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Sequence
from concurrent.futures import Future as ThreadFuture
from dataclasses import dataclass
from itertools import islice
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from ledger.book import LedgerBusy, LedgerError, LedgerStopped
from ledger.native import RELEASE, NativeClient, NativeError, Operation, PacketStatus, library
from ledger.search import LATE_S, Seeker
from ledger.transfer import (
    ACCOUNT,
    ACCOUNT_BALANCE,
    ACCOUNT_FILTER,
    BATCH_MAX,
    QUERY_FILTER,
    RESULT,
    TRANSFER,
    Accounts,
    Balances,
    Filter,
    Ids,
    Results,
    Transfers,
)

WAITING_MAX: Final = 4096
"""Calls taken and not answered."""

PACKETS_MAX: Final = 32
"""Calls that one request carries: their counts fit the one element that BATCH_MAX leaves in a message."""

CLOSE_S: Final = 5.0
"""How long `close` waits for what is under way."""

_CONNECT_S = 1.0


class LedgerUnreachable(LedgerError):  # noqa: N818 - a state, read where it is caught, as book's are
    """The cluster did not answer in time; the message names the addresses, or the cluster's id."""


class LedgerInterrupted(LedgerError):  # noqa: N818 - as above
    """The session that was asked is no more, and another has taken its place; what was under way may be booked."""


class LedgerEvicted(LedgerInterrupted):
    """The cluster has ended our session: it keeps a bounded number of them."""


class LedgerWrongRelease(LedgerStopped):
    """The cluster does not serve clients of our release."""


class LedgerTooMuchData(LedgerError):  # noqa: N818 - as above
    """The cluster's messages are smaller than this batch; nothing of it was done."""


class LedgerShutDown(LedgerStopped):
    """The engine was closed before this call was answered; it may be booked all the same."""


class LedgerForked(LedgerError):  # noqa: N818 - as above
    """The engine was opened by a process that this one was forked from; open one of its own, or spawn."""


@dataclass(slots=True, eq=False)
class _Call:
    """One call on its way."""

    future: "asyncio.Future[Any]"
    loop: asyncio.AbstractEventLoop
    operation: Operation
    batch: NDArray[Any]
    answers: "np.dtype[np.void]"
    weight: int  # of BATCH_MAX: what it may take of one message
    answer: NDArray[Any] | None = None
    error: LedgerError | None = None


class TigerBeetleLedger:
    """
    A Ledger in a TigerBeetle cluster; made by `open`.

    Its calls may come from any event loop. A batch must not be changed before its call returns, also where the
    caller was cancelled meanwhile: the client reads it where it lies.
    """

    def __init__(self, addresses: Sequence[str], cluster_id: int) -> None:
        self.addresses = tuple(addresses)
        self.cluster_id = cluster_id
        self._native: NativeClient | None = None
        self._door = threading.Lock()
        self._waiting: deque[_Call] = deque()
        self._sent: dict[int, _Call] = {}  # in order; the first is on its way
        self._fits = BATCH_MAX  # events in one of this cluster's messages
        self._number = 0
        self._answered: dict[asyncio.AbstractEventLoop, list[_Call]] = {}
        self._stopped: LedgerStopped | None = None
        self._closer: asyncio.AbstractEventLoop | None = None
        self._drained: ThreadFuture[None] = ThreadFuture()
        self._closed: ThreadFuture[None] = ThreadFuture()
        self._resolved = ""
        self._has_session = True
        self._answered_s = 0.0  # since when the call on its way is, or there is no session
        self._fresh: NativeClient | None = None  # begun beside, and not answered yet
        self._seeker: Seeker | None = None
        self.sessions = 1
        """How many sessions it has had."""

    @classmethod
    async def open(
        cls, addresses: Sequence[str], cluster_id: int, *, deadline_s: float = 5.0
    ) -> "TigerBeetleLedger":
        """
        Connect to the replicas, each `host:port`, and wait until the cluster has answered.

        Raises LedgerUnreachable within the deadline, which names what does not answer; LedgerWrongRelease where
        package or cluster are of another release; ValueError for addresses that are none.
        """
        if not addresses:
            raise ValueError("a cluster has at least one address")
        ledger = cls(addresses, cluster_id)
        resolved = [await _resolved(address) for address in addresses]
        ledger._resolved = ",".join(resolved)
        try:
            try:
                ledger._native = await asyncio.wrap_future(
                    _on_a_thread(
                        lambda: NativeClient(cluster_id, ledger._resolved, ledger._completed), "tb-open"
                    )
                )
            except NativeError as error:
                raise LedgerWrongRelease(str(error)) from error
            probe = asyncio.ensure_future(ledger.lookup_accounts(np.ones((1, 2), np.uint64)))
            probe.add_done_callback(_retrieved)
            await asyncio.wait([probe], timeout=deadline_s)
            if not probe.done():
                raise LedgerUnreachable(await _diagnosis(addresses, cluster_id, deadline_s))
            probe.result()
            await ledger._measure()
            ledger._seeker = Seeker(ledger, resolved)
        except BaseException:
            ledger._abandon()
            raise
        return ledger

    async def _measure(self) -> None:
        """How many events this cluster's messages hold: a development server's are small, and the client won't say."""
        fits, too_many = 0, BATCH_MAX + 1
        self._fits = asked = BATCH_MAX
        while fits + 1 < too_many:
            try:
                await self.lookup_accounts(np.ones((asked, 2), np.uint64))
                fits = asked
            except LedgerTooMuchData:
                too_many = asked
            asked = (fits + too_many) // 2
        self._fits = fits

    async def create_accounts(self, batch: Accounts) -> Results:
        return await self._create(Operation.CREATE_ACCOUNTS, batch, ACCOUNT)

    async def create_transfers(self, batch: Transfers) -> Results:
        return await self._create(Operation.CREATE_TRANSFERS, batch, TRANSFER)

    async def lookup_accounts(self, ids: Ids) -> Accounts:
        return await self._lookup(Operation.LOOKUP_ACCOUNTS, ids, ACCOUNT)

    async def lookup_transfers(self, ids: Ids) -> Transfers:
        return await self._lookup(Operation.LOOKUP_TRANSFERS, ids, TRANSFER)

    async def account_transfers(self, wanted: Filter) -> Transfers:
        return await self._query(Operation.GET_ACCOUNT_TRANSFERS, wanted, ACCOUNT_FILTER, TRANSFER)

    async def account_balances(self, wanted: Filter) -> Balances:
        return await self._query(Operation.GET_ACCOUNT_BALANCES, wanted, ACCOUNT_FILTER, ACCOUNT_BALANCE)

    async def query_accounts(self, wanted: Filter) -> Accounts:
        return await self._query(Operation.QUERY_ACCOUNTS, wanted, QUERY_FILTER, ACCOUNT)

    async def query_transfers(self, wanted: Filter) -> Transfers:
        return await self._query(Operation.QUERY_TRANSFERS, wanted, QUERY_FILTER, TRANSFER)

    async def history(self, since_ns: int = 0) -> AsyncIterator[Transfers]:
        wanted = np.zeros(1, QUERY_FILTER)
        wanted["limit"] = BATCH_MAX
        wanted["timestamp_min"] = since_ns
        while len(page := await self.query_transfers(wanted)):
            yield page
            wanted["timestamp_min"] = page["timestamp"][-1] + np.uint64(1)

    async def close(self) -> None:
        """
        Wait for what is under way, at most CLOSE_S; then end the client. A second call does nothing.

        Calls still open then raise LedgerShutDown. In a forked child there is nothing to let go of.
        """
        if self._native is None or not self._native.is_ours:
            return
        with self._door:
            is_first = self._closer is None
            if is_first:
                self._closer = asyncio.get_running_loop()
                self._stopped = self._stopped or LedgerShutDown("the ledger was closed")
                self._note_drained()
        if is_first:
            # Not wait_for: that would cancel what it waits for.
            await asyncio.wait([asyncio.wrap_future(self._drained)], timeout=CLOSE_S)
            self._abandon()
        await asyncio.shield(asyncio.wrap_future(self._closed))

    async def _create(self, operation: Operation, batch: NDArray[Any], events: "np.dtype[Any]") -> Results:
        if batch.dtype != events or batch.ndim != 1:
            raise TypeError(
                f"{operation.name} takes a one-dimensional array of its records, not {batch.dtype}"
            )
        if len(batch) > BATCH_MAX:
            raise ValueError(f"a batch holds at most {BATCH_MAX} events, not {len(batch)}")
        return await self._ask(operation, batch, RESULT, len(batch))

    async def _lookup(self, operation: Operation, ids: Ids, answers: "np.dtype[Any]") -> NDArray[Any]:
        if ids.dtype != np.uint64 or ids.ndim != 2 or ids.shape[1] != 2:
            raise TypeError(f"ids are an (n, 2) array of u64, not {ids.shape} of {ids.dtype}")
        if len(ids) > BATCH_MAX:
            raise ValueError(f"a lookup asks for at most {BATCH_MAX} ids, not {len(ids)}")
        return await self._ask(operation, ids, answers, len(ids))

    async def _query(
        self, operation: Operation, wanted: Filter, filters: "np.dtype[Any]", answers: "np.dtype[Any]"
    ) -> NDArray[Any]:
        if wanted.dtype != filters or wanted.shape != (1,):
            raise TypeError(f"{operation.name} takes one filter, not {wanted.shape} of {wanted.dtype}")
        # Copied: a page's filter is moved on for the next. The client refuses limits that no message can hold.
        wanted = wanted.copy()
        wanted["limit"] = np.minimum(wanted["limit"], np.uint32(self._fits))
        return await self._ask(operation, wanted, answers, self._fits)

    async def _ask(
        self, operation: Operation, batch: NDArray[Any], answers: "np.dtype[Any]", weight: int
    ) -> NDArray[Any]:
        if not len(batch):
            return np.zeros(0, answers)
        loop = asyncio.get_running_loop()
        call = _Call(
            loop.create_future(),
            loop,
            operation,
            np.ascontiguousarray(batch),
            answers,
            weight,
        )
        self._put(call)
        answer: NDArray[Any] = await call.future
        return answer

    def _put(self, call: _Call) -> None:
        if self._native is None or not self._native.is_ours:
            # Before the door: a fork may have left it locked for good.
            raise LedgerForked("TigerBeetle's client was made by the process that this one was forked from")
        with self._door:
            if self._stopped is not None:
                raise type(self._stopped)(*self._stopped.args)
            if len(self._waiting) + len(self._sent) >= WAITING_MAX:
                raise LedgerBusy(f"{WAITING_MAX} calls wait for the ledger already")
            self._waiting.append(call)
            self._hand_down()
        if self._seeker is not None:
            self._seeker.wake()

    def _hand_down(self) -> None:
        """Give the client what can't overtake anything there. Behind the door, never on the client's thread."""
        assert self._native is not None
        while self._has_session and self._waiting and self._is_in_order(self._waiting[0]):
            call = self._waiting.popleft()
            self._number += 1
            if not self._sent:
                self._answered_s = time.monotonic()
            self._sent[self._number] = call
            if not self._native.submit(self._number, call.operation, call.batch):
                # The session has ended, and nothing of it was taken: it goes on with the next.
                del self._sent[self._number]
                self._waiting.appendleft(call)
                self._has_session = False

    def _is_in_order(self, call: _Call) -> bool:
        if not self._sent:
            return True
        weight, count = call.weight, 1
        for other in islice(self._sent.values(), 1, None):
            if other.operation != call.operation:
                return False
            weight += other.weight
            count += 1
        return weight <= self._fits and count <= PACKETS_MAX

    def _completed(self, number: int, status: int, body: NDArray[np.uint8]) -> None:
        """On the client's thread: note the answer and wake whoever waits for it, or who has the next to send."""
        with self._door:
            call = self._sent.pop(number, None)
            if call is None:  # of a session that was replaced
                return
            self._answered_s = time.monotonic()
            if status == PacketStatus.OK:
                call.answer = body.view(call.answers)
                self._wake_with(call)
            elif status == PacketStatus.TOO_MUCH_DATA:
                call.error = LedgerTooMuchData(
                    f"{len(call.batch)} events; this cluster's messages hold {self._fits}"
                )
                self._wake_with(call)
            elif status == PacketStatus.CLIENT_EVICTED:
                self._has_session = False
                call.error = LedgerEvicted(f"the cluster has ended our session; {_said()}")
                self._wake_with(call)
            else:
                self._stop(call, _ended(PacketStatus(status)))
            self._wake_for_the_next()
            self._note_drained()

    def late_s(self) -> float:
        """How long the call on its way has waited for its answer, or how long there has been no session; else 0."""
        with self._door:
            return self._late_s()

    def _late_s(self) -> float:
        if self._stopped is not None:
            return 0.0
        if self._sent or not self._has_session:
            return time.monotonic() - self._answered_s
        return 0.0

    def has_ended(self) -> bool:
        """Whether the cluster has ended our session, and there is no other yet."""
        return not self._has_session

    def begin_afresh(self) -> None:
        """
        Begin a session beside the one there is; if it answers first, it takes its place.

        Blocks for some tenths of a second; never on a loop's thread, nor on the client's.
        """
        self.leave_afresh()
        fresh: list[NativeClient] = []

        def answered(_number: int, status: int, _body: NDArray[np.uint8]) -> None:
            if status == PacketStatus.OK:
                self._take_over(fresh[0])

        try:
            fresh.append(NativeClient(self.cluster_id, self._resolved, answered))
        except NativeError:
            return  # no room for one more: the next look tries again
        with self._door:
            self._fresh = fresh[0]
        fresh[0].submit(1, Operation.LOOKUP_ACCOUNTS, np.ones((1, 2), np.uint64))

    def leave_afresh(self) -> None:
        """End the session that was begun beside, if it has not taken the place."""
        with self._door:
            fresh, self._fresh = self._fresh, None
        if fresh is not None:
            fresh.deinit()

    def _take_over(self, fresh: NativeClient) -> None:
        """On the fresh client's thread: from now on calls go there."""
        with self._door:
            if self._fresh is not fresh or self._late_s() < LATE_S:
                return  # the answer has come meanwhile
            old, self._native, self._fresh = self._native, fresh, None
            fresh.answer_to(self._completed)
            self._has_session = True
            self._answered_s = time.monotonic()
            self.sessions += 1
            interrupted, self._sent = list(self._sent.values()), {}
            for call in interrupted:
                call.error = LedgerInterrupted(
                    "another session has taken the place of one that did not answer"
                )
                self._wake_with(call)
            self._wake_for_the_next()
        if old is not None:
            threading.Thread(target=old.deinit, name="tb-replaced", daemon=True).start()

    def _stop(self, call: _Call, why: LedgerStopped) -> None:
        """The session is over: this call, and all that wait, hear why. Behind the door."""
        if self._stopped is None or self._closer is None:
            self._stopped = why
        for each in (call, *self._waiting):
            each.error = type(why)(*why.args)
            self._wake_with(each)
        self._waiting.clear()

    def _wake_with(self, call: _Call) -> None:
        answered = self._answered.setdefault(call.loop, [])
        answered.append(call)
        if len(answered) == 1 and not self._wake(call.loop):
            # Nobody is left to tell, and the books have it.
            del self._answered[call.loop]

    def _wake_for_the_next(self) -> None:
        """Somebody's loop has to hand down what waits: that of the first whose loop still lives."""
        if self._waiting and not self._answered:
            loops = dict.fromkeys(call.loop for call in self._waiting)
            if self._closer is not None:
                loops[self._closer] = None
            for loop in loops:
                if self._wake(loop):
                    return

    def _wake(self, loop: asyncio.AbstractEventLoop) -> bool:
        try:
            loop.call_soon_threadsafe(self._deliver, loop)
        except RuntimeError:  # it is closed
            return False
        return True

    def _deliver(self, loop: asyncio.AbstractEventLoop) -> None:
        with self._door:
            calls = self._answered.pop(loop, ())
            self._hand_down()
        for call in calls:
            if call.future.done():  # its caller was cancelled
                continue
            if call.error is not None:
                call.future.set_exception(call.error)
            else:
                call.future.set_result(call.answer)

    def _note_drained(self) -> None:
        if self._closer is not None and not self._sent and not self._waiting and not self._drained.done():
            self._drained.set_result(None)

    def _abandon(self) -> None:
        """End the client, on a thread: its own must be free to complete what is under way."""

        def end() -> None:
            if self._seeker is not None:
                self._seeker.end()
            self.leave_afresh()
            if self._native is not None:
                self._native.deinit()
            self._closed.set_result(None)

        with self._door:
            self._stopped = self._stopped or LedgerShutDown("the ledger was closed")
            for call in self._waiting:
                call.error = LedgerShutDown("the ledger was closed before this call was sent")
                self._wake_with(call)
            self._waiting.clear()
        threading.Thread(target=end, name="tb-close", daemon=True).start()


def _ended(status: PacketStatus) -> LedgerStopped:
    match status:
        case PacketStatus.CLIENT_RELEASE_TOO_LOW:
            return LedgerWrongRelease(
                f"the cluster takes no clients as old as ours, {RELEASE}: the servers are newer; {_said()}"
            )
        case PacketStatus.CLIENT_RELEASE_TOO_HIGH:
            return LedgerWrongRelease(
                f"the cluster takes no clients as new as ours, {RELEASE}: the servers are older; {_said()}"
            )
        case PacketStatus.CLIENT_SHUTDOWN:
            return LedgerShutDown("the ledger was closed before this call was answered")
        case _:
            return LedgerStopped(f"TigerBeetle's client refuses our request: {status.name.lower()}")


def _said() -> str:
    complaints = library().complaints
    return f"its client last said: {complaints[-1]}" if complaints else "its client said no more"


async def _resolved(address: str) -> str:
    """`IP:port` for `host:port`: the client itself knows no names."""
    host, _, port = address.rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    if not host or not port.isdecimal() or not 0 < int(port) < 65_536:
        raise ValueError(f"{address!r} is not a replica's host:port")
    try:
        ip = ipaddress.ip_address(host)
    except ValueError:
        try:
            found = await asyncio.get_running_loop().getaddrinfo(host, int(port), type=1)
        except OSError as error:
            raise LedgerUnreachable(f"{address}: no such host ({error})") from error
        ip = ipaddress.ip_address(found[0][4][0])
    return f"[{ip}]:{port}" if ip.version == 6 else f"{ip}:{port}"


async def _diagnosis(addresses: Sequence[str], cluster_id: int, deadline_s: float) -> str:
    """Why nobody has answered: which address takes no connection, or else that the cluster is another."""
    troubles = await asyncio.gather(*(_trouble(address) for address in addresses))
    away = [f"{address} ({why})" for address, why in zip(addresses, troubles, strict=True) if why]
    here = [address for address, why in zip(addresses, troubles, strict=True) if not why]
    start = f"no answer from TigerBeetle cluster {cluster_id} in {deadline_s:g} s (client {RELEASE}): "
    if not away:
        return f"{start}{', '.join(here)} takes connections, but does not answer for cluster {cluster_id}"
    if not here:
        return f"{start}nobody listens at {', '.join(away)}"
    return (
        f"{start}nobody listens at {', '.join(away)}; {', '.join(here)} takes connections, but alone has no "
        f"majority, or does not answer for cluster {cluster_id}"
    )


async def _trouble(address: str) -> str | None:
    host, _, port = address.rpartition(":")
    try:
        async with asyncio.timeout(_CONNECT_S):
            _, writer = await asyncio.open_connection(host.strip("[]"), int(port))
    except TimeoutError:
        return "no connection in time"
    except OSError as error:
        return os.strerror(error.errno) if error.errno else str(error)
    writer.close()
    return None


def _on_a_thread(work: Callable[[], NativeClient], name: str) -> "ThreadFuture[NativeClient]":
    """Run it beside the loop; not on the loop's own threads, which may be taken, or ending."""
    future: ThreadFuture[NativeClient] = ThreadFuture()

    def run() -> None:
        try:
            future.set_result(work())
        except BaseException as error:
            future.set_exception(error)

    threading.Thread(target=run, name=name, daemon=True).start()
    return future


def _retrieved(probe: "asyncio.Future[Any]") -> None:
    """A probe that nobody waits for any more has its end looked at all the same."""
    if not probe.cancelled():
        probe.exception()
