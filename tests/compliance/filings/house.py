"""A bank with its books, cases and people, on real PostgreSQL: what desk tests stand on."""

import json
from contextlib import asynccontextmanager
from datetime import UTC, date, datetime, timedelta
from uuid import uuid4
from zoneinfo import ZoneInfo

from compliance.cases.filed import mark_filed
from compliance.facts import Source, flagged_id_of
from compliance.filings.desk import FilingDesk
from compliance.filings.dispatch import Dispatch
from compliance.filings.profiles import Profiles
from compliance.filings.record import Record
from compliance.filings.schemas import Schemas
from compliance.results import DutyKind
from compliance.roles import Actor, Role
from server.store.customers import Customers, NewCustomer
from server.store.database import Database
from server.store.transfers import Details
from tests.compliance.filings.samples import BANK

ZONE = ZoneInfo("America/New_York")
MONDAY = datetime(2026, 1, 5, 15, 0, tzinfo=UTC)
ANNA, OLAF, OTTO = Actor("anna", Role.ANALYST), Actor("olaf", Role.OFFICER), Actor("otto", Role.OFFICER)
VERA = Actor("vera", Role.VIEWER)
ADA = {
    "country": "US",
    "industry": "541715",
    "street": "1 Mill Lane",
    "city": "Springfield",
    "state": "IL",
    "postal_code": "62701",
    "occupation": "Mathematician",
    "tin": "912345678",
    "id_type": "passport",
    "id_number": "P1234567",
    "id_country": "US",
}
CONDUCTOR = {
    "name": "Charles Babbage",
    "address": "5 Devonshire Street, Chicago, IL 60601",
    "birth_date": "1971-12-26",
    "id_type": "Driver's License",
    "id_number": "B777",
    "id_country": "US",
}
_ACCOUNT = """
INSERT INTO accounts (number, customer_number, account_number, account_last_four, currency)
VALUES ($1, $2, $3, $4, 840)
"""
_TRANSFER = """
INSERT INTO transfers (id, sender, idempotency_key, request_digest, state, kind, direction, account_number, amount_minor,
                       currency, payer_minor, payer_currency, payee_minor, payee_currency, fee_minor, usd_minor,
                       counterparty_country, counterparty_bank, details, created_at)
VALUES ($1, 1, $2, '', 'posted', $3, $4, $5, $6, 840, $6, 840, $6, 840, 0, $6, 0, '', $7, $8)
"""
_CASE = """
INSERT INTO cases (id, flagged_id, kind, queue, tier, state, source, source_id, customer_number, summary, duties, due_at,
                   disposition, decided_by, decided_at, reason, forms_awaited, opened_at, changed_by, changed_at)
VALUES ($1, $2, 'transfer', 'cash', 'medium', $3, $4, $5, $6, 'cash', $7, $8, $9, $10, $11, $12, $13, $8, 'worker', $8)
"""
_FLAGGED = """
INSERT INTO flagged (id, source, source_id, customer_number, account_number, kind, direction, amount_minor, currency,
                     usd_minor, happened_at, flags, changed_by)
VALUES ($1, 'transfer', $2, $3, $4, 'cash_deposit', 'in', 1, 840, 1, $5, '{}', 'worker')
"""
_REVIEW = """
INSERT INTO reviews (flagged_id, source, source_id, tier, composite, origin, hits, matched, document, reviewed_by, reviewed_at)
VALUES ($1, 'transfer', $2, 'medium', 50, 'rules', 0, false, $3, 'worker', $4)
"""


