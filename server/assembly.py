"""
The composition root: makes every part, hands it to those who need it, and takes everything down again.

The order of `Server.open` is the order in which things must be true before the next may start; `close` is its mirror.
"""

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Final, Self

import numpy as np
import structlog

from ledger.book import Ledger, LedgerStopped
from ledger.embedded import EmbeddedLedger
from ledger.exchange import Exchange
from ledger.tigerbeetle import TigerBeetleLedger
from server.banking.accounts import AccountDesk
from server.banking.review import RuleTable
from server.banking.transfers import TransferDesk
from server.banking.upkeep import CHANNEL, Upkeep
from server.compiled import prepare_numba
from server.core.authorizer import Authorizer, CoreLimits
from server.core.booking import Booking
from server.core.books import Books
from server.core.chains import Chains
from server.core.controls import Controls
from server.core.deadline import Deadlines, late_s
from server.core.directory import Directory, slices
from server.core.directory_file import DIRECTORY, DirectoryFile
from server.core.expiry import Expiry
from server.core.fold import JOURNAL, SNAPSHOT
from server.core.journal import Journal
from server.core.journal_reader import JournalReader
from server.core.keeper import Keeper, KeeperLimits
from server.core.lifecycle import Lifecycle
from server.core.rates import table_of
from server.core.record import NO_ROW
from server.core.recovery import decide_undecided, restore
from server.core.risk import Risk
from server.core.snapshot import SnapshotUnreadable
from server.core.state import State
from server.core.warm_up import warm_up_books, warm_up_scoring
from server.dock.dock import Dock, take_all_left
from server.entrance import Entrance, families_of
from server.fraud.labels import LabelDesk, journalled_intents
from server.fraud.oversight import Oversight
from server.front.accounts import AccountService
from server.front.clients import Callers
from server.front.door import Service
from server.front.explaining import Explainer, Facts
from server.front.feedback import FeedbackService
from server.front.forwarding import Carrier, Judged
from server.front.transfers import TransferService
from server.front.writing import AnswerWriter
from server.keys import Keys
from server.metrics import collectors
from server.reception import Reception
from server.reconciling import Reconciler
from server.settings import SOCKET, Settings, cluster_of
from server.store.bell import Bell
from server.store.cards import Cards
from server.store.database import TRANSIENT, Database
from server.store.directory_feed import DirectoryFeed, FeedChunk, FeedPosition
from server.store.holdings import Holdings
from server.store.labels import Labels
from server.store.pan_keys import Renewals
from server.store.portfolio import Portfolio
from server.store.postgres import StoreError
from server.store.rates import RateTable
from server.store.shipped import find_shipped
from server.store.shipping import Shipping
from server.store.transfers import Transfers
from server.tasks import Tasks, to_its_end
from server.telemetry import serve_metrics
from server.warm_up import compile_beside, end, warm_up

_log = structlog.get_logger("server")


Told = Callable[[str], None]
"""Hears what a start is doing, in words for people."""

Populate = Callable[[Portfolio], Awaitable[None]]
"""Fills the portfolio before the directory is read: the demo's cards, or a replay's."""

_AWAY: Final = (StoreError, *TRANSIENT)


class StartError(RuntimeError):
    """The server can't start; the text says why and what to do."""


