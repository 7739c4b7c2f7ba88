"""`holdfast patterns`: laundering patterns in a whole graph of transfers, this home's or a file's."""

import csv
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated, Any

import typer

from server.cli.desk import AsJson, Home
from server.cli.office import Office, at_office
from server.cli.output import fail, rows, show


def patterns(
    file: Annotated[
        Path | None,
        typer.Option(help="CSV of transfers: source, target, amount, time (days). Without it, this home's."),
    ] = None,
    days: Annotated[int, typer.Option(min=1, max=3_650, help="Of this home: so many days back.")] = 90,
    home: Home = None,
    as_json: AsJson = False,
) -> None:
    """
    Who stands in a cycle, fan-in, fan-out or pass-through of transfers.

    Of this home: internal transfers between accounts. Amounts of a file are major units; its times are whole steps.
    """
    from compliance.rules.graph import suspects
    from compliance.rules.graph_file import GraphFileError, read_graph

    if file is None:
        graph, names = at_office(home, "work_cases", lambda office: _of_home(office, days))
    else:
        try:
            with file.open(encoding="utf-8", newline="") as lines:
                graph, names = read_graph(lines)
        except (OSError, UnicodeDecodeError, GraphFileError, csv.Error) as error:
            fail(f"{file}: {error}")
    found = suspects(graph)
    document = [
        {"party": names[party], "patterns": sorted(of)} for party, of in sorted(found.patterns.items())
    ]
    show(
        document,
        as_json=as_json,
        table=lambda: rows(
            f"{len(document)} of {len(names)} parties, by {len(found.rows)} of {len(graph.source)} transfers",
            ("party", "stands in"),
            [(line["party"], line["patterns"]) for line in document],
        ),
    )
    if not document and not as_json:
        sys.stderr.write("nobody stands in a pattern\n")


async def _of_home(office: Office, days: int) -> tuple[Any, list[str]]:
    from compliance.rules.movements import internal_graph

    return await internal_graph(office.database, datetime.now(UTC) - timedelta(days=days))
