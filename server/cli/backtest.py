"""`holdfast backtest`: a past decided again, with other limits, other thresholds or another model."""

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Group

from server.cli.desk import AsJson, Home
from server.cli.output import explained, rows, show, stderr


class BacktestFailed(RuntimeError):  # noqa: N818 - told as what it is
    """The past can't be read, or not decided again; the text says why."""


@explained(BacktestFailed)
def backtest(
    data: Annotated[
        Path | None,
        typer.Option(
            help="Transactions (Parquet), as `holdfast evaluate` reads them; else what this home decided."
        ),
    ] = None,
    limits: Annotated[Path | None, typer.Option(help="Limits to try (TOML; see the README).")] = None,
    thresholds: Annotated[
        str | None, typer.Option(help="Thresholds to try: step_up=0.6,decline=0.8, or one of them.")
    ] = None,
    model: Annotated[str | None, typer.Option(help="A model to try: a version, or its folder.")] = None,
    against: Annotated[
        Path | None,
        typer.Option(help="Limits (TOML) to compare with, in place of those in force in this home."),
    ] = None,
    since: Annotated[
        datetime | None,
        typer.Option(
            help="Compare payments from this time on (UTC); earlier ones fill the windows.",
            formats=["%Y-%m-%d", "%Y-%m-%dT%H:%M:%S"],
        ),
    ] = None,
    programme: Annotated[str | None, typer.Option(help="Compare payments of this programme only.")] = None,
    customers: Annotated[
        Path | None, typer.Option(help="Sparkov's customer file: where cardholders live.")
    ] = None,
    currency: Annotated[str, typer.Option(help="What a file's amounts are in.")] = "USD",
    zone: Annotated[str, typer.Option(help="Where a file's days and months begin (IANA time zone).")] = "UTC",
    home: Home = None,
    as_json: AsJson = False,
) -> None:
    """
    Decide a past again, payment by payment in its order, and compare: approvals gained and lost, money, examples.

    Every limit sees what would have been approved before. Money on accounts isn't followed: of a payment that the
    ledger was never asked about it is assumed that the money was there.
    """
    from server.cli import again

    since_utc = None if since is None else since.replace(tzinfo=UTC)
    models = (None if data is None else "", model)
    try:
        tried = again.read_thresholds(thresholds)
        with stderr.status("reading the past"):
            past, in_force = (
                again.of_home(home, since_utc)
                if data is None
                else (again.of_file(data, customers, currency, zone), [])
            )
        measured = again.measured_of(past, since_utc, programme)
        letters = again.currency_of(past, measured)
        with stderr.status("deciding it again"):
            sides = again.sides_of(past, in_force, (against, limits), tried, models, home, letters)
            found = again.compared(past, sides, measured)
    except again.NotComparable as error:
        raise BacktestFailed(str(error)) from error
    document = {
        "history": "this home" if data is None else data.name,
        "currency": letters,
        "is_labelled": past.is_fraud is not None,
        **found,
    }
    show(document, as_json=as_json, table=lambda: _tables(document))


def _tables(document: dict[str, Any]) -> Group:
    from ledger.money import format_minor

    def money(minor: int) -> str:
        return format_minor(minor, document["currency"])

    def line(name: str, figures: Mapping[str, int]) -> list[str]:
        told = [name.replace("_", " "), f"{figures['count']:,}", money(figures["amount_minor"])]
        if document["is_labelled"]:
            told += [f"{figures['fraud_count']:,}", money(figures["fraud_amount_minor"])]
        return told

    columns: tuple[str, ...] = ("", "payments", document["currency"])
    columns += ("of them fraud", document["currency"]) if document["is_labelled"] else ()
    changes = [line(name, document[name]) for name in ("payments", "gained", "lost", "refused_otherwise")]
    answers = [
        [name.replace("_", " "), *(f"{document[side][name]['count']:,}" for side in ("before", "after"))]
        for name in document["before"]
        if document["before"][name]["count"] or document["after"][name]["count"]
    ]
    parts = [
        rows(f"{document['history']}: approvals gained and lost", columns, changes),
        rows("answers", ("", "before", "after"), answers),
    ]
    counts = ("refused_before", "refused_after", "on_paper_before", "on_paper_after")
    limits = [[limit["name"], *(f"{limit[name]:,}" for name in counts)] for limit in document["limits"]]
    if limits:
        parts.append(rows("limits", ("", *(name.replace("_", " ") for name in counts)), limits))
    for name, examples in document["examples"].items():
        lines = [
            [
                *(example["id"], example["time"], example["card"], money(example["amount_minor"])),
                "fraud" if example["is_fraud"] else "",
                *(_said(example[side]) for side in ("before", "after")),
            ]
            for example in examples
        ]
        if lines:
            head = ("", "time", "card", document["currency"], "", "before", "after")
            parts.append(rows(f"{name}, the largest", head, lines))
    return Group(*parts)


def _said(answer: Mapping[str, Any]) -> str:
    """What was answered, and why, in a few words."""
    if answer["limit"] is not None:
        return str(answer["limit"])
    score = "" if answer["score"] is None else f" {answer['score']:.2f}"
    return f"{answer['outcome'].replace('_', ' ')}{score}"
