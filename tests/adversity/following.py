"""What a server does with its PostgreSQL, seen from outside: which decisions are there, how soon changes are obeyed."""

import asyncio
import contextlib

import asyncpg

from tests.end_to_end.callers import obeyed_after_s, purchase
from tests.end_to_end.serving import END_TIMEOUT_S, execute

EFFECT_S = 1.0
"""How soon a change of a card must be obeyed."""

_ANNOUNCE = """
    CREATE OR REPLACE FUNCTION announce_position() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN PERFORM pg_notify('moved', NEW.position::text); RETURN NULL; END $$;
    CREATE OR REPLACE TRIGGER announced AFTER UPDATE ON journal_positions
    FOR EACH ROW EXECUTE FUNCTION announce_position();
"""


def shipped_ids(url, wanted):
    """All authorization ids in PostgreSQL, with repetitions, once `wanted` are there; the shipper says when it moved."""

    async def wait():
        async with asyncio.timeout(END_TIMEOUT_S):
            connection = await connected(url)
            moved = asyncio.Event()
            await connection.add_listener("moved", lambda *_: moved.set())
            await connection.execute(_ANNOUNCE)
            while True:
                moved.clear()
                rows = await connection.fetch("SELECT authorization_id FROM authorizations")
                found = [row["authorization_id"].hex for row in rows]
                if wanted <= set(found):
                    await connection.close()
                    return found
                await moved.wait()

    return asyncio.run(wait())


async def connected(url):
    """A connection, once PostgreSQL takes one; the timeout is the caller's."""
    while True:
        with contextlib.suppress(OSError, asyncpg.PostgresError):
            return await asyncpg.connect(url, timeout=5)


def effect_s(caller, url, card, state, code):
    """Seconds from a committed change of a card's state until every request that is sent obeys it."""
    execute(url, f"UPDATE cards SET state = '{state}' WHERE number = {card}")
    return obeyed_after_s(lambda: caller.authorize(purchase(card, 1)).response_code == code, 10 * EFFECT_S)


def assert_followed(caller, url, cards):
    """Freezing and unfreezing take effect within EFFECT_S; one slow turn of a busy machine in three is forgiven."""
    frozen_s = sorted(effect_s(caller, url, card, "frozen", "78") for card in cards)
    assert frozen_s[1] <= EFFECT_S, frozen_s
    active_s = sorted(effect_s(caller, url, card, "active", "00") for card in cards)
    assert active_s[1] <= EFFECT_S, active_s
