"""`holdfast cases`: what compliance has to look at, decided by people; each change under the name of whoever acts."""

import asyncio
import sys
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any, Final, TypeVar
from uuid import UUID

import typer

from server.cli.cases_tables import print_case, print_cases, print_evidence, print_review, print_trail, told
from server.cli.desk import AsJson, Home
from server.cli.office import Office, at_office
from server.cli.output import fail, say

app = typer.Typer(
    help="Cases of compliance: list, work on, decide, and everything on record.", no_args_is_help=True
)

T = TypeVar("T")
CaseId = Annotated[str, typer.Argument(help="32 hex digits of the case.")]
Reason = Annotated[str, typer.Option(help="Why; recorded, sealed.")]

DISPOSITIONS: Final = ("cleared", "suspicious", "true_match")
ACTIONS: Final = (
    "release_transfer",
    "reject_transfer",
    "block_transfer",
    "block_card",
    "unblock_card",
    "block_customer",
    "unblock_customer",
    "label_fraud",
    "label_false_positive",
)
STATES: Final = ("open", "assigned", "in_review", "escalated", "decided", "filed", "closed")
TIERS: Final = ("low", "medium", "high")
QUEUES: Final = ("sanctions", "high", "wires", "cash", "cards", "transfers", "by_hand")
SOURCES: Final = ("authorization", "transfer", "customer")


@app.command("list")
def list_cases(
    states: Annotated[list[str] | None, typer.Option("--state", help=f"{', '.join(STATES)}.")] = None,
    tiers: Annotated[list[str] | None, typer.Option("--tier", help=f"{', '.join(TIERS)}.")] = None,
    queues: Annotated[list[str] | None, typer.Option("--queue", help=f"{', '.join(QUEUES)}.")] = None,
    assignee: Annotated[str | None, typer.Option(help='Who has it; "" for those that nobody has.')] = None,
    customer: Annotated[int | None, typer.Option(help="The customer's number.")] = None,
    overdue: Annotated[bool, typer.Option("--overdue", help="Only those.")] = False,
    count: Annotated[int, typer.Option(min=1, max=200, help="At most so many.")] = 50,
    home: Home = None,
    as_json: AsJson = False,
) -> None:
    """List the cases that wait, what is due first before the rest."""
    from compliance.cases.records import Wanted
    from compliance.cases.states import State
    from compliance.results import Tier

    wanted = Wanted(
        states=tuple(State(text) for text in _known("--state", states, STATES)),
        tiers=tuple(Tier(text) for text in _known("--tier", tiers, TIERS)),
        queues=_known("--queue", queues, QUEUES),
        assignee=assignee,
        customer_number=customer,
        overdue=overdue,
    )
    found = _at(home, "list", lambda desk, by: desk.page(by, wanted, count))
    print_cases(found, as_json=as_json)


@app.command()
def search(
    query: Annotated[
        str, typer.Argument(help="Words, the id of a case or transaction, or a customer's number.")
    ],
    count: Annotated[int, typer.Option(min=1, max=200, help="At most so many.")] = 50,
    home: Home = None,
    as_json: AsJson = False,
) -> None:
    """Search all cases, closed ones too, the newest first."""
    found = _at(home, "search", lambda desk, by: desk.search(by, query, None, count))
    print_cases(found, as_json=as_json)


@app.command("show")
def show_case(
    case: CaseId,
    unmasked: Annotated[bool, typer.Option("--unmasked", help="With names; recorded as a view.")] = False,
    home: Home = None,
    as_json: AsJson = False,
) -> None:
    """Show a case with its steps, its evidence and its newest review."""
    case_id = _id("case", case)
    whole = _at(home, "show", lambda desk, by: desk.show(by, case_id, unmasked=unmasked))
    print_case(whole.case, as_json=as_json, whole=whole)


@app.command("open")
def open_case(
    summary: Annotated[str, typer.Argument(help="In one line, without personal data.")],
    reason: Reason,
    tier: Annotated[str, typer.Option(help=f"{', '.join(TIERS)}.")] = "medium",
    source: Annotated[str, typer.Option(help=f"What it is about: {', '.join(SOURCES)}.")] = "",
    source_id: Annotated[str, typer.Option(help="32 hex digits of it; a customer's number.")] = "",
    customer: Annotated[int | None, typer.Option(help="The customer's number.")] = None,
    key: Annotated[str, typer.Option(help="Tells this case from others: the same again is the same.")] = "",
    home: Home = None,
    as_json: AsJson = False,
) -> None:
    """Open a case by hand."""
    import secrets

    from compliance.cases.desk import ByHand
    from compliance.facts import Source
    from compliance.results import Tier

    (found_tier,) = _known("--tier", [tier], TIERS)
    about = Source(_known("--source", [source], SOURCES)[0]) if source else None
    wanted = ByHand(
        key or secrets.token_hex(16),
        _bounded("summary", summary, 300),
        Tier(found_tier),
        _bounded("--reason", reason),
        about,
        None if about is None else _source_id(source, source_id),
        customer,
    )
    print_case(_at(home, "open", lambda desk, by: desk.open(by, wanted)), as_json=as_json)


