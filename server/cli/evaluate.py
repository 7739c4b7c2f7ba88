"""`holdfast evaluate`: what a model makes of a labelled history."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Group

from server.cli import report as pages
from server.cli.desk import AsJson, Home, settings_of
from server.cli.output import explained, facts, show
from server.cli.train import LabelDelay, reported


class EvaluationFailed(RuntimeError):  # noqa: N818 - told as what it is
    """There is no such history or no such model; the text says which."""


@explained(EvaluationFailed)
def evaluate(
    data: Annotated[
        Path,
        typer.Option(
            help="Transactions (Parquet): Sparkov's or the Handbook's columns, or Holdfast's own layout."
        ),
    ],
    model: Annotated[
        str | None,
        typer.Option(help="A version, or a model's folder [HOLDFAST_MODEL, or the newest]."),
    ] = None,
    scores: Annotated[
        Path | None, typer.Option(help="Write row, card, time, amount, score, label here (Parquet).")
    ] = None,
    customers: Annotated[
        Path | None, typer.Option(help="Sparkov's customer file: where cardholders live.")
    ] = None,
    since: Annotated[
        datetime | None,
        typer.Option(
            help="Measure transactions from this time on (UTC); earlier ones are history.",
            formats=["%Y-%m-%d", "%Y-%m-%dT%H:%M:%S"],
        ),
    ] = None,
    report: Annotated[
        Path | None,
        typer.Option(help="Write the report for risk officers here: one HTML page that needs nothing else."),
    ] = None,
    beside: Annotated[
        list[str] | None,
        typer.Option(help="With --report: compare with this model too, a champion, say. May be given again."),
    ] = None,
    currency: Annotated[
        str, typer.Option(help="With --report: the currency that amounts are in (ISO 4217).")
    ] = "USD",
    label_delay_days: LabelDelay = 7.0,
    home: Home = None,
    as_json: AsJson = False,
) -> None:
    """
    Score a history as the server would have, in order of time, and measure how well the scores tell fraud.

    Without labels there are scores and no figures. With one class only, figures that need both are empty, and
    there is no report.
    """
    from ledger.money import UnknownCurrency
    from scoring import registry
    from scoring.examine import columns, examine
    from scoring.history import HistoryError, read_history
    from scoring.manifest import ModelError
    from scoring.report.scored import ReportError
    from scoring.table import write_table

    since_s = None if since is None else int(since.replace(tzinfo=UTC).timestamp())
    try:
        shown_in = pages.currency_of(currency)
        loaded = registry.open(folder_of(model, home))
        rivals = [registry.open(folder_of(rival, home)) for rival in beside or ()]
        history = read_history(data, customers, label_delay_s=round(label_delay_days * 86_400))
        with reported("features and scores") as told:
            found = examine(loaded, history, since_s=since_s, progress=told)
        if scores is not None:
            write_table(scores, columns(history, found.scores))
        if report is not None:
            pages.write(report, data, history, found, [loaded, *rivals], shown_in, settings_of(home))
    except (HistoryError, ModelError, ReportError, UnknownCurrency, OSError) as error:
        raise EvaluationFailed(str(error)) from error
    document = {
        "data": data.name,
        "data_fingerprint": history.fingerprint,
        "model": loaded.version,
        "is_training_data": history.fingerprint == loaded.manifest.data_fingerprint,
        "columns_not_read": list(history.unread),
        "scored": len(found.scores),
        "scores": None if scores is None else str(scores),
        "report": None if report is None else str(report),
        "figures": found.figures,
    }
    show(document, as_json=as_json, table=lambda: _tables(document))


def folder_of(model: str | None, home: Path | None) -> Path:
    """
    The folder of a model: a path, or a version of this home's or of those that came with the package.

    Raises ModelError where there is none of that name.
    """
    from scoring import registry
    from scoring.manifest import ModelError

    settings = settings_of(home)
    if model is None:
        return settings.model or registry.shipped()
    roots = (settings.home / "models", registry.shipped().parent)
    for folder in (Path(model), *(root / model for root in roots)):
        if (folder / "manifest.json").exists():
            return folder
    known = sorted({version for root in roots for version in registry.versions(root)})
    raise ModelError(f"there is no model {model}: known are {', '.join(known) or 'none'}, or name a folder")


def _tables(document: dict[str, Any]) -> Group:
    names = ("data", "model", "scored", "scores", "report", "columns_not_read")
    parts = [facts("evaluation", {name: document[name] for name in names if document[name]})]
    figures = document["figures"]
    if figures is None:
        parts.append(facts("no labels: nothing was measured", {}))
    else:
        parts.append(facts("figures", {name.replace("_", " "): value for name, value in figures.items()}))
    if document["is_training_data"]:
        parts.append(facts("this model learnt from this very file: the figures flatter it", {}))
    return Group(*parts)
