"""The Security Council's consolidated list, XML. Entities are not resolved and nothing is fetched."""

import re
from collections.abc import Iterator
from datetime import date
from typing import Any, Final

from lxml import etree

from compliance.screening.entries import Birth, Edition, ListEntry, ListError, Name
from compliance.screening.places import countries_of

_PARTS: Final = ("FIRST_NAME", "SECOND_NAME", "THIRD_NAME", "FOURTH_NAME")
_SPLIT: Final = re.compile(r"\s*;\s*")


def edition_of(name: str, content: bytes) -> Edition:
    """The list. Raises ListError with the line where the XML is broken, or is another document."""
    parser = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False, huge_tree=False)
    try:
        root = etree.fromstring(content, parser)
    except etree.XMLSyntaxError as error:
        raise ListError(f"{name}, line {error.lineno}: {error.msg}: cut short, or another file") from error
    if root.tag != "CONSOLIDATED_LIST":
        raise ListError(f"{name}: the root is {root.tag!r}, where the UN's list has CONSOLIDATED_LIST")
    entries = tuple(_entry(name, node) for node in root.iter("INDIVIDUAL", "ENTITY"))
    if not entries:
        raise ListError(f"{name}: holds no entries")
    aliases = sum(len(entry.names) - 1 for entry in entries)
    addresses = sum(1 for _ in root.iter("INDIVIDUAL_ADDRESS", "ENTITY_ADDRESS"))
    return Edition("un", root.get("dateGenerated", "")[:10], entries, aliases, addresses, 0, (name,))


def _entry(file: str, node: Any) -> ListEntry:
    reference = _text(node, "REFERENCE_NUMBER") or _text(node, "DATAID")
    primary = " ".join(filter(None, (_text(node, part) for part in _PARTS)))
    if not reference or not primary:
        raise ListError(f"{file}, line {node.sourceline}: an entry without a reference number or a name")
    names = [Name(primary)]
    if original := _text(node, "NAME_ORIGINAL_SCRIPT"):
        names.append(Name(original))
    kind = "individual" if node.tag == "INDIVIDUAL" else "entity"
    for alias in node.iter(f"{node.tag}_ALIAS"):
        weak = _text(alias, "QUALITY") == "Low"
        names += [Name(text, weak) for text in _SPLIT.split(_text(alias, "ALIAS_NAME")) if text]
    nations = [value.text or "" for value in node.iterfind("NATIONALITY/VALUE")]
    nations += [_text(place, "COUNTRY") for place in node.iter(f"{node.tag}_ADDRESS")]
    return ListEntry(
        reference,
        kind,
        _text(node, "UN_LIST_TYPE"),
        tuple(dict.fromkeys(names)),
        tuple(_births(node)),
        countries_of(nations),
    )


def _births(node: Any) -> Iterator[Birth]:
    for found in node.iter("INDIVIDUAL_DATE_OF_BIRTH"):
        circa = _text(found, "TYPE_OF_DATE") == "APPROXIMATELY"
        first, last, year = (_text(found, tag) for tag in ("FROM_YEAR", "TO_YEAR", "YEAR"))
        try:
            if day := _text(found, "DATE"):
                yield Birth.on(date.fromisoformat(day[:10]))
            elif first and last:
                yield Birth(int(first), int(last), is_circa=circa)
            elif year:
                yield Birth(int(year), int(year), is_circa=circa)
        except ValueError as error:
            raise ListError(f"line {found.sourceline}: {error}") from error


def _text(node: Any, tag: str) -> str:
    return (node.findtext(tag) or "").strip()
