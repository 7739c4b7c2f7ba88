"""`holdfast cases`: what compliance has to look at, decided by people; each change under the name of whoever acts."""

import sys
from pathlib import Path
from typing import Annotated, Final

import typer

from server.cli import cases_record
from server.cli.cases_desk import SOURCES, CaseId, at_cases, bounded, identifier, known, source_identifier
from server.cli.cases_tables import print_case, print_cases, print_evidence
from server.cli.desk import AsJson, Home
from server.cli.output import fail

app = typer.Typer(
    help="Cases of compliance: list, work on, decide, and everything on record.", no_args_is_help=True
)

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
        states=tuple(State(text) for text in known("--state", states, STATES)),
        tiers=tuple(Tier(text) for text in known("--tier", tiers, TIERS)),
        queues=known("--queue", queues, QUEUES),
        assignee=assignee,
        customer_number=customer,
        overdue=overdue,
    )
    found = at_cases(home, "list", lambda desk, by: desk.page(by, wanted, count))
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
    found = at_cases(home, "search", lambda desk, by: desk.search(by, query, None, count))
    print_cases(found, as_json=as_json)


@app.command("show")
def show_case(
    case: CaseId,
    unmasked: Annotated[bool, typer.Option("--unmasked", help="With names; recorded as a view.")] = False,
    home: Home = None,
    as_json: AsJson = False,
) -> None:
    """Show a case with its steps, its evidence and its newest review."""
    case_id = identifier("case", case)
    whole = at_cases(home, "show", lambda desk, by: desk.show(by, case_id, unmasked=unmasked))
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

    (found_tier,) = known("--tier", [tier], TIERS)
    about = Source(known("--source", [source], SOURCES)[0]) if source else None
    wanted = ByHand(
        key or secrets.token_hex(16),
        bounded("summary", summary, 300),
        Tier(found_tier),
        bounded("--reason", reason),
        about,
        None if about is None else source_identifier(source, source_id),
        customer,
    )
    print_case(at_cases(home, "open", lambda desk, by: desk.open(by, wanted)), as_json=as_json)


@app.command()
def assign(
    case: CaseId,
    to: Annotated[str, typer.Option(help="To whom; else to whoever acts.")] = "",
    home: Home = None,
    as_json: AsJson = False,
) -> None:
    """Give a case to somebody, or take it."""
    case_id = identifier("case", case)
    print_case(at_cases(home, "assign", lambda desk, by: desk.assign(by, case_id, to)), as_json=as_json)


@app.command()
def comment(
    case: CaseId,
    text: Annotated[str, typer.Argument(help="What to say; sealed.")],
    home: Home = None,
    as_json: AsJson = False,
) -> None:
    """Say something about a case."""
    case_id, words = identifier("case", case), bounded("text", text)
    print_case(at_cases(home, "comment", lambda desk, by: desk.comment(by, case_id, words)), as_json=as_json)


@app.command()
def evidence(
    case: CaseId,
    file: Annotated[Path | None, typer.Argument(help="File to lay to the case.")] = None,
    get: Annotated[str, typer.Option(help="Evidence to read instead: its content to stdout.")] = "",
    home: Home = None,
    as_json: AsJson = False,
) -> None:
    """Lay a file to a case, or read one that was."""
    case_id = identifier("case", case)
    if get:
        piece_id = identifier("--get", get)
        _, content = at_cases(home, "evidence", lambda desk, by: desk.evidence(by, case_id, piece_id))
        sys.stdout.buffer.write(content)
        return
    if file is None:
        fail("give a file, or --get with the id of what to read")
    try:
        content = file.read_bytes()
    except OSError as error:
        fail(f"{file} can't be read: {error.strerror}")
    _, piece = at_cases(
        home, "add_evidence", lambda desk, by: desk.add_evidence(by, case_id, file.name[-200:], content)
    )
    print_evidence(piece, as_json=as_json)


@app.command()
def escalate(case: CaseId, reason: Reason, home: Home = None, as_json: AsJson = False) -> None:
    """Put a case before those who decide."""
    case_id, why = identifier("case", case), bounded("--reason", reason)
    print_case(at_cases(home, "escalate", lambda desk, by: desk.escalate(by, case_id, why)), as_json=as_json)


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

    case_id, why = identifier("case", case), bounded("--reason", reason)
    (found,) = known("disposition", [disposition], DISPOSITIONS)
    deeds = [Action(text) for text in known("--action", actions, ACTIONS)]
    print_case(
        at_cases(home, "decide", lambda desk, by: desk.decide(by, case_id, Disposition(found), deeds, why)),
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
    case_id, why = identifier("case", case), bounded("--reason", reason)
    print_case(
        at_cases(home, "approve", lambda desk, by: desk.approve(by, case_id, why, agrees=not return_it)),
        as_json=as_json,
    )


@app.command()
def reopen(case: CaseId, reason: Reason, home: Home = None, as_json: AsJson = False) -> None:
    """Take a decided case up again."""
    case_id, why = identifier("case", case), bounded("--reason", reason)
    print_case(at_cases(home, "reopen", lambda desk, by: desk.reopen(by, case_id, why)), as_json=as_json)


app.command()(cases_record.watch)
app.command()(cases_record.trail)
app.command()(cases_record.analyse)
