"""
How long answers take at which load: steps of fixed arrival rates up to saturation, open loop, beside an empty server.

For each way of sending, the rate first climbs in short steps until Holdfast no longer carries it: that estimates saturation.
Then come the steps that are reported, at shares of it (or at the rates that were given), each sent to Holdfast and, the same
messages at the same times, to the empty server. The largest rate that was carried in these is the saturation told. At half
of it a longer step is judged by its bars, and there the server's time is taken apart.
"""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

from loadtest.bench import MANY_EMPTY, Client
from loadtest.circumstances import circumstances
from loadtest.closed_loop import UNARY
from loadtest.counted import read_count
from loadtest.figure import Figure
from loadtest.open_loop import IN_TIME_MS
from loadtest.path_overload import overload_figures, overloaded
from loadtest.path_steps import CARRIED_SHARE_MIN, JUDGED_S_MIN, WAYS, PathOptions, PathSteps, shown
from loadtest.price import USD_MAX
from loadtest.sides import HOLDFAST, RIVAL, Side, folder_of, start_empty, start_holdfast, start_rival
from loadtest.stages import catch_up, come_to_rest

SCHEMA: Final = 1
"""Version of the JSON document: names keep their meaning within one."""

P99_MAX_MS: Final = 12.0
P999_MAX_MS: Final = 25.0
CARDS_BASE: Final = 10_000
CARDS_P99_MAX: Final = 1.2
RIVAL_RATE_MIN: Final = 5.0
IDLE_S: Final = 2.0
"""How long a counted server is left alone, to know what it makes without requests."""

EQUAL_SHARE: Final = 0.5
"""Of the rival's own saturation: the load at which the two are compared."""

Told = Callable[[str], None]
Postgres = Callable[[Path], AbstractContextManager[str]]
"""An empty database in a folder of its own: its URL, as long as the context lasts."""


def run(
    options: PathOptions, progress: Told | None = None, postgres: Postgres | None = None
) -> dict[str, Any]:
    """
    Measures everything and returns it ready for JSON, `figures` beside their bars among it.

    The rival needs `postgres`. Raises `ServerFailed` where a server doesn't come up, RuntimeError where one is lost,
    FileNotFoundError without TigerBeetle, `RedisMissing`.
    """
    tell = progress or _unheard
    with ExitStack() as stack:
        folder = folder_of(stack)
        tell(f"starting Holdfast with {options.cards:,} cards, and the empty server")
        holdfast = start_holdfast(
            stack,
            folder,
            cards=options.cards,
            ledger=options.ledger,
            fronts=options.fronts,
            home=options.home,
        )
        sides = [holdfast, *_empties(stack, folder, options.fronts)]
        client = stack.enter_context(Client.running("loadtest.open_loop"))
        steps = PathSteps(client, options, tell)
        cases = [steps.case(way, sides) for way in WAYS if way.name in options.ways]
        document = {"schema": SCHEMA, **circumstances(), "options": _options(options), "cases": cases}
        if options.overload:
            document["overload"] = overloaded(steps, holdfast, cases, tell)
        if options.rival:
            assert postgres is not None, "the rival is given a PostgreSQL"
            tell("starting the rival")
            home = folder / RIVAL
            home.mkdir()
            url = stack.enter_context(postgres(home))
            rival = start_rival(stack, folder, url, cards=options.cards, mark=str(home))
            document["rival"] = beside_rival(steps, holdfast, rival, cases)
        if options.objects:
            document["objects"] = python_objects(stack, folder, steps, options, cases, tell)
        if options.cards_beside is not None:
            counts = (CARDS_BASE, options.cards_beside)
            few, many = (_portfolio(stack, folder, options, count, tell) for count in counts)
            judged = next((case["half"] for case in cases if case["way"]["method"] == UNARY), None)
            rate = judged["rate"] if judged else steps.climb(WAYS[0], few) / 2
            tell("waiting until both are at rest")
            for side in (few, many):
                come_to_rest(side)
            document["cards"] = beside_cards(steps, (few, many), counts, rate, options)
    return finished(document)


def python_objects(
    stack: ExitStack,
    folder: Path,
    steps: PathSteps,
    options: PathOptions,
    cases: Sequence[Mapping[str, Any]],
    tell: Told,
) -> list[dict[str, Any]]:
    """Python objects made by the request, on a counted server of its own, at a quarter of each way's saturation."""
    tell("starting Holdfast with its objects counted")
    file = folder / "objects"
    side = start_holdfast(
        stack, folder, cards=options.cards, ledger=options.ledger, name="counted", count_file=file
    )
    found = []
    for case in cases:
        way = next(way for way in WAYS if way.name == case["way"]["name"])
        rate = (case["saturation_per_s"][HOLDFAST] or 4 * options.rates[0]) / 4
        idle = read_count(file)
        time.sleep(IDLE_S)
        idle = read_count(file) - idle
        before = read_count(file)
        step = steps.step(way, [side], rate, options.seconds)[side.name]
        made = read_count(file) - before - idle * step["elapsed_s"] / IDLE_S
        found.append({"way": way.name, "rate": rate, "objects_per_request": made / max(1, step["answered"])})
    return found


