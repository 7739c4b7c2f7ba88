"""
Training: a history through the server's own features, trees, calibration, thresholds, a manifest.

Everything is split by time, and nothing is learnt before its label was known. Of the history's span, what was
known after 5/9 teaches, what became known in the next 1/9 stops the growing, calibrates and sets the thresholds,
the last third measures: between what is learnt and what is measured lies the label delay. A fifth of the cards is
only ever measured, so that the manifest says what such a model does with cards it never met. The model that is
written is then grown once more, as large, on all that is known at the end.

The same files, seed and code give the same model and manifest, byte for byte.
"""

import hashlib
import json
import zlib
from collections.abc import Callable, Mapping
from dataclasses import asdict, replace
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np

from scoring import passage
from scoring.augment import masked_cards, plain_cards
from scoring.calibrate import Calibration, calibrate
from scoring.drift import reference_of, write_reference
from scoring.evaluate import measure
from scoring.features import FEATURE_NAMES
from scoring.grow import Grown, Lesson, grow
from scoring.history import LABEL_DELAY_S, History, HistoryError, read_history
from scoring.manifest import Manifest, write_model
from scoring.model import Model
from scoring.report.examined import examined
from scoring.report.page import write_report
from scoring.thresholds import Costs, Outcome, cheapest

ROUNDS_MAX: Final = 150
_PLAIN_CARDS_MAX, _PLAIN_WEIGHT = 3_000, 0.3
_MASKED_SHARE, _MASKED_WEIGHT = 0.3, 0.3
REPORT_FILE: Final = "report.html"
_LIKE: Final = (
    "These are the figures of the model's like, which was grown on the earlier part of the history alone; the model "
    "itself learnt from all of it."
)
_REFERENCE_ROWS: Final = 200_000
"""About so many rows, spread over the history, say what is normal (`drift`)."""

_FRAUDS_MIN: Final = 10
"""Fewer frauds than this in a part teach nothing, and calibrate nothing."""

PARAMETERS: Final[Mapping[str, Any]] = {
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
}

Progress = Callable[[int, int], None]
_CODE: Final = (
    "attempt", "windows", "pool", "roster", "cells", "seen", "velocity_rows", "velocity_kernel", "velocity", "category",
    "country", "columns", "habits", "places", "patterns", "feature_kernel", "features", "passage", "augment", "grow", "train",
)  # fmt: skip


class Split(NamedTuple):
    """Which rows of a history do what, bool[n] each, and until when what teaches was known."""

    teaches: np.ndarray
    validates: np.ndarray
    measures_known: np.ndarray
    measures_unseen: np.ndarray
    known_until_s: int


class _Seen(NamedTuple):
    """A history with its features f4[n, F] and the weight of its rows."""

    history: History
    features: np.ndarray
    weight: np.ndarray

    def lesson(self, rows: np.ndarray) -> Lesson:
        return Lesson(self.features[rows], self.history.is_fraud[rows], self.weight[rows])


def train(
    data: Path,
    out: Path,
    *,
    customers: Path | None = None,
    seed: int = 1,
    costs: Costs | None = None,
    label_delay_s: int = LABEL_DELAY_S,
    progress: Progress | None = None,
    rounds_max: int = ROUNDS_MAX,
) -> Manifest:
    """
    Trains on a labelled file (`history.read_history`) and writes the model to `out / version`, with its report.

    progress(done, total) is called as features are computed and trees grow. Raises HistoryError where the
    history can't be read or holds too little fraud to learn.
    """
    history = read_history(data, customers, label_delay_s=label_delay_s)
    return train_history(history, out, seed=seed, costs=costs, progress=progress, rounds_max=rounds_max)


