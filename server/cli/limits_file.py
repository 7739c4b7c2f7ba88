"""
Limits as a TOML file, in the words of `holdfast limits set`: what a backtest is to try.

    keep = true                 # start from the limits in force: those here join them, or take their place

    [[limit]]
    programme = "standard"      # or account = 17, or card = 4711 (numbers); without any: every programme
    subject = "card"            # card (if left out), account, merchant, device, ip
    measure = "amount"          # count, amount, merchants, countries, categories, cards
    of = "approvals"            # approvals (if left out), attempts, declines
    window = "1h"               # 10s, 1m, 10m, 1h, 24h, 7d, 30d, 31d, transaction, day, month
    ceiling = 500.00            # passed above it; an amount in major units; "none" lifts it for an account or card
    name = "evening_out"        # what reports call it; else like amount_1h
    state = "live"              # live (if left out); shadow: judges on paper

Without `keep` the file is the whole: what isn't in it doesn't limit.
"""

import tomllib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from scoring.limit import Measure, Of, Subject
from scoring.velocity import LimitTable
from server.core.limit_sets import WINDOW_NAMES, Limit, LimitSets, Window, overrides
from server.store.limits import NewLimit, default_name

OWNERS: Final = ("programme", "account", "card")
EVERY_PROGRAMME: Final = ""
_WORDS: Final = ("subject", "measure", "of", "window", "name", "state")
_STATES: Final = ("live", "shadow")
_LIFTED: Final = "none"


class LimitsUnreadable(ValueError):  # noqa: N818 - told as what it is
    """A file of limits that says something else; the text names the limit and what is allowed."""


@dataclass(frozen=True, slots=True)
class OwnedLimit:
    """A limit, and whose it is: `kind` is one of OWNERS, `owner` a programme's name or a number as text."""

    kind: str
    owner: str
    limit: NewLimit

    @property
    def name(self) -> str:
        """What answers and reports call it."""
        return self.limit.name or default_name(self.limit)

    @property
    def slot(self) -> tuple[str, ...]:
        """What it stands for: of one slot there is one limit."""
        limit = self.limit
        return (self.kind, self.owner, limit.subject, limit.measure, limit.of, limit.window, limit.state)


@dataclass(frozen=True, slots=True)
class LimitsFile:
    """What a file says: its limits, and whether those in force stay beside them."""

    limits: tuple[OwnedLimit, ...]
    keep: bool

    def check_owners(self, owners: "Owners") -> None:
        """Raises LimitsUnreadable where a limit belongs to nobody that the past knows: it would do nothing in silence."""
        for owned in self.limits:
            if not _places(owned, owners):
                raise LimitsUnreadable(f"{owned.name}: the past has no {owned.kind} {owned.owner!r}")

    def over(self, in_force: Iterable[OwnedLimit]) -> list[OwnedLimit]:
        """All limits there would be, where these are in force now."""
        found = {owned.slot: owned for owned in in_force} if self.keep else {}
        return list((found | {owned.slot: owned for owned in self.limits}).values())


def read_limits(path: Path, minor_units: Callable[[str], int]) -> LimitsFile:
    """Reads a file; `minor_units` of an amount's text. Raises LimitsUnreadable, naming limit and field."""
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"), parse_float=Decimal)
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise LimitsUnreadable(f"{path.name} can't be read: {error}") from error
    unknown = sorted(set(document) - {"keep", "limit"})
    keep, entries = document.get("keep", False), document.get("limit", [])
    if unknown or not isinstance(keep, bool) or not isinstance(entries, list):
        raise LimitsUnreadable(
            f"{path.name} holds keep = true or false, and [[limit]]: {', '.join(unknown) or 'one of them'} is neither"
        )
    found: dict[tuple[str, ...], OwnedLimit] = {}
    for place, entry in enumerate(entries, start=1):
        where = f"{path.name}, limit {place}"
        owned = _owned(where, entry, minor_units)
        if owned.slot in found:
            raise LimitsUnreadable(f"{where}: an earlier one measures the same for the same")
        found[owned.slot] = owned
    return LimitsFile(tuple(found.values()), keep)


