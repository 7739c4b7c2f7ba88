"""
What limits and rules are called, by the numbers that records carry in place of their names.

A name never loses its number: what was decided under it is explained by it years later.
"""

from collections.abc import Mapping
from typing import Any, Final

import numpy as np
from numba import njit
from numpy.typing import NDArray

Texts = tuple[NDArray[np.uint8], NDArray[np.int64]]
"""Texts as one array of bytes, and where each ends; a number without a text is empty."""

NAME_BYTES_MAX: Final = 40
"""The longest name that an answer has room for."""


def texts_of(names: Mapping[int, str]) -> Texts:
    """The texts of numbers from 0 to the highest, as kernels write them."""
    parts = [names.get(number, "").encode() for number in range(max(names, default=-1) + 1)]
    return np.frombuffer(bytearray(b"".join(parts)), np.uint8), np.cumsum(
        [len(part) for part in parts], dtype=np.int64
    )


@njit(cache=True)
def note_names(intent: Any, decision: Any) -> None:
    """What a decision names of its intent: limits passed, rules hit, reasons of its score."""
    for k in range(len(decision.limits_passed)):
        decision.limits_passed[k] = intent.limits_passed[k]
        decision.rules_hit[k] = intent.rules_hit[k]
        decision.score_reasons[k] = intent.score_reasons[k]


class Names:
    """The names as they stand now; whoever holds this sees them change."""

    def __init__(self) -> None:
        self.revision = -1
        """Grows with every change."""
        self.take({}, {})

    def take(self, limits: Mapping[int, str], rules: Mapping[int, str]) -> None:
        """Take over all names of limits and of rules."""
        self.revision += 1
        self._limits, self._rules = dict(limits), dict(rules)
        self.limit_texts = texts_of(limits)
        self.rule_texts = texts_of(rules)

    def all(self) -> tuple[dict[int, str], dict[int, str]]:
        """The names of limits and of rules, by their numbers."""
        return self._limits, self._rules

    def limits(self, numbers: Any) -> list[str]:
        """Names of limits, in order; 0 is none."""
        return [self._limits.get(number, f"limit {number}") for number in numbers.tolist() if number]

    def rules(self, numbers: Any) -> list[str]:
        """Names of rules, in order; 0 is none."""
        return [self._rules.get(number, f"rule {number}") for number in numbers.tolist() if number]
