"""A batch held against its form's schema and the form's own rules: each fault with its line, its element, what is allowed."""

from typing import Any, Final, NamedTuple

from lxml import etree

from compliance.filings.documents import DocumentError, parsed
from compliance.filings.form_rules import RULES
from compliance.filings.parties import NAMESPACE
from compliance.filings.schemas import FORMS, SchemaError, Schemas

FAULTS_MAX: Final = 200
"""Of one file that are told."""

_IN: Final = f"{{{NAMESPACE}}}"


class Fault(NamedTuple):
    """What is wrong with a batch."""

    line: int  # 0 = of the file as a whole
    path: str
    text: str


def validate(data: bytes, schemas: Schemas) -> tuple[str, list[Fault]]:
    """
    The form of a batch, "" where it can't be told, and its faults; none = it may be filed.

    A batch outside the forms' namespace has that as its first fault, and is then read as if it were inside: what else
    is wrong is told at once.
    """
    try:
        root = parsed(data)
    except DocumentError as error:
        return "", [Fault(error.line, "", str(error))]
    faults = [] if _local(root) == "EFilingBatchXML" else [_fault(root, "must be EFilingBatchXML")]
    outside = [each for each in root.iter("*") if not str(each.tag).startswith(_IN)]
    if outside:
        faults.append(
            _fault(outside[0], f"must be in the namespace {NAMESPACE}, as {len(outside)} elements are not")
        )
    codes = [each.text or "" for each in root.iter("*") if _local(each) == "FormTypeCode"]
    form = codes[0] if len(codes) == 1 else ""
    if form not in FORMS:
        said = "has no FormTypeCode" if not codes else f"has FormTypeCode {', '.join(codes)[:40]!r}"
        hint = "; an acknowledgement is read by `holdfast filings acknowledge`" if not codes else ""
        return "", [*faults, _fault(root, f"{said}: must be one of {', '.join(FORMS)}{hint}")]
    try:
        schema = schemas.of(form)
    except SchemaError as error:
        return form, [*faults, Fault(0, "", str(error))]
    for element in outside:
        element.tag = _IN + _local(element)
    tree = root.getroottree()
    if not schema.validate(tree):
        faults += [_told(tree, entry) for entry in list(schema.error_log)[:FAULTS_MAX]]
    elif form in RULES:
        faults += [_fault(element, text) for rule in RULES[form] for element, text in rule(root)]
    return form, faults[:FAULTS_MAX]


def _told(tree: Any, entry: Any) -> Fault:
    """What the schema found, its place in names instead of stars."""
    prefixes = {prefix: uri for prefix, uri in tree.getroot().nsmap.items() if prefix}
    try:
        found = tree.xpath(entry.path, namespaces=prefixes)
    except etree.XPathError:  # a prefix of further down, or no path at all
        found = []
    path = _path(found[0]) if found and hasattr(found[0], "tag") else str(entry.path or "")
    return Fault(entry.line, path, entry.message.replace(_IN, ""))


def _fault(element: Any, text: str) -> Fault:
    return Fault(element.sourceline or 0, _path(element), text)


def _path(element: Any) -> str:
    """Names from the root down, each but the root with its place among those of its name."""
    names: list[str] = []
    while element is not None:
        place = 1 + sum(1 for _ in element.itersiblings(element.tag, preceding=True))
        name = _local(element)
        element = element.getparent()
        names.append(name if element is None else f"{name}[{place}]")
    return "/".join(reversed(names))


def _local(element: Any) -> str:
    return str(element.tag).rpartition("}")[2]