@app.command()
def assign(
    case: CaseId,
    to: Annotated[str, typer.Option(help="To whom; else to whoever acts.")] = "",
    home: Home = None,
    as_json: AsJson = False,
) -> None:
    """Give a case to somebody, or take it."""
    case_id = _id("case", case)
    print_case(_at(home, "assign", lambda desk, by: desk.assign(by, case_id, to)), as_json=as_json)


@app.command()
def comment(
    case: CaseId,
    text: Annotated[str, typer.Argument(help="What to say; sealed.")],
    home: Home = None,
    as_json: AsJson = False,
) -> None:
    """Say something about a case."""
    case_id, words = _id("case", case), _bounded("text", text)
    print_case(_at(home, "comment", lambda desk, by: desk.comment(by, case_id, words)), as_json=as_json)


@app.command()
def evidence(
    case: CaseId,
    file: Annotated[Path | None, typer.Argument(help="File to lay to the case.")] = None,
    get: Annotated[str, typer.Option(help="Evidence to read instead: its content to stdout.")] = "",
    home: Home = None,
    as_json: AsJson = False,
) -> None:
    """Lay a file to a case, or read one that was."""
    case_id = _id("case", case)
    if get:
        piece_id = _id("--get", get)
        _, content = _at(home, "evidence", lambda desk, by: desk.evidence(by, case_id, piece_id))
        sys.stdout.buffer.write(content)
        return
    if file is None:
        fail("give a file, or --get with the id of what to read")
    try:
        content = file.read_bytes()
    except OSError as error:
        fail(f"{file} can't be read: {error.strerror}")
    _, piece = _at(
        home, "add_evidence", lambda desk, by: desk.add_evidence(by, case_id, file.name[-200:], content)
    )
    print_evidence(piece, as_json=as_json)


@app.command()
def escalate(case: CaseId, reason: Reason, home: Home = None, as_json: AsJson = False) -> None:
    """Put a case before those who decide."""
    case_id, why = _id("case", case), _bounded("--reason", reason)
    print_case(_at(home, "escalate", lambda desk, by: desk.escalate(by, case_id, why)), as_json=as_json)


@app.command()
def decide(
    case: CaseId,
    disposition: Annotated[str, typer.Argument(help=f"{', '.join(DISPOSITIONS)}.")],
    reason: Reason,
    actions: Annotated[
        list[str] | None, typer.Option("--action", help=f"What it does: {', '.join(ACTIONS)}.")
    ] = None,
    home: Home = None,
    as_json: AsJson = False,
) -> None:
    """Decide a case and do what that says; what somebody else must approve waits as a proposal."""
    from compliance.cases.states import Action, Disposition

    case_id, why = _id("case", case), _bounded("--reason", reason)
    (found,) = _known("disposition", [disposition], DISPOSITIONS)
    deeds = [Action(text) for text in _known("--action", actions, ACTIONS)]
    print_case(
        _at(home, "decide", lambda desk, by: desk.decide(by, case_id, Disposition(found), deeds, why)),
        as_json=as_json,
    )


@app.command()
def approve(
    case: CaseId,
    reason: Reason,
    return_it: Annotated[
        bool, typer.Option("--return", help="Don't carry the proposal out: it goes back.")
    ] = False,
    home: Home = None,
    as_json: AsJson = False,
) -> None:
    """Be the second pair of eyes: carry a proposal out, or close what somebody else has decided."""
    case_id, why = _id("case", case), _bounded("--reason", reason)
    print_case(
        _at(home, "approve", lambda desk, by: desk.approve(by, case_id, why, agrees=not return_it)),
        as_json=as_json,
    )


@app.command()
def reopen(case: CaseId, reason: Reason, home: Home = None, as_json: AsJson = False) -> None:
    """Take a decided case up again."""
    case_id, why = _id("case", case), _bounded("--reason", reason)
    print_case(_at(home, "reopen", lambda desk, by: desk.reopen(by, case_id, why)), as_json=as_json)


@app.command()
def watch(
    token: Annotated[str, typer.Option(help="Where to resume, as printed; else from now on.")] = "",
    count: Annotated[int, typer.Option(min=0, help="End after so many; 0 goes on until Ctrl-C.")] = 0,
    home: Home = None,
    as_json: AsJson = False,
) -> None:
    """Print cases as they come and change."""
    from compliance.cases.changes import CHANNEL, Position, changes_after
    from server.front.counter import open_token
    from server.store.bell import Bell, wait_for

    bad: list[Any] = []
    parts = open_token(token, 2, bad)
    if bad:
        fail("--token must be one that was printed, or absent")

    async def work(office: Office) -> None:
        desk, by = _desk(office)
        bell = Bell(office.database, CHANNEL)
        ringing = asyncio.ensure_future(bell.run())
        left = count or -1
        try:
            with bell.heard() as rung:
                async with office.database.acquire() as connection:
                    at = await Position.now(connection) if parts is None else Position(*parts)
                while left:
                    rung.clear()
                    async with office.database.acquire() as connection:
                        changes = await changes_after(connection, at)
                    cases = await desk.see(by, [change.case_id for change in changes])
                    for change in changes[: left if left > 0 else None]:
                        at, left = change.position, left - 1
                        told(change, cases.get(change.case_id), as_json=as_json)
                    if not changes:
                        await wait_for(rung, 1.0)
        finally:
            ringing.cancel()

    with _explained():
        try:
            at_office(home, "see_cases", work)
        except KeyboardInterrupt:
            say("")


