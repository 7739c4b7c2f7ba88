"""What the core's tests act on: cards, requests, and a whole core with its own journal and ledger."""

import asyncio
import contextlib
import functools
import itertools
import time

import numpy as np
from numba import config

from ledger.embedded import EmbeddedLedger
from scoring.limit import Measure, Of, Subject
from server.core.authorizer import Authorizer, CoreLimits
from server.core.block_lists import BlockLists
from server.core.books import Books
from server.core.chains import Chains
from server.core.controls import Controls
from server.core.deadline import Deadlines
from server.core.directory import CARD, CardState, Channel, Directory, DirectoryChange, Programme
from server.core.journal import Journal
from server.core.journal_reader import JournalReader
from server.core.lifecycle import Lifecycle
from server.core.limit_sets import WINDOW_NAMES, Limit, Window
from server.core.parcel import Parcel
from server.core.record import DECISION, REQUEST, CardReference, EntryMode, Operation, TransactionType
from server.core.recovery import decide_undecided, restore
from server.core.risk import Risk
from server.core.state import State
from server.core.warm_up import warm_up

NOON_S = 1_750_161_600  # 2025-06-17 12:00 UTC
USD = 840
CARDS = 12
WAIT_S = 120

_ids = itertools.count(1)


class _Record(np.record):
    """NumPy's record, but for a field that is named as an attribute of every array: `flags`."""

    def __getattribute__(self, name):
        fields = np.void.__getattribute__(self, "dtype").fields
        if name not in fields:
            return super().__getattribute__(name)
        found = np.void.getfield(self, *fields[name][:2])
        return found.view((_Record, found.dtype)) if found.dtype.names else found


def records(array):
    """The array as kernels read it: uncompiled, a field is an attribute only of NumPy's own records."""
    return array.view((_Record, array.dtype)) if config.DISABLE_JIT else array


def limit(measure, window, ceiling, number=1, **fields):
    """A limit of a card's approvals; `fields` of it otherwise."""
    given = {"name": number, "subject": Subject.CARD, "of": Of.APPROVALS} | fields
    return Limit(
        number=number,
        measure=Measure[measure.upper()],
        window=Window(WINDOW_NAMES.index(window)),
        ceiling=ceiling,
        **given,
    )


def block_lists(*entries):
    """Block lists with these lines."""
    lists = BlockLists()
    lists.put(entries)
    return lists


def programme(**fields):
    """A programme without limits, everywhere at home."""
    given = {
        "channels": Channel.CONTACTLESS | Channel.ECOMMERCE | Channel.CASH,
        "timezone": "UTC",
    } | fields
    return Programme(number=0, name="test", version=1, currency=USD, country=USD, **given)


def cards(count=CARDS):
    """CARD[count]: active, of account 100 + row, good through 2030."""
    made = np.zeros(count, CARD)
    rows = np.arange(count, dtype=np.uint64)
    made["number"] = rows
    made["pan_key"] = np.stack([rows + np.uint64(1), rows + np.uint64(1)], axis=1)
    made["card_id"] = np.stack([rows + np.uint64(1_000), rows + np.uint64(7)], axis=1)
    made["account_number"] = 100 + rows
    made["expiry_yymm"] = 3012
    made["state"] = CardState.ACTIVE
    made["home_latitude_deg"] = 40.0
    made["home_longitude_deg"] = -75.0
    return made


def directory(made=None, controls=None, **fields):
    """A directory of those cards in one programme."""
    known = Directory()
    known.apply(
        DirectoryChange(
            cards=cards() if made is None else made, controls=controls or {}, programmes=[programme(**fields)]
        )
    )
    return known


def fresh_id():
    """An authorization id u8[2] that no other test has."""
    return np.array([next(_ids) << 8, 77], np.uint64)


def purchase(card=0, **fields):
    """One REQUEST for 10.00 at noon, by chip; `fields` of it otherwise."""
    request = np.zeros(1, REQUEST)
    request["authorization_id"] = fresh_id()
    request["content"] = [[1, 2]]
    request["card_key"] = card + 1
    request["card_reference"] = CardReference.PAN
    request["sender"] = 9
    request["operation"] = Operation.AUTHORIZE
    request["transaction_type"] = TransactionType.PURCHASE
    request["entry_mode"] = EntryMode.CHIP
    request["amount_minor"] = 1_000
    request["currency"] = request["country"] = USD
    request["category"] = 5411
    request["transmission_s"] = NOON_S
    request["arrival_ns"] = time.time_ns()
    request["latitude_deg"] = request["longitude_deg"] = np.nan
    for name, value in fields.items():
        request[name] = value
    return request


