"""What the charts of a report share: keys, the stretched axis of scores, and round ticks."""

import math
from typing import Final, NamedTuple

from markupsafe import Markup

from scoring.report import wording
from scoring.report.plot import Plot, Tick
from scoring.report.scored import Scored
from scoring.report.tables import Table

LOWEST: Final = 1e-3
"""Where the stretched axis of scores ends, and 1 less that."""

EVEN: Final = tuple(Tick(tenth / 10, f"{tenth * 10} %") for tenth in range(0, 11, 2))
STRETCHED: Final = tuple(
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


def thresholds(plot: Plot, scored: Scored) -> None:
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


def rate_ticks(top: float) -> tuple[Tick, ...]:
    return tuple(Tick(value, wording.round_share(value)) for value in _round_steps(top))


def amount_ticks(top: float) -> tuple[Tick, ...]:
    return tuple(Tick(value, _compact(value)) for value in _round_steps(top))


def _round_steps(top: float) -> list[float]:
    """Three to six round numbers from 0 up to `top`."""
    power = 10.0 ** math.floor(math.log10(top))
    step = next(size * power for size in (0.1, 0.2, 0.25, 0.5, 1.0, 2.0) if top / (size * power) < 5.5)
    return [round(float(place * step), 12) for place in range(int(top / step + 1e-9) + 1)]


def _compact(value: float) -> str:
    for size, unit in ((1e9, "bn"), (1e6, "m"), (1e3, "k")):
        if value >= size:
            return f"{value / size:g}{unit}"
    return f"{value:g}"
