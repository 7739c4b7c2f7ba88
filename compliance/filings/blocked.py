"""A report on blocked property as text, in the order of 31 CFR 501.603(b)(1)(ii), to be entered at OFAC."""

from datetime import date

from compliance.filings.bank import Bank
from compliance.filings.content import Address, BlockedProperty
from compliance.filings.parties import tidy


def blocked_text(report: BlockedProperty, bank: Bank, filed: date) -> str:
    """The report; (I), copies of instructions and documents, is left to whoever files it."""
    owner = report.owner
    named = owner.last_name if owner.is_entity else f"{owner.first_name} {owner.last_name}"
    value = "unknown" if report.value_minor is None else _dollars(report.value_minor)
    parts = (
        ("(A) Holder", f"{bank.name}, {_written(bank.address)}"),
        ("    Contact", f"{bank.contact_office}, {bank.contact_phone}, {bank.contact_email}"),
        ("(B) Transaction", report.transaction or "none: property held"),
        ("(C) Sanctions target", report.target),
        ("    Owner of the property", f"{named}, {_written(owner.address)}"),
        ("(D) Property", report.property),
        ("    Accounts", ", ".join(report.accounts) or "none"),
        ("(E) Date blocked", report.day.isoformat()),
        ("(F) Value", value),
        ("(G) Action taken", report.action or "held blocked"),
        ("(H) Legal authority", report.authority),
        ("(I) Documents", "to be attached: instructions, checks, invoices as received"),
    )
    lines = [f"{name}: {tidy(text)}" for name, text in parts]
    head = ("REPORT OF BLOCKED PROPERTY", "31 CFR 501.603(b)(1)", f"Filed: {filed.isoformat()}", "")
    return "\n".join((*head, *lines, ""))


def _dollars(amount_minor: int) -> str:
    return f"USD {amount_minor // 100:,}.{amount_minor % 100:02}"


def _written(address: Address) -> str:
    parts = (address.street, address.city, address.state, address.postal_code, address.country)
    return ", ".join(part for part in parts if part) or "address unknown"
