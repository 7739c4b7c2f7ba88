"""`holdfast disputes`: errors that consumers told of, with the clocks of Regulation E."""

from datetime import date
from typing import Annotated, Any
from uuid import UUID

import typer

from server.cli.calls import minor_units
from server.cli.desk import AsJson, Home
from server.cli.office import at_office
from server.cli.output import explained, facts, fail, rows, show

app = typer.Typer(
    help="Errors that consumers told of (Regulation E): open, list, show, credit, resolve.",
    no_args_is_help=True,
)
Identifier = Annotated[str, typer.Argument(help="32 hexadecimal digits, as `list` prints them.")]
_AMOUNT = "in US dollars, such as 12.50"


@app.command("open")
def open_one(
    account: Annotated[int, typer.Argument(help="The consumer's account.")],
    amount: Annotated[
        str,
        typer.Argument(help=f"What was taken, {_AMOUNT}: within two business days of learning of a loss."),
    ],
    reason: Annotated[str, typer.Option(help="What the consumer says; recorded.")],
    first: Annotated[
        str, typer.Option(help="Day of the transfer, such as 2026-03-09; of several the first.")
    ],
    kind: Annotated[str, typer.Option(help="unauthorized or error.")] = "unauthorized",
    noticed: Annotated[str, typer.Option(help="Day on which the consumer told of it; else today.")] = "",
    learned: Annotated[str, typer.Option(help="Day on which he learned of the loss or theft.")] = "",
    statement: Annotated[str, typer.Option(help="Day on which the first statement with it was sent.")] = "",
    later: Annotated[str, typer.Option(help=f"Taken after those two days, {_AMOUNT}.")] = "0",
    after_60_days: Annotated[
        str, typer.Option(help=f"Taken over 60 days after the statement, {_AMOUNT}.")
    ] = "0",
    device: Annotated[bool, typer.Option(help="A lost or stolen card (or code) was used.")] = False,
    new_account: Annotated[bool, typer.Option(help="Within 30 days after the first deposit.")] = False,
    extended: Annotated[bool, typer.Option(help="At a point of sale, or initiated abroad.")] = False,
    transfer: Annotated[str, typer.Option(help="Id of the transfer or authorization.")] = "",
    home: Home = None,
    as_json: AsJson = False,
) -> None:
    """Open a dispute: its clocks start on the day of notice."""
    from compliance.rules.disputes import DisputeError, DisputeKind, Told, open_dispute
    from compliance.rules.regulation_e import Loss

    if kind not in set(DisputeKind):
        fail(f"kind: {' or '.join(DisputeKind)}, not {kind!r}")
    today = date.today()  # noqa: DTZ011 - the day of the person at the desk
    loss = Loss(*(minor_units(part, "USD") for part in (amount, later, after_60_days)))
    told = Told(
        account_number=account,
        kind=DisputeKind(kind),
        loss=loss,
        first_on=_day("first", first),
        noticed_on=_day("noticed", noticed) if noticed else today,
        reason=reason,
        source_id=_id("transfer", transfer) if transfer else None,
        learned_on=_day("learned", learned) if learned else None,
        statement_on=_day("statement", statement) if statement else None,
        device=device,
        is_new_account=new_account,
        is_extended=extended,
    )
    run = explained(DisputeError)(at_office)
    found = run(home, "work_cases", lambda office: open_dispute(office.database, told, office.actor, today))
    _show(found, as_json=as_json)


@app.command("list")
def list_disputes(
    state: Annotated[str, typer.Option(help="open, error_found, no_error or withdrawn; else all.")] = "",
    count: Annotated[int, typer.Option(min=1, max=1000, help="At most so many.")] = 100,
    home: Home = None,
    as_json: AsJson = False,
) -> None:
    """List disputes: open ones first, with what is due next."""
    from compliance.rules.disputes import DisputeState, disputes

    if state and state not in set(DisputeState):
        fail(f"state: {', '.join(DisputeState)}, not {state!r}")
    wanted = DisputeState(state) if state else None
    found = at_office(home, "see_cases", lambda office: disputes(office.database, wanted, count))
    documents = [_document(one) for one in found]
    columns = ("dispute", "state", "account", "amount", "noticed", "due", "what")
    lines = [[document[name] for name in columns] for document in documents]
    show(documents, as_json=as_json, table=lambda: rows("disputes", columns, lines))


