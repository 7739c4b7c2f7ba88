"""Parties of a batch as XML: who files, who is filed about. Elements come in the order that the schemas fix."""

import re
from collections.abc import Iterable
from datetime import date
from typing import Any, Final

from lxml import etree

from compliance.filings.bank import Bank
from compliance.filings.codes import DEPOSITORY_INSTITUTION, DOCUMENT_CODES, REGULATORS
from compliance.filings.content import Address, Document, Person

NAMESPACE: Final = "www.fincen.gov/base"
TRANSMITTER: Final = "35"
TRANSMITTER_CONTACT: Final = "37"
FILER: Final = "30"
CONTACT: Final = "8"
LOCATION: Final = "34"
BRANCH: Final = "46"
ACCOUNT_HOLDER: Final = "41"
EIN: Final = "2"
_SSN: Final = "1"
_TIN: Final = "4"
_RSSD: Final = "14"
_CONTROL_CODE: Final = "28"
INTERNAL_NUMBER: Final = "29"
_OTHER: Final = "999"
_STATES_NAMED: Final = frozenset({"US", "CA", "MX"})
_OUTSIDE: Final = re.compile(r"[^\x20-\x7e\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]+")
_MINOR: Final = 100


def put(parent: Any, name: str, text: str | None = None) -> Any:
    """An element in the forms' namespace under `parent`; its text without what the forms refuse."""
    element = etree.SubElement(parent, f"{{{NAMESPACE}}}{name}")
    if text is not None:
        element.text = tidy(text)
    return element


def put_given(parent: Any, pairs: Iterable[tuple[str, str]]) -> None:
    """Those of the named texts that there are."""
    for name, text in pairs:
        if text:
            put(parent, name, text)


def tidy(text: str) -> str:
    """No line breaks, tabs or control characters, no space at an end or beside another: what form and fit ask for."""
    return " ".join(_OUTSIDE.sub(" ", text).split())


def day_text(day: date) -> str:
    """YYYYMMDD."""
    return day.strftime("%Y%m%d")


