"""
The directory on disk: so that a server starts and authorizes while PostgreSQL is away.

One file of arrays with a checksum each (see `state.write_arrays`); what cards share stands in it as JSON.
"""

import json
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

FORMAT: Final = 2
OLDEST: Final = 1
"""Before limits had names and numbers: a programme's stood in it by columns."""

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


def contents(directory: Directory, source: Mapping[str, Any]) -> dict[str, NDArray[Any]]:
    """
    A copy of the directory as it is now, ready for `save`, and with it `source`: whatever its feed needs to go on from
    here (JSON values).
    """
    shared = {
        "source": dict(source),
        "version": directory.version,
        "programmes": [asdict(programme) for programme in directory.programmes.values()],
        "control_sets": [asdict(control_set) for control_set in directory.control_sets],
        "blocks": [[line.kind, *line.value] for line in directory.blocks if not line.shadow],
        "blocks_shadow": [[line.kind, *line.value] for line in directory.blocks if line.shadow],
        "limits": {
            number: [asdict(limit) for limit in directory.limit_sets.overrides_of(number)]
            for number in np.unique(directory.cards["limits"]).tolist()
            if number
        },
        "rules": [asdict(rule) for rule in directory.rules.values()],
        "limit_names": directory.limit_names,
        "rule_names": directory.rule_names,
    }
    text = json.dumps(shared, default=sorted).encode()
    cards = directory.cards[directory.cards["known"] != 0]
    return {"cards": cards, "shared": np.frombuffer(text, np.uint8)}


def save(path: Path, arrays: Mapping[str, NDArray[Any]]) -> None:
    """Write what `contents` gave, whole or not at all. Blocks; needs nothing of the directory any more."""
    write_arrays(path, FORMAT, arrays)


def load(directory: Directory, path: Path) -> dict[str, Any]:
    """Fill an empty directory; return the `source`. Raises FileNotFoundError or SnapshotUnreadable."""
    arrays = read_arrays(path, FORMAT, oldest=OLDEST)
    try:
        shared = json.loads(arrays["shared"].tobytes())
    except ValueError as error:
        raise SnapshotUnreadable(f"{path} can't be read: {error}") from error
    cards = _todays(arrays["cards"])
    control_sets = [_control_set(fields) for fields in shared["control_sets"]]
    controls = {int(card["number"]): control_sets[card["controls"]] for card in cards[cards["controls"] != 0]}
    sets = {int(number): tuple(map(_limit, found)) for number, found in shared.get("limits", {}).items()}
    limits = {int(card["number"]): sets[card["limits"]] for card in cards[cards["limits"] != 0]}
    directory.apply(
        DirectoryChange(
            cards=cards,
            controls=controls,
            limits=limits,
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
    return dict(shared["source"])


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
