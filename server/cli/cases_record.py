"""What goes on with cases and what is on record: `holdfast cases watch`, `trail` and `analyse`."""

import asyncio
from typing import Annotated, Any

import typer

from server.cli.cases_desk import (
    SOURCES,
    desk_of_office,
    explained_refusals,
    identifier,
    known,
    source_identifier,
)
from server.cli.cases_tables import print_review, print_trail, told
from server.cli.desk import AsJson, Home
from server.cli.office import Office, at_office
from server.cli.output import fail, say


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
        desk, by = desk_of_office(office)
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

    with explained_refusals():
        try:
            at_office(home, "see_cases", work)
        except KeyboardInterrupt:
            say("")


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
        known("--source", [source], SOURCES)
    about = source_identifier(source, reference) if source else identifier("case", reference)

    async def work(office: Office) -> Any:
        trails = Trails(office.database)
        _, by = desk_of_office(office)
        if source:
            return await trails.of(by, Source(source), about)
        return await trails.of_case(by, about)

    with explained_refusals():
        print_trail(at_office(home, "see_cases", work), as_json=as_json)


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

    known("source", [source], SOURCES)
    about = source_identifier(source, reference)

    async def work(office: Office) -> Any:
        parts = await ComplianceOffice.open(settings_of(home), office.settings, working=False)
        try:
            result = await parts.desk.analyse_now(Source(source), about, office.actor, force_refresh=refresh)
        finally:
            await parts.close()
        return review_as_seen_by(json.loads(document(result)), office.actor)

    with explained_refusals():
        try:
            found = at_office(home, NEEDS["analyse"].value, work)
        except OfficeError as error:
            fail(str(error))
    print_review(review_message(found), as_json=as_json)
