"""
Older formats of intents and decisions, brought to today's.

Format 1 (2026-11) knew authorizations and full reversals. A field that it did not have is zero, but for what follows
from the others: a hold of then is a chain of one part.
"""

from collections.abc import Callable
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from server.core.entries import ENTRY, EntryState
from server.core.record import DECISION, INTENT, REQUEST, REQUEST_VERSION, Chain, Operation

_NEW_IN_REQUEST: Final = (
    "network_reference",
    "given_authorization_code",
    "given_code",
    "cumulative",
    "final",
    "credit",
)
_NEW_IN_DECISION: Final = (
    "claims",
    "credit",
    "chain",
    "original_id",
    "released_minor",
    "overdrawn_minor",
    "part_minor",
    "owed_minor",
)


def _without(dtype: np.dtype[Any], names: tuple[str, ...], **changed: Any) -> np.dtype[Any]:
    """The dtype without some of its fields, and with some of another kind."""
    fields: Any = dtype.fields
    return np.dtype(
        [(name, changed.get(name, fields[name][0])) for name in dtype.names or () if name not in names]
    )


REQUEST_1: Final = _without(REQUEST, _NEW_IN_REQUEST, reserved=np.dtype(("u1", (6,))))
INTENT_1: Final = _without(INTENT, (), request=REQUEST_1)
DECISION_1: Final = _without(DECISION, _NEW_IN_DECISION)

INTENTS: Final = {REQUEST_VERSION: INTENT, 1: INTENT_1}
DECISIONS: Final = {REQUEST_VERSION: DECISION, 1: DECISION_1}
"""The layouts by format version."""


class UnknownFormat(ValueError):  # noqa: N818 - named as it is told
    """Records of a format that this version does not read; the text names it."""


def read_intents(raw: bytes | bytearray, count: int) -> NDArray[Any]:
    """INTENT[count] from their bytes in any format. Raises UnknownFormat."""
    return intents_of(_read(raw, count, INTENTS, lambda records: records["request"]["version"]))


def read_decisions(raw: bytes | bytearray, count: int) -> NDArray[Any]:
    """DECISION[count], likewise."""
    return decisions_of(_read(raw, count, DECISIONS, lambda records: records["version"]))


def _read(
    raw: bytes | bytearray,
    count: int,
    layouts: dict[int, np.dtype[Any]],
    versions: Callable[[NDArray[Any]], NDArray[np.uint16]],
) -> NDArray[Any]:
    for version, layout in layouts.items():
        if len(raw) == count * layout.itemsize:
            records = np.frombuffer(raw, layout)
            if (versions(records) == version).all():
                return records
    known = " and ".join(str(version) for version in sorted(layouts))
    raise UnknownFormat(f"{count} records of {len(raw)} bytes are of none of the formats {known}")


def entries_of(records: NDArray[Any]) -> NDArray[Any]:
    """
    Entries of a snapshot of any format as ENTRY[n].

    Raises ValueError for what is none.
    """
    if records.dtype == ENTRY:
        return records
    if records.dtype.names is None or records.dtype["answer"] != DECISION_1:
        raise ValueError("the entries of repeats have another layout")
    entries = np.zeros(len(records), ENTRY)
    for name in records.dtype.names:
        if name not in ("answer", "padding"):
            entries[name] = records[name]
    entries["answer"] = decisions_of(records["answer"])
    entries["reserved_s"] = records["transmission_s"]
    holding = np.isin(records["state"], (EntryState.OPEN, EntryState.BUSY))
    entries["newest"][holding] = records["id"][holding]
    entries["part_minor"][holding] = records["answer"]["approved_minor"][holding]
    return entries


def intents_of(records: NDArray[Any]) -> NDArray[Any]:
    """Intents of any format in `INTENTS` as INTENT[n]."""
    if records.dtype == INTENT:
        return records
    if records.dtype != INTENT_1:
        raise ValueError("intents have another layout")
    intents = np.zeros(len(records), INTENT)
    for name in INTENT_1.names or ():
        if name == "request":
            _copy(records["request"], intents["request"])
        else:
            intents[name] = records[name]
    intents["request"]["version"] = REQUEST_VERSION
    return intents


def decisions_of(records: NDArray[Any]) -> NDArray[Any]:
    """Decisions of any format in `DECISIONS` as DECISION[n]."""
    if records.dtype == DECISION:
        return records
    if records.dtype != DECISION_1:
        raise ValueError("decisions have another layout")
    decisions = np.zeros(len(records), DECISION)
    _copy(records, decisions)
    decisions["version"] = REQUEST_VERSION
    held = (records["operation"] == Operation.AUTHORIZE) & (records["held"] != 0)
    decisions["part_minor"][held] = records["approved_minor"][held]
    decisions["chain"][held] = Chain.ADDED
    decisions["claims"] = records["operation"] == Operation.REVERSE
    reversed_ = (records["operation"] == Operation.REVERSE) & (records["held"] == 0)
    decisions["chain"][reversed_] = Chain.REPLACED
    return decisions


def _copy(old: NDArray[Any], new: NDArray[Any]) -> None:
    for name in old.dtype.names or ():
        if name != "reserved":
            new[name] = old[name]
