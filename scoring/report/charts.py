"""The charts of a report, each with a title, a description and a key."""

from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

import numpy as np
from markupsafe import Markup

from scoring.report import wording
from scoring.report.curve import Best, Curve, Stopped, interval, saved_asking, saved_declining
from scoring.report.examples import Importance
from scoring.report.groups import Rate
from scoring.report.plot import Plot, Scale, Tick
from scoring.report.scored import Scored
from scoring.report.tables import Table
from scoring.report.weeks import Week

_LOWEST: Final = 1e-3
"""Where the stretched axis of scores ends, and 1 less that."""

_RIVALS: Final = ("rival", "rival second", "rival third")
_BIN_MIN: Final = 25
_EVEN: Final = tuple(Tick(tenth / 10, f"{tenth * 10} %") for tenth in range(0, 11, 2))
_STRETCHED: Final = tuple(
    Tick(float(text), text) for text in ("0.001", "0.01", "0.1", "0.5", "0.9", "0.99", "0.999")
)


class Key(NamedTuple):
    """What a mark stands for: its style and its name."""

    style: str
    text: str


class Chart(NamedTuple):
    """A chart with what explains it: keys, a sentence on how to read it, and the figures behind it."""

    title: str
    svg: Markup
    keys: tuple[Key, ...] = ()
    reading: str = ""
    table: Table | None = None


def precision_recall(
    scored: Scored, curve: Curve, rivals: Mapping[str, Curve], rules: Mapping[str, Stopped], table: Table
) -> Chart:
    """How much of what is stopped is fraud, by how much of the fraud is stopped."""
    plot = Plot(
        Scale("Recall: share of all fraud that is stopped", 0, 1, _EVEN),
        Scale("Precision: fraud among the stopped", 0, 1, _EVEN),
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
        Scale("Recall: share of fraud stopped", 0, 1, _EVEN),
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
    steps = np.log(_LOWEST / (1 - _LOWEST)) * np.linspace(1, -1, 17)[1:-1]
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
        Scale("Score: what the model expects", _LOWEST, 1 - _LOWEST, _STRETCHED, "logit"),
        Scale("Fraud found", _LOWEST, 1 - _LOWEST, _STRETCHED, "logit"),
    )
    ends = np.array([_LOWEST, 1 - _LOWEST])
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
    steps = np.log(_LOWEST / (1 - _LOWEST)) * np.linspace(1, -1, 41)
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
        Scale("Score", _LOWEST, 1 - _LOWEST, _STRETCHED, "logit"),
        Scale("Share of its kind", 1e-4, 1, ticks, "log"),
        left=66,
    )
    for style, xs, ys in outlines:
        plot.area(xs, ys, style)
        plot.line(xs, ys, style)
    _thresholds(plot, scored)
    title = "Score distributions"
    says = (
        "How the scores of frauds and of genuine payments spread, each kind as 100 %, by powers of ten. "
        "The first and the last step hold what lies beyond the axis."
    )
    keys = (Key("line fraud", "fraud"), Key("line genuine", "genuine"))
    return Chart(title, plot.svg("scores", title, says), keys, says, table)


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
        Scale("Threshold: score above", _LOWEST, 1 - _LOWEST, _STRETCHED, "logit"),
        Scale(f"Saved, {scored.currency.code}", 0, top, _amount_ticks(top)),
        left=66,
    )
    for style, values in lines.items():
        places, inside = _within(curve, values)
        # Below the axis there is nothing to win.
        shown = inside >= 0
        if shown.any():
            plot.line(places[shown], inside[shown], style)
    _thresholds(plot, scored)
    at = min(max(best.alone.threshold, _LOWEST), 1 - _LOWEST)
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
        Scale("Threshold: score above", _LOWEST, 1 - _LOWEST, _STRETCHED, "logit"),
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
    _thresholds(plot, scored)
    title = "What passes, and who is stopped"
    says = (
        "Share of the money of fraud that each threshold lets through, and share of genuine payments that it stops, "
        "by powers of ten."
    )
    keys = (Key("line fraud", "fraud money let through"), Key("line genuine", "genuine payments stopped"))
    return Chart(title, plot.svg("passes", title, says), keys, says)


