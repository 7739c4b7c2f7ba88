"""Latency against offered load as a picture: a PNG file, or SVG to stand in a page."""

import io
from pathlib import Path
from typing import Any, Final

from loadtest.path_bench import P99_MAX_MS, P999_MAX_MS
from loadtest.sides import HOLDFAST

_LINES: Final = {"p50": "#2a9d8f", "p90": "#8ab17d", "p99": "#e9852c", "p99_9": "#c1121f"}
_DPI: Final = 130


def write_png(document: dict[str, Any], file: Path) -> None:
    """The picture of a `path_bench` document. Raises OSError."""
    file.parent.mkdir(parents=True, exist_ok=True)
    _figure(document).savefig(file, dpi=_DPI, format="png")


def svg(document: dict[str, Any]) -> str:
    """The same as an SVG element."""
    written = io.StringIO()
    _figure(document).savefig(written, format="svg")
    text = written.getvalue()
    return text[text.index("<svg") :]


def _figure(document: dict[str, Any]) -> Any:
    from matplotlib.figure import Figure

    cases = document["cases"]
    figure = Figure(figsize=(5.2 * len(cases), 4.4), layout="constrained")
    axes = figure.subplots(1, len(cases), squeeze=False)[0]
    for place, (case, axis) in enumerate(zip(cases, axes, strict=True)):
        _draw(case, axis, labelled=place == 0)
    names = {"p50": "p50", "p90": "p90", "p99": "p99", "p99_9": "p99.9"}
    handles = [axis_line for axis_line in axes[0].get_lines() if axis_line.get_label() in names.values()]
    figure.legend(handles=handles, loc="outside lower center", ncols=4, frameon=False)
    figure.suptitle("Latency from the intended time of sending; solid Holdfast, dashed an empty server")
    return figure


def _draw(case: dict[str, Any], axis: Any, *, labelled: bool) -> None:
    rates = [step["rate"] for step in case["steps"]]
    for side in case["steps"][0]["sides"]:
        own = side == HOLDFAST
        for name, colour in _LINES.items():
            values = [step["sides"][side]["latency_ms"][name] for step in case["steps"]]
            axis.plot(
                rates,
                [max(value, 0.01) for value in values],
                color=colour,
                linestyle="-" if own else "--" if side == "empty" else ":",
                marker="o" if own else None,
                markersize=3.5,
                linewidth=1.6 if own else 0.9,
                label=name.replace("_", ".") if own else "_",
            )
    saturation = case["saturation_per_s"][HOLDFAST]
    if saturation is not None:
        axis.axvline(saturation, color="#444444", linewidth=0.8)
        axis.axvline(saturation / 2, color="#444444", linewidth=0.8, linestyle=":")
        if case["way"]["name"] == "unary":
            axis.plot(
                [saturation / 2] * 2, [P99_MAX_MS, P999_MAX_MS], "_", color="black", markersize=10, label="_"
            )
    axis.set_yscale("log")
    axis.set_title(case["way"]["name"])
    axis.set_xlabel("offered authorizations a second")
    if labelled:
        axis.set_ylabel("ms")
    axis.set_xlim(left=0)
    axis.grid(visible=True, which="both", linewidth=0.3)
