"""`holdfast sanctions`: lists imported and told of, what changed, and who was cleared of which entry."""

from dataclasses import asdict
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from server.cli.desk import AsJson, Home
from server.cli.office import Office, at_office
from server.cli.output import fail, rows, say, show

app = typer.Typer(help="Sanctions lists: import, list, changes, matches, exceptions.", no_args_is_help=True)
exceptions = typer.Typer(help="Who was found not to be an entry: add, list, withdraw.", no_args_is_help=True)
app.add_typer(exceptions, name="exceptions")

_IMPORTED: Final = (
    "list_name",
    "list_date",
    "entries",
    "names",
    "aliases",
    "addresses",
    "orphans",
    "added",
    "changed",
    "removed",
    "note",
)
_LISTED: Final = (
    "list_name",
    "list_date",
    "age_days",
    "entry_count",
    "name_count",
    "orphan_count",
    "changed_by",
    "changed_at",
)
_CHANGED: Final = ("list_name", "list_date", "change", "entry_id", "entry_name")
_MATCHES: Final = ("customer_number", "list_name", "entry_id", "score", "state", "report_due", "found_at")
_EXCEPTIONS: Final = (
    "number", "customer_number", "party_key", "list_name", "entry_id", "reason", "expires_on", "created_by", "withdrawn_by",
)  # fmt: skip


@app.command("import")
def import_lists(
    paths: Annotated[
        list[Path],
        typer.Argument(help="sdn.csv, alt.csv, add.csv; cons_prim.csv …; the UN's XML; in one go."),
    ],
    list_date: Annotated[
        str, typer.Option("--date", help="Of the Treasury's files, like 2025-02-01; else as their names say.")
    ] = "",
    force: Annotated[
        bool, typer.Option("--force", help="Also a list that shrank by half, or is older.")
    ] = False,
    home: Home = None,
    as_json: AsJson = False,
) -> None:
    """
    Import official lists and switch to them as one. Which file is which is told by what is in it.

    A broken file is refused with its line, and the last good list stays. A running worker follows within seconds and
    screens customers against what changed.
    """
    from compliance.screening.entries import ListError
    from compliance.screening.reading import read_lists
    from compliance.screening.register import import_editions

    try:
        editions = read_lists(paths, list_date)
    except ListError as error:
        fail(f"{error}. The last good lists stay.")

    async def work(office: Office) -> Any:
        try:
            return await import_editions(office.database, editions, office.actor, force=force)
        except ListError as error:
            fail(str(error))

    done = [asdict(one) for one in at_office(home, "change_lists", work)]
    show(done, as_json=as_json, table=lambda: _table("imported", _IMPORTED, done))
    orphans = sum(one["orphans"] for one in done)
    if orphans and not as_json:
        say(f"{orphans:,} aliases and addresses are of entries that their list doesn't hold: left out.")


@app.command("lists")
def lists(home: Home = None, as_json: AsJson = False) -> None:
    """The lists in force, with dates, ages in days and counts."""
    from compliance.screening.register import age_days, lists_in_force

    found = at_office(home, "screen", lambda office: lists_in_force(office.database))
    documents = [{**one, "age_days": age_days(datetime.now(UTC), one["list_date"])} for one in found]
    show(documents, as_json=as_json, table=lambda: _table("sanctions lists", _LISTED, documents))


@app.command("changes")
def changes(
    list_name: Annotated[
        str, typer.Option("--list", help="ofac_sdn, ofac_consolidated or un; else all.")
    ] = "",
    limit: Annotated[int, typer.Option(min=1, max=1_000_000)] = 100,
    home: Home = None,
    as_json: AsJson = False,
) -> None:
    """What the lists in force added, changed and removed against those before."""
    from compliance.screening.register import changes_of

    found = at_office(home, "screen", lambda office: changes_of(office.database, list_name or None, limit))
    show(found, as_json=as_json, table=lambda: _table("changes", _CHANGED, found))