@app.command("show")
def show_one(identifier: Identifier, home: Home = None, as_json: AsJson = False) -> None:
    """Show a dispute, its clocks and what the consumer bears at most."""
    from compliance.rules.disputes import DisputeError, dispute

    wanted = _id("dispute", identifier)
    run = explained(DisputeError)(at_office)
    _show(run(home, "see_cases", lambda office: dispute(office.database, wanted)), as_json=as_json)


@app.command()
def credit(
    identifier: Identifier,
    amount: Annotated[str, typer.Argument(help=f"What was credited, {_AMOUNT}.")],
    on: Annotated[str, typer.Option(help="Day of the credit; else today.")] = "",
    home: Home = None,
    as_json: AsJson = False,
) -> None:
    """Note a provisional credit: it buys the longer clock."""
    from compliance.rules.disputes import DisputeError, credit_dispute

    wanted, minor, day = _id("dispute", identifier), minor_units(amount, "USD"), _day_or_today(on)
    run = explained(DisputeError)(at_office)
    found = run(
        home, "work_cases", lambda office: credit_dispute(office.database, wanted, minor, day, office.actor)
    )
    _show(found, as_json=as_json)


@app.command()
def resolve(
    identifier: Identifier,
    state: Annotated[str, typer.Argument(help="error_found, no_error or withdrawn.")],
    reason: Annotated[str, typer.Option(help="Why; recorded.")],
    liability: Annotated[str, typer.Option(help=f"What the consumer bears, {_AMOUNT}; else the most.")] = "",
    on: Annotated[str, typer.Option(help="Day of the decision; else today.")] = "",
    home: Home = None,
    as_json: AsJson = False,
) -> None:
    """Resolve a dispute."""
    from compliance.rules.disputes import DisputeError, DisputeState, resolve_dispute

    if state not in set(DisputeState) - {DisputeState.OPEN}:
        fail(f"state: error_found, no_error or withdrawn, not {state!r}")
    wanted, day = _id("dispute", identifier), _day_or_today(on)
    bears = minor_units(liability, "USD") if liability else None
    run = explained(DisputeError)(at_office)
    found = run(
        home,
        "decide",
        lambda office: resolve_dispute(
            office.database, wanted, DisputeState(state), day, reason, office.actor, bears
        ),
    )
    _show(found, as_json=as_json)


def _show(found: Any, *, as_json: bool) -> None:
    document = _document(found)
    show(document, as_json=as_json, table=lambda: facts(f"dispute {document['dispute']}", document))


def _document(found: Any) -> dict[str, Any]:
    told, due = found.told, found.next_due
    return {
        "dispute": found.id.hex,
        "state": found.state.value,
        "account": told.account_number,
        "kind": told.kind.value,
        "amount": _dollars(told.loss.until_2_days + told.loss.until_60_days + told.loss.after_60_days),
        "first": told.first_on.isoformat(),
        "noticed": told.noticed_on.isoformat(),
        "is_timely": found.clocks.is_timely,
        "due": due[0].isoformat() if due else None,
        "what": due[1] if due else "",
        "investigate_due": found.clocks.investigate_due.isoformat(),
        "resolve_due": found.clocks.resolve_due.isoformat(),
        "liability_at_most": _dollars(found.liability.usd_minor),
        "liability_rule": f"{found.liability.citation}: {found.liability.text}",
        "credited": _dollars(found.credited_minor),
        "credited_on": found.credited_on.isoformat() if found.credited_on else None,
        "resolved_on": found.resolved_on.isoformat() if found.resolved_on else None,
        "liability": None if found.liability_minor is None else _dollars(found.liability_minor),
        "notices": [f"{n.due}: {n.text} ({n.citation})" for n in found.notices],
        "reason": told.reason,
        "resolution": found.resolution,
        "changed_by": found.changed_by,
    }


def _dollars(usd_minor: int) -> str:
    from ledger.money import format_minor

    return format_minor(usd_minor, "USD")


def _day_or_today(text: str) -> date:
    return _day("on", text) if text else date.today()  # noqa: DTZ011 - the day of the person at the desk


def _day(field: str, text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        fail(f"{field}: a day such as 2026-03-09, not {text!r}")


def _id(field: str, text: str) -> UUID:
    try:
        return UUID(hex=text)
    except ValueError:
        fail(f"{field}: 32 hexadecimal digits, not {text!r}")
