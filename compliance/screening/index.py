"""
Listed names by token, by sound and by letters left out.

A token that is asked for finds listed ones whose sound is equal, differs by one or two letters (both sides with one letter
left out: Garbe's symmetric delete), or whose consonants are equal. Postings are CSR: `starts` int64[tokens + 1],
`names` int32[postings]. Tokens weigh by rarity: 1 the rarest, towards 0.2 those of many names.
"""

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from typing import Any, Final

import numpy as np
from rapidfuzz import process
from rapidfuzz.distance import OSA

from compliance.screening.entries import Edition, ListEntry, Name
from compliance.screening.words import (
    FREQUENT,
    ORDINARY,
    PARTICLES,
    SUFFIXES,
    TITLES,
    bones_of,
    sound_of,
    tokens_of,
)

ALIKE_MIN: Final = 0.6
"""Tokens less alike than this are two."""
_BONES_MIN: Final = 3
_BONES_ALIKE: Final = 0.86
_KEPT_TOKENS_MAX: Final = 100_000
_LEFT_OUT_MIN: Final = 4
_SCANNED: Final = 0.93  # a scanner took m for rn
_SLIP: Final = 0.8
_TELLS: Final = 0.1  # tokens that weigh less find nobody
_SHARE_MIN: Final = 0.57
_SHARE_SCALE: Final = 1.4
_KEPT_PLACES_MAX: Final = 4_000_000
_PLACES_OF_ENTRY: Final = 40  # what keeping a token costs beside them
_LONG_BINDING: Final = tuple(sorted(word for word in PARTICLES | TITLES if len(word) >= 5))
_FREQUENT: Final = 0.44  # of a name that very many people bear
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
                split += [
                    (number, entry, name, tokens)
                    for name in entry.names
                    if (tokens := tuple(tokens_of(name.text)))
                ]
        postings: dict[str, list[int]] = defaultdict(list)
        self._joined: dict[str, list[int]] = defaultdict(list)
        self._whole: dict[str, list[int]] = defaultdict(list)
        for place, (_, _, _, tokens) in enumerate(split):
            for token in set(tokens):
                postings[token].append(place)
            self._whole["".join(tokens)].append(place)
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
        self._costs = np.array([0.4 * listed.total for listed in self.names])
        self._by_sound: dict[str, list[str]] = defaultdict(list)
        self._by_bones: dict[str, list[str]] = defaultdict(list)
        self._by_tail: dict[str, list[str]] = defaultdict(list)
        self._buckets: dict[str, list[str]] = defaultdict(list)
        for token in self._tokens:
            if token in PARTICLES or len(token) == 1:
                continue
            sound = sound_of(token)
            for key in _left_out(sound):
                self._by_sound[key].append(token)
            bones = bones_of(sound)
            if len(bones) >= _BONES_MIN:
                self._by_bones[bones].append(token)
            self._by_tail[token[1:]].append(token)
            self._buckets[token[0]].append(token)
        self.by_identifier: dict[str, list[int]] = defaultdict(list)
        for place, listed in enumerate(self.names):
            for identifier in listed.entry.identifiers:
                self.by_identifier[identifier].append(place)
        self._asked: dict[str, Mapping[str, float]] = {}
        self._kept: dict[str, tuple[Any, Any]] = {}
        self._kept_places = 0

    def telling(self, tokens: Sequence[str]) -> Sequence[str]:
        """Tokens without what is no listed word, but a title or a particle with one letter wrong."""
        return [t for t in tokens if t in self._number or not _is_slip_of_binding(t)] or tokens

    def weight(self, token: str) -> float:
        """How much a token tells, 0.05 to 1."""
        if token in SUFFIXES:
            return 0.05
        if token in PARTICLES:
            return 0.08
        if len(token) == 1:
            return 0.25
        count = self._counts.get(token, 0)
        if not count and len(token) <= 3:
            return 0.5  # too short to tell much by not being listed
        rarity = 1.0 / (1.0 + math.log1p(count) / math.log1p(_RARE_IN))
        if token in FREQUENT:
            return min(rarity, _FREQUENT)
        return min(rarity, 0.22) if token in ORDINARY else rarity

    def alike(self, token: str) -> Mapping[str, float]:
        """Listed tokens that may be this one, with how alike they are, 0 to 1. Bounded work; asked again, it is kept."""
        found = self._asked.get(token)
        if found is None:
            if len(self._asked) >= _KEPT_TOKENS_MAX:
                self._asked.clear()
            found = self._asked[token] = self._alike(token)
        return found

    def _alike(self, token: str) -> Mapping[str, float]:
        if token in PARTICLES or token in SUFFIXES or len(token) == 1:
            return {token: 1.0} if token in self._number else {}
        sound = sound_of(token)
        near = {other for key in _left_out(sound) for other in self._by_sound.get(key, ())}
        bones = bones_of(sound)
        if len(bones) >= _BONES_MIN:
            near.update(self._by_bones.get(bones, ()))
        near.update(self._by_tail.get(token, ()))
        near.update(self._by_tail.get(token[1:], ()))
        if token in self._number:
            near.add(token)
        else:  # two letters wrong: those of the same first letter, all at once, in C
            bucket = self._buckets.get(token[0], [])
            if bucket:
                cut = process.cdist(
                    [token], bucket, scorer=OSA.normalized_similarity, score_cutoff=0.62, dtype=np.float32
                )
                near.update(bucket[at] for at in np.flatnonzero(cut[0]))
            read = token.replace("rn", "m")
            if read in self._number:
                near.add(read)
            swapped = token[1] + token[0] + token[2:]
            if swapped in self._number:
                near.add(swapped)
        measured: Iterable[tuple[str, float]] = ((other, similarity(token, other)) for other in near)
        if token not in self._number and len(token) > 2:
            # No listed name is spelled so: one letter off is likelier a slip than another name.
            measured = (
                (other, max(alike, _SLIP) if OSA.distance(token, other, score_cutoff=1) == 1 else alike)
                for other, alike in measured
            )
        return {other: alike for other, alike in measured if alike >= ALIKE_MIN}

    def candidates(self, tokens: Sequence[str], weights: Sequence[float], limit: int) -> list[int]:
        """Places of `names` that share most with these tokens, weighed; best first, at most `limit`."""
        places: list[Any] = []
        shares: list[Any] = []
        for at, token in enumerate(tokens):
            if weights[at] >= _TELLS:
                posted, alike = self._posted(token)
                places.append(posted)
                shares.append(weights[at] * alike)
            if at and (number := self._number.get(tokens[at - 1] + token)) is not None:
                places.append(self._postings[number])
                shares.append(np.full(len(places[-1]), weights[at - 1] + weights[at]))
        total = sum(weights)
        if (same := self._whole.get("".join(tokens))) is not None:  # spaces apart
            places.append(np.array(same, np.int32))
            shares.append(np.full(len(same), 2 * total))
        if not places:
            return []
        shared = np.bincount(np.concatenate(places), np.concatenate(shares), len(self.names))
        best = np.flatnonzero(shared > _SHARE_MIN / _SHARE_SCALE * total)
        share = _SHARE_SCALE * shared[best] / (total + self._costs[best])
        enough = share > _SHARE_MIN
        best, share = best[enough], share[enough]
        if len(best) > limit:
            top = np.argpartition(share, -limit)[-limit:]
            best, share = best[top], share[top]
        return [int(place) for place in best[np.argsort(-share, kind="stable")]]

    def _posted(self, token: str) -> tuple[Any, Any]:
        """Places of the names that hold a token like this one, int32, and how alike it is in each, float64; kept."""
        found = self._kept.get(token)
        if found is None:
            alike = self.alike(token)
            postings = [self._postings[self._number[other]] for other in alike]
            likenesses = list(alike.values())
            if token in self._joined:
                postings.append(np.array(self._joined[token], np.int32))
                likenesses.append(2.0)
            if postings:
                found = np.concatenate(postings), np.repeat(likenesses, [len(each) for each in postings])
            else:
                found = np.empty(0, np.int32), np.empty(0)
            self._kept_places += len(found[0]) + _PLACES_OF_ENTRY
            if self._kept_places > _KEPT_PLACES_MAX:
                self._kept.clear()
                self._kept_places = len(found[0]) + _PLACES_OF_ENTRY
            self._kept[token] = found
        return found


