"""Sections into passages: on paragraph borders, each with the citation of what it holds."""

import re
from collections.abc import Iterator
from typing import Final

from compliance.policies.edition import Paragraph, Piece, Section

PASSAGE_CHARS_MAX: Final = 1500
_ENOUGH_CHARS: Final = 500  # from here on, the next top paragraph starts a passage of its own
_SENTENCE: Final = re.compile(r"(?<=[.;:])\s+")


def pieces(section: Section) -> list[Piece]:
    """The passages of a section, in order; none is longer than PASSAGE_CHARS_MAX."""
    found: list[Piece] = []
    group: list[Paragraph] = []

    def close() -> None:
        if group:
            found.append(_piece(section, group))
            group.clear()

    for paragraph in (part for whole in section.paragraphs for part in _parts(whole)):
        size = sum(len(one.text) + 2 for one in group)
        turns = bool(group) and paragraph.path[:1] != group[-1].path[:1]
        if (
            size + len(paragraph.text) > PASSAGE_CHARS_MAX
            or (turns and size >= _ENOUGH_CHARS)
            or (turns and section.is_definitions)
        ):
            close()
        group.append(paragraph)
    close()
    return found


def cited(section: str, path: tuple[str, ...]) -> str:
    """A citation with its paragraph: 31 CFR 1010.306, ("a", "1") is 31 CFR 1010.306(a)(1)."""
    return section + "".join(f"({mark})" for mark in path)


def _piece(section: Section, group: list[Paragraph]) -> Piece:
    first = group[0].path
    shared = 0
    while shared < len(first) and all(one.path[: shared + 1] == first[: shared + 1] for one in group):
        shared += 1
    headings = [section.title, *dict.fromkeys(one.heading for one in group if one.heading)]
    heading = ". ".join(part.strip(" .") for part in headings if part)
    citation = cited(section.citation, first[:shared])
    if len(group) > 1 and shared == 0 and first and group[-1].path:
        citation += f"({first[0]})-({group[-1].path[0]})"
    return Piece(
        citation,
        section.citation,
        heading,
        section.context,
        "\n\n".join(one.text for one in group),
    )


def _parts(paragraph: Paragraph) -> Iterator[Paragraph]:
    """A paragraph, cut at sentences, and at last between words, where it is too long for one passage."""
    rest = paragraph.text
    while len(rest) > PASSAGE_CHARS_MAX:
        ends = [found.end() for found in _SENTENCE.finditer(rest, 0, PASSAGE_CHARS_MAX)]
        cut = ends[-1] if ends else rest.rfind(" ", 0, PASSAGE_CHARS_MAX) + 1 or PASSAGE_CHARS_MAX
        yield Paragraph(paragraph.path, rest[:cut].rstrip(), paragraph.heading)
        rest = rest[cut:]
    if rest.strip():
        yield Paragraph(paragraph.path, rest, paragraph.heading)
