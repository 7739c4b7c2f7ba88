"""Disputes are opened, credited and resolved once, with their clocks."""

import json
from datetime import date, timedelta

import pytest
from typer.testing import CliRunner

from compliance.roles import Actor, Denied, Role
from compliance.rules.disputes import (
    DisputeError,
    DisputeKind,
    DisputeState,
    Told,
    checked,
    credit_dispute,
    dispute,
    disputes,
    open_dispute,
    resolve_dispute,
)
from compliance.rules.regulation_e import Loss
from server.cli import app
from server.store.customers import Customers, NewCustomer
from server.store.database import Database

_ACCOUNT = "INSERT INTO accounts (number, customer_number, account_number, account_last_four, currency) VALUES (0, $1, '', '', 840)"
TODAY = date(2026, 3, 31)
ANN, OLA, VIC = Actor("ann", Role.ANALYST), Actor("ola", Role.OFFICER), Actor("vic", Role.VIEWER)


def told(**changes):
    """A stolen card, told of within two business days."""
    given = {
        "account_number": 0,
        "kind": DisputeKind.UNAUTHORIZED,
        "loss": Loss(200_00),
        "first_on": date(2026, 3, 12),
        "noticed_on": date(2026, 3, 16),
        "learned_on": date(2026, 3, 13),
        "reason": "card stolen",
        "device": True,
    }
    return Told(**{**given, **changes})


@pytest.fixture
def office(run, database_url, keys):
    """Runs an async body with a database in which account 0 is open."""

    def runner(body):
        async def opened():
            async with Database(database_url) as database:
                customer = await Customers(database, keys).add(NewCustomer("Ada", "Byron"))
                async with database.acquire() as connection:
                    await connection.execute(_ACCOUNT, customer)
                return await body(database)

        return run(opened())

    return runner


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"loss": Loss(0)}, "amount"),
        ({"loss": Loss(500, -1)}, "amount"),
        ({"reason": " "}, "reason"),
        ({"noticed_on": TODAY + timedelta(days=1)}, "noticed"),
        ({"noticed_on": date(2026, 3, 11)}, "noticed"),
        ({"learned_on": date(2026, 3, 17)}, "learned"),
        ({"statement_on": date(2026, 4, 1)}, "statement"),
        ({"loss": Loss(500, 0, 500)}, "statement"),
    ],
)
def test_a_dispute_is_refused_by_field_when_it_makes_no_sense(changes, field):
    """What is allowed is told."""
    with pytest.raises(DisputeError, match=f"^{field}:"):
        checked(told(**changes), TODAY)


def test_a_dispute_runs_from_notice_to_its_end_with_every_change_on_record(office):
    """Credit buys the longer clock; the consumer bears 50 dollars at most."""

    async def body(database):
        opened = await open_dispute(database, told(), ANN, TODAY)
        assert opened.next_due == (date(2026, 3, 30), "resolve it, or credit provisionally")
        credited = await credit_dispute(database, opened.id, 200_00, date(2026, 3, 20), ANN)
        assert credited.next_due == (date(2026, 4, 30), "resolve it")
        with pytest.raises(DisputeError, match="credited on 2026-03-20"):
            await credit_dispute(database, opened.id, 200_00, date(2026, 3, 20), ANN)
        with pytest.raises(DisputeError, match="0 to 5000 cents"):
            await resolve_dispute(database, opened.id, DisputeState.ERROR_FOUND, TODAY, "stolen", OLA, 50_01)
        closed = await resolve_dispute(database, opened.id, DisputeState.ERROR_FOUND, TODAY, "stolen", OLA)
        assert (closed.liability_minor, closed.state) == (50_00, DisputeState.ERROR_FOUND)
        with pytest.raises(DisputeError, match="resolved on 2026-03-31"):
            await resolve_dispute(database, opened.id, DisputeState.NO_ERROR, TODAY, "no", OLA)
        assert await dispute(database, opened.id) == closed
        assert await disputes(database, DisputeState.OPEN, 10) == []
        async with database.acquire() as connection:
            rows = await connection.fetch("SELECT actor, action FROM audit ORDER BY number")
        assert [tuple(row) for row in rows] == [
            ("ann", "dispute.open"),
            ("ann", "dispute.credit"),
            ("ola", "dispute.error_found"),
        ]

    office(body)


def test_a_dispute_is_nobodys_who_may_not(office):
    """A viewer opens none, an analyst resolves none; an unknown account has none."""

    async def body(database):
        with pytest.raises(Denied):
            await open_dispute(database, told(), VIC, TODAY)
        with pytest.raises(DisputeError, match="there is no account 99"):
            await open_dispute(database, told(account_number=99), ANN, TODAY)
        opened = await open_dispute(database, told(kind=DisputeKind.ERROR), ANN, TODAY)
        assert opened.liability.usd_minor == 0
        with pytest.raises(Denied):
            await resolve_dispute(database, opened.id, DisputeState.NO_ERROR, TODAY, "no", ANN)

    office(body)


def test_disputes_are_opened_listed_credited_and_resolved_as_typed(
    office, database_url, tmp_path, monkeypatch
):
    """Each prints one JSON document."""
    monkeypatch.setenv("HOLDFAST_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("HOLDFAST_DATABASE_URL", database_url)

    async def nothing(_database):
        return None

    office(nothing)

    def holdfast(*words):
        done = CliRunner().invoke(app, ["disputes", *words, "--json"])
        assert done.exit_code == 0, done.output
        return json.loads(done.stdout)

    opened = holdfast(
        "open", "0", "120.00", "--reason", "not mine", "--first", "2026-03-02", "--noticed", "2026-03-11"
    )
    assert (opened["amount"], opened["liability_at_most"], opened["due"]) == ("120.00", "0.00", "2026-03-25")
    listed = holdfast("list", "--state", "open")
    assert [line["dispute"] for line in listed] == [opened["dispute"]]
    holdfast("credit", opened["dispute"], "120.00", "--on", "2026-03-12")
    assert holdfast("show", opened["dispute"])["due"] == "2026-04-25"
    closed = holdfast("resolve", opened["dispute"], "no_error", "--reason", "his own", "--on", "2026-03-20")
    assert (closed["state"], closed["liability"]) == ("no_error", "120.00")
    refused = CliRunner().invoke(app, ["disputes", "open", "0", "1", "--reason", "x", "--first", "soon"])
    assert refused.exit_code == 1
