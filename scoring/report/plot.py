"""
One chart as SVG: scales, axes, lines, bars, dots and intervals.

Colours come from the page's style sheet by class, so that a chart follows light, dark and print; series
differ in dashes or shape too, for those who don't see the colours. All text is escaped.
"""

import math
from collections.abc import Sequence
from typing import Final, NamedTuple

import numpy as np
from markupsafe import Markup

WIDTH: Final = 480
_TOP, _RIGHT = 20, 22
_POINT_PX: Final = 0.4


class Tick(NamedTuple):
    """Where an axis is marked, and what stands there."""

    value: float
    text: str


class Scale(NamedTuple):
    """An axis: what it measures, its ends, and how it runs: "linear", "log" or "logit" (odds)."""

    title: str
    low: float
    high: float
    ticks: tuple[Tick, ...]
    kind: str = "linear"

    def along(self, values: np.ndarray | Sequence[float] | float) -> np.ndarray:
        """Where values lie between the axis's ends, 0..1; those beyond stand at the end."""
        low, high = (self._bent(np.array(end, np.float64)) for end in (self.low, self.high))
        inside = np.clip(np.asarray(values, np.float64), self.low, self.high)
        return (self._bent(inside) - low) / (high - low)

    def _bent(self, values: np.ndarray) -> np.ndarray:
        if self.kind == "log":
            return np.log(values)
        if self.kind == "logit":
            return np.log(values) - np.log1p(-values)
        return values


class Plot:
    """A chart that is being drawn; what is drawn later lies above."""

    def __init__(self, x: Scale, y: Scale, *, height: int = 300, left: int = 64) -> None:
        """With axes, a grid, and room on the left for the names of y's ticks."""
        self._x, self._y, self._height, self._left = x, y, height, left
        self._bottom = height - (44 if x.title else 26)
        self._marks: list[Markup] = []
        self._axes()

    def line(self, xs: np.ndarray, ys: np.ndarray, style: str) -> None:
        """A line through points, thinned to what a screen can show."""
        points = self._points(xs, ys)
        self._marks.append(Markup('<polyline class="line {}" points="{}"/>').format(style, _path(points)))

    def area(self, xs: np.ndarray, ys: np.ndarray, style: str, low: float | None = None) -> None:
        """What lies below a line, down to `low` or the axis."""
        points = self._points(xs, ys)
        base = self._up(self._y.low if low is None else low)
        ends = [(points[0][0], base), *points, (points[-1][0], base)]
        self._marks.append(Markup('<polygon class="area {}" points="{}"/>').format(style, _path(ends)))

    def dot(self, x: float, y: float, style: str, *, says: str = "") -> None:
        """A dot, with what it says to a pointer that rests on it."""
        shape = Markup('<circle class="dot {}" cx="{:.1f}" cy="{:.1f}" r="4">{}</circle>')
        self._marks.append(shape.format(style, self._across(x), self._up(y), _title(says)))

    def square(self, x: float, y: float, style: str, *, says: str = "") -> None:
        """The same as a square."""
        shape = Markup('<rect class="dot {}" x="{:.1f}" y="{:.1f}" width="8" height="8">{}</rect>')
        self._marks.append(shape.format(style, self._across(x) - 4, self._up(y) - 4, _title(says)))

    def rising(self, x: float, low: float, high: float, style: str) -> None:
        """An upright interval."""
        self._stroke(self._across(x), self._up(low), self._across(x), self._up(high), f"interval {style}")

    def lying(self, y: float, low: float, high: float, style: str) -> None:
        """A level interval."""
        self._stroke(self._across(low), self._up(y), self._across(high), self._up(y), f"interval {style}")

    def bar(self, y: float, high: float, thick: float, style: str, *, says: str = "") -> None:
        """A bar from the left to `high`, centred on y, `thick` pixels."""
        left, right = self._across(self._x.low), self._across(high)
        shape = Markup('<rect class="bar {}" x="{:.1f}" y="{:.1f}" width="{:.1f}" height="{:.1f}">{}</rect>')
        top = self._up(y) - thick / 2
        self._marks.append(shape.format(style, left, top, right - left, thick, _title(says)))

    def upright(self, x: float, text: str = "", *, before: bool = False) -> None:
        """A line across the chart at x, and above the chart a text that begins, or ends, there."""
        place = self._across(x)
        self._stroke(place, _TOP, place, self._bottom, "rule")
        if text:
            self._write(place, _TOP - 6, "end" if before else "start", text, "note")

    def svg(self, key: str, title: str, description: str) -> Markup:
        """The chart, named for those who don't see it. `key` tells its parts from another chart's."""
        return Markup(
            '<svg viewBox="0 0 {width} {height}" role="img" aria-labelledby="{key}-t {key}-d">'
            '<title id="{key}-t">{title}</title><desc id="{key}-d">{description}</desc>{marks}</svg>'
        ).format(
            width=WIDTH,
            height=self._height,
            key=key,
            title=title,
            description=description,
            marks=Markup("").join(self._marks),
        )

    def _axes(self) -> None:
        bottom, right = self._bottom, WIDTH - _RIGHT
        for value, text in self._x.ticks:
            place = self._across(value)
            self._stroke(place, _TOP, place, bottom, "grid")
            self._write(place, bottom + 16, "middle", text)
        for value, text in self._y.ticks:
            place = self._up(value)
            self._stroke(self._left, place, right, place, "grid")
            self._write(self._left - 7, place + 4, "end", text)
        self._stroke(self._left, bottom, right, bottom, "axis")
        if self._x.title:
            self._write((self._left + right) / 2, self._height - 8, "middle", self._x.title, "title")
        if self._y.title:
            mark = Markup(
                '<text class="title" transform="translate(13 {:.1f}) rotate(-90)" text-anchor="middle">{}</text>'
            )
            self._marks.append(mark.format((_TOP + bottom) / 2, self._y.title))

    def _write(self, x: float, y: float, anchor: str, text: str, style: str = "tick") -> None:
        mark = Markup('<text class="{}" x="{:.1f}" y="{:.1f}" text-anchor="{}">{}</text>')
        self._marks.append(mark.format(style, x, y, anchor, text))

    def _stroke(self, x1: float, y1: float, x2: float, y2: float, style: str) -> None:
        mark = Markup('<line class="{}" x1="{:.1f}" y1="{:.1f}" x2="{:.1f}" y2="{:.1f}"/>')
        self._marks.append(mark.format(style, x1, y1, x2, y2))

    def _across(self, x: float) -> float:
        return self._left + float(self._x.along(x)) * (WIDTH - _RIGHT - self._left)

    def _up(self, y: float) -> float:
        return self._bottom - float(self._y.along(y)) * (self._bottom - _TOP)

    def _points(self, xs: np.ndarray, ys: np.ndarray) -> list[tuple[float, float]]:
        across = self._left + self._x.along(xs) * (WIDTH - _RIGHT - self._left)
        up = self._bottom - self._y.along(ys) * (self._bottom - _TOP)
        return _thinned(list(zip(across.tolist(), up.tolist(), strict=True)))


def _thinned(points: list[tuple[float, float]]) -> list[tuple[float, float]]:
    """The points without those that lie where the last one kept does; the ends stay."""
    kept = points[:1]
    for point in points[1:-1]:
        if math.dist(point, kept[-1]) > _POINT_PX:
            kept.append(point)
    return kept + points[1:][-1:]


def _path(points: list[tuple[float, float]]) -> str:
    return " ".join(f"{x:.1f},{y:.1f}" for x, y in points)


def _title(says: str) -> Markup:
    return Markup("<title>{}</title>").format(says) if says else Markup("")
