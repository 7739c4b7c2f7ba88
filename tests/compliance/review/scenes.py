"""Flagged transfers in a database, and named stand-ins for the rooms beside this one."""

import itertools
import json
from datetime import UTC, datetime
from uuid import UUID, uuid4
from zoneinfo import ZoneInfo

from compliance.cases.clocks import ServiceLevels
from compliance.facts import Flag
from compliance.results import Analysis, Assessment, Duty, DutyKind, Hit, Origin, Tier
from compliance.review.counters import Counters
from compliance.review.desk import ReviewDesk
from compliance.review.enrichment import Enricher
from compliance.review.intake import Intake, Reach
from compliance.review.kept import Keeper
from compliance.review.reviewer import Reviewer
from compliance.review.tables import Tables
from compliance.review.worker import Pace, Worker
from server.store.database import TRANSIENT
from server.store.portfolio import NewCard, Portfolio, demo_pan
from server.store.postgres import StoreError

AWAY = (*TRANSIENT, StoreError)
TABLES = Tables(
    {840: "USD", 978: "EUR"},
    {0: "", 840: "US", 276: "DE", 364: "IR"},
    lambda amount_minor, currency: amount_minor if currency == 840 else None,
    lambda: [840],
    ZoneInfo("America/New_York"),
)
_numbers = itertools.count(1)


def now():
    """The clock of these tests: the real one, since PostgreSQL's is."""
    return datetime.now(UTC)


class PlainLists:
    """A list of one name; whoever bears it is a match."""

    def __init__(self, listed="Osama Nobody"):
        self.listed = listed
        self.versions = {"ofac_sdn": "2026-01-01"}
        self.asked = []

    @property
    def screener(self):
        return self

    def screen(self, name, *, role=None, **_):
        self.asked.append((role, name))
        if name != self.listed:
            return []
        return [Hit(role, "ofac_sdn", "1", name, name, "TEST", 1.0, True, (), (), "2026-01-01")]


class PlainPolicies:
    """Nothing applies."""

    async def passages(self, *_, **_options):
        return []


class PlainAnalyst:
    """Repeats the rules; can be told to fail on a purpose, or to wait."""

    def __init__(self):
        self.poison = ""
        self.gate = None
        self.seen = []

    async def analyse(self, dossier, assessment, *_, **_options):
        self.seen.append(dossier.subject.id)
        if self.gate is not None:
            await self.gate.wait()
        if self.poison and dossier.subject.purpose == self.poison:
            raise ZeroDivisionError(f"poisoned by {self.poison}")
        return Analysis(Origin.RULES, assessment.tier, (), (), assessment.duties, (), 1.0, "")


def plain_assess(_dossier, hits):
    """HIGH for a match, LOW for the rest."""
    matched = any(hit.is_match for hit in hits)
    duties = (Duty(DutyKind.BLOCK, "31 CFR 501.603", "on a list"),) if matched else ()
    return Assessment(10.0, (), Tier.HIGH if matched else Tier.LOW, (), (), (), duties)


def flag_all(subject, _customer):
    """Every transfer, and every authorization of 500.00 or more."""
    if subject.card_number is None:
        return (Flag.WAITING,) if subject.state == "pending_review" else (Flag.KIND,)
    return (Flag.AMOUNT,) if subject.usd_minor >= 50_000 else ()


class Scene:
    """A worker's parts on one database."""

    def __init__(self, database, keys, *, holder="here", pace=None, flags_of=flag_all, listed="Osama Nobody"):
        self.database, self.keys = database, keys
        self.counters = Counters()
        self.lists = PlainLists(listed)
        self.analyst = PlainAnalyst()
        self.intake = Intake(database, keys, TABLES, flags_of, Reach(50_000, 0.7), self.counters)
        self.enricher = Enricher(keys, TABLES)
        self.reviewer = Reviewer(
            self.lists, lambda *_: False, plain_assess, PlainPolicies(), self.analyst, now
        )
        self.keeper = Keeper(keys, ServiceLevels())
        self.desk = ReviewDesk(database, self.keeper, self.enricher, self.reviewer, now)
        self.pace = pace or Pace(hands=1)
        self.worker = Worker(
            database,
            self.keeper,
            self.intake,
            self.enricher,
            self.reviewer,
            self.counters,
            now,
            AWAY,
            holder,
            self.pace,
        )

    async def fetch(self, sql, *arguments):
        """Rows."""
        async with self.database.acquire() as connection:
            return await connection.fetch(sql, *arguments)

    async def value(self, sql, *arguments):
        """One value."""
        async with self.database.acquire() as connection:
            return await connection.fetchval(sql, *arguments)


