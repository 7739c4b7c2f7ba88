"""`holdfast filings`: reports to FinCEN and OFAC, from what is due to what was acknowledged."""

from collections.abc import Awaitable, Callable
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Annotated, Any, Final, TypeVar
from uuid import UUID

import typer

from server.cli.desk import AsJson, Home, settings_of
from server.cli.office import Office, at_office
from server.cli.output import fail, rows, say, show

T = TypeVar("T")
FORMS: Final = ("sar", "ctr", "blocked_property_report")
REPORTS: Final = ("initial", "corrects", "continues")

app = typer.Typer(
    help="Reports to FinCEN and OFAC: due, prepare, show, edit, approve, export, acknowledge, validate.",
    no_args_is_help=True,
)
Identifier = Annotated[str, typer.Argument(help="The filing's 32 hexadecimal digits.")]
FormName = Annotated[str, typer.Argument(help=f"One of {', '.join(FORMS)}.")]


def at_filings(home: Path | None, permission: str, work: Callable[[Office], Awaitable[T]]) -> T:
    """`at_office`, with what filings refuse told without a traceback."""
    from compliance.cases.refusals import Refused
    from compliance.filings.documents import DocumentError
    from compliance.filings.profiles import ProfileError
    from compliance.filings.schemas import SchemaError
    from compliance.filings.states import FilingError

    async def inside(office: Office) -> T | Exception:
        try:
            return await work(office)
        except (FilingError, SchemaError, DocumentError, ProfileError, Refused, OSError) as error:
            return error

    done = at_office(home, permission, inside)
    if isinstance(done, Exception):
        fail(str(done))
    return done


@app.command()
def due(home: Home = None, as_json: AsJson = False) -> None:
    """List every clock that runs: filings not sent, reports nobody has prepared, activity to review again."""
    entries, today = at_filings(home, "see_filings", _due)
    lines = [
        {
            "what": each.what,
            "form": each.form.value,
            "due_on": each.due_on,
            "days_left": each.days_left(today),
            "review_on": each.review_on,
            "state": each.state,
            "filing": each.filing_id.hex if each.filing_id else "",
            "case": each.case_id.hex,
        }
        for each in entries
    ]
    columns = ("due_on", "days_left", "what", "form", "state", "review_on", "filing", "case")
    show(
        {"today": today, "due": lines},
        as_json=as_json,
        table=lambda: rows("filings due", columns, [[each[name] for name in columns] for each in lines]),
    )


async def _due(office: Office) -> tuple[list[Any], date]:
    today = datetime.now(UTC).astimezone(_zone(office)).date()
    return await _desk(office).due(office.actor), today


@app.command()
def prepare(
    case: Annotated[str, typer.Argument(help="The case's 32 hexadecimal digits.")],
    form: FormName,
    follows: Annotated[str, typer.Option(help="The filing that it corrects or continues.")] = "",
    report: Annotated[str, typer.Option(help=f"One of {', '.join(REPORTS)}.")] = "initial",
    home: Home = None,
    as_json: AsJson = False,
) -> None:
    """Draft a report from a case: the same one when asked again."""
    case_id, before = _uuid("case", case), _uuid("--follows", follows) if follows else None
    _known("form", form, FORMS)
    _known("--report", report, REPORTS)

    async def work(office: Office) -> Any:
        from compliance.filings.content import Form, Report

        desk = _desk(office)
        filing = await desk.prepare(case_id, Form(form), office.actor, follows=before, report=Report(report))
        return filing, desk.missing(filing)

    _print(*at_filings(home, "prepare_filings", work), as_json=as_json)


@app.command("list")
def list_filings(
    state: Annotated[
        str, typer.Option(help="draft, approved, exported, accepted, rejected, withdrawn.")
    ] = "",
    form: Annotated[str, typer.Option(help=f"One of {', '.join(FORMS)}.")] = "",
    case: Annotated[str, typer.Option(help="Of this case.")] = "",
    home: Home = None,
    as_json: AsJson = False,
) -> None:
    """List filings, the nearest due first; without names."""
    if state:
        _known("--state", state, ("draft", "approved", "exported", "accepted", "rejected", "withdrawn"))
    if form:
        _known("--form", form, FORMS)
    case_id = _uuid("--case", case) if case else None

    async def work(office: Office) -> Any:
        from compliance.filings.content import Form
        from compliance.filings.states import State

        return await _desk(office).filings(
            office.actor,
            state=State(state) if state else None,
            form=Form(form) if form else None,
            case_id=case_id,
        )

    lines = [_document(each) for each in at_filings(home, "see_filings", work)]
    columns = ("filing", "form", "report", "state", "due_on", "filed_on", "bsa_id", "case")
    show(
        lines,
        as_json=as_json,
        table=lambda: rows("filings", columns, [[each[name] for name in columns] for each in lines]),
    )


