"""What stands behind a chart: a caption, a header, rows of text."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple


class Table(NamedTuple):
    """
    A table. The first `words` columns are text and stand left, the others are figures and stand right; a row
    whose place is in `marked` is set apart.
    """

    caption: str
    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    words: int = 1
    marked: frozenset[int] = frozenset()


def table(
    caption: str,
    header: Sequence[str],
    rows: Iterable[Sequence[str]],
    *,
    words: int = 1,
    marked: Iterable[int] = (),
) -> Table:
    """A table of rows as long as its header."""
    lines = tuple(tuple(row) for row in rows)
    assert all(len(line) == len(header) for line in lines)
    return Table(caption, tuple(header), lines, words, frozenset(marked))
