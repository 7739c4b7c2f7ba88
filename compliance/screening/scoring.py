"""
One name beside one listed name, token by token.

Each token goes to the one it is most like; two may be one written apart. What is matched, weighed by rarity, is
held against everything that was asked for and what is listed; a listed token that wasn't given (a middle name) costs less
than one that was given and isn't listed.
"""

from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

from rapidfuzz.distance import OSA

from compliance.results import TokenMatch
from compliance.screening.index import Listed, similarity
from compliance.screening.words import ORDINARY, PARTICLES, SUFFIXES

DROPPED_INDIVIDUAL: Final = 0.4
DROPPED_OTHER: Final = 0.75
"""How much of its weight a listed token that wasn't given costs: people have middle names, companies don't."""
_INITIAL: Final = 0.9
_JOINED_MIN: Final = 0.85
_JOINED_EQUAL: Final = 0.99  # a pair that is equal once its space is gone
_WEAK: Final = 0.95
_WHOLE: Final = 0.96  # only legal forms and particles differ
_SLIPS_WORTH: Final = 0.85
_SLIPS_MAX: Final = 2
_SLIPS_TOKENS_MIN: Final = 3
_SLIPS_CHARS_MIN: Final = 12
_LEFT_OUT_MAX: Final = 0.18
_SPACED_MIN: Final = 0.88
_SPACED_SLIP_MIN: Final = 0.855
_SPACED_CHARS_MIN: Final = 7
TELLING: Final = 0.45
"""A token of this weight tells somebody from others: a few hundred names have it."""
RARE: Final = 0.55
"""A token of this weight is enough to block by, beside another: a few dozen names have it."""
VERY_RARE: Final = 0.7
"""A token of this weight is enough to block an entity by: a dozen names have it."""


_Pair = tuple[tuple[int, ...], tuple[int, ...], float, str]


class Scored(NamedTuple):
    """How alike two names are."""

    score: float  # 0 to 1
    tokens: tuple[TokenMatch, ...]
    is_whole: bool  # every token of both sides is equal but for particles and legal forms
    is_spelled: bool  # as is_whole, letter by letter
    significant: int  # tokens that were met, without particles, legal forms and initials
    rare: int  # rare ones of them
    very_rare: int
    note: str = ""


def score(
    asked: Sequence[str], weights: Sequence[float], alike_to: Sequence[Mapping[str, float]], listed: Listed
) -> Scored:
    """How alike a name as tokens (with their weights, and `Index.alike` of each) and a listed one are."""
    pairs = _paired(asked, alike_to, listed.tokens, listed.entry.kind == "individual")
    given_left, listed_left = set(range(len(asked))), set(range(len(listed.tokens)))
    matches: list[TokenMatch] = []
    both = cost = 0.0
    rare = very_rare = telling = strong = significant = 0
    exact = spelled = True
    for gs, ls, alike, how in pairs:
        weight_given = sum(weights[g] for g in gs)
        weight_listed = sum(listed.weights[at] for at in ls)
        if how == "initial":
            weight_given = weight_listed = 0.3
            cost += 0.3 * max(0.0, sum(listed.weights[at] for at in ls) - 0.3)
        given_left -= set(gs)
        listed_left -= set(ls)
        # Below nine tenths a likeness falls faster: two letters of five are another name.
        worth = alike if alike >= 0.9 else max(0.0, 0.9 - 1.05 * (0.9 - alike))
        both += worth * (weight_given + weight_listed)
        cost += weight_given + weight_listed
        if how != "initial":
            met = [listed.weights[at] for at in ls if listed.tokens[at] not in _BINDING]
            significant += len(met)
            rare += sum(weight >= RARE for weight in met)
            very_rare += sum(weight >= VERY_RARE for weight in met)
            telling += weight_listed >= TELLING
        if how != "initial" and not all(listed.tokens[at] in _EMPTY for at in ls):
            strong += 1
        exact = exact and alike >= 0.97 and how != "initial"
        spelled = spelled and exact and alike >= _JOINED_EQUAL
        matches.append(
            TokenMatch(
                " ".join(asked[g] for g in gs), " ".join(listed.tokens[at] for at in ls), round(alike, 3), how
            )
        )
    dropped = DROPPED_INDIVIDUAL if listed.entry.kind == "individual" else DROPPED_OTHER
    for given in sorted(given_left):
        cost += weights[given]
        matches.append(TokenMatch(asked[given], "", 0.0, "dropped"))
    left_out = dropped * sum(listed.weights[at] for at in listed_left)
    if exact and rare and not given_left and strong >= 2 and dropped == DROPPED_INDIVIDUAL:
        left_out = min(left_out, _LEFT_OUT_MAX * cost)  # first and last of many names
    cost += left_out
    matches += [TokenMatch("", listed.tokens[at], 0.0, "dropped") for at in sorted(listed_left)]
    left = {asked[g] for g in given_left} | {listed.tokens[at] for at in listed_left}
    exact = exact and not left - PARTICLES - SUFFIXES
    value = both / cost if cost else 0.0
    if spelled and not left - SUFFIXES and significant:
        value = max(value, _WHOLE)
    note = ""
    if strong < 2 and not exact and (listed_left - _small(listed.tokens) or given_left - _small(asked)):
        value *= 0.7  # one name of several
        note = "only one token agrees"
    is_named = strong >= 2 and not _is_ordinary(listed.tokens)
    is_long = exact and len(matches) >= 3
    if not telling and not (exact and is_named) and not is_long:
        value *= 0.9 if is_named else 0.5
        note = "only frequent words agree"
    given_text, listed_text = "".join(asked), "".join(listed.tokens)
    if len(given_text) >= _SPACED_CHARS_MIN and len(asked) > 1 and not _is_ordinary(listed.tokens):
        spaced = OSA.normalized_similarity(given_text, listed_text)
        is_slip = any(token not in near for token, near in zip(asked, alike_to, strict=True))
        if spaced >= (_SPACED_SLIP_MIN if is_slip else _SPACED_MIN) and 0.985 * spaced > value:
            value = 0.985 * spaced
            note = "alike with spaces apart"
    is_met = is_named and not given_left and not listed_left - _small(listed.tokens)
    if value < _SLIPS_WORTH and is_met and _is_slips(asked, alike_to, listed.tokens, pairs):
        value = _SLIPS_WORTH
        note = "two letters of a long name differ"
    if listed.name.is_weak:
        value *= _WEAK
        note = "; ".join(filter(None, (note, f"weak alias: times {_WEAK}")))
    return Scored(value, tuple(matches), exact, spelled and exact, significant, rare, very_rare, note)