@app.command("show")
def show_filing(
    identifier: Identifier,
    unmasked: Annotated[
        bool, typer.Option("--unmasked", help="With all it says: an audit row tells who saw it.")
    ] = False,
    home: Home = None,
    as_json: AsJson = False,
) -> None:
    """Show where a filing stands and what it lacks."""
    filing_id = _uuid("filing", identifier)

    async def work(office: Office) -> Any:
        desk = _desk(office)
        filing = await desk.show(filing_id, office.actor, in_full=unmasked)
        return filing, desk.missing(filing)

    permission = "see_personal_data" if unmasked else "see_filings"
    filing, lacking = at_filings(home, permission, work)
    _print(filing, lacking, in_full=unmasked, as_json=as_json)


@app.command()
def edit(
    identifier: Identifier,
    content: Annotated[
        Path | None, typer.Option(help="A file with all of `content`, as `show --unmasked --json` prints it.")
    ] = None,
    narrative: Annotated[Path | None, typer.Option(help="A text file: the narrative of a SAR.")] = None,
    home: Home = None,
    as_json: AsJson = False,
) -> None:
    """Change what a filing says; it must be approved again."""
    filing_id = _uuid("filing", identifier)
    if (content is None) == (narrative is None):
        fail("Give either --content FILE or --narrative FILE.")
    text, story = _text("--content", content), _text("--narrative", narrative)

    async def work(office: Office) -> Any:
        desk = _desk(office)
        filing = await desk.edit(filing_id, office.actor, text=text, narrative=story)
        return filing, desk.missing(filing)

    _print(*at_filings(home, "prepare_filings", work), as_json=as_json)


@app.command()
def approve(
    identifier: Identifier,
    accept_unknown: Annotated[
        bool,
        typer.Option("--accept-unknown", help="File as unknown what nobody knows and a form lets be so."),
    ] = False,
    home: Home = None,
    as_json: AsJson = False,
) -> None:
    """Approve a filing that somebody else wrote (four eyes)."""
    filing_id = _uuid("filing", identifier)

    async def work(office: Office) -> Any:
        desk = _desk(office)
        filing = await desk.approve(filing_id, office.actor, accept_unknown=accept_unknown)
        return filing, desk.missing(filing)

    _print(*at_filings(home, "approve_filings", work), as_json=as_json)


@app.command()
def withdraw(
    identifier: Identifier,
    reason: Annotated[str, typer.Option(help="Why it is not to be filed; recorded.")],
    home: Home = None,
    as_json: AsJson = False,
) -> None:
    """Take a filing back before it goes out."""
    filing_id = _uuid("filing", identifier)

    async def work(office: Office) -> Any:
        return await _desk(office).withdraw(filing_id, office.actor, reason), []

    _print(*at_filings(home, "approve_filings", work), as_json=as_json)


@app.command()
def export(
    form: FormName,
    to: Annotated[Path | None, typer.Option(help="Folder for the files [HOLDFAST_HOME/filings].")] = None,
    home: Home = None,
    as_json: AsJson = False,
) -> None:
    """Write what is approved as a batch file to be uploaded: SARs and CTRs as XML, blocked property as text."""
    _known("form", form, FORMS)

    async def work(office: Office) -> Any:
        from compliance.filings.content import Form

        return await _dispatch(office).export(Form(form), to or office.home / "filings", office.actor)

    done = at_filings(home, "approve_filings", work)
    document = {
        "files": [str(path) for path in done.files],
        "batches": [each.hex for each in done.batches],
        "filings": [each.hex for each in done.filings],
        "undecided": [each.hex for each in done.undecided],
    }
    lines = [(name, ", ".join(values)) for name, values in document.items()]
    show(document, as_json=as_json, table=lambda: rows(f"exported {form}", ("what", "which"), lines))


@app.command()
def acknowledge(
    file: Annotated[Path, typer.Argument(help="FinCEN's acknowledgement, XML.")],
    batch: Annotated[str, typer.Option(help="The batch it answers; else the only one that waits.")] = "",
    home: Home = None,
    as_json: AsJson = False,
) -> None:
    """Read FinCEN's answer back: accepted with BSA identifiers, or rejected with reasons."""
    batch_id = _uuid("--batch", batch) if batch else None

    async def work(office: Office) -> Any:
        from compliance.filings.documents import read_bytes

        return await _dispatch(office).acknowledge(read_bytes(file), office.actor, batch_id)

    done = at_filings(home, "approve_filings", work)
    filings = [_document(each) for each in done.filings]
    document = {"batch": done.batch_id.hex, "is_accepted": done.is_accepted, "filings": filings}
    columns = ("filing", "state", "bsa_id", "says")
    lines = [
        (each["filing"], each["state"], each["bsa_id"], [_trouble(one) for one in each["troubles"]])
        for each in filings
    ]
    show(document, as_json=as_json, table=lambda: rows(f"batch {done.batch_id.hex}", columns, lines))


@app.command()
def schemas(
    paths: Annotated[
        list[Path] | None, typer.Argument(help="FinCEN's .xsd files; none lists what is there.")
    ] = None,
    home: Home = None,
    as_json: AsJson = False,
) -> None:
    """Install FinCEN's schemas into this home: they are not shipped."""
    from compliance.filings.schemas import FORMS as KNOWN
    from compliance.filings.schemas import SchemaError

    store = _schemas(settings_of(home).home)
    try:
        for path in paths or []:
            store.install(path)
    except (SchemaError, OSError) as error:
        fail(str(error))
    there = store.installed()
    document = [{"form": form, "what": what, "installed": form in there} for form, what in KNOWN.items()]
    lines = [(each["form"], each["what"], "yes" if each["installed"] else "no") for each in document]
    show(document, as_json=as_json, table=lambda: rows("schemas", ("form", "what", "installed"), lines))


