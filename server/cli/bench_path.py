"""`holdfast bench path`: how long answers take at which load, with an open loop, beside an empty server."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from server.cli.output import FAILED, fail, show, steps

app = typer.Typer()


@app.command("path")
def bench_path(
    cards: Annotated[int, typer.Option(min=1, help="Cards of the demo portfolio.")] = 200_000,
    seconds: Annotated[float, typer.Option(min=0.5, help="Length of one step.")] = 10.0,
    ledger: Annotated[
        str, typer.Option(help="embedded, or tigerbeetle: a cluster that is thrown away.")
    ] = "embedded",
    fronts: Annotated[int, typer.Option(min=0, help="Front processes; 0: none of their own.")] = 0,
    rates: Annotated[
        str, typer.Option(help="Messages a second, as 500,1000,2000; without them, up to saturation.")
    ] = "",
    ways: Annotated[
        list[str] | None,
        typer.Option(
            "--way",
            help="unary, 'link, frames of 1' or 'link, frames of 32'; again for more. Without it, all.",
        ),
    ] = None,
    arrivals: Annotated[str, typer.Option(help="poisson or uniform.")] = "poisson",
    overload: Annotated[
        bool, typer.Option("--overload", help="Also each way at five times what it carries.")
    ] = False,
    rival: Annotated[
        bool,
        typer.Option("--rival", help="Beside what a user would write: Redis, PostgreSQL, Booster.predict."),
    ] = False,
    objects: Annotated[
        bool, typer.Option("--objects", help="Also count the Python objects that a request makes.")
    ] = False,
    cards_beside: Annotated[
        int | None,
        typer.Option(
            "--cards-compare", min=1, help="Also p99 with so many cards, beside 10,000; say 10000000."
        ),
    ] = None,
    seed: Annotated[int, typer.Option(help="Of the traffic.")] = 7,
    home: Annotated[
        Path | None,
        typer.Option(
            help="Keep Holdfast's state here, portfolios beside it; else fresh homes are thrown away."
        ),
    ] = None,
    usd_per_core_hour: Annotated[float, typer.Option(min=0, help="What a core costs.")] = 0.05,
    usd_per_gb_month: Annotated[float, typer.Option(min=0, help="What storage costs.")] = 0.10,
    json_file: Annotated[
        Path | None, typer.Option("--json", help="Write the JSON document here; - for stdout.")
    ] = None,
    plot: Annotated[Path | None, typer.Option(help="Write the picture here, PNG.")] = None,
    html: Annotated[Path | None, typer.Option(help="Write the report here, one page of HTML.")] = None,
) -> None:
    """
    Measure latency against offered load, unary and Link, beside an empty server of the same contract in the same run.

    The exit status is 1 where a bar is missed, or a judged step is not valid.
    """
    from loadtest.path_bench import run
    from loadtest.path_plot import write_png
    from loadtest.path_report import path_tables, write_html
    from loadtest.path_steps import WAYS, PathOptions
    from loadtest.price import Rates

    try:
        options = PathOptions(
            cards=cards,
            seconds=seconds,
            ledger=ledger,
            fronts=fronts,
            rates=tuple(float(rate) for rate in rates.split(",") if rate.strip()),
            arrivals=arrivals,
            ways=tuple(ways or (way.name for way in WAYS)),
            cards_beside=cards_beside,
            overload=overload,
            rival=rival,
            objects=objects,
            seed=seed,
            home=home,
            prices=Rates(usd_per_core_hour, usd_per_gb_month),
        )
    except ValueError as error:
        fail(str(error))
    with steps(OSError, RuntimeError, ValueError) as told:
        document = run(options, told, _postgres)
    try:
        if plot is not None:
            write_png(document, plot)
        if html is not None:
            write_html(document, html)
        if json_file is not None and str(json_file) != "-":
            json_file.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")
    except OSError as error:
        fail(str(error))
    show(document, as_json=str(json_file) == "-", table=lambda: path_tables(document))
    if not document["passes"]:
        raise typer.Exit(FAILED)


@contextmanager
def _postgres(folder: Path) -> Iterator[str]:
    """An empty database of an embedded PostgreSQL."""
    from server.store.postgres import EmbeddedPostgres

    server = EmbeddedPostgres(folder)
    try:
        yield server.start()
    finally:
        server.close()
