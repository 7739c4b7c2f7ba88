"""What `path_bench` found, for people: tables on a terminal, and one page of HTML that needs nothing beside it."""

from collections import Counter
from collections.abc import Iterator, Sequence
from html import escape
from pathlib import Path
from typing import Any, Final

from rich.console import Group
from rich.table import Table

from loadtest.circumstances import told
from loadtest.path_plot import svg
from loadtest.sides import EMPTY, HOLDFAST

_STEP_COLUMNS: Final = (
    "offered",
    "answered",
    "p50",
    "p90",
    "p99",
    "p99.9",
    "max",
    "in time",
    "00",
    "CPU",
    "late",
)  # fmt: skip - a row of the table
_LATENCIES: Final = ("p50", "p90", "p99", "p99_9", "max")
_STYLE: Final = """
body { font: 15px/1.45 system-ui, sans-serif; margin: 2em auto; max-width: 75em; padding: 0 1em; color: #1b1b1b; }
table { border-collapse: collapse; margin: .6em 0 1.6em; font-variant-numeric: tabular-nums; font-size: 13px; }
th, td { padding: .25em .6em; text-align: right; border-bottom: 1px solid #ddd; }
th:first-child, td:first-child { text-align: left; }
td.miss { color: #b00020; font-weight: 600; } td.pass { color: #14713c; }
svg { max-width: 100%; height: auto; } p.small { color: #555; font-size: 13px; }
"""

Lines = list[tuple[str, ...]]


def path_tables(document: dict[str, Any]) -> Group:
    """Everything but the picture, for a terminal."""
    parts: list[Any] = []
    for title, note, columns, lines in _sections(document):
        table = Table(title=title, title_justify="left", box=None, pad_edge=False, collapse_padding=True)
        for place, column in enumerate(columns):
            table.add_column(column, justify="left" if place == 0 else "right", overflow="fold")
        for line in lines:
            table.add_row(*line)
        parts += [table, *([note] if note else []), ""]
    return Group(*parts, told(document))


def write_html(document: dict[str, Any], file: Path) -> None:
    """The page. Raises OSError."""
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(html(document), encoding="utf-8")


def html(document: dict[str, Any]) -> str:
    """One page: the picture, the same tables, and how all of it was measured."""
    options = document["options"]
    parts = [
        "<!doctype html><html lang='en'><head><meta charset='utf-8'><title>Holdfast: the answer path</title>",
        f"<style>{_STYLE}</style></head><body><h1>How long answers take, at which load</h1>",
        f"<p class='small'>{escape(told(document))}</p>",
        f"<p>{escape(_summary(options))}</p>",
        svg(document),
    ]
    for title, note, columns, lines in _sections(document):
        head = "".join(f"<th>{escape(column)}</th>" for column in columns)
        rows = "".join(
            "<tr>" + "".join(f"<td{_mark(cell)}>{escape(cell)}</td>" for cell in line) + "</tr>"
            for line in lines
        )
        parts.append(f"<h2>{escape(title)}</h2><table><tr>{head}</tr>{rows}</table>")
        if note:
            parts.append("<p class='small'>" + escape(note).replace("\n", "<br>") + "</p>")
    return "\n".join([*parts, "</body></html>\n"])


def _summary(options: dict[str, Any]) -> str:
    return (
        f"Open loop: {options['arrivals']} arrivals at fixed rates, latency in milliseconds from the time at which a message "
        f"was meant to go out, whether it could or not. {options['cards']:,} cards, ledger {options['ledger']}, "
        f"{options['fronts']} front processes, {options['seconds']:g} s a step; the client is a process on the same machine. "
        f"A rate is carried where {options['carried_share_min']:.0%} of it is answered within {options['in_time_ms']:g} ms. The "
        "empty server parses every message and answers it with a constant. Latencies are milliseconds, CPU is in cores; `late` is the "
        "p99 by which the client sent late, with ! where the step is not valid."
    )


def _mark(cell: str) -> str:
    return {"pass": " class='pass'", "MISS": " class='miss'"}.get(cell, "")


def _sections(document: dict[str, Any]) -> Iterator[tuple[str, str, Sequence[str], Lines]]:
    """Title, note, columns and lines of each table."""
    for case in document["cases"]:
        for side in case["steps"][0]["sides"]:
            lines: Lines = [_step_line(step["rate"], step["sides"][side]) for step in case["steps"]]
            yield _steps_title(case, side), _remarks(case, side), _STEP_COLUMNS, lines
        if case["half"] is not None:
            yield from _half_sections(case)
    if document.get("objects"):
        lines = [
            (line["way"], f"{line['rate']:,.0f}", f"{line['objects_per_request']:,.1f}")
            for line in document["objects"]
        ]
        yield "Python objects", "", ("way", "offered /s", "objects by request"), lines
    if document.get("overload"):
        yield _overload_section(document["overload"])
    if document.get("rival"):
        yield from _rival_sections(document["rival"])
    if document.get("cards"):
        yield _cards_section(document["cards"])
    yield (
        "beside the bars",
        "",
        ("", "figure", "value", "bar", "unit", "passes"),
        [
            (
                f["part"],
                f["name"],
                f"{f.get('reason') or f['value']}",
                f["bar"],
                f["unit"],
                _passed(f["passes"]),
            )
            for f in document["figures"]
        ],
    )


def _steps_title(case: dict[str, Any], side: str) -> str:
    rate, estimate = case["saturation_per_s"][side], case["empty_saturation_estimate_per_s"]
    carried = "nothing" if rate is None else f"{rate:,.0f}/s"
    if side == HOLDFAST:
        return f"{case['way']['name']}, {case['way']['connections']} connections, Holdfast: carried {carried}"
    beyond = "" if estimate is None or side != EMPTY else f", and about {estimate:,.0f}/s by its own climb"
    return f"{case['way']['name']}, beside it, {side}: carried {carried}{beyond}"


