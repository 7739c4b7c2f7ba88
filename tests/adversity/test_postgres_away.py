"""PostgreSQL stops and comes back: no cardholder notices, every decision is shipped once, changes take effect."""

import signal

from server.store.postgres import EmbeddedPostgres
from tests.adversity.following import assert_followed, effect_s, shipped_ids
from tests.end_to_end.audit import Books
from tests.end_to_end.callers import calling, linked, purchase, reversal, same
from tests.end_to_end.serving import NOWHERE, end_process, fresh_home, postgres_process_id, serving


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
