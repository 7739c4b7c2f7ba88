"""`holdfast blocks`: lines of the block lists, added, lifted and listed."""

from typing import Annotated, Any, Final

import typer

from server.cli.desk import AsJson, Home, at_desk, document_of
from server.cli.output import facts, fail, rows, show
from server.cli.people import By, changer

app = typer.Typer(
    help="Block lists: add, lift, list, history. A running server follows within 1 s.", no_args_is_help=True
)

Kind = Annotated[str, typer.Argument(help="merchant, device, ip, country or card.")]
What = Annotated[
    str,
    typer.Argument(
        help="ACQUIRER/MERCHANT; a fingerprint, or 0x and its hexadecimal bytes; an address; a country's two letters; "
        "a card's number, token or PAN."
    ),
]
_COLUMNS: Final = ("number", "kind", "label", "state", "changed_by", "changed_at")


@app.command("add")
def add(
    kind: Kind,
    what: What,
    label: Annotated[str, typer.Option(help="For people: why, or who it is.")] = "",
    state: Annotated[str, typer.Option(help="live: answers 62; shadow: only counted; draft.")] = "live",
    by: By = "",
    home: Home = None,
    as_json: AsJson = False,
) -> None:
    """Put a line on a block list, or move the line that names the same to this state."""
    from server.store.blocks import Blocks

    async def work(database: Any, keys: Any) -> Any:
        text, shown = await _named(kind, what, database, keys)
        return await Blocks(database).put(
            kind, text, label=label or shown, state=state, changed_by=changer(by)
        )

    _print(at_desk(home, work), as_json=as_json)


@app.command("lift")
def lift(kind: Kind, what: What, by: By = "", home: Home = None, as_json: AsJson = False) -> None:
    """Lift the line that names this: it is blocked no more, and stays in the history."""
    from server.store.blocks import Blocks

    async def work(database: Any, keys: Any) -> Any:
        blocks = Blocks(database)
        text, _ = await _named(kind, what, database, keys)
        return await blocks.lift((await blocks.find(kind, text)).number, changed_by=changer(by))

    _print(at_desk(home, work), as_json=as_json)


@app.command("list")
def list_blocks(
    kind: Annotated[str | None, typer.Option(help="Only this list.")] = None,
    lifted: Annotated[bool, typer.Option("--lifted", help="Lines too that were lifted.")] = False,
    home: Home = None,
    as_json: AsJson = False,
) -> None:
    """List the lines of the block lists, those changed last first."""
    from server.store.blocks import Blocks

    found = at_desk(home, lambda database, _keys: Blocks(database).listed(kind, lifted=lifted))
    documents = [document_of(line) for line in found]
    lines = [[document[column] for column in _COLUMNS] for document in documents]
    show(documents, as_json=as_json, table=lambda: rows("block lists", _COLUMNS, lines))


@app.command("history")
def show_history(
    number: Annotated[int, typer.Argument(help="The line's number.")],
    home: Home = None,
    as_json: AsJson = False,
) -> None:
    """Show who wrote, moved and lifted a line, and when."""
    from server.store.blocks import Blocks

    moves = at_desk(home, lambda database, _keys: Blocks(database).history(number))
    documents = [document_of(move) for move in moves]
    columns = ("before", "after", "changed_by", "changed_at")
    lines = [[document[column] for column in columns] for document in documents]
    show(documents, as_json=as_json, table=lambda: rows(f"line {number}", columns, lines))


async def _named(kind: str, what: str, database: Any, keys: Any) -> tuple[str, str]:
    """What a line names as the store takes it, and as people may see it: never a whole PAN."""
    if kind == "card":
        from server.store.cards import Cards

        card = await Cards(database, keys).show(what)
        return card.token, f"card {card.number} {card.pan}"
    if kind == "country":
        from server.front.codes import country_letters, country_numbers

        number = country_numbers().get(what.upper(), int(what) if what.isascii() and what.isdigit() else 0)
        if number not in country_letters():
            fail(f"country: {what!r} is no ISO 3166-1 country, like GB or 826.")
        return str(number), country_letters()[number]
    return what, what


def _print(line: Any, *, as_json: bool) -> None:
    document = document_of(line)
    show(document, as_json=as_json, table=lambda: facts(f"line {line.number}", document))
