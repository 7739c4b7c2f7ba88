"""
`holdfast bench audit`: how fast the audit log is verified and appended to, and whether it finds what was tampered with.

An attacker here may do everything in PostgreSQL: switch off triggers, recompute the whole chain, remove checkpoints. He
has no key. Each tampering is made in a transaction that is rolled back after it was looked for.
"""

import json
import random
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from compliance.audit.chain import START, link
from compliance.audit.checkpointer import Checkpointer
from compliance.audit.copies import Copies
from compliance.audit.log import Entry, append, content_of
from compliance.audit.signing import Signer
from compliance.audit.verify import Report, verify, verify_log
from compliance.ports import Database
from loadtest.figure import Figure

PARTS: Final = ("speed", "append", "tampering")
TAMPERED_ROWS: Final = 400
"""Rows of the log that is tampered with; a checkpoint every 50, and the last 20 rows not sealed."""

_SEALED: Final = 380
PER_CHECKPOINT: Final = 50
_BATCH: Final = 250
SEED_US: Final = 1_700_000_000_000_000


@dataclass(frozen=True, slots=True)
class AuditOptions:
    """What is measured, and how much of it."""

    parts: tuple[str, ...] = PARTS
    rows: int = 500_000
    tamperings: int = 1_000
    seed: int = 1

    def __post_init__(self) -> None:
        wrong = sorted(set(self.parts) - set(PARTS))
        if wrong:
            raise ValueError(f"--part is one of {', '.join(PARTS)}, not {wrong[0]}")


@dataclass(frozen=True, slots=True)
class Workshop:
    """What the parts share."""

    database: Database
    signer: Signer
    copies: Copies

    def checkpointer(self, rows_max: int = 10_000) -> Checkpointer:
        """By a clock that is an hour behind: the second place is not forgiven for being late."""
        return Checkpointer(
            self.database, self.signer, self.copies, lambda: datetime.now(UTC) - timedelta(hours=1), rows_max
        )


async def audit_figures(shop: Workshop, options: AuditOptions, told: Callable[[str], None]) -> dict[str, Any]:
    """The figures, each beside its bar. The database is thrown away after: tampering first, on an empty log."""
    figures: list[tuple[str, Figure]] = []
    if "tampering" in options.parts:
        told(f"{options.tamperings:,} tamperings of each of {len(TAMPERINGS)} kinds")
        found = await campaign(shop, options.tamperings, options.seed)
        figures += [
            ("tampering", Figure(kind, "found, place named", right, options.tamperings, True, 0))
            for kind, right in found.items()
        ]
    if "append" in options.parts:
        told("appending")
        appended = await _append_speed(shop)
        figures.append(("append", Figure("in transactions of 250", "rows/s", appended, 5_000, True, 0)))
    if "speed" in options.parts:
        told(f"laying down {options.rows:,} rows")
        await seed(shop.database, options.rows)
        await shop.checkpointer().seal()
        told("verifying")
        began = time.perf_counter()
        report = await verify_log(shop.database, shop.copies, shop.signer.public)
        seconds = time.perf_counter() - began
        assert not report.broken, report.breaks[:3]
        verified = report.rows / seconds
        figures.append(
            ("speed", Figure(f"{report.rows:,} rows verified", "rows/s", verified, 200_000, True, 0))
        )
    return {
        "figures": [{"part": part, **each.document()} for part, each in figures],
        "details": {},
        "passes": all(each.passes for _, each in figures),
    }


async def seed(database: Database, rows: int) -> None:
    """Lays down `rows` more rows by COPY, in a chain that is made here: the only way to many in a short time."""
    connection = await database.connect()
    try:
        async with connection.transaction():
            head = await connection.fetchrow("SELECT number, hash FROM audit_head FOR UPDATE")
            number, before = head["number"], head["hash"]
            for begin in range(0, rows, 50_000):
                records = []
                for index in range(begin, min(begin + 50_000, rows)):
                    number += 1
                    content = content_of(_entry(index), SEED_US + index)
                    before = link(before, number, content.encode())
                    records.append((number, content, before))
                await connection.copy_records_to_table(
                    "audit", records=records, columns=["number", "content", "hash"], timeout=600
                )
            await connection.execute("UPDATE audit_head SET number = $1, hash = $2", number, before)
    finally:
        await connection.close()


def _entry(index: int) -> Entry:
    return Entry(
        f"analyst-{index % 7}",
        "analyst",
        "case.decide" if index % 3 else "view.customer",
        f"case:{index:032x}",
        {"state": "in_review"},
        {"state": "decided", "disposition": "cleared", "usd_minor": index * 17},
        f"{index // 3:032x}",
    )


