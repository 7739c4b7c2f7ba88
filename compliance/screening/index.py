"""
Listed names by token, by sound and by letters left out.

A token that is asked for finds listed ones whose sound is equal, differs by one or two letters (both sides with one letter
left out: Garbe's symmetric delete), or whose consonants are equal. Postings are CSR: `starts` int64[tokens + 1],
`names` int32[postings]. Tokens weigh by rarity: 1 the rarest, towards 0.2 those of many names.
"""

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

import numpy as np
from rapidfuzz.distance import OSA

from compliance.screening.entries import Edition, ListEntry, Name
from compliance.screening.words import (
    ORDINARY,
    PARTICLES,
    SUFFIXES,
    bones_of,
    sound_of,
    tokens_of,
)

ALIKE_MIN: Final = 0.6
"""Tokens less alike than this are two."""
_BONES_MIN: Final = 3
_BONES_ALIKE: Final = 0.86
_KEPT_TOKENS_MAX: Final = 100_000
_RARE_IN: Final = 400  # a token of so many names weighs half of one of a single name's


@dataclass(frozen=True, slots=True)
class Listed:
    """A name of an entry, taken apart."""

    edition: int
    entry: ListEntry
    name: Name
    tokens: tuple[str, ...]
    weights: tuple[float, ...]
    total: float


class Index:
    """Immutable once made, but for a bounded store of tokens asked before."""

    def __init__(self, editions: Sequence[Edition]) -> None:
        self.editions = tuple(editions)
        split: list[tuple[int, ListEntry, Name, tuple[str, ...]]] = []
        for number, edition in enumerate(editions):
            for entry in edition.entries:
                for name in entry.names:
                    if tokens := tuple(tokens_of(name.text)):
                        split.append((number, entry, name, tokens))
        postings: dict[str, list[int]] = defaultdict(list)
        self._joined: dict[str, list[int]] = defaultdict(list)
        for place, (_, _, _, tokens) in enumerate(split):
            for token in set(tokens):
                postings[token].append(place)
            for left, right in pairwise(tokens):
                self._joined[left + right].append(place)
        self._tokens = list(postings)
        self._number: Mapping[str, int] = {token: number for number, token in enumerate(self._tokens)}
        self._postings = [np.array(places, np.int32) for places in postings.values()]
        self._counts = {token: len(places) for token, places in postings.items()}
        self.names = [
            Listed(number, entry, name, tokens, weights := tuple(map(self.weight, tokens)), sum(weights))
            for number, entry, name, tokens in split
        ]
        self._totals = np.array([listed.total for listed in self.names], np.float32)
        self._by_sound: dict[str, list[int]] = defaultdict(list)
        self._by_bones: dict[str, list[int]] = defaultdict(list)
        self._sounds = [sound_of(token) for token in self._tokens]
        for number, sound in enumerate(self._sounds):
            if self._tokens[number] in PARTICLES or len(self._tokens[number]) == 1:
                continue
            for key in _left_out(sound):
                self._by_sound[key].append(number)
            bones = bones_of(sound)
            if len(bones) >= _BONES_MIN:
                self._by_bones[bones].append(number)
        self.by_identifier: dict[str, list[int]] = defaultdict(list)
        for place, listed in enumerate(self.names):
            for identifier in listed.entry.identifiers:
                self.by_identifier[identifier].append(place)
        self._asked: dict[str, list[tuple[int, float]]] = {}

    def weight(self, token: str) -> float:
        """How much a token tells, 0.05 to 1."""
        if token in SUFFIXES:
            return 0.05
        if token in PARTICLES:
            return 0.08
        if len(token) == 1:
            return 0.25
        count = self._counts.get(token, 0)
        rarity = 1.0 / (1.0 + math.log1p(count) / math.log1p(_RARE_IN))
        return min(rarity, 0.22) if token in ORDINARY else rarity

    def alike(self, token: str) -> list[tuple[int, float]]:
        """Listed tokens that may be this one, as numbers with how alike they are, 0 to 1."""
        found = self._asked.get(token)
        if found is None:
            if len(self._asked) >= _KEPT_TOKENS_MAX:
                self._asked.clear()
            found = self._asked[token] = self._alike(token)
        return found

    def _alike(self, token: str) -> list[tuple[int, float]]:
        own = self._number.get(token)
        if token in PARTICLES or token in SUFFIXES or len(token) == 1:
            return []
        sound = sound_of(token)
        numbers = {number for key in _left_out(sound) for number in self._by_sound.get(key, ())}
        bones = bones_of(sound)
        if len(bones) >= _BONES_MIN:
            numbers.update(self._by_bones.get(bones, ()))
        if own is not None:
            numbers.add(own)
        near = ((number, similarity(token, self._tokens[number])) for number in numbers)
        return [(number, alike) for number, alike in near if alike >= ALIKE_MIN]

    def candidates(self, tokens: Sequence[str], limit: int) -> list[int]:
        """Places of `names` that share most with these tokens, weighed; best first, at most `limit`."""
        places: list[np.ndarray] = []
        weights: list[np.ndarray] = []
        asked = 0.0
        for token in tokens:
            weight = self.weight(token)
            asked += weight
            for number, alike in self.alike(token):
                posting = self._postings[number]
                places.append(posting)
                weights.append(np.full(len(posting), weight * alike, np.float32))
            if (joined := self._joined.get(token)) is not None:
                places.append(np.array(joined, np.int32))
                weights.append(np.full(len(joined), 2 * weight, np.float32))
        for left, right in pairwise(tokens):
            number = self._number.get(left + right)
            if number is not None:
                posting = self._postings[number]
                places.append(posting)
                weights.append(np.full(len(posting), self.weight(left) + self.weight(right), np.float32))
        if not places:
            return []
        shared = np.bincount(np.concatenate(places), np.concatenate(weights), len(self.names))
        share = shared / (asked + 0.4 * self._totals)
        best = np.flatnonzero(share > 0.42)
        if len(best) > limit:
            best = best[np.argpartition(share[best], -limit)[-limit:]]
        return [int(place) for place in best[np.argsort(-share[best], kind="stable")]]


def similarity(asked: str, listed: str) -> float:
    """How alike two tokens are, 0 to 1: by letters, by sound, by consonants."""
    if asked == listed:
        return 1.0
    sound, other = sound_of(asked), sound_of(listed)
    if sound == other:
        return 0.97
    alike = max(
        OSA.normalized_similarity(asked, listed),
        0.97 * OSA.normalized_similarity(sound, other),
    )
    bones = bones_of(sound)
    if len(bones) >= _BONES_MIN and bones == bones_of(other):
        alike = max(alike, _BONES_ALIKE)
    if asked[0] != listed[0] and sound[:1] != other[:1]:
        alike -= 0.04
    return float(alike)


def _left_out(sound: str) -> set[str]:
    """The sound, and with each letter left out."""
    if len(sound) < 3:
        return {sound}
    return {sound, *(sound[:at] + sound[at + 1 :] for at in range(len(sound)))}