@app.command()
def trail(
    reference: Annotated[
        str, typer.Argument(help="32 hex digits of a case, or with --source of what it is.")
    ],
    source: Annotated[str, typer.Option(help=f"{', '.join(SOURCES)}; else a case.")] = "",
    home: Home = None,
    as_json: AsJson = False,
) -> None:
    """Print everything on record about a transaction, in order of time."""
    from compliance.cases.trail import Trails
    from compliance.facts import Source

    if source:
        _known("--source", [source], SOURCES)
    identifier = _source_id(source, reference) if source else _id("case", reference)

    async def work(office: Office) -> Any:
        trails = Trails(office.database)
        _, by = _desk(office)
        if source:
            return await trails.of(by, Source(source), identifier)
        return await trails.of_case(by, identifier)

    with _explained():
        print_trail(at_office(home, "see_cases", work), as_json=as_json)


@app.command()
def analyse(
    source: Annotated[str, typer.Argument(help=f"{', '.join(SOURCES)}.")],
    reference: Annotated[str, typer.Argument(help="32 hex digits of it; a customer's number.")],
    refresh: Annotated[
        bool, typer.Option("--refresh", help="Ask again although there is an analysis.")
    ] = False,
    home: Home = None,
    as_json: AsJson = False,
) -> None:
    """Review any transaction now, flagged or not."""
    import json

    from compliance.cases.reading import NEEDS
    from compliance.cases.reviewed import review_as_seen_by
    from compliance.facts import Source
    from compliance.results import document
    from server.cli.desk import settings_of
    from server.front.compliance_writing import review_message
    from server.office.assembly import ComplianceOffice, OfficeError

    _known("source", [source], SOURCES)
    identifier = _source_id(source, reference)

    async def work(office: Office) -> Any:
        parts = await ComplianceOffice.open(settings_of(home), office.settings, working=False)
        try:
            result = await parts.desk.analyse_now(
                Source(source), identifier, office.actor, force_refresh=refresh
            )
        finally:
            await parts.close()
        return review_as_seen_by(json.loads(document(result)), office.actor)

    with _explained():
        try:
            found = at_office(home, NEEDS["analyse"].value, work)
        except OfficeError as error:
            fail(str(error))
    print_review(review_message(found), as_json=as_json)


def _at(home: Path | None, need: str, work: Callable[[Any, Any], Awaitable[T]]) -> T:
    """Runs `work(desk, by)` where whoever acts may do what is called `need`."""
    from compliance.cases.reading import NEEDS

    async def inside(office: Office) -> T:
        return await work(*_desk(office))

    with _explained():
        return at_office(home, NEEDS[need].value, inside)


def _desk(office: Office) -> tuple[Any, Any]:
    from uuid import uuid4

    from compliance.cases.records import By
    from server.office.door import desk_of

    return desk_of(office.database, office.keys, office.settings), By(office.actor, uuid4().hex)


@contextmanager
def _explained() -> Iterator[None]:
    """What the desk refuses is told without a traceback."""
    from compliance.cases.refusals import Refused, Unfit

    try:
        yield
    except (Refused, Unfit) as error:
        fail(str(error))
    except LookupError as error:
        fail(str(error.args[0]) if error.args else str(error))


def _id(name: str, text: str) -> UUID:
    if len(text) != 32 or not set(text) <= set("0123456789abcdef"):
        fail(f"{name} must be 32 hex digits, not {text!r}")
    return UUID(hex=text)


def _source_id(source: str, text: str) -> UUID:
    if source == "customer" and text.isascii() and text.isdigit() and len(text) <= 10:
        return UUID(int=int(text))
    return _id("the id of what it is about", text)


def _known(name: str, texts: list[str] | None, known: tuple[str, ...]) -> tuple[str, ...]:
    for text in texts or ():
        if text not in known:
            fail(f"{name} must be one of {', '.join(known)}, not {text!r}")
    return tuple(texts or ())


def _bounded(name: str, text: str, size_max: int = 4_000) -> str:
    text = text.strip()
    if not 0 < len(text) <= size_max or not text.replace("\n", "").replace("\t", "").isprintable():
        fail(f"{name} must be 1 to {size_max} printable characters")
    return text