@app.command("matches")
def matches(
    limit: Annotated[int, typer.Option(min=1, max=100_000)] = 100, home: Home = None, as_json: AsJson = False
) -> None:
    """Customers that are on lists: possible, true or cleared, and when a true one's report is due."""
    from compliance.screening.register import matches_of

    found = at_office(home, "work_cases", lambda office: matches_of(office.database, limit))
    found = [{**one, "score": round(one["score"], 4)} for one in found]
    show(found, as_json=as_json, table=lambda: _table("matches", _MATCHES, found))


@app.command("screen-customers")
def screen_everybody(home: Home = None, as_json: AsJson = False) -> None:
    """Screen customers who are due now; a running worker does so by itself."""
    from compliance.screening.customers import screen_customers
    from compliance.screening.lists import Lists

    async def work(office: Office) -> Any:
        found = await Lists.open(office.database, office.keys, office.settings.thresholds)
        return await screen_customers(office.database, office.keys, found, datetime.now(UTC), _flag)

    done = asdict(at_office(home, "change_lists", work))
    show(done, as_json=as_json, table=lambda: _table("screened", tuple(done), [done]))


@exceptions.command("add")
def add(
    list_name: Annotated[str, typer.Argument(help="ofac_sdn, ofac_consolidated or un.")],
    entry_id: Annotated[str, typer.Argument(help="As the list numbers it; holdfast screen shows it.")],
    reason: Annotated[str, typer.Option(help="Why it is somebody else.")],
    customer: Annotated[int | None, typer.Option(help="Number of the customer who is cleared.")] = None,
    name: Annotated[str, typer.Option(help="Or the name of another party.")] = "",
    expires: Annotated[str, typer.Option(help="Last day, like 2027-01-31; else in a year.")] = "",
    home: Home = None,
    as_json: AsJson = False,
) -> None:
    """Clear somebody of an entry. The hit is still shown, as cleared; it ends when the entry changes."""
    from compliance.screening.exceptions import ExceptionError, NewException, add_exception
    from compliance.screening.lists import Lists

    today = datetime.now(UTC).date()
    try:
        until = date.fromisoformat(expires) if expires else today + timedelta(days=365)
    except ValueError:
        fail(f"expires: {expires!r} is no date: YYYY-MM-DD")
    new = NewException(list_name, entry_id, reason, until, customer, name)

    async def work(office: Office) -> int:
        found = await Lists.open(office.database, office.keys)
        try:
            return await add_exception(office.database, office.keys, found, new, office.actor, today)
        except ExceptionError as error:
            fail(str(error))

    number = at_office(home, "change_lists", work)
    document = {"number": number, "expires_on": until.isoformat()}
    show(document, as_json=as_json, table=lambda: f"exception {number}, until {until}")


@exceptions.command("list")
def list_exceptions(
    limit: Annotated[int, typer.Option(min=1, max=100_000)] = 100, home: Home = None, as_json: AsJson = False
) -> None:
    """Every exception, the newest first; those withdrawn and expired too."""
    from compliance.screening.exceptions import exceptions_of

    found = at_office(home, "screen", lambda office: exceptions_of(office.database, limit))
    show(found, as_json=as_json, table=lambda: _table("exceptions", _EXCEPTIONS, found))


@exceptions.command("withdraw")
def withdraw(number: Annotated[int, typer.Argument(help="Of the exception.")], home: Home = None) -> None:
    """End an exception: its customer is screened again."""
    from compliance.screening.exceptions import ExceptionError, withdraw_exception

    async def work(office: Office) -> None:
        try:
            await withdraw_exception(office.database, number, office.actor)
        except ExceptionError as error:
            fail(str(error))

    at_office(home, "change_lists", work)
    say(f"exception {number} is withdrawn")


async def _flag(connection: Any, numbers: Any) -> None:
    from compliance.review.intake import flag_customers
    from compliance.roles import WORKER

    await flag_customers(connection, numbers, datetime.now(UTC), WORKER.name)


def _table(title: str, columns: tuple[str, ...], found: list[dict[str, Any]]) -> Any:
    return rows(title, columns, [[one[column] for column in columns] for one in found])
