"""`holdfast train`: a labelled history in, a model with its manifest out."""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any, Final

import typer
from rich.console import Group
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

from server.cli.output import explained, facts, rows, show, stderr

MODELS: Final = Path("models")


class TrainingFailed(RuntimeError):  # noqa: N818 - told as what it is
    """There is nothing to learn from, or nowhere to write; the text says which."""


@explained(TrainingFailed)
def train(
    data: Annotated[Path, typer.Option(help="Labelled transactions: a Sparkov or Handbook file (Parquet).")],
    customers: Annotated[
        Path | None, typer.Option(help="Sparkov's customer file: where cardholders live.")
    ] = None,
    out: Annotated[
        Path, typer.Option(help="The model becomes a folder in here, named by its version.")
    ] = MODELS,
    seed: Annotated[int, typer.Option(help="The same data and seed make the same trees.")] = 1,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> None:
    """Train a fraud model and measure it on what it has not seen. Serve it by HOLDFAST_MODEL=<its folder>."""
    from scoring.history import HistoryError
    from scoring.train import train as train_model

    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
    with Progress(*columns, console=stderr, transient=True) as progress:
        step = progress.add_task("features, then trees", total=None)

        def told(done: int, total: int) -> None:
            progress.update(step, completed=done, total=total)

        try:
            manifest = train_model(data, out, customers=customers, seed=seed, progress=told)
        except (HistoryError, OSError) as error:
            raise TrainingFailed(str(error)) from error
    document = {"folder": str(out / manifest.version), **asdict(manifest)}
    show(document, as_json=as_json, table=lambda: _tables(document))


def _tables(document: dict[str, Any]) -> Group:
    parts = document["metrics"]
    about = {name: document[name] for name in ("version", "folder", "data_fingerprint", "code_version")}
    return Group(
        facts(
            "model", {**about, "trees": document["training"]["trees"], "features": len(document["features"])}
        ),
        rows(
            "on the last third of the history",
            ("", *(part.replace("_", " ") for part in parts)),
            [(name, *(figures[name] for figures in parts.values())) for name in next(iter(parts.values()))],
        ),
        f"serve it:  HOLDFAST_MODEL={document['folder']} holdfast serve",
    )
