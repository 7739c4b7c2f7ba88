"""
Older formats of intents and decisions, brought to today's.

Format 1 (2026-11) knew authorizations and full reversals: a hold of then is a chain of one part. Format 2 had eleven
limits with a bit each, and no rules. Bytes that were reserved became fields in which zero means as before. A field that a format did not have is zero, but for what follows from the others.
"""

from collections.abc import Callable, Mapping
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from scoring.features import Features
from scoring.velocity import Velocity
from server.core.entries import ENTRY, EntryState
from server.core.record import (
    DECISION,
    INTENT,
    NAMED_MAX,
    REQUEST,
    REQUEST_VERSION,
    Chain,
    Operation,
)

_NEW_IN_REQUEST_2: Final = (
    "network_reference",
    "given_authorization_code",
    "given_code",
    "cumulative",
    "final",
    "credit",
)
_NEW_IN_DECISION_2: Final = (
    "claims",
    "credit",
    "chain",
    "original_id",
    "released_minor",
    "overdrawn_minor",
    "part_minor",
    "owed_minor",
)
_NEW_IN_INTENT_3: Final = (
    "limit_set",
    "limits_passed",
    "rules_hit",
    "rules_shadowed",
    "score_reasons",
    "consulted",
)
_OUT_OF_RESERVED: Final = ("posture",)
"""Fields that took bytes which were reserved, and zero, in format 3."""

_NEW_IN_DECISION_3: Final = ("limits_passed", "rules_hit", "score_reasons")
_LIMITS_2: Final = 11
"""Format 2 had so many limits: bit k is the limit whose name the store numbers k + 1."""


def _without(dtype: np.dtype[Any], names: tuple[str, ...], **changed: Any) -> np.dtype[Any]:
    """The dtype without some of its fields, and with some of another kind."""
    fields: Any = dtype.fields
    return np.dtype(
        [(name, changed.get(name, fields[name][0])) for name in dtype.names or () if name not in names]
    )


def _with(dtype: np.dtype[Any], *, after: str, name: str, kind: Any) -> np.dtype[Any]:
    """The dtype with one more field behind another."""
    fields: Any = dtype.fields
    layout = [(own, fields[own][0]) for own in dtype.names or ()]
    place = [own for own, _ in layout].index(after) + 1
    return np.dtype([*layout[:place], (name, np.dtype(kind)), *layout[place:]])


def _intent_2() -> np.dtype[Any]:
    layout = _without(
        INTENT,
        (*_NEW_IN_INTENT_3, *_OUT_OF_RESERVED),
        reserved=np.dtype(("u1", (12,))),
        features=np.dtype(("<f4", (32,))),
    )
    layout = _with(layout, after="card_expiry_yymm", name="velocity_flags", kind="<u2")
    layout = _with(layout, after="model", name="limits", kind=("<i8", (12,)))
    return _with(layout, after="limits", name="used", kind=("<i8", (12,)))


INTENT_2: Final = _intent_2()
DECISION_2: Final = _with(
    _without(DECISION, _NEW_IN_DECISION_3), after="billing_currency", name="velocity_flags", kind="<u2"
)
REQUEST_1: Final = _without(REQUEST, (*_NEW_IN_REQUEST_2, "deadline_ms"), reserved=np.dtype(("u1", (6,))))
INTENT_1: Final = _without(INTENT_2, (), request=REQUEST_1)
DECISION_1: Final = _without(DECISION_2, _NEW_IN_DECISION_2)

INTENTS: Final = {REQUEST_VERSION: INTENT, 2: INTENT_2, 1: INTENT_1}
DECISIONS: Final = {REQUEST_VERSION: DECISION, 2: DECISION_2, 1: DECISION_1}
"""The layouts by format version."""


class UnknownFormat(ValueError):  # noqa: N818 - named as it is told
    """Records of a format that this version does not read; the text names it."""


def read_intents(raw: bytes | bytearray | memoryview, count: int) -> NDArray[Any]:
    """INTENT[count] from their bytes in any format. Raises UnknownFormat."""
    return intents_of(_read(raw, count, INTENTS, lambda records: records["request"]["version"]))


def read_decisions(raw: bytes | bytearray | memoryview, count: int) -> NDArray[Any]:
    """DECISION[count], likewise."""
    return decisions_of(_read(raw, count, DECISIONS, lambda records: records["version"]))


