"""PostgreSQL stops and comes back: no cardholder notices, every decision is shipped once, changes take effect."""

import asyncio
import contextlib
import shutil
import signal
import tempfile
import time
from pathlib import Path

import asyncpg
import pytest

from server.store.postgres import EmbeddedPostgres
from tests.end_to_end.audit import Books
from tests.end_to_end.callers import calling, linked, purchase, reversal, same
from tests.end_to_end.serving import (
    END_TIMEOUT_S,
    NOWHERE,
    end_process,
    execute,
    fresh_home,
    postgres_process_id,
    serving,
)

EFFECT_S = 1.0
"""How soon a change of a card must be obeyed."""

_ANNOUNCE = """
    CREATE OR REPLACE FUNCTION announce_position() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN PERFORM pg_notify('moved', NEW.position::text); RETURN NULL; END $$;
    CREATE OR REPLACE TRIGGER announced AFTER UPDATE ON journal_positions
    FOR EACH ROW EXECUTE FUNCTION announce_position();
"""


@pytest.fixture
def own_postgres():
    """A PostgreSQL of the test's own, with the demo portfolio of a home that has nothing else, and that home."""
    folder = Path(tempfile.mkdtemp(prefix="holdfast-test-"))
    home = fresh_home()
    (home / "postgres").rename(folder / "postgres")
    postgres = EmbeddedPostgres(folder)
    try:
        yield postgres, home
    finally:
        postgres.start()
        postgres.close()
        shutil.rmtree(folder)


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
    """Seconds from a committed change of a card's state until an answer obeys it."""
    execute(url, f"UPDATE cards SET state = '{state}' WHERE number = {card}")
    began_s = time.monotonic()
    while caller.authorize(purchase(card, 1)).response_code != code:
        assert time.monotonic() - began_s < 10 * EFFECT_S, f"card {card} was never {state}"
    return time.monotonic() - began_s


def assert_followed(caller, url, cards):
    """Freezing and unfreezing take effect within EFFECT_S; one slow turn of a busy machine in three is forgiven."""
    frozen_s = sorted(effect_s(caller, url, card, "frozen", "78") for card in cards)
    assert frozen_s[1] <= EFFECT_S, frozen_s
    active_s = sorted(effect_s(caller, url, card, "active", "00") for card in cards)
    assert active_s[1] <= EFFECT_S, active_s


def test_postgresql_that_stops_is_not_noticed_and_gets_everything_once(own_postgres):
    """Before, during and after its absence requests are answered; each decision is then one row; changes are obeyed."""
    postgres, home = own_postgres
    url = postgres.start()
    with (
        serving(home, environment={"HOLDFAST_DATABASE_URL": url}) as server,
        calling(server.target) as caller,
    ):
        assert_followed(caller, url, cards=[1, 2, 3])
        answers = [caller.authorize(purchase(k, 100)) for k in range(10, 30)]
        assert postgres.close()
        requests = [purchase(k, 100) for k in range(10, 200)]
        with linked(server.target) as link:
            link.send_all(dict(enumerate(requests, start=1)))
            answers += [answer.authorize for answer in link.answers(len(requests)).values()]
        released = caller.reverse(reversal(requests[0]))
        again = caller.authorize(requests[1])
        assert {answer.response_code for answer in answers} == {"00"}
        assert released.released_minor == 100
        assert again.replayed
        url = postgres.start()
        found = shipped_ids(url, {answer.authorization_id for answer in answers})
        assert_followed(caller, url, cards=[4, 5, 6])
        assert server.stop() == 0
        assert "Traceback" not in server.output
    books = Books(home)
    books.assert_balanced()
    assert len(found) == len(set(found))
    assert set(found) <= set(books.decisions)
    with serving(home, environment={"HOLDFAST_DATABASE_URL": url}) as server:
        found = shipped_ids(url, set(books.decisions))
        server.stop()
    assert len(found) == len(set(found))


def test_embedded_postgresql_that_is_killed_comes_back_by_itself():
    """The server starts its PostgreSQL again, ships what that missed once, and follows its changes."""
    home = fresh_home()
    with serving(home) as server, calling(server.target) as caller:
        before = [caller.authorize(purchase(k, 100)) for k in range(10, 20)]
        end_process(postgres_process_id(home), signal.SIGKILL)
        after = [caller.authorize(purchase(k, 100)) for k in range(10, 200)]
        assert {answer.response_code for answer in before + after} == {"00"}
        url = EmbeddedPostgres(home).url
        found = shipped_ids(url, {answer.authorization_id for answer in before + after})
        assert len(found) == len(set(found))
        assert_followed(caller, url, cards=[1, 2, 3])
        assert server.stop() == 0
        assert "Traceback" not in server.output
    assert postgres_process_id(home) is None


def test_server_starts_and_authorizes_with_postgresql_away_and_ships_when_it_is_back():
    """The directory's file is enough to answer; a later start with PostgreSQL ships those decisions too."""
    home = fresh_home()
    request = purchase(11, 100)
    with (
        serving(home, environment={"HOLDFAST_DATABASE_URL": NOWHERE}) as server,
        calling(server.target) as caller,
    ):
        first = caller.authorize(request)
        assert first.response_code == "00"
        assert caller.explain(first.authorization_id).response == first
        assert caller.authorize(purchase(0, pan="4111111111111111")).response_code == "14"
        assert "PostgreSQL is away" in server.output
        assert server.stop() == 0
        assert "Traceback" not in server.output
    with serving(home) as server, calling(server.target) as caller:
        assert same(first, caller.authorize(request))
        found = shipped_ids(EmbeddedPostgres(home).url, {first.authorization_id})
        assert found.count(first.authorization_id) == 1
        server.stop()


def test_card_that_was_frozen_before_a_clean_stop_stays_frozen_with_postgresql_away():
    """What the server knew when it stopped, it knows when it starts without PostgreSQL."""
    home = fresh_home()
    with serving(home) as server, calling(server.target) as caller:
        effect_s(caller, EmbeddedPostgres(home).url, 7, "frozen", "78")
        assert server.stop() == 0
    with (
        serving(home, environment={"HOLDFAST_DATABASE_URL": NOWHERE}) as server,
        calling(server.target) as caller,
    ):
        assert caller.authorize(purchase(7)).response_code == "78"
