"""What is too old goes, what is held or in use stays, and the log says so."""

from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import asyncpg
import pytest

from compliance.audit.copies import Copies
from compliance.audit.holds import HoldError, lift, listed, place
from compliance.audit.retention import LOCK, BrokenLogError, Periods, Retention, RetentionBusyError
from compliance.audit.verify import verify_log
from compliance.roles import Actor, Denied, Role
from loadtest.audit_bench import SEED_US, Workshop, seed
from server.store.portfolio import Portfolio

ADMIN = Actor("ada", Role.ADMIN)
NOW = datetime(2034, 1, 1, tzinfo=UTC)
OLD = NOW - timedelta(days=2_600)
YOUNG = NOW - timedelta(days=30)

TRANSFER = """
INSERT INTO transfers (id, sender, idempotency_key, request_digest, state, kind, direction, account_number, amount_minor,
    currency, payer_minor, payer_currency, payee_minor, payee_currency, fee_minor, counterparty_country,
    counterparty_bank, details, changed_at)
VALUES ($1::uuid, 1, $1::uuid::text, '', $2, 'wire', 'out', $3, 1, 840, 1, 840, 1, 840, 0, 840, '', '', $4)
"""
FLAGGED = """
INSERT INTO flagged (id, source, source_id, customer_number, kind, direction, amount_minor, currency, happened_at, flags,
    state, flagged_at, changed_by, changed_at)
VALUES ($1, 'transfer', $2, $3, 'wire', 'out', 1, 840, $4, '{kind}', 'done', $4, 'worker', $4)
"""
REVIEW = """
INSERT INTO reviews (flagged_id, source, source_id, tier, composite, origin, hits, matched, document, temporary,
    reviewed_by, reviewed_at)
VALUES ($1, 'transfer', $2, 'low', 1, 'rules', 0, false, '', $3, 'worker', $4)
"""
CASE = """
INSERT INTO cases (id, flagged_id, kind, queue, tier, state, source, source_id, customer_number, summary, due_at,
    disposition, reason, decided_by, decided_at, opened_at, changed_by, changed_at)
VALUES ($1, $2, 'transfer', 'wires', 'low', $3, 'transfer', $4, $5, 'a wire', $6, 'cleared', '', 'bob', $6, $6, 'bob', $6)
"""
EVENT = """
INSERT INTO case_events (case_id, event, before, after, actor, role, correlation_id)
VALUES ($1, 'opened', '', 'open', 'worker', 'analyst', '')
"""

AUTHORIZATION = """
INSERT INTO authorizations (transmission_time, decision_time, sequence, authorization_id, original_id, amount_minor,
    billed_minor, approved_minor, available_minor, account_number, ledger_status, programme, operation,
    transaction_type, currency, billing_currency, merchant_country, merchant_category, entry_mode, record_version, held,
    stand_in, recovered, response_code, authorization_code, acquirer_id, merchant_id, merchant_name, merchant_city,
    model, limits_passed, intent, decision, part_minor, owed_minor, chain, credit)
VALUES ($1, $1, 1, $2, $3, 1, 1, 1, 1, $4, 0, 1, 1, 1, 840, 840, 840, 5411, 1, 1, false, false, false, '00', '', '', '',
    '', '', '', '{}', '', '', 0, 0, 0, false)
"""


class Past:
    """Transfers of two customers, each flagged, reviewed, with a case."""

    def __init__(self, connection, accounts):
        self.connection = connection
        self.accounts = accounts  # number and customer

    async def transfer(self, at, *, account=0, state="posted", case="closed"):
        """One, with all that hangs on it; returns its id and its case's."""
        number, customer = self.accounts[account]
        identifier, flagged, case_id = uuid4(), uuid4(), uuid4()
        await self.connection.execute(TRANSFER, identifier, state, number, at)
        await self.connection.execute("INSERT INTO transfer_parties (transfer_id) VALUES ($1)", identifier)
        await self.connection.execute(FLAGGED, flagged, identifier, customer, at)
        await self.connection.execute(REVIEW, flagged, identifier, False, at)
        if case:
            await self.connection.execute(CASE, case_id, flagged, case, identifier, customer, at)
            await self.connection.execute(EVENT, case_id)
        return identifier, case_id

    async def left(self):
        """Rows by table."""
        tables = (
            "transfers",
            "transfer_events",
            "transfer_parties",
            "flagged",
            "reviews",
            "cases",
            "case_events",
        )
        return {name: await self.connection.fetchval(f"SELECT count(*) FROM {name}") for name in tables}

    async def transfers(self):
        """Ids of those that are left."""
        return {row["id"] for row in await self.connection.fetch("SELECT id FROM transfers")}


