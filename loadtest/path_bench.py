"""
How long answers take at which load: steps of fixed arrival rates up to saturation, open loop, beside an empty server.

For each way of sending, the rate first climbs in short steps until Holdfast no longer carries it: that estimates saturation.
Then come the steps that are reported, at shares of it (or at the rates that were given), each sent to Holdfast and, the same
messages at the same times, to the empty server. The largest rate that was carried in these is the saturation told. At half
of it a longer step is judged by its bars, and there the server's time is taken apart.

A step is *carried* where at least 99 % of what was due was answered within 100 ms and at least 95 % of the answers are
approvals. It is *valid* where the client was not the limit: by its CPU, and by how late it sent.
"""

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

from loadtest.bench import APPROVED_SHARE_MIN, CLIENT_CPU_MAX, MANY_EMPTY, Client
from loadtest.circumstances import circumstances
from loadtest.closed_loop import LINK, UNARY
from loadtest.figure import Figure
from loadtest.open_loop import ARRIVALS, IN_TIME_MS, Way
from loadtest.price import USD_MAX, Rates, price
from loadtest.sides import HOLDFAST, LEDGERS, Side, folder_of, start_empty, start_holdfast
from loadtest.stages import Glance, profile

SCHEMA: Final = 1
"""Version of the JSON document: names keep their meaning within one."""

WAYS: Final = (
    Way("unary", UNARY),
    Way("link, frames of 1", LINK),
    Way("link, frames of 32", LINK, frame_messages=32, gather_ms=4.0),
)
SHARES: Final = (0.1, 0.25, 0.5, 0.7, 0.8, 0.9, 1.0, 1.1)
CARRIED_SHARE_MIN: Final = 0.99
LATE_P99_MAX_MS: Final = 2.0
P99_MAX_MS: Final = 12.0
P999_MAX_MS: Final = 25.0
CARDS_BASE: Final = 10_000
CARDS_P99_MAX: Final = 1.2
RIVAL_RATE_MIN: Final = 5.0
_CLIMB_FROM: Final = {UNARY: 400.0, LINK: 800.0}
_CLIMB_BY: Final = 1.5
_CLIMB_S: Final = 1.5
_RATE_MIN: Final = 20.0
_CLIMB_STEPS_MAX: Final = 16
_HALVINGS: Final = 2
_JUDGED_S_MIN: Final = 20.0


@dataclass(frozen=True)
class PathOptions:
    """
    What to measure. `rates` (messages a second) replace the search for saturation, for every way.

    `cards_beside` compares p99 with a second server of that many cards; `home` keeps Holdfast's state between benches.
    """

    cards: int = 200_000
    seconds: float = 10.0
    ledger: str = LEDGERS[0]
    fronts: int = 0
    rates: tuple[float, ...] = ()
    arrivals: str = ARRIVALS[0]
    ways: tuple[str, ...] = tuple(way.name for way in WAYS)
    cards_beside: int | None = None
    rival: bool = False
    rounds: int = 3
    seed: int = 7
    home: Path | None = None
    prices: Rates = field(default_factory=Rates)

    def __post_init__(self) -> None:
        known = [way.name for way in WAYS]
        if unknown := [name for name in self.ways if name not in known]:
            raise ValueError(f"a way is one of {', '.join(known)}, not {unknown[0]}")
        if self.arrivals not in ARRIVALS:
            raise ValueError(f"arrivals are one of {', '.join(ARRIVALS)}, not {self.arrivals}")
        if self.cards < 1 or self.seconds <= 0 or self.rounds < 1 or self.fronts < 0 or not self.ways:
            raise ValueError("a bench needs at least one card, one round, one way and some seconds")
        if any(rate <= 0 for rate in self.rates):
            raise ValueError("rates are above 0")


