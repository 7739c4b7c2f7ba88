"""
Row by row over the log, as PostgreSQL's binary COPY gives it: is it what was appended and what was sealed? Pure.

After a break the walk goes on from what is stored, so that the next break is found too, and each is named once.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from hashlib import sha256
from struct import Struct
from typing import Final

from compliance.audit.chain import link, root
from compliance.audit.checkpoint import Checkpoint

BREAKS_MAX: Final = 1_000
SUSPECTS_MAX: Final = 32
SHIFT_MAX: Final = 16
_HEADER_SIZE: Final = 19
_ROW: Final = Struct(">hi8si32si")  # fields; number's size, number; hash's size, hash; content's size


class BreakKind(StrEnum):
    """What is wrong."""

    EDITED = "edited"
    DELETED = "deleted"
    INSERTED = "inserted"
    REORDERED = "reordered"
    TRUNCATED = "truncated"
    REWRITTEN = "rewritten"
    CHECKPOINT = "checkpoint"
    COPY = "copy"
    GUARD = "guard"


@dataclass(slots=True, eq=False)
class Break:
    """One thing that is wrong, and where: rows first to last, or a checkpoint's number; 0 = neither."""

    kind: BreakKind
    text: str
    first_row: int = 0
    last_row: int = 0
    checkpoint: int = 0


@dataclass(frozen=True, slots=True)
class _Suspect:
    number: int
    content: bytes
    stored: bytes
    before: bytes
    found: Break