def beside_cards(
    steps: PathSteps, sides: tuple[Side, Side], counts: tuple[int, int], rate: float, options: PathOptions
) -> dict[str, Any]:
    """p99 of two portfolios at one rate, in turns; unary. What counts is the median of the rounds."""
    p99s: dict[str, list[float]] = {side.name: [] for side in sides}
    for number in range(options.rounds):
        pairs = list(zip(sides, counts, strict=True))
        for side, count in pairs if number % 2 == 0 else reversed(pairs):
            seconds = max(options.seconds, JUDGED_S_MIN)
            step = steps.step(WAYS[0], [side], rate, seconds, cards=count)[side.name]
            p99s[side.name].append(step["latency_ms"]["p99"])
            catch_up(side)  # the next one is to have the machine for itself
    few, many = (sorted(p99s[side.name])[options.rounds // 2] for side in sides)
    return {
        "cards": list(counts),
        "rate": rate,
        "p99_ms": [few, many],
        "rounds_p99_ms": list(p99s.values()),
        "ratio": many / few,
    }


def beside_rival(
    steps: PathSteps, holdfast: Side, rival: Side, cases: Sequence[Mapping[str, Any]]
) -> dict[str, Any]:
    """The rival's best rate on each way beside Holdfast's, the best of all ways, and both at one load, unary."""
    rates = {}
    catch_up(holdfast)
    for case in cases:
        way = next(way for way in WAYS if way.name == case["way"]["name"])
        rates[way.name] = case["saturation_per_s"][HOLDFAST] or 0.0, steps.climb(way, rival)
    rate = EQUAL_SHARE * next(iter(rates.values()))[1]
    rates["whichever is best"] = tuple(max(column) for column in zip(*rates.values(), strict=True))
    seen = {
        name: shown(step) for name, step in steps.step(WAYS[0], [holdfast, rival], rate, JUDGED_S_MIN).items()
    }
    p99_ms = [seen[side.name]["latency_ms"]["p99"] for side in (holdfast, rival)]
    best = [
        {"way": name, "holdfast_per_s": own, "rival_per_s": other, "ratio": own / other}
        for name, (own, other) in rates.items()
    ]
    return {"best": best, "equal_load": {"rate": rate, "sides": seen, "p99_ratio": p99_ms[0] / p99_ms[1]}}


def finished(document: dict[str, Any]) -> dict[str, Any]:
    """The document with its figures beside their bars, and whether all pass."""
    figures = list(_figures(document))
    return {**document, "figures": figures, "passes": all(figure["passes"] for figure in figures)}


def _empties(stack: ExitStack, folder: Path, fronts: int) -> Iterator[Side]:
    yield start_empty(stack, folder)
    if fronts:
        yield start_empty(stack, folder, processes=fronts, name=MANY_EMPTY)


def _portfolio(
    stack: ExitStack, folder: Path, options: PathOptions, cards: int, tell: Callable[[str], None]
) -> Side:
    tell(f"starting Holdfast with {cards:,} cards")
    name = f"{cards:,} cards".replace(",", "_").replace(" ", "_")
    return start_holdfast(
        stack,
        folder,
        cards=cards,
        ledger=options.ledger,
        fronts=options.fronts,
        home=None if options.home is None else options.home.with_name(f"{options.home.name}_{name}"),
        name=name,
    )


def _figures(document: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for case in document["cases"]:
        name, half = case["way"]["name"], case["half"]
        if half is None:
            reason = "no step was carried"
            if case["way"]["method"] == UNARY:
                yield _figure(name, "p99 at half of saturation", "ms", None, P99_MAX_MS, reason=reason)
            continue
        own = half["sides"][HOLDFAST]
        if case["way"]["method"] == UNARY:
            reason = "; ".join(own["reasons"])
            latency = own["latency_ms"] if own["valid"] else {"p99": None, "p99_9": None}
            yield _figure(name, "p99 at half of saturation", "ms", latency["p99"], P99_MAX_MS, reason=reason)
            yield _figure(
                name, "p99.9 at half of saturation", "ms", latency["p99_9"], P999_MAX_MS, reason=reason
            )
        if half["cost"] is not None:
            usd = half["cost"]["usd_whole_machine"]
            yield _figure(name, "cost, whole machine", "USD an authorization", usd, USD_MAX, digits=8)
    yield from overload_figures(document.get("overload", ()))
    if document.get("cards"):
        cards = document["cards"]
        few, many = cards["cards"]
        text = f"p99 with {many:,} cards"
        yield _figure("cards", text, f"of that with {few:,}", cards["ratio"], CARDS_P99_MAX)
    if document.get("rival"):
        rival = document["rival"]
        best, unit = rival["best"][-1], "times the rival's"
        yield _figure("rival", "best throughput", unit, best["ratio"], RIVAL_RATE_MIN, is_floor=True)
        equal = rival["equal_load"]
        unit = f"of the rival's, both at {equal['rate']:,.0f}/s"
        yield _figure("rival", "p99 at equal load", unit, equal["p99_ratio"], 1.0)


def _figure(
    part: str,
    name: str,
    unit: str,
    value: float | None,
    bar: float,
    *,
    is_floor: bool = False,
    digits: int = 2,
    reason: str = "",
) -> dict[str, Any]:
    figure = Figure(name, unit, value, bar, is_floor=is_floor, digits=digits, reason=reason)
    return {"part": part, **figure.document()}


def _options(options: PathOptions) -> dict[str, Any]:
    told = asdict(options)
    told["home"] = None if options.home is None else str(options.home)
    return {**told, "in_time_ms": IN_TIME_MS, "carried_share_min": CARRIED_SHARE_MIN}


def _unheard(_step: str) -> None:
    """Progress that nobody asked for."""
