"""Whoever may do everything in PostgreSQL is found out, and where he was."""

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