async def people(database, keys, count=3):
    """Customers 0 to count - 1 with a card and an account each."""
    cards = [
        NewCard(demo_pan(n), f"Given{n}", f"Family{n}", birth_date=f"19{50 + n % 50}-01-01")
        for n in range(count)
    ]
    await Portfolio(database, keys).create(cards, "standard")


async def transfer(
    connection,
    keys,
    *,
    kind="wire",
    direction="out",
    account=0,
    payee=None,
    usd_minor=1_000_000,
    country=276,
    state="posted",
    counterparty=None,
    conductor=None,
    purpose="rent",
    branch="",
    at=None,
):
    """A transfer as the server would have written it, through its state `submitted`; its id."""
    identifier = UUID(int=uuid4().int & ~0xFF)
    details = {
        "counterparty": {"name": "Erika Muster", "account": "DE1"} if counterparty is None else counterparty,
        "holder_address": "1 Way",
        "conductor": conductor or {},
        "purpose": purpose,
        "branch": branch,
    }
    if kind.startswith("cash") or kind == "internal":
        details["counterparty"], country = counterparty or {}, 0
    await connection.execute(
        """INSERT INTO transfers (id, sender, idempotency_key, request_digest, state, kind, direction, account_number,
               payee_account, amount_minor, currency, payer_minor, payer_currency, payee_minor, payee_currency,
               fee_minor, usd_minor, counterparty_country, counterparty_bank, details, created_at)
           VALUES ($1, 1, $2, '', 'submitted', $3, $4, $5, $6, $7, 840, $7, 840, $7, 840, 0, $7, $8, '', $9,
                   coalesce($10, now()))""",
        identifier,
        f"key {next(_numbers)}",
        kind,
        direction,
        account,
        payee,
        usd_minor,
        country,
        keys.seal("transfers.details", json.dumps(details)),
        at,
    )
    if state != "submitted":
        await connection.execute("UPDATE transfers SET state = $2 WHERE id = $1", identifier, state)
    return identifier


async def authorization(
    connection, *, amount_minor=60_000, account=0, shipment=None, country=840, score=0.1, **more
):
    """An authorization as the shipper would have written it; its id. The journal's position follows."""
    identifier = uuid4()
    if shipment is None:
        shipment = await connection.fetchval(
            """INSERT INTO journal_positions (journal, position) VALUES ('decisions', 1)
               ON CONFLICT (journal) DO UPDATE SET position = journal_positions.position + 1 RETURNING position"""
        )
    values = {
        "transmission_time": now(), "decision_time": now(), "sequence": next(_numbers),
        "authorization_id": identifier, "amount_minor": amount_minor, "billed_minor": amount_minor,
        "approved_minor": amount_minor, "available_minor": 0, "card_number": account, "account_number": account,
        "score": score, "ledger_status": 0, "programme": 0, "operation": 1, "transaction_type": 1, "currency": 840,
        "billing_currency": 840, "merchant_country": country, "merchant_category": 5411, "entry_mode": 1,
        "limits_passed": [], "record_version": 1, "held": True, "stand_in": False, "recovered": False,
        "response_code": "00", "authorization_code": "", "acquirer_id": "1", "merchant_id": "2",
        "merchant_name": "Shop", "merchant_city": "Town", "model": "", "intent": b"", "decision": b"",
        "shipment": shipment, **more,
    }  # fmt: skip
    places = ", ".join(f"${n}" for n in range(1, len(values) + 1))
    await connection.execute(
        f"INSERT INTO authorizations ({', '.join(values)}) VALUES ({places})", *values.values()
    )
    return identifier
