"""
What the scorer must show, each figure beside its bar: how well it tells fraud on two public histories, how fast it is.

**Handbook.** The protocol of the Fraud Detection Handbook's chapter 3 (see `handbook`); published there: XGBoost
0.639 average precision and 0.273 Card Precision@100, tuned over folds 0.687 and 0.303. The recipe below was tuned
on folds that end before the test week.

**Sparkov.** `holdfast train` as it is: the manifest measures a fifth of the cards, which taught nothing, on the last
third of the history, six months. Beside it what a rule of thumb makes of the same transactions.

**Speed.** Velocity, features and score one after another in this process (see `scoring_speed`), and what the counters
alone take in Redis (see `redis_counters`).

**Memory.** The state of ten million cards (see `scoring_memory`).

**Start.** The model in fresh processes; a server's first request beside the median of the hundred around its
thousandth (see `first_request`).
"""

import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

from loadtest import handbook, scoring_speed
from loadtest.figure import Figure
from loadtest.first_request import first_request
from loadtest.redis_counters import redis_us_per_request
from loadtest.redis_process import RedisMissing
from loadtest.scoring_memory import ten_million
from scoring import passage, registry
from scoring.history import History, read_history
from scoring.report.simple_rules import simple_rules
from scoring.train import split_by_time, train_history

PARTS: Final = ("handbook", "sparkov", "speed", "memory", "start")
HANDBOOK_FILE: Final = "handbook_transactions.parquet"
SPARKOV_FILE: Final = "sparkov_transactions.parquet"
CUSTOMERS_FILE: Final = "sparkov_customers.csv"
_REDIS_REQUESTS: Final = 9_600

PUBLISHED: Final = {
    "XGBoost": {"average_precision": 0.639, "card_precision_at_100": 0.273},
    "XGBoost, tuned over folds": {"average_precision": 0.687, "card_precision_at_100": 0.303},
}


@dataclass(frozen=True)
class Recipe:
    """How trees are grown for a fold: LightGBM's parameters, and how many."""

    parameters: Mapping[str, Any]
    rounds: int


_TREES: Final = {
    "learning_rate": 0.05,
    "lambda_l2": 5.0,
    "feature_fraction": 0.6,
    "bagging_fraction": 0.8,
    "bagging_freq": 1,
    "max_bin": 127,
}
WEEK: Final = Recipe({**_TREES, "num_leaves": 15, "min_data_in_leaf": 20}, 100)
ALL_BEFORE: Final = Recipe({**_TREES, "num_leaves": 31, "min_data_in_leaf": 100}, 200)


@dataclass(frozen=True)
class ScoringOptions:
    """Which parts are measured, where the histories lie, which model is timed (None: the one shipped)."""

    parts: Sequence[str] = PARTS
    data: Path = Path("../shared/data/fraud")
    model: Path | None = None
    seeds: int = 5

    def __post_init__(self) -> None:
        unknown = sorted(set(self.parts) - set(PARTS))
        if unknown or not self.parts:
            raise ValueError(f"parts are {', '.join(PARTS)}, not {', '.join(unknown) or 'none'}")


def scoring_figures(options: ScoringOptions, told: Callable[[str], None]) -> dict[str, Any]:
    """All figures of the parts asked for; `passes` where every bar is met. Raises OSError, HistoryError, ModelError."""
    document: dict[str, Any] = {"figures": [], "details": {}}
    measures = {
        "handbook": _handbook,
        "sparkov": _sparkov,
        "speed": _speed,
        "memory": _memory,
        "start": _start,
    }
    figures: list[Figure] = []
    for part in PARTS:
        if part in options.parts:
            found, details = measures[part](options, told)
            figures += found
            document["figures"] += [{"part": part, **figure.document()} for figure in found]
            document["details"][part] = details
    document["passes"] = all(figure.passes for figure in figures)
    return document


