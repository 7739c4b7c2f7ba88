"""`holdfast countries`: lists of high-risk and sanctioned countries, imported by their source, and shown."""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from server.cli.desk import AsJson, Home
from server.cli.office import Office, at_office
from server.cli.output import fail, rows, show

app = typer.Typer(
    help="High-risk and sanctioned countries: import, list, remove. Each with its source and date.",
    no_args_is_help=True,
)


@app.command("import")
def import_countries(
    file: Annotated[Path, typer.Argument(help="CSV with the columns country,status,source,as_of[,note].")],
    home: Home = None,
    as_json: AsJson = False,
) -> None:
    """
    Import lists, all or nothing: each source that the file names is replaced whole, other sources stay.

    status is high_risk or sanctioned; country is ISO 3166-1 alpha-2; as_of is the list's own date.
    """
    from compliance.audit.log import Entry, append
    from compliance.rules.countries import CountryFileError, read_file, replace_countries
    from server.front.codes import country_numbers

    try:
        listed = read_file(file.read_text("utf-8"), frozenset(country_numbers()))
    except CountryFileError as error:
        fail(f"{file}: nothing was imported: {error}")
    except (OSError, UnicodeDecodeError) as error:
        fail(f"{file} can't be read: {error}")

    async def work(office: Office) -> Any:
        async with office.database.acquire() as connection, connection.transaction():
            changes = await replace_countries(connection, listed, office.actor.name)
            await append(
                connection,
                [
                    Entry(
                        office.actor.name,
                        office.actor.role,
                        "countries.import",
                        f"countries:{change.source}",
                        new={**asdict(change), "as_of": change.as_of.isoformat()},
                    )
                    for change in changes
                ],
            )
        return changes

    changes = at_office(home, "change_lists", work)
    documents = [{**asdict(change), "as_of": change.as_of.isoformat()} for change in changes]
    columns = ("source", "as_of", "rows", "added", "removed")
    lines = [[document[name] for name in columns] for document in documents]
    show(documents, as_json=as_json, table=lambda: rows("imported", columns, lines))


@app.command("list")
def list_countries(home: Home = None, as_json: AsJson = False) -> None:
    """List what counts now."""
    from compliance.rules.countries import listed_countries

    found = at_office(home, "see_cases", lambda office: listed_countries(office.database))
    documents = [{**asdict(row), "as_of": row.as_of.isoformat()} for row in found]
    columns = ("country", "status", "source", "as_of", "note")
    lines = [[document[name] for name in columns] for document in documents]
    show(documents, as_json=as_json, table=lambda: rows("countries", columns, lines))


@app.command()
def remove(
    source: Annotated[str, typer.Argument(help="The source, as `list` prints it.")],
    home: Home = None,
    as_json: AsJson = False,
) -> None:
    """Take a source's list out, whole; it stays on record."""
    from compliance.audit.log import Entry, append
    from compliance.rules.countries import remove_countries

    async def work(office: Office) -> list[str]:
        async with office.database.acquire() as connection, connection.transaction():
            removed = await remove_countries(connection, source, office.actor.name)
            if removed:
                entry = Entry(
                    office.actor.name,
                    office.actor.role,
                    "countries.remove",
                    f"countries:{source}",
                    old={"countries": removed},
                )
                await append(connection, [entry])
        return removed

    removed = at_office(home, "change_lists", work)
    if not removed:
        fail(f"there is no source {source!r}: `holdfast countries list` names them")
    document = {"source": source, "removed": removed}
    show(
        document, as_json=as_json, table=lambda: rows("removed", ("source", "countries"), [(source, removed)])
    )
