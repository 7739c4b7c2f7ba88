"""Measured at scale: a directory of ten million cards, and memory over ten million requests, each figure beside its bar."""

import asyncio
import os
from typing import Annotated, Any

import typer

from server.cli.desk import AsJson
from server.cli.output import FAILED, rows, show, steps

app = typer.Typer()


@app.command("directory")
def bench_directory(
    cards: Annotated[int, typer.Option(min=1_000, help="Cards of the directory.")] = 10_000_000,
    as_json: AsJson = False,
) -> None:
    """
    Measure the directory: its memory, its start from PostgreSQL and from its file, a lookup, a change of a million cards.

    Everything is thrown away after; ten million cards take some minutes to write and five gigabytes of disk. The exit
    status is 1 where a bar is missed.
    """
    import uvloop

    from server.cli.directory_figures import directory_figures

    with steps() as told:
        document = uvloop.run(directory_figures(cards, told))
    _show("directory bench", document, as_json=as_json)


@app.command("memory")
def bench_memory(
    requests: Annotated[int, typer.Option(min=5_000, help="Requests to send.")] = 10_000_000,
    cards: Annotated[int, typer.Option(min=1, help="Cards of the demo portfolio.")] = 100_000,
    as_json: AsJson = False,
) -> None:
    """
    Measure whether a server's memory, handles, threads and tasks stay flat under requests, repeats and cancellations.

    The exit status is 1 where a bar is missed.
    """
    from loadtest.processes import HOST, ServerFailed, free_port, holdfast_command, running, scratch
    from loadtest.steadiness import press, steadiness_figures

    with scratch("memory") as folder, steps(ServerFailed, OSError) as told:
        port, metrics_port = free_port(), free_port()
        environment = {
            **os.environ,
            "HOLDFAST_HOME": f"{folder}/home",
            "HOLDFAST_METRICS_PORT": str(metrics_port),
            "HOLDFAST_CLOCK": "message",
        }
        command = holdfast_command(port, cards)[:-2]
        with running(
            command,
            f"{HOST}:{port}",
            folder / "log",
            ready_timeout_s=1_800,
            environment=environment,
        ) as server:
            samples, heard = asyncio.run(press(port, metrics_port, server.pid, requests, cards, told))
    figures = [figure.document() for figure in (*heard.figures(), *steadiness_figures(samples))]
    document = {
        "requests": requests,
        "heard": vars(heard),
        "samples": [
            {**vars(sample), "unexplained_mb": round(sample.unexplained_mb, 1)} for sample in samples
        ],
        "figures": figures,
        "passes": all(figure["passes"] for figure in figures),
    }
    _show("memory bench", document, as_json=as_json)


def _show(title: str, document: dict[str, Any], *, as_json: bool) -> None:
    lines = [
        (f["name"], f"{f['value']:,}", f["bar"], f["unit"], "pass" if f["passes"] else "MISS")
        for f in document["figures"]
    ]
    show(document, as_json=as_json, table=lambda: rows(title, ("figure", "value", "bar", "unit", ""), lines))
    if not document["passes"]:
        raise typer.Exit(FAILED)