async def _append_speed(shop: Workshop, batches: int = 80) -> float:
    began = time.perf_counter()
    async with shop.database.acquire() as connection:
        for batch in range(batches):
            async with connection.transaction():
                await append(connection, [_entry(batch * _BATCH + index) for index in range(_BATCH)])
    return batches * _BATCH / (time.perf_counter() - began)


@dataclass(slots=True)
class Attack:
    """One tampering: what the attacker sees, and what of the second place he leaves."""

    connection: Any
    random: random.Random
    rows: Sequence[tuple[int, str, bytes]]  # number, content, hash
    lines: list[str]

    async def rewrite(self, first: int, rows: Sequence[tuple[int, str, bytes]]) -> None:
        """Puts `rows` in the place of all rows from `first` on."""
        await self.connection.execute("DELETE FROM audit WHERE number >= $1", first)
        await self.connection.copy_records_to_table(
            "audit", records=rows, columns=["number", "content", "hash"]
        )

    async def move_head(self, number: int, row_hash: bytes) -> None:
        """Lets the chain's end say what fits."""
        await self.connection.execute("UPDATE audit_head SET number = $1, hash = $2", number, row_hash)

    def forged(self, content: str) -> str:
        """The same row with another actor."""
        values = json.loads(content)
        values["actor"] = f"mallory-{self.random.randrange(1_000_000)}"
        return json.dumps(values, sort_keys=True, separators=(",", ":"))


async def _edit(attack: Attack) -> range:
    """One row's content, its hash, or both so that they fit."""
    number, content, row_hash = attack.random.choice(attack.rows)
    forged, before = attack.forged(content), START if number == 1 else attack.rows[number - 2][2]
    how = attack.random.randrange(3)
    if how == 1:
        forged, row_hash = content, attack.random.randbytes(32)
    elif how == 2:
        row_hash = link(before, number, forged.encode())
    await attack.connection.execute(
        "UPDATE audit SET content = $2, hash = $3 WHERE number = $1", number, forged, row_hash
    )
    return range(number, number + 2)


async def _deletion(attack: Attack) -> range:
    """Rows out of the middle; half of the times the later ones are renumbered, so that no gap shows."""
    count = attack.random.randrange(1, 4)
    first = attack.random.randrange(1, len(attack.rows) - count)
    later = attack.rows[first - 1 + count :]
    if attack.random.random() < 0.5:
        await attack.connection.execute(
            "DELETE FROM audit WHERE number >= $1 AND number < $2", first, first + count
        )
    else:
        await attack.rewrite(first, [(number - count, content, each) for number, content, each in later])
        await attack.move_head(len(attack.rows) - count, attack.rows[-1][2])
    return range(first, first + count)


async def _insertion(attack: Attack) -> range:
    """A row into the middle, later ones renumbered; half of the times with a hash that fits the row before."""
    place = attack.random.randrange(2, len(attack.rows))
    _, content, row_hash = attack.rows[place - 2]
    forged = attack.forged(content)
    own = (
        link(row_hash, place, forged.encode())
        if attack.random.random() < 0.5
        else attack.random.randbytes(32)
    )
    later = [(number + 1, content, each) for number, content, each in attack.rows[place - 1 :]]
    await attack.rewrite(place, [(place, forged, own), *later])
    await attack.move_head(len(attack.rows) + 1, attack.rows[-1][2])
    return range(place, place + 1)


async def _reordering(attack: Attack) -> range:
    """Two rows change places, near or far."""
    far = attack.random.choice((1, 2, 37))
    one = attack.random.randrange(1, len(attack.rows) - far)
    two = one + far
    rows = list(attack.rows[one - 1 :])
    rows[0], rows[far] = (one, *attack.rows[two - 1][1:]), (two, *attack.rows[one - 1][1:])
    await attack.rewrite(one, rows)
    return range(one, two + 1)


async def _truncation(attack: Attack) -> range:
    """The tail: with the chain's end as it was, or moved back where a checkpoint knows better."""
    moved = attack.random.random() < 0.5
    last = attack.random.randrange(1, _SEALED if moved else len(attack.rows))
    await attack.connection.execute("DELETE FROM audit WHERE number > $1", last)
    if moved:
        await attack.move_head(last, attack.rows[last - 1][2])
        if attack.random.random() < 0.5:  # and what knew better, in the place that he can reach
            await attack.connection.execute("DELETE FROM audit_checkpoints WHERE last_row > $1", last)
    return range(last + 1, len(attack.rows) + 1)


