"""
Growing trees: the only place where LightGBM's own package is used, and how it is asked.

One thread, rows in order, a seed: the same lesson grows the same trees, byte for byte.
"""

from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple

import lightgbm
import numpy as np

from scoring.features import CATEGORICAL, FEATURE_NAMES
from scoring.forest import parse, walk_kernel

_STOPPING_ROUNDS: Final = 25

_REPRODUCIBLE: Final[dict[str, Any]] = {
    "objective": "binary",
    "metric": "binary_logloss",
    "deterministic": True,
    "force_row_wise": True,
    "num_threads": 1,
    "verbose": -1,
}


class Lesson(NamedTuple):
    """What trees learn from: features f4[n, F], is_fraud bool[n], weights f4[n]."""

    features: np.ndarray
    is_fraud: np.ndarray
    weights: np.ndarray


class Grown(NamedTuple):
    """LightGBM's model text, and how many trees it holds."""

    text: str
    trees: int

    def log_odds(self, features: np.ndarray) -> np.ndarray:
        """The trees' sum f8[n] for features f4[n, F], as a loaded model walks them."""
        forest, _ = parse(self.text.encode(), features.shape[1])
        out = np.empty(len(features), np.float64)
        walk_kernel(np.ascontiguousarray(features), *forest, out)
        return out


def grow(
    lesson: Lesson,
    parameters: Mapping[str, Any],
    rounds: int,
    seed: int,
    *,
    validation: Lesson | None = None,
    progress: Callable[[int], None] | None = None,
) -> Grown:
    """
    Trees from a lesson: `rounds` of them, or fewer where a validation's loss stops falling before that.

    parameters are LightGBM's; what makes a run reproducible is set here. progress(done) counts trees.
    """
    taught = _dataset(lesson, None)
    callbacks: list[Callable[..., Any]] = []
    if validation is not None:
        callbacks.append(lightgbm.early_stopping(_STOPPING_ROUNDS, verbose=False))
    if progress is not None:
        callbacks.append(lambda step: progress(step.iteration + 1))
    booster = lightgbm.train(
        {**parameters, **_REPRODUCIBLE, "seed": seed},
        taught,
        rounds,
        valid_sets=[] if validation is None else [_dataset(validation, taught)],
        callbacks=callbacks,
    )
    count = booster.best_iteration if validation is not None else booster.current_iteration()
    return Grown(booster.model_to_string(num_iteration=count), count)


def _dataset(lesson: Lesson, reference: lightgbm.Dataset | None) -> lightgbm.Dataset:
    return lightgbm.Dataset(
        lesson.features,
        lesson.is_fraud,
        weight=lesson.weights,
        reference=reference,
        feature_name=list(FEATURE_NAMES),
        categorical_feature=list(CATEGORICAL),
    )
