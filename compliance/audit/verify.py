"""
Whether the log is what was appended: an edit, a deletion, an insertion, another order, a tail cut off, all of it written
anew; and where.

What an attacker who may write everything in PostgreSQL can't do is sign, and reach the second place. So rows that a
checkpoint holds are safe from him, and later ones are only as safe as the chain's end: `unsealed_rows` says how many.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from compliance.audit.chain import START
from compliance.audit.checkpoint import NOTHING, Checkpoint, Signed
from compliance.audit.copies import Copies
from compliance.audit.signing import is_signed
from compliance.audit.walk import Break, BreakKind, Walk
from compliance.ports import Database, queries

COPY_GRACE_US: Final = 60_000_000
"""How long the second place may lack the newest checkpoints: they are written there after PostgreSQL has them."""

_COPY_TIMEOUT_S: Final = 3_600.0


@dataclass(frozen=True, slots=True)
class Report:
    """What was found. `breaks` is empty where the log is whole; `broken` counts also those too many to be listed."""

    rows: int
    first_row: int  # 0 = there is none
    last_row: int
    sealed_to: int
    unsealed_rows: int
    pruned_to: int
    checkpoints: int
    broken: int
    breaks: tuple[Break, ...]

    def document(self) -> dict[str, Any]:
        """Ready for JSON."""
        return {"whole": not self.broken, **asdict(self)}


async def verify_log(database: Database, copies: Copies, key: Ed25519PublicKey) -> Report:
    """Verifies in one snapshot; appenders go on meanwhile. Raises OSError where the second place can't be read."""
    lines = copies.lines()  # before the snapshot: whatever it holds, the snapshot holds too
    connection = await database.connect()
    try:
        async with connection.transaction(isolation="repeatable_read", readonly=True):
            return await verify(connection, lines, key)
    finally:
        await connection.close()


async def verify(connection: Any, lines: Sequence[str], key: Ed25519PublicKey) -> Report:
    """
    Verifies what the caller's transaction sees, which should be one snapshot.

    `lines` are those of the second place, read before the snapshot was taken.
    """
    sql = queries("compliance.audit")
    head = await connection.fetchrow(sql["head"])
    kept = {
        row["number"]: Signed(row["document"], row["signature"])
        for row in await connection.fetch(sql["checkpoints_after"], 0)
    }
    at_us = 0 if head is None else head["at_us"]
    checkpoints, breaks = trusted(kept, lines, key, at_us)
    first = await connection.fetchval(sql["first_row"])
    pruned_to = max((each.pruned_to for each in checkpoints), default=0)
    start, before = _start(first, pruned_to, checkpoints)
    walk = Walk(start, before, checkpoints)

    async def take(piece: bytes) -> None:
        walk.feed(piece)

    await connection.copy_from_query(
        sql["rows_in_order"], output=take, format="binary", timeout=_COPY_TIMEOUT_S
    )
    if head is None:
        breaks.append(Break(BreakKind.TRUNCATED, "the chain's end is gone from PostgreSQL"))
    walk.end(*((walk.last, walk.hash) if head is None else (head["number"], head["hash"])))
    breaks += [
        Break(BreakKind.GUARD, f"{row['guard']} is not as it should be")
        for row in await connection.fetch(sql["guards_down"])
    ]
    sealed_to = checkpoints[-1].last_row if checkpoints else 0
    return Report(
        rows=walk.rows,
        first_row=first or 0,
        last_row=walk.last,
        sealed_to=sealed_to,
        unsealed_rows=max(walk.last - sealed_to, 0),
        pruned_to=pruned_to,
        checkpoints=len(checkpoints),
        broken=walk.broken + len(breaks),
        breaks=(*walk.breaks, *breaks),
    )


def trusted(
    kept: dict[int, Signed], lines: Sequence[str], key: Ed25519PublicKey, at_us: int
) -> tuple[list[Checkpoint], list[Break]]:
    """
    The checkpoints that one place or the other holds with a good signature, in order, and what is wrong with either.

    `kept` is PostgreSQL's by number; `at_us` its clock.
    """
    breaks: list[Break] = []
    copied: dict[int, Signed] = {}
    good: dict[int, tuple[Checkpoint, Signed]] = {}
    for number, line in enumerate(lines, start=1):
        try:
            copied[number] = Signed.of(line)
        except ValueError:
            breaks.append(
                Break(
                    BreakKind.COPY, f"line {number} of the second place is no checkpoint", checkpoint=number
                )
            )
    for kind, place, found in (
        (BreakKind.COPY, "the second place", copied),
        (BreakKind.CHECKPOINT, "PostgreSQL", kept),
    ):
        for number, signed in found.items():
            wrong, checkpoint = _read(number, signed, key)
            if checkpoint is None:
                breaks.append(Break(kind, f"checkpoint {number} in {place} {wrong}", checkpoint=number))
            elif number in good and good[number][1].document != signed.document:
                breaks.append(
                    Break(kind, f"checkpoint {number} is another one in {place}", checkpoint=number)
                )
            else:
                good[number] = checkpoint, signed
    newest = max((*kept, *copied), default=0)
    breaks += [
        Break(BreakKind.CHECKPOINT, f"checkpoint {number} is gone from PostgreSQL", checkpoint=number)
        for number in range(1, newest + 1)
        if number not in kept
    ]
    breaks += [
        Break(BreakKind.COPY, f"checkpoint {number} is gone from the second place", checkpoint=number)
        for number in range(len(lines) + 1, newest + 1)
        if number in good and good[number][0].made_at_us < at_us - COPY_GRACE_US
    ]
    return [good[number][0] for number in sorted(good)], breaks + _unlinked(good)


def _read(number: int, signed: Signed, key: Ed25519PublicKey) -> tuple[str, Checkpoint | None]:
    """What is wrong with a checkpoint, or the checkpoint."""
    try:
        checkpoint = Checkpoint.of(signed.document)
    except ValueError:
        return "is no document of ours", None
    if not is_signed(signed, key):
        return "is not signed by this key", None
    if checkpoint.number != number:
        return f"says that it is number {checkpoint.number}", None
    return "", checkpoint


def _unlinked(good: dict[int, tuple[Checkpoint, Signed]]) -> list[Break]:
    """Checkpoints that don't follow the one before."""
    breaks = []
    for number, (checkpoint, _) in good.items():
        if number == 1:
            follows = (checkpoint.previous, checkpoint.first_row) == (NOTHING, 1)
        elif number - 1 in good:
            before, signed = good[number - 1]
            follows = (checkpoint.previous, checkpoint.first_row) == (signed.digest, before.last_row + 1)
        else:
            continue
        if not follows:
            breaks.append(
                Break(
                    BreakKind.CHECKPOINT,
                    f"checkpoint {number} does not follow the one before",
                    checkpoint=number,
                )
            )
    return breaks


def _start(first: int | None, pruned_to: int, checkpoints: Sequence[Checkpoint]) -> tuple[int, bytes]:
    """
    Where the log begins: the row before it, and that row's hash, which a checkpoint holds once rows were given up.

    Rows are deleted checkpoint by checkpoint, so what is left of them begins behind one.
    """
    reached = pruned_to if first is None else min(first - 1, pruned_to)
    ends = {each.last_row: bytes.fromhex(each.chain) for each in checkpoints if each.last_row <= reached}
    if not ends:
        return 0, START
    start = max(ends)
    return start, ends[start]
