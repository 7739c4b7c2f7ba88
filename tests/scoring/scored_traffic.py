"""Scored histories made from a seed: one with the least that a report needs, one with all that it can show."""

from dataclasses import replace

import numpy as np

from scoring.attempt import empty_attempts
from scoring.explain import Reason
from scoring.report.scored import Grouping, Scored, Why
from scoring.thresholds import Costs

COSTS = Costs(0.9, 1_500, 2_000, 0.02, 500, 0.1)


def made(count=4_000, seed=3, **changes):
    """A scored history of five weeks, half of its scores tied to hundredths."""
    rng = np.random.default_rng(seed)
    attempts = empty_attempts(count)
    attempts["time_s"] = 1_730_073_600 + np.sort(rng.integers(0, 35 * 86_400, count))
    attempts["local_time_s"] = attempts["time_s"]
    attempts["card_row"] = rng.integers(0, 60, count)
    attempts["merchant"] = rng.integers(1, 9, count)
    attempts["category"] = 5411
    is_fraud = rng.random(count) < 0.05
    attempts["amount_minor"] = np.where(
        is_fraud, rng.gamma(3, 20_000, count), rng.gamma(1.2, 5_000, count)
    ).astype(np.int64)
    log_odds = np.where(is_fraud, rng.normal(1.5, 2.5, count), rng.normal(-5, 2, count))
    scores = (1 / (1 + np.exp(-log_odds))).astype(np.float32)
    scores[::2] = np.round(scores[::2], 2)
    given = {
        "model": "2026-11-21-0123abcd",
        "data": "made.parquet",
        "attempts": attempts,
        "cards": [f"400000000000{card:04}" for card in range(60)],
        "is_fraud": is_fraud,
        "scores": scores,
        "step_up": 0.65,
        "decline": 0.85,
        "costs": COSTS,
        **changes,
    }
    return Scored(**given)


def laden(text=""):
    """A scored history with everything that a report can show, `text` in all that is text."""
    plain = made()
    count = len(plain.attempts)
    rng = np.random.default_rng(5)
    reasons = [Reason("amount", 1.0, 2.0, f"High.{text}"), Reason("hour", 3.0, -1.0, "By day.")]

    def grouping(title, *labels):
        return Grouping(title + text, tuple(label + text for label in labels), rng.integers(-1, 2, count))

    return replace(
        plain,
        model=plain.model + text,
        data=plain.data + text,
        cards=[card + text for card in plain.cards],
        rivals={f"champion{text}": plain.scores[::-1].copy()},
        rules={f"rule{text}": plain.attempts["amount_minor"] > 22_000},
        scenarios=grouping("Scenario", "stolen", "leaked"),
        parts=(grouping("Cards", "met", "new"),),
        fairness=(grouping("Age band", "young", "old"), grouping("Region", "here", "there")),
        elapsed_us=np.repeat(rng.gamma(5, 1, count // 32 + 1), 32)[:count],
        why=Why(lambda _, most: reasons[:most], ("amount", "hour"), (f"how much{text}", "when")),
        merchants={number: f"Shop {number}{text}" for number in range(9)},
        cautions=(f"Mind.{text}",),
        facts={f"Fact{text}": f"Value{text}"},
    )