def _is_slips(
    asked: Sequence[str],
    alike_to: Sequence[Mapping[str, float]],
    listed: Sequence[str],
    pairs: Sequence[_Pair],
) -> bool:
    """Whether at most two letters of a long name differ, and what they make of its tokens names nobody else."""
    edits = 0
    for gs, ls, alike, how in pairs:
        if alike == 1.0:
            continue
        if how == "initial" or any(asked[g] in alike_to[g] for g in gs):
            return False
        edits += OSA.distance("".join(asked[g] for g in gs), "".join(listed[at] for at in ls))
    return edits <= _SLIPS_MAX and (
        len(asked) >= _SLIPS_TOKENS_MIN or sum(map(len, asked)) >= _SLIPS_CHARS_MIN
    )


_BINDING: Final = PARTICLES | SUFFIXES
_EMPTY: Final = _BINDING | ORDINARY


def _small(tokens: Sequence[str]) -> set[int]:
    return {at for at, token in enumerate(tokens) if token in PARTICLES or token in SUFFIXES}


def _is_ordinary(tokens: Sequence[str]) -> bool:
    return all(token in _EMPTY for token in tokens)


def _paired(
    asked: Sequence[str],
    alike_to: Sequence[Mapping[str, float]],
    listed: Sequence[str],
    with_initials: bool,
) -> list[_Pair]:
    """Pairs of tokens, the most alike first; then two on one side that are one on the other."""
    found: list[_Pair] = []
    whole = 0
    for g, token in enumerate(asked):
        near = alike_to[g]
        for at, other in enumerate(listed):
            if token == other:
                found.append(((g,), (at,), 1.0, "equal"))
                whole += 1
            elif len(token) == 1 or len(other) == 1:
                if token[0] == other[0] and with_initials:
                    found.append(((g,), (at,), _INITIAL, "initial"))
            elif alike := near.get(other, 0.0):
                found.append(((g,), (at,), alike, "sound" if alike >= 0.97 else "spelling"))
                whole += 1
    if whole < min(len(asked), len(listed)) or len(asked) != len(listed):
        found += _joined(asked, listed)
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


def _joined(asked: Sequence[str], listed: Sequence[str]) -> list[_Pair]:
    found: list[_Pair] = []
    for g in range(len(asked) - 1):
        both = asked[g] + asked[g + 1]
        found += [
            ((g, g + 1), (at,), alike - 0.01, "joined")
            for at, other in enumerate(listed)
            if abs(len(other) - len(both)) <= 2
            and min(len(asked[g]), len(asked[g + 1])) > 1
            and other[0] == both[0]
            and (alike := similarity(both, other)) >= _JOINED_MIN
        ]
    for at in range(len(listed) - 1):
        both = listed[at] + listed[at + 1]
        found += [
            ((g,), (at, at + 1), alike - 0.01, "joined")
            for g, token in enumerate(asked)
            if abs(len(token) - len(both)) <= 2
            and token[0] == both[0]
            and (alike := similarity(token, both)) >= _JOINED_MIN
        ]
    return found
