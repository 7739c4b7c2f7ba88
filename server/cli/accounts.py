"""`holdfast accounts`: an account with its balances, also beside a running server."""

import shutil
import sqlite3
import tempfile
from contextlib import closing
from pathlib import Path
from typing import Annotated, Any

import typer

from server.cli.desk import AsJson, Home, at_desk, document_of, settings_of
from server.cli.output import explained, facts, show

app = typer.Typer(help="Accounts and their balances.", no_args_is_help=True)


class NoBooks(Exception):  # noqa: N818 - told as what it is
    """The ledger can't be read; the text says why."""


@app.callback()
def accounts() -> None:
    """Accounts and their balances."""


@app.command("show")
@explained(NoBooks)
def show_account(
    number: Annotated[int, typer.Argument(help="The account's number.")],
    home: Home = None,
    as_json: AsJson = False,
) -> None:
    """Show an account, its number masked, with what is booked, held and available."""
    from ledger.money import currency_letters, format_minor
    from server.store.accounts import Accounts

    account = at_desk(home, lambda database, keys: Accounts(database, keys).show(number))
    currency = currency_letters(account.currency)
    balances = _balances(settings_of(home).home / "ledger", account.number, account.currency)
    document = {**document_of(account), "currency": currency, **balances}

    def table() -> Any:
        shown = {
            name.removesuffix("_minor"): f"{format_minor(value, currency)} {currency}"
            if name.endswith("_minor")
            else value
            for name, value in document.items()
        }
        return facts(f"account {account.number}", shown)

    show(document, as_json=as_json, table=table)


def _balances(directory: Path, number: int, currency_number: int) -> dict[str, int]:
    """
    What the embedded ledger in `directory` says of an account, in minor units; zeros where it has not seen it.

    Reads a copy: the ledger is its server's alone. What is durable is in it, so every answer that left is too.
    """
    import time

    from ledger.book import LedgerError
    from ledger.chart import AccountCode, account_id
    from ledger.embedded import EmbeddedLedger

    if not (directory / "journal.sqlite").exists():
        return {"booked_minor": 0, "held_minor": 0, "available_minor": 0}
    with tempfile.TemporaryDirectory(prefix="holdfast-ledger-") as folder:
        try:
            # The snapshot first: a journal copied later reaches at least as far.
            if (directory / "snapshot").exists():
                shutil.copyfile(directory / "snapshot", Path(folder) / "snapshot")
            with (
                closing(sqlite3.connect(directory / "journal.sqlite", timeout=5)) as source,
                closing(sqlite3.connect(Path(folder) / "journal.sqlite")) as copy,
            ):
                source.backup(copy)
            ledger = EmbeddedLedger.open(Path(folder), now_ns=time.time_ns)
        except (OSError, sqlite3.Error, LedgerError) as error:
            raise NoBooks(f"The ledger in {directory} can't be read: {error}") from error
        try:
            every = ledger.accounts()
        finally:
            ledger.close_blocking()
    low, high = account_id(AccountCode.CARDHOLDER, currency_number, number)[0].tolist()
    found = every[(every["id_lo"] == low) & (every["id_hi"] == high)]
    booked, held = 0, 0
    for account in found:
        booked = int(account["credits_posted_lo"]) - int(account["debits_posted_lo"])
        held = int(account["debits_pending_lo"])
    return {"booked_minor": booked, "held_minor": held, "available_minor": booked - held}
