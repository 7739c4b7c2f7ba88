"""Why a score is what it is: each feature's part in it, and a sentence a cardholder's agent can read out."""

from typing import NamedTuple

import numpy as np

from scoring.features import FEATURE_NAMES
from scoring.model import Model
from scoring.sentences import sentence


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
    added = model.contributions(row)[:-1]
    order = np.argsort(-np.abs(added), kind="stable")[:most]
    return [
        Reason(
            FEATURE_NAMES[index], float(row[index]), float(added[index]), sentence(index, float(row[index]))
        )
        for index in order
        if added[index] != 0.0
    ]
