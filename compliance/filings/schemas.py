"""
FinCEN's schemas in this home: copied in by whoever runs it, since they are not ours to ship.

They are XSD 1.1 by their header; libxml2 compiles them, and all that they ask is checked.
"""

import os
import tempfile
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Final

from lxml import etree

from compliance.filings.documents import DocumentError, parsed, read_bytes
from compliance.filings.parties import NAMESPACE

FORMS: Final = {
    "SARX": "FinCEN form 111, suspicious activity report",
    "CTRX": "FinCEN form 112, currency transaction report",
    "8300X": "form 8300, cash in a trade or business",
    "DOEPX": "FinCEN form 110, designation of exempt person",
    "FBARX": "FinCEN form 114, foreign bank accounts",
}
_XSD: Final = "{http://www.w3.org/2001/XMLSchema}"


class SchemaError(ValueError):
    """A schema is absent or can't be used; the message says what to do."""


@dataclass(frozen=True)
class Schemas:
    """The schemas in `folder`."""

    folder: Path

    def install(self, path: Path) -> str:
        """Checks a schema, copies it here and returns its form, such as SARX. Raises SchemaError, OSError."""
        try:
            data = read_bytes(path)
            form = _form_of(parsed(data))
            etree.XMLSchema(etree.fromstring(data))
        except (DocumentError, etree.XMLSchemaParseError) as error:
            raise SchemaError(f"{path}: {error}") from error
        self.folder.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=self.folder)
        with os.fdopen(handle, "wb") as file:
            file.write(data)
        Path(name).replace(self._path(form))
        self.__dict__.pop("_compiled", None)
        return form

    def installed(self) -> list[str]:
        """The forms that there is a schema of."""
        return [form for form in FORMS if self._path(form).exists()]

    def of(self, form: str) -> Any:
        """The compiled schema of a form. Raises SchemaError where it is not installed."""
        if form not in self._compiled:
            path = self._path(form)
            if not path.exists():
                raise SchemaError(
                    f"the schema of {FORMS.get(form, form)} is not installed: get EFL_{form}BatchSchema.xsd from FinCEN "
                    "and run `holdfast filings schemas PATH`"
                )
            self._compiled[form] = etree.XMLSchema(etree.fromstring(read_bytes(path)))
        return self._compiled[form]

    @cached_property
    def _compiled(self) -> dict[str, Any]:
        return {}

    def _path(self, form: str) -> Path:
        return self.folder / f"EFL_{form}BatchSchema.xsd"


def _form_of(root: Any) -> str:
    if root.tag != f"{_XSD}schema" or root.get("targetNamespace") != NAMESPACE:
        raise DocumentError(f"is no schema of the namespace {NAMESPACE}")
    for reference in ("import", "include", "redefine", "override"):
        if root.find(f"{_XSD}{reference}") is not None:
            raise DocumentError(f"refers to another file ({reference}): FinCEN's batch schemas stand alone")
    for element in root.iter(f"{_XSD}element"):
        if element.get("name") == "FormTypeCode" and element.get("fixed") in FORMS:
            return str(element.get("fixed"))
    raise DocumentError(f"fixes no FormTypeCode: known are {', '.join(FORMS)}")
