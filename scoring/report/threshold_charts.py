"""Charts over all thresholds: what is caught, who is disturbed, and what that saves."""

from collections.abc import Mapping
from typing import Final

import numpy as np

from scoring.report import wording
from scoring.report.axes import EVEN, LOWEST, STRETCHED, Chart, Key, amount_ticks, thresholds
from scoring.report.curve import Best, Curve, Stopped, saved_asking, saved_declining
from scoring.report.plot import Plot, Scale, Tick
from scoring.report.scored import Scored
from scoring.report.tables import Table

_RIVALS: Final = ("rival", "rival second", "rival third")


def precision_recall(
    scored: Scored, curve: Curve, rivals: Mapping[str, Curve], rules: Mapping[str, Stopped], table: Table
) -> Chart:
    """How much of what is stopped is fraud, by how much of the fraud is stopped."""
    plot = Plot(
        Scale("Recall: share of all fraud that is stopped", 0, 1, EVEN),
        Scale("Precision: fraud among the stopped", 0, 1, EVEN),
    )
    keys = [Key("line own", scored.model)]
    for style, (name, other) in zip(_RIVALS, rivals.items(), strict=False):
        plot.line(other.recall(), other.precision(), style)
        keys.append(Key(f"line {style}", name))
    plot.line(*_whole_curve(curve), "own")
    whole = curve.everything()
    for name, stopped in rules.items():
        if stopped.frauds:
            x, y = _place(stopped, whole)
            plot.square(
                x, y, "rule-mark", says=f"{name}: precision {wording.share(y)}, recall {wording.share(x)}"
            )
    if rules:
        keys.append(Key("square rule-mark", "a simple rule"))
    for name, threshold in (("step-up", scored.step_up), ("decline", scored.decline)):
        stopped = curve.above(threshold)
        if stopped.frauds:
            x, y = _place(stopped, whole)
            plot.dot(
                x,
                y,
                "own",
                says=f"above {threshold:g}: precision {wording.share(y)}, recall {wording.share(x)}",
            )
            keys.append(Key("dot own", f"{name} above {threshold:g}"))
    title = "Precision and recall"
    says = "Precision against recall over all thresholds; the nearer to the upper right corner, the better."
    return Chart(title, plot.svg("pr", title, says), tuple(keys), says, table)


def _whole_curve(curve: Curve) -> tuple[np.ndarray, np.ndarray]:
    """Recall and precision from recall 0 on, where precision is that of the highest score."""
    precision = curve.precision()
    return np.append(0.0, curve.recall()), np.append(precision[:1], precision)


def _place(stopped: Stopped, whole: Stopped) -> tuple[float, float]:
    """Recall and precision of one threshold or rule."""
    return stopped.frauds / whole.frauds, stopped.frauds / (stopped.frauds + stopped.genuine)


def receiver(scored: Scored, curve: Curve, rivals: Mapping[str, Curve], table: Table) -> Chart:
    """How much fraud is stopped, by the share of genuine payments stopped with it."""
    ticks = tuple(Tick(value, wording.round_share(value)) for value in (1e-4, 1e-3, 1e-2, 0.1, 1.0))
    plot = Plot(
        Scale("False positives: share of genuine payments stopped", 1e-4, 1, ticks, "log"),
        Scale("Recall: share of fraud stopped", 0, 1, EVEN),
    )
    keys = [Key("line own", scored.model)]
    for style, (name, other) in zip(_RIVALS, rivals.items(), strict=False):
        plot.line(*_steps(other), style)
        keys.append(Key(f"line {style}", name))
    plot.line(*_steps(curve), "own")
    for rate in (0.001, 0.01):
        plot.upright(rate)
    title = "Recall at fixed false-positive rates"
    says = (
        "Share of fraud stopped against the share of genuine payments stopped, which runs by powers of ten."
    )
    return Chart(title, plot.svg("roc", title, says), tuple(keys), says, table)


