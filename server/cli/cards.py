"""`holdfast cards`: issued, listed, shown, frozen and unfrozen."""

from datetime import UTC, datetime
from typing import Annotated, Any, Final

import typer

from server.cli.desk import AsJson, Home, at_desk, document_of
from server.cli.output import facts, fail, rows, show

app = typer.Typer(
    help="Cards: issue, list, show, freeze, unfreeze. A running server follows within 1 s.",
    no_args_is_help=True,
)

Card = Annotated[str, typer.Argument(help="Number, token (card_…) or whole PAN.")]
YEARS_GOOD: Final = 4


@app.command()
def issue(
    customer: Annotated[int, typer.Argument(help="The customer's number.")],
    programme: Annotated[str, typer.Option(help="Its programme.")] = "standard",
    account: Annotated[int | None, typer.Option(help="An account of the customer; else a new one.")] = None,
    deposit_minor: Annotated[int, typer.Option(help="Opening deposit of a new account, minor units.")] = 0,
    expiry: Annotated[int | None, typer.Option(help="YYMM; else in four years.")] = None,
    single_use: Annotated[bool, typer.Option("--single-use", help="Good for one approval.")] = False,
    inactive: Annotated[bool, typer.Option("--inactive", help="To be activated later.")] = False,
    home: Home = None,
    as_json: AsJson = False,
) -> None:
    """Issue a card. Its PAN is shown once, now: only its keyed hash is kept."""
    from server.store.cards import Cards, NewPlastic

    now = datetime.now(UTC)
    expiry_yymm = (now.year + YEARS_GOOD) % 100 * 100 + now.month if expiry is None else expiry
    if not 1 <= expiry_yymm % 100 <= 12 or not 0 < expiry_yymm <= 9912:
        fail(f"--expiry {expiry_yymm} is no YYMM")
    wanted = NewPlastic(
        customer_number=customer,
        expiry_yymm=expiry_yymm,
        programme=programme,
        account_number=account,
        opening_minor=deposit_minor,
        single_use=single_use,
        active=not inactive,
    )
    issued = at_desk(home, lambda database, keys: Cards(database, keys).issue(wanted))
    document = {**document_of(issued.card), "pan": issued.pan}
    show(document, as_json=as_json, table=lambda: facts("issued; the PAN is shown this once", document))


@app.command("list")
def list_cards(
    after: Annotated[int, typer.Option(help="Begin after this card number.")] = -1,
    count: Annotated[int, typer.Option(min=1, max=1000, help="At most so many.")] = 50,
    state: Annotated[str | None, typer.Option(help="Only cards of this state.")] = None,
    home: Home = None,
    as_json: AsJson = False,
) -> None:
    """List cards in the order of their numbers, a page at a time."""
    from server.store.cards import Cards

    cards = at_desk(
        home, lambda database, keys: Cards(database, keys).list(after=after, count_max=count, state=state)
    )
    documents = [document_of(card) for card in cards]
    columns = ("number", "pan", "expiry_yymm", "state", "programme", "account_number", "customer_name")

    def table() -> Any:
        title = f"cards; more with --after {cards[-1].number}" if len(cards) == count else "cards"
        return rows(title, columns, [[document[column] for column in columns] for document in documents])

    show(documents, as_json=as_json, table=table)


@app.command("show")
def show_card(card: Card, home: Home = None, as_json: AsJson = False) -> None:
    """Show a card, its PAN masked."""
    from server.store.cards import Cards

    _print(at_desk(home, lambda database, keys: Cards(database, keys).show(card)), as_json=as_json)


@app.command()
def freeze(card: Card, home: Home = None, as_json: AsJson = False) -> None:
    """Freeze an active card: it answers 78 until it is unfrozen."""
    _change(card, "FREEZE", home, as_json=as_json)


@app.command()
def unfreeze(card: Card, home: Home = None, as_json: AsJson = False) -> None:
    """Unfreeze a frozen card."""
    _change(card, "UNFREEZE", home, as_json=as_json)


@app.command()
def activate(card: Card, home: Home = None, as_json: AsJson = False) -> None:
    """Activate a card that was issued inactive."""
    _change(card, "ACTIVATE", home, as_json=as_json)


def _change(card: str, name: str, home: Any, *, as_json: bool) -> None:
    from server.store.cards import CardChange, Cards

    changed = at_desk(home, lambda database, keys: Cards(database, keys).change(card, CardChange[name]))
    _print(changed, as_json=as_json)


def _print(card: Any, *, as_json: bool) -> None:
    document = document_of(card)
    show(document, as_json=as_json, table=lambda: facts(f"card {card.number}", document))
