"""`holdfast backtest`: a past decided again, with other limits, other thresholds or another model."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated, Any, Final

import numpy as np
import typer
from numpy.typing import NDArray
from rich.console import Group

from server.cli.desk import AsJson, Home, at_desk
from server.cli.output import explained, rows, show, stderr

REACH: Final = timedelta(days=62)
"""As much before what is compared is gone through too: the longest window, or the month that a month limit is in."""

_CLOCK: Final = "%Y-%m-%d %H:%M:%S"


class BacktestFailed(RuntimeError):  # noqa: N818 - told as what it is
    """The past can't be read, or not decided again; the text says why."""


@dataclass(frozen=True, slots=True)
class Thresholds:
    """Scores above which a cardholder is asked for more, or declined; None where they are as they were."""

    step_up: float | None = None
    decline: float | None = None


def read_thresholds(text: str) -> Thresholds:
    """`step_up=0.6,decline=0.8`, or one of them. Raises BacktestFailed."""
    found: dict[str, float] = {}
    for part in text.split(","):
        name, _, value = (word.strip() for word in part.partition("="))
        try:
            score = float(value)
        except ValueError:
            score = np.nan
        if name not in ("step_up", "decline") or name in found or not 0.0 <= score <= 1.0:
            raise BacktestFailed(f"--thresholds: {part!r} is not step_up or decline with a score from 0 to 1")
        found[name] = score
    return Thresholds(**found)


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
    tried = Thresholds() if thresholds is None else read_thresholds(thresholds)
    since_utc = None if since is None else since.replace(tzinfo=UTC)
    with stderr.status("reading the past"):
        if data is None:
            past, in_force = _of_home(home, since_utc)
        else:
            past, in_force = _of_file(data, customers, currency, zone), []
    measured = _measured(past, since_utc, programme)
    letters = _currency(past, measured)
    with stderr.status("deciding it again"):
        sides = _sides(
            past, in_force, (against, limits), tried, (None if data is None else "", model), home, letters
        )
        document = _compared(past, sides, measured)
    document = {
        "history": "this home" if data is None else data.name,
        "currency": letters,
        "is_labelled": past.is_fraud is not None,
        **document,
    }
    show(document, as_json=as_json, table=lambda: _tables(document))


def _of_home(home: Path | None, since: datetime | None) -> tuple[Any, list[Any]]:
    """What this home decided, and the limits in force."""
    from server.cli.limits_file import in_force_of
    from server.cli.past import past_of_decisions
    from server.store.decided import read_decided, read_limits, read_programmes

    async def work(database: Any, _keys: Any) -> tuple[Any, list[Any]]:
        first = None if since is None else since - REACH
        parts = [
            (part.intents, part.decisions, part.verdicts) async for part in read_decided(database, first)
        ]
        limits = [in_force_of(row) for row in await read_limits(database)]
        return past_of_decisions(parts, await read_programmes(database)), limits

    return at_desk(home, work)


def _of_file(data: Path, customers: Path | None, currency: str, zone: str) -> Any:
    """A file's transactions, with the features that they had."""
    from ledger.money import currency_number
    from scoring.evaluate import DECLINE, STEP_UP
    from scoring.history import HistoryError, read_history
    from scoring.passage import observe
    from server.cli.past import past_of_history

    try:
        number = currency_number(currency)
        history = read_history(data, customers)
        return past_of_history(
            history, observe(history), currency=number, zone=zone, thresholds=(STEP_UP, DECLINE)
        )
    except (HistoryError, OSError) as error:
        raise BacktestFailed(str(error)) from error
    except KeyError as error:
        raise BacktestFailed(f"--currency {currency} or --zone {zone}: {error} is not known") from error


def _measured(past: Any, since: datetime | None, programme: str | None) -> NDArray[np.bool_]:
    """Which cases are compared."""
    times_s = past.cases.attempts["time_s"]
    measured = np.ones(len(times_s), np.bool_) if since is None else times_s >= int(since.timestamp())
    if programme is not None:
        if programme not in past.owners.programmes:
            known = ", ".join(past.owners.programmes) or "none"
            raise BacktestFailed(f"--programme {programme}: the past has {known}")
        measured = measured & (past.owners.programme == list(past.owners.programmes).index(programme))
    if not measured.any():
        raise BacktestFailed("there is no payment to compare: the past holds none, or none since then")
    return measured


def _currency(past: Any, measured: NDArray[np.bool_]) -> str:
    """The one currency of what is compared."""
    from ledger.money import currency_letters

    found = [currency_letters(number) for number in np.unique(past.currency[measured]).tolist()]
    if len(found) != 1:
        raise BacktestFailed(f"amounts are in {', '.join(found)}: choose a --programme")
    return found[0]


