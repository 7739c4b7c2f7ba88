"""What must be given to a review, and is not left to search. Pure."""

from collections.abc import Iterator
from typing import Final

from compliance.facts import CASH, WIRES, Dossier, Flag
from compliance.policies.edition import DocumentKind
from compliance.results import Assessment, DutyKind

DUE_DILIGENCE_USD_MINOR: Final = 50_000_00
"""Over this, and for politically exposed persons, the due diligence policy is given."""

_SANCTIONS: Final = frozenset({DutyKind.BLOCK, DutyKind.BLOCKED_PROPERTY_REPORT, DutyKind.SANCTIONS_REVIEW})


def mandatory(dossier: Dossier, assessment: Assessment) -> tuple[str, ...]:
    """
    What must be given, in order: kinds of documents (`DocumentKind`), then the citations that rules make.

    The AML policy always; the wire manual for wires; due diligence over $50,000, where the worth in dollars is not
    known, and for politically exposed persons; sanctions rules across borders and where a list was met.
    """
    cited = [duty.citation for duty in assessment.duties] + [one.citation for one in assessment.findings]
    return (*_kinds(dossier, assessment), *dict.fromkeys(filter(None, cited)))


def question(dossier: Dossier, assessment: Assessment) -> str:
    """
    What to search for beyond that: words of ours for what the record and the rules say.

    Nothing that a stranger wrote; equal for like cases, so that an answer serves many.
    """
    return " ".join(dict.fromkeys(_words(dossier, assessment)))


def _kinds(dossier: Dossier, assessment: Assessment) -> Iterator[str]:
    subject = dossier.subject
    duties = {duty.kind for duty in assessment.duties}
    yield DocumentKind.AML_POLICY
    if subject.kind in WIRES:
        yield DocumentKind.WIRE_MANUAL
    if (
        subject.usd_minor is None
        or subject.usd_minor > DUE_DILIGENCE_USD_MINOR
        or dossier.customer.politically_exposed
        or DutyKind.ENHANCED_DUE_DILIGENCE in duties
    ):
        yield DocumentKind.DUE_DILIGENCE_POLICY
    if subject.is_cross_border or Flag.SANCTIONS in subject.flags or duties & _SANCTIONS:
        yield DocumentKind.SANCTIONS_POLICY


def _words(dossier: Dossier, assessment: Assessment) -> Iterator[str]:
    subject = dossier.subject
    if subject.kind in CASH:
        yield "currency transaction report aggregation"
    elif subject.kind in WIRES:
        yield "wire funds transfer records travel rule"
    else:
        yield "suspicious transactions monitoring"
    if subject.is_cross_border:
        yield "foreign financial institution correspondent"
    if dossier.customer.politically_exposed:
        yield "senior foreign political figure due diligence"
    yield from (duty.kind.replace("_", " ") for duty in assessment.duties)
    yield from (finding.rule.replace("_", " ") for finding in assessment.findings)