def dollars(amount_minor: int) -> int:
    """Whole dollars, rounded up as the forms' instructions say."""
    return -(-amount_minor // _MINOR)


def begin_party(parent: Any, code: str, flags: Iterable[tuple[str, str]] = ()) -> Any:
    """A party of that type; `flags` are its own elements, which stand in alphabetical order."""
    party = put(parent, "Party")
    put(party, "ActivityPartyTypeCode", code)
    put_given(party, sorted(flags))
    return party


def put_name(party: Any, name: str) -> None:
    """A legal name in one piece."""
    element = put(party, "PartyName")
    put(element, "PartyNameTypeCode", "L")
    put(element, "RawPartyFullName", name)


def put_address(party: Any, address: Address) -> None:
    """An address; what is not known is said to be so."""
    element = put(party, "Address")
    has_state = address.country in _STATES_NAMED or not address.country
    put_given(
        element,
        (
            ("CityUnknownIndicator", "" if address.city else "Y"),
            ("CountryCodeUnknownIndicator", "" if address.country else "Y"),
            ("RawCityText", address.city),
            ("RawCountryCodeText", address.country),
            ("RawStateCodeText", address.state if has_state else ""),
            ("RawStreetAddress1Text", address.street),
            ("RawZIPCode", address.postal_code.replace("-", "").replace(" ", "")),
            ("StateCodeUnknownIndicator", "Y" if has_state and not address.state else ""),
            ("StreetAddressUnknownIndicator", "" if address.street else "Y"),
            ("ZIPCodeUnknownIndicator", "" if address.postal_code else "Y"),
        ),
    )


def put_branch_address(party: Any, address: Address) -> None:
    """A place of the bank's own: never unknown, so without indicators."""
    element = put(party, "Address")
    put_given(
        element,
        (
            ("RawCityText", address.city),
            ("RawCountryCodeText", address.country),
            ("RawStateCodeText", address.state),
            ("RawStreetAddress1Text", address.street),
            ("RawZIPCode", address.postal_code.replace("-", "")),
        ),
    )


def put_phone(party: Any, digits: str) -> None:
    """A telephone number, where there is one."""
    if digits:
        put(put(party, "PhoneNumber"), "PhoneNumberText", digits)


def put_number(party: Any, code: str, number: str) -> None:
    """An identification of that type, where there is one."""
    if number:
        element = put(party, "PartyIdentification")
        put(element, "PartyIdentificationNumberText", number)
        put(element, "PartyIdentificationTypeCode", code)


def put_bank_parties(activity: Any, bank: Bank) -> None:
    """The transmitter, its contact, the filer and its contact: the same in every activity."""
    transmitter = begin_party(activity, TRANSMITTER)
    put_name(transmitter, bank.transmitter_name)
    put_branch_address(transmitter, bank.transmitter_address)
    put_phone(transmitter, bank.transmitter_phone)
    put_number(transmitter, _TIN, bank.transmitter_tin)
    put_number(transmitter, _CONTROL_CODE, bank.transmitter_code)
    put_name(begin_party(activity, TRANSMITTER_CONTACT), bank.transmitter_contact)
    put_institution(activity, FILER, bank, bank.address)
    contact = begin_party(activity, CONTACT)
    put_name(contact, bank.contact_office)
    put_phone(contact, bank.contact_phone)


def put_institution(
    activity: Any,
    code: str,
    bank: Bank,
    address: Address,
    flags: Iterable[tuple[str, str]] = (),
    internal_number: str = "",
) -> Any:
    """The bank as filer, or as where it happened."""
    regulator = REGULATORS.get(bank.regulator, "")
    party = begin_party(activity, code, [*flags, ("PrimaryRegulatorTypeCode", regulator)])
    put_name(party, bank.name)
    put_branch_address(party, address)
    put_number(party, EIN, bank.ein)
    put_number(party, _RSSD, bank.rssd)
    put_number(party, INTERNAL_NUMBER, internal_number)
    kind = put(party, "OrganizationClassificationTypeSubtype")
    put(kind, "OrganizationTypeID", DEPOSITORY_INSTITUTION)
    return party


def person_flags(person: Person) -> list[tuple[str, str]]:
    """What a party says of a person in its own elements."""
    if person.is_entity:
        return [("PartyAsEntityOrganizationIndicator", "Y")]
    return [
        ("BirthDateUnknownIndicator", "" if person.birth_date else "Y"),
        ("IndividualBirthDateText", day_text(person.birth_date) if person.birth_date else ""),
        ("UnknownGenderIndicator", "Y"),
    ]


def put_person(party: Any, person: Person) -> None:
    """Name, address, telephone, numbers and occupation of a person or an entity."""
    name = put(party, "PartyName")
    put_given(
        name,
        (
            ("EntityLastNameUnknownIndicator", "" if person.last_name else "Y"),
            ("FirstNameUnknownIndicator", "" if person.first_name or person.is_entity else "Y"),
            ("PartyNameTypeCode", "L"),
            ("RawEntityIndividualLastName", person.last_name),
            ("RawIndividualFirstName", "" if person.is_entity else person.first_name),
        ),
    )
    put_address(party, person.address)
    put_phone(party, person.phone)
    if person.tin:
        put_number(party, EIN if person.is_entity else _SSN, person.tin)
    else:
        put(put(party, "PartyIdentification"), "TINUnknownIndicator", "Y")
    _put_document(party, person.document, is_entity=person.is_entity)
    if person.industry or person.occupation:
        business = put(party, "PartyOccupationBusiness")
        put_given(business, (("NAICSCode", person.industry), ("OccupationBusinessText", person.occupation)))


def _put_document(party: Any, document: Document | None, *, is_entity: bool) -> None:
    if document is None:
        if not is_entity:
            put(put(party, "PartyIdentification"), "IdentificationPresentUnknownIndicator", "Y")
        return
    code = DOCUMENT_CODES.get(document.type, _OTHER)
    put_given(
        put(party, "PartyIdentification"),
        (
            ("OtherIssuerCountryText", document.country),
            ("OtherIssuerStateText", document.state if document.country in _STATES_NAMED else ""),
            ("OtherPartyIdentificationTypeText", document.type if code == _OTHER else ""),
            ("PartyIdentificationNumberText", document.number),
            ("PartyIdentificationTypeCode", code),
        ),
    )
