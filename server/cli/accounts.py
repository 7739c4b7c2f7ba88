"""`holdfast accounts`: opened, shown with their balances, their statements, lent to, closed."""

import secrets
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from server.cli.calls import TARGET, CallFailed, NoAnswer, Peer, Target, Tls, as_document, call, minor_units
from server.cli.desk import AsJson, Home, at_desk, document_of, settings_of
from server.cli.output import explained, facts, rows, show

app = typer.Typer(help="Accounts: open, show, statement, limit, close.", no_args_is_help=True)
Number = Annotated[int, typer.Argument(help="The account's number.")]

_SERVICE: Final = "AccountService"


class NoBooks(Exception):  # noqa: N818 - told as what it is
    """The ledger can't be read; the text says why."""


@app.command("open")
@explained(CallFailed)
def open_account(
    customer: Annotated[int, typer.Argument(help="The customer's number.")],
    currency: Annotated[str, typer.Option(help="ISO 4217 alpha-3.")] = "USD",
    limit: Annotated[str, typer.Option(help="Credit limit in major units.")] = "0",
    key: Annotated[str, typer.Option(help="Idempotency key; else a new one.")] = "",
    target: Target = TARGET,
    tls: Tls = None,
    as_json: AsJson = False,
) -> None:
    """Open an account through the running server."""
    from holdfast.v1 import accounts_pb2 as pb

    request = pb.OpenAccountRequest(
        idempotency_key=key or secrets.token_hex(16),
        customer_number=customer,
        currency=currency,
        credit_limit_minor=minor_units(limit, currency),
    )
    _show_account("OpenAccount", request, Peer(target, tls), as_json=as_json)


@app.command("close")
@explained(CallFailed)
def close_account(number: Number, target: Target = TARGET, tls: Tls = None, as_json: AsJson = False) -> None:
    """Close an account: its cards answer 46 within a second, the ledger follows when nothing is open."""
    from holdfast.v1 import accounts_pb2 as pb

    _show_account(
        "CloseAccount", pb.CloseAccountRequest(account_number=number), Peer(target, tls), as_json=as_json
    )


@app.command("limit")
@explained(CallFailed)
def set_limit(
    number: Number,
    amount: Annotated[str, typer.Argument(help="The new credit limit in major units.")],
    target: Target = TARGET,
    tls: Tls = None,
    as_json: AsJson = False,
) -> None:
    """Set how much may be drawn beyond the holder's own money."""
    from holdfast.v1 import accounts_pb2 as pb

    known = call(
        Peer(target, tls),
        "GetAccount",
        pb.GetAccountRequest(account_number=number),
        pb.Account,
        service=_SERVICE,
    )
    request = pb.SetCreditLimitRequest(
        account_number=number, credit_limit_minor=minor_units(amount, known.currency)
    )
    _show_account("SetCreditLimit", request, Peer(target, tls), as_json=as_json)


@app.command("statement")
@explained(CallFailed)
def statement(
    number: Number,
    page_size: Annotated[int, typer.Option("--count", min=1, max=200, help="Lines of a page.")] = 50,
    page: Annotated[str, typer.Option(help="The next page's token, as printed.")] = "",
    target: Target = TARGET,
    tls: Tls = None,
    as_json: AsJson = False,
) -> None:
    """Show what happened on an account, oldest first, through the running server."""
    from holdfast.v1 import accounts_pb2 as pb
    from ledger.money import format_minor

    request = pb.GetStatementRequest(account_number=number, page_size=page_size, page_token=page)
    document = as_document(call(Peer(target, tls), "GetStatement", request, pb.Statement, service=_SERVICE))

    def money(minor: int) -> str:
        return format_minor(minor, document["currency"])

    def table() -> Any:
        lines = [
            (
                line["time"],
                line["kind"],
                money(line["amount_minor"]),
                line["state"],
                money(line["balance_minor"]),
                line["other_side"],
            )
            for line in document["lines"]
        ]
        title = f"account {number}: {money(document['opening_minor'])} to {money(document['closing_minor'])} {document['currency']}"
        if document["next_page_token"]:
            title += f"; more with --page {document['next_page_token']}"
        return rows(title, ("time", "kind", "amount", "state", "balance", "other side"), lines)

    show(document, as_json=as_json, table=table)


@app.command("show")
@explained(NoBooks, CallFailed)
def show_account(
    number: Number,
    home: Home = None,
    target: Target = TARGET,
    tls: Tls = None,
    as_json: AsJson = False,
) -> None:
    """Show an account, its number masked, with what is booked, held and available: the running server's word for it."""
    from ledger.money import currency_letters, format_minor
    from server.store.accounts import Accounts

    account = at_desk(home, lambda database, keys: Accounts(database, keys).show(number))
    currency = currency_letters(account.currency)
    try:
        balances = _asked(Peer(target, tls), number)
    except NoAnswer:
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


def _show_account(method: str, request: Any, target: Peer, *, as_json: bool) -> None:
    from holdfast.v1 import accounts_pb2 as pb

    document = as_document(call(target, method, request, pb.Account, service=_SERVICE))
    show(document, as_json=as_json, table=lambda: facts(f"account {document['account_number']}", document))


def _asked(target: Peer, number: int) -> dict[str, int]:
    """What a running server says of an account, in minor units. Raises NoAnswer where none runs."""
    from holdfast.v1 import accounts_pb2 as pb

    balance = call(
        target, "GetBalance", pb.GetBalanceRequest(account_number=number), pb.Balance, service=_SERVICE
    )
    return {
        "booked_minor": balance.current_minor,
        "held_minor": balance.pending_out_minor,
        "available_minor": balance.available_minor,
        "coming_minor": balance.pending_in_minor,
        "owed_minor": balance.owed_minor,
        "credit_limit_minor": balance.credit_limit_minor,
    }


def _balances(directory: Path, number: int, currency_number: int) -> dict[str, int]:
    """
    What the embedded ledger in `directory` says of an account, in minor units; zeros where it has not seen it.

    Reads a copy: the ledger is its server's alone. What is durable is in it, so every answer that left is too.
    """
    import time

    from ledger.beside import opened_copy
    from ledger.book import LedgerError
    from ledger.chart import AccountCode, account_id
    from ledger.replay import JOURNAL

    if not (directory / JOURNAL).exists():
        return {"booked_minor": 0, "held_minor": 0, "available_minor": 0}
    try:
        with opened_copy(directory, time.time_ns) as ledger:
            every = ledger.accounts()
    except (OSError, LedgerError) as error:
        raise NoBooks(f"The ledger in {directory} can't be read: {error}") from error
    low, high = account_id(AccountCode.CARDHOLDER, currency_number, number)[0].tolist()
    found = every[(every["id_lo"] == low) & (every["id_hi"] == high)]
    booked, held = 0, 0
    for account in found:
        booked = int(account["credits_posted_lo"]) - int(account["debits_posted_lo"])
        held = int(account["debits_pending_lo"])
    return {"booked_minor": booked, "held_minor": held, "available_minor": booked - held}
