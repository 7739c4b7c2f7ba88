"""Citations as text, taken apart: "31 CFR 1010.610, 1020.210(a)" names two sections."""

import re
from collections.abc import Sequence
from typing import Final, NamedTuple

_CODE: Final = re.compile(
    r"(?:(?P<title>\d+)\s+(?P<code>CFR|C\.F\.R\.|USC|U\.S\.C\.)\s*§*\s*)?"
    r"(?P<number>\d+(?:\.\d+)?[a-z]?)(?P<marks>(?:\(\w{1,6}\))*)(?:-\(\w{1,6}\))?"
)
_MARK: Final = re.compile(r"\((\w+)\)")
_RANGE: Final = re.compile(r"\((\w+)\)-\((\w+)\)$")


class Cited(NamedTuple):
    """A section, and the paragraph of it."""

    section: str  # such as 31 CFR 1010.306
    path: tuple[str, ...]


def citations(text: str) -> list[Cited]:
    """The sections that a text cites, in order; a number without a title is of the title before it."""
    found: list[Cited] = []
    code = ""
    for match in _CODE.finditer(text):
        if match["title"]:
            code = f"{match['title']} {'CFR' if match['code'].startswith('C') else 'U.S.C.'}"
        elif not code or (code.endswith("CFR") and "." not in match["number"]):
            continue
        one = Cited(f"{code} {match['number']}", tuple(_MARK.findall(match["marks"])))
        if one not in found:
            found.append(one)
    return found


def nearest(wanted: Cited, passages: Sequence[tuple[str, str]]) -> int:
    """
    Which of a section's passages, as (citation, text) in order, holds the paragraph that is wanted.

    One passage may hold several paragraphs, as (b)-(d), or a part of one: the text's own marks decide between those.
    Where none holds it, and where a whole section is wanted, the first.
    """
    assert passages
    return max(range(len(passages)), key=lambda place: (_closeness(wanted.path, *passages[place]), -place))


def _closeness(path: tuple[str, ...], citation: str, text: str) -> tuple[bool, int, bool]:
    if not path:
        return True, 0, False
    span = _RANGE.search(citation)
    if span:
        inside = _order(span[1]) <= _order(path[0]) <= _order(span[2])
        return inside, int(inside), _has(text, path[-1])
    own = tuple(_MARK.findall(citation))
    shared = 0
    while shared < min(len(own), len(path)) and own[shared] == path[shared]:
        shared += 1
    return shared == min(len(own), len(path)), shared, _has(text, path[-1])


def _order(mark: str) -> tuple[int, str]:
    return len(mark), mark


def _has(text: str, mark: str) -> bool:
    """Whether a paragraph of the text stands under this mark."""
    return bool(re.search(rf"^(?:\(\w+\)[\s—]*)*\({re.escape(mark)}\)", text, re.MULTILINE))