class Walk:
    """
    Takes the stream of `SELECT number, hash, content … ORDER BY number` in pieces.

    `start` is the row before the first one and `before` its hash. `checkpoints` are trusted, in order; those that
    end at `start` or before, or hold no row, are passed over.
    """

    def __init__(self, start: int, before: bytes, checkpoints: Sequence[Checkpoint]) -> None:
        self.last, self.hash = start, before
        self.rows = 0
        self.broken = 0  # breaks, also those beyond BREAKS_MAX
        self.breaks: list[Break] = []
        self._start = start
        self._rest = b""
        self._at_header = True
        self._checkpoints = [
            each for each in checkpoints if each.last_row >= each.first_row and each.last_row > start
        ]
        self._reached = 0
        self._leaves: list[bytes] = []
        self._breaks_at_seal = 0
        self._shift = 0
        self._two_before = before
        self._should_be: bytes | None = None  # hash of the row before, where it is not what is stored
        self._unsure = False  # whether the row before this one is missing
        self._suspects: list[_Suspect] = []

    def feed(self, piece: bytes) -> None:
        """The next bytes of the stream."""
        data = self._rest + piece
        place, size = 0, len(data)
        if self._at_header:
            if size < _HEADER_SIZE:
                self._rest = data
                return
            self._at_header, place = False, _HEADER_SIZE
        unpack, width, digest = _ROW.unpack_from, _ROW.size, sha256
        leaves, number, before = self._leaves, self.last, self.hash
        seal = self._seal_row()
        while size - place >= width:
            _, _, number_bytes, _, stored, length = unpack(data, place)
            end = place + width + length
            if end > size:
                break
            content = data[place + width : end]
            place = end
            found = int.from_bytes(number_bytes, "big")
            if found > seal:  # the row that a checkpoint ends with is missing
                self.last = number
                self._gap(found)
                number = found - 1
                seal = self._seal_row()
            self.rows += 1
            computed = digest(before + number_bytes + content).digest()
            if found != number + 1 or computed != stored:
                self.last, self.hash = number, before
                self._odd(found, content, stored)
            else:
                self._two_before, self._should_be, self._unsure, self._shift = before, None, False, 0
            number, before = found, stored
            leaves.append(stored)
            if number == seal:
                self.last, self.hash = number, before
                self._sealed()
                seal = self._seal_row()
        self.last, self.hash = number, before
        self._rest = data[place:]

    def end(self, head_row: int, head_hash: bytes) -> None:
        """The stream is over: holds its end against the head of the chain and against checkpoints that reach farther."""
        sealed = self._checkpoints[-1].last_row if self._checkpoints else 0
        wanted = max(head_row, sealed)
        if self.last < wanted:
            self._found(
                BreakKind.TRUNCATED,
                f"the log ends with row {self.last}; it reached to row {wanted}",
                self.last + 1,
                wanted,
            )
            self._reached = len(self._checkpoints)
        elif self.last > head_row:
            self._found(
                BreakKind.INSERTED,
                f"behind row {head_row}, where the chain's end is",
                head_row + 1,
                self.last,
            )
        elif self.hash != head_hash:
            self._found(
                BreakKind.EDITED, "the chain's end names another hash than the last row", self.last, self.last
            )
        self._explain()

    def _seal_row(self) -> int:
        if self._reached < len(self._checkpoints):
            return self._checkpoints[self._reached].last_row
        return 2**63

    def _sealed(self) -> None:
        """A checkpoint's last row was reached: do the rows make its root, and end with its hash?"""
        checkpoint = self._checkpoints[self._reached]
        whole = checkpoint.first_row > self._start  # else a part of it was given up
        same = self.hash.hex() == checkpoint.chain and (
            not whole or root(self._leaves).hex() == checkpoint.root
        )
        if not same and self.broken == self._breaks_at_seal:
            if whole and root([*self._leaves[:-1], bytes.fromhex(checkpoint.chain)]).hex() == checkpoint.root:
                self._found(
                    BreakKind.EDITED,
                    f"not what checkpoint {checkpoint.number} ends with",
                    self.last,
                    self.last,
                    checkpoint.number,
                )
            else:
                self._found(
                    BreakKind.REWRITTEN,
                    f"other rows than checkpoint {checkpoint.number} sealed, in a chain that was made to fit",
                    checkpoint.first_row,
                    checkpoint.last_row,
                    checkpoint.number,
                )
        self._reached += 1
        self._leaves.clear()
        self._breaks_at_seal = self.broken

    def _gap(self, found: int) -> None:
        """Rows are missing before `found`; checkpoints that end among them are over."""
        self._found(BreakKind.DELETED, "rows are missing", self.last + 1, found - 1)
        while found > self._seal_row():
            self._reached += 1
            self._leaves.clear()
        self._breaks_at_seal = -1  # what holds `found` can't be whole either
        self._unsure = True

    def _odd(self, number: int, content: bytes, stored: bytes) -> None:
        """A row that does not follow, or that followed only once numbers had been moved."""
        if number <= self.last:
            self._found(BreakKind.INSERTED, "a second row of this number", number, number)
        elif number > self.last + 1:
            self._gap(number)
        before, original = self.hash, number + self._shift
        two_before, self._two_before = self._two_before, before
        if self._unsure and link(before, original, content) != stored:
            self._unsure, self._should_be = False, None  # can't be known: the row before it is not there
            return
        self._unsure = False
        if link(before, original, content) == stored:
            self._should_be = None
            return
        if self._should_be is not None and link(self._should_be, original, content) == stored:
            self._should_be = None
            return
        if link(two_before, original - 1, content) == stored:
            self._rename(
                number - 1, BreakKind.INSERTED, "a row that was not appended; later ones were renumbered"
            )
            self._shift, self._should_be = self._shift - 1, None
            return
        for more in range(1, SHIFT_MAX + 1):
            if link(before, original + more, content) == stored:
                self._rename(
                    number - 1, BreakKind.DELETED, f"{more} before it taken out; later ones were renumbered"
                )
                self._shift, self._should_be = self._shift + more, None
                return
        self._should_be = link(before, original, content)
        found = self._found(
            BreakKind.EDITED, "not what was appended: this row, or the hash of the one before", number, number
        )
        if len(self._suspects) < SUSPECTS_MAX:
            self._suspects.append(_Suspect(number, content, stored, before, found))

    def _rename(self, row: int, kind: BreakKind, text: str) -> None:
        """A row told as edited turns out to be something else."""
        for found in reversed(self.breaks[-2:]):
            if found.kind is BreakKind.EDITED and found.first_row == row:
                found.kind, found.text = kind, text
                return
        self._found(kind, text, row, row)

    def _explain(self) -> None:
        """Rows told as edited that stand whole where another was are told as reordered, once."""
        suspects = self._suspects
        hashes = {each.stored for each in suspects} | {each.before for each in suspects}
        for each in suspects:
            if each.found.kind is not BreakKind.EDITED:
                continue
            for place in {other.number for other in suspects} | {each.number}:
                if any(link(before, place, each.content) == each.stored for before in hashes):
                    if place == each.number:  # whole, behind one that is not
                        self.breaks.remove(each.found)
                        self.broken -= 1
                    else:
                        each.found.kind = BreakKind.REORDERED
                        each.found.text = f"this was row {place}"
                    break

    def _found(
        self, kind: BreakKind, text: str, first_row: int = 0, last_row: int = 0, checkpoint: int = 0
    ) -> Break:
        found = Break(kind, text, first_row, last_row, checkpoint)
        self.broken += 1
        if len(self.breaks) < BREAKS_MAX:
            self.breaks.append(found)
        return found
