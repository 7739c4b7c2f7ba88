"""
The directory on disk: so that a server starts and authorizes while PostgreSQL is away.

Two files of arrays with a checksum each (see `snapshot`): the whole, and beside it the cards that have changed since, so
that a change of one card among ten million does not write them all. What cards share stands in both as JSON. The second
names the whole that it belongs to, and is passed over beside another.
"""

import asyncio
import json
import secrets
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from scoring.limit import Measure, Of, Subject
from server.core.block_lists import BlockEntry, BlockKind
from server.core.directory import (
    CARD,
    Action,
    Condition,
    ControlSet,
    Directory,
    DirectoryChange,
    Operator,
    Posture,
    Programme,
    Rule,
    StandInLimits,
)
from server.core.limit_sets import Limit, Window
from server.core.record import TransactionType
from server.core.snapshot import SnapshotUnreadable, read_arrays, write_arrays

DIRECTORY: Final = "directory.npz"
FORMAT: Final = 3
OLDEST: Final = 1
"""1: before limits had names and numbers; a programme's stood in it by columns. 2: before changes had a file of their own."""

_FORMER_WINDOWS: Final = (Window.MINUTE_1, Window.HOUR_1, Window.HOURS_24, Window.DAYS_7)
_FORMER_PERIODS: Final = {
    "limit_transaction_minor": Window.TRANSACTION,
    "limit_day_minor": Window.DAY,
    "limit_month_minor": Window.MONTH,
}
_FORMER_NAMES: Final = {
    str(number): name
    for number, name in enumerate(
        (
            *("count_1m", "count_1h", "count_24h", "count_7d"),
            *("amount_1m", "amount_1h", "amount_24h", "amount_7d"),
            *("amount_transaction", "amount_day", "amount_month"),
        ),
        1,
    )
}
"""What the oldest format's limits were called: answers of then name them, also before PostgreSQL is reached."""

_SETS: Final = (
    "categories_allowed",
    "categories_blocked",
    "countries_allowed",
    "countries_blocked",
    "merchants_allowed",
)


WHOLE_MAX: Final = 1 << 16
"""Up to so many cards the whole is written at every change."""

_CHANGED_SHARE: Final = 1 / 16
_COPY_ROWS: Final = 1 << 14
_APPLY_ROWS: Final = 1 << 16


class DirectoryFile:
    """The files of one directory; `load` at the start, `renew` whenever it has changed."""

    def __init__(self, directory: Directory, path: Path) -> None:
        self._directory = directory
        self._path = path
        self._mark = ""  # the whole that is on disk
        self._changed = np.zeros(0, np.uint32)  # since that
        self._written: asyncio.Future[Any] | None = None

    def load(self) -> dict[str, Any]:
        """Fill the empty directory; return the `source`. Raises FileNotFoundError or SnapshotUnreadable, with nothing filled."""
        source, self._mark, self._changed = load(self._directory, self._path)
        self._directory.take_changed()
        return source

    async def renew(self, source: Mapping[str, Any]) -> None:
        """
        Write what has changed, and with it `source`: whatever its feed needs to go on from here (JSON values).

        The disk is waited for beside the loop, and cards are copied a few at a time. Raises OSError.
        """
        if self._written is not None:
            await self._written
        directory = self._directory
        self._changed = _distinct(np.concatenate([self._changed, directory.take_changed()]))
        if (
            self._mark
            and directory.count > WHOLE_MAX
            and len(self._changed) < directory.count * _CHANGED_SHARE
        ):
            arrays = contents(directory, source, self._mark, directory.cards[self._changed])
            await self._write(changes_path(self._path), arrays)
            return
        cards = np.empty(directory.rows, CARD)
        for first in range(0, len(cards), _COPY_ROWS):
            part = slice(first, min(first + _COPY_ROWS, len(cards)))
            cards[part] = directory.cards[part]
            await asyncio.sleep(0)
        since = _distinct(directory.take_changed())
        inside = since[since < len(cards)]
        cards[inside] = directory.cards[inside]
        arrays = contents(directory, source, secrets.token_hex(8), cards)
        arrays["late"] = directory.cards[since[len(inside) :]]
        # Until it is written nothing is known of what is on disk.
        self._mark, self._changed = "", np.zeros(0, np.uint32)
        self._mark = await self._write(self._path, arrays)

    async def _write(self, path: Path, arrays: dict[str, NDArray[Any]]) -> str:
        """Have it written to its end, whether this is cancelled or not; the mark."""
        written = asyncio.ensure_future(asyncio.to_thread(save, path, arrays))
        self._written = asyncio.gather(written, return_exceptions=True)
        mark = await asyncio.shield(written)
        self._written = None
        return mark


