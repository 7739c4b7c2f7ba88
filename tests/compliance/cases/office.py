"""A desk with people, a customer, a card, an authorization and a waiting wire, on real PostgreSQL."""

from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

from compliance.cases.desk import CaseDesk
from compliance.cases.opening import NewCase, open_cases
from compliance.cases.records import By
from compliance.facts import Kind, Source, flagged_id_of
from compliance.results import Duty, DutyKind, Tier
from compliance.roles import Actor, Role
from server.store.cards import Cards, NewPlastic
from server.store.customers import Customers, NewCustomer
from server.store.database import Database
from server.store.masking import mask_name

PEOPLE = {
    "vera": Role.VIEWER,
    "anna": Role.ANALYST,
    "olaf": Role.OFFICER,
    "otto": Role.OFFICER,
    "adam": Role.ADMIN,
}
VERA, ANNA, OLAF, OTTO, ADAM = (By(Actor(name, role), f"call-{name}") for name, role in PEOPLE.items())

_TRANSFER = """
INSERT INTO transfers (id, sender, idempotency_key, request_digest, state, kind, direction, account_number, amount_minor,
                       currency, payer_minor, payer_currency, payee_minor, payee_currency, fee_minor,
                       counterparty_country, counterparty_bank, details)
VALUES ($1, 1, $2, '', 'pending_review', 'wire', 'out', 0, 5000000, 840, 5000000, 840, 5000000, 840, 0, 840, '021000021', '')
"""
_AUTHORIZATION = """
INSERT INTO authorizations (transmission_time, decision_time, sequence, authorization_id, amount_minor, billed_minor,
                            approved_minor, available_minor, card_number, account_number, ledger_status, programme,
                            operation, transaction_type, currency, billing_currency, merchant_country, merchant_category,
                            entry_mode, limits_passed, record_version, held, stand_in, recovered, response_code,
                            authorization_code, acquirer_id, merchant_id, merchant_name, merchant_city, model, chain,
                            part_minor, owed_minor, credit, intent, decision)
VALUES (now(), now(), 1, $1, 900000, 900000, 900000, 0, 0, 0, 0, 0, 1, 1, 840, 840, 840, 5944, 3, '{}', 1, true, false,
        false, '00', '', '', '', 'a stranger''s words', '', '', 0, 0, 0, false, '', '')
"""


class Clock:
    """A clock that is moved."""

    def __init__(self):
        self.now = datetime(2026, 11, 20, 15, 0, tzinfo=UTC)  # a Friday

    def __call__(self):
        return self.now

    def forward(self, **time):
        """Later."""
        self.now += timedelta(**time)


class Scene:
    """What a test holds: the desk, its database, what cases are about."""

    def __init__(self, database, desk, clock):
        self.database, self.desk, self.clock = database, desk, clock
        self.transfer, self.authorization = UUID(int=0x1100), UUID(int=0x2200)

    async def case(self, source=Source.TRANSFER, tier=Tier.MEDIUM, duties=(), **fields):
        """The id of a new case about the waiting wire, the authorization, the customer, or (None) nothing that is there."""
        ids = {
            Source.TRANSFER: self.transfer,
            Source.AUTHORIZATION: self.authorization,
            Source.CUSTOMER: UUID(int=0),
        }
        wanted = NewCase(
            uuid4() if source is None else flagged_id_of(source, ids[source]), 0, tier, "transfer", "a large wire", None,
            duties=tuple(Duty(kind, "31 CFR 1010", "a rule says so", form) for kind, form in duties),
            source=source, source_id=ids.get(source), money=Kind.WIRE, **fields,
        )  # fmt: skip
        async with self.database.acquire() as connection, connection.transaction():
            return (await open_cases(connection, [wanted], self.clock()))[0]

    async def value(self, sql, *arguments):
        """One value."""
        async with self.database.acquire() as connection:
            return await connection.fetchval(sql, *arguments)

    async def rows(self, sql, *arguments):
        """Rows as tuples."""
        async with self.database.acquire() as connection:
            return [tuple(row) for row in await connection.fetch(sql, *arguments)]

    async def events(self, case_id):
        """Steps of a case by name, with the state after."""
        return await self.rows(
            "SELECT event, after FROM case_events WHERE case_id = $1 ORDER BY number", case_id
        )


@asynccontextmanager
async def deciding(database_url, keys, *, people=PEOPLE):
    """The scene."""
    clock = Clock()
    async with Database(database_url) as database:
        await Customers(database, keys).add(NewCustomer("Ada", "Byron"))
        await Cards(database, keys).issue(NewPlastic(0, 3012))
        desk = CaseDesk(database, keys, clock, mask=mask_name, people=people)
        scene = Scene(database, desk, clock)
        async with database.acquire() as connection:
            await connection.execute(_TRANSFER, scene.transfer, "key")
            await connection.execute(_AUTHORIZATION, scene.authorization)
        yield scene


SAR = (DutyKind.SAR, "FinCEN 111")
CTR = (DutyKind.CTR, "FinCEN 112")
BLOCK = (DutyKind.BLOCK, "")
