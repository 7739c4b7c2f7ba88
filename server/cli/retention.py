"""`holdfast retention`: what is too old deleted; legal holds placed, lifted, listed."""

from dataclasses import asdict
from datetime import UTC, datetime
from typing import Annotated, Any
from uuid import UUID

import typer

from server.cli.desk import AsJson, Home
from server.cli.office import Office, at_office
from server.cli.output import facts, fail, rows, show

app = typer.Typer(help="Retention: run, hold, lift, list.", no_args_is_help=True)
_COLUMNS = ("id", "what", "until", "reason", "by")


@app.command("run")
def run(
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be deleted.")] = False,
    home: Home = None,
    as_json: AsJson = False,
) -> None:
    """
    Delete what is older than the settings keep it, by kind of data. Legal holds and open cases keep what they are about.

    The worker does the same every day.
    """
    from compliance.audit.retention import BrokenLogError, RetentionBusyError
    from compliance.audit.signing import AuditKeyError
    from server.office.record import record_at

    async def work(office: Office) -> Any:
        try:
            record = record_at(office.home, office.database, office.settings)
            return await record.retention.run(office.actor, dry_run=dry_run)
        except (AuditKeyError, BrokenLogError, RetentionBusyError, OSError) as error:
            fail(str(error))

    done = at_office(home, "administer", work)
    title = "would be deleted" if dry_run else "deleted"
    show(
        {"dry_run": dry_run, "deleted": done},
        as_json=as_json,
        table=lambda: facts(title, {name: f"{count:,}" for name, count in done.items()}),
    )


@app.command("hold")
def hold(
    scope: Annotated[str, typer.Argument(help="customer, case, transfer or authorization.")],
    reference: Annotated[str, typer.Argument(help="A customer's number; else an id, 32 hexadecimal digits.")],
    reason: Annotated[str, typer.Option(help="Such as a subpoena's number; without personal data.")],
    until: Annotated[
        datetime | None, typer.Option(help="Ends by itself then (UTC); else when it is lifted.")
    ] = None,
    home: Home = None,
    as_json: AsJson = False,
) -> None:
    """Place a legal hold: nothing about it is deleted until it is lifted or over."""
    from compliance.audit.holds import HoldError, place

    async def work(office: Office) -> Any:
        try:
            async with office.database.acquire() as connection, connection.transaction():
                return await place(
                    connection,
                    scope,
                    reference,
                    reason=reason,
                    until=None if until is None else until.replace(tzinfo=UTC),
                    actor=office.actor,
                    now=datetime.now(UTC),
                )
        except HoldError as error:
            fail(str(error))

    document = _document(at_office(home, "administer", work))
    show(document, as_json=as_json, table=lambda: facts("legal hold", document))


@app.command("lift")
def lift(
    hold_id: Annotated[str, typer.Argument(help="Id of the hold, 32 hexadecimal digits.")],
    reason: Annotated[str, typer.Option(help="Why it is lifted.")],
    home: Home = None,
    as_json: AsJson = False,
) -> None:
    """Lift a legal hold."""
    from compliance.audit.holds import HoldError
    from compliance.audit.holds import lift as lift_hold

    try:
        identifier = UUID(hold_id)
    except ValueError:
        fail(f"hold: 32 hexadecimal digits, not {hold_id!r}")

    async def work(office: Office) -> Any:
        try:
            async with office.database.acquire() as connection, connection.transaction():
                return await lift_hold(
                    connection, identifier, reason=reason, actor=office.actor, now=datetime.now(UTC)
                )
        except HoldError as error:
            fail(str(error))

    document = _document(at_office(home, "administer", work))
    show(document, as_json=as_json, table=lambda: facts("legal hold", document))


@app.command("list")
def list_(
    all_of_them: Annotated[bool, typer.Option("--all", help="Also those that were lifted.")] = False,
    home: Home = None,
    as_json: AsJson = False,
) -> None:
    """List legal holds, the newest first."""
    from compliance.audit.holds import listed

    async def work(office: Office) -> Any:
        async with office.database.acquire() as connection:
            return await listed(connection, all_of_them=all_of_them)

    found = [_document(each) for each in at_office(home, "see_audit", work)]
    show(
        found,
        as_json=as_json,
        table=lambda: rows("legal holds", _COLUMNS, map(_line, found)),
    )


def _line(hold: dict[str, Any]) -> list[Any]:
    until = "lifted" if hold["lifted_at"] else "over" if not hold["stands"] else hold["until"]
    return [
        hold["id"],
        f"{hold['scope']} {hold['reference']}",
        until.date() if isinstance(until, datetime) else until,
        hold["reason"],
        hold["placed_by"],
    ]


def _document(found: Any) -> dict[str, Any]:
    return {**asdict(found), "id": found.id.hex, "stands": found.stands(datetime.now(UTC))}
