"""What a filing lacks, named before it is filed: settings of the bank, fields of a profile, words of the report."""

import re
from typing import Final, NamedTuple

from compliance.filings.bank import Bank
from compliance.filings.codes import CLASSES, INSTRUMENTS, REGULATORS
from compliance.filings.content import Address, BlockedProperty, Content, Ctr, Person, Report, Sar
from compliance.filings.parties import tidy
from compliance.filings.sar import NARRATIVE_SIZE_MAX

_TIN: Final = re.compile(r"\d{9}")
_PHONE: Final = re.compile(r"\d{10}")
_BSA_ID: Final = re.compile(r"\d{14}")
_STATE: Final = re.compile(r"[A-Z]{2}")
_ZIP: Final = re.compile(r"\d{5}(-?\d{4})?")
_COUNTRY: Final = re.compile(r"[A-Z]{2}")
_CONTROL_CODE: Final = re.compile(r"P[A-Z0-9]{7}")
_RSSD: Final = re.compile(r"(\d{1,10})?")
_NAICS: Final = re.compile(r"(\d{2,6})?")
_EMAIL: Final = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s]+")
_WITH_STATES: Final = frozenset({"US", "CA", "MX"})
_SETTING: Final = "HOLDFAST_COMPLIANCE_"


class Lack(NamedTuple):
    """A field that is missing or can't stand as it is."""

    field: str
    allowed: str
    may_be_unknown: bool = (
        False  # the form has an indicator for it: whoever approves may say that nobody knows it
    )


def lacks(content: Content, bank: Bank) -> list[Lack]:
    """All that keeps the report from being filed, the bank's own first."""
    found = bank_lacks(bank, content)
    if isinstance(content, Sar):
        for place, subject in enumerate(content.subjects, 1):
            found += _person(subject.person, f"subjects[{place}]")
        return found + _sar(content)
    if isinstance(content, Ctr):
        for place, cash in enumerate(content.persons, 1):
            found += _person(cash.person, f"persons[{place}]")
        return found + _ctr(content)
    return found + _person(content.owner, "owner", tin=False) + _blocked(content)


def bank_lacks(bank: Bank, content: Content) -> list[Lack]:
    """Settings that must be given first."""
    is_batch = not isinstance(content, BlockedProperty)
    fields = [
        ("filer_name", _fits(bank.name, 150), "the bank's legal name, up to 150 characters"),
        ("filer_contact_office", _fits(bank.contact_office, 150), "the contact office, up to 150 characters"),
        ("filer_contact_phone", _PHONE.fullmatch(bank.contact_phone), "ten digits"),
        *_address("filer", bank.address),
    ]
    if is_batch:
        fields += [
            ("filer_ein", _TIN.fullmatch(bank.ein), "the bank's EIN, nine digits"),
            ("filer_rssd", _RSSD.fullmatch(bank.rssd), "up to ten digits, or nothing"),
            ("filer_regulator", bank.regulator in REGULATORS, f"one of {', '.join(REGULATORS)}"),
            ("transmitter_name", _fits(bank.transmitter_name, 150), "up to 150 characters"),
            ("transmitter_tin", _TIN.fullmatch(bank.transmitter_tin), "nine digits"),
            (
                "transmitter_code",
                _CONTROL_CODE.fullmatch(bank.transmitter_code),
                "the TCC: P and seven characters",
            ),
            ("transmitter_contact", _fits(bank.transmitter_contact, 150), "a name, up to 150 characters"),
            ("transmitter_phone", _PHONE.fullmatch(bank.transmitter_phone), "ten digits"),
            *_address("transmitter", bank.transmitter_address),
        ]
    else:
        fields.append(("filer_contact_email", _EMAIL.fullmatch(bank.contact_email), "an e-mail address"))
    found = [Lack(_SETTING + name.upper(), allowed) for name, is_right, allowed in fields if not is_right]
    if isinstance(content, Sar | Ctr):
        for code in content.branches:
            found += _branch(code, bank.branches.get(code))
    return found


def _branch(code: str, address: Address | None) -> list[Lack]:
    field = f"{_SETTING}FILER_BRANCHES[{code}]"
    if address is None:
        return [Lack(field, "the branch's street, city, state, postal_code and country")]
    return [
        Lack(f"{field}.{name}", allowed) for name, is_right, allowed in _address("", address) if not is_right
    ]


def _address(owner: str, address: Address) -> list[tuple[str, object, str]]:
    prefix = f"{owner}_" if owner else ""
    return [
        (f"{prefix}street", _fits(address.street, 100), "up to 100 characters"),
        (f"{prefix}city", _fits(address.city, 50), "up to 50 characters"),
        (f"{prefix}state", _STATE.fullmatch(address.state), "two capital letters"),
        (f"{prefix}postal_code", _ZIP.fullmatch(address.postal_code), "five or nine digits"),
        (f"{prefix}country", _COUNTRY.fullmatch(address.country), "ISO 3166-1 alpha-2, such as US"),
    ]