def reversal(original, **fields):
    """One REQUEST that reverses another."""
    request = purchase(**fields)
    request["operation"] = Operation.REVERSE
    request["original_id"] = original["authorization_id"]
    request["transmission_s"] = original["transmission_s"]
    return request


class FixedScore:
    """A model that gives every request the same score."""

    version = "fixed"

    def __init__(self, score):
        self.value = score

    def score(self, features):
        return np.full(len(features), self.value, np.float32)

    def contributions(self, features):
        return np.zeros((len(features), features.shape[1] + 1))


@functools.cache
def compiled():
    """Everything is compiled: what is tested by time must not wait for it."""
    warm_up(None)


class Core:
    """A core on a folder, with a journal and a ledger of its own. `start` and `stop` it on one loop."""

    def __init__(
        self, home, known, opening_minor=100_000, model=None, turns_max=2, ledger_clock_ns=time.time_ns
    ):
        self.home, self.directory, self.opening_minor = home, known, opening_minor
        self.ledger_clock_ns = ledger_clock_ns
        self.risk = Risk()
        self.risk.use(model, None, 0)
        self.turns_max = turns_max
        self.decided_at_start = 0
        self._stack = contextlib.AsyncExitStack()

    async def start(self):
        try:
            return await self._start()
        except BaseException:
            await self._stack.aclose()
            raise

    async def _start(self):
        await asyncio.to_thread(compiled)
        self.ledger = await asyncio.to_thread(
            EmbeddedLedger.open, self.home / "ledger", now_ns=self.ledger_clock_ns
        )
        self._stack.push_async_callback(self.ledger.close)
        # Kernels that are compiled in a test must not make the ledger late.
        self.books = Books(self.ledger, late_s=WAIT_S)
        self.controls = Controls(self.directory)
        self.controls.compile()
        self.journal = Journal(self.home / "journal.sqlite")
        self._stack.callback(self.journal.close)
        self.reader = JournalReader(self.journal.path)
        self._stack.callback(self.reader.close)
        self.state = State(self.risk)
        restore(self.state, self.home / "state.npz", self.reader)
        self.state.grow(len(self.directory.cards), self.directory.accounts)
        await self.books.open_accounts(self._openings())
        self.chains = Chains(self.ledger)
        self.lifecycle = Lifecycle(self.directory, self.controls, self.state, self.chains)
        self.decided_at_start = await decide_undecided(
            self.state,
            self.books,
            self.lifecycle,
            self.journal,
            self.reader,
            history=self.ledger.history,
            now_ns=time.time_ns(),
        )
        self.authorizer = Authorizer(
            directory=self.directory,
            controls=self.controls,
            state=self.state,
            books=self.books,
            lifecycle=self.lifecycle,
            journal=self.journal,
            clock_ns=time.time_ns,
            limits=CoreLimits(turns_max=self.turns_max),
            deadlines=Deadlines(default_ms=1_000 * WAIT_S * 5),
        )
        return self

    def _openings(self):
        known = self.directory.cards[self.directory.cards["known"] != 0]
        openings = np.zeros(
            len(known), [("account_number", "u4"), ("currency", "u2"), ("opening_minor", "i8")]
        )
        openings["account_number"], openings["currency"] = known["account_number"], USD
        openings["opening_minor"] = self.opening_minor
        return openings

    async def stop(self, *, save=False):
        """Let go of everything; without a snapshot, as a kill would."""
        if save:
            self.state.journal_number = self.journal.number
            self.state.save(self.home / "state.npz")
        await self._stack.aclose()

    def send(self, *requests):
        """Submit requests as one parcel; a future of their DECISIONs, in order."""
        batch = np.concatenate(requests)
        answers = np.zeros(len(batch), DECISION)
        missing = set(range(len(batch)))
        future = asyncio.get_running_loop().create_future()

        def deliver(places, decisions):
            answers[places] = decisions
            missing.difference_update(places)
            if not missing and not future.done():
                future.set_result(answers)

        def fail(error):
            if not future.done():
                future.set_exception(error)

        self.authorizer.submit(Parcel(batch.tobytes(), list(range(len(batch))), deliver, fail))
        return asyncio.wait_for(future, WAIT_S)

    async def ask(self, *requests):
        """The DECISIONs of requests sent together."""
        return await self.send(*requests)

    async def codes(self, *requests):
        """Their response codes."""
        return [code.decode() for code in (await self.send(*requests))["response_code"].tolist()]
