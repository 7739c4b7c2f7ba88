"""
What a filing says, before it is XML or text: plain values, kept sealed as one JSON document.

Amounts are US cents; forms round them up to whole dollars. What is not known is empty or None, and the form says so with
its unknown indicators: nothing is made up.
"""

import dataclasses
import json
from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum
from typing import Any, Final


class Form(StrEnum):
    """What is filed: as results.DutyKind names the duty."""

    SAR = "sar"  # FinCEN form 111, 31 CFR 1020.320
    CTR = "ctr"  # FinCEN form 112, 31 CFR 1010.311
    BLOCKED_PROPERTY = "blocked_property_report"  # to OFAC, 31 CFR 501.603


class Report(StrEnum):
    """How a filing stands to those before it."""

    INITIAL = "initial"
    CORRECTS = "corrects"  # corrects or amends the one of `prior_bsa_id`
    CONTINUES = "continues"  # continuing activity after the one of `prior_bsa_id`; SAR only


@dataclass(frozen=True, slots=True)
class Address:
    """Where somebody lives, or a branch stands."""

    street: str = ""
    city: str = ""
    state: str = ""  # two letters, of the US, Canada or Mexico
    postal_code: str = ""
    country: str = ""  # ISO 3166-1 alpha-2


@dataclass(frozen=True, slots=True)
class Document:
    """What somebody showed: a key of DOCUMENT_CODES, or any other word, as it was called."""

    type: str
    number: str
    country: str = ""  # that issued it
    state: str = ""


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody, or an entity, in a filing."""

    last_name: str  # of an entity all of its name
    first_name: str = ""
    is_entity: bool = False
    birth_date: date | None = None
    tin: str = ""  # nine digits: SSN or ITIN, of an entity its EIN
    address: Address = field(default_factory=Address)
    phone: str = ""  # digits
    occupation: str = ""
    industry: str = ""  # NAICS code
    document: Document | None = None
    customer_number: int | None = None  # None = no customer


@dataclass(frozen=True, slots=True)
class Subject:
    """Whom a SAR is about."""

    person: Person
    accounts: tuple[str, ...] = ()  # that the activity went through, as the bank numbers them


@dataclass(frozen=True, slots=True)
class Sar:
    """A suspicious activity report."""

    subjects: tuple[Subject, ...]  # none = nobody is suspected yet
    classes: tuple[int, ...]  # keys of CLASSES in `codes`
    instruments: tuple[int, ...]  # keys of INSTRUMENTS in `codes`
    amount_minor: int | None  # of this report; None = unknown
    first_day: date
    last_day: date
    narrative: str
    branches: tuple[str, ...] = ()  # codes; none = no branch had a part in it
    cumulative_minor: int | None = None  # with the reports that this one continues
    report: Report = Report.INITIAL
    prior_bsa_id: str = ""
    note: str = ""  # to FinCEN, up to 50 characters


class CashRole(StrEnum):
    """What somebody was in a cash transaction."""

    OWN = "own"  # conducted it on own behalf
    CONDUCTOR = "conductor"  # conducted it for another
    BEHALF = "behalf"  # on whose behalf it was conducted


@dataclass(frozen=True, slots=True)
class CashPerson:
    """Somebody in a currency report, with what was theirs."""

    person: Person
    role: CashRole
    in_minor: int = 0
    out_minor: int = 0
    accounts_in: tuple[str, ...] = ()
    accounts_out: tuple[str, ...] = ()
    is_many: bool = False  # more than one transaction


@dataclass(frozen=True, slots=True)
class Ctr:
    """A currency transaction report: one business day, over accounts and branches."""

    day: date
    persons: tuple[CashPerson, ...]
    in_minor: int
    out_minor: int
    is_aggregated: bool
    branches: tuple[str, ...] = ()  # codes
    report: Report = Report.INITIAL
    prior_bsa_id: str = ""
    unpriced: int = (
        0  # of its transactions, those whose worth in US dollars was not known: in no amount here yet
    )


@dataclass(frozen=True, slots=True)
class BlockedProperty:
    """A report on blocked property, 31 CFR 501.603(b)(1)."""

    owner: Person
    day: date  # when it was blocked
    property: str  # what it is, and where
    value_minor: int | None  # US cents, None = unknown
    target: str  # the list's entry whose property it is, and where the list says that is
    authority: str  # the sanctions programme, part or order it is blocked under
    accounts: tuple[str, ...] = ()
    transaction: str = ""  # what led to the block: kind, participants, references
    action: str = ""  # what was done with the property


Content = Sar | Ctr | BlockedProperty
TYPES: Final[dict[Form, type]] = {Form.SAR: Sar, Form.CTR: Ctr, Form.BLOCKED_PROPERTY: BlockedProperty}


def text_of(content: Content) -> str:
    """As it is sealed: JSON, keys in order."""
    return json.dumps(dataclasses.asdict(content), sort_keys=True, default=date.isoformat)


def content_of(form: Form, text: str) -> Content:
    """The content again. Raises ValueError naming the field that does not fit."""
    try:
        document = json.loads(text)
    except json.JSONDecodeError as error:
        raise ValueError(f"not JSON: {error}") from error
    content: Content = _read(TYPES[form], document, form.value)
    return content


def _read(kind: Any, value: Any, where: str) -> Any:
    """`value` of a JSON document as what a field's type says."""
    if dataclasses.is_dataclass(kind):
        return _read_fields(kind, value, where)
    arguments: tuple[Any, ...] = getattr(kind, "__args__", ())
    if type(None) in arguments:
        return None if value is None else _read(arguments[0], value, where)
    if getattr(kind, "__origin__", None) is tuple:
        if not isinstance(value, list):
            raise ValueError(f"{where} must be a list")
        return tuple(_read(arguments[0], item, f"{where}[{place}]") for place, item in enumerate(value))
    if kind is date:
        try:
            return date.fromisoformat(value)
        except (TypeError, ValueError) as error:
            raise ValueError(f"{where} must be YYYY-MM-DD") from error
    if issubclass(kind, StrEnum):
        if value not in list(kind):
            raise ValueError(f"{where} must be one of {', '.join(kind)}")
        return kind(value)
    if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
        raise ValueError(f"{where} must be of type {kind.__name__}")
    return value


def _read_fields(kind: Any, value: Any, where: str) -> Any:
    fields = {each.name: each for each in dataclasses.fields(kind)}
    if not isinstance(value, dict):
        raise ValueError(  # noqa: TRY004 - of a document, as all that does not fit
            f"{where} must be an object with {', '.join(fields)}"
        )
    if unknown := sorted(set(value) - set(fields)):
        raise ValueError(f"{where} has no {', '.join(unknown)}: it has {', '.join(fields)}")
    required = [
        name
        for name, each in fields.items()
        if each.default is dataclasses.MISSING and each.default_factory is dataclasses.MISSING
    ]
    if lacking := [name for name in required if name not in value]:
        raise ValueError(f"{where} lacks {', '.join(lacking)}")
    return kind(**{name: _read(fields[name].type, item, f"{where}.{name}") for name, item in value.items()})
