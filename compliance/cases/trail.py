"""Everything on record about one transaction, in order of time: ids, states and amounts, no names."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any, Final, NamedTuple
from uuid import UUID

from compliance.cases.reading import NEEDS
from compliance.cases.records import By
from compliance.cases.states import AFTER, TELLING, Event, State
from compliance.facts import Source, flagged_id_of
from compliance.ports import Database, queries
from compliance.roles import Permission, may, require

AUDIT_ROWS_MAX: Final = 2_000
EVENTS_MAX: Final = 2_000
_VERDICTS: Final = {1: "fraud", 2: "dispute", 3: "false_positive"}
_OPERATIONS: Final = {1: "authorize", 2: "reverse", 3: "increment", 4: "advise", 5: "clear", 6: "expire"}


class Trace(NamedTuple):
    """One thing on record."""

    at: datetime
    kind: str  # transaction, transfer, flagged, review, case, label, filing, audit
    what: str
    actor: str
    id: str
    details: Mapping[str, str]


class Trail(NamedTuple):
    """What is on record about a transaction, and its case."""

    source: Source
    source_id: UUID
    case_id: UUID | None
    traces: tuple[Trace, ...]


class Trails:
    """Reads trails."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._sql = queries("compliance.cases")

    async def of_case(self, by: By, case_id: UUID) -> Trail:
        """The trail of what a case is about. Raises Denied, and LookupError where there is none."""
        require(by.actor, NEEDS["trail"])
        async with self._database.acquire() as connection:
            row = await connection.fetchrow(self._sql["find_case"], case_id)
        if row is None:
            raise LookupError(f"there is no case {case_id.hex}")
        if not row["source"]:
            raise LookupError(f"case {case_id.hex} is about no transaction")
        return await self.of(by, Source(row["source"]), row["source_id"])

    async def of(self, by: By, source: Source, source_id: UUID) -> Trail:
        """The trail of a transaction. Raises Denied, and LookupError where nothing is on record."""
        require(by.actor, NEEDS["trail"])
        flagged_id = flagged_id_of(source, source_id)
        async with self._database.acquire() as connection:
            traces = [*await self._transaction(connection, source, source_id)]
            traces += [_flagged(row) for row in await connection.fetch(self._sql["find_flagged"], flagged_id)]
            traces += [
                _review(row) for row in await connection.fetch(self._sql["trail_of_reviews"], flagged_id)
            ]
            case_id = await connection.fetchval(self._sql["case_of_flagged"], flagged_id, source_id)
            resources = [f"{source}:{source_id.hex}", f"flagged:{flagged_id.hex}"]
            if case_id is not None:
                resources.append(f"case:{case_id.hex}")
                rows = await connection.fetch(self._sql["case_events"], case_id, EVENTS_MAX)
                traces += _case(rows, case_id, sees_filings=may(by.actor, Permission.SEE_FILINGS))
            if may(by.actor, Permission.SEE_AUDIT):
                rows = await connection.fetch(self._sql["trail_of_audit"], resources, AUDIT_ROWS_MAX)
                traces += [_audit(row) for row in rows]
        if not traces:
            raise LookupError(f"nothing is on record about a {source} {source_id.hex}")
        return Trail(source, source_id, case_id, tuple(sorted(traces, key=lambda trace: trace.at)))

    async def _transaction(self, connection: Any, source: Source, source_id: UUID) -> Iterable[Trace]:
        if source == Source.TRANSFER:
            return _transfer(await connection.fetch(self._sql["trail_of_transfer"], source_id), source_id)
        if source == Source.AUTHORIZATION:
            rows = await connection.fetch(self._sql["trail_of_authorization"], source_id)
            labels = await connection.fetch(self._sql["trail_of_labels"], source_id)
            return [*map(_authorization, rows), *(_label(row, source_id) for row in labels)]
        return []


def _transfer(rows: list[Any], identifier: UUID) -> list[Trace]:
    if not rows:
        return []
    first = rows[0]
    names = ("kind", "direction", "account_number", "amount_minor", "currency")
    asked = Trace(first["created_at"], "transaction", "transfer", "", identifier.hex, _texts(first, names))
    return [
        asked,
        *(
            Trace(
                row["happened_at"],
                "transfer",
                row["state"],
                row["actor"],
                identifier.hex,
                _texts(row, ("reason",)),
            )
            for row in rows
        ),
    ]


def _authorization(row: Any) -> Trace:
    names = (
        "response_code", "amount_minor", "currency", "approved_minor", "score", "card_number", "account_number",
        "merchant_category", "held",
    )  # fmt: skip
    what = _OPERATIONS.get(row["operation"], str(row["operation"]))
    return Trace(
        row["decision_time"], "transaction", what, "", row["authorization_id"].hex, _texts(row, names)
    )


def _label(row: Any, identifier: UUID) -> Trace:
    details = _texts(row, ("source", "taken_at"))
    return Trace(
        row["received_at"], "label", _VERDICTS[row["verdict"]], row["reported_by"], identifier.hex, details
    )


def _flagged(row: Any) -> Trace:
    names = ("kind", "direction", "amount_minor", "usd_minor", "state", "tries", "trouble")
    return Trace(
        row["flagged_at"],
        "flagged",
        ", ".join(row["flags"]),
        row["changed_by"],
        row["id"].hex,
        _texts(row, names),
    )


def _review(row: Any) -> Trace:
    names = ("composite", "origin", "hits", "matched")
    return Trace(
        row["reviewed_at"], "review", row["tier"], row["reviewed_by"], row["id"].hex, _texts(row, names)
    )


def _case(rows: list[Any], case_id: UUID, *, sees_filings: bool) -> list[Trace]:
    traces = []
    for row in rows:
        is_filing = row["event"] == Event.FILED
        after = row["after"]
        if not sees_filings:
            if row["event"] in TELLING:
                continue
            after = State.CLOSED.value if after in AFTER else after
        details = {"after": after, "call": row["correlation_id"]}
        if is_filing:
            details["details"] = row["details"]
        kind = "filing" if is_filing else "case"
        traces.append(Trace(row["happened_at"], kind, row["event"], row["actor"], case_id.hex, details))
    return traces


def _audit(row: Any) -> Trace:
    details = _texts(row, ("role", "resource", "correlation_id"))
    return Trace(row["happened_at"], "audit", row["action"], row["actor"], str(row["number"]), details)


def _texts(row: Any, names: Iterable[str]) -> dict[str, str]:
    return {name: str(row[name]) for name in names if row[name] not in {None, ""}}
