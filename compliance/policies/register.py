"""A regulation as the CFPB keeps it: XML, with its official interpretations. No entity is expanded, no DTD is loaded."""

from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any, Final

from lxml import etree

from compliance.policies.edition import DocumentKind, Paragraph, PolicyError, Section, Work

_NS: Final = "{eregs}"


def regulation(path: Path) -> list[Work]:
    """The regulation and its interpretations: two works of one date. Raises PolicyError for other XML."""
    parser = etree.XMLParser(
        resolve_entities=False, load_dtd=False, no_network=True, huge_tree=False, remove_comments=True
    )
    try:
        root = etree.parse(str(path), parser).getroot()
    except etree.XMLSyntaxError as error:
        raise PolicyError(f"{path.name}: not well-formed XML: {error}") from error
    if root.tag != f"{_NS}regulation":
        raise PolicyError(f"{path.name}: its root is {root.tag}; the XML that is read is CFPB's eRegulations")
    title, part = _text(root, "preamble/cfr/title"), _text(root, "preamble/cfr/section")
    effective = _text(root, "preamble/effectiveDate")
    try:
        since = date.fromisoformat(effective) if effective else None
    except ValueError as error:
        raise PolicyError(f"{path.name}: effectiveDate {effective!r} is no date like 2016-11-14") from error
    code, letter = f"{title} CFR", _text(root, "preamble/regLetter")
    subject = _text(root, "fdsys/title").title()
    name = f"{code} Part {part}"
    shown = f"Regulation {letter}, {subject}" if letter else subject
    works = [
        Work(name, shown, DocumentKind.REGULATION, "US", since, tuple(_sections(root, code, shown))),
        Work(
            f"{name}, Supplement I",
            f"{shown}: official interpretations",
            DocumentKind.INTERPRETATION,
            "US",
            since,
            tuple(_interpretations(root, code, part, shown)),
        ),
    ]
    return [work for work in works if work.sections]


def _sections(root: Any, code: str, context: str) -> Iterator[Section]:
    for section in root.iter(f"{_NS}section"):
        number = section.get("label", "").replace("-", ".")
        if not number.replace(".", "").isalnum() or section.find(f"{_NS}subject") is None:
            continue
        subject = _flat(section.find(f"{_NS}subject"))
        paragraphs = tuple(_paragraphs(section, "paragraph", section.get("label"), ()))
        if paragraphs:
            yield Section(
                f"{code} {number}", subject.removeprefix(f"§ {number}").strip(), paragraphs, context
            )
    for section in root.iter(f"{_NS}appendixSection"):
        letter = section.get("label", "").split("-", 1)[-1]
        paragraphs = tuple(
            Paragraph((), one.text, one.heading)
            for one in _paragraphs(section, "paragraph", section.get("label"), ())
        )
        if paragraphs:
            part = section.get("label", "").split("-", 1)[0]
            yield Section(
                f"{code} {part} Appendix {letter}", _flat(section.find(f"{_NS}subject")), paragraphs, context
            )


def _interpretations(root: Any, code: str, part: str, context: str) -> Iterator[Section]:
    for section in root.iter(f"{_NS}interpSection"):
        above = _flat(section.find(f"{_NS}title"))
        for paragraph in section.findall(f"{_NS}interpParagraph"):
            target = paragraph.get("target", "") or paragraph.get("label", "").split("-Interp")[0]
            number, *marks = target.removeprefix(f"{part}-").split("-")
            where = f"{code} {part}.{number}" + "".join(f"({mark})" for mark in marks)
            title = _flat(paragraph.find(f"{_NS}title"))
            texts = tuple(
                Paragraph((), one.text, one.heading)
                for one in _paragraphs(paragraph, "interpParagraph", "", ())
            )
            if texts:
                yield Section(
                    f"{where}, official interpretation",
                    f"{above}. {title}" if title else above,
                    texts,
                    context,
                )


def _paragraphs(parent: Any, tag: str, label: str, terms: tuple[str, ...]) -> Iterator[Paragraph]:
    """Paragraphs under `parent` in reading order, its own content first; each under its mark."""
    if parent.tag == f"{_NS}interpParagraph" and (text := _flat(parent.find(f"{_NS}content"))):
        yield Paragraph((), f"{parent.get('marker', '')} {text}".removeprefix("Interp ").strip(), "")
    for paragraph in parent.findall(f"{_NS}{tag}"):
        term = _flat(paragraph.find(f"{_NS}title"))
        mark = paragraph.get("marker", "")
        text = " ".join(part for part in (mark, term, _flat(paragraph.find(f"{_NS}content"))) if part)
        under = (*terms, term.strip(" .")) if term else terms
        if tag == "paragraph":
            path = tuple(
                step
                for step in paragraph.get("label", "").removeprefix(f"{label}").strip("-").split("-")
                if step and not (step.startswith("p") and step[1:].isdigit())
            )
            if text.strip(" ()") and text != mark:
                yield Paragraph(path, text, ". ".join(under[:2]))
            yield from _paragraphs(paragraph, tag, label, under)
        else:
            if text != mark:
                yield Paragraph((), text, term.strip(" ."))
            yield from _children(paragraph, under)


def _children(paragraph: Any, terms: tuple[str, ...]) -> Iterator[Paragraph]:
    for child in paragraph.findall(f"{_NS}interpParagraph"):
        text = " ".join(
            part
            for part in (
                child.get("marker", ""),
                _flat(child.find(f"{_NS}title")),
                _flat(child.find(f"{_NS}content")),
            )
            if part
        )
        yield Paragraph((), text, terms[-1] if terms else "")
        yield from _children(child, terms)


def _text(root: Any, path: str) -> str:
    found = root.find("/".join(f"{_NS}{step}" for step in path.split("/")))
    return "" if found is None else _flat(found)


def _flat(element: Any) -> str:
    return "" if element is None else " ".join("".join(element.itertext()).split())