async def _past(shop, connection, keys):
    await Portfolio(shop.database, keys).ensure_demo(4)
    rows = await connection.fetch(
        "SELECT DISTINCT ON (customer_number) number, customer_number FROM accounts ORDER BY customer_number, number"
    )
    return Past(connection, [tuple(row) for row in rows])


def _retention(shop, now=NOW, **options):
    async def is_whole():
        return not (await verify_log(shop.database, shop.copies, shop.signer.public)).broken

    return Retention(shop.database, shop.checkpointer(50), is_whole, Periods(), lambda: now, **options)


def test_what_is_too_old_goes_and_the_rest_stays_when_retention_runs(in_workshop, keys):
    """A transfer goes with its flagged row, its reviews and its closed case; one that a case is open about stays."""

    async def work(shop):
        async with shop.database.acquire() as connection:
            past = await _past(shop, connection, keys)
            gone = [await past.transfer(OLD) for _ in range(5)]
            stays = {
                (await past.transfer(YOUNG))[0],
                (await past.transfer(OLD, case="in_review"))[0],
                (await past.transfer(OLD, state="pending_review", case=""))[0],
            }
            rehearsed = await _retention(shop).run(ADMIN, dry_run=True)
            assert len(await past.transfers()) == 8
            done = await _retention(shop, batch_max=2).run(ADMIN)
            assert rehearsed == done
            assert (done["transfers"], done["cases"], done["case_events"], done["transfer_parties"]) == (
                5,
                5,
                5,
                5,
            )
            assert await past.transfers() == stays
            assert gone
            assert (await past.left())["cases"] == 2
            assert set((await _retention(shop).run(ADMIN)).values()) == {0}
            audited = await connection.fetch("SELECT new FROM audit WHERE resource = 'table:transfers'")
            assert len(audited) == 3  # batches of two

    in_workshop(work)


def test_what_a_legal_hold_names_stays_until_it_is_lifted(in_workshop, keys):
    """A customer's, a case's, a transfer's, each with what belongs to it."""

    async def work(shop):
        async with shop.database.acquire() as connection:
            past = await _past(shop, connection, keys)
            mine, _ = await past.transfer(OLD, account=1)
            cased, case_id = await past.transfer(OLD)
            alone, _ = await past.transfer(OLD, case="")
            await past.transfer(OLD)
            holds = []
            for scope, reference in (
                ("customer", str(past.accounts[1][1])),
                ("case", str(case_id)),
                ("transfer", alone.hex),
            ):
                async with connection.transaction():
                    holds.append(
                        await place(
                            connection,
                            scope,
                            reference,
                            reason="subpoena 17",
                            until=None,
                            actor=ADMIN,
                            now=NOW,
                        )
                    )
            await _retention(shop).run(ADMIN)
            assert await past.transfers() == {mine, cased, alone}
            assert (await past.left())["cases"] == 2
            async with connection.transaction():
                await lift(connection, holds[0].id, reason="over", actor=ADMIN, now=NOW)
            await _retention(shop).run(ADMIN)
            assert await past.transfers() == {cased, alone}
            assert [hold.id for hold in await listed(connection)] != [] and len(
                await listed(connection, all_of_them=True)
            ) == 3
            actions = await connection.fetch(
                "SELECT action FROM audit WHERE action LIKE 'hold.%' ORDER BY number"
            )
            assert [row["action"] for row in actions] == ["hold.place"] * 3 + ["hold.lift"]

    in_workshop(work)


