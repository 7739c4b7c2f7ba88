"""What may be said: the amounts, dates, counts, countries and pseudonyms of the record as it was sent."""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache
from typing import Final, NamedTuple

from compliance.analyst.aliases import Aliases
from compliance.analyst.prompt import Prompt, movements_of
from compliance.analyst.sections import sections_in, without_sections
from compliance.facts import CASH, WIRES, Direction, Dossier, Kind, Movement
from compliance.results import Assessment, Hit, Passage

MONTHS: Final = (
    *("january", "february", "march", "april", "may", "june", "july"),
    *("august", "september", "october", "november", "december"),
)
_MONTH: Final = "|".join((*MONTHS, *(month[:3] for month in MONTHS), "sept"))
_DATES: Final = (
    re.compile(r"\b(?P<y>\d{4})-(?P<m>\d{1,2})-(?P<d>\d{1,2})\b"),
    re.compile(rf"\b(?P<d>\d{{1,2}})(?:st|nd|rd|th)?(?: of)? (?P<m>{_MONTH})\.?,? (?P<y>\d{{4}})\b", re.I),
    re.compile(rf"\b(?P<m>{_MONTH})\.? (?P<d>\d{{1,2}})(?:st|nd|rd|th)?,? (?P<y>\d{{4}})\b", re.I),
    re.compile(r"\b(?P<m>\d{1,2})/(?P<d>\d{1,2})/(?P<y>\d{4}|\d\d)\b"),
    re.compile(
        rf"\b(?P<d>\d{{1,2}})(?:st|nd|rd|th)?(?: of)? (?P<m>{_MONTH})\b", re.I
    ),  # no year: none is equal
    re.compile(rf"\b(?P<m>{_MONTH})\.? (?P<d>\d{{1,2}})(?:st|nd|rd|th)?\b", re.I),
)
_NUMBER: Final = re.compile(
    r"(?P<sign>[$€£¥])?\s?(?<![\w.])(?P<n>\d[\d,]*(?:\.\d+)?)(?P<scale>\s?(?:k|m|bn|thousand|million|billion)\b)?"
    r"(?P<percent>\s?%)?(?:\s?(?P<currency>[A-Z]{3})\b)?"
)
_SCALES: Final = {
    "k": 3, "thousand": 3, "m": 6, "million": 6, "bn": 9, "billion": 9,
}  # fmt: skip
_SIGNS: Final = {"$": "USD", "€": "EUR", "£": "GBP", "¥": "JPY"}
_WORD: Final = re.compile(r"[A-Za-z][A-Za-z']*")
_ALIAS: Final = re.compile(r"\b[A-Z]+_\d+\b")
_COUNTED: Final[Mapping[str, frozenset[Kind]]] = {
    "deposit": frozenset({Kind.CASH_DEPOSIT}),
    "withdrawal": frozenset({Kind.CASH_WITHDRAWAL}),
    "wire": WIRES,
    "cash": CASH,
    "transfer": frozenset(Kind) - CASH - {Kind.CARD},
    "payment": frozenset(Kind) - CASH,
    "transaction": frozenset(Kind),
    "movement": frozenset(Kind),
}


class Number(NamedTuple):
    """A number in a text; `currency` is "" where none stands with it."""

    value: Decimal
    currency: str
    start: int
    end: int


class Line(NamedTuple):
    """What stands together in one line of the record."""

    amounts: frozenset[Decimal]
    priced: frozenset[tuple[Decimal, str]]  # those with a currency
    dates: frozenset[str]
    aliases: frozenset[str]


@dataclass(frozen=True, slots=True)
class Record:
    """What claims are compared with."""

    numbers: frozenset[Decimal]
    priced: frozenset[tuple[Decimal, str]]  # amounts with their currency
    limits: frozenset[Decimal]  # numbers of the sections that were given
    dates: frozenset[str]  # in ISO 8601
    sections: frozenset[str]
    aliases: frozenset[str]
    words: frozenset[str]  # of everything that was sent but strangers' texts, in lower case
    capitals: frozenset[str]  # words in capitals, as they stand
    counts: Mapping[str, frozenset[int]]  # by what is counted
    lines: tuple[Line, ...]
    passages: frozenset[str]


def dates_in(text: str) -> tuple[list[str], str]:
    """Dates that a text names, in ISO 8601 (its own words where it names no year), and the text without them."""
    found: list[str] = []
    if not any(char.isdigit() for char in text):
        return found, text

    def taken(match: re.Match[str]) -> str:
        part = match.groupdict()
        month = part["m"].lower()
        number = next((i for i, name in enumerate(MONTHS, 1) if name.startswith(month[:3])), None)
        year = part.get("y")
        if year is None:
            found.append(match[0].lower())
        else:
            found.append(
                f"{int(year) + 2000 * (len(year) == 2):04d}-{number or int(month):02d}-{int(part['d']):02d}"
            )
        return " "

    for pattern in _DATES:
        text = pattern.sub(taken, text)
    return found, text


