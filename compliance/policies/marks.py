"""Where a paragraph stands, by its marks: (b), then (2), is (b)(2)."""

import re
from collections.abc import Sequence
from typing import Final

CFR: Final = ("a", "1", "i", "A", "1", "i")
"""How paragraphs are numbered, level by level (1 CFR 21.11)."""

USC: Final = ("a", "1", "A", "i", "I")
"""How statutes number theirs."""

_MARK: Final = re.compile(r"\s*(?:—\s*)?\((\d{1,3}|[a-z]{1,6}|[A-Z]{1,6})\)")
_ROMAN: Final = [
    "i",
    "ii",
    "iii",
    "iv",
    "v",
    "vi",
    "vii",
    "viii",
    "ix",
    "x",
    "xi",
    "xii",
    "xiii",
    "xiv",
    "xv",
    "xvi",
    "xvii",
    "xviii",
    "xix",
    "xx",
    "xxi",
    "xxii",
    "xxiii",
    "xxiv",
    "xxv",
    "xxvi",
    "xxvii",
    "xxviii",
    "xxix",
    "xxx",
]


def leading(text: str) -> tuple[list[str], str]:
    """The marks at the start of a paragraph, and the rest of it."""
    marks: list[str] = []
    place = 0
    while found := _MARK.match(text, place):
        marks.append(found.group(1))
        place = found.end()
    return marks, text[place:].lstrip(" —")


def follow(path: Sequence[str], marks: Sequence[str], levels: Sequence[str], *, opened: bool) -> list[str]:
    """
    The path of a paragraph with these marks after one at `path`.

    `opened`: the text before ended with a colon or a dash, so that a mark which may be either, as (i) after (h)(1),
    goes one level down.
    """
    for place, mark in enumerate(marks):
        path = _step(list(path), mark, levels, down=opened or place > 0)
    return list(path)


def _step(path: list[str], mark: str, levels: Sequence[str], *, down: bool) -> list[str]:
    child = len(path)
    goes_down = child < len(levels) and _number(mark, levels[child]) == 1
    if goes_down and down:
        return [*path, mark]
    for level in reversed(range(len(path))):
        number = _number(mark, levels[level])
        if number and number == (_number(path[level], levels[level]) or 0) + 1:
            return [*path[:level], mark]
    if goes_down:
        return [*path, mark]
    for level in reversed(range(len(path))):  # a mark was left out, or its paragraph is reserved
        number = _number(mark, levels[level])
        if number and number > (_number(path[level], levels[level]) or 0):
            return [*path[:level], mark]
    fits = [level for level in range(min(child + 1, len(levels))) if _number(mark, levels[level])]
    return [*path[: fits[-1]], mark] if fits else path


def _number(mark: str, style: str) -> int:
    """Which one of its style a mark is; 0 where it is of another."""
    if style == "1":
        return int(mark) if mark.isdigit() else 0
    if style in "aA":
        if not (mark.islower() if style == "a" else mark.isupper()) or len(set(mark)) > 1:
            return 0
        return ord(mark[0].lower()) - 96 + 26 * (len(mark) - 1)
    lower = mark.lower()
    same_case = mark.islower() if style == "i" else mark.isupper()
    return _ROMAN.index(lower) + 1 if same_case and lower in _ROMAN else 0