def _distinct(rows: NDArray[np.uint32]) -> NDArray[np.uint32]:
    """Each row once, ascending."""
    found = np.zeros(int(rows.max(initial=0)) + 1, np.bool_)
    found[rows] = True
    return np.flatnonzero(found).astype(np.uint32) if len(rows) else rows


def changes_path(path: Path) -> Path:
    """Where the changes since the whole at `path` are."""
    return path.with_name(f"{path.stem}_changes{path.suffix}")


def contents(
    directory: Directory, source: Mapping[str, Any], mark: str, cards: NDArray[Any]
) -> dict[str, NDArray[Any]]:
    """`cards` of the directory, all that they share, and `source`, ready for `save`; of the whole that is known by `mark`."""
    shared = {
        "source": dict(source),
        "mark": mark,
        "version": directory.version,
        "programmes": [asdict(programme) for programme in directory.programmes.values()],
        "control_sets": [asdict(control_set) for control_set in directory.control_sets],
        "blocks": [[line.kind, *line.value] for line in directory.blocks if not line.shadow],
        "blocks_shadow": [[line.kind, *line.value] for line in directory.blocks if line.shadow],
        "limits": {
            number: [asdict(limit) for limit in found]
            for number, found in directory.limit_sets.overrides().items()
        },
        "rules": [asdict(rule) for rule in directory.rules.values()],
        "limit_names": directory.limit_names,
        "rule_names": directory.rule_names,
    }
    text = json.dumps(shared, default=sorted).encode()
    return {"cards": cards, "shared": np.frombuffer(text, np.uint8)}


def save(path: Path, arrays: Mapping[str, NDArray[Any]]) -> str:
    """
    Write what `contents` gave, whole or not at all; return its mark. Blocks; needs nothing of the directory any more.

    Beside it may stand `late`: cards that came while the others were copied.
    """
    cards = (
        np.concatenate([arrays["cards"], arrays["late"]]) if len(arrays.get("late", ())) else arrays["cards"]
    )
    known = cards["known"] != 0
    kept = cards if known.all() else cards[known]
    write_arrays(path, FORMAT, {"cards": kept, "shared": arrays["shared"]})
    return str(json.loads(arrays["shared"].tobytes())["mark"])


def load(directory: Directory, path: Path) -> tuple[dict[str, Any], str, NDArray[np.uint32]]:
    """
    Fill an empty directory; return the `source`, the whole's mark, and the cards that changed since.

    Raises FileNotFoundError or SnapshotUnreadable, with nothing filled.
    """
    arrays, shared = _read(path)
    mark = str(shared.get("mark", ""))
    try:
        changed, changed_shared = _read(changes_path(path))
    except FileNotFoundError:
        changed, changed_shared = {}, {}
    directory.expect(len(arrays["cards"]), arrays["cards"]["number"])
    _take(directory, arrays.pop("cards"), shared)
    if changed and changed_shared["mark"] == mark:
        _take(directory, changed["cards"], changed_shared)
        return dict(changed_shared["source"]), mark, changed["cards"]["number"].astype(np.uint32)
    return dict(shared["source"]), mark, np.zeros(0, np.uint32)


def _read(path: Path) -> tuple[dict[str, NDArray[Any]], dict[str, Any]]:
    arrays = read_arrays(path, FORMAT, oldest=OLDEST)
    try:
        return arrays, json.loads(arrays["shared"].tobytes())
    except ValueError as error:
        raise SnapshotUnreadable(f"{path} can't be read: {error}") from error


