"""`holdfast train`: a labelled history in, a model with its manifest out; once, or every week."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, fields
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Group
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

from server.cli.desk import AsJson, Home, at_desk, settings_of
from server.cli.output import explained, facts, fail, rows, say, show, stderr
from server.cli.schedule import Every, keep_training

LabelDelay = Annotated[
    float,
    typer.Option(
        min=0, help="Days until a transaction's label is known, where the file doesn't say (known_s)."
    ),
]


class TrainingFailed(RuntimeError):  # noqa: N818 - told as what it is
    """There is nothing to learn from, or nowhere to write; the text says which."""


@explained(TrainingFailed)
def train(
    data: Annotated[
        Path | None,
        typer.Option(
            help="Labelled transactions (Parquet): Sparkov's or the Handbook's columns, or Holdfast's own layout."
            " Without it, this home's authorizations and what was told of them (`holdfast label`)."
        ),
    ] = None,
    customers: Annotated[
        Path | None, typer.Option(help="Sparkov's customer file: where cardholders live.")
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(help="The model becomes a folder in here, named by its version [HOME/models]."),
    ] = None,
    seed: Annotated[int, typer.Option(help="The same data and seed make the same model, byte for byte.")] = 1,
    label_delay_days: LabelDelay = 7.0,
    schedule: Annotated[
        Every | None,
        typer.Option(help="Stay, and train a candidate for this home's register every week or day (UTC)."),
    ] = None,
    home: Home = None,
    as_json: AsJson = False,
) -> None:
    """
    Train a fraud model and measure it on what it has not seen.

    Thresholds are those at which the history would have cost least by HOLDFAST_COST_…. From this home's own
    authorizations the model becomes a candidate of its register; from a file it is a folder:
    `holdfast models add` takes it in.
    """
    if data is None and (customers is not None or out is not None):
        fail("--customers and --out go with --data: without it the home's own history and register are used")
    if schedule is not None:
        if data is not None:
            fail("--schedule trains from this home's labels: leave --data out")
        options = ["--seed", str(seed), "--label-delay-days", str(label_delay_days)]
        keep_training(schedule, settings_of(home).home, options, lambda text: say(text, markup=False))
        return
    with reported("features, then trees") as told:
        if data is None:
            folder, manifest = _from_labels(home, seed, label_delay_days, told)
        else:
            folder, manifest = _from_file(data, customers, out, seed, label_delay_days, home, told)
    page = folder / "report.html"
    report = str(page) if page.exists() else None
    document = {"folder": str(folder), "report": report, **asdict(manifest)}
    show(document, as_json=as_json, table=lambda: _tables(document, registered=data is None))


@contextmanager
def reported(what: str) -> Iterator[Callable[[int, int], None]]:
    """A bar on stderr while something long runs; gives progress(done, total)."""
    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
    with Progress(*columns, console=stderr, transient=True) as progress:
        step = progress.add_task(what, total=None)

        def told(done: int, total: int) -> None:
            progress.update(step, completed=done, total=total)

        yield told


def _from_file(
    data: Path,
    customers: Path | None,
    out: Path | None,
    seed: int,
    label_delay_days: float,
    home: Path | None,
    told: Callable[[int, int], None],
) -> tuple[Path, Any]:
    from scoring.table import HistoryError
    from scoring.train import train as train_model

    settings = settings_of(home)
    root = settings.home / "models" if out is None else out
    try:
        manifest = train_model(
            data,
            root,
            customers=customers,
            seed=seed,
            costs=costs_of(settings),
            label_delay_s=round(label_delay_days * 86_400),
            progress=told,
        )
    except (HistoryError, OSError) as error:
        raise TrainingFailed(str(error)) from error
    return root / manifest.version, manifest


def _from_labels(
    home: Path | None, seed: int, label_delay_days: float, told: Callable[[int, int], None]
) -> tuple[Path, Any]:
    """Trains on what this home knows and adds the model to its register. Raises TrainingFailed."""
    import asyncio

    from scoring.manifest import ModelError
    from scoring.registry import RegistryError
    from scoring.table import HistoryError
    from scoring.train import train_history
    from server.store.labelled import read_labelled
    from server.store.register import Register

    settings = settings_of(home)
    root = settings.home / "models"

    async def work(database: Any, _keys: Any) -> Any:
        history = _history(await read_labelled(database), round(label_delay_days * 86_400))
        manifest = await asyncio.to_thread(
            train_history, history, root, seed=seed, costs=costs_of(settings), progress=told
        )
        await Register(database, root).add(root / manifest.version, by="training", why="trained from labels")
        return manifest

    try:
        manifest = at_desk(home, work)
    except (HistoryError, RegistryError, ModelError) as error:
        raise TrainingFailed(str(error)) from error
    return root / manifest.version, manifest


def _history(labelled: Any, label_delay_s: int) -> Any:
    """The history of this home's authorizations (`store.labelled.Labelled`). Raises HistoryError where there is none."""
    import hashlib

    from scoring.history import in_time_order
    from scoring.table import HistoryError
    from scoring.transactions import Transactions

    if not len(labelled.attempts):
        raise HistoryError("this home has no authorizations yet: there is nothing to learn from")
    digest = hashlib.sha256()
    for column in (labelled.attempts, labelled.verdicts, labelled.known_s, labelled.cards):
        digest.update(column.tobytes())
    cards = [str(number) for number in labelled.cards.tolist()]
    found = Transactions(
        labelled.attempts, cards, labelled.verdicts, labelled.known_s, is_settled=False, has_ids=True
    )
    return in_time_order(found, digest.hexdigest(), label_delay_s)


def costs_of(settings: Any) -> Any:
    """What outcomes cost, as the settings say (`thresholds.Costs`)."""
    from scoring.thresholds import Costs

    return Costs(**{field.name: getattr(settings, f"cost_{field.name}") for field in fields(Costs)})


def _tables(document: dict[str, Any], *, registered: bool) -> Group:
    parts = document["metrics"]
    about = {
        name: document[name] for name in ("version", "folder", "report", "data_fingerprint", "code_version")
    }
    thresholds = {f"{name} above": value for name, value in document["thresholds"].items()}
    sizes = {name: document["training"][name] for name in ("transactions", "frauds", "cards", "trees")}
    following = (
        f"a candidate of the register:  holdfast models shadow {document['version']}"
        if registered
        else f"take it into the register:  holdfast models add {document['folder']}"
    )
    return Group(
        facts("model", {**about, **sizes, "features": len(document["features"]), **thresholds}),
        rows(
            "what its like, grown on the part before, makes of the history's last third",
            ("", *(part.replace("_", " ") for part in parts)),
            [(name, *(figures[name] for figures in parts.values())) for name in next(iter(parts.values()))],
        ),
        following,
    )
