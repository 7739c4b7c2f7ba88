"""Files that were damaged or opened wide while the server was down: guessed over nowhere, named always."""

import sqlite3

import pytest

from tests.end_to_end.callers import calling, purchase, same
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


@pytest.fixture
def used_home():
    """A home with one decision more than the greeting's, cleanly stopped; that request and its answer."""
    home = fresh_home()
    request = purchase(7)
    with serving(home, environment=AWAY) as server, calling(server.target) as caller:
        answer = caller.authorize(request)
        assert server.stop() == 0
    return home, request, answer


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
