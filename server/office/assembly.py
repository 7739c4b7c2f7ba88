"""
The composition root of compliance: makes every part, hands it to those who need it, takes everything down again.

It needs PostgreSQL and the keys of this home, and nothing of the server: both may come and go by themselves.
"""

import asyncio
import contextlib
import os
import socket
import time
import uuid
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final, Self
from zoneinfo import ZoneInfo

import structlog

from compliance.analyst.analyst import Analyst
from compliance.facts import Customer, Dossier, Flag, Party, PartyRole, Subject
from compliance.policies.desk import PolicyDesk
from compliance.policies.embedding import embedder
from compliance.policies.library import Library
from compliance.results import Assessment, Hit
from compliance.review.counters import Counters
from compliance.review.desk import ReviewDesk
from compliance.review.enrichment import Enricher
from compliance.review.intake import Intake, Reach, flag_customers
from compliance.review.kept import Keeper
from compliance.review.reviewer import Reviewer
from compliance.review.summary import refresh_summary
from compliance.review.tables import Tables
from compliance.review.worker import Pace, Worker
from compliance.roles import WORKER
from compliance.rules.assess import assess
from compliance.rules.countries import CountryTable, load_countries
from compliance.rules.flags import flags
from compliance.rules.policy import RulesPolicy
from compliance.screening.counterparties import screen_counterparties
from compliance.screening.customers import screen_customers
from compliance.screening.lists import Lists
from ledger.exchange import Exchange
from server.background import give_way
from server.banking.pricing import USD, worth_usd_minor
from server.front.codes import country_letters, currency_letters
from server.keys import Keys
from server.office.door import OfficeDoor, levels_of
from server.office.metrics import families
from server.office.record import record_at, upkeep_of
from server.office.settings import OfficeSettings
from server.settings import Settings
from server.store.database import TRANSIENT, Database
from server.store.postgres import StoreError, StoreUnavailableError
from server.store.rates import RateTable
from server.tasks import Tasks
from server.telemetry import Families, serve_metrics

AWAY: Final = (*TRANSIENT, StoreError)
"""Errors after which the same work may succeed later."""

COMES_BACK: Final = (
    ConnectionError,
    StoreUnavailableError,
    *(kind for kind in TRANSIENT if kind is not OSError),
)
"""Those of PostgreSQL alone: an address that is taken is an OSError too, and is not waited for."""

OPEN_AGAIN_S: Final = 1.0
CLOSE_S: Final = 5.0
"""So long a stop waits for calls under way."""

LOOK_AGAIN_S: Final = 2.0
"""So soon after a change of lists and countries the worker goes by it."""

_CANCEL_AGAIN_S: Final = 6.0  # longer than the worker takes to give back what it holds

_log = structlog.get_logger("compliance")


class OfficeError(RuntimeError):
    """The office can't open; the text says why and what to do."""


