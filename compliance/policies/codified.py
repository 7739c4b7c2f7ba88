"""The Code of Federal Regulations and the United States Code, as Markdown: sections by their own numbers."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Final

from compliance.policies.edition import Paragraph, Section
from compliance.policies.marks import CFR, USC, follow, leading

_HEADING: Final = re.compile(r"^(#{1,6})\s+(.*\S)\s*$")
_SECTION: Final = re.compile(r"^(?:§\s*)+(\d{3,5}(?:\.\d+)?[a-z]?(?:-\d+)?)\.?(?:\s+(.*))?$")
_PART: Final = re.compile(r"^\s*PART \d+\s*[—–-]\s*(.+?)\s*$", re.IGNORECASE)  # noqa: RUF001 - as printed
_LISTED: Final = re.compile(r"^\s{2,}§\s*(\d+\.\d+\w?)\s+(\S.*?)\s*$")
_STRAY: Final = re.compile(r"^\s+(Subpart [A-Z]+|PART \d+)\s*[—–-]")  # noqa: RUF001 - as printed
_UNCERTAIN: Final = re.compile(r"\s*\[\*(.*?)\*\]")
_LOST_MARK: Final = re.compile(r"^((?:\(\w{1,5}\)\s*)*)\(\)")
_KEYTERM: Final = re.compile(r"^\*([^*]{2,120}?)\*")
_REGISTER: Final = re.compile(r"\d+ FR \d+, (\w{3,9}\.? \d{1,2}, \d{4})")


def is_codified(text: str) -> bool:
    """Whether its headings are sections of a code: § 1010.311, or Title 31 and § 5312."""
    return bool(re.search(r"^#{1,6}\s+(?:§\s*)+\d{3,4}\.\d+", text, re.MULTILINE)) or is_statute(text)


def is_statute(text: str) -> bool:
    """Whether it is a piece of the United States Code."""
    return bool(re.search(r"^#{1,6}\s+Title \d+\s*—", text, re.MULTILINE))


def code_sections(text: str, code: str) -> list[Section]:
    """The sections of a text; `code` is what goes before a number, such as "31 CFR". Reserved ones are left out."""
    levels = USC if code.endswith("U.S.C.") else CFR
    reader = _Reader(code, levels)
    listed = {found.group(1): found.group(2) for line in text.splitlines() if (found := _LISTED.match(line))}
    for line in text.splitlines():
        reader.take(line, listed)
    reader.close()
    return merged(reader.sections)


def merged(sections: Iterable[Section]) -> list[Section]:
    """Sections of one citation, which stood in several pieces, as one."""
    found: dict[str, Section] = {}
    for section in sections:
        before = found.get(section.citation)
        found[section.citation] = (
            section
            if before is None
            else Section(
                before.citation, before.title, before.paragraphs + section.paragraphs, before.context
            )
        )
    return list(found.values())


def amended(text: str) -> date | None:
    """The day of the newest Federal Register page that the text's notes name: it stands as amended then."""
    days = [day for found in _REGISTER.findall(text) if (day := _day(found))]
    return max(days, default=None)


def plain(text: str) -> str:
    """
    A paragraph without Markdown's marks.

    `[*…*]` is a heading whose place was lost: it stays, in brackets, at the paragraph's end; a mark that was lost so
    goes back where `()` stands for it.
    """
    lost = _UNCERTAIN.findall(text)
    if len(lost) == 1 and _LOST_MARK.match(text):
        return plain(_LOST_MARK.sub(rf"\g<1>({lost[0]})", _UNCERTAIN.sub("", text)))
    text = _UNCERTAIN.sub(r" [\1]", text)
    text = re.sub(r"(?<![\w*])[*_]{1,2}([^*_\n]+?)[*_]{1,2}(?![\w*])", r"\1", text)
    return re.sub(r"\s+", " ", text).strip()


@dataclass
class _Reader:
    """Line by line: the headings above, the section that is open, the path of its last paragraph."""

    code: str
    levels: Sequence[str]
    sections: list[Section] = field(default_factory=list)
    part: str = ""
    number: str = ""
    title: str = ""
    paragraphs: list[Paragraph] = field(default_factory=list)
    path: list[str] = field(default_factory=list)
    terms: list[str] = field(default_factory=list)  # the heading of the paragraph open at each level
    opened: bool = False

    def take(self, line: str, listed: dict[str, str]) -> None:
        if found := _HEADING.match(line):
            self._heading(found.group(2), listed)
        elif (part := _PART.match(line)) or _STRAY.match(line):
            self.close()
            self.part = part.group(1) if part else self.part
        elif self.number and line.strip() and not _LISTED.match(line) and not line.startswith(("> [", "**")):
            self._paragraph(line.lstrip("> ").strip())

    def _heading(self, text: str, listed: dict[str, str]) -> None:
        if found := _SECTION.match(text):
            self.close()
            self.number = found.group(1)
            self.title = plain(found.group(2) or listed.get(self.number, ""))
        elif part := _PART.match(text):
            self.close()
            self.part = part.group(1)
        elif self.number and leading(text)[0]:
            self._paragraph(text)
        elif not text.startswith("("):
            self.close()

    def _paragraph(self, text: str) -> None:
        text = plain_marks(text)
        marks, _ = leading(plain(text))
        depth = len(self.path)
        self.path = follow(self.path, marks, self.levels, opened=self.opened)
        term = _KEYTERM.match(leading(text)[1])
        own = plain(term.group(1)).strip(" .") if term else ""
        if marks:
            stay = min(depth, len(self.path) - len(marks))
            self.terms = [*self.terms[: max(stay, 0)]]
            self.terms += [""] * (len(self.path) - 1 - len(self.terms)) + [own]
        shown = plain(text)
        self.paragraphs.append(Paragraph(tuple(self.path), shown, ". ".join(filter(None, self.terms[:2]))))
        if term:  # (dd) Monetary instruments. (1) …: what follows is under (dd)(1)
            after = leading(leading(text)[1][term.end() :])[0]
            self.path = follow(self.path, after, self.levels, opened=True)
        self.opened = shown.endswith((":", "—"))

    def close(self) -> None:
        """Ends the open section."""
        if self.number and self.paragraphs and "[reserved]" not in self.title.lower():
            context = capital(self.part)
            self.sections.append(
                Section(f"{self.code} {self.number}", self.title, tuple(self.paragraphs), context)
            )
        self.number, self.title, self.paragraphs, self.path, self.terms = "", "", [], [], []
        self.opened = False


def plain_marks(text: str) -> str:
    """`(*1*)` and such, as (1)."""
    return re.sub(r"\(\*(\w{1,5})\*\)", r"(\1)", text)


def capital(text: str) -> str:
    """A heading in capitals as a sentence."""
    return text.capitalize() if text.isupper() else text


def _day(text: str) -> date | None:
    month, day, year = text.replace(".", "").replace(",", "").split()
    try:
        return datetime.strptime(f"{day} {month[:3]} {year}", "%d %b %Y").date()  # noqa: DTZ007 - a day, no time
    except ValueError:
        return None
