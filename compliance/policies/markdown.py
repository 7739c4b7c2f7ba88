"""Markdown and plain text: sections by their headings; a citation is the work's name and the heading."""

import re
from typing import Final

from compliance.policies.codified import capital, merged, plain
from compliance.policies.edition import Paragraph, PolicyError, Section

_HEADING: Final = re.compile(r"^(#{1,6})\s+(.*\S)\s*$")
_NUMBERED: Final = re.compile(r"^(\d+(?:\.\d+)*)\.?\s+([A-Z][^.!?]{2,100})$")
_NOTE: Final = re.compile(r"<sup>.*?</sup>|\[\^?\d{1,3}\]")
_FRONT: Final = re.compile(r"\A---\n(.*?)\n---\n", re.DOTALL)
_KEYS: Final = frozenset({"name", "title", "kind", "jurisdiction", "effective"})


def front_matter(text: str) -> tuple[dict[str, str], str]:
    """The `key: value` lines between two `---` at the start, and the rest. Raises PolicyError for unknown keys."""
    found = _FRONT.match(text)
    if not found:
        return {}, text
    values = dict(_pair(line) for line in found.group(1).splitlines() if line.strip())
    if unknown := sorted(set(values) - _KEYS):
        raise PolicyError(f"front matter: {unknown[0]!r} is none of {', '.join(sorted(_KEYS))}")
    return values, text[found.end() :]


def title_of(text: str) -> str:
    """The first heading of the first level, or ""."""
    found = re.search(r"^#\s+(.*\S)\s*$", text, re.MULTILINE)
    return plain(found.group(1)) if found else ""


def headed_sections(text: str, name: str, *, marked: bool) -> list[Section]:
    """The sections of a work called `name`. `marked`: headings are Markdown's; else numbered lines and capitals."""
    sections: list[Section] = []
    above: list[tuple[int, str]] = []
    lines: list[str] = []

    def close() -> None:
        body = "\n".join(lines)
        texts = [plain(_NOTE.sub("", part)) for part in re.split(r"\n\s*\n", body)]
        paragraphs = tuple(Paragraph((), one) for one in texts if one)
        lines.clear()
        if paragraphs:
            titles = [title for _, title in above]
            sections.append(
                Section(
                    ", ".join([name, *(one for one in titles if one != name)]),
                    titles[-1] if titles else name,
                    paragraphs,
                    titles[0] if len(titles) > 1 else "",
                )
            )

    for line in text.splitlines():
        level, heading = _heading(line, marked=marked)
        if level:
            close()
            above = [one for one in above if one[0] < level] + [(level, heading)]
        else:
            lines.append(line)
    close()
    return merged(sections)


def _heading(line: str, *, marked: bool) -> tuple[int, str]:
    """The level of a heading and its text; 0 where the line is none."""
    if marked:
        found = _HEADING.match(line)
        return (
            (len(found.group(1)), capital(plain(_NOTE.sub("", found.group(2))).strip("# ")))
            if found
            else (0, "")
        )
    line = line.strip()
    if found := _NUMBERED.match(line):
        return found.group(1).count(".") + 2, line
    if 3 < len(line) < 100 and line.isupper() and not line.endswith((".", ",", ";")):
        return 1, capital(line)
    return 0, ""


def _pair(line: str) -> tuple[str, str]:
    key, colon, value = line.partition(":")
    if not colon:
        raise PolicyError(f"front matter: {line!r} is no `key: value`")
    return key.strip().lower(), value.strip().strip("\"'")
