"""
The model: scores by a walk down LightGBM's trees, and what each feature adds to them.

LightGBM's library is not needed: the walk computes its very sums, and the contributions are its own but for
the last bits (see `forest` and `shapley`). With 200 trees the library's single-row call took 12 us a row, in
batches of 32 too, and the walk 2 us.
"""

from pathlib import Path

import numpy as np

from scoring.features import FEATURES
from scoring.forest import parse, walk_kernel
from scoring.manifest import Manifest, read_model
from scoring.shapley import contributions_kernel, paths


class Model:
    """A loaded model. It never changes, and may be called from any thread."""

    def __init__(self, manifest: Manifest, text: bytes) -> None:
        """Takes a verified model text; `load` is the way to one. Raises ModelError where it isn't a model."""
        self.manifest = manifest
        self._slope = manifest.calibration["slope"]
        self._intercept = manifest.calibration["intercept"]
        self._forest, covers = parse(text, len(FEATURES))
        self._paths = paths(self._forest, covers)

    @classmethod
    def load(cls, directory: Path) -> "Model":
        """Loads the model in a folder, verified against its manifest. Raises ModelError, saying why not."""
        return cls(*read_model(directory))

    @property
    def version(self) -> str:
        """What the manifest calls this model."""
        return self.manifest.version

    def score(self, features: np.ndarray) -> np.ndarray:
        """The probability of fraud f4[n], 0..1, of features f4[n, len(FEATURES)]."""
        return probability(self._slope * self.log_odds(features) + self._intercept).astype(np.float32)

    def log_odds(self, features: np.ndarray) -> np.ndarray:
        """The trees' sum f8[n], before calibration."""
        out = np.empty(len(features), np.float64)
        walk_kernel(_rows(features), *self._forest, out)
        return out

    def contributions(self, features: np.ndarray) -> np.ndarray:
        """
        What each feature of rows f4[n, len(FEATURES)] adds to the calibrated log-odds: f8[n, features + 1],
        last what the model says of nobody in particular. A row's sum is its score's log-odds.

        These are SHAP values of the trees (Lundberg et al., 2018), as LightGBM's `pred_contrib` gives them.
        """
        out = np.empty((len(features), len(FEATURES) + 1), np.float64)
        contributions_kernel(_rows(features), self._forest, self._paths, out)
        out *= self._slope
        out[:, -1] += self._intercept
        return out

    def warm_up(self) -> None:
        """Compiles the kernels, or loads them from Numba's cache."""
        nobody = np.full((1, len(FEATURES)), np.nan, np.float32)
        self.score(nobody)
        self.contributions(nobody)


def _rows(features: np.ndarray) -> np.ndarray:
    rows = np.ascontiguousarray(features, np.float32)
    assert rows.ndim == 2
    assert rows.shape[1] == len(FEATURES)
    return rows


def probability(log_odds: np.ndarray) -> np.ndarray:
    """The probability of log-odds, elementwise, without overflow at either end."""
    return 0.5 * (1.0 + np.tanh(0.5 * log_odds))
