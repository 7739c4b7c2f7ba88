"""From what is known of a case to a report of each form. Pure; whoever prepared it edits what it can't know."""

from collections.abc import Mapping
from datetime import date
from typing import Any, Final
from uuid import UUID

from compliance.facts import CASH, Direction, Kind
from compliance.filings.cash import LIMIT_MINOR, report_of
from compliance.filings.codes import CLASS_OF_RULE, OTHERWISE
from compliance.filings.content import BlockedProperty, Content, Ctr, Form, Person, Sar, Subject
from compliance.filings.material import Material, Money, worth_of
from compliance.filings.narrative import narrative_of, usd
from compliance.filings.states import FilingError
from compliance.results import Severity

_INSTRUMENT: Final = {Kind.CARD: 6, Kind.CASH_DEPOSIT: 39, Kind.CASH_WITHDRAWAL: 39}
_FUNDS_TRANSFER: Final = 33
_TARGETS_MAX: Final = 5


def draft(form: Form, material: Material) -> Content:
    """The report. Raises FilingError where the case gives no ground for one of that form."""
    if form is Form.SAR:
        return draft_sar(material)
    return draft_ctr(material) if form is Form.CTR else draft_blocked(material)


def begins(content: Content, material: Material) -> date:
    """When the report's clock began."""
    return material.detected if isinstance(content, Sar) else content.day


def draft_sar(material: Material) -> Sar:
    """Suspicious activity: the customer as its subject, every transfer that a suspicion names, the findings' words."""
    serious = [each for each in material.findings if int(each["severity"]) >= Severity.MEDIUM]
    suspicions = [each for each in serious if each["rule"] in CLASS_OF_RULE] or serious
    named = {UUID(each) for finding in suspicions for each in finding["movements"]}
    if material.subject is not None:
        named.add(material.subject.id)
    transfers = tuple(each for each in material.transfers if each.id in named)
    days = [each.day for each in transfers] or [material.detected]
    accounts = {
        number
        for each in transfers
        for number in (each.account_number, each.payee_account)
        if number is not None
    }
    classes = {CLASS_OF_RULE.get(str(each["rule"]), OTHERWISE) for each in suspicions}
    why = [f"{str(each['text']).rstrip('.')} ({each['citation']})." for each in suspicions]
    customer = material.customer
    return Sar(
        subjects=() if customer is None else (Subject(customer, _written(accounts, customer, material)),),
        classes=tuple(sorted(classes)) or (OTHERWISE,),
        instruments=tuple(sorted({_INSTRUMENT.get(each.kind, _FUNDS_TRANSFER) for each in transfers})),
        amount_minor=worth_of(transfers) or None,
        first_day=min(days),
        last_day=max(days),
        narrative=narrative_of(material, transfers, why),
        branches=tuple(sorted({each.branch for each in transfers if each.branch})),
    )


def draft_ctr(material: Material) -> Ctr:
    """Currency of a business day by the persons of the case's cash transaction."""
    subject = material.subject
    if subject is None or subject.kind not in CASH:
        raise FilingError("a currency report is of cash: this case is about none")
    if all(each.id != subject.id for each in material.cash):
        raise FilingError(
            "this cash has not been taken or given: release the transfer first, or there is nothing to report"
        )
    found = report_of(subject, material.cash, material.holders, material.numbers)
    if found is None:
        raise FilingError(
            f"nobody in this case has more than {usd(LIMIT_MINOR)} in cash, in or out, on {subject.day}: there is "
            "nothing to report (31 CFR 1010.311)"
        )
    return found


def draft_blocked(material: Material) -> BlockedProperty:
    """Property of a listed person: the strongest match, the transfer or the accounts that are held."""
    customer = material.customer or Person("")
    subject = material.subject
    matches = [each for each in material.hits if each["is_match"]] or list(material.hits)
    matches.sort(key=lambda each: -float(each["score"]))
    accounts = {subject.account_number} if subject else set(material.holders)
    return BlockedProperty(
        owner=customer,
        day=subject.day if subject else material.detected,
        property=_property(subject),
        value_minor=subject.usd_minor if subject else None,
        target="; ".join(_target(each) for each in matches[:_TARGETS_MAX]),
        authority="; ".join(sorted({str(each["programme"]) for each in matches if each["programme"]})),
        accounts=_written(accounts, customer, material),
        transaction=_transaction(subject),
    )


def _written(accounts: set[int], owner: Person, material: Material) -> tuple[str, ...]:
    """Those of the accounts that are the owner's, as they are written."""
    return tuple(
        material.numbers[number]
        for number in sorted(accounts)
        if number in material.numbers
        if (holder := material.holders.get(number)) and holder.customer_number == owner.customer_number
    )


def _property(subject: Money | None) -> str:
    if subject is None:
        return "accounts of the customer at this bank, with what is on them"
    return f"funds of a {subject.kind.replace('_', ' ')} of {usd(subject.usd_minor)}, held at this bank"


def _target(hit: Mapping[str, Any]) -> str:
    return f"{hit['list_name']} entry {hit['entry_id']}: {hit['entry_name']} (list of {hit['list_date']})"


def _transaction(subject: Money | None) -> str:
    if subject is None:
        return ""
    way = "from" if subject.direction is Direction.IN else "to"
    other = f" {way} {subject.counterparty}" if subject.counterparty else ""
    country = f", {subject.country}" if subject.country else ""
    return f"{subject.kind.replace('_', ' ')} {subject.id.hex} of {subject.day}{other}{country}"