def _sides(
    past: Any,
    in_force: Sequence[Any],
    files: tuple[Path | None, Path | None],
    tried: Thresholds,
    models: tuple[str | None, str | None],
    home: Path | None,
    currency: str,
) -> tuple[Any, Any, Mapping[str, int]]:
    """
    How decisions are made now, and how they would be; and the numbers of the limits' names.

    `files` are the limits of both sides, None where they stay; `models` likewise, "" for the one that this home has.
    """
    from scoring.backtest import Side
    from server.cli.calls import minor_units
    from server.cli.limits_file import LimitsUnreadable, compile_limits, names_of, read_limits

    try:
        limits = [list(in_force)]
        for file in files:
            if file is None:
                limits.append(limits[-1])
                continue
            read = read_limits(file, lambda text: minor_units(text, currency))
            read.check_owners(past.owners)
            limits.append(read.over(limits[-1]))
        names = names_of(*limits[1:])
        tables = [compile_limits(side, names, past.owners, past.unlimited) for side in limits[1:]]
    except LimitsUnreadable as error:
        raise BacktestFailed(str(error)) from error
    scores = [past.scores]
    for model in models:
        scores.append(scores[-1] if model is None else _scores(past, model or None, home))
    step_up = past.step_up if tried.step_up is None else np.full_like(past.step_up, tried.step_up)
    decline = past.decline if tried.decline is None else np.full_like(past.decline, tried.decline)
    if (step_up > decline)[past.cases.scored].any():
        raise BacktestFailed(
            "--thresholds: step_up lies above decline, so that nobody would be asked for more"
        )
    before = Side(*tables[0], scores[1], past.step_up, past.decline, past.unscored_declines)
    return before, Side(*tables[1], scores[2], step_up, decline, past.unscored_declines), names


def _scores(past: Any, model: str | None, home: Path | None) -> NDArray[np.float32]:
    """The scores f4[n] that a model gives the features of the past; NaN where they were of another list."""
    from scoring import registry
    from scoring.manifest import ModelError
    from server.cli.evaluate import folder_of

    try:
        scores = registry.open(folder_of(model, home)).score(past.features)
    except ModelError as error:
        raise BacktestFailed(str(error)) from error
    scores[np.isnan(past.features).all(axis=1)] = np.nan
    return scores


def _compared(
    past: Any, sides: tuple[Any, Any, Mapping[str, int]], measured: NDArray[np.bool_]
) -> dict[str, Any]:
    """Both sides replayed, and what changes, ready for JSON."""
    from scoring.backtest import compare, count_names, replay

    before, after, names = sides
    decided = replay(past.cases, before), replay(past.cases, after)
    found = compare(past.cases, *decided, measured, past.is_fraud)
    counts = {
        f"{what}_{when}": count_names(names_passed, measured)
        for when, side in zip(("before", "after"), decided, strict=True)
        for what, names_passed in (("refused", side.limits), ("on_paper", side.on_paper))
    }
    texts = {number: name for name, number in names.items()}

    def example(place: int) -> dict[str, Any]:
        time_s = int(past.cases.attempts["time_s"][place])
        return {
            "id": past.ids[place],
            "time": datetime.fromtimestamp(time_s, UTC).strftime(_CLOCK),
            "card": _ending(past.owners.cards[past.owners.card[place]]),
            "amount_minor": int(past.cases.attempts["amount_minor"][place]),
            "is_fraud": None if past.is_fraud is None else bool(past.is_fraud[place]),
            **{
                name: _answer(side, made, place, texts)
                for name, side, made in zip(("before", "after"), (before, after), decided, strict=True)
            },
        }

    return {
        **found,
        "limits": [
            {"name": name, **{what: count.get(number, 0) for what, count in counts.items()}}
            for name, number in names.items()
        ],
        "examples": {
            name: [example(place) for place in places] for name, places in found["examples"].items()
        },
    }


def _ending(card: str) -> str:
    """What is shown of a card: of a whole number of a card the last four digits."""
    return f"…{card[-4:]}" if card.isdigit() and len(card) > 10 else card


def _answer(side: Any, decided: Any, place: int, names: Mapping[int, str]) -> dict[str, Any]:
    from scoring.backtest import Outcome

    score = float(side.scores[place])
    return {
        "outcome": Outcome(int(decided.outcomes[place])).name.lower(),
        "limit": names.get(int(decided.limits[place])),
        "score": None if np.isnan(score) else round(score, 4),
    }


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
