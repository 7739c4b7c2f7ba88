"""`holdfast programmes`: what programmes answer while the ledger is away, and what stand-in approved."""

from typing import Annotated, Any, Final

import typer

from server.cli.desk import AsJson, Home, at_desk, document_of
from server.cli.output import facts, fail, rows, show
from server.cli.people import By, changer

app = typer.Typer(
    help="Programmes: what they answer while the ledger is away. A running server follows within 1 s.",
    no_args_is_help=True,
)

Name = Annotated[str, typer.Argument(help="The programme.")]
_LIMITS: Final = ("amount_max", "count_max", "sum_max", "categories")
_COLUMNS: Final = ("name", "posture", *_LIMITS, "changed_by")
_CHANGES: Final = ("revision", "posture", *_LIMITS, "changed_by", "changed_at")
_SUMS: Final = ("programme", "state", "approvals", "approved", "booked", "overdrawn")
_NEWEST: Final = (
    "authorization_id",
    "approved_at",
    "programme",
    "card",
    "merchant",
    "approved",
    "state",
    "overdrawn",
)
_STAND_IN: Final = "stand_in"
_CATEGORY_DIGITS: Final = 4


@app.command("list")
def list_programmes(home: Home = None, as_json: AsJson = False) -> None:
    """List the programmes, and what each answers while the ledger is away."""
    from server.store.programmes import Programmes

    found = at_desk(home, lambda database, _keys: Programmes(database).listed())
    documents = [_document(programme, programme.currency) for programme in found]
    lines = [[_shown(document)[column] for column in _COLUMNS] for document in documents]
    show(documents, as_json=as_json, table=lambda: rows("programmes", _COLUMNS, lines))


@app.command("posture")
def set_posture(
    name: Name,
    decline: Annotated[bool, typer.Option("--decline", help="Answer 91.")] = False,
    network: Annotated[
        bool, typer.Option("--network", help="Answer N0: the network is asked to stand in.")
    ] = False,
    stand_in: Annotated[
        bool, typer.Option("--stand-in", help="Approve within the limits that follow, else 91.")
    ] = False,
    amount_max: Annotated[str | None, typer.Option(help="Of one transaction, such as 100.00.")] = None,
    count_max: Annotated[int | None, typer.Option(help="Approvals of a card and day.")] = None,
    sum_max: Annotated[str | None, typer.Option(help="What they come to at most, such as 200.00.")] = None,
    mcc: Annotated[str, typer.Option(help="Only at these categories, such as 5411,5812; else at all.")] = "",
    by: By = "",
    home: Home = None,
    as_json: AsJson = False,
) -> None:
    """Say what a programme's cards answer while the ledger is away."""
    from server.store.programmes import Programmes, StandInWish

    if decline + network + stand_in != 1:
        fail("posture: say one of --decline, --network and --stand-in.")
    if not stand_in and (mcc or (amount_max, count_max, sum_max) != (None, None, None)):
        fail("posture: --amount-max, --count-max, --sum-max and --mcc go with --stand-in.")
    if stand_in and (amount_max is None or count_max is None or sum_max is None):
        fail("posture: --stand-in needs --amount-max, --count-max and --sum-max.")
    categories = _categories(mcc)

    async def work(database: Any, _keys: Any) -> Any:
        programmes = Programmes(database)
        if amount_max is None or count_max is None or sum_max is None:
            posture = "decline" if decline else "network"
            return await programmes.set_posture(name, posture, changed_by=changer(by))
        currency = (await programmes.show(name)).currency
        wish = StandInWish(_minor(amount_max, currency), count_max, _minor(sum_max, currency), categories)
        return await programmes.set_posture(name, _STAND_IN, changed_by=changer(by), stand_in=wish)

    changed = at_desk(home, work)
    document = _document(changed, changed.currency)
    show(document, as_json=as_json, table=lambda: facts(f"programme {name}", _shown(document)))