def numbers_in(text: str) -> list[Number]:
    """Numbers of a text from which dates, sections and pseudonyms are gone."""
    found = []
    for match in _NUMBER.finditer(text):
        value = Decimal(match["n"].replace(",", ""))
        if match["scale"]:
            value = value.scaleb(_SCALES[match["scale"].strip().lower()])
        currency = _SIGNS.get(match["sign"] or "", match["currency"] or "")
        found.append(Number(value.normalize(), currency, match.start("n"), match.end()))
    return found


def bare(text: str) -> str:
    """A text without what isn't its own number: pseudonyms, sections of law, ids of passages, names of forms."""
    text = re.sub(r"\bP\d{1,3}\b", " ", _ALIAS.sub(" ", text))
    text = re.sub(r"\bforms? 11[12]\b|\bFinCEN 11[12]\b", " ", text, flags=re.I)
    return without_sections(text)


def record_of(
    prompt: Prompt,
    dossier: Dossier,
    assessment: Assessment,
    hits: Sequence[Hit],
    passages: Sequence[Passage],
    aliases: Aliases,
) -> Record:
    """What may be said of a dossier: what was sent of it, and no more."""
    lines = tuple(_line(line) for line in prompt.record.splitlines())
    given = _given(f"{prompt.task}\n{prompt.given}")
    words = _WORD.findall(prompt.record)
    return Record(
        numbers=frozenset().union(*(line.amounts for line in lines)),
        priced=frozenset().union(*(line.priced for line in lines)),
        limits=given.limits,
        dates=given.dates.union(*(line.dates for line in lines)),
        sections=given.sections.union(sections_in(prompt.record)),
        aliases=aliases.all,
        words=given.words.union(word.lower() for word in words),
        capitals=given.capitals.union(word for word in words if word.isupper()),
        counts=_counts(dossier, assessment, hits),
        lines=lines,
        passages=frozenset(passage.id for passage in passages),
    )


class _Given(NamedTuple):
    """What the sections that were given name; the same few sections are given again and again."""

    limits: frozenset[Decimal]
    dates: frozenset[str]
    sections: frozenset[str]
    words: frozenset[str]
    capitals: frozenset[str]


@lru_cache(maxsize=256)
def _given(text: str) -> _Given:
    dates, undated = dates_in(bare(text))
    words = _WORD.findall(text)
    return _Given(
        frozenset(number.value for number in numbers_in(undated)),
        frozenset(dates),
        frozenset(sections_in(text)),
        frozenset(word.lower() for word in words),
        frozenset(word for word in words if word.isupper()),
    )


@lru_cache(maxsize=4096)  # a customer's movements come again with his next transfer
def _line(text: str) -> Line:
    dates, undated = dates_in(bare(text))
    numbers = numbers_in(undated)
    return Line(
        frozenset(number.value for number in numbers),
        frozenset((number.value, number.currency) for number in numbers if number.currency),
        frozenset(dates),
        frozenset(_ALIAS.findall(text)),
    )


def _counts(dossier: Dossier, assessment: Assessment, hits: Sequence[Hit]) -> Mapping[str, frozenset[int]]:
    """How many of each thing there are: in all, in and out, on a day, by a finding."""
    movements = movements_of(dossier)
    customer = dossier.customer
    of_findings = {len(finding.movements) for finding in assessment.findings} | {
        int(number.value)
        for finding in assessment.findings
        for number in numbers_in(dates_in(bare(finding.text))[1])
        if number.value == int(number.value) and not number.currency
    }
    counts = {name: _of_kinds(movements, kinds) | of_findings for name, kinds in _COUNTED.items()}
    for name in ("transaction", "movement"):
        counts[name] |= {dossier.usual.count}
    accounts = {m.account_number for m in movements} | set(customer.accounts)
    counts["account"] = {len(customer.accounts), len(accounts)} | of_findings
    counts["branch"] = {len({m.branch for m in movements if m.branch})} | of_findings
    counts["country"] = {
        len({m.country for m in movements if m.country}),
        len(dossier.usual.countries),
    } | of_findings
    others = {m.other for m in movements if m.other}
    counts["party"] = {len(others), len(dossier.subject.parties)} | of_findings
    counts["hit"] = {len(hits), sum(hit.is_match for hit in hits)}
    return {name: frozenset(found) for name, found in counts.items()}


def _of_kinds(movements: Sequence[Movement], kinds: frozenset[Kind]) -> set[int]:
    own = [m for m in movements if m.kind in kinds]
    parts = [[m for m in own if m.direction is way] for way in Direction]
    days = [Counter(m.at.date() for m in part).values() for part in (own, *parts)]
    return {len(own), *(len(part) for part in parts), *(count for day in days for count in day)}