class Server:
    """Everything that runs in the server's process. Made by `open`."""

    def __init__(self, settings: Settings, told: Told) -> None:
        self.settings = settings
        self.port = 0
        self.core: Authorizer
        self.ledger: Ledger
        self.directory = Directory()
        self.dock: Dock | None = None
        """Where fronts land that are processes of their own."""
        self._told = told
        self._is_welcoming: Callable[[], bool] = lambda: False
        self._stack = contextlib.AsyncExitStack()
        self._tasks = Tasks(self._ended)
        self._position: FeedPosition | None = None
        self._saved_revision = -1
        self._directory_file = DirectoryFile(self.directory, settings.home / DIRECTORY)
        self.failed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        """Ends with the error of whatever part can't go on."""

    @classmethod
    async def open(
        cls, settings: Settings, *, populate: Populate | None = None, told: Told = lambda _text: None
    ) -> Self:
        """Start everything; returns when requests are answered. Raises StartError, or a part's own error."""
        server = cls(settings, told)
        try:
            await server._open(populate)
        except BaseException:
            await server._stack.aclose()
            raise
        return server

    @property
    def cards(self) -> int:
        """Cards in the directory."""
        return self.directory.count

    async def close(self) -> None:
        """Drain and take everything down: nothing that was accepted stays unanswered, everything is on disk."""
        await self._stack.aclose()

    async def _open(self, populate: Populate | None) -> None:
        # Where fronts are processes of their own they keep the door, and have judged who calls.
        self._entrance = None if self.settings.fronts else Entrance(self.settings)
        self._callers: Callers = Judged() if self._entrance is None else self._entrance.callers
        home = self.settings.home
        home.mkdir(parents=True, exist_ok=True)
        keys = Keys.open(home)
        prepare_numba()
        compiling = await compile_beside()
        if compiling is not None:
            self._stack.push_async_callback(end, compiling)
        self._told("opening the ledger and PostgreSQL")
        database = Database.at(home, self.settings.database_url)
        self._stack.push_async_callback(database.close)
        self.ledger, database_trouble = await to_its_end(
            asyncio.gather(self._open_ledger(), _reach(database, keys))
        )
        self.books = Books(
            self.ledger, late_s=late_s(self.settings.ledger_deadline_ms, self.settings.deadline_ms)
        )
        self.controls = Controls(self.directory)
        self.risk = Risk()
        self.oversight = Oversight(
            database,
            home,
            self.risk.use,
            override=self.settings.model,
            floor_s=self.settings.floor_s,
            psi_max=self.settings.drift_psi_max,
        )
        await self.oversight.open(database_is_there=database_trouble is None)
        if compiling is not None:
            self._told("compiling, the first time")
            await asyncio.to_thread(warm_up_scoring, self.risk.champion)
            await compiling.wait()
        await asyncio.to_thread(warm_up, self.risk.champion)
        await warm_up_books(self.ledger)

        feed = DirectoryFeed(database)
        await self._fill_directory(database, keys, feed, populate, database_trouble)
        journal, reader = self._open_journal()
        state = State(self.risk)
        self._state = state
        self._told(f"reading back the journal from row {reader.first()}")
        self.controls.compile()
        await asyncio.to_thread(restore, state, home / SNAPSHOT, reader)
        state.grow(self.directory.rows, self.directory.accounts)
        lifecycle = Lifecycle(self.directory, self.controls, state, Chains(self.ledger))
        await decide_undecided(
            state,
            self.books,
            lifecycle,
            journal,
            reader,
            history=self.ledger.history,
            now_ns=time.time_ns(),
        )
        self.core = Authorizer(
            directory=self.directory,
            controls=self.controls,
            state=state,
            books=self.books,
            lifecycle=lifecycle,
            journal=journal,
            clock_ns=time.time_ns,
            limits=CoreLimits(
                self.settings.waiting_max,
                self.settings.batch_max,
                self.settings.turns_max,
                self.settings.queue_ms_max / 1000,
            ),
            deadlines=Deadlines(self.settings.deadline_ms),
            away_code=self.settings.away_code.encode(),
        )
        self.core.on_stop = self._fail
        self.core.on_decided = self.oversight.offer
        if keys.previous_pan is not None:
            self._open_renewals(database, keys)
        if self.settings.traces_share:
            self._open_traces()
        self._tasks.run(self.oversight.run(), "oversight of models")
        self._stack.push_async_callback(self._save_state, state, journal, home / SNAPSHOT)

        shipping = Shipping(home, journal.path, self.settings.database_url, self.settings.ship_within_s)
        keeper = Keeper(
            home,
            journal,
            reader.first(),
            requests=lambda: state.sequence,
            shipped=lambda: shipping.position,
            limits=KeeperLimits(self.settings.fold_requests, self.settings.journal_rows_min),
        )
        self._tasks.run(feed.follow(self._position, self._take_change), "directory feed")
        self._tasks.run(shipping.run(), "shipping")
        self._tasks.run(keeper.run(), "journal's keeper")
        self.reconciler = Reconciler(
            self.ledger, state, database, lambda: shipping.position >= journal.durable
        )
        if self.settings.reconcile_s:
            self._tasks.run(self.reconciler.run(self.settings.reconcile_s), "reconciliation")
        self.booking = Booking(self.core, self._message_clock_s(state), time.time_ns)
        self._tasks.run(self.booking.run(), "booking")
        self._tasks.run(Expiry(self.core, self._message_clock_s(state), time.time_ns).run(), "expiry")
        self._tasks.run(self._keep_directory_file(), "directory file")
        bank = self._open_bank(database, keys)
        desk = LabelDesk(
            Labels(database),
            journalled_intents(state, reader),
            self.core.submit,
            self._message_clock_s(state),
            time.time_ns,
            message_time=self.settings.clock == "message",
        )
        self._tasks.run(desk.run(), "labels")
        self._stack.push_async_callback(self._end_tasks)
        explainer = self._explainer(reader, database, Cards(database, keys))
        await self._let_in(keys, (*bank, FeedbackService(desk, self._callers)), explainer)
        self._open_metrics(journal, shipping)

    async def _open_ledger(self) -> Ledger:
        cluster = cluster_of(self.settings.ledger)
        _belongs_to(
            self.settings.home, "embedded" if cluster is None else f"TigerBeetle cluster {cluster[0]}"
        )
        ledger: Ledger
        if cluster is None:
            ledger = await asyncio.to_thread(
                EmbeddedLedger.open, self.settings.home / "ledger", now_ns=time.time_ns
            )
        else:
            ledger = await TigerBeetleLedger.open(cluster[1], cluster[0])
        self._stack.push_async_callback(ledger.close)
        return ledger

    def _open_journal(self) -> tuple[Journal, JournalReader]:
        journal = Journal(self.settings.home / JOURNAL)
        self._stack.callback(journal.close)
        reader = JournalReader(journal.path)
        self._stack.callback(reader.close)
        return journal, reader

    async def _fill_directory(
        self,
        database: Database,
        keys: Keys,
        feed: DirectoryFeed,
        populate: Populate | None,
        trouble: Exception | None,
    ) -> None:
        """The directory from its file and what PostgreSQL has since; from its file alone where PostgreSQL is away."""
        path = self.settings.home / DIRECTORY
        try:
            source = await asyncio.to_thread(self._directory_file.load)
            self._position = FeedPosition(str(source["database"]), int(source["version"]))
            if source["keys"] not in keys.fingerprints:
                raise StartError(
                    f"{path} was hashed with another PAN key than the one in {self.settings.home}/keys"
                )
        except FileNotFoundError:
            pass
        except SnapshotUnreadable as error:
            _log.warning("the directory's file is left aside", reason=str(error))
        self._keys_fingerprint = keys.fingerprint
        if trouble is not None:
            if not self.directory.count:
                raise StartError(f"PostgreSQL is needed for the first start: {trouble}") from trouble
            _log.warning("PostgreSQL is away: authorizing from the directory's file", reason=str(trouble))
            self._saved_revision = self.directory.revision
            return
        if populate is not None:
            await populate(Portfolio(database, keys))
        self._told("reading the directory")
        async for chunk in feed.read(self._position):
            if chunk.full and self.directory.count and self._position is not None:
                self.directory.__init__()  # type: ignore[misc]  # another database: what the file said does not hold
                self._position = None
            await self._apply(chunk)
        await self._save_directory()

    async def _apply(self, chunk: FeedChunk, make_room: Callable[[], None] = lambda: None) -> None:
        """Take over a chunk a slice at a time; each has its room in the state before anything can ask for its cards."""
        await self.books.open_accounts(chunk.openings)
        for part in slices(chunk.change):
            self.directory.apply(part)
            make_room()
            await asyncio.sleep(0)
        if chunk.last:
            self._position = chunk.position

    async def _take_change(self, chunk: FeedChunk) -> None:
        try:
            await self._apply(chunk, self._make_room)
        except LedgerStopped as error:
            self._fail(error)

    def _make_room(self) -> None:
        self._state.grow(self.directory.rows, self.directory.accounts)

    def _open_bank(self, database: Database, keys: Keys) -> tuple[AccountService, TransferService]:
        """Accounts and transfers, and what goes on behind them."""
        self._exchange = Exchange()
        holdings = Holdings(database, keys)
        accounts = AccountDesk(self.ledger, holdings, time.time_ns)
        transfers = TransferDesk(
            self.ledger,
            Transfers(database, keys),
            holdings,
            lambda: self._exchange,
            RuleTable(),
            time.time_ns,
        )
        rates = RateTable(database, age_max_s=self.settings.rate_age_max_h * 3600)
        self._tasks.run(rates.follow(time.time, self._take_rates), "rates")
        bell = Bell(database, CHANNEL)
        self._tasks.run(bell.run(), "bell of transfers")
        self._tasks.run(Upkeep(transfers, accounts, bell).run(), "upkeep of transfers")
        self._stack.push_async_callback(transfers.close)
        return (
            AccountService(accounts, time.time_ns, self._callers),
            TransferService(transfers, self._callers),
        )

    async def _take_rates(self, exchange: Exchange) -> None:
        self.controls.rates = await asyncio.to_thread(table_of, exchange)
        self._exchange = exchange

    def _explainer(self, reader: JournalReader, database: Database, cards: Cards) -> Explainer:
        async def shipped(authorization_id: str) -> Facts | None:
            try:
                found = await find_shipped(database, authorization_id)
            except _AWAY as error:
                raise LookupError(f"it is not in the journal, and PostgreSQL is away: {error}") from error
            return None if found is None else (found[0].intent[0], found[0].decision[0])

        async def masked_pan(card_row: int) -> str:
            if card_row == NO_ROW:
                return "*" * 16
            try:
                return await cards.masked_pan(card_row)
            except _AWAY:
                return "*" * 16

        return Explainer(
            state=self._state,
            reader=reader,
            ledger=self.ledger,
            writer=AnswerWriter(self.controls.names),
            names=self.controls.names,
            models=self.oversight.fetch,
            shipped=shipped,
            masked_pan=masked_pan,
        )

    async def _let_in(self, keys: Keys, services: Sequence[Service], explainer: Explainer) -> None:
        """Take requests: on a port, or from fronts that do."""
        take_all_left(
            self.core, self.settings.home, 0 if self._entrance is not None else self.settings.fronts
        )
        if self._entrance is None:
            carrier = Carrier(services, explainer.answer)
            path = self.settings.home / SOCKET
            self.dock = Dock(path, self.core, self.controls.names, carrier, fronts=self.settings.fronts)
            try:
                await self.dock.open()
            except OSError as error:
                raise StartError(f"fronts can't be served on {path}: {error}") from error
            dock = self.dock
            self._is_welcoming = lambda: dock.is_open
            self._stack.push_async_callback(self.dock.close, self.settings.drain_s)
            return
        self._tasks.run(self._entrance.follow(), "clients")
        reception = Reception(
            self.settings, keys, self.core, self.controls.names, explainer.answer, self._entrance, services
        )
        self.port = await reception.open()
        self._is_welcoming = lambda: reception.is_open
        self._stack.push_async_callback(self._drain, reception)

    async def _drain(self, reception: Reception) -> None:
        """Nothing new is taken, and what was accepted is answered."""
        await reception.close()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self.settings.drain_s):
                await self.core.drain()

    def _open_renewals(self, database: Database, keys: Keys) -> None:
        """The PAN key rotates: cards that are seen move to the new one."""
        self.directory.renew(np.zeros((0, 4), np.uint64))  # compiles it
        renewals = Renewals(database, self.directory, keys.fingerprint)
        self.core.on_renewed = renewals.note
        self._tasks.run(renewals.run(), "renewal of cards' keys")

    def _open_traces(self) -> None:
        from server.tracing import Tracer

        tracer = Tracer(self.settings.traces_share)
        self.core.on_timed = tracer.saw
        self._stack.callback(tracer.close)

    def _not_ready(self) -> str:
        """Why requests are not welcome now; nothing where they are."""
        if self.core.stopped is not None:
            return f"the core has stopped: {self.core.stopped}"
        return "" if self._is_welcoming() else "the server is starting or draining"

    def _open_metrics(self, journal: Journal, shipping: Shipping) -> None:
        if not self.settings.metrics_port:
            return
        families = self.oversight.families()
        if self._entrance is not None:
            families += families_of(self._entrance.seen)
        if self.dock is not None:
            standing = self.dock.standing
            families += standing.families() + families_of(lambda: standing.said)
        shown = collectors(self.core, journal, shipping, self.reconciler, self.booking, families)
        try:
            stop = serve_metrics(
                self.settings.metrics_host, self.settings.metrics_port, *shown, ready=self._not_ready
            )
        except OSError as error:
            raise StartError(
                f"metrics can't be served on {self.settings.metrics_host}:{self.settings.metrics_port} ({error}): "
                "choose another with --metrics-port, or 0 for none"
            ) from error
        self._stack.callback(stop)

    async def _save_state(self, state: State, journal: Journal, path: Path) -> None:
        """After the last answer: the snapshot that makes the next start quick. None while something is undecided."""
        if self.core.stopped is not None or not self.core.is_idle:
            return
        state.journal_number = journal.number
        try:
            await asyncio.to_thread(state.save, path)
        except OSError as error:
            _log.warning("no snapshot was written: the next start reads the journal", reason=str(error))

    async def _save_directory(self) -> None:
        """Renew the directory's file where the directory has changed; the disk is waited for off the loop."""
        if self._position is None or self.directory.revision == self._saved_revision:
            return
        revision = self.directory.revision
        source = {
            "database": self._position.database,
            "version": self._position.version,
            "keys": self._keys_fingerprint,
        }
        try:
            await self._directory_file.renew(source)
            self._saved_revision = revision
        except OSError as error:
            _log.warning("the directory's file could not be renewed", reason=str(error))

    def _message_clock_s(self, state: State) -> Callable[[], int]:
        """The clock that messages' times are held against: ours, or in a replay their own."""
        if self.settings.clock == "message":
            return lambda: state.repeats.clock_s
        return lambda: int(time.time())

    async def _keep_directory_file(self) -> None:
        while True:
            await asyncio.sleep(self.settings.directory_file_s)
            await self._save_directory()

    def _ended(self, name: str, error: BaseException) -> None:
        _log.error("a part of the server has ended", part=name, exc_info=error)
        self._fail(error)

    async def _end_tasks(self) -> None:
        await self._tasks.end()
        await self._save_directory()

    def _fail(self, error: BaseException) -> None:
        if not self.failed.done():
            self.failed.set_exception(error)


def _belongs_to(home: Path, ledger: str) -> None:
    """A home's money is in one ledger: note which, and refuse another. Raises StartError."""
    note = home / "ledger.txt"
    if note.exists():
        known = note.read_text().strip()
    else:
        # Homes of before had no other.
        known = "embedded" if (home / "ledger").exists() else ledger
        note.write_text(known + "\n")
    if known != ledger:
        raise StartError(
            f"the money of {home} is in the ledger {known!r}, not in {ledger!r}: set HOLDFAST_LEDGER back, or begin with "
            "another HOLDFAST_HOME"
        )


async def _reach(database: Database, keys: Keys) -> Exception | None:
    """Open the database; return why it can't be used now. Raises what trying again later can't mend."""
    try:
        await database.open()
        await database.belongs_to(keys)
    except TRANSIENT as error:
        return error
    return None