@app.command("history")
def show_history(name: Name, home: Home = None, as_json: AsJson = False) -> None:
    """Show which postures a programme has had, who set them, and when."""
    from server.store.programmes import Programmes

    async def work(database: Any, _keys: Any) -> Any:
        programmes = Programmes(database)
        return (await programmes.show(name)).currency, await programmes.history(name)

    currency, changes = at_desk(home, work)
    documents = [_document(change, currency) for change in changes]
    lines = [[_shown(document)[column] for column in _CHANGES] for document in documents]
    show(documents, as_json=as_json, table=lambda: rows(f"postures of {name}", _CHANGES, lines))


@app.command("stand-in")
def show_stood_in(
    programme: Annotated[str | None, typer.Option(help="Only of this programme.")] = None,
    days: Annotated[int, typer.Option(help="Of so many days.")] = 7,
    state: Annotated[
        str | None, typer.Option(help="waiting, booked, overdrawn, refused, let_go or cleared.")
    ] = None,
    count: Annotated[int, typer.Option(help="How many of them to show one by one.")] = 20,
    home: Home = None,
    as_json: AsJson = False,
) -> None:
    """Show what was approved without the ledger: how much waits, was booked, went beyond the balance."""
    from server.store.programmes import Programmes

    sums, newest = at_desk(
        home,
        lambda database, _keys: Programmes(database).stood_in(programme, days=days, state=state, count=count),
    )
    document = {"sums": [_money(line) for line in sums], "newest": [_money(line) for line in newest]}
    show(document, as_json=as_json, table=lambda: _tables(document))


def _categories(text: str) -> tuple[int, ...]:
    parts = [part.strip() for part in text.split(",") if part.strip()]
    for part in parts:
        if not (part.isascii() and part.isdigit() and len(part) == _CATEGORY_DIGITS):
            fail(f"mcc: {part!r} is no category of four digits, like 5411.")
    return tuple(map(int, parts))


def _minor(text: str, currency: int) -> int:
    from ledger.money import currency_letters
    from server.cli.calls import minor_units

    return minor_units(text, currency_letters(currency))


def _document(view: Any, currency: int) -> dict[str, Any]:
    from ledger.money import currency_letters

    document = document_of(view)
    document["currency"] = currency_letters(currency)
    document["categories"] = [f"{category:04d}" for category in view.categories]
    if view.posture != _STAND_IN:
        # What was set before stays on record, and means nothing now.
        for name in ("amount_max_minor", "count_max", "sum_max_minor", "categories"):
            document[name] = None
    return document


def _shown(document: dict[str, Any]) -> dict[str, Any]:
    from ledger.money import format_minor

    shown = dict(document)
    currency = shown.pop("currency")
    for name in ("amount_max", "sum_max"):
        minor = shown.pop(f"{name}_minor")
        shown[name] = None if minor is None else f"{format_minor(minor, currency)} {currency}"
    if document["posture"] == _STAND_IN:
        shown["categories"] = document["categories"] or "all"
    return shown


def _money(view: Any) -> dict[str, Any]:
    from ledger.money import currency_letters

    document = document_of(view)
    document["currency"] = currency_letters(view.currency)
    return document


def _tables(document: dict[str, Any]) -> Any:
    from rich.console import Group

    from ledger.money import format_minor

    def readable(line: dict[str, Any]) -> dict[str, Any]:
        currency = line["currency"]
        money = {
            name.removesuffix("_minor"): f"{format_minor(value, currency)} {currency}"
            for name, value in line.items()
            if name.endswith("_minor")
        }
        return {**line, **money}

    def table(title: str, columns: tuple[str, ...], lines: list[dict[str, Any]]) -> Any:
        return rows(title, columns, [[line.get(column) for column in columns] for line in lines])

    sums = [readable(line) for line in document["sums"]]
    newest = [
        {**readable(line), "card": line["card_number"], "merchant": line["merchant_name"]}
        for line in document["newest"]
    ]
    return Group(table("approved without the ledger", _SUMS, sums), table("the newest", _NEWEST, newest))
