"""`holdfast limits`: what programmes, accounts and cards may use, set, listed, moved on and removed."""

from dataclasses import replace
from typing import Annotated, Any, Final

import typer

from server.cli.desk import AsJson, Home, at_desk, document_of
from server.cli.output import facts, fail, rows, show
from server.cli.people import By, changer

app = typer.Typer(
    help="Limits: set, list, shadow, live, remove, history. A running server follows within 1 s.",
    no_args_is_help=True,
)

Programme = Annotated[str | None, typer.Option(help="A programme's name.")]
Account = Annotated[int | None, typer.Option(help="An account's number.")]
Card = Annotated[str | None, typer.Option(help="A card: number, token (card_…) or whole PAN.")]
Number = Annotated[int, typer.Argument(help="The limit's number.")]

_COLUMNS: Final = ("number", "name", "whose", "what", "ceiling", "state", "changed_by")


@app.command("set")
def set_limit(
    measure: Annotated[str, typer.Option(help="count, amount, merchants, countries, categories or cards.")],
    window: Annotated[str, typer.Option(help="10s 1m 10m 1h 24h 7d 30d 31d, transaction, day or month.")],
    ceiling: Annotated[
        str,
        typer.Option(help="Passed above it; an amount in major units; none lifts it for an account or card."),
    ],
    programme: Programme = None,
    account: Account = None,
    card: Card = None,
    subject: Annotated[str, typer.Option(help="card, account, merchant, device or ip.")] = "card",
    of: Annotated[str, typer.Option(help="approvals, attempts or declines.")] = "approvals",
    name: Annotated[str, typer.Option(help="What velocity_flags call it; else like count_1h.")] = "",
    state: Annotated[str, typer.Option(help="live; shadow: decides on paper; draft.")] = "live",
    by: By = "",
    home: Home = None,
    as_json: AsJson = False,
) -> None:
    """Set a limit, in place of the one that measures the same there."""
    from server.store.limits import Limits, NewLimit

    wanted = NewLimit(
        measure=measure, window=window, ceiling=None, subject=subject, of=of, state=state, name=name
    )

    async def work(database: Any, keys: Any) -> Any:
        limits = Limits(database)
        scope = await limits.scope(
            programme=programme, account_number=account, card_number=await _card_number(database, keys, card)
        )
        minor = _ceiling(ceiling, measure, await limits.currency(scope))
        return await limits.set(scope, replace(wanted, ceiling=minor), changed_by=changer(by))

    _print(at_desk(home, work), as_json=as_json)


@app.command("list")
def list_limits(
    programme: Programme = None,
    account: Account = None,
    card: Card = None,
    retired: Annotated[bool, typer.Option("--retired", help="Those too that ended.")] = False,
    home: Home = None,
    as_json: AsJson = False,
) -> None:
    """List the limits of all programmes, of one, of an account, or of a card with those it has from both."""
    from server.store.limits import Limits

    async def work(database: Any, keys: Any) -> Any:
        limits = Limits(database)
        if programme is None and account is None and card is None:
            return await limits.listed(retired=retired)
        scope = await limits.scope(
            programme=programme, account_number=account, card_number=await _card_number(database, keys, card)
        )
        return await limits.listed(scope, retired=retired)

    found = at_desk(home, work)
    documents = [_document(limit) for limit in found]

    def table() -> Any:
        lines = [[_shown(limit)[column] for column in _COLUMNS] for limit in found]
        return rows("limits", _COLUMNS, lines)

    show(documents, as_json=as_json, table=table)


@app.command("shadow")
def shadow(number: Number, by: By = "", home: Home = None, as_json: AsJson = False) -> None:
    """Let a drafted limit decide on paper."""
    _move(number, "shadow", by, home, as_json=as_json)


@app.command("live")
def live(number: Number, by: By = "", home: Home = None, as_json: AsJson = False) -> None:
    """Make a limit live, in place of the one that measures the same there."""
    _move(number, "live", by, home, as_json=as_json)


@app.command("remove")
def remove(number: Number, by: By = "", home: Home = None, as_json: AsJson = False) -> None:
    """Retire a limit: it counts no more, and stays in the history."""
    _move(number, "retired", by, home, as_json=as_json)


@app.command("history")
def show_history(number: Number, home: Home = None, as_json: AsJson = False) -> None:
    """Show who set and moved a limit, and when."""
    from server.store.limits import Limits

    moves = at_desk(home, lambda database, _keys: Limits(database).history(number))
    documents = [document_of(move) for move in moves]
    columns = ("before", "after", "changed_by", "changed_at")
    lines = [[document[column] for column in columns] for document in documents]
    show(documents, as_json=as_json, table=lambda: rows(f"limit {number}", columns, lines))


def _move(number: int, state: str, by: str, home: Any, *, as_json: bool) -> None:
    from server.store.limits import Limits

    moved = at_desk(
        home, lambda database, _keys: Limits(database).move(number, state, changed_by=changer(by))
    )
    _print(moved, as_json=as_json)


async def _card_number(database: Any, keys: Any, card: str | None) -> int | None:
    from server.store.cards import Cards

    return None if card is None else (await Cards(database, keys).show(card)).number


def _ceiling(text: str, measure: str, currency: int) -> int | None:
    from ledger.money import currency_letters
    from server.cli.calls import minor_units

    if text == "none":
        return None
    if measure == "amount":
        return minor_units(text, currency_letters(currency))
    if not (text.isascii() and text.isdigit()):
        fail(f"ceiling: {text!r} is no number; none lifts the limit for an account or card.")
    return int(text)


def _document(limit: Any) -> dict[str, Any]:
    from ledger.money import currency_letters

    document = document_of(limit)
    document["currency"] = currency_letters(limit.currency) if limit.currency else None
    return document


def _shown(limit: Any) -> dict[str, Any]:
    from ledger.money import format_minor

    document = _document(limit)
    if limit.ceiling is None:
        document["ceiling"] = "lifted"
    elif limit.currency:
        document["ceiling"] = f"{format_minor(limit.ceiling, document['currency'])} {document['currency']}"
    document["whose"] = limit.programme
    if limit.account_number is not None:
        document["whose"] = f"account {limit.account_number}"
    elif limit.card_number is not None:
        document["whose"] = f"card {limit.card_number}"
    document["what"] = f"{limit.measure} of {limit.of} by {limit.subject}, {limit.window}"
    return document


def _print(limit: Any, *, as_json: bool) -> None:
    document = _document(limit)
    show(document, as_json=as_json, table=lambda: facts(f"limit {limit.number}", _shown(limit)))
