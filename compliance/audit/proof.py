"""
Proof that a row is in the log, for a stranger who trusts the public key alone: the row, its way up the Merkle tree
(RFC 6962, section 2.1.1), and the checkpoint that signs the root.
"""

from collections.abc import Sequence
from typing import Any

from compliance.audit.chain import START, leaf, link, node, way_up
from compliance.audit.checkpoint import Checkpoint, Signed
from compliance.ports import queries


async def proof(connection: Any, number: int) -> dict[str, Any] | None:
    """Ready for JSON; None where there is no such row, or no checkpoint holds it yet."""
    sql = queries("compliance.audit")
    record = await connection.fetchrow(sql["checkpoint_of"], number)
    if record is None:
        return None
    checkpoint = Checkpoint.of(record["document"])
    rows = await connection.fetch(
        sql["hashes_after"], checkpoint.first_row - 1, checkpoint.last_row - checkpoint.first_row + 1
    )
    numbers = [row["number"] for row in rows]
    if number not in numbers:
        return None
    before = await connection.fetchval(sql["hash_of"], number - 1) or START
    return {
        "number": number,
        "content": await connection.fetchval(sql["content_of"], number),
        "before": before.hex(),
        "way_up": [
            [side, each.hex()] for side, each in way_up([row["hash"] for row in rows], numbers.index(number))
        ],
        "document": record["document"],
        "signature": record["signature"].hex(),
    }


def proves(found: dict[str, Any], signed: Signed) -> bool:
    """Whether a proof leads from its row to the root of `signed`, whose signature the caller has checked."""
    row_hash = link(bytes.fromhex(found["before"]), found["number"], found["content"].encode())
    steps: Sequence[Sequence[str]] = found["way_up"]
    reached = leaf(row_hash)
    for side, text in steps:
        other = bytes.fromhex(text)
        reached = node(other, reached) if side == "left" else node(reached, other)
    return reached.hex() == Checkpoint.of(signed.document).root
