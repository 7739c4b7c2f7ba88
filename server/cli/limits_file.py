"""
Limits as a TOML file, in the words of `holdfast limits set`: what a backtest is to try.

    keep = true                 # start from the limits in force: those here join them, or take their place

    [[limit]]
    name = "amount_1h"
    programme = "standard"      # or account = "<id>", or card = "<id>"; without any: every programme
    subject = "card"            # card (if left out), account, merchant, device, ip
    measure = "amount"          # count, amount, merchants, countries, categories, cards
    of = "approvals"            # approvals (if left out), attempts, declines
    window = "1h"               # 10s, 1m, 10m, 1h, 24h, 7d, 30d, 31d, transaction, day, month
    ceiling = 50000             # passed above it; amounts in minor units; or lifted = true
    shadow = false              # true: judges on paper

Without `keep` the file is the whole: what isn't in it doesn't limit.
"""

import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path
from typing import Any, Final, TypeVar

import numpy as np
from numpy.typing import NDArray

from scoring.velocity import LimitTable
from server.core.limit_sets import (
    CEILINGS_MAX,
    WINDOW_NAMES,
    Limit,
    LimitSets,
    Measure,
    Outcome,
    Subject,
    Window,
    overrides,
)

E = TypeVar("E", bound=IntEnum)

OWNERS: Final = ("programme", "account", "card")
EVERY_PROGRAMME: Final = ""
_KEYS: Final = frozenset(
    (*OWNERS, "name", "subject", "measure", "of", "window", "ceiling", "lifted", "shadow")
)


class LimitsUnreadable(ValueError):  # noqa: N818 - told as what it is
    """A file of limits that says something else; the text names the place and what is allowed."""


@dataclass(frozen=True, slots=True)
class OwnedLimit:
    """A limit, its name, and whose it is: `kind` is one of OWNERS, `owner` a programme's name or an id."""

    kind: str
    owner: str
    name: str
    subject: Subject
    measure: Measure
    of: Outcome
    window: Window
    ceiling: int | None  # None = lifted
    shadow: bool

    @property
    def slot(self) -> tuple[Any, ...]:
        """What it stands for: of two of one slot the later one counts."""
        return (self.kind, self.owner, self.subject, self.measure, self.of, self.window, self.shadow)


@dataclass(frozen=True, slots=True)
class LimitsFile:
    """What a file says: its limits, and whether those in force stay beside them."""

    limits: tuple[OwnedLimit, ...]
    keep: bool

    def over(self, in_force: Iterable[OwnedLimit]) -> list[OwnedLimit]:
        """All limits there would be, where these are in force now."""
        found = {limit.slot: limit for limit in in_force} if self.keep else {}
        return list((found | {limit.slot: limit for limit in self.limits}).values())


def read_limits(path: Path) -> LimitsFile:
    """Reads a file. Raises LimitsUnreadable, naming limit and field."""
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise LimitsUnreadable(f"{path.name} can't be read: {error}") from error
    unknown = sorted(set(document) - {"keep", "limit"})
    if unknown or not isinstance(document.get("keep", False), bool):
        raise LimitsUnreadable(f"{path.name}: allowed are keep (true or false) and [[limit]], not {unknown}")
    entries = document.get("limit", [])
    if not isinstance(entries, list):
        raise LimitsUnreadable(f"{path.name}: limits are written as [[limit]]")
    found = [_limit(f"{path.name}, limit {place + 1}", entry) for place, entry in enumerate(entries)]
    slots = [limit.slot for limit in found]
    for place, slot in enumerate(slots):
        if slot in slots[:place]:
            first = slots.index(slot) + 1
            raise LimitsUnreadable(f"{path.name}: limits {first} and {place + 1} measure the same for the same")
    return LimitsFile(tuple(found), bool(document.get("keep", False)))


def _limit(where: str, entry: Mapping[str, Any]) -> OwnedLimit:
    unknown = sorted(set(entry) - _KEYS)
    if unknown:
        raise LimitsUnreadable(f"{where}: there is no {unknown[0]}; allowed are {', '.join(sorted(_KEYS))}")
    owners = [kind for kind in OWNERS if kind in entry]
    if len(owners) > 1:
        raise LimitsUnreadable(f"{where}: it belongs to one of programme, account and card, not to {owners}")
    kind = owners[0] if owners else "programme"
    measure = _word(where, entry, "measure", Measure)
    window_name = entry.get("window")
    if window_name not in WINDOW_NAMES:
        raise LimitsUnreadable(f"{where}: window is {window_name!r}; allowed are {', '.join(WINDOW_NAMES)}")
    limit = OwnedLimit(
        kind,
        str(entry.get(kind, EVERY_PROGRAMME)),
        _name(where, entry),
        _word(where, entry, "subject", Subject, Subject.CARD),
        measure,
        _word(where, entry, "of", Outcome, Outcome.APPROVALS),
        Window(WINDOW_NAMES.index(window_name)),
        _ceiling(where, entry, measure),
        _flag(where, entry, "shadow"),
    )
    _check(where, limit)
    return limit


def _name(where: str, entry: Mapping[str, Any]) -> str:
    name = entry.get("name")
    if not isinstance(name, str) or not name:
        raise LimitsUnreadable(f"{where}: name is missing: answers and reports call the limit by it")
    return name


