"""The story of a SAR: who, what, when, where, why and how, from the record alone. A person edits it before it is filed."""

from collections import Counter
from collections.abc import Sequence
from typing import Final

from compliance.filings.content import Person
from compliance.filings.material import Material, Money, worth_of
from compliance.filings.sar import NARRATIVE_SIZE_MAX

TRANSFERS_MAX: Final = 60
"""Told one by one; the rest is counted."""


def narrative_of(material: Material, transfers: Sequence[Money], why: Sequence[str]) -> str:
    """The narrative; `why` are the findings in words."""
    parts = (
        ("WHO", _who(material)),
        ("WHAT", _what(transfers)),
        ("WHEN", _when(transfers)),
        ("WHERE", _where(transfers)),
        ("WHY", " ".join(why) or "See the analysis."),
        ("HOW", _how(transfers)),
    )
    text = "\n".join(f"{name}: {told}" for name, told in parts)
    if material.analysis:
        text += f"\nANALYSIS: {material.analysis}"
    return text[:NARRATIVE_SIZE_MAX]


def usd(amount_minor: int | None) -> str:
    """Such as $1,234.56, or that nobody knows it."""
    if amount_minor is None:
        return "an unknown worth in US dollars"
    return f"${amount_minor // 100:,}.{amount_minor % 100:02}"


def _who(material: Material) -> str:
    customer = material.customer
    if customer is None:
        return "No suspect is known."
    told = f"{_name(customer)}, customer {customer.customer_number} of this bank"
    if customer.occupation:
        told += f", {customer.occupation}"
    others = {
        each.counterparty or _name(each.conductor)
        for each in material.transfers
        if each.counterparty or each.conductor
        if each.conductor is None or _name(each.conductor) != _name(customer)
    }
    return told + (f". Others: {'; '.join(sorted(others))}." if others else ".")


def _name(person: Person | None) -> str:
    return "" if person is None else f"{person.first_name} {person.last_name}".strip()


def _what(transfers: Sequence[Money]) -> str:
    if not transfers:
        return "No transfers."
    counts = Counter((each.kind, each.direction) for each in transfers)
    kinds = ", ".join(
        f"{count} {kind.replace('_', ' ')} ({direction})"
        for (kind, direction), count in sorted(counts.items())
    )
    return f"{kinds}; {usd(worth_of(transfers))} in all."


def _when(transfers: Sequence[Money]) -> str:
    if not transfers:
        return "See the analysis."
    days = sorted({each.day for each in transfers})
    return f"{days[0]} to {days[-1]}, on {len(days)} business day{'s' if len(days) > 1 else ''}."


def _where(transfers: Sequence[Money]) -> str:
    branches = sorted({each.branch for each in transfers if each.branch})
    countries = sorted({each.country for each in transfers if each.country})
    told = [f"branches {', '.join(branches)}"] if branches else []
    told += [f"other sides in {', '.join(countries)}"] if countries else []
    return f"{'; '.join(told)}." if told else "No branch had a part in it."


def _how(transfers: Sequence[Money]) -> str:
    told = [_line(each) for each in transfers[:TRANSFERS_MAX]]
    if len(transfers) > TRANSFERS_MAX:
        told.append(f"and {len(transfers) - TRANSFERS_MAX} more")
    return "; ".join(told) + "."


def _line(money: Money) -> str:
    parts = [money.day.isoformat(), money.kind.replace("_", " "), money.direction, usd(money.usd_minor)]
    parts += [f"at branch {money.branch}"] if money.branch else []
    parts += [f"by {_name(money.conductor)}"] if money.conductor else []
    parts += [f"with {money.counterparty}"] if money.counterparty else []
    parts += [money.country] if money.country else []
    return " ".join(parts)
