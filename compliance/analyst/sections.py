"""Sections of law: read out of text, and which of them a passage or a duty is about."""

import re
from collections.abc import Iterable, Sequence
from typing import Final

from compliance.results import DutyKind, Passage

_SECTION: Final = re.compile(
    r"\b(\d{1,2})\s*(CFR|C\.F\.R\.|U\.?S\.?C\.?)\s*(?:Part\s*|§+\s*)?(\d+(?:\.\d+)?)", re.I
)
_ABOUT: Final = {
    DutyKind.CTR: r"currency (?:transaction )?report|reports? of transactions in currency|currency transaction|1010\.31[0-4]",
    DutyKind.SAR: r"suspicious",
    DutyKind.TRAVEL_RULE: r"travel rule|funds transfer|transmittals? of funds|1010\.410|1020\.410",
    DutyKind.ENHANCED_DUE_DILIGENCE: r"due diligence|politically exposed|1010\.6[12]0",
    DutyKind.BLOCK: r"block",
    DutyKind.BLOCKED_PROPERTY_REPORT: r"block",
    DutyKind.SANCTIONS_REVIEW: r"sanction|ofac|block",
    DutyKind.REVIEW: r"",
    DutyKind.ERROR_RESOLUTION: r"error",
}


def sections_in(text: str) -> list[str]:
    """Sections that a text names, as `31 CFR 1010.314`, without paragraphs, in its order."""
    return [
        f"{match[1]} {'CFR' if 'f' in match[2].lower() else 'USC'} {match[3]}"
        for match in _SECTION.finditer(text)
    ]


def without_sections(text: str) -> str:
    """A text without what is a section's number in it, paragraphs too: what is left are the claim's own numbers."""
    return re.sub(_SECTION.pattern + r"(?:\([a-z0-9]{1,4}\))*", " ", text, flags=re.I)


def passages_for(citation: str, passages: Sequence[Passage]) -> tuple[str, ...]:
    """The ids of the passages that give the text of a citation: the same section, or the part that it stands in."""
    wanted = set(sections_in(citation))
    parts = {section.partition(".")[0] for section in wanted}
    if "chapter v" in citation.lower():
        parts.add("31 CFR 501")  # what all sanctions programmes have in common
    exact = [p.id for p in passages if wanted & set(sections_in(p.citation))]
    whole = [p.id for p in passages if parts & {s.partition(".")[0] for s in sections_in(p.citation)}]
    return tuple(exact or whole)


def passages_about(kind: DutyKind, passages: Iterable[Passage]) -> tuple[str, ...]:
    """The ids of the passages that speak of what a duty of this kind is about."""
    about = re.compile(_ABOUT[kind], re.I)
    return tuple(p.id for p in passages if about.search(f"{p.citation} {p.title} {p.text}"))
