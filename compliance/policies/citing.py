"""Citations as text, taken apart: "31 CFR 1010.610, 1020.210(a)" names two sections."""

import re
from typing import Final, NamedTuple

_CODE: Final = re.compile(
    r"(?:(?P<title>\d+)\s+(?P<code>CFR|C\.F\.R\.|USC|U\.S\.C\.)\s*§*\s*)?"
    r"(?P<number>\d+(?:\.\d+)?[a-z]?)(?P<marks>(?:\(\w{1,6}\))*)(?:-\(\w{1,6}\))?"
)
_MARK: Final = re.compile(r"\((\w+)\)")


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
