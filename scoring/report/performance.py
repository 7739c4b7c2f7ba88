"""Chapters on how well scores tell fraud, whether they mean what they say, and what that saves."""

from collections.abc import Iterator
from typing import Final

import numpy as np

from scoring.report import score_charts, threshold_charts, wording
from scoring.report.chapter import Chapter, Measured, share_of
from scoring.report.curve import interval, saved_asking, saved_declining, saved_minor
from scoring.report.tables import table

_RATES: Final = (0.0001, 0.0005, 0.001, 0.005, 0.01, 0.02, 0.05)
_THRESHOLDS: Final = (0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.65, 0.7, 0.8, 0.85, 0.9, 0.95)


def caught(measured: Measured) -> Iterator[Chapter]:
    """How much fraud is stopped, and how many genuine payments with it."""
    scored, curve, everything = measured.scored, measured.curve, measured.everything
    rows = []
    for rate in _RATES:
        at = curve.allowing(rate)
        rows.append(
            (
                wording.round_share(rate),
                wording.count(at.genuine),
                wording.count(at.frauds),
                share_of(at.frauds, everything.frauds),
                wording.between(interval(at.frauds, everything.frauds)),
                share_of(at.frauds_minor, everything.frauds_minor),
                share_of(at.frauds, at.frauds + at.genuine),
                wording.threshold(at.threshold),
            )
        )
    header = (
        "False positives allowed", "Genuine stopped", "Frauds stopped", "Recall", "95 % interval",
        "Recall by money", "Precision", "Score above",
    )  # fmt: skip
    fixed = table("Recall at fixed false-positive rates", header, rows, words=0)
    by_recall = []
    for tenth in range(1, 11):
        place = int(np.searchsorted(curve.recall(), tenth / 10 - 1e-12))
        stopped = curve.at(place)
        by_recall.append(
            (
                wording.round_share(tenth / 10),
                share_of(stopped.frauds, stopped.frauds + stopped.genuine),
                wording.count(stopped.genuine),
                f"{stopped.threshold:.4f}",
            )
        )
    precision = table(
        "Precision by recall", ("Recall", "Precision", "Genuine stopped", "Score from"), by_recall, words=0
    )
    yield Chapter(
        "caught",
        "What is caught, and who is disturbed",
        (
            (
                "A threshold that stops more fraud stops more genuine payments too. Both charts show every such trade; "
                "the table below picks the ones usually agreed on. Counts are of scores strictly above a threshold."
            ),
        ),
        charts=(
            threshold_charts.precision_recall(scored, curve, measured.rivals, measured.rules, precision),
            threshold_charts.receiver(
                scored, curve, measured.rivals, fixed._replace(caption="Points of the curve")
            ),
        ),
        tables=(fixed,),
    )


def scores(measured: Measured) -> Iterator[Chapter]:
    """Whether scores are probabilities, and where they lie."""
    scored = measured.scored
    found = score_charts.bins(scored.is_fraud, scored.scores)
    reliable = table(
        "Payments by score",
        ("Mean score", "Payments", "Frauds", "Share of fraud", "95 % interval"),
        [
            (
                f"{one.mean:.4f}",
                wording.count(one.total),
                wording.count(one.frauds),
                share_of(one.frauds, one.total),
                wording.between(interval(one.frauds, one.total)),
            )
            for one in found
        ],
        words=0,
    )
    edges = np.array([0, 0.001, 0.01, 0.05, 0.1, 0.2, 0.35, 0.5, 0.65, 0.85, 0.95, 0.99, 1.0])
    fraud, genuine = (
        np.histogram(scored.scores[rows], edges)[0].tolist() for rows in (scored.is_fraud, ~scored.is_fraud)
    )
    spread = table(
        "Payments by score",
        ("Score from", "to", "Frauds", "of all frauds", "Genuine", "of all genuine"),
        [
            (
                f"{low:g}",
                f"{high:g}",
                wording.count(bad),
                share_of(bad, sum(fraud)),
                wording.count(good),
                share_of(good, sum(genuine)),
            )
            for low, high, bad, good in zip(edges[:-1], edges[1:], fraud, genuine, strict=True)
        ],
        words=0,
    )
    brier = float(np.mean((scored.scores.astype(np.float64) - scored.is_fraud) ** 2))
    total = len(scored.scores)
    gap = sum(one.total / total * abs(one.frauds / one.total - one.mean) for one in found)
    yield Chapter(
        "scores",
        "Do scores mean what they say?",
        (
            (
                f"A score is a probability: of all payments scored 0.3, three in ten should be fraud. Here the Brier score "
                f"is {brier:.5f} (0 is perfect), and scores miss the share of fraud by {wording.share(gap)} on average."
            ),
        ),
        charts=(score_charts.reliability(found, reliable), score_charts.distribution(scored, spread)),
    )


def money(measured: Measured) -> Iterator[Chapter]:
    """What each threshold would have saved."""
    scored, curve = measured.scored, measured.curve
    currency, costs = scored.currency, scored.costs
    marks = sorted({*_THRESHOLDS, scored.step_up, scored.decline})
    lines = []
    for threshold in marks:
        at = curve.above(threshold)
        lines.append(
            (
                f"{threshold:g}",
                wording.count(at.frauds),
                wording.money(at.frauds_minor, currency),
                wording.money(measured.everything.frauds_minor - at.frauds_minor, currency),
                wording.count(at.genuine),
                wording.money(at.genuine_minor, currency),
                wording.money(round(float(saved_declining(at, costs))), currency),
                wording.money(round(float(saved_asking(at, costs))), currency),
            )
        )
    header = (
        "Score above", "Frauds", "Their money", "Fraud let through", "Genuine", "Their money", "Saved by declining",
        "Saved by asking for proof",
    )  # fmt: skip
    by_threshold = table(
        "By threshold; the model's own are set apart",
        header,
        lines,
        words=0,
        marked=[place for place, mark in enumerate(marks) if mark in {scored.step_up, scored.decline}],
    )
    both = saved_minor(curve.above(scored.decline), curve.above(scored.step_up), costs)
    yield Chapter(
        "money",
        "What it saves",
        (
            (
                f"A fraud that passes is taken to cost {wording.round_share(costs.fraud_loss_share)} of its amount and "
                f"{wording.money(costs.chargeback_minor, currency)}; a wrong decline "
                f"{wording.money(costs.false_decline_minor, currency)} and {wording.round_share(costs.false_decline_share)} of "
                f"the amount; a wrong step-up {wording.money(costs.step_up_minor, currency)}. Of the frauds asked for proof, "
                f"{wording.round_share(costs.step_up_passed_share)} give it and pass."
            ),
            (
                f"Declining above {scored.decline:g} and asking for proof above {scored.step_up:g} saves "
                f"{wording.round_money(both, currency)}; {most_saved(measured)} Those thresholds were found on this very "
                "history: another month's best lie elsewhere."
            ),
        ),
        charts=(
            threshold_charts.money(scored, curve, measured.best, by_threshold),
            threshold_charts.let_through(scored, curve),
        ),
        tables=(by_threshold,),
    )


def most_saved(measured: Measured) -> str:
    """The end of a sentence on what the best thresholds would have saved."""
    best, scored = measured.best, measured.scored
    if not best.step_up.frauds:
        return "no threshold would save anything."
    most = wording.round_money(saved_minor(best.decline, best.step_up, scored.costs), scored.currency)
    return (
        f"the most that any two thresholds save here is {most}, declining above "
        f"{wording.threshold(best.decline.threshold)} and asking above {wording.threshold(best.step_up.threshold)}."
    )
