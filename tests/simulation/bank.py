"""
The ledger behind the core: the embedded engine's posting rules in memory, behind a wire that delays, loses and breaks.

The bank outlives every process. A session is one process's lane to it: calls are carried out in their order.
"""

import asyncio
from bisect import bisect_right
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from ledger.book import LedgerBusy, LedgerError, LedgerStopped
from ledger.state import State
from ledger.transfer import BATCH_MAX, ids_of
from tests.simulation.fates import Fault, Orphan


class Bank:
    """The books, and what is still on the wire to them."""

    def __init__(self, agenda, clock_ns):
        self.state = State()
        self._agenda = agenda
        self._clock_ns = clock_ns
        self.on_wire = []
        """Calls of dead sessions that may still arrive."""
        self.stopped_until_s = 0.0
        self.free_s = 0.0
        self._stamps = []
        self._stamped_s = []

    def time_of(self, timestamp_ns):
        """The virtual second at which the ledger gave an event this time."""
        return self._stamped_s[bisect_right(self._stamps, timestamp_ns) - 1]

    def create(self, kind, batch):
        """Post a batch now."""
        state = self.state
        first_ns = max(self._clock_ns(), state.last_ns + 1)
        if state.is_due(first_ns):
            state.expire(first_ns)
            first_ns = max(first_ns, state.last_ns + 1)
        self._stamps.append(first_ns)
        self._stamped_s.append(self._agenda.now_s)
        return getattr(state, kind)(batch, first_ns)

    def expire(self):
        """Let go of what its own timeout ends."""
        first_ns = max(self._clock_ns(), self.state.last_ns + 1)
        if self.state.is_due(first_ns):
            self.state.expire(first_ns)

    def arrive(self):
        """What dead sessions had sent arrives before the first call of a new one, or never."""
        waiting, self.on_wire = self.on_wire, []
        for act in waiting:
            act()


@dataclass(eq=False)
class _Call:
    act: Callable[[], Any]
    batch: Any
    future: asyncio.Future
    back_s: float
    fate: Fault | None
    answer: Any = None


class Session:
    """The face of `ledger.book.Ledger`."""

    def __init__(self, bank, agenda, fates):
        self._bank, self._agenda, self._fates = bank, agenda, fates
        self.alive = True
        self._stopped = False
        self._answered_s = 0.0
        self._under_way = []

    async def create_accounts(self, batch):
        return await self._create("create_accounts", batch)

    async def create_transfers(self, batch):
        return await self._create("create_transfers", batch)

    async def lookup_accounts(self, ids):
        return await self._call(partial(self._bank.state.lookup_accounts, ids.copy()), changes=False)

    async def lookup_transfers(self, ids):
        return await self._call(partial(self._bank.state.lookup_transfers, ids.copy()), changes=False)

    async def history(self, since_ns=0):
        while len(page := await self._call(partial(self._page, since_ns), changes=False)):
            yield page
            since_ns = int(page["timestamp"][-1]) + 1

    async def close(self):
        """Nothing to let go of."""

    def die(self, durable_ids):
        """
        The process is gone. What it had sent arrives before its heir's first call, or never.

        Where the journal knows every message of a call, that may arrive as late as it likes.
        """
        self.alive = False
        for call in self._under_way:
            fate = self._fates.of_orphan()
            if fate is Orphan.LOST:
                continue
            known = call.batch is not None and all(
                (low & ~0xFF, high) in durable_ids for low, high in ids_of(call.batch).tolist()
            )
            if fate is Orphan.LATE and known:
                self._agenda.after(self._fates.orphan_s(), call.act)
            else:
                self._bank.on_wire.append(call.act)

    async def _create(self, kind, batch):
        if not len(batch):
            return self._bank.create(kind, batch[:0])
        assert len(batch) <= BATCH_MAX
        transfers = batch.copy()
        act = partial(self._bank.create, kind, transfers)
        return await self._call(act, changes=True, batch=transfers if kind == "create_transfers" else None)

    def _page(self, since_ns):
        transfers = self._bank.state.transfers()
        start, _ = self._bank.state.rows_between(transfers, since_ns, 0)
        return transfers[start : start + BATCH_MAX].copy()

    async def _call(self, act, *, changes, batch=None):
        """One call: it arrives after all that were made before it, and its answer comes later, or never."""
        fate, there_s, back_s = self._fates.of_call(changes=changes)
        if fate is Fault.LEDGER_BUSY:
            raise LedgerBusy("more calls wait than the engine takes")
        if fate is Fault.LEDGER_DIES:
            self._stopped = True
        if self._stopped:
            raise LedgerStopped("the engine has stopped")
        future = asyncio.get_running_loop().create_future()
        bank = self._bank
        arrives_s = max(self._agenda.now_s + there_s, bank.free_s)
        bank.free_s = arrives_s
        call = _Call(act, batch, future, back_s, fate)
        if changes:
            self._under_way.append(call)
        self._agenda.at(arrives_s, self._arrive, call)
        return await future

    def _arrive(self, call):
        bank = self._bank
        if not self.alive:
            return
        if bank.stopped_until_s > self._agenda.now_s:
            self._agenda.at(bank.stopped_until_s, self._arrive, call)
            return
        bank.arrive()
        if call.fate is Fault.LEDGER_LOSES_CALL:
            self._under_way = [other for other in self._under_way if other is not call]
            self._break(call)
        elif call.fate is Fault.LEDGER_ACTS_LATER:
            self._break(call)
            self._agenda.after(self._fates.orphan_s(), self._act, call)
        else:
            self._act(call)
            self._answered_s = max(self._agenda.now_s + call.back_s, self._answered_s)
            ends = self._break if call.fate is Fault.LEDGER_LOSES_ANSWER else self._deliver
            self._agenda.at(self._answered_s, ends, call)

    def _act(self, call):
        if self.alive:
            self._under_way = [other for other in self._under_way if other is not call]
            call.answer = call.act()

    def _deliver(self, call):
        if self.alive and not call.future.done():
            call.future.set_result(call.answer)

    def _break(self, call):
        if self.alive and not call.future.done():
            call.future.set_exception(LedgerError("the session was lost"))
