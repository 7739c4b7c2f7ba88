"""`holdfast comply`: the compliance worker and its service; `queue`, `parked` and `retry`: what waits for it."""

import asyncio
import os
import signal
import sys
from collections.abc import Callable
from typing import Annotated, Any
from uuid import UUID

import typer

from server.cli.desk import AsJson, Home, settings_of
from server.cli.golden import evaluate
from server.cli.office import Office, at_office
from server.cli.output import explained, fail, rows, say, show, stderr
from server.cli.summary import summary

app = typer.Typer(help="The compliance worker: reviews what was flagged.", invoke_without_command=True)
app.command("summary")(summary)
app.command("evaluate")(evaluate)


@app.callback()
def comply(
    context: typer.Context,
    host: Annotated[str | None, typer.Option(help="Address to serve on [127.0.0.1].")] = None,
    port: Annotated[int | None, typer.Option(help="gRPC port [50052]; 0 takes a free one.")] = None,
    metrics_port: Annotated[int | None, typer.Option(help="Prometheus port [9465]; 0 for none.")] = None,
    home: Home = None,
    beside: Annotated[bool, typer.Option("--beside", hidden=True)] = False,
    verbose: Annotated[bool, typer.Option("--verbose", help="Log more.")] = False,
) -> None:
    """Start the compliance worker. It needs PostgreSQL alone; several may run. Ctrl-C or SIGTERM stops it."""
    if context.invoked_subcommand is not None:
        return
    from pydantic import ValidationError

    from server.background import give_way
    from server.office.settings import OfficeSettings
    from server.telemetry import configure_logs

    configure_logs(verbose=verbose)
    given = {"host": host, "port": port, "metrics_port": metrics_port}
    try:
        settings = OfficeSettings(**{name: value for name, value in given.items() if value is not None})  # type: ignore[arg-type]  # checked by pydantic
    except ValidationError as error:
        fail("; ".join(f"compliance_{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors()))
    if settings.background:
        give_way()
    _run(settings_of(home), settings, beside=beside)


def _run(server_settings: Any, settings: Any, *, beside: bool) -> None:
    """Run until a signal; errors that a person can mend are told without a traceback."""
    from compliance.audit.signing import AuditKeyError
    from server.front.certificates import DoorClosed
    from server.front.door import PortTaken
    from server.keys import KeysError
    from server.office.assembly import OfficeError
    from server.store.postgres import StoreError

    @explained(OfficeError, DoorClosed, StoreError, KeysError, AuditKeyError, PortTaken)
    def run() -> None:
        asyncio.run(_serve(server_settings, settings, beside=beside))

    run()


async def _serve(server_settings: Any, settings: Any, *, beside: bool) -> None:
    from server.office.assembly import ComplianceOffice

    loop = asyncio.get_running_loop()
    stopping = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stopping.set)
    if beside:
        _end_with_the_server(loop, stopping.set)
    waiting = asyncio.ensure_future(stopping.wait())
    opening = asyncio.ensure_future(
        ComplianceOffice.open(
            server_settings,
            settings,
            told=lambda text: stderr.print(f"compliance: {text}"),
            beside=beside,
        )
    )
    try:
        await asyncio.wait((waiting, opening), return_when=asyncio.FIRST_COMPLETED)
        if not opening.done():
            opening.cancel()
            await asyncio.gather(opening, return_exceptions=True)
            return
        office = opening.result()
        try:
            for line in office.greeting():
                say(line, markup=False)
            sys.stdout.flush()
            await asyncio.wait((waiting, office.failed), return_when=asyncio.FIRST_COMPLETED)
        finally:
            stderr.print("compliance: stopping")
            await office.close()
        if office.failed.done():
            office.failed.result()
    finally:
        waiting.cancel()
    stderr.print("compliance: stopped")


def _end_with_the_server(loop: asyncio.AbstractEventLoop, stop: Callable[[], None]) -> None:
    """The server holds the other end of our standard input: it ends with the server, however that went."""

    def read() -> None:
        if not os.read(0, 1):
            loop.remove_reader(0)
            stop()

    loop.add_reader(0, read)


@app.command("queue")
def show_queue(home: Home = None, as_json: AsJson = False) -> None:
    """What waits for a review, is being reviewed, or was parked: how much, and the longest."""

    async def work(office: Office) -> dict[str, Any]:
        from compliance.review import queue

        async with office.database.acquire() as connection:
            depth, oldest_s = await queue.depth(connection)
            waiting = await queue.look(connection, ("waiting", "claimed"), 20)
        return {
            "depth": {state: depth.get(state, 0) for state in ("waiting", "claimed", "parked")},
            "oldest_s": round(oldest_s, 3),
            "next": [_row(row) for row in waiting],
        }

    document = at_office(home, "see_cases", work)
    depth = ", ".join(f"{count:,} {state}" for state, count in document["depth"].items())
    show(document, as_json=as_json, table=lambda: _table(f"queue: {depth}", document["next"]))


@app.command("parked")
def show_parked(
    count: Annotated[int, typer.Option(min=1, max=1_000, help="At most so many.")] = 50,
    home: Home = None,
    as_json: AsJson = False,
) -> None:
    """What was parked after its last try, and why."""

    async def work(office: Office) -> list[dict[str, Any]]:
        from compliance.review import queue

        async with office.database.acquire() as connection:
            return [_row(row) for row in await queue.look(connection, ("parked",), count)]

    found = at_office(home, "see_cases", work)
    show(found, as_json=as_json, table=lambda: _table("parked", found))


@app.command("retry")
def retry(
    ids: Annotated[
        list[str] | None, typer.Argument(help="Ids of parked rows, as `parked` shows them.")
    ] = None,
    every: Annotated[bool, typer.Option("--all", help="All that are parked.")] = False,
    home: Home = None,
    as_json: AsJson = False,
) -> None:
    """Have parked reviews tried again, with all their tries."""
    if bool(ids) == every:
        fail("name the ids of parked rows, or --all")
    try:
        wanted = None if every else [UUID(hex=text) for text in ids or []]
    except ValueError:
        fail(f"{', '.join(ids or [])}: an id is 32 hex digits, as `holdfast comply parked` shows it")

    async def work(office: Office) -> list[str]:
        from compliance.audit.log import Entry, append
        from compliance.review import queue

        async with office.database.acquire() as connection, connection.transaction():
            found = await queue.retry(connection, wanted, office.actor.name)
            await append(
                connection,
                [
                    Entry(office.actor.name, office.actor.role, "review.retry", f"flagged:{identifier.hex}")
                    for identifier in found
                ],
            )
        return [identifier.hex for identifier in found]

    found = at_office(home, "work_cases", work)
    show({"retried": found}, as_json=as_json, table=lambda: f"{len(found):,} wait again")


def _row(row: Any) -> dict[str, Any]:
    return {
        "id": row.id.hex,
        "source": row.source,
        "source_id": row.source_id.hex,
        "kind": row.kind,
        "flags": list(row.flags),
        "state": row.state,
        "tries": row.tries,
        "due_at": row.due_at,
        "claimed_by": row.claimed_by,
        "trouble": row.trouble,
        "flagged_at": row.flagged_at,
    }


def _table(title: str, found: list[dict[str, Any]]) -> Any:
    columns = ("id", "source", "kind", "flags", "state", "tries", "due", "trouble")
    return rows(
        title,
        columns,
        [
            (
                r["id"],
                r["source"],
                r["kind"],
                r["flags"],
                r["state"],
                r["tries"],
                f"{r['due_at']:%F %T}",
                r["trouble"],
            )
            for r in found
        ],
    )
