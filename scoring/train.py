"""
Training: one pass of the server's own features over a history, trees, calibration, a manifest.

The split is by time and by card. Of the history's span the first 5/9 teach, the next 1/9 stops the
training and calibrates, the last third measures; a fifth of the cards is only ever measured, so that the
manifest says what the model does with cards it never met. The same files and seed give the same model,
byte for byte.
"""

import hashlib
import zlib
from collections.abc import Callable
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any, Final, NamedTuple

import lightgbm
import numpy as np

from scoring.augment import masked_cards, plain_cards
from scoring.evaluate import DECLINE, STEP_UP, measure
from scoring.features import CATEGORICAL, FEATURE_NAMES, Features
from scoring.history import History, HistoryError, read_history
from scoring.manifest import Manifest, write_model
from scoring.model import probability

ROUNDS_MAX: Final = 200
_STOPPING_ROUNDS = 25
_PLAIN_CARDS_MAX, _PLAIN_WEIGHT = 3_000, 0.3
_MASKED_SHARE, _MASKED_WEIGHT = 0.3, 0.3
_OBSERVED_AT_ONCE = 100_000

_PARAMETERS: Final[dict[str, Any]] = {
    "objective": "binary",
    "metric": "binary_logloss",
    "learning_rate": 0.1,
    "num_leaves": 31,
    # Shallow trees are walked faster, and score as well.
    "max_depth": 6,
    "min_data_in_leaf": 50,
    "lambda_l2": 5.0,
    "feature_fraction": 0.8,
    "bagging_fraction": 0.8,
    "bagging_freq": 1,
    "max_bin": 127,
    "deterministic": True,
    "force_row_wise": True,
    "num_threads": 1,
    "verbose": -1,
}

Progress = Callable[[int, int], None]


class _Lesson(NamedTuple):
    """Everything the trees see: features f4[n, F], labels, weights f4[n], and who is in which part."""

    features: np.ndarray
    is_fraud: np.ndarray
    weights: np.ndarray
    teaches: np.ndarray
    validates: np.ndarray
    measures_known: np.ndarray
    measures_unseen: np.ndarray