@app.command()
def validate(
    files: Annotated[list[Path], typer.Argument(help="Batch files, XML.")],
    home: Home = None,
    as_json: AsJson = False,
) -> None:
    """Hold batch files against their schemas; status 1 where one may not be filed."""
    from compliance.filings.documents import DocumentError, read_bytes
    from compliance.filings.validation import Fault
    from compliance.filings.validation import validate as faults_of

    store = _schemas(settings_of(home).home)
    document: list[dict[str, Any]] = []
    for path in files:
        try:
            form, faults = faults_of(read_bytes(path), store)
        except (DocumentError, OSError) as error:
            form, faults = "", [Fault(0, "", str(error))]
        told = [each._asdict() for each in faults]
        document.append({"file": str(path), "form": form, "is_valid": not faults, "faults": told})
    if as_json:
        show(document, as_json=True, table=list)
    for each in () if as_json else document:
        if each["is_valid"]:
            say(f"{each['file']}: may be filed ({each['form']})", markup=False)
        for fault in each["faults"]:  # as compilers tell them
            place = f"{each['file']}:{fault['line']}" if fault["line"] else each["file"]
            say(": ".join(filter(None, (place, fault["path"], fault["text"]))), markup=False)
    if not all(each["is_valid"] for each in document):
        raise typer.Exit(1)


def _schemas(home: Path) -> Any:
    from compliance.filings.schemas import Schemas

    return Schemas(home / "schemas")


def _zone(office: Office) -> Any:
    from zoneinfo import ZoneInfo

    return ZoneInfo(office.settings.timezone)


def _desk(office: Office) -> Any:
    from compliance.filings.desk import FilingDesk
    from compliance.filings.record import Record
    from server.front.codes import country_letters
    from server.office.filer import bank_of

    zone = _zone(office)
    record = Record(office.keys, zone, country_letters())
    return FilingDesk(office.database, office.keys, bank_of(office.settings), record, zone, _now)


def _dispatch(office: Office) -> Any:
    from compliance.cases.filed import mark_filed
    from compliance.filings.dispatch import Dispatch
    from compliance.results import DutyKind
    from server.office.filer import bank_of

    async def filed(
        connection: Any, case_id: UUID, filing_id: UUID, actor: Any, now: datetime, form: Any
    ) -> None:
        await mark_filed(connection, case_id, filing_id, actor, now, form=DutyKind(form.value))

    return Dispatch(
        office.database,
        office.keys,
        bank_of(office.settings),
        _schemas(office.home),
        _zone(office),
        filed,
        _now,
    )


def _now() -> datetime:
    return datetime.now(UTC)


def _print(filing: Any, lacking: list[Any], *, in_full: bool = False, as_json: bool) -> None:
    from server.cli.output import facts

    document = _document(filing)
    document["lacking"] = [each._asdict() for each in lacking]
    if in_full:
        from compliance.filings.desk import shown

        document["content"] = shown(filing.content)

    def table() -> Any:
        told = {
            name: value for name, value in document.items() if name not in {"lacking", "content", "troubles"}
        }
        told["lacking"] = [f"{each.field} ({each.allowed})" for each in lacking]
        told["FinCEN says"] = [_trouble(each) for each in filing.troubles]
        return facts(f"filing {filing.id.hex}", told)

    show(document, as_json=as_json, table=table)
    if in_full and not as_json:
        import json

        say(json.dumps(document["content"], indent=2, ensure_ascii=False), markup=False)


def _document(filing: Any) -> dict[str, Any]:
    """Where a filing stands, without what it says."""
    return {
        "filing": filing.id.hex,
        "case": filing.case_id.hex,
        "form": filing.form.value,
        "report": filing.report.value,
        "follows": filing.follows.hex if filing.follows else "",
        "state": filing.state.value,
        "begins_on": filing.begins_on,
        "due_on": filing.due_on,
        "authors": list(filing.authors),
        "approved_by": filing.approved_by,
        "batch": filing.batch_id.hex if filing.batch_id else "",
        "filed_on": filing.filed_on,
        "bsa_id": filing.bsa_id,
        "troubles": list(filing.troubles),
    }


def _trouble(said: dict[str, Any]) -> str:
    return f"{said['level']} {said['code']} {said['context']}: {said['text']}"


def _uuid(option: str, text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError:
        fail(f"{option} must be 32 hexadecimal digits, not {text!r}")


def _known(option: str, given: str, known: tuple[str, ...]) -> None:
    if given not in known:
        fail(f"{option} must be one of {', '.join(known)}, not {given!r}")


def _text(option: str, path: Path | None) -> str | None:
    if path is None:
        return None
    try:
        return path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        fail(f"{option}: {error}")
