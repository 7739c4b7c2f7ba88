"""`holdfast policies`: the policy library imported, listed, shown, searched; documents withdrawn."""

from dataclasses import asdict
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from server.cli.desk import AsJson, Home
from server.cli.office import Office, at_office
from server.cli.output import facts, fail, rows, say, show

app = typer.Typer(help="The policy library: import, list, show, search, withdraw.", no_args_is_help=True)

_LISTED: Final = (
    "name",
    "kind",
    "jurisdiction",
    "effective",
    "until",
    "withdrawn_on",
    "passages",
    "imported_by",
)
_SHOWN_CHARS: Final = 240

AsOf = Annotated[str, typer.Option("--as-of", help="A day, like 2025-01-31; else today.")]


@app.command("import")
def import_policies(
    paths: Annotated[
        list[Path], typer.Argument(help="Markdown, text, eRegulations XML; or folders of them.")
    ],
    title: Annotated[str, typer.Option(help="What it is called; else as it says itself.")] = "",
    kind: Annotated[
        str,
        typer.Option(
            help="statute, regulation, interpretation, manual, guidance, policy; or the bank's own aml_policy, wire_manual, "
            "due_diligence_policy, sanctions_policy."
        ),
    ] = "",
    jurisdiction: Annotated[str, typer.Option(help="Such as US or US-NY; else US.")] = "",
    effective: Annotated[
        str, typer.Option(help="First day in force, like 2025-01-31; else as it says itself.")
    ] = "",
    home: Home = None,
    as_json: AsJson = False,
) -> None:
    """
    Import works. The same again changes nothing; a new edition supersedes the old one, which is kept.

    Files of one work, as the sections of a code, are given together: their folder.
    """
    from compliance.policies.desk import PolicyDesk
    from compliance.policies.edition import DocumentKind, PolicyError
    from compliance.policies.reading import Told, read

    if kind and kind not in set(DocumentKind):
        fail(f"kind: {kind!r} is none of {', '.join(DocumentKind)}")
    told = Told(
        title=title or None,
        kind=DocumentKind(kind) if kind else None,
        jurisdiction=jurisdiction or None,
        effective=_day("effective", effective),
    )
    try:
        works = read(paths, told)
    except (PolicyError, OSError) as error:
        fail(str(error))

    async def work(office: Office) -> Any:
        desk = PolicyDesk(office.database, _now, _embed(office))
        done = await desk.add(works, office.actor)
        return done, await desk.fill_vectors()

    done, (_, left) = at_office(home, "change_lists", work)
    columns = ("name", "outcome", "sections", "passages")
    documents = [asdict(one) for one in done]
    lines = [[document[column] for column in columns] for document in documents]
    show(documents, as_json=as_json, table=lambda: rows("policies", columns, lines))
    if left and not as_json:
        say(f"{left} passages have no embedding yet: the endpoint gave none. Import anything again to go on.")


@app.command("list")
def list_policies(home: Home = None, as_json: AsJson = False) -> None:
    """List every edition, superseded and withdrawn ones too."""
    from compliance.policies.desk import PolicyDesk

    found = at_office(home, "see_cases", lambda office: PolicyDesk(office.database, _now).documents())
    documents = [asdict(one) for one in found]
    lines = [[document[column] for column in _LISTED] for document in documents]
    show(documents, as_json=as_json, table=lambda: rows("policies", _LISTED, lines))


@app.command("show")
def show_policy(
    name: Annotated[str, typer.Argument(help='A citation, like "31 CFR 1010.311", or a document\'s name.')],
    as_of: AsOf = "",
    home: Home = None,
    as_json: AsJson = False,
) -> None:
    """Show the text in force of a section, or of a whole document."""
    from compliance.policies.library import Library

    day = _day("as-of", as_of)
    found = at_office(home, "see_cases", lambda office: Library(office.database).named(name, day))
    if not found:
        fail(f"nothing in force is called {name!r}; `holdfast policies list` names the documents")
    _print(found, as_json=as_json, whole=True)


@app.command("search")
def search_policies(
    question: Annotated[str, typer.Argument(help="In words, or a citation.")],
    limit: Annotated[int, typer.Option(min=1, max=50, help="How many passages.")] = 5,
    document: Annotated[str, typer.Option(help="Only this document, or this kind of documents.")] = "",
    jurisdiction: Annotated[str, typer.Option(help="Only this jurisdiction.")] = "",
    as_of: AsOf = "",
    home: Home = None,
    as_json: AsJson = False,
) -> None:
    """Search the passages in force: by words, and by meaning where embeddings are set up."""
    from compliance.policies.library import Library

    if not question.strip():
        fail("question: say what to look for")
    day = _day("as-of", as_of)

    async def work(office: Office) -> Any:
        return await Library(office.database, _embed(office)).search(
            question, document=document or None, jurisdiction=jurisdiction or None, as_of=day, limit=limit
        )

    _print(at_office(home, "see_cases", work), as_json=as_json, whole=False)


@app.command("withdraw")
def withdraw(
    name: Annotated[str, typer.Argument(help="The document's name, as the list shows it.")],
    on: Annotated[str, typer.Option(help="First day without it, like 2025-01-31; else today.")] = "",
    home: Home = None,
    as_json: AsJson = False,
) -> None:
    """Take a document out of force. It is kept, and found for days before."""
    from compliance.policies.desk import PolicyDesk
    from compliance.policies.edition import PolicyError

    day = _day("on", on) or _now().date()

    async def work(office: Office) -> int | PolicyError:
        try:
            return await PolicyDesk(office.database, _now).withdraw(name, day, office.actor)
        except PolicyError as error:
            return error

    done = at_office(home, "change_lists", work)
    if isinstance(done, PolicyError):
        fail(str(done))
    document = {"name": name, "withdrawn_on": day, "editions": done}
    show(document, as_json=as_json, table=lambda: facts(name, document))


def _print(passages: list[Any], *, as_json: bool, whole: bool) -> None:
    documents = [
        {
            "citation": one.citation,
            "title": one.title,
            "document": one.document,
            "effective": one.effective,
            "jurisdiction": one.jurisdiction,
            "text": one.text,
            "score": one.score,
        }
        for one in passages
    ]
    lines = [
        [
            one.citation,
            one.title,
            one.text if whole or len(one.text) <= _SHOWN_CHARS else f"{one.text[:_SHOWN_CHARS]}…",
            one.effective,
        ]
        for one in passages
    ]
    columns = ("citation", "title", "text", "effective")
    show(documents, as_json=as_json, table=lambda: rows("policies", columns, lines))


def _embed(office: Office) -> Any:
    from compliance.policies.embedding import embedder

    try:
        return embedder(office.settings.embedding)
    except ValueError as error:
        fail(f"compliance_{error}")


def _day(name: str, text: str) -> date | None:
    if not text:
        return None
    try:
        return date.fromisoformat(text)
    except ValueError:
        fail(f"{name}: {text!r} is no day like 2025-01-31")


def _now() -> datetime:
    return datetime.now(UTC)
