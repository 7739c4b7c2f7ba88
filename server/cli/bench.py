"""
`holdfast bench`: how fast the server is, beside an empty one; `bench path`: at which load; `bench ledger`: how fast its ledgers are; `bench scoring`:
how well the scorer tells fraud, and how fast.
"""

import asyncio
from pathlib import Path
from typing import Annotated, Any, Final

import typer
from rich.console import Group

from server.cli import bench_compliance, bench_path, bench_scale, bench_steady
from server.cli.desk import AsJson
from server.cli.output import FAILED, fail, rows, show, steps

app = typer.Typer(invoke_without_command=True)
app.registered_commands += bench_path.app.registered_commands
app.registered_commands += bench_compliance.app.registered_commands
app.registered_commands += bench_scale.app.registered_commands
app.registered_commands += bench_steady.app.registered_commands

ENGINES: Final = ("embedded", "tigerbeetle", "both")


@app.callback()
def bench(
    context: typer.Context,
    cards: Annotated[int, typer.Option(min=1, help="Cards of the demo portfolio.")] = 200_000,
    seconds: Annotated[float, typer.Option(min=0.1, help="Length of one measurement.")] = 5.0,
    rounds: Annotated[int, typer.Option(min=1, help="Rounds; what counts is their median.")] = 3,
    home: Annotated[
        Path | None, typer.Option(help="Keep Holdfast's state here; else a fresh home is thrown away.")
    ] = None,
    ledger: Annotated[
        str, typer.Option(help="embedded, or tigerbeetle: a cluster that is thrown away.")
    ] = "embedded",
    fronts: Annotated[int, typer.Option(min=0, help="Front processes; 0: none of their own.")] = 0,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> None:
    """
    Measure Holdfast beside an empty server, in turns: unary, and Link in frames of 1 and of 32. Or, its parts.

    The exit status is 1 where a ratio is below its bar, or a result is not valid: too few approvals, unanswered messages,
    the client the limit.
    """
    if context.invoked_subcommand is not None:
        return
    from loadtest.bench import BenchOptions, run
    from loadtest.report import bench_table

    try:
        options = BenchOptions(
            cards=cards, seconds=seconds, rounds=rounds, home=home, ledger=ledger, fronts=fronts
        )
    except ValueError as error:
        fail(str(error))
    with steps(OSError, RuntimeError, ValueError) as told:  # a server or the client is lost: its last words
        result = run(options, told)
    show(result, as_json=as_json, table=lambda: bench_table(result))
    if not result["passes"]:
        raise typer.Exit(FAILED)


@app.command("ledger")
def bench_ledger(
    engine: Annotated[str, typer.Option(help="embedded, tigerbeetle, or both in one run.")] = "both",
    transfers: Annotated[
        int, typer.Option(min=8_189, help="Transfers that the embedded ledger posts and replays.")
    ] = 10_000_000,
    rounds: Annotated[
        int, typer.Option(min=1, help="Rounds of TigerBeetle; what counts is their median.")
    ] = 3,
    folder: Annotated[
        Path | None, typer.Option(help="Where the embedded journal lies meanwhile; else a temporary folder.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """
    Measure the ledgers: each figure beside its bar.

    Embedded: its kernel, its journal, its memory, its starts, and how long it holds the event loop. TigerBeetle: our
    engine beside the server's own benchmark and the stock client, where a server is on the PATH or
    HOLDFAST_TIGERBEETLE_BIN names one. The exit status is 1 where a bar is missed.
    """
    if engine not in ENGINES:
        fail(f"--engine is one of {', '.join(ENGINES)}, not {engine}")
    with steps(OSError, RuntimeError) as told:
        document = asyncio.run(_ledger_figures(engine, transfers, rounds, folder, told))
    show(document, as_json=as_json, table=lambda: _ledger_table(document))
    if not document["passes"]:
        raise typer.Exit(FAILED)


@app.command("scoring")
def bench_scoring(
    parts: Annotated[
        list[str] | None,
        typer.Option(
            "--part", help="handbook, sparkov, speed, memory or start; again for more. Without it, all."
        ),
    ] = None,
    data: Annotated[
        Path, typer.Option(help="Folder of the histories: the Handbook's and Sparkov's files.")
    ] = Path("../shared/data/fraud"),
    model: Annotated[
        Path | None, typer.Option(help="Folder of the model that is timed; without it the shipped one.")
    ] = None,
    seeds: Annotated[int, typer.Option(min=1, help="Models of the Handbook; their mean counts.")] = 5,
    as_json: AsJson = False,
) -> None:
    """
    Measure the scorer: each figure beside its bar.

    The Fraud Detection Handbook's protocol, Sparkov's cards that taught nothing, velocity + features + score in one
    process, and a start. The exit status is 1 where a bar is missed.
    """
    from loadtest.scoring_bench import PARTS, ScoringOptions, scoring_figures
    from scoring.manifest import ModelError
    from scoring.table import HistoryError

    try:
        options = ScoringOptions(tuple(parts or PARTS), data, model, seeds)
    except ValueError as error:
        fail(str(error))
    with steps(OSError, RuntimeError, HistoryError, ModelError) as told:
        document = scoring_figures(options, told)
    show(document, as_json=as_json, table=lambda: _scoring_table(document))
    if not document["passes"]:
        raise typer.Exit(FAILED)


async def _ledger_figures(
    engine: str, transfers: int, rounds: int, folder: Path | None, told: Any
) -> dict[str, Any]:
    from loadtest.ledger_bench import PostingOptions, tigerbeetle_figures
    from loadtest.ledger_embedded import EmbeddedOptions, embedded_figures

    document: dict[str, Any] = {"embedded": None, "tigerbeetle": None, "passes": True}
    if engine != "tigerbeetle":
        found = await embedded_figures(EmbeddedOptions(transfers, folder), told)
        document["embedded"] = found
        document["passes"] = found["passes"]
    if engine != "embedded":
        posted = await tigerbeetle_figures(PostingOptions(rounds=rounds), told)
        document["tigerbeetle"] = posted
        document["passes"] = document["passes"] and all(posted["passes"].values())
    return document


def _ledger_table(document: dict[str, Any]) -> Group:
    lines: list[list[Any]] = []
    if document["embedded"] is not None:
        lines += [
            ["embedded", f["name"], f"{f['value']:,}", f["bar"], f["unit"], _passed(f["passes"])]
            for f in document["embedded"]["figures"]
        ]
    posted = document["tigerbeetle"]
    if posted is not None:
        for name, value, bar, unit in (
            ("of_benchmark", posted["of_benchmark"], "≥ 0.95", "of the server's own benchmark"),
            ("of_stock_client", posted["of_stock_client"], "≥ 5", "times the stock client"),
            ("loop", posted["loop_busy_ms_max"], "≤ 5", "ms of the event loop in one go"),
        ):
            passed = _passed(posted["passes"][name])
            lines.append(["tigerbeetle", name.replace("_", " "), f"{value:.2f}", bar, unit, passed])
    table = rows("ledger bench", ("engine", "figure", "value", "bar", "unit", ""), lines)
    return Group(table, "One start is enough: from the journal alone, or from a snapshot.")


def _scoring_table(document: dict[str, Any]) -> Group:
    lines = [
        (f["part"], f["name"], f.get("reason", f["value"]), f["bar"], f["unit"], _passed(f["passes"]))
        for f in document["figures"]
    ]
    parts: list[Any] = [rows("scoring bench", ("part", "figure", "value", "bar", "unit", ""), lines)]
    beside = [
        (part, name, *figures.values())
        for part, details in document["details"].items()
        for name, figures in details.get("rules", {}).items()
    ]
    if beside:
        columns = ("part", "rule of thumb", "precision", "recall", "false-positive rate")
        parts.append(rows("on the same transactions", columns, beside))
    return Group(*parts)


def _passed(passes: object) -> str:
    return "pass" if passes else "MISS"
