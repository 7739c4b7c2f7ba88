"""Whoever may do everything in PostgreSQL is found out, and where he was."""

import pytest

from compliance.audit.chain import link
from compliance.audit.verify import verify
from loadtest.audit_bench import TAMPERINGS, campaign

TIMES = 20


def test_every_tampering_is_found_with_its_place_when_the_log_is_verified(in_workshop):
    """20 of each kind; `holdfast bench audit --part tampering` does a thousand."""

    async def work(shop):
        return await campaign(shop, TIMES, seed_number=1)

    assert in_workshop(work) == dict.fromkeys(TAMPERINGS, TIMES)


def test_a_row_that_ends_a_checkpoint_is_named_when_it_was_edited_with_a_hash_that_fits(in_workshop):
    """The chain holds up to it, so the checkpoint tells: all of its rows but the last one make its root."""

    async def work(shop):
        await campaign(shop, 0, seed_number=1)
        async with shop.database.acquire() as connection, connection.transaction():
            before = await connection.fetchval("SELECT hash FROM audit WHERE number = 99")
            content = await connection.fetchval("SELECT content FROM audit WHERE number = 100")
            forged = content.replace("analyst-", "officer-")
            await connection.execute("SET LOCAL session_replication_role = replica")
            await connection.execute(
                "UPDATE audit SET content = $1, hash = $2 WHERE number = 100",
                forged,
                link(before, 100, forged.encode()),
            )
            report = await verify(connection, shop.copies.lines(), shop.signer.public)
        return [(each.kind, each.first_row) for each in report.breaks]

    assert in_workshop(work)[0] == ("edited", 100)


_WEAKENED = {
    "trigger audit_stays": """DROP TRIGGER audit_stays ON audit; CREATE TRIGGER audit_stays BEFORE UPDATE OR DELETE
        ON audit FOR EACH ROW WHEN (false) EXECUTE FUNCTION refuse_audit_change()""",
    "trigger audit_checkpoints_stay": """DROP TRIGGER audit_checkpoints_stay ON audit_checkpoints;
        CREATE TRIGGER audit_checkpoints_stay BEFORE DELETE ON audit_checkpoints
        FOR EACH ROW EXECUTE FUNCTION refuse_audit_change()""",
    "trigger audit_head_stays": "ALTER TABLE audit_head DISABLE TRIGGER audit_head_stays",
    "function refuse_audit_change": """CREATE OR REPLACE FUNCTION refuse_audit_change() RETURNS trigger LANGUAGE plpgsql
        AS 'BEGIN RETURN coalesce(NEW, OLD); END'""",
    "rule hush": "CREATE RULE hush AS ON DELETE TO audit_checkpoints DO INSTEAD NOTHING",
    "column actor": "ALTER TABLE audit ALTER COLUMN actor DROP EXPRESSION",
    "column role": """ALTER TABLE audit DROP COLUMN role;
        ALTER TABLE audit ADD COLUMN role text GENERATED ALWAYS AS ('officer') STORED""",
    "column pruned_to": "ALTER TABLE audit_checkpoints ALTER COLUMN pruned_to DROP EXPRESSION",
}


@pytest.mark.parametrize(("guard", "attack"), _WEAKENED.items())
def test_a_guard_that_was_weakened_is_named_when_every_row_is_whole(guard, attack, in_workshop):
    """It is there by its name, and holds less."""

    async def work(shop):
        async with shop.database.acquire() as connection, connection.transaction():
            assert not (await verify(connection, [], shop.signer.public)).broken
            await connection.execute(attack)
            return (await verify(connection, [], shop.signer.public)).breaks

    assert [(each.kind, each.text) for each in in_workshop(work)] == [
        ("guard", f"{guard} is not as it should be")
    ]
