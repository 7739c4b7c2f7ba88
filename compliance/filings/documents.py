"""XML that strangers wrote, parsed with nothing that could reach out, grow or be expanded."""

from pathlib import Path
from typing import Any, Final

from lxml import etree

SIZE_MAX: Final = 64 * 1024 * 1024
"""Bytes of a file: above what BSA E-Filing takes (60 MB)."""


class DocumentError(ValueError):
    """It can't be read; `line` where that is known, else 0."""

    def __init__(self, text: str, line: int = 0) -> None:
        super().__init__(text)
        self.line = line


def read_bytes(path: Path) -> bytes:
    """The file's bytes; nothing is read of one that is too large. Raises DocumentError, OSError."""
    size = path.stat().st_size
    if size <= SIZE_MAX:
        with path.open("rb") as file:
            data = file.read(SIZE_MAX + 1)
        size = len(data)
        if size <= SIZE_MAX:
            return data
    raise DocumentError(f"has {size:,} bytes: at most {SIZE_MAX:,} are read")


def parsed(data: bytes) -> Any:
    """The root element. Raises DocumentError for what is not well-formed, or brings a document type or entities."""
    parser = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False, huge_tree=False)
    try:
        root = etree.fromstring(data, parser)
    except etree.XMLSyntaxError as error:
        raise DocumentError(f"is not well-formed XML: {error.msg}", error.lineno or 0) from error
    if root.getroottree().docinfo.doctype or any(True for _ in root.iter(etree.Entity)):
        raise DocumentError("has a document type or entities: a batch has neither")
    return root
