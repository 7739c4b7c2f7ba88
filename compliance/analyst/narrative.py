"""A draft of the narrative: who, what, when, where, why and how, from the record alone (FinCEN's guidance, 2003)."""

from collections.abc import Sequence
from itertools import groupby
from typing import Final

from compliance.analyst.wording import KIND_TEXT, day, masked, money, plain
from compliance.facts import Direction, Dossier, Movement, PartyRole
from compliance.results import Assessment, Hit

_MOVEMENTS_MAX: Final = 60
_NAME_LENGTH_MAX: Final = 150


def narrative_of(dossier: Dossier, assessment: Assessment, hits: Sequence[Hit]) -> str:
    """The draft, in paragraphs, with the parties' own names; a human completes it before anything is filed."""
    paragraphs = (
        _who(dossier),
        _what(dossier),
        _when(dossier, assessment),
        _where(dossier),
        _why(dossier, assessment, hits),
        _how(dossier),
    )
    return "\n\n".join(paragraph for paragraph in paragraphs if paragraph)


def _who(dossier: Dossier) -> str:
    customer = dossier.customer
    name = plain(customer.name, _NAME_LENGTH_MAX) or f"customer {customer.number}"
    known = [
        f"customer {customer.number} since {day(customer.since)}",
        f"rated {customer.risk_rating}" if customer.risk_rating else "",
        f"identity {customer.kyc_state}" if customer.kyc_state else "",
        "politically exposed" if customer.politically_exposed else "",
        f"resident in {customer.country}" if customer.country else "",
        f"industry {customer.industry}" if customer.industry else "",
    ]
    others = [
        f"{party.role.value} {plain(party.name, _NAME_LENGTH_MAX)}"
        + (f" ({party.country})" if party.country else "")
        for party in dossier.subject.parties
        if party.role is not PartyRole.CUSTOMER and party.name.strip()
    ]
    text = f"Who: {name}, {', '.join(part for part in known if part)}."
    return text + (f" Others: {'; '.join(others)}." if others else "")


def _what(dossier: Dossier) -> str:
    subject = dossier.subject
    way = "received" if subject.direction is Direction.IN else "sent"
    worth = (
        f", worth {money(subject.usd_minor)}"
        if subject.usd_minor is not None and subject.currency != "USD"
        else ""
    )
    purpose = masked(plain(subject.purpose, 300))
    return (
        f"What: a {KIND_TEXT[subject.kind]} of {money(subject.amount_minor, subject.currency)}{worth}, {way}"
        f" on account {subject.account_number}"
        + (f"; its stated purpose is “{purpose}”" if purpose else "")
        + (f"; it stands as {subject.state.replace('_', ' ')}" if subject.state else "")
        + (f"; answered {subject.response_code}" if subject.response_code else "")
        + "."
    )


def _when(dossier: Dossier, assessment: Assessment) -> str:
    concerned = _concerned(dossier, assessment)
    text = f"When: {day(dossier.subject.at)}."
    if len(concerned) > 1:
        listed = [
            f"{day(m.at)} {KIND_TEXT[m.kind]} {m.direction.value} {money(m.usd_minor)}"
            for m in concerned[:_MOVEMENTS_MAX]
        ]
        more = len(concerned) - len(listed)
        text += (
            f" {len(concerned)} movements from {day(concerned[0].at)} to {day(concerned[-1].at)} are concerned: "
            + "; ".join(listed)
            + (f"; and {more} more" if more else "")
            + "."
        )
    return text


def _where(dossier: Dossier) -> str:
    subject = dossier.subject
    banks = [
        f"{plain(party.name, _NAME_LENGTH_MAX)} {party.bank_id}".strip()
        for party in dossier.subject.parties
        if party.role is PartyRole.BANK
    ]
    branches = sorted({m.branch for m in dossier.cash_today if m.branch} | ({subject.branch} - {""}))
    parts = [
        f"the other side is in {subject.country}"
        if subject.country
        else "the other side's country is not known",
        f"through {', '.join(banks)}" if banks else "",
        f"at branch {', '.join(branches)}" if branches else "",
    ]
    return f"Where: {'; '.join(part for part in parts if part)}."


def _why(dossier: Dossier, assessment: Assessment, hits: Sequence[Hit]) -> str:
    reasons = [f"{finding.text.rstrip('.')} ({finding.citation})." for finding in assessment.findings]
    reasons += [
        f"A party's name {'is' if hit.is_match else 'is close to'} that of entry {hit.entry_id} of {hit.list_name}."
        for hit in hits
    ]
    usual = dossier.usual
    pattern = (
        f" The customer's usual pattern: {usual.count} movements in {usual.months:.0f} months,"
        f" {money(usual.month_usd_minor)} a month on average, at most {money(usual.largest_usd_minor)} at once."
        if usual.count
        else " There is no history to compare with."
    )
    return f"Why: {' '.join(reasons) if reasons else 'no rule was met.'}{pattern}"


def _how(dossier: Dossier) -> str:
    subject = dossier.subject
    steps = [f"by {KIND_TEXT[subject.kind]}"]
    if subject.has_conductor:
        steps.append("brought by somebody else than the holder")
    if subject.card_number is not None:
        steps.append(f"with a card at a merchant of category {subject.merchant_category:04d}")
    if subject.limits_passed:
        steps.append(f"past the limits {', '.join(subject.limits_passed)}")
    steps.append(f"flagged for {', '.join(flag.replace('_', ' ') for flag in subject.flags) or 'nothing'}")
    return f"How: {', '.join(steps)}."


def _concerned(dossier: Dossier, assessment: Assessment) -> list[Movement]:
    named = {number for finding in assessment.findings for number in finding.movements}
    met = [m for m in (*dossier.history, *dossier.cash_today, *dossier.network) if m.id in named]
    ordered = sorted(met, key=lambda m: (m.at, m.id))
    return [next(same) for _, same in groupby(ordered, key=lambda m: m.id)]