def train_history(
    history: History,
    out: Path,
    *,
    seed: int = 1,
    costs: Costs | None = None,
    progress: Progress | None = None,
    rounds_max: int = ROUNDS_MAX,
) -> Manifest:
    """As `train`, of a history that is at hand."""
    if not history.is_labelled:
        raise HistoryError(
            "the history has no labels (column is_fraud or verdict): nothing can be learnt from it"
        )
    if not history.is_fraud.any():
        raise HistoryError("the history holds no fraud: there is nothing to learn")
    costs = costs or Costs()
    split = split_by_time(history)
    report = _Report(progress, rounds_max)
    own, extra = _observed(history, split, seed, report)
    in_time = extra.history.known_s <= split.known_until_s
    measured = grow(
        _joined(own.lesson(split.teaches), extra.lesson(in_time)),
        PARAMETERS,
        rounds_max,
        seed,
        validation=own.lesson(split.validates),
        progress=lambda done: report(1, done),
    )
    log_odds = measured.log_odds(own.features)
    calibration = calibrate(log_odds[split.validates], history.is_fraud[split.validates])
    scores = calibration.scores(log_odds)
    validated = split.validates
    amounts_minor = history.attempts["amount_minor"][validated]
    chosen = cheapest(history.is_fraud[validated], scores[validated], amounts_minor, costs)

    final = grow(
        _joined(*(part.lesson(_told_at_the_end(part.history)) for part in (own, extra))),
        PARAMETERS,
        measured.trees,
        seed,
        progress=lambda done: report(2, done),
    )
    manifest = _manifest(history, split, scores, calibration, (costs, chosen), final, seed)
    folder = out / manifest.version
    folder.mkdir(parents=True, exist_ok=True)
    some = own.features[:: max(len(own.features) // _REFERENCE_ROWS, 1)]
    write_reference(folder, reference_of(some, calibration.scores(final.log_odds(some))))
    _write_report(folder, Model(manifest, measured.text.encode()), own, split, costs)
    write_model(folder, manifest, final.text)
    report(3, 0)
    return manifest


def _write_report(folder: Path, like: Model, own: _Seen, split: Split, costs: Costs) -> None:
    """The page beside a model: what its like made of what it had not seen. Without both classes there is none."""
    history, measured = own.history, split.measures_known | split.measures_unseen
    if not 0 < history.is_fraud[measured].sum() < measured.sum():
        return
    met = np.zeros(len(history.cards), np.bool_)
    met[history.attempts["card_row"][split.teaches]] = True
    scored = examined(
        like,
        history,
        own.features,
        measured,
        data="the last third of the history that it was trained on",
        costs=costs,
        met=met,
        cautions=(_LIKE,),
    )
    write_report(folder / REPORT_FILE, scored)


def split_by_time(history: History) -> Split:
    """Who teaches, stops, and measures. Raises HistoryError where a part holds too little fraud, or nothing else."""
    times_s = history.attempts["time_s"]
    begin_s, end_s = int(times_s[0]), int(times_s[-1]) + 1
    validation_s, measuring_s = (begin_s + (end_s - begin_s) * part // 9 for part in (5, 6))
    known_s = history.known_s
    if history.is_settled:
        # A history too short for its delay is still split, by a gap that leaves something on either side.
        known_s = np.minimum(known_s, times_s + (end_s - begin_s) // 9)
    unseen = np.array([zlib.crc32(card.encode()) % 5 == 0 for card in history.cards])
    met = ~unseen[history.attempts["card_row"]]
    split = Split(
        teaches=met & (known_s <= validation_s),
        validates=met & (known_s > validation_s) & (known_s <= measuring_s),
        measures_known=met & (times_s >= measuring_s),
        measures_unseen=~met & (times_s >= measuring_s),
        known_until_s=validation_s,
    )
    for verb, rows in (("teach", split.teaches), ("validate", split.validates)):
        frauds = int(history.is_fraud[rows].sum())
        if frauds < _FRAUDS_MIN or frauds == rows.sum():
            raise HistoryError(
                f"the rows that {verb} hold {frauds:,} frauds among {int(rows.sum()):,}: at least {_FRAUDS_MIN} are"
                " needed, and genuine ones; the history is too short, or its labels come too late"
            )
    return split


def _told_at_the_end(history: History) -> np.ndarray:
    """What of a history is known at its end, bool[n]: all, or where silence must ripen, what had the time to."""
    if history.is_settled:
        return np.ones(len(history.attempts), np.bool_)
    return (history.verdicts > 0) | (history.known_s <= history.attempts["time_s"][-1])


def _observed(history: History, split: Split, seed: int, report: "_Report") -> tuple[_Seen, _Seen]:
    """The history and what is added to it, each on a passage of its own: the first is the server's, bit for bit."""
    rng = np.random.default_rng(seed)
    cards = len(history.cards)
    met = np.zeros(cards, np.bool_)
    met[history.attempts["card_row"][split.teaches]] = True
    copied = rng.permutation(np.flatnonzero(met))[: max(int(_MASKED_SHARE * cards), 1)]
    source = np.isin(history.attempts["card_row"], copied)
    begin_s, end_s = (int(history.attempts["time_s"][place]) for place in (0, -1))
    plain_count = min(_PLAIN_CARDS_MAX, 2 * cards)
    plain = plain_cards(rng, plain_count, cards, begin_s, end_s)
    plain["account"] = plain["card_row"] + 1
    attempts = np.concatenate([masked_cards(rng, history.attempts[source]), plain])
    order = np.argsort(attempts["time_s"], kind="stable")
    nothing = np.zeros(len(plain), np.uint8)
    extra = history._replace(
        attempts=attempts[order],
        verdicts=np.concatenate([history.verdicts[source], nothing])[order],
        known_s=np.concatenate([history.known_s[source], plain["time_s"] + 1])[order],
        cards=[*history.cards, *("" for _ in range(plain_count))],
        rows=order,
    )
    weight = np.repeat(np.array([_MASKED_WEIGHT, _PLAIN_WEIGHT], np.float32), [int(source.sum()), len(plain)])
    total = len(history.attempts) + len(extra.attempts)
    seen = _Seen(
        history,
        passage.observe(history, lambda done, _: report(0, done / total)),
        np.ones(len(history.attempts), np.float32),
    )
    before = len(history.attempts)
    # Nobody tells them: so the trees meet what a server knows that has no labels yet.
    untold = extra._replace(verdicts=np.zeros_like(extra.verdicts))
    return seen, _Seen(
        extra, passage.observe(untold, lambda done, _: report(0, (before + done) / total)), weight[order]
    )


def _joined(first: Lesson, second: Lesson) -> Lesson:
    return Lesson(*(np.concatenate(pair) for pair in zip(first, second, strict=True)))


def _manifest(
    history: History,
    split: Split,
    scores: np.ndarray,
    calibration: Calibration,
    priced: tuple[Costs, Outcome],
    final: Grown,
    seed: int,
) -> Manifest:
    costs, chosen = priced
    sha256 = hashlib.sha256(final.text.encode()).hexdigest()
    as_of = datetime.fromtimestamp(int(history.attempts["time_s"][-1]), UTC)
    metrics: dict[str, Any] = {}
    for name, rows in (("cards_unseen", split.measures_unseen), ("cards_known", split.measures_known)):
        metrics[name] = measure(
            history.is_fraud[rows], scores[rows], history.attempts[rows], (chosen.step_up, chosen.decline)
        )
    unnamed = Manifest(
        version="",
        as_of=as_of.isoformat(),
        data_fingerprint=history.fingerprint,
        features=FEATURE_NAMES,
        calibration=calibration._asdict(),
        thresholds={"step_up": chosen.step_up, "decline": chosen.decline},
        costs=asdict(costs),
        metrics=metrics,
        training={
            "seed": seed,
            "trees": final.trees,
            "transactions": len(history.attempts),
            "cards": len(history.cards),
            "frauds": int(history.is_fraud.sum()),
            "parameters": dict(PARAMETERS),
        },
        code_version=_code_version(),
        model_sha256=sha256,
    )
    digest = hashlib.sha256(json.dumps(asdict(unnamed)).encode()).hexdigest()
    return replace(unnamed, version=f"{as_of:%Y-%m-%d}-{digest[:8]}")


class _Report:
    """Progress in hundredths of a part: the passage, the trees that are measured, the trees that are written."""

    def __init__(self, progress: Progress | None, rounds_max: int) -> None:
        self._progress = progress
        self._rounds_max = rounds_max

    def __call__(self, part: int, done: float) -> None:
        if self._progress is not None:
            share = done if part == 0 else done / self._rounds_max
            self._progress(100 * part + int(100 * share), 300)


def _code_version() -> str:
    """The package's version, and a digest of the files that decide what a feature is and how trees grow."""
    digest = hashlib.sha256()
    for name in _CODE:
        digest.update((Path(__file__).parent / f"{name}.py").read_bytes())
    return f"{metadata.version('holdfast')}+{digest.hexdigest()[:12]}"
