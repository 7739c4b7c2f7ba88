"""The same figures for parts of the traffic: scenarios of fraud, cards known or new, age bands, regions."""

from typing import Final, NamedTuple

import numpy as np

from scoring.evaluate import average_precision
from scoring.report.curve import Curve, interval
from scoring.report.scored import Grouping, Scored

REVIEWED: Final = 0.01


class Rate(NamedTuple):
    """So many of so many."""

    hits: int
    total: int

    @property
    def share(self) -> float | None:
        """The share, None of nothing."""
        return self.hits / self.total if self.total else None

    @property
    def interval(self) -> tuple[float, float]:
        """Where the true share may lie (95 %)."""
        return interval(self.hits, self.total)


class Part(NamedTuple):
    """
    One part of the traffic.

    frauds, transactions: how many; fraud_minor: what the frauds asked for. declined: frauds above the decline
    threshold; stepped_up, reviewed: frauds above the step-up threshold, and above the one that 1 % of all
    genuine payments pass. wrongly_*: the same of genuine payments. expected: the sum of its scores, what the
    model takes the number of frauds to be. average_precision: within the part; None without both classes.
    """

    label: str
    transactions: int
    frauds: int
    fraud_minor: int
    declined: Rate
    stepped_up: Rate
    reviewed: Rate
    wrongly_declined: Rate
    wrongly_stepped_up: Rate
    wrongly_reviewed: Rate
    expected: float
    average_precision: float | None


def parts(scored: Scored, grouping: Grouping) -> list[Part]:
    """Each group's figures, groups without transactions left out, what isn't known of last."""
    reviewed = Curve(scored.is_fraud, scored.scores, scored.attempts["amount_minor"]).allowing(REVIEWED)
    labels = [*enumerate(grouping.labels), (-1, "not known")]
    held = [(label, np.flatnonzero(grouping.codes == code)) for code, label in labels]
    return [part(scored, label, rows, reviewed.threshold) for label, rows in held if len(rows)]


def part(scored: Scored, label: str, rows: np.ndarray, review: float) -> Part:
    """The figures of these rows i8[k]; review is the threshold that 1 % of all genuine payments pass."""
    scores, fraud = scored.scores[rows], scored.is_fraud[rows]
    frauds, genuine = int(fraud.sum()), int((~fraud).sum())
    caught, wrong = [], []
    for threshold in (scored.decline, scored.step_up, review):
        above = scores > np.float32(threshold)
        caught.append(Rate(int((above & fraud).sum()), frauds))
        wrong.append(Rate(int((above & ~fraud).sum()), genuine))
    return Part(
        label,
        len(rows),
        frauds,
        int(scored.attempts["amount_minor"][rows][fraud].sum()),
        caught[0],
        caught[1],
        caught[2],
        wrong[0],
        wrong[1],
        wrong[2],
        expected=float(scores.sum(dtype=np.float64)),
        average_precision=average_precision(fraud, scores) if frauds and genuine else None,
    )


def scenario_precision(scored: Scored, grouping: Grouping, label: str) -> float | None:
    """
    Average precision of one scenario's frauds among all genuine payments, the other scenarios left out;
    None where it has none.
    """
    own = scored.is_fraud & (grouping.codes == grouping.labels.index(label))
    rows = own | ~scored.is_fraud
    return average_precision(own[rows], scored.scores[rows]) if own.any() else None


def stands_out(rate: Rate, whole: Rate) -> bool:
    """Whether a group is hit clearly more often than all are: a quarter more, and more than chance explains."""
    share, usual = rate.share, whole.share
    return share is not None and usual is not None and share > 1.25 * usual and rate.interval[0] > usual