def _owned(where: str, entry: Mapping[str, Any], minor_units: Callable[[str], int]) -> OwnedLimit:
    allowed = (*OWNERS, *_WORDS, "ceiling")
    unknown = sorted(set(entry) - set(allowed))
    if unknown:
        raise LimitsUnreadable(f"{where}: {unknown[0]} is none of {', '.join(allowed)}")
    missing = [key for key in ("measure", "window", "ceiling") if key not in entry]
    if missing:
        raise LimitsUnreadable(f"{where}: {missing[0]} is missing")
    owners = [kind for kind in OWNERS if kind in entry]
    if len(owners) > 1:
        raise LimitsUnreadable(f"{where}: it belongs to one of programme, account and card, not to {owners}")
    kind = owners[0] if owners else "programme"
    limit = NewLimit(ceiling=None, **{key: str(entry[key]) for key in _WORDS if key in entry})
    if limit.state not in _STATES:
        raise LimitsUnreadable(f"{where}: state: {limit.state!r} is none of {', '.join(_STATES)}")
    limit = replace(limit, ceiling=_ceiling(where, entry["ceiling"], limit.measure, minor_units))
    if fault := limit.fault():
        raise LimitsUnreadable(f"{where}: {fault}")
    if limit.ceiling is None and kind == "programme":
        raise LimitsUnreadable(f"{where}: ceiling: none lifts a limit for an account or a card")
    return OwnedLimit(kind, str(entry.get(kind, EVERY_PROGRAMME)), limit)


def _ceiling(where: str, value: Any, measure: str, minor_units: Callable[[str], int]) -> int | None:
    if value == _LIFTED:
        return None
    if isinstance(value, bool) or not isinstance(value, int | Decimal | str):
        raise LimitsUnreadable(f"{where}: ceiling: {value!r} is no number")
    try:
        return minor_units(str(value)) if measure == "amount" else int(str(value))
    except ValueError as error:
        raise LimitsUnreadable(f"{where}: ceiling: {value} is no number of {measure}") from error


def in_force_of(row: Mapping[str, Any]) -> OwnedLimit:
    """A limit as the store has it: programme (its name), account_number or card_number, and NewLimit's fields."""
    whose = {"programme": row["programme"], "account": row["account_number"], "card": row["card_number"]}
    kind = next(kind for kind in OWNERS if whose[kind] is not None)
    return OwnedLimit(
        kind, str(whose[kind]), NewLimit(ceiling=row["ceiling"], **{key: row[key] for key in _WORDS})
    )


def names_of(*sides: Iterable[OwnedLimit]) -> dict[str, int]:
    """A number for each name, from 1: the same for all sides."""
    names = sorted({owned.name for side in sides for owned in side})
    return {name: number for number, name in enumerate(names, start=1)}


@dataclass(frozen=True, slots=True)
class Owners:
    """Programmes by name, accounts and cards by number as text; and the place of each case's, i8[n]."""

    programmes: Sequence[str]
    accounts: Sequence[str]
    cards: Sequence[str]
    programme: NDArray[np.int64]
    account: NDArray[np.int64]
    card: NDArray[np.int64]


def compile_limits(
    limits: Iterable[OwnedLimit], names: Mapping[str, int], owners: Owners, unlimited: NDArray[np.bool_]
) -> tuple[LimitTable, NDArray[np.uint32]]:
    """The limit sets as kernels judge by them, and each case's (u4[n]): the empty one where `unlimited` (bool[n])."""
    of: dict[str, dict[int, list[Limit]]] = {kind: {} for kind in OWNERS}
    for number, owned in enumerate(limits, start=1):
        for place in _places(owned, owners):
            of[owned.kind].setdefault(place, []).append(_judged(number, names[owned.name], owned.limit))
    sets = LimitSets()
    by_programme = np.array([sets.own(place) for place in range(len(owners.programmes))], np.uint32)
    chosen = by_programme[owners.programme]
    touched = np.isin(owners.account, list(of["account"])) | np.isin(owners.card, list(of["card"]))
    whose = np.stack([owners.programme, owners.account, owners.card], axis=1)[touched]
    distinct, which = np.unique(whose, axis=0, return_inverse=True)
    numbers = [
        sets.take(programme, overrides(of["account"].get(account, ()), of["card"].get(card, ())))
        for programme, account, card in distinct.tolist()
    ]
    chosen[touched] = np.array(numbers, np.uint32)[which.reshape(-1)]
    chosen[unlimited] = 0
    return sets.compile(of["programme"]), chosen


def _places(owned: OwnedLimit, owners: Owners) -> list[int]:
    """The places of its owners; none where nobody of that name has a past."""
    known = {"programme": owners.programmes, "account": owners.accounts, "card": owners.cards}[owned.kind]
    if owned.kind == "programme" and owned.owner == EVERY_PROGRAMME:
        return list(range(len(known)))
    return [list(known).index(owned.owner)] if owned.owner in known else []


def _judged(number: int, name: int, limit: NewLimit) -> Limit:
    return Limit(
        number,
        name,
        Subject[limit.subject.upper()],
        Measure[limit.measure.upper()],
        Of[limit.of.upper()],
        Window(WINDOW_NAMES.index(limit.window)),
        limit.ceiling,
        limit.state == "shadow",
    )
