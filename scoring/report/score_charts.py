"""Charts over scores: whether they mean what they say, and where those of frauds and genuine payments lie."""

from collections.abc import Sequence
from typing import Final, NamedTuple

import numpy as np

from scoring.report import wording
from scoring.report.axes import LOWEST, STRETCHED, Chart, Key, thresholds
from scoring.report.curve import interval
from scoring.report.plot import Plot, Scale, Tick
from scoring.report.scored import Scored
from scoring.report.tables import Table

_BIN_MIN: Final = 25


class Bin(NamedTuple):
    """Transactions of like scores: how many, how many frauds, and their mean score."""

    total: int
    frauds: int
    mean: float


def bins(is_fraud: np.ndarray, scores: np.ndarray) -> list[Bin]:
    """
    Transactions by score, in steps that are even in the odds; a step with fewer than 25 is joined with
    the next ones.
    """
    steps = np.log(LOWEST / (1 - LOWEST)) * np.linspace(1, -1, 17)[1:-1]
    edges = 1 / (1 + np.exp(-steps))
    place = np.searchsorted(edges, scores, side="right")
    totals = np.bincount(place, minlength=16)
    frauds = np.bincount(place, weights=is_fraud, minlength=16).astype(np.int64)
    sums = np.bincount(place, weights=scores.astype(np.float64), minlength=16)
    found: list[Bin] = []
    total, fraud, score = 0, 0, 0.0
    for more, more_fraud, more_score in zip(totals.tolist(), frauds.tolist(), sums.tolist(), strict=True):
        total, fraud, score = total + more, fraud + more_fraud, score + more_score
        if total >= _BIN_MIN:
            found.append(Bin(total, fraud, score / total))
            total, fraud, score = 0, 0, 0.0
    if total:
        found.append(Bin(total, fraud, score / total))
    return found


def reliability(found: Sequence[Bin], table: Table) -> Chart:
    """Whether a score of 30 % means that 30 % are fraud."""
    plot = Plot(
        Scale("Score: what the model expects", LOWEST, 1 - LOWEST, STRETCHED, "logit"),
        Scale("Fraud found", LOWEST, 1 - LOWEST, STRETCHED, "logit"),
    )
    ends = np.array([LOWEST, 1 - LOWEST])
    plot.line(ends, ends, "ideal")
    for one in found:
        low, high = interval(one.frauds, one.total)
        plot.rising(one.mean, low, high, "own")
    for one in found:
        share = one.frauds / one.total
        says = f"score {one.mean:.3f}: {wording.share(share)} of {one.total:,} are fraud"
        plot.dot(one.mean, share, "own", says=says)
    title = "Reliability"
    says = (
        "Among payments of like scores, the share that is fraud, with its 95 % interval; on the dashed line "
        "scores mean what they say. Both axes are stretched at their ends, and stop there."
    )
    keys = (Key("dot own", "payments of like scores"), Key("line ideal", "score = share of fraud"))
    return Chart(title, plot.svg("reliability", title, says), keys, says, table)


def distribution(scored: Scored, table: Table) -> Chart:
    """Where scores of frauds and of genuine payments lie."""
    steps = np.log(LOWEST / (1 - LOWEST)) * np.linspace(1, -1, 41)
    edges = 1 / (1 + np.exp(-steps))
    highest = 0.0
    outlines = []
    for style, rows in (("genuine", ~scored.is_fraud), ("fraud", scored.is_fraud)):
        inside = np.clip(scored.scores[rows], edges[0], edges[-1])
        place = np.clip(np.searchsorted(edges, inside, side="right") - 1, 0, 39)
        shares = np.bincount(place, minlength=40) / rows.sum()
        highest = max(highest, float(shares.max()))
        outlines.append((style, np.repeat(edges, 2)[1:-1], np.repeat(shares, 2)))
    ticks = tuple(Tick(value, wording.round_share(value)) for value in (1e-4, 1e-3, 1e-2, 0.1, 1.0))
    plot = Plot(
        Scale("Score", LOWEST, 1 - LOWEST, STRETCHED, "logit"),
        Scale("Share of its kind", 1e-4, 1, ticks, "log"),
        left=66,
    )
    for style, xs, ys in outlines:
        plot.area(xs, ys, style)
        plot.line(xs, ys, style)
    thresholds(plot, scored)
    title = "Score distributions"
    says = (
        "How the scores of frauds and of genuine payments spread, each kind as 100 %, by powers of ten. "
        "The first and the last step hold what lies beyond the axis."
    )
    keys = (Key("line fraud", "fraud"), Key("line genuine", "genuine"))
    return Chart(title, plot.svg("scores", title, says), keys, says, table)
