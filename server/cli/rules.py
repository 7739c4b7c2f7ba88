"""`holdfast rules`: added, tried on paper, made live, retired; listed with what they say."""

from typing import Annotated, Any, Final

import typer

from server.cli.desk import AsJson, Home, at_desk, document_of
from server.cli.output import facts, rows, show
from server.cli.people import By, changer

app = typer.Typer(
    help="Rules: add, shadow, live, retire, list, show, history, hits, fields. A running server follows within 1 s.",
    no_args_is_help=True,
)

Name = Annotated[str, typer.Argument(help="The rule's name.")]

_COLUMNS: Final = ("name", "revision", "state", "when", "action", "programme", "changed_by")


@app.command("add")
def add(
    name: Annotated[str, typer.Option(help="Small letters, digits and _; what answers call it.")],
    when: Annotated[
        str, typer.Option(help="Like 'amount > 500 and category in 6011,7995', or JSON; see `rules fields`.")
    ],
    action: Annotated[str, typer.Option(help="decline: 59; step_up: 1A; flag: approve and show.")],
    programme: Annotated[str | None, typer.Option(help="A programme's name; else all.")] = None,
    by: By = "",
    home: Home = None,
    as_json: AsJson = False,
) -> None:
    """Draft a rule, or the next revision of one. It does nothing before it is in shadow or live."""
    from server.store.conditions import parse_conditions
    from server.store.rules import Rules

    async def work(database: Any, _keys: Any) -> Any:
        conditions = parse_conditions(when, _codes())
        return await Rules(database).add(
            name, conditions, action, programme=programme, changed_by=changer(by)
        )

    _print(at_desk(home, work), as_json=as_json)


@app.command("shadow")
def shadow(name: Name, by: By = "", home: Home = None, as_json: AsJson = False) -> None:
    """Let a rule decide on paper: what it fits is counted, and answered as without it."""
    _move(name, "shadow", by, home, as_json=as_json)


@app.command("live")
def live(name: Name, by: By = "", home: Home = None, as_json: AsJson = False) -> None:
    """Make a rule live that is in shadow."""
    _move(name, "live", by, home, as_json=as_json)


@app.command("retire")
def retire(name: Name, by: By = "", home: Home = None, as_json: AsJson = False) -> None:
    """Retire a rule's newest revision that has not ended."""
    _move(name, "retired", by, home, as_json=as_json)


@app.command("list")
def list_rules(
    retired: Annotated[bool, typer.Option("--retired", help="Revisions too that ended.")] = False,
    home: Home = None,
    as_json: AsJson = False,
) -> None:
    """List the rules, by name."""
    from server.store.rules import Rules

    found = at_desk(home, lambda database, _keys: Rules(database).listed(retired=retired))
    _print_all("rules", found, as_json=as_json)


@app.command("show")
def show_rule(name: Name, home: Home = None, as_json: AsJson = False) -> None:
    """Show all revisions of a rule, the newest first."""
    from server.store.rules import Rules

    _print_all(name, at_desk(home, lambda database, _keys: Rules(database).revisions(name)), as_json=as_json)


@app.command("history")
def show_history(name: Name, home: Home = None, as_json: AsJson = False) -> None:
    """Show who added and moved a rule's revisions, and when."""
    from server.store.rules import Rules

    moves = at_desk(home, lambda database, _keys: Rules(database).history(name))
    documents = [{"revision": revision, **document_of(move)} for revision, move in moves]
    columns = ("revision", "before", "after", "changed_by", "changed_at")
    lines = [[document[column] for column in columns] for document in documents]
    show(documents, as_json=as_json, table=lambda: rows(name, columns, lines))


@app.command("hits")
def show_hits(
    name: Annotated[str, typer.Argument(help="A rule, or a block list: blocked_merchant, blocked_card …")],
    days: Annotated[int, typer.Option(min=1, max=400, help="So many days back.")] = 7,
    home: Home = None,
    as_json: AsJson = False,
) -> None:
    """Count what a rule hit, live and on paper, and what was approved although it would have been hit."""
    from server.store.rules import Rules

    hits = document_of(at_desk(home, lambda database, _keys: Rules(database).hits(name, days=days)))
    show(hits, as_json=as_json, table=lambda: facts(f"{name}, {days} days", hits))


@app.command("fields")
def show_fields(as_json: AsJson = False) -> None:
    """List what a rule's conditions may name."""
    from scoring.features import FEATURES
    from server.core.rules import FIELDS

    documents = [
        {"field": name, "unit": "as in the contract", "meaning": "of the request"} for name in FIELDS
    ]
    documents += [
        {"field": feature.name, "unit": feature.unit, "meaning": feature.meaning}
        for feature in FEATURES
        if feature.name not in FIELDS
    ]
    columns = ("field", "unit", "meaning")
    lines = [[document[column] for column in columns] for document in documents]
    show(documents, as_json=as_json, table=lambda: rows("fields", columns, lines))


def _move(name: str, state: str, by: str, home: Any, *, as_json: bool) -> None:
    from server.store.rules import Rules

    moved = at_desk(home, lambda database, _keys: Rules(database).move(name, state, changed_by=changer(by)))
    _print(moved, as_json=as_json)


def _codes() -> Any:
    from server.front.codes import country_numbers, currency_numbers
    from server.store.conditions import Codes

    return Codes(country_numbers(), currency_numbers())


def _document(rule: Any) -> dict[str, Any]:
    from server.store.conditions import written

    return {**document_of(rule), "when": written(rule.conditions, _codes())}


def _shown(rule: Any) -> dict[str, Any]:
    document = _document(rule)
    document["programme"] = document["programme"] or "all"
    return document


def _print(rule: Any, *, as_json: bool) -> None:
    def table() -> Any:
        shown = _shown(rule)
        return facts(f"rule {rule.name}", {column: shown[column] for column in _COLUMNS})

    show(_document(rule), as_json=as_json, table=table)


def _print_all(title: str, found: list[Any], *, as_json: bool) -> None:
    def table() -> Any:
        return rows(title, _COLUMNS, [[shown[column] for column in _COLUMNS] for shown in map(_shown, found)])

    show([_document(rule) for rule in found], as_json=as_json, table=table)