def weekly(key: str, title: str, reading: str, found: Sequence[Week], rates: Sequence[Rate]) -> Chart:
    """One share a week, with its interval; hollow where the week isn't whole."""
    shares = [rate.share for rate in rates]
    top = _rate_top([rate for rate in rates if rate.total])
    count = len(found)
    every = max(1, -(-count // 6))
    ticks = tuple(
        Tick(float(place), wording.short_day(found[place].begin_s)) for place in range(0, count, every)
    )
    plot = Plot(
        Scale("Week beginning", -0.5, count - 0.5, ticks), Scale("", 0, top, _rate_ticks(top)), height=230
    )
    told = [place for place, share in enumerate(shares) if share is not None]
    if len(told) > 1:
        plot.line(np.array(told, np.float64), np.array([shares[place] for place in told], np.float64), "thin")
    for place in told:
        low, high = rates[place].interval
        plot.rising(place, low, high, "own")
    for place in told:
        rate, share = rates[place], shares[place] or 0.0
        says = (
            f"{wording.day(found[place].begin_s)}: {rate.hits:,} of {rate.total:,} = {wording.share(share)}"
        )
        plot.dot(place, share, "own" if found[place].whole else "own hollow", says=says)
    return Chart(title, plot.svg(key, title, reading), (), reading)


def dots(key: str, title: str, reading: str, rates: Mapping[str, Rate], usual: Rate | None) -> Chart:
    """A share for each group with its interval, beside that of all."""
    named = list(rates.items())
    top = _rate_top([*rates.values(), *([usual] if usual else [])])
    ticks = tuple(Tick(len(named) - 1 - place, _short(label)) for place, (label, _) in enumerate(named))
    plot = Plot(
        Scale("", 0, top, _rate_ticks(top)),
        Scale("", -0.6, len(named) - 0.4, ticks),
        height=70 + 26 * len(named),
        left=160,
    )
    if usual is not None and usual.share is not None:
        plot.upright(usual.share)
    for place, (label, rate) in enumerate(named):
        if rate.share is not None:
            height = len(named) - 1 - place
            plot.lying(height, *rate.interval, "own")
            says = f"{label}: {rate.hits:,} of {rate.total:,} = {wording.share(rate.share)}"
            plot.dot(rate.share, height, "own", says=says)
    return Chart(title, plot.svg(key, title, reading), (), reading)


def importance(found: Sequence[Importance], table: Table) -> Chart:
    """How far each feature moves scores."""
    top = max([one.in_frauds for one in found] + [one.in_genuine for one in found] + [1e-9])
    ticks = tuple(Tick(len(found) - 1 - place, one.name) for place, one in enumerate(found))
    plot = Plot(
        Scale("Mean move of the log-odds", 0, top, _amount_ticks(top)),
        Scale("", -0.6, len(found) - 0.4, ticks),
        height=62 + 25 * len(found),
        left=176,
    )
    for place, one in enumerate(found):
        height = len(found) - 1 - place
        says = f"{one.name}: {one.in_frauds:.2f} in frauds, {one.in_genuine:.2f} in genuine payments"
        plot.bar(height + 0.19, one.in_frauds, 8, "fraud", says=says)
        plot.bar(height - 0.19, one.in_genuine, 8, "genuine", says=says)
    title = "What moves scores"
    says = (
        "How far each feature moves the log-odds of a score, up or down, in frauds and in genuine payments."
    )
    keys = (Key("block fraud", "in frauds"), Key("block genuine", "in genuine payments"))
    return Chart(title, plot.svg("importance", title, says), keys, says, table)


def _within(curve: Curve, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The thresholds of the stretched axis, and at each what `values` f8[k] of the curve are, both falling."""
    scores = curve.scores.astype(np.float64)
    first, last = (int(np.searchsorted(-scores, -end, side="left")) for end in (1 - _LOWEST, _LOWEST))
    # The ends hold what lies beyond them; beyond the highest score there is nothing.
    return (
        np.concatenate([[1 - _LOWEST][: first or 0], scores[first:last], [_LOWEST][: last or 0]]),
        np.concatenate(
            [values[max(first - 1, 0) : first], values[first:last], values[max(last - 1, 0) : last]]
        ),
    )


def _thresholds(plot: Plot, scored: Scored) -> None:
    """Where policy steps in."""
    step_up, decline = f"step-up {scored.step_up:g}", f"decline {scored.decline:g}"
    if scored.decline < 0.95 and scored.step_up > 0.05:
        plot.upright(scored.step_up, f"{step_up} ", before=True)
        plot.upright(scored.decline, f" {decline}")
    else:
        # One text for both, where there is room.
        high = scored.decline >= 0.95
        plot.upright(scored.step_up, "" if high else f"{step_up}, {decline}")
        plot.upright(scored.decline, f"{step_up}, {decline}" if high else "", before=True)


def _rate_top(rates: Sequence[Rate]) -> float:
    """An end for an axis of shares that shows every share and most of the intervals."""
    highest = max([rate.share or 0.0 for rate in rates], default=0.0)
    reach = max([rate.interval[1] for rate in rates if rate.total], default=1.0)
    return min(1.0, 1.05 * (min(reach, 3 * highest) if highest else reach))


def _rate_ticks(top: float) -> tuple[Tick, ...]:
    return tuple(Tick(value, wording.round_share(value)) for value in _round_steps(top))


def _amount_ticks(top: float) -> tuple[Tick, ...]:
    return tuple(Tick(value, _compact(value)) for value in _round_steps(top))


def _round_steps(top: float) -> list[float]:
    """Three to six round numbers from 0 up to `top`."""
    power = 10.0 ** np.floor(np.log10(top))
    step = next(size * power for size in (0.1, 0.2, 0.25, 0.5, 1.0, 2.0) if top / (size * power) < 5.5)
    return [round(float(place * step), 12) for place in range(int(top / step + 1e-9) + 1)]


def _compact(value: float) -> str:
    for size, unit in ((1e9, "bn"), (1e6, "m"), (1e3, "k")):
        if value >= size:
            return f"{value / size:g}{unit}"
    return f"{value:g}"


def _short(label: str) -> str:
    return label if len(label) <= 20 else f"{label[:19]}…"