def _fits(text: str, size_max: int) -> bool:
    return 0 < len(tidy(text)) <= size_max


def _person(person: Person, where: str, *, tin: bool = True) -> list[Lack]:
    """Fields by the names that `holdfast profiles set` knows them by."""
    owner = where if person.customer_number is None else f"customer {person.customer_number}"
    address = person.address
    is_us = address.country == "US"
    fields: list[tuple[str, str, object, str]] = [
        ("last_name", person.last_name, _fits(person.last_name, 150), "up to 150 characters"),
        ("street", address.street, _fits(address.street, 100), "up to 100 characters"),
        ("city", address.city, _fits(address.city, 50), "up to 50 characters"),
        ("country", address.country, _COUNTRY.fullmatch(address.country), "ISO 3166-1 alpha-2, such as US"),
        (
            "postal_code",
            address.postal_code,
            _ZIP.fullmatch(address.postal_code) if is_us else _fits(address.postal_code, 9),
            "five or nine digits in the US, elsewhere up to 9 characters",
        ),
        ("occupation", person.occupation, _fits(person.occupation, 50), "up to 50 characters"),
    ]
    if address.country in _WITH_STATES:
        fields.append(("state", address.state, _STATE.fullmatch(address.state), "two capital letters"))
    if tin:
        fields.append(("tin", person.tin, _TIN.fullmatch(person.tin), "SSN, ITIN or EIN: nine digits"))
    if not person.is_entity:
        document = person.document
        number = document.number if document else ""
        fields += [
            ("first_name", person.first_name, _fits(person.first_name, 35), "up to 35 characters"),
            ("birth_date", str(person.birth_date or ""), person.birth_date, "YYYY-MM-DD"),
            ("id_number", number, _fits(number, 25), "of a document, up to 25 characters"),
        ]
    found = [
        Lack(f"{owner}: {name}", allowed, may_be_unknown=not given)
        for name, given, is_right, allowed in fields
        if not is_right
    ]
    if person.phone and len(person.phone) > 16:
        found.append(Lack(f"{owner}: phone", "up to 16 digits, or nothing"))
    if not _NAICS.fullmatch(person.industry):
        found.append(Lack(f"{owner}: industry", "a NAICS code of 2 to 6 digits, or nothing"))
    return found


def _prior(report: Report, prior_bsa_id: str) -> list[Lack]:
    if report is Report.INITIAL or _BSA_ID.fullmatch(prior_bsa_id):
        return []
    return [Lack("prior_bsa_id", "the BSA identifier of the report before, 14 digits")]


def _sar(sar: Sar) -> list[Lack]:
    found = _prior(sar.report, sar.prior_bsa_id)
    if not 0 < len(tidy(sar.narrative)) <= NARRATIVE_SIZE_MAX:
        found.append(Lack("narrative", f"1 to {NARRATIVE_SIZE_MAX:,} characters"))
    if not sar.classes or not set(sar.classes) <= set(CLASSES):
        found.append(Lack("classes", f"one or more of {', '.join(map(str, CLASSES))}"))
    if not set(sar.instruments) <= set(INSTRUMENTS):
        found.append(Lack("instruments", f"of {', '.join(map(str, INSTRUMENTS))}"))
    if sar.first_day > sar.last_day:
        found.append(Lack("last_day", "not before first_day"))
    if sar.amount_minor is None:
        found.append(
            Lack(
                "amount_minor",
                "US cents of all its transfers: no rate was known for some",
                may_be_unknown=True,
            )
        )
    elif sar.amount_minor <= 0:
        found.append(Lack("amount_minor", "more than 0 US cents, or null where nobody knows"))
    if not sar.subjects:
        found.append(Lack("subjects", "somebody who is suspected", may_be_unknown=True))
    if len(tidy(sar.note)) > 50:
        found.append(Lack("note", "up to 50 characters"))
    return found


def _ctr(ctr: Ctr) -> list[Lack]:
    found = _prior(ctr.report, ctr.prior_bsa_id)
    if ctr.unpriced:
        found.append(
            Lack(
                "unpriced",
                f"no rate was known for {ctr.unpriced} of its transactions: add what they are worth to in_minor or out_minor, and"
                " to their persons, then set this to 0",
            )
        )
    if not ctr.persons:
        found.append(Lack("persons", "who conducted the transactions, and on whose behalf"))
    if min(ctr.in_minor, ctr.out_minor) < 0 or max(ctr.in_minor, ctr.out_minor) <= 1_000_000:
        found.append(
            Lack("in_minor", "cash in or cash out of more than 1,000,000 US cents (31 CFR 1010.311)")
        )
    return found


def _blocked(report: BlockedProperty) -> list[Lack]:
    fields = (("property", report.property), ("target", report.target), ("authority", report.authority))
    found = [Lack(name, "words, as 31 CFR 501.603(b)(1)(ii) asks") for name, text in fields if not tidy(text)]
    if report.value_minor is None:
        found.append(Lack("value_minor", "actual or estimated value in US cents"))
    return found