def _handbook(options: ScoringOptions, told: Callable[[str], None]) -> tuple[list[Figure], dict[str, Any]]:
    told("the Handbook's history through the features")
    history = read_history(options.data / HANDBOOK_FILE)
    features = passage.observe(history)
    seeds = range(1, options.seeds + 1)
    told("models of seven days")
    week = handbook.figures(history, features, handbook.fold(history), WEEK.parameters, WEEK.rounds, [*seeds])
    told("models of all days before")
    before = handbook.fold(history, all_before=True)
    whole = handbook.figures(history, features, before, ALL_BEFORE.parameters, ALL_BEFORE.rounds, [*seeds])
    figures = [
        _share("7 days, average precision", week["average_precision"], 0.72),
        _share("7 days, Card Precision@100", week["card_precision_at_100"], 0.305),
        _share("all days before, average precision", whole["average_precision"], 0.75),
    ]
    rules = _rules(history, before.measures)
    return figures, {"published": PUBLISHED, "seven_days": week, "all_before": whole, "rules": rules}


def _sparkov(options: ScoringOptions, told: Callable[[str], None]) -> tuple[list[Figure], dict[str, Any]]:
    told("Sparkov's history through training")
    history = read_history(options.data / SPARKOV_FILE, options.data / CUSTOMERS_FILE)
    with tempfile.TemporaryDirectory(prefix="holdfast-bench-") as folder:
        manifest = train_history(history, Path(folder))
    unseen = manifest.metrics["cards_unseen"]
    figures = [
        _share("unseen cards, average precision", unseen["average_precision"], 0.98),
        _share("unseen cards, recall at FPR 0.1 %", unseen["recall_at_fpr_0.001"], 0.96),
    ]
    rules = _rules(history, split_by_time(history).measures_unseen)
    return figures, {"metrics": manifest.metrics, "trees": manifest.training["trees"], "rules": rules}


def _speed(options: ScoringOptions, told: Callable[[str], None]) -> tuple[list[Figure], dict[str, Any]]:
    told("velocity, features and score in this process")
    found = scoring_speed.speed(options.model or registry.shipped())
    told("the same counters in Redis")
    redis_us, reason = None, ""
    try:
        redis_us = redis_us_per_request(scoring_speed.made_up(_REDIS_REQUESTS))
    except RedisMissing as missing:
        reason = str(missing)
    by_redis = redis_us / found.batch_us if redis_us is not None else None
    figures = [
        Figure("in batches of 32", "us/request", found.batch_us, 15.0, is_floor=False),
        Figure("alone, p99", "us", found.single_us_p99, 150.0, is_floor=False, digits=1),
        Figure("counters in Redis, by ours", "times", by_redis, 10.0, is_floor=True, digits=1, reason=reason),
    ]
    return figures, {**found._asdict(), "redis_us": redis_us}


def _memory(_options: ScoringOptions, told: Callable[[str], None]) -> tuple[list[Figure], dict[str, Any]]:
    told("ten million cards in memory")
    found = ten_million()
    return [
        Figure("10,000,000 cards, an attempt each", "GB", found.once_bytes / 1e9, 6.0, is_floor=False),
        Figure("at ten days a month", "GB", found.habitual_bytes / 1e9, 6.0, is_floor=False),
    ], dict(found._asdict())


def _start(options: ScoringOptions, told: Callable[[str], None]) -> tuple[list[Figure], dict[str, Any]]:
    told("a model in fresh processes")
    load_s = scoring_speed.load_s(options.model or registry.shipped())
    told("a server, started again and again")
    first = first_request()
    return [
        Figure("load and warm-up", "s", load_s, 2.0, is_floor=False),
        Figure(
            "first request, beside the thousandth", "ms", first.first_ms, first.thousandth_ms, is_floor=False
        ),
    ], {"load_s": load_s, **first._asdict()}


def _rules(history: History, measured: np.ndarray) -> dict[str, dict[str, float]]:
    """What rules of thumb make of the measured transactions."""
    is_fraud = history.is_fraud[measured]
    found = {}
    for name, hits in simple_rules(history.attempts[measured]).items():
        caught = int((hits & is_fraud).sum())
        found[name] = {
            "precision": round(caught / max(int(hits.sum()), 1), 4),
            "recall": round(caught / max(int(is_fraud.sum()), 1), 4),
            "false_positive_rate": round(float(hits[~is_fraud].mean()), 5),
        }
    return found


def _share(name: str, value: float, bar: float) -> Figure:
    return Figure(name, "", value, bar, is_floor=True, digits=4)