def _word(where: str, entry: Mapping[str, Any], key: str, words: type[E], default: E | None = None) -> E:
    value = entry.get(key, None if default is None else default.name.lower())
    for word in words:
        if value == word.name.lower():
            return word
    allowed = ", ".join(word.name.lower() for word in words)
    raise LimitsUnreadable(f"{where}: {key} is {value!r}; allowed are {allowed}")


def _flag(where: str, entry: Mapping[str, Any], key: str) -> bool:
    value = entry.get(key, False)
    if not isinstance(value, bool):
        raise LimitsUnreadable(f"{where}: {key} is {value!r}; allowed are true and false")
    return value


def _ceiling(where: str, entry: Mapping[str, Any], measure: Measure) -> int | None:
    if _flag(where, entry, "lifted"):
        if "ceiling" in entry:
            raise LimitsUnreadable(f"{where}: it is lifted, and has a ceiling")
        return None
    ceiling, most = entry.get("ceiling"), CEILINGS_MAX[measure]
    if not isinstance(ceiling, int) or isinstance(ceiling, bool) or not 0 < ceiling <= most:
        raise LimitsUnreadable(f"{where}: ceiling is {ceiling!r}; allowed are whole numbers from 1 to {most}")
    return ceiling


def _check(where: str, limit: OwnedLimit) -> None:
    """What the store refuses too: see the constraints of the table `limits`."""
    counted = limit.measure in (Measure.COUNT, Measure.AMOUNT)
    problems = (
        (limit.ceiling is None and limit.kind == "programme", "only an account's or a card's limit is lifted"),
        (not counted and limit.of != Outcome.ATTEMPTS, "different ones are counted of attempts"),
        (limit.of == Outcome.DECLINES and limit.measure != Measure.COUNT, "declines are counted"),
        (
            limit.window >= Window.TRANSACTION
            and (limit.measure != Measure.AMOUNT or limit.of != Outcome.APPROVALS),
            "transaction, day and month are for amounts of approvals",
        ),
        (
            limit.window >= Window.TRANSACTION
            and limit.subject != Subject.CARD
            and (limit.subject != Subject.ACCOUNT or limit.window == Window.TRANSACTION),
            "day and month are for cards and accounts, transaction for cards",
        ),
        (
            (limit.subject, limit.measure)
            in ((Subject.CARD, Measure.CARDS), (Subject.MERCHANT, Measure.MERCHANTS)),
            "a subject isn't counted among itself",
        ),
    )
    for fails, text in problems:
        if fails:
            raise LimitsUnreadable(f"{where} ({limit.name}): {text}")


def names_of(*sides: Iterable[OwnedLimit]) -> dict[str, int]:
    """A number for each name, from 1: the same for all sides."""
    return {name: place + 1 for place, name in enumerate(sorted({x.name for side in sides for x in side}))}


@dataclass(frozen=True, slots=True)
class Owners:
    """Whose each case is: programmes by name, accounts and cards by id; and what those of each case are, i8[n]."""

    programmes: Sequence[str]
    accounts: Sequence[str]
    cards: Sequence[str]
    programme: NDArray[np.int64]
    account: NDArray[np.int64]
    card: NDArray[np.int64]


def compile_limits(
    limits: Iterable[OwnedLimit], names: Mapping[str, int], owners: Owners
) -> tuple[LimitTable, NDArray[np.uint32]]:
    """
    The limit sets as kernels judge by them, and each case's (u4[n]). Raises LimitsUnreadable for an unknown owner.
    """
    known = {"programme": owners.programmes, "account": owners.accounts, "card": owners.cards}
    places = {kind: {owner: place for place, owner in enumerate(known[kind])} for kind in OWNERS}
    own: dict[str, dict[int, list[Limit]]] = {kind: {} for kind in OWNERS}
    for number, owned in enumerate(limits, start=1):
        limit = Limit(
            number,
            names[owned.name],
            owned.subject,
            owned.measure,
            owned.of,
            owned.window,
            owned.ceiling,
            owned.shadow,
        )
        if owned.kind == "programme" and owned.owner == EVERY_PROGRAMME:
            of = range(len(owners.programmes))
        elif owned.owner in places[owned.kind]:
            of = range(places[owned.kind][owned.owner], places[owned.kind][owned.owner] + 1)
        else:
            raise LimitsUnreadable(f"{owned.name}: the history has no {owned.kind} {owned.owner!r}")
        for place in of:
            own[owned.kind].setdefault(place, []).append(limit)
    sets = LimitSets()
    by_programme = np.array([sets.own(place) for place in range(len(owners.programmes))], np.uint32)
    chosen = by_programme[owners.programme]
    touched = np.isin(owners.account, list(own["account"])) | np.isin(owners.card, list(own["card"]))
    triples = np.stack([owners.programme, owners.account, owners.card], axis=1)[touched]
    distinct, which = np.unique(triples, axis=0, return_inverse=True)
    numbers = [
        sets.take(programme, overrides(own["account"].get(account, ()), own["card"].get(card, ())))
        for programme, account, card in distinct.tolist()
    ]
    chosen[touched] = np.array(numbers, np.uint32)[which.reshape(-1)]
    return sets.compile(own["programme"]), chosen