def _read(
    raw: bytes | bytearray | memoryview,
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
    if records.dtype.names is None or records.dtype["answer"] not in (DECISION, DECISION_1, DECISION_2):
        raise ValueError("the entries of repeats have another layout")
    entries = np.zeros(len(records), ENTRY)
    for name in records.dtype.names:
        if name not in ("answer", "padding"):
            entries[name] = records[name]
    entries["answer"] = decisions_of(records["answer"])
    if "reserved_newest" in records.dtype.names:
        return entries
    if records.dtype["answer"] == DECISION_1:
        entries["reserved_s"] = records["transmission_s"]
        holding = np.isin(records["state"], (EntryState.OPEN, EntryState.BUSY))
        entries["newest"][holding] = records["id"][holding]
        entries["part_minor"][holding] = records["answer"]["approved_minor"][holding]
    # Until format 3 a part said by itself what it had reserved.
    entries["reserved_newest"], entries["reserved_older"] = entries["newest"], entries["older"]
    entries["reserved_minor"] = entries["part_minor"] + entries["owed_minor"]
    return entries


def intents_of(records: NDArray[Any]) -> NDArray[Any]:
    """Intents of any format in `INTENTS` as INTENT[n]. Features of an older list are NaN: they would be misread."""
    if records.dtype.itemsize == INTENT.itemsize and records.dtype.names == INTENT.names:
        # Of today's format; what has become a field since was reserved, and zero.
        return records.view(INTENT)
    if records.dtype not in (INTENT_1, INTENT_2):
        raise ValueError("intents have another layout")
    intents = np.zeros(len(records), INTENT)
    for name in INTENT.names or ():
        if name == "request":
            _copy(records["request"], intents["request"])
        elif name not in (*_NEW_IN_INTENT_3, *_OUT_OF_RESERVED, "features", "reserved"):
            intents[name] = records[name]
    intents["features"] = np.nan
    intents["request"]["version"] = REQUEST_VERSION
    intents["limits_passed"] = _names_of(records["velocity_flags"])
    _copy_limits(records, intents["consulted"])
    return intents


def decisions_of(records: NDArray[Any]) -> NDArray[Any]:
    """Decisions of any format in `DECISIONS` as DECISION[n]."""
    if records.dtype == DECISION:
        return records
    if records.dtype not in (DECISION_1, DECISION_2):
        raise ValueError("decisions have another layout")
    decisions = np.zeros(len(records), DECISION)
    for name in records.dtype.names or ():
        if name != "velocity_flags":
            decisions[name] = records[name]
    decisions["version"] = REQUEST_VERSION
    decisions["limits_passed"] = _names_of(records["velocity_flags"])
    if records.dtype == DECISION_2:
        return decisions
    held = (records["operation"] == Operation.AUTHORIZE) & (records["held"] != 0)
    decisions["part_minor"][held] = records["approved_minor"][held]
    decisions["chain"][held] = Chain.ADDED
    decisions["claims"] = records["operation"] == Operation.REVERSE
    reversed_ = (records["operation"] == Operation.REVERSE) & (records["held"] == 0)
    decisions["chain"][reversed_] = Chain.REPLACED
    return decisions


def velocity_of(arrays: Mapping[str, NDArray[Any]]) -> Velocity:
    """
    What cards consumed, by a snapshot of any format.

    Formats 1 and 2 kept other windows, of cards alone: days and months carry over, sliding windows begin anew. Raises
    ValueError for what is none.
    """
    velocity = Velocity()
    if not {"period_heads", "period_sums"} <= arrays.keys():
        velocity.load(arrays)
        return velocity
    velocity.grow(len(arrays["period_heads"]), 0)
    begun = velocity.arrays()
    begun["card_heads"][:], begun["card_sums"][:] = arrays["period_heads"], arrays["period_sums"]
    return velocity


def features_of(arrays: Mapping[str, NDArray[Any]]) -> Features:
    """What features know, by a snapshot of any format: cards' habits of formats 1 and 2 were others, and begin anew."""
    features = Features()
    if "moments" in arrays:
        features.grow(len(arrays["moments"]))
    else:
        features.load(arrays)
    return features


def _copy(old: NDArray[Any], new: NDArray[Any]) -> None:
    for name in old.dtype.names or ():
        if name != "reserved":
            new[name] = old[name]


def _names_of(flags: NDArray[np.uint16]) -> NDArray[np.uint16]:
    """u2[n, NAMED_MAX]: the numbers of the names of the limits in bit sets u2[n], lowest first."""
    names = np.zeros((len(flags), NAMED_MAX), np.uint16)
    used = np.zeros(len(flags), np.int64)
    for limit in range(_LIMITS_2):
        passed = np.flatnonzero((flags >> limit & 1 == 1) & (used < NAMED_MAX))
        names[passed, used[passed]] = limit + 1
        used[passed] += 1
    return names


def _copy_limits(old: NDArray[Any], consulted: NDArray[Any]) -> None:
    """The limits that were set, as CONSULTED[n, m], as many as there is room for."""
    used = np.zeros(len(old), np.int64)
    for limit in range(_LIMITS_2):
        some = np.flatnonzero((old["limits"][:, limit] > 0) & (used < consulted.shape[1]))
        lines = np.zeros(len(some), consulted.dtype)
        lines["name"] = limit + 1
        lines["used"], lines["ceiling"] = old["used"][some, limit], old["limits"][some, limit]
        lines["passed"] = old["velocity_flags"][some] >> limit & 1
        consulted[some, used[some]] = lines
        used[some] += 1
