"""
The directory on disk: so that a server starts and authorizes while PostgreSQL is away.

One file of arrays with a checksum each (see `state.write_arrays`); what cards share stands in it as JSON.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from server.core.directory import (
    BlockEntry,
    BlockKind,
    ControlSet,
    Directory,
    DirectoryChange,
    Programme,
)
from server.core.record import TransactionType
from server.core.snapshot import SnapshotUnreadable, read_arrays, write_arrays

FORMAT: Final = 1
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
        "blocks": [[kind, *value] for kind, value in directory.blocks],
    }
    text = json.dumps(shared, default=sorted).encode()
    cards = directory.cards[directory.cards["known"] != 0]
    return {"cards": cards, "shared": np.frombuffer(text, np.uint8)}


def save(path: Path, arrays: Mapping[str, NDArray[Any]]) -> None:
    """Write what `contents` gave, whole or not at all. Blocks; needs nothing of the directory any more."""
    write_arrays(path, FORMAT, arrays)


def load(directory: Directory, path: Path) -> dict[str, Any]:
    """Fill an empty directory; return the `source`. Raises FileNotFoundError or SnapshotUnreadable."""
    arrays = read_arrays(path, FORMAT)
    try:
        shared = json.loads(arrays["shared"].tobytes())
    except ValueError as error:
        raise SnapshotUnreadable(f"{path} can't be read: {error}") from error
    cards = arrays["cards"]
    control_sets = [_control_set(fields) for fields in shared["control_sets"]]
    controls = {int(card["number"]): control_sets[card["controls"]] for card in cards[cards["controls"] != 0]}
    directory.apply(
        DirectoryChange(
            cards=cards,
            controls=controls,
            programmes=[_programme(fields) for fields in shared["programmes"]],
            blocks=[BlockEntry(BlockKind(kind), (low, high)) for kind, low, high in shared["blocks"]],
            version=shared["version"],
        )
    )
    return dict(shared["source"])


def _programme(fields: dict[str, Any]) -> Programme:
    limits = tuple((count, amount) for count, amount in fields["velocity_limits"])
    return replace(
        Programme(**fields),
        velocity_limits=limits,
        types_never=frozenset(map(TransactionType, fields["types_never"])),
    )


def _control_set(fields: dict[str, Any]) -> ControlSet:
    sets = {name: None if fields[name] is None else frozenset(fields[name]) for name in _SETS}
    return ControlSet(
        **{**fields, **sets, "types_never": frozenset(map(TransactionType, fields["types_never"]))}
    )
