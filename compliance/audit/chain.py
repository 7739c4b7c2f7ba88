"""
The chain and the tree: which bytes are hashed, and how. Pure.

A row's hash is SHA-256(hash of the row before ‖ number, 8 bytes, big-endian ‖ content, UTF-8). A checkpoint's root is
the Merkle tree hash of its rows' hashes (RFC 6962, section 2.1: leaves and nodes are told apart by their first byte).
"""

from collections.abc import Sequence
from hashlib import sha256
from typing import Final

START: Final = bytes(32)
"""What stands before the first row."""

_LEAF: Final = b"\x00"
_NODE: Final = b"\x01"


def link(before: bytes, number: int, content: bytes) -> bytes:
    """The hash of row `number`: 32 bytes. `before` is the hash of the row before it."""
    return sha256(before + number.to_bytes(8, "big") + content).digest()


def leaf(row_hash: bytes) -> bytes:
    """A row's place at the bottom of the tree."""
    return sha256(_LEAF + row_hash).digest()


def node(left: bytes, right: bytes) -> bytes:
    """What stands above two."""
    return sha256(_NODE + left + right).digest()


def root(hashes: Sequence[bytes]) -> bytes:
    """The Merkle tree hash of rows, each given by its hash: 32 bytes. Of no row it is SHA-256 of nothing."""
    if not hashes:
        return sha256().digest()
    level = [sha256(_LEAF + each).digest() for each in hashes]
    while len(level) > 1:
        level = _above(level)
    return level[0]


def way_up(hashes: Sequence[bytes], place: int) -> list[tuple[str, bytes]]:
    """From the row at `place` to the root: what stands beside it, `left` or `right`, level by level."""
    level = [leaf(each) for each in hashes]
    steps = []
    while len(level) > 1:
        beside = place ^ 1
        if beside < len(level):  # the last of an odd number moves up alone
            steps.append(("left" if beside < place else "right", level[beside]))
        level, place = _above(level), place // 2
    return steps


def _above(level: list[bytes]) -> list[bytes]:
    above = [
        sha256(_NODE + left + right).digest() for left, right in zip(level[::2], level[1::2], strict=False)
    ]
    if len(level) % 2:
        above.append(level[-1])
    return above
