"""A name held against the index: hits, best first, each explained. Immutable: a new edition is a new screener."""

import re
from collections.abc import Iterable, Sequence
from datetime import date
from typing import Final, NamedTuple

from compliance.facts import PartyRole
from compliance.results import Hit, TokenMatch
from compliance.screening.agreeing import by_birth, by_country
from compliance.screening.blocking import blocks
from compliance.screening.entries import Edition, Thresholds
from compliance.screening.index import Index, Listed
from compliance.screening.scoring import Scored, score
from compliance.screening.words import PARTICLES, tokens_of

_CANDIDATES_MAX: Final = 12
_HITS_MAX: Final = 10
LAST_WEIGHT: Final = 0.5
"""A particle at the end is a family name."""
_IDENTIFIER: Final = re.compile(r"\b(IMO[ :#-]*)?(\d{7})\b|\b([A-Z]{1,2}-?[A-Z]{3,4})\b", re.IGNORECASE)


class Asked(NamedTuple):
    """One of many names to be screened."""

    name: str
    birth_date: date | None = None
    countries: Sequence[str] = ()
    role: PartyRole | None = None


class Screener:
    """What is in force of the lists, indexed."""

    def __init__(self, editions: Sequence[Edition], thresholds: Thresholds = Thresholds()) -> None:  # noqa: B008 - frozen
        self._index = Index(editions)
        self._thresholds = thresholds

    @property
    def name_count(self) -> int:
        """Names and aliases that are held against."""
        return len(self._index.names)

    def screen(
        self,
        name: str,
        *,
        birth_date: date | None = None,
        countries: Sequence[str] = (),
        role: PartyRole | None = None,
    ) -> list[Hit]:
        """
        Hits of a name, best first, one for each entry, at most ten.

        `birth_date` and `countries` (ISO 3166-1 alpha-2) raise or lower what the name alone comes to.
        """
        asked = self._index.telling(tokens_of(name))
        if not asked:
            return []
        weights = [self._index.weight(token) for token in asked]
        if asked[-1] in PARTICLES:  # such as Patricia Le
            weights[-1] = LAST_WEIGHT
        alike = [self._index.alike(token) for token in asked]
        best: dict[tuple[int, str], Hit] = {}
        places = self._index.candidates(asked, weights, _CANDIDATES_MAX)
        for place in places:
            listed = self._index.names[place]
            scored = score(asked, weights, alike, listed)
            if scored.score < self._thresholds.hit - 0.05:
                continue
            self._keep(best, listed, self._hit(listed, scored, birth_date, countries, role))
        for place, is_named in self._identified(name):
            listed = self._index.names[place]
            self._keep(best, listed, self._by_identifier(listed, role, is_named=is_named))
        return sorted(best.values(), key=lambda hit: (-hit.score, hit.list_name, hit.entry_id))[:_HITS_MAX]

    def screen_many(self, many: Iterable[Asked]) -> list[list[Hit]]:
        """The hits of each."""
        return [
            self.screen(one.name, birth_date=one.birth_date, countries=one.countries, role=one.role)
            for one in many
        ]

    def _keep(self, best: dict[tuple[int, str], Hit], listed: Listed, hit: Hit) -> None:
        key = (listed.edition, listed.entry.id)
        if hit.score >= self._thresholds.hit and (key not in best or best[key].score < hit.score):
            best[key] = hit

    def _hit(
        self,
        listed: Listed,
        scored: Scored,
        birth_date: date | None,
        countries: Sequence[str],
        role: PartyRole | None,
    ) -> Hit:
        birth = by_birth(birth_date, listed.entry.births)
        country = by_country(countries, listed.entry)
        value = max(0.0, min(1.0, scored.score + birth.moved + country.moved))
        is_match = min(value, scored.score) >= self._thresholds.match and blocks(
            listed, scored, birth, country, is_person=birth_date is not None
        )
        notes = filter(None, (scored.note, birth.note, country.note))
        return self._made(listed, value, is_match, scored.tokens, tuple(notes), role)

    def _by_identifier(self, listed: Listed, role: PartyRole | None, *, is_named: bool) -> Hit:
        note = f"the number of a listed {listed.entry.kind} is in the text"
        return self._made(listed, 1.0, is_named, (), (note,), role)

    def _identified(self, name: str) -> Iterable[tuple[int, bool]]:
        """Places of what is listed by a number in the text, and whether the text says what number it is."""
        for prefix, number, letters in _IDENTIFIER.findall(name):
            found = (number or letters).upper().replace("-", "")
            if number or "-" in letters:
                for place in self._index.by_identifier.get(found, ())[:1]:
                    yield place, bool(prefix or letters)

    def _made(
        self,
        listed: Listed,
        value: float,
        is_match: bool,
        tokens: tuple[TokenMatch, ...],
        notes: tuple[str, ...],
        role: PartyRole | None,
    ) -> Hit:
        edition = self._index.editions[listed.edition]
        return Hit(
            role,
            edition.list_name,
            listed.entry.id,
            listed.entry.names[0].text,
            listed.name.text,
            listed.entry.programme,
            round(value, 4),
            is_match,
            tokens,
            notes,
            edition.list_date,
        )
