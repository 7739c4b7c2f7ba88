"""A suspicious activity report, FinCEN form 111, as an Activity of a batch (schema SARX 1.2)."""

from datetime import date
from typing import Any, Final

from compliance.filings.bank import Bank
from compliance.filings.codes import CLASSES, INSTRUMENTS
from compliance.filings.content import Report, Sar, Subject
from compliance.filings.parties import (
    ACCOUNT_HOLDER,
    BRANCH,
    LOCATION,
    begin_party,
    day_text,
    dollars,
    person_flags,
    put,
    put_bank_parties,
    put_branch_address,
    put_given,
    put_institution,
    put_number,
    put_person,
    tidy,
)

SUBJECT: Final = "33"
NARRATIVE_SIZE_MAX: Final = 17_000
"""Characters: the schema's note on the fifth block ends there."""

BLOCK_SIZE: Final = 4_000
_TIN: Final = "4"
_INSTITUTION_OF_ACCOUNT: Final = "5"
_AFFECTED_ACCOUNT: Final = "7"


def put_sar(batch: Any, sar: Sar, bank: Bank, filed: date, internal_number: str) -> None:
    """Appends the report. What the bank or a customer lacks has been named before: see `lacks`."""
    activity = put(batch, "Activity")
    put_given(activity, (("EFilingPriorDocumentNumber", sar.prior_bsa_id),))
    put(activity, "FilingDateText", day_text(filed))
    put_given(activity, (("FilingInstitutionNotetoFinCEN", sar.note),))
    put_given(
        put(activity, "ActivityAssociation"),
        (
            ("ContinuingActivityReportIndicator", "Y" if sar.report is Report.CONTINUES else ""),
            ("CorrectsAmendsPriorReportIndicator", "Y" if sar.report is Report.CORRECTS else ""),
            ("InitialReportIndicator", "Y" if sar.report is Report.INITIAL else ""),
        ),
    )
    put_bank_parties(activity, bank)
    _put_location(activity, sar, bank, internal_number)
    for subject in sar.subjects:
        _put_subject(activity, subject, bank)
    if not sar.subjects:
        begin_party(activity, SUBJECT, [("AllCriticalSubjectInformationUnavailableIndicator", "Y")])
    _put_activity(activity, sar)
    for subtype in sorted(set(sar.instruments)):
        asset = put(activity, "Assets")
        put(asset, "AssetSubtypeID", str(subtype))
        put(asset, "AssetTypeID", str(INSTRUMENTS[subtype][0]))
    for number, block in enumerate(blocks(sar.narrative), 1):
        narrative = put(activity, "ActivityNarrativeInformation")
        put(narrative, "ActivityNarrativeSequenceNumber", str(number))
        put(narrative, "ActivityNarrativeText", block)


def blocks(narrative: str) -> list[str]:
    """The narrative in pieces of at most 4,000 characters, broken between words: joined by a space it is whole again."""
    pieces: list[str] = []
    rest = tidy(narrative)
    while len(rest) > BLOCK_SIZE:
        end = rest.rfind(" ", 1, BLOCK_SIZE + 1)
        end = BLOCK_SIZE if end < 0 else end
        pieces.append(rest[:end])
        rest = rest[end:].lstrip()
    return [*pieces, rest]


def _put_location(activity: Any, sar: Sar, bank: Bank, internal_number: str) -> None:
    flags = [] if sar.branches else [("NoBranchActivityInvolvedIndicator", "Y")]
    party = put_institution(activity, LOCATION, bank, bank.address, flags, internal_number)
    if sar.branches:
        association = put(party, "PartyAssociation")
        for code in sar.branches:
            put_branch_address(begin_party(association, BRANCH), bank.branches.get(code, bank.address))


def _put_subject(activity: Any, subject: Subject, bank: Bank) -> None:
    person = subject.person
    flags = person_flags(person)
    if not subject.accounts:
        flags.append(("NoKnownAccountInvolvedIndicator", "Y"))
    party = begin_party(activity, SUBJECT, flags)
    put_person(party, person)
    is_customer = person.customer_number is not None
    put_given(
        put(party, "PartyAssociation"),
        (
            ("CustomerIndicator", "Y" if is_customer else ""),
            ("NoRelationshipToInstitutionIndicator", "" if is_customer else "Y"),
            ("SubjectRelationshipFinancialInstitutionTINText", bank.ein if is_customer else ""),
        ),
    )
    if not subject.accounts:
        return
    association = put(party, "PartyAccountAssociation")
    put(association, "PartyAccountAssociationTypeCode", _AFFECTED_ACCOUNT)
    holder = begin_party(association, ACCOUNT_HOLDER)
    put_number(holder, _TIN, bank.ein)
    for number in subject.accounts:
        account = put(holder, "Account")
        put(account, "AccountNumberText", number)
        inner = put(account, "PartyAccountAssociation")
        put(inner, "PartyAccountAssociationTypeCode", _INSTITUTION_OF_ACCOUNT)


def _put_activity(activity: Any, sar: Sar) -> None:
    total = "" if sar.amount_minor is None else str(dollars(sar.amount_minor))
    suspicious = put(activity, "SuspiciousActivity")
    put_given(
        suspicious,
        (
            ("AmountUnknownIndicator", "" if total else "Y"),
            (
                "CumulativeTotalViolationAmountText",
                "" if sar.cumulative_minor is None else str(dollars(sar.cumulative_minor)),
            ),
            ("SuspiciousActivityFromDateText", day_text(sar.first_day)),
            ("SuspiciousActivityToDateText", day_text(sar.last_day)),
            ("TotalSuspiciousAmountText", total),
        ),
    )
    for subtype in sorted(set(sar.classes)):
        element = put(suspicious, "SuspiciousActivityClassification")
        put(element, "SuspiciousActivitySubtypeID", str(subtype))
        put(element, "SuspiciousActivityTypeID", str(CLASSES[subtype].type))
