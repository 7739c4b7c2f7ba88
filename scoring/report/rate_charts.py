"""Charts of one figure for each of several: weeks, groups, features."""

from collections.abc import Mapping, Sequence

import numpy as np

from scoring.report import wording
from scoring.report.axes import Chart, Key, amount_ticks, rate_ticks
from scoring.report.examples import Importance
from scoring.report.groups import Rate
from scoring.report.plot import Plot, Scale, Tick
from scoring.report.tables import Table
from scoring.report.weeks import Week


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
        Scale("Week beginning", -0.5, count - 0.5, ticks), Scale("", 0, top, rate_ticks(top)), height=230
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
        Scale("", 0, top, rate_ticks(top)),
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
        Scale("Mean move of the log-odds", 0, top, amount_ticks(top)),
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


def _rate_top(rates: Sequence[Rate]) -> float:
    """An end for an axis of shares that shows every share and most of the intervals."""
    highest = max([rate.share or 0.0 for rate in rates], default=0.0)
    reach = max([rate.interval[1] for rate in rates if rate.total], default=1.0)
    return min(1.0, 1.05 * (min(reach, 3 * highest) if highest else reach))


def _short(label: str) -> str:
    return label if len(label) <= 20 else f"{label[:19]}…"
