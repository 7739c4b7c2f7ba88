"""Probabilities out of log-odds: two numbers fitted on data that the trees weren't grown on."""

from typing import NamedTuple

import numpy as np

from scoring.model import probability


class Calibration(NamedTuple):
    """The score is 1 / (1 + exp(-(slope * log-odds + intercept)))."""

    slope: float
    intercept: float

    def scores(self, log_odds: np.ndarray) -> np.ndarray:
        """The probabilities f4[n] of log-odds f8[n], as `model` computes them."""
        return probability(self.slope * log_odds + self.intercept).astype(np.float32)


def calibrate(log_odds: np.ndarray, is_fraud: np.ndarray) -> Calibration:
    """
    What makes log-odds f8[n] the probabilities that labels bool[n] show: Platt scaling (1999) by Newton's
    method, held near the identity where there is little fraud to say otherwise.
    """
    design = np.column_stack([log_odds, np.ones_like(log_odds)])
    fitted = np.array([1.0, 0.0])
    for _ in range(25):
        expected = probability(design @ fitted)
        gradient = design.T @ (expected - is_fraud) + (fitted - [1.0, 0.0])
        curvature = (design * (expected * (1.0 - expected))[:, None]).T @ design + np.eye(2)
        fitted = fitted - np.linalg.solve(curvature, gradient)
    return Calibration(round(float(fitted[0]), 6), round(float(fitted[1]), 6))
