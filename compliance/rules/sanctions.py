"""Sanctions: what a hit of screening, a sanctioned country or a block already there means."""

from collections.abc import Sequence
from typing import Final

from compliance.facts import Dossier
from compliance.results import Finding, Hit, Severity
from compliance.rules.countries import CountryTable

_BLOCKED: Final = "31 CFR 501.603"
_PROGRAMMES: Final = "31 CFR chapter V"


def sanctions(dossier: Dossier, hits: Sequence[Hit], countries: CountryTable) -> list[Finding]:
    """A true match blocks; a possible one, and a sanctioned country, is an enhanced review: 31 CFR part 501, chapter V."""
    found = []
    for rule, severity, chosen in (
        ("sanctions_match", Severity.CRITICAL, [hit for hit in hits if hit.is_match]),
        ("sanctions_possible", Severity.MEDIUM, [hit for hit in hits if not hit.is_match]),
    ):
        if chosen:
            best = max(chosen, key=lambda hit: hit.score)
            word = "is on" if best.is_match else "may be on"
            found.append(
                Finding(
                    rule,
                    severity,
                    _BLOCKED if best.is_match else _PROGRAMMES,
                    f"A name in the transfer ({best.role or 'party'}) {word} {best.list_name} of {best.list_date},"
                    f" entry {best.entry_id}, score {best.score:.2f}.",
                    {
                        "count": len(chosen),
                        "score": round(best.score, 4),
                        "list": best.list_name,
                        "entry": best.entry_id,
                    },
                    (dossier.subject.source_id,),
                )
            )
    return found + _country(dossier, countries) + _blocked(dossier)


def _country(dossier: Dossier, countries: CountryTable) -> list[Finding]:
    subject = dossier.subject
    named = dict.fromkeys((subject.country, *(party.country for party in subject.parties)))
    found = [listed for country in named if (listed := countries.sanctioned.get(country)) is not None]
    if not found:
        return []
    told = ", ".join(f"{row.country} ({row.source}, {row.as_of.isoformat()})" for row in found)
    return [
        Finding(
            "sanctioned_country",
            Severity.HIGH,
            _PROGRAMMES,
            f"A side is in a country under a comprehensive programme: {told}.",
            {"countries": [row.country for row in found]},
            (subject.source_id,),
        )
    ]


def _blocked(dossier: Dossier) -> list[Finding]:
    if not dossier.customer.compliance_block:
        return []
    return [
        Finding(
            "customer_blocked",
            Severity.HIGH,
            _PROGRAMMES,
            "The customer is blocked by compliance.",
            {},
            (dossier.subject.source_id,),
        )
    ]
