"""`holdfast bench`: how fast the server is, beside an empty one of the same contract in the same minutes."""

from pathlib import Path
from typing import Annotated

import typer

from server.cli.output import FAILED, fail, show, stderr


def bench(
    cards: Annotated[int, typer.Option(min=1, help="Cards of the demo portfolio.")] = 200_000,
    seconds: Annotated[float, typer.Option(min=0.1, help="Length of one measurement.")] = 5.0,
    rounds: Annotated[int, typer.Option(min=1, help="Rounds; what counts is their median.")] = 3,
    home: Annotated[
        Path | None, typer.Option(help="Keep Holdfast's state here; else a fresh home is thrown away.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> None:
    """
    Measure Holdfast beside an empty server, in turns: unary, and Link in frames of 1 and of 32.

    The exit status is 1 where a result is not valid: too few approvals, unanswered messages, the client the limit.
    """
    from loadtest.bench import BenchOptions, run
    from loadtest.report import bench_table

    try:
        options = BenchOptions(cards=cards, seconds=seconds, rounds=rounds, home=home)
    except ValueError as error:
        fail(str(error))
    with stderr.status("starting") as status:

        def told(step: str) -> None:
            status.update(step)
            if not stderr.is_terminal:
                stderr.print(step)

        try:
            result = run(options, told)
        except (
            RuntimeError
        ) as error:  # what it raises where a server or the client is lost, with its last words
            fail(str(error))
    show(result, as_json=as_json, table=lambda: bench_table(result))
    if not all(case["valid"] for case in result["cases"]):
        raise typer.Exit(FAILED)