def _take(directory: Directory, read: NDArray[Any], shared: dict[str, Any]) -> None:
    """Apply what a file says: what cards share first, then the cards."""
    control_sets = [_control_set(fields) for fields in shared["control_sets"]]
    sets = {int(number): tuple(map(_limit, found)) for number, found in shared.get("limits", {}).items()}
    directory.apply(
        DirectoryChange(
            programmes=[_programme(fields) for fields in shared["programmes"]],
            blocks=[
                BlockEntry(BlockKind(kind), (low, high), shadow=shadow)
                for lines, shadow in ((shared["blocks"], False), (shared.get("blocks_shadow", ()), True))
                for kind, low, high in lines
            ],
            rules=[_rule(fields) for fields in shared.get("rules", ())],
            limit_names=_names(shared.get("limit_names", _FORMER_NAMES)),
            rule_names=_names(shared.get("rule_names", {})),
            version=shared["version"],
        )
    )
    for first in range(0, len(read), _APPLY_ROWS):
        cards = _todays(read[first : first + _APPLY_ROWS])
        controlled, limited = cards[cards["controls"] != 0], cards[cards["limits"] != 0]
        controls = {int(card["number"]): control_sets[card["controls"]] for card in controlled}
        limits = {int(card["number"]): sets[card["limits"]] for card in limited}
        directory.apply(DirectoryChange(cards=cards, controls=controls, limits=limits))


def _todays(cards: NDArray[Any]) -> NDArray[Any]:
    """Cards of any format as CARD."""
    if cards.dtype == CARD:
        return cards
    made = np.zeros(len(cards), CARD)
    for name in cards.dtype.names or ():
        made[name] = cards[name]
    return made


def _names(fields: dict[str, str]) -> dict[int, str]:
    return {int(number): name for number, name in fields.items()}


def _programme(fields: dict[str, Any]) -> Programme:
    found = tuple(map(_limit, fields["limits"])) if "limits" in fields else _former_limits(fields)
    stand_in = fields.get("stand_in", {})
    return Programme(
        **{
            **fields,
            "limits": found,
            "types_never": frozenset(map(TransactionType, fields["types_never"])),
            "posture": Posture(fields.get("posture", Posture.DECLINE)),
            "stand_in": StandInLimits(
                **{**stand_in, "categories": frozenset(stand_in.get("categories", ()))}
            ),
        }
    )


def _former_limits(fields: dict[str, Any]) -> tuple[Limit, ...]:
    """The limits of a programme of the oldest format, taken out of its fields; numbered as their names are."""
    windows = list(zip(_FORMER_WINDOWS, fields.pop("velocity_limits"), strict=True))
    former = [(Measure.COUNT, window, count) for window, (count, _) in windows]
    former += [(Measure.AMOUNT, window, amount_minor) for window, (_, amount_minor) in windows]
    former += [(Measure.AMOUNT, window, fields.pop(name)) for name, window in _FORMER_PERIODS.items()]
    return tuple(
        Limit(number, number, Subject.CARD, measure, Of.APPROVALS, window, ceiling)
        for number, (measure, window, ceiling) in enumerate(former, 1)
        if ceiling > 0
    )


def _limit(fields: dict[str, Any]) -> Limit:
    return Limit(
        **{
            **fields,
            "subject": Subject(fields["subject"]),
            "measure": Measure(fields["measure"]),
            "of": Of(fields["of"]),
            "window": Window(fields["window"]),
        }
    )


def _rule(fields: dict[str, Any]) -> Rule:
    conditions = tuple(
        Condition(line["field"], Operator(line["operator"]), tuple(line["values"]))
        for line in fields["conditions"]
    )
    return Rule(**{**fields, "conditions": conditions, "action": Action(fields["action"])})


def _control_set(fields: dict[str, Any]) -> ControlSet:
    sets = {name: None if fields[name] is None else frozenset(fields[name]) for name in _SETS}
    return ControlSet(
        **{**fields, **sets, "types_never": frozenset(map(TransactionType, fields["types_never"]))}
    )