def train(
    data: Path,
    out: Path,
    *,
    customers: Path | None = None,
    seed: int = 1,
    progress: Progress | None = None,
    rounds_max: int = ROUNDS_MAX,
    created: str | None = None,
) -> Manifest:
    """
    Trains on a labelled history (`history.read_history`) and writes the model to `out / version`.

    progress(done, total) is called as features are computed and trees grow. `created` (ISO 8601) is now
    unless given. Raises HistoryError where the history can't be read or holds too little fraud to learn.
    """
    history = read_history(data, customers)
    steps = -(-len(history.attempts) // _OBSERVED_AT_ONCE)
    report = progress or _unheard
    lesson = _lesson(history, seed, lambda done: report(min(done, steps), steps + rounds_max))
    booster = _grow(lesson, seed, rounds_max, lambda done: report(steps + done, steps + rounds_max))
    text = booster.model_to_string(num_iteration=booster.best_iteration)
    log_odds = np.asarray(
        booster.predict(lesson.features, raw_score=True, num_iteration=booster.best_iteration)
    )
    slope, intercept = _calibrate(log_odds[lesson.validates], lesson.is_fraud[lesson.validates])
    scores = probability(slope * log_odds + intercept).astype(np.float32)
    created = created or datetime.now(UTC).isoformat(timespec="seconds")
    sha256 = hashlib.sha256(text.encode()).hexdigest()
    manifest = Manifest(
        version=f"{created[:10]}-{sha256[:8]}",
        created=created,
        data_fingerprint=history.fingerprint,
        features=FEATURE_NAMES,
        calibration={"slope": slope, "intercept": intercept},
        thresholds={"step_up": STEP_UP, "decline": DECLINE},
        metrics={
            "cards_unseen": measure(lesson.is_fraud[lesson.measures_unseen], scores[lesson.measures_unseen]),
            "cards_known": measure(lesson.is_fraud[lesson.measures_known], scores[lesson.measures_known]),
        },
        training={"seed": seed, "trees": booster.best_iteration, "parameters": _PARAMETERS},
        code_version=_code_version(),
        model_sha256=sha256,
    )
    write_model(out / manifest.version, manifest, text)
    report(steps + rounds_max, steps + rounds_max)
    return manifest


def _unheard(done: int, total: int) -> None:
    """Progress that nobody asked for."""


def _lesson(history: History, seed: int, progress: Callable[[int], None]) -> _Lesson:
    """The history with plain and masked cards among it, observed in one pass in time order."""
    rng = np.random.default_rng(seed)
    own, cards = history.attempts, len(history.cards)
    if not history.is_fraud.any():
        raise HistoryError("the history holds no fraud: there is nothing to learn")
    begin_s, end_s = int(own["time_s"][0]), int(own["time_s"][-1]) + 1
    validation_s, measuring_s = (begin_s + (end_s - begin_s) * part // 9 for part in (5, 6))
    unseen = np.array([zlib.crc32(card.encode()) % 5 == 0 for card in history.cards])
    masked_rows = rng.permutation(np.flatnonzero(~unseen))[: max(int(_MASKED_SHARE * cards), 1)]
    source = np.isin(own["card_row"], masked_rows) & (own["time_s"] < validation_s)
    masked = masked_cards(rng, own[source])
    masked["card_row"] += cards
    plain_count = min(_PLAIN_CARDS_MAX, 2 * cards)
    plain = plain_cards(rng, plain_count, 2 * cards, begin_s, validation_s)

    attempts = np.concatenate([own, masked, plain])
    is_fraud = np.concatenate([history.is_fraud, history.is_fraud[source], np.zeros(len(plain), np.bool_)])
    weights = np.repeat(
        np.array([1.0, _MASKED_WEIGHT, _PLAIN_WEIGHT], np.float32), [len(own), len(masked), len(plain)]
    )
    order = np.argsort(attempts["time_s"], kind="stable")
    attempts, is_fraud, weights, real = attempts[order], is_fraud[order], weights[order], order < len(own)

    state = Features(2 * cards + plain_count)
    parts = range(0, len(attempts), _OBSERVED_AT_ONCE)
    features = np.empty((len(attempts), len(FEATURE_NAMES)), np.float32)
    for done, first in enumerate(parts):
        features[first : first + _OBSERVED_AT_ONCE] = state.observe(
            attempts[first : first + _OBSERVED_AT_ONCE]
        )
        progress(done + 1)
    met = ~np.append(unseen, np.zeros(cards + plain_count, np.bool_))[attempts["card_row"]]
    times_s = attempts["time_s"]
    return _Lesson(
        features,
        is_fraud,
        weights,
        teaches=met & ((times_s < validation_s) | ~real),
        validates=met & real & (times_s >= validation_s) & (times_s < measuring_s),
        measures_known=met & real & (times_s >= measuring_s),
        measures_unseen=~met & (times_s >= measuring_s),
    )


def _grow(lesson: _Lesson, seed: int, rounds_max: int, progress: Callable[[int], None]) -> lightgbm.Booster:
    for part in (lesson.teaches, lesson.validates):
        if not lesson.is_fraud[part].any() or lesson.is_fraud[part].all():
            raise HistoryError(
                "a part of the history holds no fraud, or nothing else: it is too short to learn"
            )
    taught = lightgbm.Dataset(
        lesson.features[lesson.teaches],
        lesson.is_fraud[lesson.teaches],
        weight=lesson.weights[lesson.teaches],
        feature_name=list(FEATURE_NAMES),
        categorical_feature=list(CATEGORICAL),
    )
    validation = lightgbm.Dataset(
        lesson.features[lesson.validates], lesson.is_fraud[lesson.validates], reference=taught
    )
    return lightgbm.train(
        {**_PARAMETERS, "seed": seed},
        taught,
        rounds_max,
        valid_sets=[validation],
        callbacks=[
            lightgbm.early_stopping(_STOPPING_ROUNDS, verbose=False),
            lambda step: progress(step.iteration + 1),
        ],
    )


def _calibrate(log_odds: np.ndarray, is_fraud: np.ndarray) -> tuple[float, float]:
    """
    Slope and intercept that make the log-odds probabilities on data the trees weren't grown on: Platt
    scaling (1999) by Newton's method, held near the identity where there is little fraud to say otherwise.
    """
    design = np.column_stack([log_odds, np.ones_like(log_odds)])
    fitted = np.array([1.0, 0.0])
    for _ in range(25):
        expected = probability(design @ fitted)
        gradient = design.T @ (expected - is_fraud) + (fitted - [1.0, 0.0])
        curvature = (design * (expected * (1.0 - expected))[:, None]).T @ design + np.eye(2)
        fitted = fitted - np.linalg.solve(curvature, gradient)
    return round(float(fitted[0]), 6), round(float(fitted[1]), 6)


def _code_version() -> str:
    """The package's version, and a digest of the files that decide what a feature is."""
    digest = hashlib.sha256()
    for name in ("attempt", "windows", "category", "feature_kernel", "features"):
        digest.update((Path(__file__).parent / f"{name}.py").read_bytes())
    return f"{metadata.version('holdfast')}+{digest.hexdigest()[:12]}"
