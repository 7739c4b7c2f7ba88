"""A dossier holds what went before: by account, by person, by neighbour."""

import asyncio
from datetime import timedelta

import pytest

from compliance.facts import Direction, Flag, Source, flagged_id_of
from compliance.results import DutyKind
from compliance.review.enrichment import Unknown
from compliance.review.queue import Claim
from compliance.roles import Actor, Denied, Role
from compliance.rules.assess import assess
from compliance.rules.countries import CountryTable
from compliance.rules.policy import RulesPolicy
from server.store.database import Database
from tests.compliance.review.scenes import Scene, authorization, now, people, transfer


def _with(database_url, keys, claim, count=6):
    async def run():
        async with Database(database_url) as database:
            await people(database, keys, count)
            await claim(Scene(database, keys))

    asyncio.run(run())


async def _dossier(scene, identifier, source=Source.TRANSFER):
    while await scene.intake.take():
        pass
    claim = Claim(flagged_id_of(source, identifier), source, identifier, (Flag.KIND,), 1)
    async with scene.database.acquire() as connection:
        found = (await scene.enricher.enrich(connection, [claim], now()))[claim.id]
    if isinstance(found, Exception):
        raise found
    return found


def test_a_dossier_knows_its_customer_and_who_takes_part(database_url, keys):
    """Names unsealed, each in its role."""

    async def claim(scene):
        async with scene.database.acquire() as connection:
            made = await transfer(connection, keys, account=2)
        dossier = await _dossier(scene, made)
        assert dossier.customer.name == "Given2 Family2"
        assert [(party.role, party.name) for party in dossier.subject.parties] == [
            ("customer", "Given2 Family2"),
            ("counterparty", "Erika Muster"),
        ]
        assert (dossier.subject.country, dossier.subject.is_cross_border) == ("DE", True)

    _with(database_url, keys, claim)


def test_history_is_of_90_days_with_cards_and_both_sides_of_internal_transfers(database_url, keys):
    """Oldest first, the subject among them; failed ones and older ones are not in it."""

    async def claim(scene):
        at = now()
        async with scene.database.acquire() as connection:
            await transfer(connection, keys, at=at - timedelta(days=91))
            old = await transfer(connection, keys, at=at - timedelta(days=80))
            await transfer(connection, keys, state="failed", at=at - timedelta(days=3))
            card = await authorization(connection, transmission_time=at - timedelta(days=2))
            paid = await transfer(
                connection, keys, kind="internal", account=1, payee=0, at=at - timedelta(days=1)
            )
            subject = await transfer(connection, keys)
        dossier = await _dossier(scene, subject)
        assert [movement.id for movement in dossier.history] == [old, card, paid, subject]
        assert dossier.history[2].direction == Direction.IN
        assert dossier.history[2].other == "account:1"
        assert dossier.history[0].other == dossier.history[3].other != ""
        assert dossier.usual.count == 4
        assert dossier.usual.last_at == dossier.history[2].at
        assert dossier.usual.last_30_days_usd_minor == 60_000 + 2 * 1_000_000

    _with(database_url, keys, claim)


def test_cash_of_the_day_is_that_of_the_same_persons_on_any_account(database_url, keys):
    """A conductor's deposits for others, the holder's own, and what he did at the counter for somebody else."""

    async def claim(scene):
        smith = {"name": "John Smith", "birth_date": "1970-01-01", "address": "1 Way"}
        holder = {"name": "Given3 Family3", "birth_date": "1953-01-01", "address": "1 Way"}
        async with scene.database.acquire() as connection:
            await transfer(connection, keys, kind="cash_deposit", direction="in", account=4)
            by_smith = await transfer(
                connection, keys, kind="cash_deposit", direction="in", account=1, conductor=smith
            )
            by_holder = await transfer(
                connection, keys, kind="cash_deposit", direction="in", account=2, conductor=holder
            )
            own = await transfer(connection, keys, kind="cash_deposit", direction="in", account=3)
            subject = await transfer(
                connection,
                keys,
                kind="cash_deposit",
                direction="in",
                account=3,
                conductor={**smith, "name": "JOHN  Smith"},
            )
        dossier = await _dossier(scene, subject)
        assert {movement.id for movement in dossier.cash_today} == {by_smith, by_holder, own, subject}
        conductors = {movement.id: movement.conductor for movement in dossier.cash_today}
        assert conductors[own] == ""
        assert conductors[by_smith] == conductors[subject] != ""

    _with(database_url, keys, claim)


def test_the_network_reaches_two_steps_far(database_url, keys):
    """From whom the customer paid to whom those paid, and no further."""

    async def claim(scene):
        async with scene.database.acquire() as connection:
            second = await transfer(connection, keys, kind="internal", account=1, payee=2)
            await transfer(connection, keys, kind="internal", account=2, payee=3)
            subject = await transfer(connection, keys, kind="internal", account=0, payee=1)
        dossier = await _dossier(scene, subject)
        assert {movement.id for movement in dossier.network} == {second, subject}
        found = next(movement for movement in dossier.network if movement.id == second)
        assert (found.account_number, found.other, found.customer_number) == (1, "account:2", 1)

    _with(database_url, keys, claim)


def test_an_analysis_on_demand_is_kept_for_a_day_where_nothing_was_flagged(database_url, keys):
    """Without a case; and whoever may not ask gets none."""

    async def claim(scene):
        async with scene.database.acquire() as connection:
            small = await authorization(connection, amount_minor=500)
        alice = Actor("alice", Role.ANALYST)
        result = await scene.desk.analyse_now(Source.AUTHORIZATION, small, alice)
        rows = await scene.fetch("SELECT * FROM reviews")
        assert [(row["flagged_id"], row["temporary"], row["reviewed_by"]) for row in rows] == [
            (result.flagged_id, True, "alice")
        ]
        assert await scene.value("SELECT count(*) FROM cases") == 0
        with pytest.raises(Denied):
            await scene.desk.analyse_now(Source.AUTHORIZATION, small, Actor("eve", Role.VIEWER))
        with pytest.raises(Unknown):
            await scene.desk.analyse_now(Source.TRANSFER, small, alice)

    _with(database_url, keys, claim)


def test_one_sum_that_is_broken_up_over_branches_of_one_day_is_seen(database_url, keys):
    """6,000 at one branch and 5,000 at another: a currency report, and suspicion (31 CFR 1010.313, 1010.314)."""

    async def scenario():
        async with Database(database_url) as database:
            await people(database, keys)
            scene = Scene(database, keys)
            at = now()
            async with database.acquire() as connection:
                deposits = [
                    await transfer(
                        connection,
                        keys,
                        kind="cash_deposit",
                        direction="in",
                        usd_minor=usd_minor,
                        branch=branch,
                        at=at,
                    )
                    for usd_minor, branch in ((600_000, "north"), (500_000, "south"))
                ]
                claim = Claim(
                    flagged_id_of(Source.TRANSFER, deposits[1]), Source.TRANSFER, deposits[1], (), 0
                )
                return (await scene.enricher.enrich(connection, [claim], now()))[claim.id]

    dossier = asyncio.run(scenario())
    assert {movement.branch for movement in dossier.cash_today} == {"north", "south"}
    found = assess(dossier, (), RulesPolicy(), CountryTable())
    assert {DutyKind.CTR, DutyKind.SAR} <= {duty.kind for duty in found.duties}