def test_an_authorization_goes_with_all_that_was_done_to_it_and_not_before(in_workshop, keys):
    """One whose clearing is younger stays, and so does one of a customer under legal hold."""

    async def work(shop):
        async with shop.database.acquire() as connection:
            past = await _past(shop, connection, keys)
            (first, _), (second, customer) = past.accounts[:2]
            gone, cleared, held = uuid4(), uuid4(), uuid4()
            for at, identifier, original, account in (
                (OLD, gone, None, first),
                (OLD, uuid4(), gone, first),
                (OLD, cleared, None, first),
                (YOUNG, uuid4(), cleared, first),
                (OLD, held, None, second),
            ):
                await connection.execute(AUTHORIZATION, at, identifier, original, account)
            await connection.execute(
                "INSERT INTO labels (authorization_id, verdict, report_id, learnt_at, received_at, source, reported_by, sender, taken_at) "
                "SELECT authorization_id, 1, '', $1, $1, 'chargebacks', '', 1, $1 FROM authorizations WHERE original_id IS NULL",
                OLD,
            )
            async with connection.transaction():
                await place(
                    connection, "customer", str(customer), reason="x", until=None, actor=ADMIN, now=NOW
                )
            done = await _retention(shop).run(ADMIN)
            assert (done["authorizations"], done["labels"]) == (2, 1)
            left = await connection.fetch(
                "SELECT coalesce(original_id, authorization_id) AS id FROM authorizations"
            )
            assert {row["id"] for row in left} == {cleared, held}
            assert len(left) == 3

    in_workshop(work)


def test_a_legal_hold_ends_by_itself_when_its_time_is_over(in_workshop, keys):
    """Until then it holds."""

    async def work(shop):
        async with shop.database.acquire() as connection:
            past = await _past(shop, connection, keys)
            held, _ = await past.transfer(OLD)
            async with connection.transaction():
                await place(
                    connection,
                    "transfer",
                    held.hex,
                    reason="letter",
                    until=NOW + timedelta(days=1),
                    actor=ADMIN,
                    now=NOW,
                )
            await _retention(shop).run(ADMIN)
            assert await past.transfers() == {held}
            await _retention(shop, NOW + timedelta(days=2)).run(ADMIN)
            assert await past.transfers() == set()

    in_workshop(work)


REFUSED = (
    ("planet", "1", "x", None, "scope"),
    ("customer", "one", "x", None, "reference"),
    ("customer", "999999", "x", None, "reference"),
    ("case", "zz", "x", None, "reference"),
    ("transfer", UUID(int=5).hex, "x", None, "reference"),
    ("customer", "1", " ", None, "reason"),
    ("customer", "1", "x", NOW - timedelta(days=1), "until"),
)


def test_a_hold_is_refused_with_the_name_of_the_field_that_is_wrong(in_workshop):
    """And nothing is written."""

    async def work(shop):
        async with shop.database.acquire() as connection, connection.transaction():
            for scope, reference, reason, until, field in REFUSED:
                with pytest.raises(HoldError, match=f"^{field}: "):
                    await place(
                        connection, scope, reference, reason=reason, until=until, actor=ADMIN, now=NOW
                    )
            assert await connection.fetchval("SELECT count(*) FROM audit") == 0

    in_workshop(work)


def test_only_an_admin_deletes_and_holds(in_workshop):
    """An officer sees; what is kept how long isn't his."""

    async def work(shop):
        officer = Actor("olga", Role.OFFICER)
        with pytest.raises(Denied):
            await _retention(shop).run(officer)
        async with shop.database.acquire() as connection, connection.transaction():
            with pytest.raises(Denied):
                await place(connection, "customer", "1", reason="x", until=None, actor=officer, now=NOW)

    in_workshop(work)


def test_a_second_run_at_the_same_time_is_refused(in_workshop):
    """Over all processes."""

    async def work(shop):
        async with shop.database.acquire() as connection:
            await connection.execute("SELECT pg_advisory_lock($1)", LOCK)
            with pytest.raises(RetentionBusyError):
                await _retention(shop).run(ADMIN)

    in_workshop(work)


def test_a_legal_hold_is_never_changed_nor_deleted(in_workshop, keys):
    """Lifted once: that is all."""

    async def work(shop):
        async with shop.database.acquire() as connection:
            past = await _past(shop, connection, keys)
            async with connection.transaction():
                await place(
                    connection,
                    "customer",
                    str(past.accounts[0][1]),
                    reason="x",
                    until=None,
                    actor=ADMIN,
                    now=NOW,
                )
            for statement in ("DELETE FROM legal_holds", "UPDATE legal_holds SET reason = 'y'"):
                with pytest.raises(asyncpg.RaiseError, match="lifted once"):
                    await connection.execute(statement)

    in_workshop(work)


