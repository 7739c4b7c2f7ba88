"""Accounts that slept for more than a year."""

import asyncio
from datetime import timedelta

from compliance.facts import Source, flagged_id_of
from compliance.review.queue import Claim
from server.store.database import Database
from tests.compliance.review.scenes import Scene, now, people, transfer


def test_the_last_movement_is_known_when_it_is_years_ago(database_url, keys):
    """Two years, on the payee's side as on the payer's; of an account that never moved there is none."""
    long_ago = now() - timedelta(days=730)

    async def scenario():
        async with Database(database_url) as database:
            await people(database, keys, 4)
            scene = Scene(database, keys)
            async with database.acquire() as connection:
                await transfer(connection, keys, account=0, at=long_ago - timedelta(days=9))
                await transfer(connection, keys, kind="internal", account=3, payee=0, at=long_ago)
                await transfer(connection, keys, account=2, at=long_ago)
                await transfer(connection, keys, account=2, at=now() - timedelta(days=30))
                subjects = [await transfer(connection, keys, account=number) for number in range(3)]
                claims = [
                    Claim(flagged_id_of(Source.TRANSFER, each), Source.TRANSFER, each, (), 0)
                    for each in subjects
                ]
                found = await scene.enricher.enrich(connection, claims, now())
                return [found[claim.id].usual for claim in claims]

    asleep, new, awake = asyncio.run(scenario())
    assert (asleep.last_at, asleep.count, asleep.months) == (long_ago, 0, 0.0)
    assert new.last_at is None
    assert now() - awake.last_at < timedelta(days=31)