async def _full_rewrite(attack: Attack) -> range:
    """All rows from one on, chained anew so that all fits, also the end; checkpoints left, removed or signed anew."""
    first = attack.random.randrange(1, _SEALED)
    before = START if first == 1 else attack.rows[first - 2][2]
    rows = []
    for number, content, _ in attack.rows[first - 1 :]:
        text = attack.forged(content) if number == first else content
        before = link(before, number, text.encode())
        rows.append((number, text, before))
    await attack.rewrite(first, rows)
    await attack.move_head(len(attack.rows), before)
    how = attack.random.randrange(3)
    if how == 1:
        await attack.connection.execute("DELETE FROM audit_checkpoints WHERE last_row >= $1", first)
    elif how == 2:
        forger = Signer(attack.random.randbytes(32))
        for record in await attack.connection.fetch("SELECT number, document FROM audit_checkpoints"):
            await attack.connection.execute(
                "UPDATE audit_checkpoints SET signature = $2 WHERE number = $1",
                record["number"],
                forger.sign(record["document"]).signature,
            )
    begin = (first - 1) // PER_CHECKPOINT * PER_CHECKPOINT + 1
    return range(begin, min(begin + PER_CHECKPOINT, _SEALED + 1))


async def _checkpoint(attack: Attack) -> range:
    """A checkpoint in one of both places: another document, another signature, or gone."""
    number = attack.random.randrange(1, len(attack.lines) + 1)
    how = attack.random.randrange(6)
    if how < 3:
        text = attack.lines[number - 1]
        signed = json.loads(text)
        attack.lines[number - 1] = json.dumps(
            {**signed, "document": signed["document"].replace('"pruned_to":0', '"pruned_to":50')}
            if how == 0
            else {**signed, "signature": attack.random.randbytes(64).hex()}
        )
        if how == 2:
            del attack.lines[number - 1]
    elif how == 3:
        await attack.connection.execute(
            "UPDATE audit_checkpoints SET document = replace(document, '\"pruned_to\":0', '\"pruned_to\":50') WHERE number = $1",
            number,
        )
    elif how == 4:
        await attack.connection.execute(
            "UPDATE audit_checkpoints SET signature = $2 WHERE number = $1",
            number,
            attack.random.randbytes(64),
        )
    else:
        await attack.connection.execute("DELETE FROM audit_checkpoints WHERE number = $1", number)
    return range(-number, -number + 1)


TAMPERINGS: Final[Mapping[str, Callable[[Attack], Awaitable[range]]]] = {
    "edit": _edit,
    "deletion": _deletion,
    "insertion": _insertion,
    "reordering": _reordering,
    "truncated tail": _truncation,
    "full rewrite": _full_rewrite,
    "checkpoint": _checkpoint,
}
"""Each returns the rows that were tampered with, or minus the number of a checkpoint."""


async def campaign(shop: Workshop, times: int, seed_number: int) -> dict[str, int]:
    """How many of `times` tamperings of each kind are found with their place. Wants an empty log; leaves 400 rows."""
    await seed(shop.database, _SEALED)
    await shop.checkpointer(PER_CHECKPOINT).seal()
    await seed(shop.database, TAMPERED_ROWS - _SEALED)
    found = dict.fromkeys(TAMPERINGS, 0)
    connection = await shop.database.connect()
    try:
        records = await connection.fetch("SELECT number, content, hash FROM audit ORDER BY number")
        rows = [tuple(record) for record in records]
        lines = shop.copies.lines()
        assert not (await verify(connection, lines, shop.signer.public)).broken
        for kind, tamper in TAMPERINGS.items():
            for turn in range(times):
                chance = random.Random(f"{seed_number} {kind} {turn}")
                attack = Attack(connection, chance, rows, list(lines))
                transaction = connection.transaction()
                await transaction.start()
                await connection.execute("SET LOCAL session_replication_role = replica")  # no trigger fires
                place = await tamper(attack)
                report = await verify(connection, attack.lines, shop.signer.public)
                await transaction.rollback()
                found[kind] += names(report, place)
        assert not (await verify(connection, lines, shop.signer.public)).broken
    finally:
        await connection.close()
    return found


def names(report: Report, place: range) -> bool:
    """Whether the first break in rows begins among the tampered ones, or one names the tampered checkpoint."""
    if place.start < 0:
        return any(each.checkpoint == -place.start for each in report.breaks)
    first = min((each.first_row for each in report.breaks if each.first_row), default=0)
    return first in place