def test_the_log_still_verifies_when_its_oldest_rows_were_given_up(in_workshop):
    """By checkpoints whole, signed before; a row within ten years stays; a stranger's deletion of one more is found."""

    async def work(shop):
        await seed(shop.database, 120)
        await shop.checkpointer(50).seal()
        age = timedelta(days=3_650)
        after = datetime.fromtimestamp(SEED_US / 1e6, UTC) + age + timedelta(microseconds=105)
        done = await _retention(shop, after).run(ADMIN)
        assert done["audit"] == 100
        await shop.checkpointer(50).seal()
        report = await verify_log(shop.database, shop.copies, shop.signer.public)
        assert not report.broken, report.breaks
        assert (report.pruned_to, report.first_row) == (100, 101)
        async with shop.database.acquire() as connection:
            grants = await connection.fetch(
                "SELECT privilege_type FROM pg_class, aclexplode(relacl) WHERE oid = 'audit'::regclass"
            )
            assert "DELETE" not in {row["privilege_type"] for row in grants}
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await connection.execute("DELETE FROM audit WHERE number = 101")
            async with connection.transaction():
                await connection.execute("SET LOCAL session_replication_role = replica")
                await connection.execute("DELETE FROM audit WHERE number = 101")
        broken = await verify_log(shop.database, shop.copies, shop.signer.public)
        assert (broken.breaks[0].kind, broken.breaks[0].first_row) == ("deleted", 101)

    in_workshop(work)


def test_what_is_left_of_rows_that_were_given_up_goes_with_the_next_run(in_workshop):
    """A crash between the signature and the last deletion costs nothing, and the log verifies meanwhile."""

    async def work(shop):
        await seed(shop.database, 120)
        checkpointer = shop.checkpointer(50)
        await checkpointer.seal()
        async with shop.database.acquire() as connection:
            async with connection.transaction():
                await checkpointer.give_up(connection, 100)
            await connection.execute("DELETE FROM audit WHERE number <= 50")
        await checkpointer.copy()
        report = await verify_log(shop.database, shop.copies, shop.signer.public)
        assert not report.broken, report.breaks
        assert (await _retention(shop).run(ADMIN))["audit"] >= 50

    in_workshop(work)


def test_nothing_of_a_broken_log_is_given_up(in_workshop):
    """What is wrong with it is evidence."""

    async def work(shop):
        await seed(shop.database, 120)
        await shop.checkpointer(50).seal()
        async with shop.database.acquire() as connection, connection.transaction():
            await connection.execute("SET LOCAL session_replication_role = replica")
            await connection.execute("UPDATE audit SET content = replace(content, 'cleared', 'decided')")
        with pytest.raises(BrokenLogError):
            await _retention(shop).run(ADMIN)

    in_workshop(work)


def test_rows_about_what_is_held_stop_the_log_from_being_given_up_beyond_them(in_workshop, keys):
    """The log has no holes: what stands before a held row may go, it and what comes after stay."""

    async def work(shop):
        async with shop.database.acquire() as connection:
            past = await _past(shop, connection, keys)
            await seed(shop.database, 60)
            async with connection.transaction():
                await place(
                    connection,
                    "customer",
                    str(past.accounts[0][1]),
                    reason="x",
                    until=None,
                    actor=ADMIN,
                    now=NOW,
                )
            await shop.checkpointer(50).seal()
            done = await _retention(shop, NOW + timedelta(days=9_000)).run(ADMIN)
            assert done["audit"] == 50

    in_workshop(work)


def test_the_second_place_catches_up_when_it_was_away(in_workshop, tmp_path):
    """A crash between both places, a line half-written, a folder lost: the next checkpoint adds what is lacking."""

    async def work(shop):
        await seed(shop.database, 120)
        await shop.checkpointer(50).seal()
        whole = shop.copies.path.read_text()
        shop.copies.path.write_text(whole[: whole.index("\n") + 30])
        assert (await verify_log(shop.database, shop.copies, shop.signer.public)).broken
        assert await shop.checkpointer(50).seal() == 0
        assert shop.copies.path.read_text() == whole
        elsewhere = Workshop(shop.database, shop.signer, Copies(tmp_path / "another"))
        await elsewhere.checkpointer(50).seal()
        assert elsewhere.copies.path.read_text() == whole

    in_workshop(work)