def _step_line(rate: float, side: dict[str, Any]) -> tuple[str, ...]:
    return (
        f"{rate:,.0f}",
        f"{side['answered_per_s']:,.0f}",
        *(_ms(side["latency_ms"][name]) for name in _LATENCIES),
        f"{side['in_time_share']:.1%}",
        f"{side['approved_share']:.1%}",
        _cores(side["server_cpu"]),
        _ms(side["late_ms_p99"]) + ("" if side["valid"] else "!"),
    )


def _remarks(case: dict[str, Any], side: str) -> str:
    """Answers by code, the client's CPU, and what makes a step invalid."""
    codes: Counter[str] = Counter()
    remarks = []
    for step in case["steps"]:
        told = step["sides"][side]
        remarks += [f"{step['rate']:,.0f}/s is not valid: {reason}" for reason in told["reasons"]]
        codes.update(told["codes"])
    client_cpu = max(step["sides"][side]["client_cpu"] for step in case["steps"])
    answers = ", ".join(f"{code} {count:,}" for code, count in codes.most_common())
    return "\n".join([f"answers {answers}; the client used {client_cpu:.2f} of one core at most", *remarks])


def _half_sections(case: dict[str, Any]) -> Iterator[tuple[str, str, Sequence[str], Lines]]:
    half, name = case["half"], case["way"]["name"]
    found, cost = half["profile"], half["cost"]
    note = "" if found["batch_mean"] is None else f"{found['batch_mean']:.1f} requests in a turn of the core"
    columns: Sequence[str] = ("stage of a turn", "µs of time by request")
    lines: Lines = [(line["stage"], f"{line['us_per_request']:,.1f}") for line in found["stages"]]
    if lines:
        yield f"{name} at {half['rate']:,.0f}/s: where the time goes", note, columns, lines
    columns = ("process", "thread", "µs of CPU by request", "switches by request")
    lines = [
        (
            line["process"],
            line["thread"],
            f"{line['cpu_us_per_request']:,.1f}",
            f"{line['switches_per_request']:,.2f}",
        )
        for line in found["threads"]
    ]
    notes = [] if cost is None else [_cost_text(cost)]
    if found["front_imbalance"] is not None:
        notes.insert(0, f"the busiest front works {found['front_imbalance']:.2f} times as much as their mean")
    note = "\n".join(notes)
    yield f"{name} at {half['rate']:,.0f}/s: whose CPU", note, columns, lines


def _cost_text(cost: dict[str, Any]) -> str:
    return (
        f"one authorization: {cost['cpu_us']:,.0f} µs of CPU, {cost['written_bytes']:,.0f} bytes written; at "
        f"{cost['usd_per_core_hour']:g} USD a core and hour, and {cost['usd_per_gb_month']:g} USD a GB and month for "
        f"{cost['months_kept']} months: {cost['usd']:.7f} USD for what was used, {cost['usd_whole_machine']:.7f} USD for the "
        "whole machine at this load"
    )


def _overload_section(found: Sequence[dict[str, Any]]) -> tuple[str, str, Sequence[str], Lines]:
    columns = (
        "way",
        "offered /s",
        "answered /s",
        "p99 of it",
        "refused",
        "p99 of it",
        "held back",
        "client's CPU",
    )
    lines: Lines = []
    for one in found:
        if "step" not in one:
            continue
        step = one["step"]
        refused_ms = step["refused_ms_p99"]
        lines.append(
            (
                one["way"],
                f"{one['rate']:,.0f}",
                f"{step['answered_per_s']:,.0f}",
                _ms(step["served_ms_p99"]),
                f"{step['refused']:,}",
                "" if refused_ms is None else _ms(refused_ms),
                f"{step['held_back']:,}",
                _cores(step["client_cpu"]),
            )
        )
    note = "p99 in ms from when a message left; held back: the server's window was closed"
    return "several times what is carried", note, columns, lines


def _rival_sections(rival: dict[str, Any]) -> Iterator[tuple[str, str, Sequence[str], Lines]]:
    columns: Sequence[str] = ("way", "Holdfast /s", "the rival /s", "times")
    lines: Lines = [
        (best["way"], f"{best['holdfast_per_s']:,.0f}", f"{best['rival_per_s']:,.0f}", f"{best['ratio']:.1f}")
        for best in rival["best"]
    ]
    yield "the rival: best carried rates", "", columns, lines
    equal = rival["equal_load"]
    columns = ("server", "p50", "p90", "p99", "p99.9", "max", "00")
    lines = [
        (
            name,
            *(_ms(step["latency_ms"][each]) for each in _LATENCIES),
            f"{step['approved_share']:.1%}",
        )
        for name, step in equal["sides"].items()
    ]
    yield f"unary, both at {equal['rate']:,.0f}/s", "", columns, lines


def _cards_section(cards: dict[str, Any]) -> tuple[str, str, Sequence[str], Lines]:
    lines: Lines = [
        (f"{count:,}", _ms(p99), ", ".join(_ms(value) for value in rounds))
        for count, p99, rounds in zip(cards["cards"], cards["p99_ms"], cards["rounds_p99_ms"], strict=True)
    ]
    return f"portfolios in turns, unary at {cards['rate']:,.0f}/s", "", ("cards", "p99", "rounds"), lines


def _ms(value: float) -> str:
    return f"{value:,.2f}" if value < 10 else f"{value:,.1f}"


def _cores(value: float | None) -> str:
    return "" if value is None else f"{value:.2f}"


def _passed(passes: bool) -> str:
    return "pass" if passes else "MISS"