class ComplianceOffice:
    """Everything that runs in the compliance process. Made by `open`."""

    def __init__(self, home: Settings, settings: OfficeSettings, *, beside: bool) -> None:
        self._home = home
        self.settings = settings
        self._beside = beside
        self._stack = contextlib.AsyncExitStack()
        self._tasks = Tasks(self._ended, cancel_again_s=_CANCEL_AGAIN_S)
        self._exchange = Exchange()
        self.counters = Counters()
        self.port = 0
        self.countries = CountryTable()
        self.failed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        """Ends with the error of whatever part can't go on."""

    @classmethod
    async def open(
        cls,
        home: Settings,
        settings: OfficeSettings,
        *,
        told: Callable[[str], None] = lambda _text: None,
        working: bool = True,
        beside: bool = False,
    ) -> Self:
        """
        Start everything; where it is not `working`, only what a review that somebody asks for needs.

        Where it runs `beside` a server, the embedded PostgreSQL is that one's to start and to end.

        While PostgreSQL is away, it waits for it. Raises OfficeError, or a part's own error.
        """
        while True:
            office = cls(home, settings, beside=beside)
            try:
                await office._open()
                if working:
                    await office._work()
                return office
            except COMES_BACK as error:
                await office._stack.aclose()
                told(f"PostgreSQL is away, waiting for it ({error})")
                await asyncio.sleep(OPEN_AGAIN_S)
            except BaseException:
                await office._stack.aclose()
                raise

    async def close(self) -> None:
        """Give back what is claimed, and take everything down."""
        await self._stack.aclose()

    def greeting(self) -> list[str]:
        """What it works with, for people."""
        versions = self.lists.versions
        lists = ", ".join(f"{name} of {day}" for name, day in sorted(versions.items()))
        config = self.settings.analyst
        people = ", ".join(f"{name} ({role})" for name, role in sorted(self.settings.people.items()))
        return [
            f"compliance reviews as {self.holder}, in batches of up to {self.settings.batch_max}",
            f"sanctions lists: {lists}" if lists else "sanctions lists: none; holdfast sanctions import PATH",
            f"countries: {len(self.countries.high_risk)} high-risk, {len(self.countries.sanctioned)} sanctioned",
            f"model: {config.model}" if config.is_set else "rules alone: no model is set",
            f"ComplianceService on {self.settings.host}:{self.port}",
            f"people: {people}" if people else "people: whoever can open this home is its admin",
        ]

    async def _open(self) -> None:
        self.policy = _policy(self.settings)
        tables = self._tables()
        self.keys = Keys.open(self._home.home)
        database_of = Database.beside if self._beside else Database.at
        self.database = database_of(
            self._home.home,
            self._home.database_url,
            yielding=give_way if self.settings.background else None,
        )
        self._stack.push_async_callback(self.database.close)
        await self.database.open()
        await self.database.belongs_to(self.keys)
        self.lists = await Lists.open(self.database, self.keys, self.settings.thresholds)
        self.countries = await load_countries(self.database)
        try:
            embed = embedder(self.settings.embedding)
        except ValueError as error:
            raise OfficeError(f"HOLDFAST_COMPLIANCE_EMBEDDING_FOLDER: {error}") from error
        if embed is not None:
            self._stack.push_async_callback(embed.close)
        await PolicyDesk(self.database, _now, embed).add_shipped()
        self.library = Library(self.database, embed)
        self.analyst = Analyst(self.database, self.settings.analyst, _now)
        self._stack.push_async_callback(self.analyst.close)
        enricher = Enricher(self.keys, tables)
        reviewer = Reviewer(self.lists, self._cleared, self._assess, self.library, self.analyst, _now)
        keeper = Keeper(self.keys, levels_of(self.settings))
        self.desk = ReviewDesk(self.database, keeper, enricher, reviewer, _now)
        self.holder = f"{socket.gethostname()}-{os.getpid()}-{uuid.uuid4().hex[:8]}"
        self._intake = Intake(
            self.database, self.keys, tables, self._flags, _reach_of(self.policy), self.counters
        )
        self.worker = Worker(
            self.database,
            keeper,
            self._intake,
            enricher,
            reviewer,
            self.counters,
            _now,
            AWAY,
            self.holder,
            Pace(
                self.settings.batch_max,
                self.settings.hands,
                timedelta(seconds=self.settings.lease_s),
                self.settings.rest_ms / 1_000,
            ),
        )
        self._rates = RateTable(self.database, age_max_s=self._home.rate_age_max_h * 3_600)
        await self._take_rates(await self._rates.exchange(_now().date()))

    async def _work(self) -> None:
        """The worker, what it goes by as that changes, metrics and the service."""
        self._open_metrics()
        self._stack.push_async_callback(self._tasks.end)
        self._tasks.run(self._rates.follow(time.time, self._take_rates), "rates")
        self._tasks.run(self.worker.run(), "worker")
        self._tasks.run(self._follow(), "lists and countries")
        upkeep = upkeep_of(
            record_at(self._home.home, self.database, self.settings),
            self.settings,
            lambda: refresh_summary(self.database),
        )
        self._tasks.run(upkeep.run(), "upkeep of the record")
        door = await OfficeDoor.open(self.database, self.keys, self.settings, analyse=self.desk.analyse_now)
        self.port = door.port
        self._stack.push_async_callback(door.close, CLOSE_S)

    async def _follow(self) -> None:
        """Lists, countries and policies as they change; while PostgreSQL is away the last good ones stand."""
        unreadable: list[int] = []
        while True:
            try:
                await self.lists.refresh()
                screened = await screen_customers(
                    self.database, self.keys, self.lists, _now(), self._flag_customers
                )
                if screened.unreadable != unreadable:
                    unreadable = screened.unreadable
                    _log.warning("customers can't be read, and are not screened", customers=unreadable[:20])
                await screen_counterparties(
                    self.database,
                    self.keys,
                    self.lists,
                    _now(),
                    self._intake.flag_listed,
                    days=self.settings.counterparty_days,
                )
                self.countries = await load_countries(self.database)
                await self.library.refresh()
            except AWAY as error:
                _log.info("the last good lists stand", reason=type(error).__name__)
            await asyncio.sleep(LOOK_AGAIN_S)

    def _tables(self) -> Tables:
        def worth(amount_minor: int, currency: int) -> int | None:
            return worth_usd_minor(self._exchange, amount_minor, currency, int(time.time()))

        return Tables(
            currency_letters(),
            country_letters(),
            worth,
            self._rated,
            ZoneInfo(self.settings.timezone),
        )

    async def _take_rates(self, exchange: Exchange) -> None:
        self._exchange = exchange

    def _rated(self) -> list[int]:
        now_s = int(time.time())
        known = {*self._exchange.currencies, USD}
        return [n for n in known if worth_usd_minor(self._exchange, 100, n, now_s) is not None]

    def _flags(self, subject: Subject, customer: Customer) -> tuple[Flag, ...]:
        return flags(subject, customer, self.policy, self.countries)

    def _assess(self, dossier: Dossier, hits: Sequence[Hit]) -> Assessment:
        return assess(dossier, hits, self.policy, self.countries)

    def _cleared(self, dossier: Dossier, party: Party, hit: Hit) -> bool:
        who = dossier.customer.number if party.role == PartyRole.CUSTOMER else party.name
        return self.lists.cleared(who, hit)

    async def _flag_customers(self, connection: Any, numbers: Sequence[int]) -> None:
        await flag_customers(connection, numbers, _now(), WORKER.name)

    def _open_metrics(self) -> None:
        if not self.settings.metrics_port:
            return
        collected = families(
            self.counters, self.analyst.tally, lambda: self.lists.versions, lambda: _now().date()
        )
        try:
            stop = serve_metrics(self.settings.host, self.settings.metrics_port, Families(collected))
        except OSError as error:
            raise OfficeError(
                f"metrics can't be served on {self.settings.host}:{self.settings.metrics_port} ({error}): choose "
                "another with --metrics-port, or 0 for none"
            ) from error
        self._stack.callback(stop)

    def _ended(self, name: str, error: BaseException) -> None:
        _log.error("a part of compliance has ended", part=name, kind=type(error).__name__)
        if not self.failed.done():
            self.failed.set_exception(error)


def _now() -> datetime:
    return datetime.now(UTC)


def _policy(settings: OfficeSettings) -> RulesPolicy:
    try:
        return RulesPolicy(**{"business_zone": settings.timezone, **settings.policy})
    except (TypeError, ValueError) as error:
        raise OfficeError(f"HOLDFAST_COMPLIANCE_POLICY: {error}") from error


def _reach_of(policy: RulesPolicy) -> Reach:
    return Reach(min(policy.flag_over_usd_minor, policy.suspicious_from_usd_minor), policy.flag_over_score)