class PathBench:
    """Steps against running servers. Every step's messages are new, and of cards in another order of popularity."""

    def __init__(self, client: Client, options: PathOptions, tell: Callable[[str], None]) -> None:
        self._client = client
        self._options = options
        self._tell = tell
        self._steps = 0

    def step(
        self, way: Way, sides: Sequence[Side], rate: float, seconds: float, *, cards: int | None = None
    ) -> dict[str, dict[str, Any]]:
        """One step on each side, the same messages at the same times: `open_loop.Step`s as dictionaries, by side."""
        self._steps += 1
        options = self._options
        self._client.ask(
            prepare={
                "way": asdict(way),
                "seed": options.seed + self._steps,
                "cards": cards or options.cards,
                "run": self._steps,
                "rate": rate,
                "seconds": seconds,
                "arrivals": options.arrivals,
            }
        )
        seen = {}
        for side in sides:
            job = {"targets": side.targets, "server_pids": side.pids, "mark": side.mark}
            seen[side.name] = step = self._client.ask(measure=job)
            latency = step["latency_ms"]
            self._tell(
                f"{way.name} at {rate:,.0f}/s: {side.name} p50 {latency['p50']:.1f} p99 {latency['p99']:.1f} ms, "
                f"{step['in_time_share']:.1%} in time"
            )
        return seen

    def climb(self, way: Way, side: Side) -> float:
        """
        About the largest rate that a server carries: by steps up until it doesn't, then by halvings.

        A step that fails is tried once more, since a neighbour's moment is not the server's. Raises RuntimeError where it does not
        even carry the first.
        """
        good, bad = 0.0, None
        rate = _CLIMB_FROM[way.method]
        for _ in range(_CLIMB_STEPS_MAX):
            if not self._carries(way, side, rate):
                bad = rate
                break
            good, rate = rate, rate * _CLIMB_BY
        if not good:
            raise RuntimeError(
                f"{side.name} does not carry {rate:,.0f}/s, {way.name}: nothing can be measured here"
            )
        for _ in range(_HALVINGS if bad is not None else 0):
            assert bad is not None, "halved only between two rates"
            middle = (good * bad) ** 0.5
            if self._carries(way, side, middle):
                good = middle
            else:
                bad = middle
        return good

    def _carries(self, way: Way, side: Side, rate: float) -> bool:
        return any(is_carried(self.step(way, [side], rate, _CLIMB_S)[side.name]) for _ in range(2))

    def case(self, way: Way, sides: Sequence[Side]) -> dict[str, Any]:
        """All steps of one way, the judged one at half of saturation with its profile, and whether they are valid."""
        options = self._options
        rates = list(options.rates)
        if not rates:
            estimate = self.climb(way, sides[0])
            rates = [estimate * share for share in SHARES]
        steps: list[dict[str, Any]] = []
        for rate in rates:
            seen = self.step(way, sides, rate, options.seconds)
            steps.append({"rate": rate, "sides": {name: shown(step) for name, step in seen.items()}})
        saturation: dict[str, float | None] = {
            side.name: max(
                (float(step["rate"]) for step in steps if step["sides"][side.name]["carried"]), default=None
            )
            for side in sides
        }
        own = saturation[HOLDFAST]
        return {
            "way": asdict(way),
            "saturation_per_s": saturation,
            "saturation_is_found": own is not None and own < max(rates),
            "empty_saturation_estimate_per_s": None if options.rates else self.climb(way, sides[1]),
            "steps": steps,
            "half": None if own is None else self.half(way, sides, own / 2),
        }

    def half(self, way: Way, sides: Sequence[Side], rate: float) -> dict[str, Any]:
        """The step at half of saturation: longer, with the server's time taken apart and its price."""
        seconds = max(self._options.seconds, _JUDGED_S_MIN)
        before = Glance.at(sides[0])
        seen = self.step(way, sides[:1], rate, seconds)
        after = Glance.at(sides[0])
        seen |= self.step(way, sides[1:], rate, seconds)
        own = seen[HOLDFAST]
        return {
            "rate": rate,
            "sides": {name: shown(step) for name, step in seen.items()},
            "profile": profile(before, after, max(1, own["answered"])),
            "cost": price(self._options.prices, own, os.cpu_count() or 1),
        }

    def cards(self, few: Side, many: Side, counts: tuple[int, int], rate: float) -> dict[str, Any]:
        """p99 of two portfolios at one rate, in turns; unary. What counts is the median of the rounds."""
        p99s: dict[str, list[float]] = {few.name: [], many.name: []}
        for number in range(self._options.rounds):
            pairs = [(few, counts[0]), (many, counts[1])]
            for side, count in pairs if number % 2 == 0 else reversed(pairs):
                seconds = max(self._options.seconds, _JUDGED_S_MIN)
                step = self.step(WAYS[0], [side], rate, seconds, cards=count)[side.name]
                p99s[side.name].append(step["latency_ms"]["p99"])
        medians = [sorted(p99s[side.name])[self._options.rounds // 2] for side in (few, many)]
        return {
            "cards": list(counts),
            "rate": rate,
            "p99_ms": medians,
            "rounds_p99_ms": list(p99s.values()),
            "ratio": medians[1] / medians[0],
        }


def is_carried(step: dict[str, Any]) -> bool:
    """Whether a server carried this step's rate (see the first lines of this file)."""
    answered = sum(step["codes"].values()) or 1
    approved = step["codes"].get("00", 0) / answered
    return bool(step["in_time_share"] >= CARRIED_SHARE_MIN and approved >= APPROVED_SHARE_MIN)


def shown(step: dict[str, Any]) -> dict[str, Any]:
    """A step with what is made of it: whether it is carried, and what makes it invalid."""
    reasons = []
    if step["client_cpu"] >= CLIENT_CPU_MAX:
        reasons.append(f"the client was the limit: it used {step['client_cpu']:.2f} of one core")
    if step["late_ms_p99"] > LATE_P99_MAX_MS:
        reasons.append(f"the client sent late: p99 {step['late_ms_p99']:.1f} ms")
    answered = sum(step["codes"].values())
    approved_share = step["codes"].get("00", 0) / answered if answered else 0.0
    if approved_share < APPROVED_SHARE_MIN:
        reasons.append(f"only {approved_share:.1%} of the answers are 00")
    return {
        **step,
        "approved_share": approved_share,
        "carried": is_carried(step),
        "valid": not reasons,
        "reasons": reasons,
    }


def run(options: PathOptions, progress: Callable[[str], None] | None = None) -> dict[str, Any]:
    """
    Measures everything and returns it ready for JSON, `figures` beside their bars among it.

    Raises `ServerFailed` where a server doesn't come up, RuntimeError where one is lost, FileNotFoundError without TigerBeetle.
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
        bench = PathBench(client, options, tell)
        cases = [bench.case(way, sides) for way in WAYS if way.name in options.ways]
        document = {"schema": SCHEMA, **circumstances(), "options": _options(options), "cases": cases}
        document["cards"] = _beside(stack, folder, bench, options, cases, tell)
    return finished(document)


def finished(document: dict[str, Any]) -> dict[str, Any]:
    """The document with its figures beside their bars, and whether all pass."""
    figures = list(_figures(document))
    return {**document, "figures": figures, "passes": all(figure["passes"] for figure in figures)}


def _empties(stack: ExitStack, folder: Path, fronts: int) -> Iterator[Side]:
    yield start_empty(stack, folder)
    if fronts:
        yield start_empty(stack, folder, processes=fronts, name=MANY_EMPTY)


def _beside(
    stack: ExitStack,
    folder: Path,
    bench: PathBench,
    options: PathOptions,
    cases: Sequence[dict[str, Any]],
    tell: Callable[[str], None],
) -> dict[str, Any] | None:
    """Few cards beside many, at the rate of the judged unary step."""
    if options.cards_beside is None:
        return None
    counts = (CARDS_BASE, options.cards_beside)
    few, many = (_portfolio(stack, folder, options, count, tell) for count in counts)
    judged = next((case["half"] for case in cases if case["way"]["method"] == UNARY), None)
    rate = judged["rate"] if judged else bench.climb(WAYS[0], few) / 2
    return bench.cards(few, many, counts, rate)


def _portfolio(
    stack: ExitStack, folder: Path, options: PathOptions, cards: int, tell: Callable[[str], None]
) -> Side:
    tell(f"starting Holdfast with {cards:,} cards")
    return start_holdfast(
        stack,
        folder,
        cards=cards,
        ledger=options.ledger,
        fronts=options.fronts,
        name=f"{cards:,} cards".replace(",", "_").replace(" ", "_"),
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
    if document.get("cards"):
        cards = document["cards"]
        few, many = cards["cards"]
        text = f"p99 with {many:,} cards"
        yield _figure("cards", text, f"of that with {few:,}", cards["ratio"], CARDS_P99_MAX)
    if document.get("rival"):
        rival = document["rival"]
        for best in rival["best"]:
            unit = "times the rival's"
            yield _figure(
                "rival", f"throughput, {best['way']}", unit, best["ratio"], RIVAL_RATE_MIN, is_floor=True
            )
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
