"""
Steps of fixed arrival rates against running servers: the climb to saturation, the steps that are told, the judged one.

A step is *carried* where at least 99 % of what was due was answered within 100 ms and at least 95 % of the answers are
approvals. It is *valid* where the client was not the limit: by its CPU, and by how late it sent.
"""

import os
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

from loadtest.arrivals import ARRIVALS, Way
from loadtest.bench import APPROVED_SHARE_MIN, CLIENT_CPU_MAX, Client
from loadtest.closed_loop import LINK, UNARY
from loadtest.open_loop import DRAIN_S
from loadtest.price import Rates, price
from loadtest.sides import HOLDFAST, LEDGERS, Side
from loadtest.stages import Glance, catch_up, profile
from loadtest.usage import Usage, family, usage

WAYS: Final = (
    Way("unary", UNARY),
    Way("link, frames of 1", LINK),
    Way("link, frames of 32", LINK, frame_messages=32, gather_ms=4.0),
)
SHARES: Final = (0.1, 0.25, 0.5, 0.7, 0.8, 0.9, 1.0, 1.1)
"""Of the estimated saturation: the rates of the steps that are told."""

CARRIED_SHARE_MIN: Final = 0.99
LATE_P99_MAX_MS: Final = 2.0
JUDGED_S_MIN: Final = 20.0
_CLIMB_FROM: Final = {UNARY: 400.0, LINK: 800.0}
_CLIMB_BY: Final = 1.5
_CLIMB_S: Final = 1.5
_RATE_MIN: Final = 20.0
_CLIMB_STEPS_MAX: Final = 16
_HALVINGS: Final = 2
_BEYOND_BY: Final = 1.15
_BEYOND_MAX: Final = 6


@dataclass(frozen=True)
class PathOptions:
    """
    What to measure. `rates` (messages a second) replace the search for saturation, for every way.

    `overload`, `rival` and `objects` add those parts, `cards_beside` compares p99 with a second server of that many
    cards; `home` keeps Holdfast's state between benches, and those of the two portfolios beside it.
    """

    cards: int = 200_000
    seconds: float = 10.0
    ledger: str = LEDGERS[0]
    fronts: int = 0
    rates: tuple[float, ...] = ()
    arrivals: str = ARRIVALS[0]
    ways: tuple[str, ...] = tuple(way.name for way in WAYS)
    cards_beside: int | None = None
    overload: bool = False
    rival: bool = False
    objects: bool = False
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
        if self.objects and self.fronts:
            raise ValueError("objects are counted in one process: without fronts of their own")
        if any(rate <= 0 for rate in self.rates):
            raise ValueError("rates are above 0")


class PathSteps:
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
            job = {
                "targets": side.targets,
                "server_pids": side.pids,
                "mark": side.mark,
                "drain_s": DRAIN_S,
            }
            seen[side.name] = step = self._client.ask(measure=job)
            if len(sides) > 1:
                catch_up(side)  # the next one is to have the machine for itself
            latency = step["latency_ms"]
            self._tell(
                f"{way.name} at {rate:,.0f}/s: {side.name} p50 {latency['p50']:.1f} p99 {latency['p99']:.1f} ms, "
                f"{step['in_time_share']:.1%} in time"
            )
        return seen

    def climb(self, way: Way, side: Side) -> float:
        """
        About the largest rate that a server carries: by steps up until it doesn't, then by halvings.

        A step that fails is tried once more, since a neighbour's moment is not the server's. Raises RuntimeError where it
        carries next to nothing.
        """
        good = bad = _CLIMB_FROM[way.method]
        while not self._carries(way, side, good):
            good, bad = good / 2, good
            if good < _RATE_MIN:
                raise RuntimeError(
                    f"{side.name} does not even carry {bad:,.0f}/s, {way.name}: is the machine busy?"
                )
        for _ in range(_CLIMB_STEPS_MAX if good == bad else 0):
            bad = good * _CLIMB_BY
            if not self._carries(way, side, bad):
                break
            good = bad
        for _ in range(_HALVINGS if bad > good else 0):
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
        beyond = 0 if options.rates else _BEYOND_MAX
        while rates:
            rate = rates.pop(0)
            seen = {name: shown(step) for name, step in self.step(way, sides, rate, options.seconds).items()}
            steps.append({"rate": rate, "sides": seen})
            if not rates and beyond and seen[HOLDFAST]["carried"]:
                # The climb's short steps estimate too low where a moment of the machine fell into them.
                rates, beyond = [rate * _BEYOND_BY], beyond - 1
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
            "saturation_is_found": own is not None and own < steps[-1]["rate"],
            "empty_saturation_estimate_per_s": None if options.rates else self.climb(way, sides[1]),
            "steps": steps,
            "half": None if own is None else self.half(way, sides, own / 2),
        }

    def half(self, way: Way, sides: Sequence[Side], rate: float) -> dict[str, Any]:
        """The step at half of saturation: longer, with the server's time taken apart and its price."""
        seconds = max(self._options.seconds, JUDGED_S_MIN)
        own_side = sides[0]
        before = Glance.at(own_side)
        seen = self.step(way, [own_side], rate, seconds)
        put_off = _catching_up(own_side)
        after = Glance.at(own_side)
        seen |= self.step(way, sides[1:], rate, seconds)
        own = seen[HOLDFAST]
        return {
            "rate": rate,
            "sides": {name: shown(step) for name, step in seen.items()},
            "profile": profile(before, after, max(1, own["answered"])),
            "cost": price(self._options.prices, _with(own, put_off), os.cpu_count() or 1),
        }


def _catching_up(side: Side) -> Usage:
    """Have it do what it put off while it answered; what that took."""
    pids = family(side.pids, side.mark)
    before = usage(pids)
    catch_up(side)
    return usage(pids) - before


def _with(step: dict[str, Any], used: Usage) -> dict[str, Any]:
    """A step that used so much more, as far as the system tells."""
    more = {"server_cpu_s": used.cpu_s, "written_bytes": used.written_bytes}
    return step | {
        name: step[name] + value for name, value in more.items() if value and step[name] is not None
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
