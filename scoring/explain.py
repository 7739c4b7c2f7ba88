"""
Why a score is what it is: each feature's part in it, in sentences, and reason codes for a decline.

A reason code stands for a family of features. Its part is the sum of its features' parts, so that three
features that tell the same story count as one reason, and one that speaks against it counts too.
"""

import math
from typing import Final, NamedTuple

import numpy as np
from numba import njit

from scoring.features import FEATURE_NAMES
from scoring.model import Model
from scoring.reason_codes import ReasonCode
from scoring.sentences import code, sentence

REASONS_MAX: Final = 4
_FAMILIES: Final = np.array([code(index) for index in range(len(FEATURE_NAMES))], np.uint8)
_CODES_END: Final = max(ReasonCode) + 1


class Reason(NamedTuple):
    """
    One feature's part in a score: its value (NaN = missing), what it adds to the calibrated log-odds,
    and a sentence.
    """

    feature: str
    value: float
    contribution: float
    text: str


def explain(model: Model, row: np.ndarray, *, most: int = len(FEATURE_NAMES)) -> list[Reason]:
    """
    The `most` features of one row f4[features] that move its score most, the largest part first, whether
    it speaks for fraud (above zero) or against. Features that add nothing are left out.
    """
    added = model.contributions(row[None])[0, :-1]
    order = np.argsort(-np.abs(added), kind="stable")[:most]
    return [
        Reason(
            FEATURE_NAMES[index], float(row[index]), float(added[index]), sentence(index, float(row[index]))
        )
        for index in order
        if added[index] != 0.0
    ]


def base(model: Model, row: np.ndarray) -> Reason:
    """What a score starts from. With it all reasons of a row add up to the score's log-odds."""
    start = float(model.contributions(row[None])[0, -1])
    return Reason(
        "base", math.nan, start, "Where every score of this model starts: its mean over what it learnt from."
    )


def reason_codes(model: Model, row: np.ndarray, *, most: int = REASONS_MAX) -> list[str]:
    """The families that push the score of one row f4[features] up most, the largest part first."""
    numbers = np.empty((1, most), np.uint8)
    reason_numbers(model, row[None], numbers)
    return [ReasonCode(number).name for number in numbers[0].tolist() if number]


def reason_numbers(model: Model, features: np.ndarray, out: np.ndarray) -> None:
    """Writes the ReasonCode numbers u1[n, most] of rows f4[n, features], as `reason_codes`; 0 where none is left."""
    # A column of a structured array is strided: as it is, Numba would compile the kernel for it again.
    numbers = np.empty(out.shape, np.uint8)
    reasons_kernel(model.contributions(features), _FAMILIES, _CODES_END, numbers)
    out[...] = numbers


@njit(cache=True)
def reasons_kernel(added: np.ndarray, families: np.ndarray, codes_end: int, out: np.ndarray) -> None:
    """For contributions f8[n, features + 1] and each feature's family u1[features]: see `reason_numbers`."""
    parts = np.empty(codes_end)
    for index in range(len(added)):
        parts[:] = 0.0
        for feature in range(len(families)):
            parts[families[feature]] += added[index, feature]
        for place in range(out.shape[1]):
            largest = np.argmax(parts)
            out[index, place] = largest if parts[largest] > 0.0 else 0
            parts[largest] = 0.0
