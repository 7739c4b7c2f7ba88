"""`holdfast customers` and `holdfast cards`, as typed."""

import json

import pytest
import typer
from typer.testing import CliRunner

from server.cli import cards, customers


@pytest.fixture
def holdfast(database_url, tmp_path, monkeypatch):
    """Runs a command line on a home and a database of its own; gives status, what it printed, and its errors."""
    monkeypatch.setenv("HOLDFAST_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("HOLDFAST_DATABASE_URL", database_url)
    app = typer.Typer()
    app.add_typer(customers.app, name="customers")
    app.add_typer(cards.app, name="cards")

    def run(line):
        return CliRunner().invoke(app, line.split())

    return run


def _document(result):
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def test_a_person_gets_a_card_and_it_is_frozen_and_unfrozen(holdfast):
    """The day of a desk, each step one JSON document."""
    person = _document(
        holdfast("customers add Ada Byron --born 1985-12-10 --ssn 912-34-5678 --kyc verified --json")
    )
    assert (person["number"], person["given_name"], person["ssn"]) == (0, "A***", "****5678")
    issued = _document(holdfast("cards issue 0 --deposit-minor 5000 --expiry 3102 --json"))
    assert len(issued["pan"]) == 16 and issued["expiry_yymm"] == 3102
    assert _document(holdfast(f"cards freeze {issued['pan']} --json"))["state"] == "frozen"
    assert _document(holdfast(f"cards show {issued['token']} --json"))["state"] == "frozen"
    assert _document(holdfast("cards unfreeze 0 --json"))["state"] == "active"
    assert [card["number"] for card in _document(holdfast("cards list --json"))] == [0]
    assert _document(holdfast("customers set 0 --risk high --politically-exposed --block --json")) == {
        **person,
        "risk_rating": "high",
        "politically_exposed": True,
        "compliance_block": True,
        "accounts": [0],
    }


def test_people_are_shown_masked_in_tables_too(holdfast):
    """No name and no number in clear, whichever way it is printed."""
    holdfast("customers add Augusta Byronova --ssn 912345678")
    pan = _document(holdfast("cards issue 0 --json"))["pan"]
    for line in ("customers show 0", "customers show --ssn 912345678", "cards show 0", "cards list"):
        printed = holdfast(line).output
        assert "***" in printed
        assert [
            secret for secret in ("Augusta", "Byronova", "912345678", pan, pan[:-4]) if secret in printed
        ] == []


@pytest.mark.parametrize(
    ("line", "hint"),
    [
        ("customers show 5", "no customer 5"),
        ("customers show", "Name a customer"),
        ("customers add Ada Byron --ssn 12", "nine digits"),
        ("customers add Ada Byron --latitude 4", "go together"),
        ("cards freeze 7", "no such card"),
        ("cards issue 7", "holdfast customers add"),
        ("cards issue 0 --expiry 3013", "no YYMM"),
    ],
)
def test_an_error_says_what_to_do_and_ends_with_one(holdfast, line, hint):
    """No traceback, nothing on stdout."""
    result = holdfast(line)
    assert result.exit_code == 1 and result.stdout == ""
    assert hint in " ".join(result.stderr.split())
