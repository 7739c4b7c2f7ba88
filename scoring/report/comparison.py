"""Chapters beside other ways to score: champion and shadow models, and simple rules."""

from collections.abc import Iterator

import numpy as np

from scoring.evaluate import average_precision, card_precision, roc_auc
from scoring.report import wording
from scoring.report.chapter import Chapter, Measured, share_of, stopped_by
from scoring.report.curve import saved_minor
from scoring.report.scored import Scored
from scoring.report.tables import Table, table


def compared(measured: Measured) -> Iterator[Chapter]:
    """The other models on the same payments, where there are any."""
    scored = measured.scored
    if not scored.rivals:
        return
    models = {scored.model: (scored.scores, measured.curve)}
    models |= {name: (scores, measured.rivals[name]) for name, scores in scored.rivals.items()}
    everything = measured.everything
    rows = []
    for name, (scores, curve) in models.items():
        declined = curve.above(scored.decline)
        rows.append(
            (
                name,
                wording.number(average_precision(scored.is_fraud, scores)),
                wording.number(roc_auc(scored.is_fraud, scores), 4),
                share_of(curve.allowing(0.001).frauds, everything.frauds),
                share_of(curve.allowing(0.01).frauds, everything.frauds),
                wording.number(card_precision(scored.is_fraud, scores, scored.attempts)),
                share_of(declined.frauds, everything.frauds),
                wording.count(declined.genuine),
                wording.round_money(
                    saved_minor(declined, curve.above(scored.step_up), scored.costs), scored.currency
                ),
            )
        )
    header = (
        "Model", "Average precision", "ROC AUC", "Recall at 0.1 %", "Recall at 1 %", "CP@100", "Recall declined",
        "Genuine declined", "Saved",
    )  # fmt: skip
    yield Chapter(
        "compared",
        "Beside the other models",
        (
            "All models scored the same payments; each declines, and asks for proof, above the same thresholds.",
        ),
        tables=(
            table("Models on the same payments", header, rows, marked=[0]),
            *(_disagreement(scored, name) for name in scored.rivals),
        ),
    )


def _disagreement(scored: Scored, name: str) -> Table:
    threshold = np.float32(scored.decline)
    own, other = scored.scores > threshold, scored.rivals[name] > threshold
    sorts = {
        "both decline": own & other,
        f"only {scored.model}": own & ~other,
        f"only {name}": ~own & other,
        "neither": ~own & ~other,
    }
    rows = []
    for sort, hits in sorts.items():
        stopped = stopped_by(scored, hits)
        rows.append(
            (
                sort,
                wording.count(stopped.frauds),
                wording.round_money(stopped.frauds_minor, scored.currency),
                wording.count(stopped.genuine),
                wording.round_money(stopped.genuine_minor, scored.currency),
            )
        )
    header = ("Decision", "Frauds", "Their money", "Genuine", "Their money")
    return table(f"Where decisions differ from {name}", header, rows)


def against_rules(measured: Measured) -> Iterator[Chapter]:
    """Simple rules on the same payments, where there are any."""
    if not measured.rules:
        return
    scored, everything = measured.scored, measured.everything
    rows = []
    for name, rule in measured.rules.items():
        own = measured.curve.allowing(rule.genuine / everything.genuine)
        rows.append(
            (
                name,
                wording.count(rule.frauds),
                share_of(rule.frauds, everything.frauds),
                share_of(own.frauds, everything.frauds),
                wording.count(rule.genuine),
                share_of(rule.frauds, rule.frauds + rule.genuine),
                share_of(own.frauds, own.frauds + own.genuine),
                wording.round_money(rule.frauds_minor, scored.currency),
                wording.round_money(own.frauds_minor, scored.currency),
            )
        )
    header = (
        "Rule", "Frauds stopped", "Recall", "the model's", "Genuine stopped", "Precision", "the model's",
        "Fraud money", "the model's",
    )  # fmt: skip
    yield Chapter(
        "rules",
        "Beside simple rules",
        (
            "The model's figures are at the threshold where it stops as many genuine payments as the rule does.",
        ),
        tables=(table("Simple rules, and the model at the same false positives", header, rows),),
    )
