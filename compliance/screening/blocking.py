"""
Which hits block by themselves, with nobody looking first; every other hit waits for people.

A person is blocked by a strong name that something else bears out: the day of birth, or, where the name is rare, its
year or a country other than the United States. By the name alone only where three tokens of it and more are spelled as
listed. An entity or a vessel is blocked by its whole name as listed, where rare words are in it, or by its number.
"""

from typing import Final

from compliance.screening.agreeing import Agreement
from compliance.screening.index import Listed
from compliance.screening.scoring import Scored

NAME_ALONE_TOKENS_MIN: Final = 3
_SINGLE_CHARS_MIN: Final = 8
"""A name of one word that is shorter is a word of some language, or somebody's given name."""


def blocks(listed: Listed, scored: Scored, birth: Agreement, country: Agreement, *, is_person: bool) -> bool:
    """Whether a name that is strong enough blocks; `is_person`: a date of birth says that a person was asked for."""
    if listed.name.is_weak or birth.contradicts or scored.significant == 0:
        return False
    if listed.entry.kind == "individual":
        return _blocks_person(scored, birth, country)
    if is_person or not scored.is_spelled:
        return False
    if scored.significant == 1 and len("".join(listed.tokens)) < _SINGLE_CHARS_MIN:
        return False
    return scored.rare >= 2 or scored.very_rare >= 1


def _blocks_person(scored: Scored, birth: Agreement, country: Agreement) -> bool:
    if scored.significant < 2:
        return False
    if birth.is_day:
        return True
    if scored.rare < 2:
        return False
    return (
        birth.bears_out
        or country.bears_out
        or (scored.is_spelled and scored.significant >= NAME_ALONE_TOKENS_MIN)
    )
