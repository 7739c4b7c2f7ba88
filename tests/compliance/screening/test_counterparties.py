"""Counterparties of recent transfers are held against what lists change, and against nothing else."""

import asyncio
from datetime import UTC, datetime, timedelta

from compliance.facts import Source, flagged_id_of
from compliance.screening.counterparties import screen_counterparties
from compliance.screening.lists import Lists
from compliance.screening.reading import read_lists
from compliance.screening.register import import_editions
from server.store.database import Database
from tests.compliance.review.scenes import Scene, people, transfer
from tests.compliance.screening.test_lists import BOB

DAYS = 90


def test_a_counterparty_that_a_list_comes_to_name_has_its_transfers_reviewed_again(files, database_url, keys):
    """The newest of an account and those that wait; not what is old; nobody twice; in batches that go on."""

    async def story():
        async with Database(database_url) as database:
            await people(database, keys)
            scene = Scene(database, keys)
            now = datetime.now(UTC)
            async with database.acquire() as connection:
                wanted = await _paid(connection, keys, "Boris Kalugrov", now)
            await scene.intake.take()
            await scene.fetch("UPDATE flagged SET state = 'done'")
            await import_editions(database, read_lists([files["sdn"]]), BOB)
            lists = await Lists.open(database, keys)

            async def run():
                return await screen_counterparties(
                    database, keys, lists, now, scene.intake.flag_listed, days=DAYS, batch=2
                )

            first = await run()
            assert (first.counterparties, first.met) == (4, 0)
            assert (await run()).counterparties == 0

            more = (
                files["sdn"]
                .read_text()
                .replace("\x1a", '105,"KALUGROV, Boris","individual","SDGT"' + ",-0- " * 8 + "\n\x1a")
            )
            files["sdn"].write_text(more)
            await import_editions(database, read_lists([files["sdn"]]), BOB)
            await lists.refresh()
            await scene.fetch(
                "UPDATE flagged SET state = 'claimed', lease_until = now() WHERE source_id = $1", wanted[0]
            )
            under_review = await run()
            assert under_review.met == 1
            await scene.fetch("UPDATE flagged SET state = 'done', lease_until = NULL")
            again = await run()
            assert (again.met, again.transfers) == (1, 2)
            rows = await scene.fetch(
                "SELECT id FROM flagged WHERE state = 'waiting' AND 'sanctions' = ANY (flags)"
            )
            assert {row["id"] for row in rows} == {flagged_id_of(Source.TRANSFER, one) for one in wanted}
            assert (await run()).counterparties == 0

    asyncio.run(story())


async def _paid(connection, keys, name, now):
    """Five payees, one of them twice and once long ago; the two transfers that count."""
    payee = {"name": name, "account": "X1"}
    for number in range(3):
        await transfer(connection, keys, counterparty={"name": f"Payee Nummer{number}", "account": "Y"})
    await transfer(connection, keys, counterparty=payee, at=now - timedelta(days=DAYS + 1))
    await transfer(connection, keys, counterparty=payee, at=now - timedelta(days=3))
    waiting = await transfer(
        connection, keys, counterparty=payee, at=now - timedelta(days=2), state="pending_review"
    )
    return [waiting, await transfer(connection, keys, counterparty=payee, at=now - timedelta(days=1))]
