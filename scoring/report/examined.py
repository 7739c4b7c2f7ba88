"""What a model made of a history, as a report takes it."""

import time
from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np

from scoring.explain import Reason, explain
from scoring.features import FEATURES
from scoring.history import History
from scoring.model import Model
from scoring.report import groupings
from scoring.report.scored import UNTOLD, Currency, Grouping, ReportError, Scored, Why
from scoring.report.simple_rules import simple_rules
from scoring.thresholds import Costs

_LEARNT: Final = "The model learnt from this very history: the figures flatter it."
_BATCH: Final = 32
"""So many transactions are scored at once, and timed: a batch of the server's under load."""


def examined(
    model: Model,
    history: History,
    features: np.ndarray,
    measured: np.ndarray,
    *,
    data: str,
    costs: Costs,
    currency: Currency = UNTOLD,
    rivals: Sequence[Model] = (),
    met: np.ndarray | None = None,
    timed: bool = False,
    cautions: tuple[str, ...] = (),
    facts: Mapping[str, str] | None = None,
) -> Scored:
    """
    A history, of which `measured` bool[n] is reported, with its features f4[n, F], under a model.

    data names it. rivals score the same features; met says of each card row whether the model learnt from it;
    timed: scores are measured batch by batch, so that two reports of one history differ. Raises ReportError
    where the history has no labels, or what is measured not both fraud and genuine payments.
    """
    if not history.is_labelled:
        raise ReportError("the history has no labels: there is nothing to report")
    for rival in rivals:
        if rival.version == model.version:
            raise ReportError(f"{model.version} can't stand beside itself")
    rows = np.flatnonzero(measured)
    attempts, seen = history.attempts[rows], features[rows]
    scores, elapsed_us = _timed(model, seen) if timed else (model.score(seen), None)
    card_rows = attempts["card_row"]

    def reasons(row: int, most: int) -> list[Reason]:
        return explain(model, seen[row], most=most)

    manifest = model.manifest
    learnt = history.fingerprint == manifest.data_fingerprint
    people: list[Grouping] = []
    if history.born:
        people.append(groupings.age_bands(history.born, card_rows, attempts["time_s"]))
    if history.regions:
        people.append(groupings.regions(history.regions, card_rows))
    kinds = None if history.scenarios is None else groupings.scenarios(history.scenarios[rows])
    return Scored(
        model=model.version,
        data=data,
        attempts=attempts,
        cards=history.cards,
        is_fraud=history.is_fraud[rows],
        scores=scores,
        step_up=float(manifest.thresholds["step_up"]),
        decline=float(manifest.thresholds["decline"]),
        costs=costs,
        currency=currency,
        rivals={rival.version: rival.score(seen) for rival in rivals},
        rules=simple_rules(attempts),
        scenarios=kinds if kinds and kinds.labels else None,
        parts=() if met is None else (groupings.cards_met(met, card_rows),),
        fairness=tuple(grouping for grouping in people if grouping.codes.max(initial=-1) >= 0),
        elapsed_us=elapsed_us,
        why=Why(
            reasons,
            tuple(feature.name for feature in FEATURES),
            tuple(feature.meaning for feature in FEATURES),
        ),
        cautions=cautions if met is not None or not learnt else (*cautions, _LEARNT),
        facts={
            "Data, SHA-256": history.fingerprint,
            "The model learnt from, SHA-256": manifest.data_fingerprint,
            "Its features were computed by": manifest.code_version,
            "Its text, SHA-256": manifest.model_sha256,
            **(facts or {}),
        },
    )


def _timed(model: Model, features: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Scores f4[n], and microseconds a transaction f4[n] in the batch that it came in."""
    scores, elapsed_us = (np.empty(len(features), np.float32) for _ in range(2))
    for first in range(0, len(features), _BATCH):
        batch = slice(first, first + _BATCH)
        begun_ns = time.perf_counter_ns()
        scores[batch] = model.score(features[batch])
        elapsed_us[batch] = (time.perf_counter_ns() - begun_ns) / 1_000 / len(scores[batch])
    return scores, elapsed_us
