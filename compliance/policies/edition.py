"""A work as it was read: an edition with its sections, and the passages these are split into."""

from dataclasses import dataclass
from datetime import date
from enum import StrEnum


class PolicyError(Exception):
    """What was given can't be imported, found or withdrawn; the message says what to do."""


class DocumentKind(StrEnum):
    """What a work is. The bank's own policies have kinds of their own: reviews ask for them by these."""

    STATUTE = "statute"
    REGULATION = "regulation"
    INTERPRETATION = "interpretation"
    MANUAL = "manual"
    GUIDANCE = "guidance"
    POLICY = "policy"
    AML_POLICY = "aml_policy"
    WIRE_MANUAL = "wire_manual"
    DUE_DILIGENCE_POLICY = "due_diligence_policy"
    SANCTIONS_POLICY = "sanctions_policy"


@dataclass(frozen=True, slots=True)
class Paragraph:
    """A paragraph; `path` is where it stands, such as ("b", "2"), () where paragraphs have no marks."""

    path: tuple[str, ...]
    text: str
    heading: str = ""  # its own, such as Structure (structuring)


@dataclass(frozen=True, slots=True)
class Section:
    """A section under its citation, such as 31 CFR 1010.311."""

    citation: str
    title: str
    paragraphs: tuple[Paragraph, ...]
    context: str = ""  # headings above it

    @property
    def is_definitions(self) -> bool:
        """Whether each paragraph stands for itself."""
        return "definition" in self.title.lower() or "meaning of terms" in self.title.lower()


@dataclass(frozen=True, slots=True)
class Work:
    """One edition of one document."""

    name: str
    title: str
    kind: DocumentKind
    jurisdiction: str  # such as US
    effective: date | None
    sections: tuple[Section, ...]


@dataclass(frozen=True, slots=True)
class Piece:
    """A passage as it is kept."""

    citation: str
    section: str
    heading: str
    context: str  # headings above the section's
    body: str
