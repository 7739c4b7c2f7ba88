"""
A past decided again by two sides: as decisions are made now, and with other limits, thresholds or another model.

Heavy: it brings in arrays and kernels, which the command line as such does without.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from ledger.money import currency_letters, currency_number
from scoring import registry
from scoring.backtest import Decided, Outcome, Side, compare, count_names, replay
from scoring.manifest import ModelError
from server.cli.calls import minor_units
from server.cli.desk import at_desk
from server.cli.evaluate import folder_of
from server.cli.limits_file import (
    LimitsUnreadable,
    OwnedLimit,
    compile_limits,
    in_force_of,
    names_of,
    read_limits,
)
from server.cli.past import Past, past_of_decisions, past_of_history

REACH: Final = timedelta(days=62)
"""As much before what is compared is gone through too: the longest window, or the month that a month limit is in."""

_CLOCK: Final = "%Y-%m-%d %H:%M:%S"


class NotComparable(ValueError):  # noqa: N818 - told as what it is
    """The past can't be read, or not decided again; the text says why."""


@dataclass(frozen=True, slots=True)
class Thresholds:
    """Scores above which a cardholder is asked for more, or declined; None where they are as they were."""

    step_up: float | None = None
    decline: float | None = None


def read_thresholds(text: str | None) -> Thresholds:
    """`step_up=0.6,decline=0.8`, or one of them, or None. Raises NotComparable."""
    found: dict[str, float] = {}
    for part in () if text is None else text.split(","):
        name, _, value = (word.strip() for word in part.partition("="))
        try:
            score = float(value)
        except ValueError:
            score = np.nan
        if name not in ("step_up", "decline") or name in found or not 0.0 <= score <= 1.0:
            raise NotComparable(f"--thresholds: {part!r} is not step_up or decline with a score from 0 to 1")
        found[name] = score
    return Thresholds(**found)


def of_home(home: Path | None, since: datetime | None) -> tuple[Past, list[OwnedLimit]]:
    """What this home decided, and the limits in force."""
    from server.store.decided import read_decided, read_limits, read_programmes

    async def work(database: Any, _keys: Any) -> tuple[Past, list[OwnedLimit]]:
        first = None if since is None else since - REACH
        parts = [
            (part.intents, part.decisions, part.verdicts) async for part in read_decided(database, first)
        ]
        limits = [in_force_of(row) for row in await read_limits(database)]
        return past_of_decisions(parts, await read_programmes(database)), limits

    return at_desk(home, work)


def of_file(data: Path, customers: Path | None, currency: str, zone: str) -> Past:
    """A file's transactions, with the features that they had."""
    from scoring.evaluate import DECLINE, STEP_UP
    from scoring.history import HistoryError, read_history
    from scoring.passage import observe

    try:
        number = currency_number(currency)
        history = read_history(data, customers)
        return past_of_history(
            history, observe(history), currency=number, zone=zone, thresholds=(STEP_UP, DECLINE)
        )
    except (HistoryError, OSError) as error:
        raise NotComparable(str(error)) from error
    except KeyError as error:
        raise NotComparable(f"--currency {currency} or --zone {zone}: {error} is not known") from error


def measured_of(past: Past, since: datetime | None, programme: str | None) -> NDArray[np.bool_]:
    """Which cases are compared."""
    times_s = past.cases.attempts["time_s"]
    measured = np.ones(len(times_s), np.bool_) if since is None else times_s >= int(since.timestamp())
    if programme is not None:
        if programme not in past.owners.programmes:
            known = ", ".join(past.owners.programmes) or "none"
            raise NotComparable(f"--programme {programme}: the past has {known}")
        measured = measured & (past.owners.programme == list(past.owners.programmes).index(programme))
    if not measured.any():
        raise NotComparable("there is no payment to compare: the past holds none, or none since then")
    return measured


def currency_of(past: Past, measured: NDArray[np.bool_]) -> str:
    """The one currency of what is compared."""
    found = [currency_letters(number) for number in np.unique(past.currency[measured]).tolist()]
    if len(found) != 1:
        raise NotComparable(f"amounts are in {', '.join(found)}: choose a --programme")
    return found[0]


def sides_of(
    past: Past,
    in_force: Sequence[OwnedLimit],
    files: tuple[Path | None, Path | None],
    tried: Thresholds,
    models: tuple[str | None, str | None],
    home: Path | None,
    currency: str,
) -> tuple[Side, Side, Mapping[str, int]]:
    """
    How decisions are made now, and how they would be; and the numbers of the limits' names.

    `files` are the limits of both sides, None where they stay; `models` likewise, "" for the one that this home has.
    """
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
        raise NotComparable(str(error)) from error
    scores = [past.scores]
    for model in models:
        scores.append(scores[-1] if model is None else _scores(past, model or None, home))
    step_up = past.step_up if tried.step_up is None else np.full_like(past.step_up, tried.step_up)
    decline = past.decline if tried.decline is None else np.full_like(past.decline, tried.decline)
    if (step_up > decline)[past.cases.scored].any():
        raise NotComparable(
            "--thresholds: step_up lies above decline, so that nobody would be asked for more"
        )
    before = Side(*tables[0], scores[1], past.step_up, past.decline, past.unscored_declines)
    return before, Side(*tables[1], scores[2], step_up, decline, past.unscored_declines), names


def _scores(past: Past, model: str | None, home: Path | None) -> NDArray[np.float32]:
    """The scores f4[n] that a model gives the features of the past; NaN where they were of another list."""
    try:
        scores = registry.open(folder_of(model, home)).score(past.features)
    except ModelError as error:
        raise NotComparable(str(error)) from error
    scores[np.isnan(past.features).all(axis=1)] = np.nan
    return scores


def compared(
    past: Past, sides: tuple[Side, Side, Mapping[str, int]], measured: NDArray[np.bool_]
) -> dict[str, Any]:
    """Both sides replayed, and what changes, ready for JSON."""
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


def _answer(side: Side, decided: Decided, place: int, names: Mapping[int, str]) -> dict[str, Any]:

    score = float(side.scores[place])
    return {
        "outcome": Outcome(int(decided.outcomes[place])).name.lower(),
        "limit": names.get(int(decided.limits[place])),
        "score": None if np.isnan(score) else round(score, 4),
    }
