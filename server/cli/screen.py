"""`holdfast screen`: a name, or a file of them, held against the sanctions lists in force."""

import csv
import json
import sys
from collections.abc import Iterator
from dataclasses import asdict
from datetime import date
from pathlib import Path
from typing import IO, Annotated, Any, Final

import typer

from server.cli.desk import AsJson, Home
from server.cli.office import Office, at_office
from server.cli.output import FAILED, fail, rows, say, show, stderr

_COLUMNS: Final = ("name", "date_of_birth", "country")
_BATCH: Final = 500


def screen(
    name: Annotated[str, typer.Argument(help="A name; or --file for many.")] = "",
    birth_date: Annotated[str, typer.Option("--birth-date", help="Like 1957-03-10.")] = "",
    country: Annotated[str, typer.Option(help="ISO 3166-1 alpha-2, or a country's name.")] = "",
    file: Annotated[
        Path | None,
        typer.Option(help="CSV with a header: name, and where known date_of_birth (YYYY-MM-DD), country."),
    ] = None,
    home: Home = None,
    as_json: AsJson = False,
) -> None:
    """
    Hold a name against the sanctions lists in force. Every hit is explained, token by token.

    With --file, one row for each: "row" (from 1), "name", "hit" (true or false), and of the best hit "list", "list_id",
    "entry", "matched", "score" (0 to 1), "is_match" (true: it would block); null without one. "warning" where a date
    or country could not be read (the name was screened without it), "error" with "hit": null where there is no name; the
    exit status is 1 then. --json prints one array, a row on a line, as they are screened.
    """
    if bool(name.strip()) == (file is not None):
        fail("give a name, or --file names.csv")
    if file is not None:
        _screen_file(file, home, as_json=as_json)
        return
    born, nations, warning = _beside(birth_date, country)
    if warning:
        fail(warning)

    async def work(office: Office) -> tuple[list[Any], dict[str, str]]:
        lists = await _open(office, 1)
        hits = lists.screener.screen(name, birth_date=born, countries=nations)
        return [(hit, lists.cleared(name, hit)) for hit in hits], dict(lists.versions)

    found, versions = at_office(home, "screen", work)
    document = {
        "name": name,
        "hits": [{**asdict(hit), "cleared": cleared} for hit, cleared in found],
        "lists": versions,
    }
    show(document, as_json=as_json, table=lambda: _table(found))
    if not as_json:
        for hit, _ in found[:3]:
            say(_explained(hit), markup=False)
        say("lists: " + ", ".join(f"{one} of {day}" for one, day in versions.items()), markup=False)


def _screen_file(file: Path, home: Path | None, *, as_json: bool) -> None:
    async def work(office: Office) -> tuple[int, int, int]:
        try:
            with file.open(encoding="utf-8-sig", errors="replace", newline="") as source:
                lists = await _open(office, None)
                return _rows_screened(source, file.name, lists.screener, as_json=as_json)
        except OSError as error:
            fail(f"{file}: {error.strerror}")

    count, hits, bad = at_office(home, "screen", work)
    stderr.print(
        f"{count:,} names screened, {hits:,} with hits" + (f", {bad:,} rows could not be read" if bad else "")
    )
    if bad:
        raise typer.Exit(FAILED)


def _rows_screened(source: IO[str], name: str, screener: Any, *, as_json: bool) -> tuple[int, int, int]:
    reader = csv.DictReader(source)
    header = [column.strip().lower() for column in reader.fieldnames or ()]
    reader.fieldnames = header
    if "name" not in header:
        fail(f"{name}: no column 'name'; columns are {', '.join(_COLUMNS)}, the last two where known")
    count = hits = bad = 0
    if as_json:
        sys.stdout.write("[")
    for count, row in enumerate(_read(reader, name), 1):
        document = _screened(count, row, screener)
        hits += document["hit"] is True
        bad += "error" in document
        if as_json:
            sys.stdout.write(("\n" if count == 1 else ",\n") + json.dumps(document, ensure_ascii=False))
        elif document["hit"] is not False:
            say(_line(document), markup=False)
    if as_json:
        sys.stdout.write("\n]\n")
    return count, hits, bad


