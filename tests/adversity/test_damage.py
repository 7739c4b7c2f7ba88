"""Files that were damaged or opened wide while the server was down: guessed over nowhere, named always."""

import sqlite3

import pytest

from tests.end_to_end.audit import Books
from tests.end_to_end.callers import calling, fresh_key, purchase, same
from tests.end_to_end.serving import NOWHERE, Holdfast, fresh_home, serving

AWAY = {"HOLDFAST_DATABASE_URL": NOWHERE}


def refusal(home):
    """What a start that must not succeed writes."""
    server = Holdfast(home, environment=AWAY)
    try:
        status = server.ended()
    finally:
        if server.process.poll() is None:
            server.kill()
    assert status == 1, server.output
    assert "error:" in server.output
    assert "Traceback" not in server.output
    return server.output


@pytest.fixture(scope="module")
def used():
    """A home with one decision more than the greeting's, cleanly stopped; that request and its answer."""
    home = fresh_home()
    request = purchase(7)
    with serving(home, environment=AWAY) as server, calling(server.target) as caller:
        answer = caller.authorize(request)
        assert server.stop() == 0
    return home, request, answer


@pytest.fixture
def used_home(used):
    """The same in a copy, to be damaged."""
    home, request, answer = used
    return fresh_home(home), request, answer


def assert_remembers(home, request, answer):
    """A start on this home succeeds and answers the repeat as before."""
    with serving(home, environment=AWAY) as server, calling(server.target) as caller:
        assert same(answer, caller.authorize(request))
        assert server.stop() == 0


@pytest.mark.parametrize("damage", ["cut", "overwritten", "removed"])
def test_damaged_snapshot_is_left_aside_while_the_journal_is_whole(used_home, damage):
    """The snapshot only makes a start quicker: without it, the journal says the same."""
    home, request, answer = used_home
    path = home / "state.npz"
    if damage == "cut":
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    elif damage == "overwritten":
        path.write_bytes(bytes(path.stat().st_size))
    else:
        path.unlink()
    assert_remembers(home, request, answer)


def test_damaged_journal_row_is_refused_by_its_number(used_home):
    """A row that doesn't read back is named with the last good one, and nothing is answered."""
    home, _, _ = used_home
    (home / "state.npz").unlink()
    with sqlite3.connect(home / "journal.sqlite") as connection:
        last = connection.execute("SELECT max(number) FROM batches").fetchone()[0]
        connection.execute("UPDATE batches SET records = zeroblob(length(records)) WHERE number = ?", (last,))
    connection.close()
    said = refusal(home)
    assert f"row {last}" in said
    assert f"last good row is {last - 1}" in said


def test_key_that_others_may_read_is_refused():
    """Keys are their owner's alone; a start says which file is too open."""
    home = fresh_home()
    (home / "keys/pan.key").chmod(0o644)
    assert "pan.key" in refusal(home)


def test_directory_hashed_with_another_key_is_refused():
    """With another PAN key no card would be found: better not to start."""
    home = fresh_home()
    (home / "keys/pan.key").write_bytes(bytes(range(32)))
    assert "key" in refusal(home)


def test_damaged_directory_file_without_postgresql_is_refused_with_what_is_missing():
    """Where neither PostgreSQL nor the file has the cards, the start says so."""
    home = fresh_home()
    path = home / "directory.npz"
    path.write_bytes(path.read_bytes()[:1000])
    assert "PostgreSQL" in refusal(home)


def test_missing_model_leaves_requests_unscored_and_is_told():
    """The server starts without its model, approves as its programme says, and marks each answer."""
    home = fresh_home()
    environment = {**AWAY, "HOLDFAST_MODEL": str(home / "nothing here")}
    with serving(home, environment=environment) as server, calling(server.target) as caller:
        answer = caller.authorize(purchase(7))
        assert (answer.response_code, list(answer.reasons), answer.risk_score) == ("00", ["unscored"], 0.0)
        told = caller.explain(answer.authorization_id)
        assert (told.model_version, len(told.score_reasons)) == ("", 0)
        assert "there is no model" in server.output
        assert server.stop() == 0


def test_any_time_from_1970_to_9999_is_answered_by_the_message_clock():
    """A replay's times may be any: nothing breaks on the way, and the books balance."""
    home = fresh_home()
    times_s = [0, 1, 86_399, 2**31 - 1, 2**31, 2**32, 4_102_444_800, 253_402_300_799, 10**9, 0]
    arguments = ("--clock", "message")
    with serving(home, environment=AWAY, arguments=arguments) as server, calling(server.target) as caller:
        codes = []
        for sent_s in times_s * 2:
            request = purchase(7, 1)
            request.key.CopyFrom(fresh_key(sent_s=sent_s))
            codes.append(caller.authorize(request).response_code)
        assert server.stop() == 0, server.output
    assert set(codes) == {"00", "54"}
    Books(home).assert_balanced()
