"""`holdfast audit`: the audit log verified, read, proved, sealed and exported."""

import json
import sys
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from server.cli.desk import AsJson, Home
from server.cli.office import Office, at_office
from server.cli.output import FAILED, facts, fail, rows, say, show

app = typer.Typer(
    help="The audit log: verify, list, show, prove, checkpoint, public-key, export.", no_args_is_help=True
)

Since = Annotated[datetime | None, typer.Option(help="Not before this day or time (UTC).")]
Until = Annotated[datetime | None, typer.Option(help="Before this day or time (UTC).")]


@app.command("verify")
def verify(
    public_key: Annotated[
        Path | None, typer.Option(help="Public key in PEM, as a stranger has it; else this home's.")
    ] = None,
    home: Home = None,
    as_json: AsJson = False,
) -> None:
    """
    Find out whether the log is what was appended and sealed: edits, deletions, insertions, another order, a tail cut
    off, all written anew; and where.

    The exit status is 1 where it is not. Rows that no checkpoint holds yet are told apart.
    """
    from compliance.audit.signing import AuditKeyError, public_of
    from compliance.audit.verify import verify_log

    async def work(office: Office) -> Any:
        record = _record(office)
        try:
            key = record.signer.public if public_key is None else public_of(public_key)
            return await verify_log(office.database, record.copies, key)
        except (AuditKeyError, OSError) as error:
            fail(str(error))

    report = at_office(home, "see_audit", work)
    document = report.document()
    show(document, as_json=as_json, table=lambda: facts("audit log", _said(document)))
    if report.broken:
        if not as_json:
            lines = [(b.kind, _place(b), b.text) for b in report.breaks]
            show([], as_json=False, table=lambda: rows("what is wrong", ("kind", "where", "what"), lines))
        raise typer.Exit(FAILED)


@app.command("list")
def list_(
    actor: Annotated[str, typer.Option(help="Who.")] = "",
    action: Annotated[str, typer.Option(help="Such as case.decide, or view.* for all that begin so.")] = "",
    resource: Annotated[str, typer.Option(help="Such as customer:17 or case:<32 hex>.")] = "",
    correlation: Annotated[str, typer.Option(help="Everything that one call or one review did.")] = "",
    since: Since = None,
    until: Until = None,
    before: Annotated[int | None, typer.Option(help="Rows before this number: the last of a page.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=1_000, help="At most so many.")] = 50,
    home: Home = None,
    as_json: AsJson = False,
) -> None:
    """List rows, the newest first."""
    from compliance.audit.reading import Filter, find

    wanted = Filter(actor, action, resource, correlation, _utc(since), _utc(until))

    async def work(office: Office) -> Any:
        async with office.database.acquire() as connection:
            return await find(connection, wanted, before=before, limit=limit)

    found = at_office(home, "see_audit", work)
    columns = ("number", "time (UTC)", "actor", "role", "action", "resource", "correlation")
    show(
        [asdict(row) for row in found],
        as_json=as_json,
        table=lambda: rows(
            "audit log",
            columns,
            (
                (r.number, _time(r.happened_at), r.actor, r.role, r.action, r.resource, r.correlation_id)
                for r in found
            ),
        ),
    )


@app.command("show")
def show_row(
    number: Annotated[int, typer.Argument(help="Number of the row.")],
    home: Home = None,
    as_json: AsJson = False,
) -> None:
    """Show one row, with its old and new values."""
    from compliance.audit.reading import show as read

    async def work(office: Office) -> Any:
        async with office.database.acquire() as connection:
            return await read(connection, number)

    row = at_office(home, "see_audit", work)
    if row is None:
        fail(f"there is no row {number}")
    document = asdict(row)
    show(
        document,
        as_json=as_json,
        table=lambda: facts(
            f"audit row {number}",
            {**document, "old": _values(row.old), "new": _values(row.new)},
        ),
    )


@app.command("prove")
def prove(number: Annotated[int, typer.Argument(help="Number of the row.")], home: Home = None) -> None:
    """Print, as JSON, the proof that a row is in the log: for a stranger who has the public key."""
    from compliance.audit.proof import proof

    async def work(office: Office) -> Any:
        async with office.database.acquire() as connection:
            return await proof(connection, number)

    found = at_office(home, "see_audit", work)
    if found is None:
        fail(f"no checkpoint holds row {number}: run `holdfast audit checkpoint`, or there is no such row")
    show(found, as_json=True, table=lambda: None)


@app.command("checkpoint")
def checkpoint(home: Home = None, as_json: AsJson = False) -> None:
    """Seal all rows there are now, and add what the second place lacks."""
    from compliance.audit.signing import AuditKeyError

    async def work(office: Office) -> Any:
        record = _record(office)
        try:
            return {"made": await record.checkpointer.seal(), "second_place": str(record.copies.path)}
        except (AuditKeyError, OSError) as error:
            fail(str(error))

    document = at_office(home, "administer", work)
    show(document, as_json=as_json, table=lambda: facts("checkpoints", document))


@app.command("public-key")
def public_key_(home: Home = None) -> None:
    """Print the public key of checkpoints, in PEM: keep it where nobody who may write here can."""
    from compliance.audit.signing import pem

    async def work(office: Office) -> Any:
        return pem(_record(office).signer.public)

    sys.stdout.write(at_office(home, "see_audit", work))


@app.command("export")
def export(
    path: Annotated[
        Path, typer.Argument(help="File to write, one JSON document a line: row, content, hash.")
    ],
    home: Home = None,
) -> None:
    """Write the whole log to a file: with the checkpoints, all that a verifier of one's own needs."""
    from compliance.audit.export import export as write

    if path.exists():
        fail(f"{path} is there already: nothing is written over")

    async def work(office: Office) -> Any:
        async with office.database.acquire() as connection, connection.transaction():
            count = await write(connection, path)
            await _told(connection, office, count)
            return count

    try:
        count = at_office(home, "see_audit", work)
    except OSError as error:
        fail(f"{path}: {error.strerror}")
    say(f"{count:,} rows in {path}", markup=False)


async def _told(connection: Any, office: Office, count: int) -> None:
    from compliance.audit.log import Entry, append

    await append(
        connection,
        [Entry(office.actor.name, office.actor.role, "audit.export", "audit", new={"rows": count})],
    )


def _record(office: Office) -> Any:
    from compliance.audit.signing import AuditKeyError
    from server.office.record import record_at

    try:
        return record_at(office.home, office.database, office.settings)
    except AuditKeyError as error:
        fail(str(error))


def _said(document: dict[str, Any]) -> dict[str, Any]:
    said = {"whole": "yes" if document["whole"] else "NO"}
    for name in (
        "rows",
        "first_row",
        "last_row",
        "checkpoints",
        "sealed_to",
        "unsealed_rows",
        "pruned_to",
        "broken",
    ):
        said[name.replace("_", " ")] = f"{document[name]:,}"
    return said


def _place(found: Any) -> str:
    if found.first_row:
        return (
            f"row {found.first_row}"
            if found.first_row == found.last_row
            else f"rows {found.first_row} to {found.last_row}"
        )
    return f"checkpoint {found.checkpoint}" if found.checkpoint else "-"


def _utc(at: datetime | None) -> datetime | None:
    return None if at is None else at.replace(tzinfo=UTC)


def _time(at: datetime) -> str:
    return at.strftime("%Y-%m-%d %H:%M:%S")


def _values(values: Any) -> str:
    return "-" if values is None else json.dumps(values, ensure_ascii=False)