def _read(reader: "csv.DictReader[str]", name: str) -> Iterator[dict[str, Any]]:
    while True:
        try:
            row = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            yield {"name": "", "_why": f"{name}, line {reader.line_num}: {error}"}
            continue
        more = " (more columns than the header: quote a name that holds a comma)" if None in row else ""
        why = f"{name}, line {reader.line_num}: name is empty" if not (row.get("name") or "").strip() else ""
        yield {**row, "_why": why, "_warning": f"line {reader.line_num}{more}" if more else ""}


def _screened(number: int, row: dict[str, Any], screener: Any) -> dict[str, Any]:
    name = (row.get("name") or "").strip()
    document: dict[str, Any] = {
        "row": number,
        "name": name,
        "hit": None,
        "list": None,
        "list_id": None,
        "entry": None,
        "matched": None,
        "score": None,
        "is_match": None,
    }
    if row["_why"]:
        return {**document, "error": row["_why"]}
    born, nations, warning = _beside(row.get("date_of_birth") or "", row.get("country") or "")
    hits = screener.screen(name, birth_date=born, countries=nations)
    document["hit"] = bool(hits)
    if hits:
        best = hits[0]
        document |= {
            "list": best.list_name,
            "list_id": best.entry_id,
            "entry": best.entry_name,
            "matched": best.matched_name,
            "score": best.score,
            "is_match": best.is_match,
        }
    warning = "; ".join(filter(None, (row.get("_warning", ""), warning)))
    return {**document, "warning": warning} if warning else document


def _beside(birth_date: str, country: str) -> tuple[date | None, tuple[str, ...], str]:
    """Date and countries as screening takes them, and what could not be read."""
    from compliance.screening.places import country_of

    troubles = []
    born = None
    if birth_date.strip():
        try:
            born = date.fromisoformat(birth_date.strip())
        except ValueError:
            troubles.append(f"date_of_birth {birth_date.strip()!r}: YYYY-MM-DD is meant")
    code = country_of(country) if country.strip() else ""
    if country.strip() and not code:
        troubles.append(f"country {country.strip()!r}: no ISO 3166-1 alpha-2 code or name that is known")
    return born, (code,) if code else (), "; ".join(troubles)


async def _open(office: Office, count: int | None) -> Any:
    from compliance.audit.log import Entry, append
    from compliance.screening.lists import Lists

    lists = await Lists.open(office.database, office.keys, office.settings.thresholds)
    if not lists.versions:
        fail(
            "no sanctions list is imported: holdfast sanctions import sdn.csv alt.csv add.csv consolidated.xml"
        )
    async with office.database.acquire() as connection, connection.transaction():
        asked = {"names": "a file" if count is None else count}
        entry = Entry(office.actor.name, office.actor.role, "sanctions.screen", "command_line", None, asked)
        await append(connection, [entry])
    return lists


def _table(found: list[Any]) -> Any:
    lines = [
        (
            f"{hit.list_name} {hit.entry_id}",
            f"{hit.score:.3f}",
            "cleared" if cleared else "match" if hit.is_match else "possible",
            hit.entry_name,
            hit.matched_name,
            hit.programme,
        )
        for hit, cleared in found
    ]
    return rows(
        "hits" if found else "no hits", ("entry", "score", "", "listed", "matched", "programme"), lines
    )


def _explained(hit: Any) -> str:
    tokens = ", ".join(
        f"{t.asked} ~ {t.listed} ({t.how} {t.similarity:.2f})"
        if t.asked and t.listed
        else f"{t.asked} is not listed"
        if t.asked
        else f"{t.listed} was not given"
        for t in hit.tokens
    )
    return f"  {hit.list_name} {hit.entry_id}: " + "; ".join(filter(None, (tokens, *hit.notes)))


def _line(document: dict[str, Any]) -> str:
    if "error" in document:
        return f"row {document['row']}: {document['error']}"
    kind = "match" if document["is_match"] else "possible"
    return (
        f"row {document['row']}: {document['name']} ~ {document['matched']} "
        f"({document['list']} {document['list_id']}, {document['score']:.3f}, {kind})"
    )