def _steps(curve: Curve) -> tuple[np.ndarray, np.ndarray]:
    """The receiver's curve from the axis's lower end on."""
    rates, recall = curve.false_positive_rate(), curve.recall()
    first = int(np.searchsorted(rates, 1e-4, side="right"))
    start = max(first - 1, 0)
    return np.maximum(rates[start:], 1e-4), recall[start:]


def money(scored: Scored, curve: Curve, best: Best, table: Table) -> Chart:
    """What each threshold would have saved, less what it would have cost."""
    unit = 10**scored.currency.digits
    lines = {
        "fraud": curve.frauds_minor / unit,
        "saved": saved_declining(curve, scored.costs) / unit,
        "asked": saved_asking(curve, scored.costs) / unit,
    }
    top = max(float(max(values.max() for values in lines.values())), 1.0)
    plot = Plot(
        Scale("Threshold: score above", LOWEST, 1 - LOWEST, STRETCHED, "logit"),
        Scale(
            f"Saved, {scored.currency.code}" if scored.currency.code else "Saved", 0, top, amount_ticks(top)
        ),
        left=66,
    )
    for style, values in lines.items():
        places, inside = _within(curve, values)
        # Below the axis there is nothing to win.
        shown = inside >= 0
        if shown.any():
            plot.line(places[shown], inside[shown], style)
    thresholds(plot, scored)
    at = min(max(best.alone.threshold, LOWEST), 1 - LOWEST)
    most = float(saved_declining(best.alone, scored.costs)) / unit
    plot.dot(at, most, "saved", says=f"declining saves most above {wording.threshold(best.alone.threshold)}")
    title = "Money saved at each threshold"
    says = (
        "What stopping everything above each threshold would have saved, after what stopping genuine payments costs. "
        "The dot marks where declining saves most."
    )
    keys = (
        Key("line saved", "by declining"),
        Key("line asked", "by asking for proof"),
        Key("line fraud", "amount of fraud stopped"),
    )
    return Chart(title, plot.svg("money", title, says), keys, says, table)


def let_through(scored: Scored, curve: Curve) -> Chart:
    """What each threshold lets through, and whom it stops."""
    ticks = tuple(Tick(value, wording.round_share(value)) for value in (1e-5, 1e-4, 1e-3, 1e-2, 0.1, 1.0))
    plot = Plot(
        Scale("Threshold: score above", LOWEST, 1 - LOWEST, STRETCHED, "logit"),
        Scale("Share of its kind", 1e-5, 1, ticks, "log"),
        left=70,
    )
    passed = 1 - curve.frauds_minor / max(int(curve.frauds_minor[-1]), 1)
    for style, values in (("fraud", passed), ("genuine", curve.false_positive_rate())):
        places, inside = _within(curve, values)
        # Nothing, and what lies below the axis, isn't drawn.
        shown = inside >= 1e-5
        if shown.any():
            plot.line(places[shown], inside[shown], style)
    thresholds(plot, scored)
    title = "What passes, and who is stopped"
    says = (
        "Share of the money of fraud that each threshold lets through, and share of genuine payments that it stops, "
        "by powers of ten."
    )
    keys = (Key("line fraud", "fraud money let through"), Key("line genuine", "genuine payments stopped"))
    return Chart(title, plot.svg("passes", title, says), keys, says)


def _within(curve: Curve, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The thresholds of the stretched axis, and at each what `values` f8[k] of the curve are, both falling."""
    scores = curve.scores.astype(np.float64)
    first, last = (int(np.searchsorted(-scores, -end, side="left")) for end in (1 - LOWEST, LOWEST))
    # The ends hold what lies beyond them; beyond the highest score there is nothing.
    return (
        np.concatenate([[1 - LOWEST][: first or 0], scores[first:last], [LOWEST][: last or 0]]),
        np.concatenate(
            [values[max(first - 1, 0) : first], values[first:last], values[max(last - 1, 0) : last]]
        ),
    )
