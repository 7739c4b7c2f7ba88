"""`holdfast policies`, as typed."""

import json

import pytest
import typer
from typer.testing import CliRunner

from server.cli import policies

KEYS = ["citation", "title", "document", "effective", "jurisdiction", "text", "score"]


@pytest.fixture
def holdfast(database_url, tmp_path, monkeypatch):
    """Runs `holdfast policies …` on a database of its own."""
    monkeypatch.setenv("HOLDFAST_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("HOLDFAST_DATABASE_URL", database_url)
    app = typer.Typer()
    app.add_typer(policies.app, name="policies")
    return lambda *words: CliRunner().invoke(app, ["policies", *words])


@pytest.fixture
def manual(tmp_path):
    """A short manual in a file."""
    path = tmp_path / "manual.md"
    path.write_text(
        "# Cash\n\n## Counting\n\nTwo people count the cash.\n\n## Counterfeits\n\nThey are kept.\n"
    )
    return str(path)


def test_a_manual_is_imported_searched_shown_and_withdrawn(holdfast, manual):
    """What is printed with --json is one document."""
    done = holdfast("import", manual, "--kind", "manual", "--effective", "2025-01-01", "--json")
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout) == [{"name": "Cash", "outcome": "imported", "sections": 2, "passages": 2}]
    (first, *_) = json.loads(holdfast("search", "who counts cash?", "--json").stdout)
    assert list(first) == KEYS
    assert (first["citation"], first["effective"]) == ("Cash, Counting", "2025-01-01")
    assert "Two people" in holdfast("show", "Cash").stdout
    assert json.loads(holdfast("search", "cash", "--as-of", "2024-12-31", "--json").stdout) == []
    assert holdfast("withdraw", "Cash", "--on", "2025-06-01").exit_code == 0
    (listed,) = json.loads(holdfast("list", "--json").stdout)
    assert (listed["kind"], listed["withdrawn_on"]) == ("manual", "2025-06-01")
    assert json.loads(holdfast("search", "cash", "--json").stdout) == []


def test_what_is_wrong_is_named(holdfast, manual):
    """With status 1, and what is allowed."""
    wrong = {
        ("import", "nowhere.md"): "nowhere.md: there is no such file or folder",
        ("import", manual, "--kind", "law"): "kind: 'law' is none of statute",
        ("import", manual, "--effective", "soon"): "effective: 'soon' is no day like 2025-01-31",
        ("search", " "): "question: say what to look for",
        ("search", "cash", "--as-of", "today"): "as-of: 'today' is no day",
        ("show", "31 CFR 9.9"): "nothing in force is called '31 CFR 9.9'",
        ("withdraw", "Nothing"): "no document is called 'Nothing'",
    }
    done = {words: holdfast(*words) for words in wrong}
    assert [words for words, said in wrong.items() if said not in done[words].output] == []
    assert {one.exit_code for one in done.values()} == {1}


def test_who_may_only_see_may_not_import(holdfast, manual, monkeypatch):
    """A viewer searches; changing the library is an officer's."""
    monkeypatch.setenv("HOLDFAST_COMPLIANCE_PEOPLE", '{"vera": "viewer"}')
    monkeypatch.setenv("HOLDFAST_COMPLIANCE_USER", "vera")
    denied = holdfast("import", manual)
    assert (denied.exit_code, "vera (viewer) may not change lists" in denied.output) == (1, True)
    assert holdfast("search", "cash", "--json").stdout == "[]\n"