class House:
    """What a test holds."""

    def __init__(self, database, keys, folder):
        self.database, self.keys, self.folder = database, keys, folder
        self.now = MONDAY + timedelta(days=2)
        self.schemas = Schemas(folder / "schemas")
        countries = {840: "US", 276: "DE"}
        self.profiles = Profiles(database, keys)
        self.desk = FilingDesk(database, keys, BANK, Record(keys, ZONE, countries), ZONE, lambda: self.now)
        self.dispatch = Dispatch(database, keys, BANK, self.schemas, ZONE, _filed, lambda: self.now)

    async def execute(self, sql, *arguments):
        async with self.database.acquire() as connection:
            return await connection.execute(sql, *arguments)

    async def fetch(self, sql, *arguments):
        async with self.database.acquire() as connection:
            return await connection.fetch(sql, *arguments)

    async def internal(self, amount_minor, *, payer=1, payee=0, at=MONDAY):
        """The id of a posted transfer between two accounts."""
        identifier = uuid4()
        details = self.keys.seal("transfers.details", Details().text)
        await self.execute(
            _TRANSFER, identifier, identifier.hex, "internal", "out", payer, amount_minor, details, at
        )
        await self.execute("UPDATE transfers SET payee_account = $2 WHERE id = $1", identifier, payee)
        return identifier

    async def without_rate(self, identifier):
        """No rate was known when that transfer was made."""
        await self.execute("UPDATE transfers SET usd_minor = NULL WHERE id = $1", identifier)

    async def cash(
        self, amount_minor, *, account=0, at=MONDAY, kind="cash_deposit", conductor=None, branch="north"
    ):
        """The id of a posted cash transfer."""
        identifier = uuid4()
        details = Details(conductor=conductor or {}, branch=branch).text
        await self.execute(
            _TRANSFER,
            identifier,
            identifier.hex,
            kind,
            "in" if kind == "cash_deposit" else "out",
            account,
            amount_minor,
            self.keys.seal("transfers.details", details),
            at,
        )
        return identifier

    async def case(
        self, transfer, *, duties=(), findings=(), state="decided", hits=(), source=Source.TRANSFER
    ):
        """The id of a case about that transfer or customer, decided for filing unless told otherwise."""
        identifier, flagged = uuid4(), flagged_id_of(source, transfer)
        await self.execute(_FLAGGED, flagged, transfer, 0, 0, MONDAY)
        review = {
            "assessment": {"findings": list(findings)},
            "hits": list(hits),
            "analysis": {"narrative": "The deposits lack a business reason."},
        }
        sealed = self.keys.seal("reviews.document", json.dumps(review))
        await self.execute(_REVIEW, flagged, transfer, sealed, MONDAY)
        is_decided = state == "decided"
        await self.execute(
            _CASE,
            identifier,
            flagged,
            state,
            source,
            transfer,
            0,
            json.dumps([{"kind": kind, "due": "2026-02-04"} for kind in duties]),
            MONDAY,
            "suspicious" if is_decided else None,
            "olaf" if is_decided else "",
            MONDAY if is_decided else None,
            self.keys.seal("cases.reason", "it is") if is_decided else None,
            list(duties) if is_decided else [],
        )
        return identifier


async def _filed(connection, case_id, filing_id, actor, now, form):
    await mark_filed(connection, case_id, filing_id, actor, now, form=DutyKind(form.value))


def finding(rule, movements, severity=3):
    """A finding as a review keeps it."""
    return {
        "rule": rule,
        "severity": severity,
        "citation": "31 CFR 1010.314",
        "text": f"{len(movements)} deposits stayed under the limit.",
        "movements": [each.hex for each in movements],
    }


@asynccontextmanager
async def house(database_url, keys, folder):
    """Ada is customer 0 with account 0, Grace customer 1 with account 1; Ada's profile is there."""
    async with Database(database_url) as database:
        customers = Customers(database, keys)
        for given, family in (("Ada", "Byron"), ("Grace", "Hopper")):
            await customers.add(NewCustomer(given, family, birth_date=date(1985, 12, 10)))
        scene = House(database, keys, folder)
        for number in (0, 1):
            written = f"00012345678{number}"
            sealed = keys.seal("accounts.account_number", written)
            last_four = keys.seal("accounts.account_last_four", written[-4:])
            await scene.execute(_ACCOUNT, number, number, sealed, last_four)
        await scene.profiles.change(0, ADA, ANNA, MONDAY)
        yield scene
