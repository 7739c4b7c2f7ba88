"""`holdfast accounts`, as typed."""

import asyncio
import json
import time

import numpy as np
import typer
from typer.testing import CliRunner

from ledger.chart import AccountCode, account_id, cardholder_accounts, funding_transfers, opening
from ledger.embedded import EmbeddedLedger
from ledger.holds import place
from server.cli import accounts, cards, customers


def test_an_account_shows_its_balances_while_a_server_holds_the_ledger(database_url, tmp_path, monkeypatch):
    """Booked, held and available are those of the last durable batch."""
    monkeypatch.setenv("HOLDFAST_HOME", str(tmp_path))
    monkeypatch.setenv("HOLDFAST_DATABASE_URL", database_url)
    monkeypatch.setenv("HOLDFAST_TARGET", "127.0.0.1:1")  # nobody answers: the ledger's files are read
    app = typer.Typer()
    for name, group in (("accounts", accounts.app), ("customers", customers.app), ("cards", cards.app)):
        app.add_typer(group, name=name)

    def run(line):
        result = CliRunner().invoke(app, line.split())
        assert result.exit_code == 0, result.output
        return result.stdout

    run("customers add Ada Byron")
    run("cards issue 0 --deposit-minor 5000")
    unseen = json.loads(run("accounts show 0 --json"))
    assert (unseen["currency"], unseen["available_minor"], unseen["opening_minor"]) == ("USD", 0, 5000)

    ledger = EmbeddedLedger.open(tmp_path / "ledger", now_ns=time.time_ns)
    try:
        asyncio.run(_fund_and_hold(ledger))
        seen = json.loads(run("accounts show 0 --json"))
        assert (seen["booked_minor"], seen["held_minor"], seen["available_minor"]) == (5000, 1250, 3750)
        assert "37.50 USD" in run("accounts show 0")
    finally:
        ledger.close_blocking()


async def _fund_and_hold(ledger):
    for batch in (opening(840), cardholder_accounts([0], 840)):
        await ledger.create_accounts(batch)
    await ledger.create_transfers(
        funding_transfers(account_id(AccountCode.CARDHOLDER, 840, 0), [0], 840, [5000])
    )
    hold = place(
        np.array([[256, 1]], np.uint64),
        np.array([0]),
        np.array([840]),
        np.array([1250]),
        np.array([3600]),
        np.array([False]),
    )
    await ledger.create_transfers(hold)
