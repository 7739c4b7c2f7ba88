"""
What a server does with several times what it carries: what it accepts is answered as soon as ever, the rest refused at once.

One step at OVERLOAD times the saturation of its way. Goodput is what was approved a second, beside the most that was carried
without refusals; a refusal counts from when its message left, since where the server's window is closed the sender knows.
What was accepted counts from when it left too, beside its p99 at saturation; what the window held back is told by itself.
Memory is that of core and fronts, beyond what each accepted message is kept by (`holdfast_memory_bytes`). Where the client did
not send so much, or nothing was carried, there is no figure, and that is a miss.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final

from loadtest.bench import CLIENT_CPU_MAX
from loadtest.figure import Figure
from loadtest.path_steps import LATE_P99_MAX_MS, WAYS, PathSteps, shown
from loadtest.sides import HOLDFAST, Side
from loadtest.stages import scrape
from loadtest.usage import family, processes, resident_bytes

OVERLOAD: Final = 5.0
OVERLOAD_S: Final = 6.0
GOODPUT_MIN: Final = 0.9
P99_MAX: Final = 2.0
REFUSED_P99_MAX_MS: Final = 20.0
GROWTH_MAX_MB: Final = 64.0
_OWN: Final = ("core", "front", "server")


def overloaded(
    steps: PathSteps, holdfast: Side, cases: Sequence[Mapping[str, Any]], tell: Callable[[str], None]
) -> list[dict[str, Any]]:
    """Each case's way at OVERLOAD times its saturation, beside its step at saturation; ready for JSON."""
    found: list[dict[str, Any]] = []
    for case in cases:
        saturation = case["saturation_per_s"][HOLDFAST]
        if saturation is None:
            found.append({"way": case["way"]["name"], "reason": "no step was carried"})
            continue
        way = next(way for way in WAYS if way.name == case["way"]["name"])
        best = next(step for step in case["steps"] if step["rate"] == saturation)["sides"][HOLDFAST]
        tell(f"{way.name}: {OVERLOAD:g} times as much as is carried")
        before_mb = unexplained_mb(holdfast)
        step = steps.step(way, [holdfast], OVERLOAD * saturation, OVERLOAD_S)[HOLDFAST]
        found.append(
            {
                "way": way.name,
                "rate": OVERLOAD * saturation,
                "goodput": _approved_per_s(step) / max(1.0, _approved_per_s(best)),
                "p99_ratio": step["served_ms_p99"] / best["served_ms_p99"],
                "growth_mb": unexplained_mb(holdfast) - before_mb,
                "step": shown(step),
                "reason": _unsent(step),
            }
        )
    return found


def overload_figures(found: Sequence[Mapping[str, Any]]) -> Iterator[dict[str, Any]]:
    """Beside their bars. A refusal's time counts where any was refused: else the window alone held back the sender."""
    for one in found:
        yield _figure(one, "goodput", "of the best", one.get("goodput"), GOODPUT_MIN, is_floor=True)
        yield _figure(one, "p99 of what is accepted", "of that at saturation", one.get("p99_ratio"), P99_MAX)
        if "step" in one and one["step"]["refused_ms_p99"] is not None:
            yield _figure(one, "p99 of a refusal", "ms", one["step"]["refused_ms_p99"], REFUSED_P99_MAX_MS)
        yield _figure(one, "memory that nothing explains", "MB more", one.get("growth_mb"), GROWTH_MAX_MB)


def unexplained_mb(side: Side) -> float:
    """Resident memory of the server's own processes, less what it says that it keeps."""
    kept = sum(value for (name, _), value in scrape(side.metrics).items() if name == "holdfast_memory_bytes")
    own = (pid for pid, (kind, _) in processes(family(side.pids, side.mark)).items() if kind in _OWN)
    return (sum(map(resident_bytes, own)) - kept) / 1e6


def _approved_per_s(step: Mapping[str, Any]) -> float:
    """What was approved in the step's own time."""
    answered = sum(count for code, count in step["codes"].items() if len(code) == 2)
    return float(step["answered_per_s"]) * step["codes"].get("00", 0) / max(1, answered)


def _unsent(step: Mapping[str, Any]) -> str:
    """Why the client did not send so much; nothing where it did, or the server's window held it back."""
    if step["client_cpu"] >= CLIENT_CPU_MAX:
        return f"the client was the limit: it used {step['client_cpu']:.2f} of one core"
    if step["late_ms_p99"] > LATE_P99_MAX_MS:
        return f"the client sent late: p99 {step['late_ms_p99']:.1f} ms"
    return ""


def _figure(
    one: Mapping[str, Any], name: str, unit: str, value: float | None, bar: float, *, is_floor: bool = False
) -> dict[str, Any]:
    figure = Figure(
        name, unit, None if one["reason"] else value, bar, is_floor=is_floor, reason=one["reason"]
    )
    return {"part": f"overload: {one['way']}", **figure.document()}
