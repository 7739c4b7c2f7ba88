"""
One name beside one listed name, token by token.

Each token goes to the one it is most like; two may be one written apart. What is matched, weighed by rarity, is
held against everything that was asked for and what is listed; a listed token that wasn't given (a middle name) costs less
than one that was given and isn't listed.
"""

from collections.abc import Sequence
from typing import Final, NamedTuple

from compliance.results import TokenMatch
from compliance.screening.index import ALIKE_MIN, Index, Listed, similarity
from compliance.screening.words import ORDINARY, PARTICLES, SUFFIXES

DROPPED_INDIVIDUAL: Final = 0.4
DROPPED_OTHER: Final = 0.75
"""How much of its weight a listed token that wasn't given costs: people have middle names, companies don't."""
_INITIAL: Final = 0.9
_JOINED_MIN: Final = 0.85
_WEAK: Final = 0.93
RARE: Final = 0.45
"""A token of this weight tells somebody from others."""


class Scored(NamedTuple):
    """How alike two names are."""

    score: float  # 0 to 1
    tokens: tuple[TokenMatch, ...]
    is_whole: bool  # every token of both sides is equal but for particles and legal forms
    rare: int  # tokens that were met and tell somebody from others
    note: str = ""


def score(index: Index, asked: Sequence[str], weights: Sequence[float], listed: Listed) -> Scored:
    """How alike a name as tokens (with their weights) and a listed one are."""
    pairs = _paired(asked, listed.tokens)
    given_left, listed_left = set(range(len(asked))), set(range(len(listed.tokens)))
    matches: list[TokenMatch] = []
    both = cost = 0.0
    rare = strong = 0
    exact = True
    for gs, ls, alike, how in pairs:
        weight_given = sum(weights[g] for g in gs)
        weight_listed = sum(listed.weights[at] for at in ls)
        if how == "initial":
            weight_given = weight_listed = 0.3
            cost += 0.3 * max(0.0, sum(listed.weights[at] for at in ls) - 0.3)
        given_left -= set(gs)
        listed_left -= set(ls)
        # Below nine tenths a likeness falls faster: two letters of five are another name.
        worth = alike if alike >= 0.9 else max(0.0, 0.9 - 1.15 * (0.9 - alike))
        both += worth * (weight_given + weight_listed)
        cost += weight_given + weight_listed
        if weight_listed >= RARE and how != "initial":
            rare += 1
        if how != "initial" and not all(listed.tokens[at] in _EMPTY for at in ls):
            strong += 1
        exact = exact and alike >= 0.97 and how != "initial"
        matches.append(
            TokenMatch(
                " ".join(asked[g] for g in gs), " ".join(listed.tokens[at] for at in ls), round(alike, 3), how
            )
        )
    dropped = DROPPED_INDIVIDUAL if listed.entry.kind == "individual" else DROPPED_OTHER
    for given in sorted(given_left):
        cost += weights[given]
        matches.append(TokenMatch(asked[given], "", 0.0, "dropped"))
    for at in sorted(listed_left):
        cost += dropped * listed.weights[at]
        matches.append(TokenMatch("", listed.tokens[at], 0.0, "dropped"))
    left = {asked[g] for g in given_left} | {listed.tokens[at] for at in listed_left}
    exact = exact and not left - PARTICLES - SUFFIXES
    value = both / cost if cost else 0.0
    note = ""
    if strong < 2 and not exact and (listed_left - _small(listed.tokens) or given_left - _small(asked)):
        value *= 0.7  # one name of several
        note = "only one token agrees"
    if not rare and not (exact and strong >= 2 and not _is_ordinary(listed.tokens)):
        value *= 0.85 if strong >= 2 and not _is_ordinary(listed.tokens) else 0.5
        note = "only frequent words agree"
    if listed.name.is_weak:
        value *= _WEAK
        note = "; ".join(filter(None, (note, f"weak alias: times {_WEAK}")))
    return Scored(value, tuple(matches), exact, rare, note)


_EMPTY: Final = PARTICLES | SUFFIXES | ORDINARY


def _small(tokens: Sequence[str]) -> set[int]:
    return {at for at, token in enumerate(tokens) if token in PARTICLES or token in SUFFIXES}


def _is_ordinary(tokens: Sequence[str]) -> bool:
    return all(token in _EMPTY for token in tokens)


_Pair = tuple[tuple[int, ...], tuple[int, ...], float, str]


def _paired(asked: Sequence[str], listed: Sequence[str]) -> list[_Pair]:
    """Pairs of tokens, the most alike first; then two on one side that are one on the other."""
    found: list[_Pair] = []
    for g, token in enumerate(asked):
        for at, other in enumerate(listed):
            if token == other:
                found.append(((g,), (at,), 1.0, "equal"))
            elif len(token) == 1 or len(other) == 1:
                if token[0] == other[0]:
                    found.append(((g,), (at,), _INITIAL, "initial"))
            elif (alike := similarity(token, other)) >= ALIKE_MIN:
                found.append(((g,), (at,), alike, "sound" if alike >= 0.97 else "spelling"))
        if g + 1 < len(asked):
            both = token + asked[g + 1]
            found += [
                ((g, g + 1), (at,), alike - 0.01, "joined")
                for at, other in enumerate(listed)
                if len(other) > len(token) and (alike := similarity(both, other)) >= _JOINED_MIN
            ]
    for at in range(len(listed) - 1):
        both = listed[at] + listed[at + 1]
        found += [
            ((g,), (at, at + 1), alike - 0.01, "joined")
            for g, token in enumerate(asked)
            if len(token) > len(listed[at]) and (alike := similarity(token, both)) >= _JOINED_MIN
        ]
    # A pair that joins explains more letters: it goes before a likeness of one token that is no better.
    found.sort(key=lambda pair: (-pair[2] - 0.05 * (len(pair[0]) + len(pair[1]) - 2), pair[0], pair[1]))
    kept: list[_Pair] = []
    given_met: set[int] = set()
    listed_met: set[int] = set()
    for pair in found:
        if given_met.isdisjoint(pair[0]) and listed_met.isdisjoint(pair[1]):
            kept.append(pair)
            given_met.update(pair[0])
            listed_met.update(pair[1])
    return kept
