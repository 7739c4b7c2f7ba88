"""
Text as a reader sees it: letters folded so that case, accents, spacing, widths and look-alikes make no difference.

Each folded letter knows its place in the text, so that what is found can be cut out of it.
"""

import unicodedata
from collections.abc import Iterator
from typing import Final, NamedTuple

# Cyrillic and Greek letters that look like Latin ones, and digits and signs that stand for letters ("leet").
_LOOKALIKES: Final = dict(
    zip(
        "\u0430\u0431\u0432\u0433\u0434\u0435\u0451\u0437\u0438\u0456\u0457\u0439\u043a\u043c\u043d\u043e\u043f\u0440\u0441\u0442\u0443\u0445\u0441\u0455\u0458\u04bb\u0501\u051b\u051d\u044c\u03b1\u03b2\u03b5\u03b7\u03b9\u03ba\u03bd\u03bf\u03c1\u03c4\u03c5\u03c7\u03c9\u03b301345789@$!|\u20ac",
        "abbrdeezuiiukmhonpctyxcsjhdqwbabehikvoptuxwyoieastbgasiie",
        strict=True,
    )
)
_UNDECOMPOSED: Final = {
    "\u00f8": "o", "\u0142": "l", "\u0111": "d", "\u00f0": "d", "\u00fe": "th", "\u00df": "ss", "\u00e6": "ae", "\u0153": "oe", "\u0131": "i", "\u0127": "h",
    "\u014b": "n", "\u0251": "a", "\u0261": "g", "\u029f": "l",
}  # fmt: skip


class Folded(NamedTuple):
    """Letters and digits alone, each with its place in the text."""

    letters: str
    places: list[int]

    def is_word(self, start: int, end: int, text: str) -> bool:
        """Whether the letters from `start` to `end` are bounded by something else than letters or digits."""
        before = self.places[start] - 1
        after = self.places[end - 1] + 1
        return (before < 0 or not text[before].isalnum()) and (
            after >= len(text) or not text[after].isalnum()
        )


def folded(text: str, *, leet: bool = False) -> Folded:
    """A text's letters; with `leet`, digits and signs are read as the letters that they stand for."""
    if text.isascii() and not leet:
        kept = [place for place, char in enumerate(text) if char.isalnum()]
        return Folded("".join(text[place] for place in kept).lower(), kept)
    letters: list[str] = []
    places: list[int] = []
    for place, char in enumerate(text):
        for letter in _letters(char, leet=leet):
            letters.append(letter)
            places.append(place)
    return Folded("".join(letters), places)


def _letters(char: str, *, leet: bool) -> Iterator[str]:
    if char.isascii():
        low = char.lower()
        if leet and not low.isalpha() and low in _LOOKALIKES:
            yield _LOOKALIKES[low]
        elif low.isalnum():
            yield low
        return
    for part in unicodedata.normalize("NFKD", char).casefold():
        for base in _UNDECOMPOSED.get(part, part):
            seen = _LOOKALIKES.get(base, base) if leet or not base.isascii() else base
            if seen.isdecimal() and not seen.isascii():
                yield str(unicodedata.decimal(seen))
            elif seen.isalnum():
                yield seen