@lru_cache(maxsize=200_000)
def similarity(asked: str, listed: str) -> float:
    """How alike two tokens are, 0 to 1: by letters, by sound, by consonants."""
    if asked == listed:
        return 1.0
    letters = float(OSA.normalized_similarity(asked, listed))
    sound, other = sound_of(asked), sound_of(listed)
    is_short = max(len(asked), len(listed)) <= 3
    if sound == other:
        return max(letters, min(0.88 if is_short else 0.97, letters + 0.25))
    alike = max(letters, min(0.9, (letters + float(OSA.normalized_similarity(sound, other))) / 2 + 0.05))
    if "rn" in asked and asked.replace("rn", "m") == listed:
        return _SCANNED
    bones = bones_of(sound)
    if len(bones) >= _BONES_MIN and bones == bones_of(other):
        # Written without its vowels, as Arabic is; else only the vowels differ.
        alike = max(alike, _BONES_ALIKE if bones == sound else min(_BONES_ALIKE, letters + 0.17))
    return alike


@lru_cache(maxsize=200_000)
def _is_slip_of_binding(token: str) -> bool:
    """Whether it is a title or a particle but for one letter, such as colnel."""
    return any(OSA.distance(token, word, score_cutoff=1) <= 1 for word in _LONG_BINDING)


def _left_out(sound: str) -> set[str]:
    """The sound, and with each letter left out."""
    if len(sound) < _LEFT_OUT_MIN:
        return {sound}
    return {sound, *(sound[:at] + sound[at + 1 :] for at in range(len(sound)))}
