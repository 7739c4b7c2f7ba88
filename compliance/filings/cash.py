"""
Cash of one business day by person, over accounts and branches: what a currency report is of.

31 CFR 1010.313: transactions of one business day by or on behalf of one person are one transaction; cash in and cash out
are added up apart, and never against one another.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from compliance.facts import Direction
from compliance.filings.content import CashPerson, CashRole, Ctr, Person
from compliance.filings.material import Money

LIMIT_MINOR: Final = 1_000_000
"""US cents; a report is of more (31 CFR 1010.311)."""

Key = tuple[str, str]


def same_person(person: Person) -> Key:
    """What is equal for one person: the name and the date of birth, or else what numbers it."""
    name = " ".join(f"{person.first_name} {person.last_name}".casefold().split())
    if person.birth_date is not None:
        return name, person.birth_date.isoformat()
    if person.customer_number is not None:
        return name, f"customer {person.customer_number}"
    return name, person.document.number if person.document else ""


def report_of(
    seed: Money, day: Sequence[Money], holders: Mapping[int, Person], numbers: Mapping[int, str]
) -> Ctr | None:
    """
    The report that `seed` belongs to, of the cash of its day; None where nobody's is over the limit.

    It holds all transactions by or on behalf of whoever conducted the seed, or held its account, and is over the limit;
    or may be, because no rate was known for some: they are counted in `unpriced`, and the report lacks what they are worth.
    """
    counted = [each for each in day if each.day == seed.day]
    known = {same_person(person): person for person in holders.values()}
    wanted = _persons(seed, holders)
    ways = []
    for direction in Direction:
        way = [each for each in counted if each.direction is direction]
        over = {
            key for key in wanted if _may_be_over([each for each in way if key in _persons(each, holders)])
        }
        ways.append([each for each in way if over & _persons(each, holders)])
    chosen = ways[0] + ways[1]
    if not chosen:
        return None
    return Ctr(
        day=seed.day,
        persons=_people(chosen, holders, numbers, known),
        in_minor=_sum(ways[0]),
        out_minor=_sum(ways[1]),
        is_aggregated=len(chosen) > 1,
        branches=tuple(sorted({each.branch for each in chosen if each.branch})),
        unpriced=sum(each.usd_minor is None for each in chosen),
    )


def _may_be_over(transfers: Sequence[Money]) -> bool:
    return _sum(transfers) > LIMIT_MINOR or any(each.usd_minor is None for each in transfers)


def _sum(transfers: Iterable[Money]) -> int:
    return sum(each.usd_minor or 0 for each in transfers)


def _persons(transfer: Money, holders: Mapping[int, Person]) -> set[Key]:
    found = {same_person(transfer.conductor)} if transfer.conductor else set()
    holder = holders.get(transfer.account_number)
    return found | {same_person(holder)} if holder else found


@dataclass
class _Part:
    """What somebody did in one role."""

    person: Person
    count: int = 0
    minor: dict[Direction, int] = field(default_factory=lambda: dict.fromkeys(Direction, 0))
    accounts: dict[Direction, set[str]] = field(default_factory=lambda: {each: set() for each in Direction})


def _people(
    chosen: Sequence[Money],
    holders: Mapping[int, Person],
    numbers: Mapping[int, str],
    known: Mapping[Key, Person],
) -> tuple[CashPerson, ...]:
    """Everybody in these transactions by role, the first to come first; accounts stand with whose they are."""
    parts: dict[tuple[Key, CashRole], _Part] = {}
    for each in chosen:
        holder = holders.get(each.account_number)
        stands = each.conductor or holder
        if stands is None:
            continue
        is_own = holder is None or same_person(stands) == same_person(holder)
        involved = [(stands, CashRole.OWN if is_own else CashRole.CONDUCTOR)]
        if not is_own and holder is not None:
            involved.append((holder, CashRole.BEHALF))
        for person, role in involved:
            key = same_person(person)
            part = parts.setdefault((key, role), _Part(known.get(key, person)))
            part.count += 1
            part.minor[each.direction] += each.usd_minor or 0
            if role is not CashRole.CONDUCTOR and each.account_number in numbers:
                part.accounts[each.direction].add(numbers[each.account_number])
    return tuple(
        CashPerson(
            part.person,
            role,
            part.minor[Direction.IN],
            part.minor[Direction.OUT],
            tuple(sorted(part.accounts[Direction.IN])),
            tuple(sorted(part.accounts[Direction.OUT])),
            is_many=part.count > 1,
        )
        for (_, role), part in parts.items()
    )
